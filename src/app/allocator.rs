//! How the allocator of a mount behaves: what is freed goes back to the system at once.
//!
//! mimalloc keeps freed pages for a second, and gives them back only when somebody allocates again: a
//! listing that has long been taken in would stay resident for the life of the mount. It reads its
//! settings from the environment before `main`, so that a mount replaces itself once.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use nix::unistd::execve;

/// mimalloc's setting: milliseconds until freed pages are given back.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// Starts this program anew in its place, with the allocator's settings, unless they are there: from an
/// earlier call, or because the user knows better. Where that fails, more memory stays resident, and
/// nothing else differs: unlike `std::process::Command::exec`, the bare call leaves this process's
/// signals alone, of which SIGPIPE has to stay ignored.
pub(super) fn settle() {
    if std::env::var_os(PURGE_DELAY).is_some() {
        return;
    }
    let _failure = start_anew();
}

/// Returns only when it has failed.
fn start_anew() -> std::io::Result<()> {
    let program = word(std::env::current_exe()?.as_os_str())?;
    let typed: Vec<_> = std::env::args_os().map(|typed| word(&typed)).collect::<Result<_, _>>()?;
    let variables = std::env::vars_os().chain([(PURGE_DELAY.into(), "0".into())]);
    let variable = |(name, value): (OsString, OsString)| {
        word(&[name.as_os_str(), value.as_os_str()].join(OsStr::new("=")))
    };
    let variables: Vec<_> = variables.map(variable).collect::<Result<_, _>>()?;
    match execve(&program, &typed, &variables)? {}
}

fn word(text: &OsStr) -> std::io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}
