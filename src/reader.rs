//! An open file's reads: which blocks now, and which ahead.
//!
//! What to fetch ahead is decided by two pure state machines: `sequence` within a file, and
//! `neighbours` across the files of a directory. `windows` carries the first one's decisions out, with
//! bytes out of one budget for the whole mount.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lru::LruCache;

use crate::cache::{Blob, BlockIndex, When};
use crate::types::{Failure, lock};
use neighbours::Neighbours;
use sequence::Limits;
use windows::{Window, Windows};

mod budget;
mod neighbours;
mod sequence;
mod windows;

/// Directories that are gone through at the same time: more than anybody's tools do.
const DIRECTORIES: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// Largest file that is fetched whole before it is opened, in bytes: 8 MiB. A longer one is not read
/// in one go, and its own read-ahead hides the way.
pub const LARGEST_FILE_AHEAD: u64 = 8 * 1024 * 1024;

/// How the directories of a mount are gone through.
pub struct Directories(Mutex<LruCache<u64, Neighbours>>);

impl Default for Directories {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(DIRECTORIES)))
    }
}

impl Directories {
    /// Takes note that the file at `position` of `count`, in the order of a directory, was looked
    /// at. Gives the positions of the files to learn ahead: none until somebody is seen to go
    /// through the directory. `directory` is any number that names it.
    pub fn see(&self, directory: u64, position: usize, count: usize) -> Range<usize> {
        let mut directories = lock(&self.0);
        directories.get_or_insert_mut(directory, Neighbours::default).see(position, count)
    }

    /// Nothing was taken from `position` on after all.
    pub fn refused(&self, directory: u64, position: usize) {
        let mut directories = lock(&self.0);
        directories.get_or_insert_mut(directory, Neighbours::default).refused(position);
    }
}

/// Makes readers that share one budget for read-ahead.
pub struct Readers {
    windows: Arc<Windows>,
    across_files: u64,
}

impl Readers {
    /// Readers for a mount with `memory` bytes of cache and so many connections.
    ///
    /// Half of the memory is the most that read-ahead may hold, so that it never pushes out the
    /// blocks that it is ahead of.
    pub fn new(memory: u64, connections: u16) -> Self {
        let windows = Windows::new(memory / 2, Limits::new(memory / 2, connections));
        Self { windows: Arc::new(windows), across_files: memory / 8 }
    }

    /// Bytes of files that may be fetched whole before they are opened: an eighth of the memory.
    pub fn across_files(&self) -> u64 {
        self.across_files
    }

    /// Bytes that are reserved for read-ahead now: none when nothing is read.
    pub fn reserved(&self) -> u64 {
        self.windows.reserved()
    }

    /// A reader of a blob whose version is known.
    pub fn reader(&self, blob: Arc<Blob>, size: u64) -> Reader {
        Reader { blob, size, windows: Arc::clone(&self.windows), window: Window::new(size) }
    }
}

/// One open handle of one version of an object.
pub struct Reader {
    blob: Arc<Blob>,
    size: u64,
    windows: Arc<Windows>,
    window: Arc<Window>,
}

impl Reader {
    /// Size of the object in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Up to `len` bytes at `offset`: fewer only at the end of the object.
    pub async fn read(&self, offset: u64, len: u64) -> Result<Bytes, Failure> {
        let end = offset.saturating_add(len).min(self.size);
        if offset < end {
            self.windows.move_on(&self.window, &self.blob, offset..end);
        }
        self.blob.read(offset, len).await
    }

    /// Fetches all of a file that nobody has opened yet, if the budget allows it now.
    pub async fn fetch_whole(&self) -> Result<(), Failure> {
        let Some(_reservation) = self.windows.reserve(self.size) else { return Ok(()) };
        let blocks = BlockIndex(0)..BlockIndex::of(self.size.saturating_sub(1)).next();
        self.blob.want(blocks, When::Ahead).all().await
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.windows.close(&self.window);
    }
}
