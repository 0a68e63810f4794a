//! Asks mounts to keep files in their cache on disk.

use std::io;
use std::path::{Path, PathBuf};

use super::super::control::{Answer, Question, sockets_at};
use super::super::problem::Problem;
use super::super::status::{absolute, ask, nobody};
use crate::fuse::mountpoint;

/// The mounts of this machine, for one who asks them about many files.
pub(super) struct Keepers(Vec<PathBuf>);

impl Keepers {
    /// Those that are there now.
    pub(super) fn new() -> Self {
        Self(mountpoint::ours().unwrap_or_default())
    }

    /// Has the mount that a file is in write what it has of it in memory alone. Another user's cannot be asked,
    /// and writes what it fetches all the same. Fails where nothing more can be written.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let path = absolute(path);
        match self.ask(&path, |path| Question::Write { path }) {
            Some(Answer::CacheIsOff) => {
                let text = "its cache takes nothing more until the next mount, whose log says why: make room, \
                            and mount again";
                Err(io::Error::new(io::ErrorKind::StorageFull, text))
            }
            _ => Ok(()),
        }
    }

    /// Has the mount that a file is in keep it in its cache for good.
    pub(super) fn keep(&self, path: &Path) -> Result<(), Problem> {
        let path = absolute(path);
        match self.ask(&path, |path| Question::Keep { path }) {
            Some(Answer::Kept) => Ok(()),
            Some(Answer::Failed { why }) => {
                Err(Problem { message: format!("{}: {why}", path.display()), hint: None })
            }
            _ => Err(nobody(&path)),
        }
    }

    fn ask(&self, path: &Path, question: impl FnOnce(String) -> Question) -> Option<Answer> {
        let at = mountpoint::innermost(path, &self.0, |at| at)?;
        let below = path.strip_prefix(at).ok()?.to_string_lossy().into_owned();
        let question = question(below);
        // That of a mount that died there answers nothing.
        sockets_at(at).iter().find_map(|socket| ask(socket, &question, None))
    }
}
