//! A command that goes on in the background: a child of its own, started before any thread, that
//! reports when it is ready. Nothing forks a process that has threads.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, ExitCode, Stdio};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{dup2_stderr, dup2_stdout, setsid};

use super::problem::Problem;

/// Tells the child that it is one. Its value is what the child says when it is ready.
const VARIABLE: &str = "REELFS_BACKGROUND_READY";

/// Whether this process is the child.
pub(super) fn is_child() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Starts this very command line again as a child and waits until it is ready. Whatever the child
/// prints before that reaches the terminal; an error of the child's was printed by itself.
pub(super) fn start() -> Result<ExitCode, Problem> {
    let cannot = |error| Problem::new("cannot go on in the background", error);
    let word = format!("ready {}", std::process::id());
    let mut child = Command::new(std::env::current_exe().map_err(cannot)?)
        .args(std::env::args_os().skip(1))
        .env(VARIABLE, &word)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    let lines = child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines());
    for line in lines.map_while(Result::ok) {
        if line == word {
            return Ok(ExitCode::SUCCESS);
        }
        super::terminal::say(&line);
    }
    let status = child.wait().map_err(cannot)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code.max(1)))
}

/// Makes this child end, until it is ready, with the parent that waits for it.
pub(super) fn end_with_parent() -> Result<(), Problem> {
    set_pdeathsig(Signal::SIGTERM)
        .map_err(|errno| Problem::new("cannot go on in the background", errno))
}

/// Tells the parent that this child is ready, lets go of its terminal, and prints nowhere from now
/// on. Until here, whatever ends the parent ends both.
pub(super) fn report_ready() -> Result<(), Problem> {
    let cannot = |error| Problem::new("cannot go on in the background", error);
    set_pdeathsig(None).map_err(|errno| cannot(errno.into()))?;
    // Fails only for the leader of a process group, which a fresh child is not.
    let _ = setsid();
    let word = std::env::var(VARIABLE).unwrap_or_default();
    let mut out = std::io::stdout().lock();
    // A parent that was killed meanwhile does not end the mount.
    let _ = writeln!(out, "{word}").and_then(|()| out.flush());
    let nowhere = File::options().read(true).write(true).open("/dev/null").map_err(cannot)?;
    dup2_stdout(&nowhere).map_err(|errno| cannot(errno.into()))?;
    dup2_stderr(&nowhere).map_err(|errno| cannot(errno.into()))?;
    Ok(())
}
