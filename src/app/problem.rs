//! Why a command failed, as it is told to a person.

use std::error::Error;
use std::path::Path;

use crate::fuse::MountError;
use crate::types::chain;

/// What failed, on what, and what to do about it.
#[derive(Debug)]
pub(super) struct Problem {
    /// One line: what failed, on what, and why.
    pub(super) message: String,
    /// The fix, where it is known.
    pub(super) hint: Option<String>,
}

impl Problem {
    /// `what` failed because of `error`.
    pub(super) fn new(what: &str, error: impl Error + 'static) -> Self {
        Self { message: format!("{what}: {}", chain(&error)), hint: None }
    }

    /// An error whose own words say all.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        Self { message: chain(error), hint: None }
    }

    /// A file could not be read or written.
    pub(super) fn file(path: &Path, error: impl Error + 'static) -> Self {
        Self::new(&format!("{}", path.display()), error)
    }

    /// What is wrong with a file, in words that go on from its name.
    pub(super) fn words(path: &Path, error: &(dyn Error + 'static)) -> Self {
        Self { message: format!("{} {}", path.display(), chain(error)), hint: None }
    }

    /// With a hint.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl From<MountError> for Problem {
    fn from(error: MountError) -> Self {
        Self { hint: error.hint(), ..Self::of(&error) }
    }
}
