//! What `stat` shows of a node.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use super::Policy;
use crate::tree::{Inode, Node, Tree};
use crate::types::UNDATED;

/// Directory or file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
}

/// The attributes of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Inode number.
    pub inode: Inode,
    /// Directory or file.
    pub kind: Kind,
    /// Size in bytes.
    pub size: u64,
    /// Modification time in seconds since the Unix epoch: the end of the call. A directory of the
    /// calendar has its first moment, so that copying tools find it unchanged, until its names are seen
    /// to change.
    pub modified: i64,
    /// Permission bits.
    pub mode: u16,
    /// Number of links: exact for directories, where `find` counts on it.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Attributes {
    /// The attributes of a node of `size` bytes.
    pub(super) fn of(tree: &Tree, node: &Node, size: u64, policy: &Policy) -> Self {
        let kind = match node {
            Node::File(_) | Node::Index(..) => Kind::File,
            _ => Kind::Directory,
        };
        let (mode, links) = match (kind, policy.others_may_read) {
            (Kind::File, false) => (0o400, 1),
            (Kind::File, true) => (0o444, 1),
            (Kind::Directory, false) => (0o500, 2 + tree.subdirectories(node)),
            (Kind::Directory, true) => (0o555, 2 + tree.subdirectories(node)),
        };
        let modified = match node {
            Node::File(file) => file.object.modified,
            Node::Root | Node::Account(_) | Node::Scope(_) | Node::Area(..) => {
                midnight(tree.first_day())
            }
            Node::Year(_, _, year) => midnight(date(*year, 1, 1)),
            Node::Month(_, _, year, month) => midnight(date(*year, *month, 1)),
            // No moment is known of what has no date.
            Node::Index(_, UNDATED) => 0,
            Node::Day(_, _, day) | Node::Index(_, day) => midnight(*day),
        };
        let inode = Tree::inode(node);
        let modified = match kind {
            Kind::Directory => tree.changed(inode).unwrap_or(modified),
            Kind::File => modified,
        };
        let (uid, gid) = (policy.uid, policy.gid);
        Self { inode, kind, size, modified, mode, links, uid, gid }
    }
}

/// The first second of a day (UTC).
fn midnight(day: Date) -> i64 {
    day.to_zoned(TimeZone::UTC).map_or(0, |at| at.timestamp().as_second())
}
