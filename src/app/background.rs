//! A command that goes on in the background: a child of its own, started before any thread, that
//! reports when it is ready. Nothing forks a process that has threads.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode, Stdio};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid};

use super::problem::Problem;
use super::service;

/// Tells the child that it is one. Its value is what the child says when it is ready.
const VARIABLE: &str = "REELFS_BACKGROUND_READY";

/// Whether this process is the child.
pub(super) fn is_child() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Starts this very command line again as a child and waits until it is ready.
pub(super) fn start() -> Result<ExitCode, Problem> {
    Starting::new(std::env::args_os().skip(1))?.ready().map(|(code, _)| code)
}

/// A child that is not ready yet.
pub(super) struct Starting {
    child: Child,
    /// What it says when it is.
    word: String,
}

impl Starting {
    /// Starts this program with other arguments. It is called as this process was: as `reelfs`, or
    /// as the helper of mount(8).
    pub(super) fn new(arguments: impl Iterator<Item = OsString>) -> Result<Self, Problem> {
        let word = format!("ready {}", std::process::id());
        let mut command = Command::new(std::env::current_exe().map_err(cannot)?);
        if let Some(name) = std::env::args_os().next() {
            command.arg0(name);
        }
        // What comes in may be a list; the child lets go of it when it is ready.
        command.args(arguments).env(VARIABLE, &word).stdout(Stdio::piped());
        // The service manager knows this process, and hears from it.
        service::hide_from(&mut command);
        Ok(Self { child: command.spawn().map_err(cannot)?, word })
    }

    /// Waits until the child is ready, or has ended without. Whatever it prints before that reaches
    /// the terminal; an error of the child's was printed by itself.
    pub(super) fn ready(mut self) -> Result<(ExitCode, Child), Problem> {
        let lines = self.child.stdout.take().into_iter();
        for line in lines.flat_map(|out| BufReader::new(out).lines()).map_while(Result::ok) {
            if line == self.word {
                return Ok((ExitCode::SUCCESS, self.child));
            }
            super::terminal::say(&line);
        }
        let status = self.child.wait().map_err(cannot)?;
        let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        Ok((ExitCode::from(code.max(1)), self.child))
    }
}

fn cannot(error: std::io::Error) -> Problem {
    Problem::new("cannot go on in the background", error)
}

/// Makes this child end, until it is ready, with the parent that waits for it.
pub(super) fn end_with_parent() -> Result<(), Problem> {
    set_pdeathsig(Signal::SIGTERM).map_err(|errno| cannot(errno.into()))
}

/// Tells the parent that this child is ready, lets go of its terminal, and prints nowhere from now
/// on. Until here, whatever ends the parent ends both.
pub(super) fn report_ready() -> Result<(), Problem> {
    set_pdeathsig(None).map_err(|errno| cannot(errno.into()))?;
    // Fails only for the leader of a process group, which a fresh child is not.
    let _ = setsid();
    let word = std::env::var(VARIABLE).unwrap_or_default();
    let mut out = std::io::stdout().lock();
    // A parent that was killed meanwhile does not end the mount.
    let _ = writeln!(out, "{word}").and_then(|()| out.flush());
    let nowhere = File::options().read(true).write(true).open("/dev/null").map_err(cannot)?;
    dup2_stdin(&nowhere).map_err(|errno| cannot(errno.into()))?;
    dup2_stdout(&nowhere).map_err(|errno| cannot(errno.into()))?;
    dup2_stderr(&nowhere).map_err(|errno| cannot(errno.into()))?;
    Ok(())
}
