//! `reelfs unmount`: one mount, or all that stand in a directory.

use std::path::Path;
use std::process::ExitCode;

use super::problem::Problem;
use super::status::mounts;
use super::{pulse, terminal, which};
use crate::config::WhichMount;
use crate::fuse::{MountError, mountpoint};
use crate::types::shell_word;

/// Unmounts the mount that is meant.
pub(super) fn run(named: &WhichMount, lazy: bool) -> Result<(), Problem> {
    let asked = || mounts().into_iter().map(|(_, status)| status).collect();
    if let Some(at) = which::meant(named, asked)? {
        return match mountpoint::unmount(&at, lazy) {
            // Who still uses a dead one has nothing to lose.
            Err(MountError::Busy(_)) if pulse::lost_around(&at).is_some_and(|it| it.is_dead) => {
                mountpoint::unmount(&at, true).map_err(Problem::from)
            }
            done => done.map_err(Problem::from),
        };
    }
    if let Some(problem) = which::not_mounted(named) {
        return Err(problem);
    }
    mountpoint::unmount(&named.word, lazy).map_err(|error| {
        let problem = Problem::from(error);
        match nearby(&named.word) {
            Some(typed) if problem.hint.is_none() => problem.hint(typed),
            _ => problem,
        }
    })
}

/// Unmounts all that is mounted in a directory, however it came there, and tells of each.
pub(super) fn all(directory: &Path, lazy: bool) -> Result<ExitCode, Problem> {
    let mut below = mountpoint::ours_below(directory)?;
    below.sort();
    if below.is_empty() {
        let message = format!("reelfs is mounted nowhere in {}", directory.display());
        let hint = mountpoint::ours_around(directory).map(|at| typed("", &at));
        return Err(Problem { message, hint });
    }
    let mut code = ExitCode::SUCCESS;
    for at in below {
        match mountpoint::unmount(&at, lazy) {
            Ok(()) => terminal::say(&format!("unmounted {}", shell_word(&at))),
            Err(error) => {
                terminal::error(&Problem::from(error));
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// What may have been meant by a directory at which nothing is mounted: the mount that it is in, or
/// those that are in it.
fn nearby(directory: &Path) -> Option<String> {
    if let Some(at) = mountpoint::ours_around(directory) {
        return Some(typed("", &at));
    }
    let is_above = mountpoint::ours_below(directory).is_ok_and(|below| !below.is_empty());
    is_above.then(|| typed("--all ", directory))
}

fn typed(flag: &str, at: &Path) -> String {
    format!("reelfs unmount {flag}{}", shell_word(at))
}
