//! Whether mounts answer: a mount whose daemon was killed, or hangs, tells nobody so itself.
//!
//! A process of its own asks each: one that does not answer keeps whoever asks it waiting.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use super::control::Status;
use super::problem::Problem;
use super::service;
use crate::fuse::mountpoint;
use crate::types::shell_word;

/// How long a mount may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often to look whether it has.
const TICK: Duration = Duration::from_millis(5);
/// The exit code of `reelfs alive` for a mount whose daemon is gone.
const DEAD: u8 = 3;

/// A mount that does not answer.
pub(super) struct Lost {
    pub(super) mountpoint: PathBuf,
    /// Whether its daemon is gone; it is there and says nothing otherwise.
    pub(super) is_dead: bool,
}

impl Lost {
    /// What is wrong with it, and what mends it.
    pub(super) fn problem(&self) -> Problem {
        let (at, word) = (self.mountpoint.display(), shell_word(&self.mountpoint));
        let (message, flag) = if self.is_dead {
            (format!("{at} is dead: its daemon is gone"), "")
        } else {
            (format!("{at} does not answer"), "--lazy ")
        };
        Problem { message, hint: Some(format!("reelfs unmount {flag}{word}")) }
    }
}

/// `reelfs alive`: tells by the exit code whether a mount answers. Waits for as long as it does not.
pub(super) fn tell(mountpoint: &Path) -> ExitCode {
    if mountpoint::answers(mountpoint) {
        ExitCode::SUCCESS
    } else if mountpoint::is_dead(mountpoint) {
        ExitCode::from(DEAD)
    } else {
        ExitCode::FAILURE
    }
}

/// Whether a mount answers; waits for as long as it does not.
pub(super) fn answers(mountpoint: &Path) -> bool {
    alive(mountpoint).status().is_ok_and(|status| status.success())
}

/// The mounts of this user that do not answer, beside those that just did.
pub(super) fn lost(answered: &[(PathBuf, Status)]) -> Vec<Lost> {
    let mut mountpoints = mountpoint::own();
    mountpoints.retain(|at| answered.iter().all(|(_, status)| status.mountpoint != *at));
    among(mountpoints)
}

/// The mount around a path, if it does not answer.
pub(super) fn lost_around(path: &Path) -> Option<Lost> {
    among(mountpoint::ours_around(path).into_iter().collect()).pop()
}

/// Asks all of them at once.
fn among(mut mountpoints: Vec<PathBuf>) -> Vec<Lost> {
    mountpoints.sort();
    mountpoints.dedup();
    let asked = mountpoints.into_iter().map(|at| (alive(&at).spawn(), at));
    // All of them are started before the first is waited for.
    let asked: Vec<_> = asked.collect();
    let begun = Instant::now();
    let code = |child: &mut Child| loop {
        match child.try_wait() {
            Ok(None) if begun.elapsed() < PATIENCE => std::thread::sleep(TICK),
            Ok(None) => {
                let _ = child.kill();
                return None;
            }
            ended => return Some(ended.ok().flatten().and_then(|status| status.code())),
        }
    };
    asked
        .into_iter()
        .filter_map(|(child, mountpoint)| match code(&mut child.ok()?) {
            Some(Some(told)) if told == i32::from(DEAD) => Some(Lost { mountpoint, is_dead: true }),
            Some(_) => None,
            None => Some(Lost { mountpoint, is_dead: false }),
        })
        .collect()
}

fn alive(mountpoint: &Path) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg("alive").arg("--").arg(mountpoint).stdin(Stdio::null()).stdout(Stdio::null());
    service::hide_from(&mut command);
    command
}
