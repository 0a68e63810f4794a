//! What demos that were killed left in the temporary directory: a lock tells whose demo still runs, and
//! what belongs to none is unmounted and removed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;

use crate::fuse::mountpoint;

/// What the names of their directories begin with.
pub(super) const PREFIX: &str = "reelfs-demo-";
/// The directory below it that holds the mountpoints.
pub(super) const CALLS: &str = "calls";
/// A directory this young may belong to a demo that has not locked it yet.
const YOUNG: Duration = Duration::from_secs(60);

/// Locks the directory of a demo for as long as it runs.
pub(super) fn claim(directory: &Path) -> io::Result<Flock<File>> {
    Flock::lock(File::open(directory)?, FlockArg::LockExclusiveNonblock)
        .map_err(|(_, errno)| errno.into())
}

/// Clears away what is left of this user's demos in `temporary`. What cannot be is left to the next.
pub(super) fn clear(temporary: &Path) {
    let entries = fs::read_dir(temporary).into_iter().flatten().filter_map(Result::ok);
    let named = |entry: &fs::DirEntry| {
        entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX))
    };
    for entry in entries.filter(named) {
        let path = entry.path();
        match clear_one(&path) {
            Ok(true) => tracing::info!("{}: a demo that was killed had left it", path.display()),
            Ok(false) => {}
            Err(error) => tracing::debug!("{}: stays: {error}", path.display()),
        }
    }
}

/// Removes a directory if it is that of a demo that is over; true if it did.
fn clear_one(path: &Path) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(path)?;
    let age = SystemTime::now().duration_since(metadata.modified()?).unwrap_or_default();
    if !metadata.is_dir() || metadata.uid() != geteuid().as_raw() || age < YOUNG {
        return Ok(false);
    }
    let Ok(_claim) = claim(path) else { return Ok(false) };
    let calls = path.join(CALLS);
    if calls.exists() {
        for dead in mountpoint::ours_below(&calls).map_err(io::Error::other)? {
            mountpoint::unmount(&dead, true).map_err(io::Error::other)?;
        }
    }
    // Whatever else somebody mounted in there is none of ours.
    if mountpoint::has_mounts(path)? {
        return Ok(false);
    }
    fs::remove_dir_all(path).map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_demo_left_is_removed_when_nobody_holds_it() {
        let temporary = tempfile::Builder::new().prefix("reelfs-test-").tempdir().unwrap();
        let make = |name: &str, age: Duration| {
            let path = temporary.path().join(name);
            fs::create_dir_all(path.join("keys")).unwrap();
            File::open(&path).unwrap().set_modified(SystemTime::now() - age).unwrap();
            path
        };
        let old = Duration::from_secs(3600);
        let (dead, alive) = (make("reelfs-demo-dead", old), make("reelfs-demo-alive", old));
        let (young, other) = (make("reelfs-demo-young", Duration::ZERO), make("other", old));
        let link = temporary.path().join("reelfs-demo-link");
        std::os::unix::fs::symlink(&other, &link).unwrap();
        let claim = claim(&alive).unwrap();
        clear(temporary.path());
        assert!(!dead.exists() && alive.exists() && young.exists() && other.exists());
        drop(claim);
        clear(temporary.path());
        assert!(!alive.exists() && link.exists() && other.join("keys").exists());
    }
}
