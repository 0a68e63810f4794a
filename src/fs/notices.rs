//! What the kernel has to be told, which believes some things for long: on its way to the threads that
//! tell it. Nothing here waits for the kernel, but for those who ask to.

use std::collections::HashSet;
use std::sync::{Mutex, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::Fs;
use crate::catalog::Change;
use crate::tree::{Inode, Tree};
use crate::types::{Content, lock};

/// How long an open waits until the kernel has dropped an older version.
const NOTICE_WAIT: Duration = Duration::from_secs(1);

/// Something that the kernel may take its time to hear: it may itself wait for an answer of ours.
#[derive(Debug)]
pub enum Notice {
    /// The object behind an inode is another one now: its pages have to go, too.
    Pages {
        /// The inode.
        inode: Inode,
        /// Told when it is done.
        done: oneshot::Sender<()>,
    },
    /// What a directory's name leads to stands there under another one.
    Name {
        /// The directory.
        directory: Inode,
        /// The old name.
        name: String,
    },
}

/// What comes out of a filesystem for its kernel.
pub struct Notices {
    /// Inodes whose attributes are no longer right, or that are gone; to tell so takes no time.
    pub attributes: mpsc::UnboundedReceiver<Vec<Inode>>,
    /// What may take its time.
    pub others: mpsc::UnboundedReceiver<Notice>,
    /// Changes of listings, for [`Fs::follow`].
    pub changes: mpsc::UnboundedReceiver<Change>,
}

/// The way to the kernel. Without a receiver there is none to tell.
pub(super) struct Kernel {
    attributes: mpsc::UnboundedSender<Vec<Inode>>,
    others: mpsc::UnboundedSender<Notice>,
    /// Files of which it may hold an older version's pages.
    outdated: Mutex<HashSet<Inode>>,
}

impl Kernel {
    /// A way, and what comes out of it.
    pub(super) fn new(changes: mpsc::UnboundedReceiver<Change>) -> (Self, Notices) {
        let (attributes, told) = mpsc::unbounded_channel();
        let (others, also_told) = mpsc::unbounded_channel();
        let kernel = Self { attributes, others, outdated: Mutex::default() };
        (kernel, Notices { attributes: told, others: also_told, changes })
    }

    /// Lets it drop all that it knows of a file. Who wants to go on with the new version waits until
    /// that is done, or for a moment: it may itself wait for a page being read.
    pub(super) fn outdate(&self, inode: Inode) -> impl Future<Output = ()> + use<> {
        lock(&self.outdated).insert(inode);
        let (done, told) = oneshot::channel();
        let _ = self.others.send(Notice::Pages { inode, done });
        async move {
            let _ = tokio::time::timeout(NOTICE_WAIT, told).await;
        }
    }

    /// Whether it may hold an older version's pages of a file that is opened now, and so drops them.
    pub(super) fn is_outdated(&self, inode: Inode) -> bool {
        lock(&self.outdated).remove(&inode)
    }
}

impl Fs {
    /// Passes on what changes in listings, for as long as there is a filesystem.
    pub async fn follow(fs: Weak<Self>, mut changes: mpsc::UnboundedReceiver<Change>) {
        while let Some(change) = changes.recv().await {
            let Some(fs) = fs.upgrade() else { return };
            fs.pass_on(change);
        }
    }

    /// Tells the kernel what a changed listing means to it. New names need no word: it keeps no names
    /// that it was told do not exist.
    fn pass_on(&self, change: Change) {
        let day = change.after.date;
        let Some(renewed) = self.tree.renew(change) else { return };
        let (new, gone, altered) = (renewed.new, renewed.gone.len(), renewed.altered.len());
        tracing::info!(%day, new, gone, altered, "the listing changed");
        self.metrics.changed();
        for file in &renewed.altered {
            if let Content::Remote { link, .. } = &file.object.content {
                self.cache.renew_link(&file.object.id, link);
                // Who mapped it while it grew has left pages that end too early.
                if !file.is_growing() && self.cache.has_grown(&file.object.id) {
                    drop(self.kernel.outdate(file.inode));
                }
            }
        }
        let altered = renewed.altered.iter().map(|file| file.inode);
        let inodes = renewed.directories.into_iter().chain(renewed.made).chain(renewed.gone);
        let _ = self.kernel.attributes.send(inodes.chain(altered).collect());
        for (file, name) in renewed.renamed {
            let directory = Tree::directory(&file);
            let _ = self.kernel.others.send(Notice::Name { directory, name });
        }
    }
}
