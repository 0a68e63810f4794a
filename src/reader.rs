//! An open file's reads: which blocks now, and which ahead.
//!
//! What to fetch ahead is decided by two pure state machines: `sequence` within a file, and
//! `neighbours` across the files of a directory. This file carries the first one's decisions out. Bytes that are fetched ahead come out of one budget for the whole mount.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lru::LruCache;

use crate::cache::{Blob, BlockIndex, Interest, When};
use crate::types::{Failure, lock};
use budget::{Budget, Reservation};
use neighbours::Neighbours;
use sequence::Sequence;

mod budget;
mod neighbours;
mod sequence;

/// What was fetched ahead stays wanted until the reads are so far beyond it, in bytes: the kernel's own
/// read-ahead of 1 MiB runs out of order, and skips back.
const KEPT_BEHIND: u64 = 4 * 1024 * 1024;

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
    budget: Arc<Budget>,
    limits: sequence::Limits,
    across_files: u64,
}

impl Readers {
    /// Readers for a mount with `memory` bytes of cache and so many connections.
    ///
    /// Half of the memory is the most that read-ahead may hold, so that it never pushes out the
    /// blocks that it is ahead of.
    pub fn new(memory: u64, connections: u16) -> Self {
        let budget = Arc::new(Budget::new(memory / 2));
        let limits = sequence::Limits::new(memory / 2, connections);
        Self { limits, budget, across_files: memory / 8 }
    }

    /// Bytes of files that may be fetched whole before they are opened: an eighth of the memory.
    pub fn across_files(&self) -> u64 {
        self.across_files
    }

    /// Bytes that are reserved for read-ahead now: none when nothing is read.
    pub fn reserved(&self) -> u64 {
        self.budget.reserved()
    }

    /// A reader of a blob whose version is known.
    pub fn reader(&self, blob: Arc<Blob>, size: u64) -> Reader {
        let sequence = Sequence::new(size, self.limits);
        let ahead = Mutex::new(Ahead { sequence, parts: VecDeque::new() });
        Reader { blob, size, ahead, budget: Arc::clone(&self.budget) }
    }
}

/// One open handle of one version of an object.
pub struct Reader {
    blob: Arc<Blob>,
    size: u64,
    ahead: Mutex<Ahead>,
    budget: Arc<Budget>,
}

/// What a handle has asked for ahead of its reads. Dropping a part cancels what nobody else wants.
struct Ahead {
    sequence: Sequence,
    parts: VecDeque<Part>,
}

struct Part {
    end: u64,
    _interest: Interest,
    _reservation: Reservation,
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
            self.fetch_ahead(offset..end);
        }
        self.blob.read(offset, len).await
    }

    /// Fetches all of a file that nobody has opened yet, if the budget allows it now.
    pub async fn fetch_whole(&self) -> Result<(), Failure> {
        let Some(_reservation) = Budget::reserve(&self.budget, self.size) else { return Ok(()) };
        let blocks = BlockIndex(0)..BlockIndex::of(self.size.saturating_sub(1)).next();
        self.blob.want(blocks, When::Ahead).all().await
    }

    /// Lets the sequence see a read, and asks for what it wants ahead. The part next to the read
    /// takes the read's own missing blocks along, so that both come with one request.
    fn fetch_ahead(&self, read: Range<u64>) {
        let mut ahead = lock(&self.ahead);
        let decision = ahead.sequence.see(read.clone());
        if decision.restarted {
            ahead.parts.clear();
        }
        let kept_from = decision.position.saturating_sub(KEPT_BEHIND);
        while ahead.parts.front().is_some_and(|part| part.end <= kept_from) {
            ahead.parts.pop_front();
        }
        for part in decision.parts {
            let Some(reservation) = Budget::reserve(&self.budget, part.end - part.start) else {
                ahead.sequence.refused(part.start);
                break;
            };
            let start =
                if part.start <= read.end { part.start.min(read.start) } else { part.start };
            let blocks = BlockIndex::of(start)..BlockIndex::of(part.end - 1).next();
            let interest = self.blob.want(blocks, When::Ahead);
            let part = Part { end: part.end, _interest: interest, _reservation: reservation };
            ahead.parts.push_back(part);
        }
    }
}
