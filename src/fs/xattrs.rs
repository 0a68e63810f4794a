//! Extended attributes: a call's facts, and what became of its files.

use super::Fs;
use crate::cache::Kept;
use crate::catalog::State;
use crate::tree::{File, Inode, Node};
use crate::types::{Content, Failure};

/// Prefix of the names of extended attributes.
const XATTR_PREFIX: &str = "user.reelfs.";
/// The attribute that says how the last request for an object ended.
const STATE: &str = "state";
/// The attribute that says how much of an object is kept on disk.
const CACHED: &str = "cached";
/// What it says of a file of which all is.
const WHOLE: &str = "whole";

impl Fs {
    /// The value of an extended attribute; `None` when there is none of that name.
    pub async fn getxattr(&self, inode: Inode, name: &str) -> Result<Option<String>, Failure> {
        let wanted = name.strip_prefix(XATTR_PREFIX);
        let node = self.within(self.node(inode)).await?;
        Ok(match (&node, wanted) {
            (Node::File(file), Some(STATE)) => Some(self.state_of(file).to_owned()),
            (Node::File(file), Some(CACHED)) => Some(self.cached(file).to_owned()),
            (Node::File(file), Some(wanted)) => {
                file.object.attributes.get(wanted).map(str::to_owned)
            }
            _ => None,
        })
    }

    /// The names of a node's extended attributes.
    pub async fn listxattr(&self, inode: Inode) -> Result<Vec<String>, Failure> {
        Ok(match self.within(self.node(inode)).await? {
            Node::File(file) => {
                let facts = file.object.attributes.iter().map(|(name, _)| name);
                let names = facts.chain([STATE, CACHED]);
                names.map(|name| format!("{XATTR_PREFIX}{name}")).collect()
            }
            _ => Vec::new(),
        })
    }

    fn state_of(&self, file: &File) -> &'static str {
        if file.is_growing() {
            return "growing";
        }
        match self.catalog.state(file.scope, file.day, &file.object) {
            State::Pending => "pending",
            State::Ready => "ready",
            State::Denied => "denied",
            State::Gone => "gone",
        }
    }

    /// Whether all of a file's bytes are kept on disk.
    pub fn is_kept(&self, file: &File) -> bool {
        self.cached(file) == WHOLE
    }

    fn cached(&self, file: &File) -> &'static str {
        if matches!(file.object.content, Content::Inline(_)) {
            return WHOLE;
        }
        let version = self.catalog.version(file.scope, file.day, &file.object.id);
        match version.map(|version| self.cache.kept(&file.object.id, &version)) {
            Some(Kept::Whole) => WHOLE,
            Some(Kept::Part) => "part",
            Some(Kept::Nothing) | None => "none",
        }
    }
}
