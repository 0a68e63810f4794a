//! Open directories: each keeps the listing of its opening.

use std::sync::Arc;

use super::{Fs, HandleNumber, no_such_handle};
use crate::tree::{Child, Inode, Node};
use crate::types::Failure;

impl Fs {
    /// Opens a directory: lists it, and keeps the listing for the handle.
    pub async fn opendir(self: &Arc<Self>, inode: Inode) -> Result<HandleNumber, Failure> {
        let listing = async {
            let node = self.node(inode).await?;
            self.look_for(&node, None).await?;
            let children = self.tree.children(&node).await?;
            Ok((node, children))
        };
        let (node, children) = self.within(listing).await?;
        let above = self.tree.parent(&node).unwrap_or(Node::Root);
        let dots = [(".", &node), ("..", &above)]
            .map(|(name, node)| Child { name: name.to_owned(), node: node.clone() });
        Ok(self.directories.add(dots.into_iter().chain(children).collect()))
    }

    /// The listing of an open directory.
    pub fn directory(&self, handle: HandleNumber) -> Result<Arc<Vec<Child>>, Failure> {
        self.directories.get(handle).ok_or_else(no_such_handle)
    }

    /// Closes a directory.
    pub fn releasedir(&self, handle: HandleNumber) {
        self.directories.remove(handle);
    }
}
