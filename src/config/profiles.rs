//! What the commands around profiles need.

use std::ffi::OsString;
use std::path::PathBuf;

use super::Mount;
use super::file::Fault;

/// Every profile of a config file, each in a directory of its own.
#[derive(Clone, Debug)]
pub struct MountAll {
    /// The config file.
    pub config: PathBuf,
    /// Names of the profiles, and where each goes.
    pub profiles: Vec<(String, PathBuf)>,
    /// Flags that were typed, for each of them.
    pub words: Vec<OsString>,
    /// Whether to stay in the foreground.
    pub foreground: bool,
}

/// A mount as people name it: by its directory, or by the profile that it is of.
#[derive(Clone, Debug)]
pub struct WhichMount {
    /// What was typed.
    pub word: PathBuf,
    /// Whether a profile has that name.
    pub is_profile: bool,
    /// Where that one is mounted if nothing else is typed.
    pub mountpoint: Option<PathBuf>,
    /// The profile that was perhaps meant where none has that name.
    pub near: Option<String>,
}

impl WhichMount {
    /// The name that a profile would have to have.
    pub fn name(&self) -> Option<&str> {
        self.word.to_str().filter(|word| !word.contains('/') && !matches!(*word, "." | ".."))
    }
}

/// A profile to be written.
#[derive(Clone, Debug)]
pub struct Init {
    /// Its name; none: it is asked for.
    pub name: Option<String>,
    /// The config file; none: this user has no place for one.
    pub config: Option<PathBuf>,
    /// Names that it cannot have.
    pub reserved: Vec<String>,
}

/// A config file that was looked at.
#[derive(Clone, Debug)]
pub struct CheckedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its profiles.
    pub profiles: Vec<CheckedProfile>,
    /// All that is wrong with it, in order.
    pub faults: Vec<Fault>,
}

/// A profile that was looked at.
#[derive(Clone, Debug)]
pub struct CheckedProfile {
    /// Its name.
    pub name: String,
    /// The kind of account, where it is known.
    pub source: String,
}

/// What to look at beside the machine.
#[derive(Debug)]
pub struct Doctor {
    /// Accounts.
    pub patients: Vec<Patient>,
    /// A directory: of these, the one that is mounted there is meant.
    pub at: Option<PathBuf>,
}

/// An account to be looked at.
#[derive(Debug)]
pub enum Patient {
    /// One that could be mounted, as far as its settings go.
    Mount {
        /// A profile's name, or a kind of account.
        name: String,
        /// What would be mounted.
        mount: Box<Mount>,
    },
    /// A profile that cannot be used.
    Refused {
        /// Its name.
        name: String,
        /// Why, in lines.
        why: String,
    },
}
