//! `reelfs mount --all`: every profile in a directory of its own, and a process of its own, so that
//! one that fails, or that is killed, harms none of the others.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::{Child, ExitCode};

use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::background::Starting;
use super::mount::Signals;
use super::problem::Problem;
use super::{log, service, terminal};
use crate::config::MountAll;
use crate::fuse::mountpoint;

/// Mounts all. The exit code says whether every one of them was mounted, and the rest stays mounted
/// where some were not. In the foreground it goes on until all have ended, or a signal ends them.
pub(super) fn run(all: &MountAll, verbose: u8) -> Result<ExitCode, Problem> {
    log::to_stderr(verbose);
    if all.profiles.is_empty() {
        let message = format!("{} has no profile", all.config.display());
        return Err(Problem { message, hint: Some("`reelfs init` writes one".to_owned()) });
    }
    let mut starting = Vec::new();
    for profile in &all.profiles {
        starting.push((profile, start(all, profile, verbose)));
    }
    let (mut mounted, mut code) = (Vec::new(), ExitCode::SUCCESS);
    for (profile, child) in starting {
        match child.and_then(Starting::ready) {
            Ok((ended, child)) if ended == ExitCode::SUCCESS => mounted.push(child),
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
fn start(all: &MountAll, profile: &str, verbose: u8) -> Result<Starting, Problem> {
    let at = all.directory.join(profile);
    // A dead mount counts as there: the child clears it.
    if std::fs::symlink_metadata(&at).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&at);
        made.map_err(|error| Problem::file(&at, error))?;
    }
    let verbosity = (0..verbose).map(|_| OsString::from("-v"));
    let words = ["mount".into(), profile.into(), at.into_os_string()].into_iter();
    let config = ["--config".into(), all.config.clone().into_os_string()];
    Starting::new(verbosity.chain(words).chain(config).chain(all.words.iter().cloned()))
}

/// Waits for the mounts, each of which has a session of its own: signals are passed on.
fn until_all_ended(mut mounted: Vec<Child>) -> Result<(), Problem> {
    let pids: Vec<_> = mounted.iter().filter_map(|c| i32::try_from(c.id()).ok()).collect();
    super::runtime()?.block_on(async {
        let mut signals = Signals::new()?;
        service::ready();
        let ended = tokio::task::spawn_blocking(move || {
            for child in &mut mounted {
                let _ = child.wait();
            }
        });
        tokio::pin!(ended);
        loop {
            tokio::select! {
                _ = &mut ended => return Ok(()),
                asked = signals.next() => for pid in &pids {
                    let _ = kill(Pid::from_raw(*pid), asked);
                }
            }
        }
    })
}

/// Unmounts all that is mounted in a directory.
pub(super) fn unmount(directory: &Path, lazy: bool) -> Result<ExitCode, Problem> {
    let below = mountpoint::ours_below(directory)?;
    if below.is_empty() {
        let message = format!("reelfs is mounted nowhere in {}", directory.display());
        return Err(Problem { message, hint: None });
    }
    let mut code = ExitCode::SUCCESS;
    for at in below {
        if let Err(error) = mountpoint::unmount(&at, lazy) {
            terminal::error(&Problem::from(error));
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
