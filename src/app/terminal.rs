//! Lines for the person at the terminal. A terminal that has gone away is no error.

use std::io::{IsTerminal as _, Write as _};

use super::problem::Problem;
pub(super) use crate::types::one_line;

/// Prints a line or more of a command's own output.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let lines: Vec<_> = text.split('\n').map(one_line).collect();
    let _ = writeln!(out, "{}", lines.join("\n")).and_then(|()| out.flush());
}

/// Prints a question, and leaves the line open for the answer.
pub(super) fn ask(question: &str) {
    let mut out = std::io::stdout().lock();
    let _ = write!(out, "{question}").and_then(|()| out.flush());
}

/// Makes the screen empty, where there is one.
pub(super) fn clear() {
    let mut out = std::io::stdout().lock();
    if out.is_terminal() {
        let _ = write!(out, "\x1b[2J\x1b[H");
    }
}

/// Prints a warning.
pub(super) fn warn(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "warning: {}", one_line(text));
}

/// Prints why a command failed, and what to do.
pub(super) fn error(problem: &Problem) {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "error: {}", one_line(&problem.message));
    if let Some(hint) = &problem.hint {
        let _ = writeln!(err, "hint: {}", one_line(hint));
    }
}
