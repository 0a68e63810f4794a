//! `reelfs mount --all`: every profile in a directory of its own, and a process of its own, so that
//! one that fails, or that is killed, harms none of the others.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Child, ExitCode};

use nix::sys::signal::kill;
use nix::unistd::Pid;
use tokio::task::JoinSet;

use super::background::Starting;
use super::control::Status;
use super::mount::Signals;
use super::problem::Problem;
use super::status::{absolute, mounts};
use super::{log, service, terminal};
use crate::config::MountAll;
use crate::types::shell_word;

/// Mounts all. The exit code says whether every one of them is mounted, and the rest stays mounted
/// where some are not. In the foreground it goes on until all have ended, or a signal ends them.
pub(super) fn run(all: &MountAll, verbose: u8) -> Result<ExitCode, Problem> {
    log::to_stderr(verbose);
    if all.profiles.is_empty() {
        let message = format!("{} has no profile", all.config.display());
        return Err(Problem { message, hint: Some("`reelfs init` writes one".to_owned()) });
    }
    let (mounts, mut starting) = (mounts(), Vec::new());
    for (profile, at) in &all.profiles {
        let is_it = |status: &Status| {
            status.profile.as_ref() == Some(profile) && status.mountpoint == absolute(at)
        };
        if mounts.iter().any(|(_, status)| is_it(status)) {
            let at = absolute(at);
            terminal::say(&format!("{profile} is already mounted at {}", shell_word(&at)));
        } else {
            starting.push((profile, start(all, profile, at, verbose), at.clone()));
        }
    }
    let (mut mounted, mut code) = (Vec::new(), ExitCode::SUCCESS);
    for (profile, child, at) in starting {
        match child.and_then(Starting::ready) {
            Ok((ended, child)) if ended == ExitCode::SUCCESS => mounted.push((at, child)),
            Ok(_) => {
                // It has said why.
                terminal::warn(&format!("the profile {profile} is not mounted"));
                code = ExitCode::FAILURE;
            }
            Err(problem) => {
                terminal::error(&problem);
                code = ExitCode::FAILURE;
            }
        }
    }
    if all.foreground && !mounted.is_empty() {
        until_all_ended(mounted)?;
    }
    Ok(code)
}

/// Starts one. Its directory is made if it is not there.
fn start(all: &MountAll, profile: &str, at: &Path, verbose: u8) -> Result<Starting, Problem> {
    // A dead mount counts as there: the child clears it.
    if std::fs::symlink_metadata(at).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(at);
        made.map_err(|error| Problem::file(at, error))?;
    }
    let verbosity = (0..verbose).map(|_| OsString::from("-v"));
    let words = ["mount".into(), profile.into(), at.into()].into_iter();
    let config = ["--config".into(), all.config.clone().into_os_string()];
    Starting::new(verbosity.chain(words).chain(config).chain(all.words.iter().cloned()))
}

/// Waits for the mounts, each of which has a session of its own: signals are passed on. The watchdog
/// hears of those that live, so that one that ended takes none of the others with it.
fn until_all_ended(mounted: Vec<(PathBuf, Child)>) -> Result<(), Problem> {
    super::runtime()?.block_on(async {
        let mut signals = Signals::new()?;
        let (mut ended, mut living) = (JoinSet::new(), BTreeMap::new());
        for (at, mut child) in mounted {
            living.extend(i32::try_from(child.id()).map(|pid| (at.clone(), Pid::from_raw(pid))));
            ended.spawn_blocking(move || {
                let _ = child.wait();
                at
            });
        }
        let living = RefCell::new(living);
        service::ready();
        let mut watchdog = pin!(service::watchdog(|| living.borrow().keys().cloned().collect()));
        loop {
            tokio::select! {
                one = ended.join_next() => match one {
                    Some(at) => drop(at.map(|at| living.borrow_mut().remove(&at))),
                    None => return Ok(()),
                },
                asked = signals.next() => for pid in living.borrow().values() {
                    let _ = kill(*pid, asked);
                },
                () = &mut watchdog => return Ok(()),
            }
        }
    })
}
