//! Keeping what is cached for good.

use std::sync::Arc;

use super::Fs;
use crate::tree::Node;
use crate::types::{Cause, Content, Failure};

impl Fs {
    /// Has the cache keep the file at `path`, below the root, for good: what is cached of it now, and
    /// what will be.
    pub async fn keep(self: &Arc<Self>, path: &str) -> Result<(), Failure> {
        let Node::File(file) = self.at(path).await? else {
            return Err(Failure::new(Cause::NotFound, "not a file that is cached"));
        };
        if let Content::Inline(_) = file.object.content {
            return Ok(());
        }
        let unknown = || Failure::new(Cause::NotFound, "nothing of it is cached");
        let version = self.catalog.version(file.scope, file.day, &file.object.id);
        self.cache.pin(&file.object.id, &version.ok_or_else(unknown)?);
        Ok(())
    }

    /// What stands at a path below the root.
    pub(super) async fn at(&self, path: &str) -> Result<Node, Failure> {
        let mut node = Node::Root;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            node = self.within(self.tree.child(&node, name)).await?;
        }
        Ok(node)
    }
}
