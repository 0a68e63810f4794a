//! Keeping files in the cache on disk.

use std::sync::Arc;

use super::Fs;
use crate::tree::{File, Node};
use crate::types::{Cause, Content, Failure};

/// Smallest object that the kernel reads from disk itself, in bytes: a smaller one is read with a request
/// or two, which costs less than handing it over.
const SMALLEST_HANDED_OVER: u64 = 1024 * 1024;

impl Fs {
    /// Has the cache write what it has of the file at `path`, below the root, in memory alone; and where that is
    /// `for_good` keep it so: what is cached of it now, and what will be.
    pub async fn keep(self: &Arc<Self>, path: &str, for_good: bool) -> Result<(), Failure> {
        let Node::File(file) = self.at(path).await? else {
            return Err(Failure::new(Cause::NotFound, "not a file that is cached"));
        };
        if let Content::Inline(_) = file.object.content {
            return Ok(());
        }
        if file.is_growing() {
            return Err(Failure::new(Cause::NotFound, "the call goes on, and its log grows"));
        }
        let unknown = || Failure::new(Cause::NotFound, "nothing of it is cached");
        let version = self.catalog.version(file.scope, file.day, &file.object.id);
        let version = version.ok_or_else(unknown)?;
        self.cache.keep(&file.object.id, &version);
        if for_good {
            self.cache.pin(&file.object.id, &version);
        }
        Ok(())
    }

    /// The file on disk that is a whole object, if there is one and it is worth handing over.
    pub(super) async fn whole_file(&self, file: &File, size: u64) -> Option<std::fs::File> {
        if size < SMALLEST_HANDED_OVER {
            return None;
        }
        let version = self.catalog.version(file.scope, file.day, &file.object.id)?;
        self.cache.whole_file(&file.object.id, &version).await
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
