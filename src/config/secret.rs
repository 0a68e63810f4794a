//! Whether a file that holds a secret is one that others can read.

use std::fs;
use std::path::Path;

use crate::input;
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
    fs::metadata(path).ok().filter(input::is_exposed)?;
    let message = format!("{} can be read by others", path.display());
    Some(Exposed { message, fix: format!("chmod 600 {}", shell_word(path)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

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
        // A group may be meant to read what root deploys.
        set(0o640);
        assert_eq!(exposed(&path).is_some(), fs::metadata(&path).unwrap().uid() != 0);
    }
}
