//! One version of one object: which of its blocks are here, under way, or to be fetched.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;

use super::BLOCK_SIZE;
use super::flight::Flight;
use super::memory::Memory;
use super::slot::Slot;
use crate::source::{RangeAnswer, RangeRequest, RangeSource, Urgency, Version};
use crate::store;
use crate::types::{Cause, Failure, Link, ObjectId, lock};

/// A request that has been under way for so long leaves who joins it less than his own time.
const A_WHILE: Duration = Duration::from_secs(1);
/// Blocks that one request brings at the most: 8 MiB.
const REQUEST_BLOCKS: u32 = 64;

/// Which block of an object, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockIndex(pub u32);

impl BlockIndex {
    /// The block that holds the byte at `offset`. Saturates far beyond what any server keeps.
    pub fn of(offset: u64) -> Self {
        Self(u32::try_from(offset / BLOCK_SIZE).unwrap_or(u32::MAX - 1))
    }

    /// Offset of the block's first byte.
    pub fn start(self) -> u64 {
        u64::from(self.0) * BLOCK_SIZE
    }

    /// The block after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// One version of one object.
pub struct Blob {
    number: u64,
    id: ObjectId,
    link: Mutex<Link>,
    source: Arc<dyn RangeSource>,
    pub(super) memory: Arc<Memory>,
    pub(super) store: Option<store::Account>,
    /// Whether blocks came before the version was known, without which nothing is kept on disk.
    pub(super) came_early: AtomicBool,
    version: OnceLock<Version>,
    stale: AtomicBool,
    /// Whether the server was seen to send everything, whatever was asked.
    pub(super) unranged: AtomicBool,
    pub(super) progress: Mutex<Progress>,
    /// Told when the version is learned, when a fetch fails, and when somebody wants more.
    pub(super) changed: Notify,
    size_awaited: AtomicUsize,
}

/// What is under way for a blob.
#[derive(Default)]
pub(super) struct Progress {
    /// Blocks that somebody waits for, or that a request is bringing.
    pub(super) slots: BTreeMap<BlockIndex, Arc<Slot>>,
    /// Where the body of a server that ignores `Range` has come to: all blocks from this one on
    /// will still arrive through it.
    pub(super) whole: Option<BlockIndex>,
    /// Why the last request failed, if it did: for those who wait for the size.
    pub(super) last_failure: Option<Failure>,
}

/// When a block is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Somebody waits for it.
    Now,
    /// Somebody may want it soon.
    Ahead,
}

/// Somebody's wish for some blocks. While it lives the blocks are fetched, and stay reachable.
pub struct Interest {
    blocks: Vec<(BlockIndex, Pending)>,
    blob: Arc<Blob>,
    /// Whether a request was joined that had been under way for a while.
    is_late: bool,
}

enum Pending {
    Here(Bytes),
    Coming(Arc<Slot>),
}

impl Blob {
    pub(super) fn new(
        id: ObjectId,
        link: Link,
        known: Option<Version>,
        source: Arc<dyn RangeSource>,
        memory: Arc<Memory>,
        store: Option<store::Account>,
    ) -> Arc<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let version = OnceLock::new();
        if let Some(known) = known {
            let _ = version.set(known);
        }
        Arc::new(Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            id,
            link: Mutex::new(link),
            source,
            memory,
            store,
            came_early: AtomicBool::new(false),
            version,
            stale: AtomicBool::new(false),
            unranged: AtomicBool::new(false),
            progress: Mutex::default(),
            changed: Notify::new(),
            size_awaited: AtomicUsize::new(0),
        })
    }

    /// A number that no other blob of this process has.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The object.
    pub fn id(&self) -> &ObjectId {
        &self.id
    }

    /// Takes a newer link to the same object.
    pub(super) fn renew_link(&self, link: &Link) {
        lock(&self.link).clone_from(link);
    }

    /// Whether the server was seen to serve another version: nothing more comes from this blob.
    pub fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Acquire)
    }

    /// Whether the server ignores ranges, so that the end of the object costs all of it.
    pub fn comes_whole(&self) -> bool {
        self.unranged.load(Ordering::Acquire)
    }

    /// The version, if it is known by now.
    pub fn known_version(&self) -> Option<&Version> {
        self.version.get()
    }

    /// Learns the version with the request that brings the first block, or waits for the end of
    /// the body where the server does not say the size before.
    pub async fn version(self: &Arc<Self>, when: When) -> Result<Version, Failure> {
        let _awaited = SizeAwaited::new(self);
        let (mut first, mut asked_again) = (None, false);
        loop {
            let changed = self.changed.notified();
            if let Some(version) = self.version.get() {
                return Ok(version.clone());
            }
            let Some(interest) = &first else {
                first = Some(self.want(BlockIndex(0)..BlockIndex(1), when));
                continue;
            };
            tokio::select! {
                block = interest.block(BlockIndex(0)) => match block {
                    Err(failure) if !asked_again && interest.may_ask_again(&failure) => {
                        asked_again = true;
                        first = None;
                        continue;
                    }
                    // The size came before what was wrong with the bytes.
                    Err(_) if self.version.get().is_some() && !self.is_stale() => continue,
                    block => { block?; }
                },
                () = changed => continue,
            }
            // The first block is here and the size is not: the body tells it when it ends.
            let changed = self.changed.notified();
            let coming = lock(&self.progress).whole.is_some();
            match self.version.get() {
                Some(version) => return Ok(version.clone()),
                None if coming => changed.await,
                None => {
                    let never = || Failure::new(Cause::BadAnswer, "the server never told the size");
                    return Err(lock(&self.progress).last_failure.clone().unwrap_or_else(never));
                }
            }
        }
    }

    /// Whether somebody cannot go on before the whole size is known.
    pub(super) fn size_is_awaited(&self) -> bool {
        self.size_awaited.load(Ordering::Acquire) > 0
    }

    /// Up to `len` bytes at `offset`: fewer only at the end of the object.
    pub async fn read(self: &Arc<Self>, offset: u64, len: u64) -> Result<Bytes, Failure> {
        if self.is_stale() {
            return Err(changed());
        }
        let total = self.version(When::Now).await?.total;
        let end = offset.saturating_add(len).min(total);
        if offset >= end {
            return Ok(Bytes::new());
        }
        let blocks = BlockIndex::of(offset)..BlockIndex::of(end - 1).next();
        // What spans several blocks is joined to a copy.
        let joined = if blocks.start.next() < blocks.end { end - offset } else { 0 };
        let _room = self.memory.room(joined);
        let interest = self.want(blocks.clone(), When::Now);
        let (hits, misses) = interest.hits_and_misses();
        self.memory.metrics().looked_up(hits, misses);
        match interest.bytes(offset..end).await {
            Err(failure) if interest.may_ask_again(&failure) => {
                self.want(blocks, When::Now).bytes(offset..end).await
            }
            outcome => outcome,
        }
    }

    /// Wants blocks: those that are neither here nor coming are asked for, contiguous ones at once.
    /// What is wanted `Now` goes before all that is only wanted `Ahead`.
    pub fn want(self: &Arc<Self>, range: Range<BlockIndex>, when: When) -> Interest {
        let end = self.version.get().map_or(range.end, |version| {
            range.end.min(BlockIndex::of(version.total.saturating_sub(1)).next())
        });
        let (mut blocks, mut is_late) = (Vec::new(), false);
        let mut missing: Vec<(Range<BlockIndex>, Urgency)> = Vec::new();
        let mut progress = lock(&self.progress);
        // Without the size, and without a body that will tell it, even a block that is here has to be
        // asked for again: the answer is what counts.
        let sized = self.version.get().is_some() || progress.whole.is_some();
        for index in (range.start.0..end.0).map(BlockIndex) {
            if sized && let Some(bytes) = self.memory.get(self, index) {
                blocks.push((index, Pending::Here(bytes)));
                continue;
            }
            let known = progress.slots.get(&index).map(Arc::clone);
            let slot = known.unwrap_or_else(|| {
                let comes_anyway = progress.whole.is_some_and(|next| next <= index);
                let urgency =
                    if comes_anyway { Urgency::now() } else { add_to_runs(&mut missing, index) };
                let slot = Arc::new(Slot::new(urgency));
                progress.slots.insert(index, Arc::clone(&slot));
                slot
            });
            is_late |= slot.age() > A_WHILE;
            if when == When::Now {
                slot.hurry();
            }
            blocks.push((index, Pending::Coming(slot)));
        }
        drop(progress);
        for (run, urgency) in missing {
            Flight::start(Arc::clone(self), run, urgency);
        }
        self.changed.notify_waiters();
        Interest { blocks, blob: Arc::clone(self), is_late }
    }

    /// Takes note that a reader has gone through blocks, and will not come back to them.
    pub fn went_through(&self, blocks: Range<BlockIndex>) {
        self.memory.went_through(self, blocks);
    }

    /// The request for some blocks, bound to the version if one is known.
    pub(super) async fn open(
        &self,
        blocks: &Range<BlockIndex>,
        urgency: &Urgency,
    ) -> Result<RangeAnswer, Failure> {
        let version = self.version.get().cloned();
        let end = version.as_ref().map_or(u64::MAX, |version| version.total);
        let request = RangeRequest {
            link: lock(&self.link).clone(),
            offset: blocks.start.start(),
            len: blocks.end.start().min(end) - blocks.start.start(),
            version,
            urgency: urgency.clone(),
        };
        self.source.open(request).await
    }

    /// Holds a version that a server told against the one known, or learns it.
    pub(super) fn learn(&self, told: &Version) -> Result<(), Failure> {
        let known = self.version.get_or_init(|| told.clone());
        if self.came_early.swap(false, Ordering::AcqRel) {
            let end = BlockIndex::of(known.total.saturating_sub(1)).next();
            (0..end.0).map(BlockIndex).for_each(|index| self.keep(index));
        }
        self.changed.notify_waiters();
        if known.total == told.total && known.validator.agrees_with(&told.validator) {
            Ok(())
        } else {
            self.go_stale();
            Err(changed())
        }
    }

    /// Marks the blob as a version that the server no longer serves.
    pub(super) fn go_stale(&self) {
        if !self.stale.swap(true, Ordering::AcqRel) {
            tracing::warn!(object = %self.id, "the object changed on the server");
        }
        self.changed.notify_waiters();
    }
}

impl Interest {
    /// Whether a request of one's own may meet what the one that was joined did not: it has all of
    /// its time still before it, and a budget that is kept for readers.
    fn may_ask_again(&self, failure: &Failure) -> bool {
        match failure.cause {
            Cause::TimedOut | Cause::Throttled => self.is_late,
            Cause::OverBudget => true,
            _ => false,
        }
    }

    /// Waits until all blocks are here.
    pub async fn all(&self) -> Result<(), Failure> {
        for (index, _) in &self.blocks {
            self.block(*index).await?;
        }
        Ok(())
    }

    /// How many of the wanted blocks were here at once, and how many were not.
    fn hits_and_misses(&self) -> (u64, u64) {
        let is_here = |pending: &&(BlockIndex, Pending)| matches!(pending.1, Pending::Here(_));
        let hits = self.blocks.iter().filter(is_here).count() as u64;
        (hits, self.blocks.len() as u64 - hits)
    }

    /// One of the wanted blocks. Empty when it lies beyond the end of the object.
    async fn block(&self, index: BlockIndex) -> Result<Bytes, Failure> {
        match self.blocks.iter().find(|(i, _)| *i == index) {
            Some((_, Pending::Here(bytes))) => Ok(bytes.clone()),
            Some((_, Pending::Coming(slot))) => slot.outcome().await,
            None => Ok(Bytes::new()),
        }
    }

    /// The bytes of a range that the wanted blocks cover, all of them.
    async fn bytes(&self, range: Range<u64>) -> Result<Bytes, Failure> {
        let (first, last) = (BlockIndex::of(range.start), BlockIndex::of(range.end - 1));
        // Doubled step by step it would take twice as much, and be copied over and over.
        let len = usize::try_from(range.end - range.start).unwrap_or(0);
        let mut joined = BytesMut::with_capacity(if first == last { 0 } else { len });
        for index in (first.0..=last.0).map(BlockIndex) {
            let block = self.block(index).await?;
            let from = range.start.saturating_sub(index.start());
            let to = (range.end - index.start()).min(BLOCK_SIZE);
            let (Ok(from), Ok(to)) = (usize::try_from(from), usize::try_from(to)) else {
                return Err(short());
            };
            if block.len() < to {
                return Err(short());
            }
            if first == last {
                return Ok(block.slice(from..to));
            }
            joined.extend_from_slice(&block[from..to]);
        }
        Ok(joined.freeze())
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        // Flights look whether anybody is left once the slots are let go of, not before.
        self.blocks.clear();
        self.blob.changed.notify_waiters();
    }
}

/// Adds a block to the requests to make, ascending; gives the urgency of the one that it joins.
fn add_to_runs(runs: &mut Vec<(Range<BlockIndex>, Urgency)>, index: BlockIndex) -> Urgency {
    match runs.last_mut() {
        Some((run, urgency)) if run.end == index && index.0 - run.start.0 < REQUEST_BLOCKS => {
            run.end = index.next();
            urgency.clone()
        }
        _ => {
            let urgency = Urgency::ahead();
            runs.push((index..index.next(), urgency.clone()));
            urgency
        }
    }
}

/// Counts somebody who waits for the size.
struct SizeAwaited<'a>(&'a Blob);

impl<'a> SizeAwaited<'a> {
    fn new(blob: &'a Blob) -> Self {
        blob.size_awaited.fetch_add(1, Ordering::AcqRel);
        Self(blob)
    }
}

impl Drop for SizeAwaited<'_> {
    fn drop(&mut self) {
        self.0.size_awaited.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What a reader of a stale blob gets.
pub(super) fn changed() -> Failure {
    Failure::new(Cause::Changed, "the object changed on the server since it was opened")
}

/// A block that is shorter than the size promised: never served.
fn short() -> Failure {
    Failure::new(Cause::BadAnswer, "a block is shorter than the object's size says")
}
