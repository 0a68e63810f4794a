//! Tells the kernel what it has to forget, on threads of their own that hold no lock: a notification
//! can wait for a request that this process has yet to answer.
//!
//! What waits for nothing goes another way than what may wait, so that the one is not kept up by the
//! other. Names that are gone need no `inval_entry`, which would wait for every lookup in their
//! directory: without its attributes the kernel asks for the file, hears `ESTALE`, and looks the name
//! up again. (`FUSE_NOTIFY_DELETE` would wake those who watch the file itself, but nobody who watches
//! the directory: tried on Linux 6.18.)

use std::ffi::OsStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fuser::{INodeNo, Notifier};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::fs::Notice;
use crate::tree::Inode;

/// Whether there still is a mount to tell something. Clones are one.
#[derive(Clone)]
pub(super) struct Armed(Arc<AtomicBool>);

impl Armed {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// The mount ends: nothing more is told, so that nothing can wait for it.
    pub(super) fn disarm(&self) {
        self.0.store(false, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Passes on whose attributes are no longer right. An inode that the kernel does not hold is no matter.
pub(super) fn attributes(
    mut notices: UnboundedReceiver<Vec<Inode>>,
    notifier: &Notifier,
    armed: &Armed,
) {
    while let Some(inodes) = notices.blocking_recv() {
        for inode in inodes {
            if armed.is_set() {
                forget_attributes(notifier, inode);
            }
        }
    }
}

/// Passes on the rest.
pub(super) fn others(mut notices: UnboundedReceiver<Notice>, notifier: &Notifier, armed: &Armed) {
    while let Some(notice) = notices.blocking_recv() {
        match notice {
            _ if !armed.is_set() => {}
            Notice::Pages { inode, done } => {
                // Attributes alone first; then the pages from byte 0 to the end, which may wait for one
                // that is being read.
                forget_attributes(notifier, inode);
                let _ = notifier.inval_inode(INodeNo(inode.0), 0, 0);
                let _ = done.send(());
            }
            Notice::Name { directory, name } => {
                let _ = notifier.inval_entry(INodeNo(directory.0), OsStr::new(&name));
            }
        }
    }
}

/// A negative offset leaves the pages alone, and so waits for nothing.
fn forget_attributes(notifier: &Notifier, inode: Inode) {
    let _ = notifier.inval_inode(INodeNo(inode.0), -1, 0);
}
