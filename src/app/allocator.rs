//! How the allocator of a mount behaves: what is freed goes back to the system at once.
//!
//! mimalloc keeps freed pages for a second, and gives them back only when somebody allocates again: a
//! listing that has long been taken in would stay resident for the life of the mount. It reads its
//! settings from the environment before `main`, so that a mount replaces itself once.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// mimalloc's setting: milliseconds until freed pages are given back.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// Starts this program anew in its place, with the allocator's settings, unless they are there: from an
/// earlier call, or because the user knows better. Where that fails, more memory stays resident.
pub(super) fn settle() {
    if std::env::var_os(PURGE_DELAY).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut typed = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = typed.next() {
        command.arg0(name);
    }
    // It comes back only when it has failed.
    let _failure = command.args(typed).env(PURGE_DELAY, "0").exec();
}
