//! What waits to be written: given by whoever has something to keep, taken by the thread that writes.
//!
//! It holds no blocks, and what it holds of listings and of texts is bounded.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::extent::Extent;
use super::{BlobName, Key, TakeBlock};
use crate::types::{ObjectId, lock};

/// Most things of one transaction.
const BATCH: usize = 256;
/// Most bytes of transcripts that may wait for the index. More are indexed when somebody searches them again.
const WAITING_TEXT: usize = 16 << 20;
/// Most bytes of listings that may wait to be written, and how long a new one waits for those before it. One that
/// finds no room is not kept: the vendor is asked for it again some day.
const WAITING_LISTINGS: usize = 32 << 20;
const LISTING_WAITS: Duration = Duration::from_secs(2);
/// A blob's use is noted once in this time.
const USE_GRAIN: Duration = Duration::from_secs(1);

/// Something to write.
pub(super) enum Work {
    /// A day as it was listed.
    Day { key: Key, account: Key, listed: i64, body: Vec<u8> },
    /// A day that is what it was.
    Fresh { key: Key, listed: i64 },
    /// What an object proved to be.
    Known { day: Key, key: Key, body: Vec<u8> },
    /// A note.
    Note { key: Key, account: Key, body: Vec<u8> },
    /// The full text of a day, with what was said in its calls as far as the day does not hold that itself.
    Words { day: Key, said: HashMap<ObjectId, String> },
    /// A block.
    Block { blob: BlobName, block: u32, take: TakeBlock },
    /// A block that is not what was written, or all of an extent whose file is gone.
    Lost { extent: Extent, place: Option<u32> },
    /// A blob that shall stay.
    Pin { blob: Key },
}

/// What is to be done, and how far that is.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is something to do.
    filled: Condvar,
    /// Some of it is being done.
    taken: Condvar,
    /// All is done.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    works: VecDeque<Work>,
    /// Days that wait for the index, which takes long and matters least.
    words: VecDeque<Work>,
    used: HashSet<Key>,
    noted: HashMap<Key, Instant>,
    is_writing: bool,
    is_closed: bool,
    is_off: bool,
}

/// What is written in one transaction.
pub(super) struct Taken {
    pub(super) works: Vec<Work>,
    /// Blobs that were read.
    pub(super) used: HashSet<Key>,
}

impl Queue {
    /// Takes something to do.
    pub(super) fn add(&self, work: Work) {
        self.push(lock(&self.state), work);
    }

    /// Takes a listing. Blocks for a moment while too much of them waits for the disk.
    pub(super) fn add_listing(&self, work: Work) {
        let full =
            |state: &mut State| !state.is_off && state.waiting_listings() >= WAITING_LISTINGS;
        let waited = self.taken.wait_timeout_while(lock(&self.state), LISTING_WAITS, full);
        let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            tracing::debug!("the disk is too slow: a listing is not kept");
        } else {
            self.push(state, work);
        }
    }

    fn push(&self, mut state: MutexGuard<'_, State>, work: Work) {
        if state.is_off {
            return;
        }
        match work {
            Work::Words { .. } if state.waiting_text() >= WAITING_TEXT => return,
            Work::Words { .. } => state.words.push_back(work),
            _ => state.works.push_back(work),
        }
        self.filled.notify_one();
    }

    /// Whether it takes nothing more.
    pub(super) fn is_off(&self) -> bool {
        lock(&self.state).is_off
    }

    /// Takes note that a blob was read.
    pub(super) fn used(&self, blob: Key) {
        let mut state = lock(&self.state);
        let now = Instant::now();
        let recently = |at: &Instant| now.duration_since(*at) < USE_GRAIN;
        if state.is_off || state.noted.get(&blob).is_some_and(recently) {
            return;
        }
        if state.noted.len() > 10_000 {
            state.noted.retain(|_, at| recently(at));
        }
        state.noted.insert(blob, now);
        state.used.insert(blob);
        self.filled.notify_one();
    }

    /// Waits until all is written, or for so long. False when time ran out.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        let state = lock(&self.state);
        let busy = |state: &mut State| !state.is_idle();
        let waited = self.emptied.wait_timeout_while(state, limit, busy);
        waited.is_ok_and(|(_, waited)| !waited.timed_out())
    }

    /// Waits for something to do; `None` at the end.
    pub(super) fn take(&self) -> Option<Taken> {
        let mut state = lock(&self.state);
        while state.has_nothing() {
            if state.is_closed {
                return None;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_writing = true;
        let count = state.works.len().min(BATCH);
        let mut works: Vec<_> = state.works.drain(..count).collect();
        if works.is_empty() {
            // One a transaction: another mount waits for its end only so long.
            works.extend(state.words.pop_front());
        }
        self.taken.notify_all();
        Some(Taken { works, used: std::mem::take(&mut state.used) })
    }

    /// What was taken is done, or will never be: then nothing more is taken.
    pub(super) fn done(&self, has_failed: bool) {
        let mut state = lock(&self.state);
        if has_failed {
            state.is_off = true;
            state.works.clear();
            state.words.clear();
            state.used.clear();
            self.taken.notify_all();
        }
        state.is_writing = false;
        if state.is_idle() {
            self.emptied.notify_all();
        }
    }

    /// Lets the thread end when all is written, but for what a search can do again.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        state.words.clear();
        drop(state);
        self.filled.notify_all();
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.has_nothing() && !self.is_writing
    }

    /// Bytes of listings that wait to be written.
    fn waiting_listings(&self) -> usize {
        let bytes = |work: &Work| if let Work::Day { body, .. } = work { body.len() } else { 0 };
        self.works.iter().map(bytes).sum()
    }

    /// Bytes of transcripts that wait for the index.
    fn waiting_text(&self) -> usize {
        let bytes = |work: &Work| match work {
            Work::Words { said, .. } => said.values().map(String::len).sum(),
            _ => 0,
        };
        self.words.iter().map(bytes).sum()
    }

    fn has_nothing(&self) -> bool {
        self.works.is_empty() && self.words.is_empty() && self.used.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(len: usize) -> Work {
        let key = Key([0; 16]);
        Work::Day { key, account: key, listed: 0, body: vec![0; len] }
    }

    #[test]
    fn listings_wait_for_a_disk_that_is_slow_and_not_without_bound() {
        let queue = Queue::default();
        queue.add_listing(listing(WAITING_LISTINGS));
        queue.add_listing(listing(1));
        assert_eq!(queue.take().unwrap().works.len(), 1, "the second found no room");
        queue.done(false);
        queue.add_listing(listing(WAITING_LISTINGS));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| queue.add_listing(listing(1)));
            drop(queue.take());
            waits.join().unwrap();
        });
        queue.close();
        assert_eq!(queue.take().unwrap().works.len(), 1, "room came while it waited");
    }

    #[test]
    fn nobody_waits_for_a_disk_that_has_failed() {
        let queue = Queue::default();
        queue.add_listing(listing(WAITING_LISTINGS));
        drop(queue.take());
        queue.done(true);
        queue.add_listing(listing(1));
        queue.add(listing(1));
        queue.close();
        assert!(queue.take().is_none());
    }
}
