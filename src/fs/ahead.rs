//! Ahead of somebody who goes through a directory: sizes before they are asked for, and whole files
//! before they are opened. What to take is decided in `reader`; here it is carried out.

use std::sync::Arc;

use super::{Fs, OpenFile};
use crate::cache::When;
use crate::reader::{Directories, LARGEST_FILE_AHEAD};
use crate::tree::{File, Inode, Node, Tree};
use crate::types::Failure;

/// How the directories of a mount are gone through.
#[derive(Default)]
pub(super) struct Ahead {
    /// By those who look at files.
    looks: Directories,
    /// By those who read files to their end.
    reads: Directories,
}

impl Fs {
    /// Somebody asked for the attributes of a file, or opened it.
    pub(super) fn looked_at(self: &Arc<Self>, file: &File) {
        let siblings = self.tree.siblings(file);
        let directory = Tree::directory(file).0;
        let ahead = self.ahead.looks.see(directory, file.position, siblings.len());
        for sibling in siblings.get(ahead).into_iter().flatten() {
            if self.size(sibling).is_none() && !sibling.is_growing() {
                let (fs, file) = (Arc::clone(self), Arc::clone(sibling));
                self.run_ahead(sibling, async move {
                    fs.open_object(&file, When::Ahead).await.map(drop)
                });
            }
        }
    }

    /// Somebody read a file to its end.
    pub(super) fn read_through(self: &Arc<Self>, inode: Inode) {
        let Some(Node::File(file)) = self.tree.known_node(inode) else { return };
        let siblings = self.tree.siblings(&file);
        let directory = Tree::directory(&file).0;
        let ahead = self.ahead.reads.see(directory, file.position, siblings.len());
        let mut bytes = self.readers.across_files();
        for sibling in siblings.get(ahead).into_iter().flatten() {
            let size = self.size(sibling).unwrap_or_default();
            let Some(rest) = bytes.checked_sub(size) else {
                self.ahead.reads.refused(directory, sibling.position);
                return;
            };
            if size <= LARGEST_FILE_AHEAD {
                bytes = rest;
                let (fs, file) = (Arc::clone(self), Arc::clone(sibling));
                self.run_ahead(sibling, async move { fs.fetch_whole(&file).await });
            }
        }
    }

    async fn fetch_whole(&self, file: &File) -> Result<(), Failure> {
        match self.open_object(file, When::Ahead).await? {
            OpenFile::Object(reader) => {
                reader.fetch_whole().await.inspect_err(|failure| self.failed(file, failure))
            }
            OpenFile::Growing(_) | OpenFile::Whole(_) => Ok(()),
        }
    }

    /// Does something that nobody waits for. Its failure is told to whoever really wants the file.
    fn run_ahead(
        self: &Arc<Self>,
        file: &Arc<File>,
        work: impl Future<Output = Result<(), Failure>> + Send + 'static,
    ) {
        let (fs, file) = (Arc::clone(self), Arc::clone(file));
        tokio::spawn(async move {
            if let Err(failure) = fs.within(work).await {
                tracing::debug!(object = %file.object.id, "not fetched ahead: {failure}");
            }
        });
    }
}
