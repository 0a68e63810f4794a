//! Whether mounts answer: a mount whose daemon was killed, or hangs, tells nobody so itself.
//!
//! A process of its own asks each: one that does not answer keeps whoever asks it waiting.

use std::collections::{BTreeMap, BTreeSet};
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

/// Looks after mounts again and again. Who asks one that hangs may not end, even if he is killed: while he waits,
/// nobody else is sent there.
#[derive(Default)]
pub(super) struct Pulse(BTreeMap<PathBuf, Child>);

impl Pulse {
    /// The mounts of this user that do not answer, beside those that just did.
    pub(super) fn lost(&mut self, answered: &[(PathBuf, Status)]) -> Vec<Lost> {
        let mut mountpoints = mountpoint::own();
        mountpoints.retain(|at| answered.iter().all(|(_, status)| status.mountpoint != *at));
        self.among(mountpoints)
    }

    /// Asks all of them at once.
    fn among(&mut self, mountpoints: Vec<PathBuf>) -> Vec<Lost> {
        let wanted: BTreeSet<_> = mountpoints.into_iter().collect();
        for at in &wanted {
            if !self.0.contains_key(at) {
                self.0.extend(alive(at).spawn().map(|child| (at.clone(), child)));
            }
        }
        let begun = Instant::now();
        let (mut lost, mut waiting) = (Vec::new(), BTreeMap::new());
        for (mountpoint, mut child) in std::mem::take(&mut self.0) {
            let is_wanted = wanted.contains(&mountpoint);
            let code = loop {
                match child.try_wait() {
                    Ok(None) if is_wanted && begun.elapsed() < PATIENCE => std::thread::sleep(TICK),
                    Ok(None) => break None,
                    ended => break Some(ended.ok().flatten().and_then(|status| status.code())),
                }
            };
            let is_dead = code.is_some_and(|code| code == Some(i32::from(DEAD)));
            if code.is_none() {
                let _ = child.kill();
                waiting.insert(mountpoint.clone(), child);
            }
            if is_wanted && (is_dead || code.is_none()) {
                lost.push(Lost { mountpoint, is_dead });
            }
        }
        self.0 = waiting;
        lost
    }
}

/// The mounts of this user that do not answer, beside those that just did.
pub(super) fn lost(answered: &[(PathBuf, Status)]) -> Vec<Lost> {
    Pulse::default().lost(answered)
}

/// The mount around a path, if it does not answer.
pub(super) fn lost_around(path: &Path) -> Option<Lost> {
    Pulse::default().among(mountpoint::ours_around(path).into_iter().collect()).pop()
}

fn alive(mountpoint: &Path) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg("alive").arg("--").arg(mountpoint).stdin(Stdio::null()).stdout(Stdio::null());
    service::hide_from(&mut command);
    command
}
