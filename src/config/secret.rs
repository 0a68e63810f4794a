//! Whether a file that holds a secret is one that others can read.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::types::shell_word;

/// What is wrong with a secret's file: what is told, and the fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// One line.
    pub message: String,
    /// The command that mends it.
    pub fix: String,
}

/// Checks that nobody else can read `path`. A file that is not there is not this function's matter.
pub fn exposed(path: &Path) -> Option<Exposed> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    if metadata.mode() & others(metadata.uid()) == 0 {
        return None;
    }
    let message = format!("{} can be read by others", path.display());
    Some(Exposed { message, fix: format!("chmod 600 {}", shell_word(path)) })
}

/// The permissions that a secret of `owner` must not have. Where root deploys it, a group may be
/// meant to read it, as with a Kubernetes volume; everybody never is.
fn others(owner: u32) -> u32 {
    if owner == 0 { 0o007 } else { 0o077 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_secret_that_others_can_read_is_told_with_the_fix() {
        let directory = tempfile::Builder::new().prefix("reelfs-test-").tempdir().unwrap();
        let path = directory.path().join("my key.json");
        fs::write(&path, "{}").unwrap();
        let set = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        set(0o644);
        let exposed_now = exposed(&path).unwrap();
        assert_eq!(exposed_now.fix, format!("chmod 600 '{}'", path.display()));
        set(0o600);
        assert_eq!(exposed(&path), None);
        assert_eq!(exposed(&directory.path().join("none")), None);
        assert_eq!((others(0), others(1000)), (0o007, 0o077));
    }
}
