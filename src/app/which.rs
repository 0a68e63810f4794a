//! Which mount is meant: people name one by its directory, or by the profile that it is of.

use std::path::PathBuf;

use super::control::Status;
use super::problem::Problem;
use super::pulse;
use crate::config::WhichMount;
use crate::fuse::mountpoint;
use crate::types::shell_word;

/// The mountpoint that is meant; none where nothing that is meant is mounted. `mounts` are asked for
/// only where a profile may be meant: one that is stuck makes others wait.
pub(super) fn meant(
    which: &WhichMount,
    mounts: impl FnOnce() -> Vec<Status>,
) -> Result<Option<PathBuf>, Problem> {
    let here = mountpoint::ours_at(&which.word);
    let Some(name) = which.name().filter(|_| which.is_profile || here.is_none()) else {
        return Ok(here);
    };
    let is_of_it = |status: &Status| status.profile.as_deref() == Some(name);
    let running = mounts().into_iter().filter(is_of_it).map(|status| status.mountpoint);
    let usual = which.mountpoint.as_deref().and_then(mountpoint::ours_at);
    let mut found: Vec<_> = running.chain(here).chain(usual).collect();
    found.sort();
    found.dedup();
    match &found[..] {
        [] | [_] => Ok(found.pop()),
        many => {
            let many: Vec<_> = many.iter().map(|at| shell_word(at)).collect();
            let message = format!("{name} may be any of {}", many.join(", "));
            Err(Problem { message, hint: Some("give the directory".to_owned()) })
        }
    }
}

/// What to say of a profile that is not mounted, or of a name that is like that of one; none where a
/// directory is meant.
pub(super) fn not_mounted(which: &WhichMount) -> Option<Problem> {
    let name = which.name().filter(|_| !which.word.exists())?;
    if let Some(near) = &which.near {
        let message = format!("{name} is no mount and no profile");
        return Some(Problem { message, hint: Some(format!("did you mean {near}?")) });
    }
    if !which.is_profile {
        return None;
    }
    let directory = if which.mountpoint.is_some() { "" } else { " DIR" };
    let message = format!("the profile {name} is not mounted");
    let mut hint = format!("reelfs mount {name}{directory}");
    // What a mount is of, it alone tells: one that does not answer may be of this profile.
    let mends: Vec<_> = pulse::lost(&[]).iter().filter_map(|lost| lost.problem().hint).collect();
    if !mends.is_empty() {
        let mends = mends.join(", ");
        hint = format!("{hint}; if it is one that does not answer: {mends}");
    }
    Some(Problem { message, hint: Some(hint) })
}
