//! Files that the kernel reads itself: a whole cached file is handed to it, and the daemon is asked no
//! more (`FUSE_PASSTHROUGH`, Linux 6.9 and later, for `CAP_SYS_ADMIN`).
//!
//! The kernel opens an inode in one way at a time: through its page cache, or in passthrough with one
//! file; it refuses an open that mixes them (`fuse_file_io_open` in its `fs/fuse/iomode.c`). So the
//! first open decides, and the way holds until the last one is closed.
//!
//! A file that went through the page cache stays there: reading its pages again costs less than proving
//! the file right and reading it anew.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use fuser::BackingId;
use lru::LruCache;

use crate::tree::Inode;
use crate::types::lock;

/// Files that are remembered to be in the page cache.
const PAGED: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

/// How inodes are open now.
pub(super) struct Passthrough {
    is_on: AtomicBool,
    open: Mutex<HashMap<Inode, Way>>,
    /// Those that were opened through the page cache.
    paged: Mutex<LruCache<Inode, ()>>,
}

impl Default for Passthrough {
    fn default() -> Self {
        let paged = Mutex::new(LruCache::new(PAGED));
        Self { is_on: AtomicBool::new(false), open: Mutex::default(), paged }
    }
}

/// How an inode is open, and how often.
struct Way {
    times: usize,
    /// The file that the kernel reads; none: through its page cache.
    backing: Option<Arc<BackingId>>,
}

impl Passthrough {
    /// The kernel offers it.
    pub(super) fn turn_on(&self) {
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// Whether the file of an inode is of any use.
    pub(super) fn wants(&self, inode: Inode) -> bool {
        self.is_on.load(Ordering::Relaxed) && !lock(&self.paged).contains(&inode)
    }

    /// Takes note that an inode is opened, and says which file the kernel shall read, if any. `file` is
    /// there if it could; `hand_over` gives it to the kernel.
    pub(super) fn opened(
        &self,
        inode: Inode,
        file: Option<File>,
        hand_over: impl FnOnce(&File) -> io::Result<BackingId>,
    ) -> Option<Arc<BackingId>> {
        let mut open = lock(&self.open);
        let way = open.entry(inode).or_insert_with(|| {
            let backing = file.and_then(|file| match hand_over(&file) {
                Ok(backing) => {
                    tracing::debug!(inode = inode.0, "the kernel reads a cached file itself");
                    Some(Arc::new(backing))
                }
                Err(error) => {
                    tracing::debug!("the kernel takes no files, and is offered no more: {error}");
                    self.is_on.store(false, Ordering::Relaxed);
                    None
                }
            });
            Way { times: 0, backing }
        });
        way.times += 1;
        if way.backing.is_none() {
            lock(&self.paged).put(inode, ());
        }
        way.backing.clone()
    }

    /// Takes note that an inode is closed once.
    pub(super) fn closed(&self, inode: Inode) {
        let mut open = lock(&self.open);
        if let Some(way) = open.get_mut(&inode) {
            way.times -= 1;
            if way.times == 0 {
                open.remove(&inode);
            }
        }
    }
}
