//! Open directories: each keeps the listing of its opening, until its reader goes back to the start.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::{Fs, HandleNumber, no_such_handle};
use crate::tree::{Child, Inode, Node};
use crate::types::{Failure, lock};

/// A directory that is open.
pub(super) struct Listing {
    node: Node,
    entries: Mutex<Arc<Vec<Child>>>,
    /// Whether somebody has read of it.
    is_read: AtomicBool,
}

impl Fs {
    /// Opens a directory: lists it, and keeps the listing for the handle.
    pub async fn opendir(&self, inode: Inode) -> Result<HandleNumber, Failure> {
        let listing = async {
            let node = self.node(inode).await?;
            let entries = Mutex::new(Arc::new(self.entries(&node).await?));
            Ok(Listing { node, entries, is_read: AtomicBool::new(false) })
        };
        Ok(self.directories.add(self.within(listing).await?))
    }

    /// The listing of an open directory, for a reader at `offset`. At the start it is made anew, as
    /// `rewinddir` has to see what is there now.
    pub async fn directory(
        &self,
        handle: HandleNumber,
        offset: u64,
    ) -> Result<Arc<Vec<Child>>, Failure> {
        let open = self.directories.get(handle).ok_or_else(no_such_handle)?;
        if offset == 0 && open.is_read.swap(true, Ordering::Relaxed) {
            let entries = Arc::new(self.within(self.entries(&open.node)).await?);
            *lock(&open.entries) = entries;
        }
        Ok(Arc::clone(&lock(&open.entries)))
    }

    /// Closes a directory.
    pub fn releasedir(&self, handle: HandleNumber) {
        self.directories.remove(handle);
    }

    async fn entries(&self, node: &Node) -> Result<Vec<Child>, Failure> {
        let children = self.tree.children(node).await?;
        let above = self.tree.parent(node).unwrap_or(Node::Root);
        let dots = [(".", node), ("..", &above)]
            .map(|(name, node)| Child { name: name.to_owned(), node: node.clone() });
        Ok(dots.into_iter().chain(children).collect())
    }
}
