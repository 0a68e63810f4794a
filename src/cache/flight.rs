//! One request under way: it cuts a body into blocks and hands each to those who wait for it.
//!
//! A flight never outlives interest: it stops at the first block boundary where nobody wants the
//! rest, except that a body which a server sends whole is read on while it fits in memory, since
//! asking again would cost all of it once more.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::BLOCK_SIZE;
use super::blob::{Blob, BlockIndex, changed};
use super::memory::Room;
use crate::source::{RangeAnswer, Urgency, Version};
use crate::types::{Cause, Failure, lock};

/// How long the whole body of a large object waits for somebody to want more of it.
const WHOLE_IDLE: Duration = Duration::from_secs(10);

/// How long a block that nobody waits for any more may take to come to its end.
const UNWANTED_BLOCK: Duration = Duration::from_secs(1);

/// A request for some blocks of a blob, and those of its blocks that have not come yet.
pub(super) struct Flight {
    blob: Arc<Blob>,
    /// Blocks still to come; `end` is open (`u32::MAX`) while the body's end is not known.
    rest: Range<BlockIndex>,
    urgency: Urgency,
    /// Room in memory for what was asked and has not come yet.
    room: Room,
    /// Whether the server sends everything, whatever was asked.
    whole: bool,
    /// What those get who still wait when the flight ends.
    ending: Result<(), Failure>,
}

impl Flight {
    /// Starts to fetch `blocks`, whose slots stand in the blob's progress already.
    pub(super) fn start(blob: Arc<Blob>, blocks: Range<BlockIndex>, urgency: Urgency) {
        let ending = Err(Failure::new(Cause::Internal, "a fetch ended without an outcome"));
        let room = blob.memory.room(blocks.end.start() - blocks.start.start());
        let mut flight = Self { blob, rest: blocks, urgency, room, whole: false, ending };
        tokio::spawn(async move {
            flight.ending = flight.run().await;
            if let Err(failure) = &flight.ending
                && failure.cause == Cause::Changed
            {
                flight.blob.go_stale();
            }
        });
    }

    /// Asks until all that was wanted is here: a server may answer with less than was asked.
    async fn run(&mut self) -> Result<(), Failure> {
        self.land_kept().await;
        while !self.rest.is_empty() {
            let before = self.rest.clone();
            let answer = tokio::select! {
                answer = self.blob.open(&before, &self.urgency) => answer?,
                () = self.abandoned() => {
                    if self.withdraw() {
                        return Ok(());
                    }
                    continue;
                }
            };
            if let Some(total) = answer.total {
                self.blob.learn(&Version { total, validator: answer.validator.clone() })?;
            }
            let everything = answer.offset == 0 && answer.end == answer.total;
            let more = answer.end.is_none_or(|end| end > before.end.start());
            self.whole = everything && (more || before.start > BlockIndex(0));
            if self.whole && !self.board_whole() {
                return Ok(());
            }
            if answer.offset != self.rest.start.start() {
                return Err(Failure::new(Cause::BadAnswer, "the server sends another range"));
            }
            self.read(answer).await?;
            if self.blob.is_stale() {
                return Err(changed());
            }
            let size = self.blob.known_version().map_or(0, |version| version.total);
            if self.rest.is_empty() || self.rest.start.start() >= size {
                return Ok(());
            }
            if self.rest == before {
                return Err(Failure::new(Cause::BadAnswer, "the server sends less than a block"));
            }
        }
        Ok(())
    }

    /// Takes the blocks that are kept on disk from there. What is missing between them becomes
    /// flights of its own.
    async fn land_kept(&mut self) {
        let kept = self.blob.kept(self.rest.clone()).await;
        if kept.is_empty() {
            return;
        }
        let mut missing = Vec::new();
        let mut next = self.rest.start;
        for (index, bytes) in kept {
            if next < index {
                missing.push(next..index);
            }
            next = index.next();
            self.fill(index, bytes);
        }
        if next < self.rest.end {
            missing.push(next..self.rest.end);
        }
        let mut missing = missing.into_iter();
        self.rest = missing.next().unwrap_or(next..next);
        for blocks in missing {
            self.room.shrink(blocks.end.start() - blocks.start.start());
            Self::start(Arc::clone(&self.blob), blocks, self.urgency.clone());
        }
    }

    /// Makes this the body through which all blocks come, unless another one already is and has
    /// everything that this one was asked for still before it: then false.
    fn board_whole(&mut self) -> bool {
        self.blob.unranged.store(true, Ordering::Release);
        let mut progress = lock(&self.blob.progress);
        let pending = progress.slots.range(self.rest.clone()).next().map(|(index, _)| *index);
        if progress.whole.is_some_and(|next| pending.is_none_or(|first| next <= first)) {
            // Nothing is left to this flight: the slots are the other one's now.
            self.rest.end = self.rest.start;
            self.whole = false;
            return false;
        }
        progress.whole = Some(BlockIndex(0));
        self.rest = BlockIndex(0)..BlockIndex(u32::MAX);
        true
    }

    /// Cuts a body into blocks, until it ends or nobody wants more of it.
    async fn read(&mut self, mut answer: RangeAnswer) -> Result<(), Failure> {
        let mut received = answer.offset;
        let mut block = BytesMut::new();
        let mut patience = Instant::now() + self.patience();
        loop {
            let mut chunk = match timeout_at(patience, answer.body.next()).await {
                Ok(Some(chunk)) => chunk?,
                Ok(None) => break,
                // The next boundary may never come, and whoever came later would wait with it.
                Err(_) if !self.somebody_waits() && self.withdraw() => return Ok(()),
                Err(_) => {
                    patience = Instant::now() + self.patience();
                    continue;
                }
            };
            received += chunk.len() as u64;
            while !chunk.is_empty() {
                let room = usize::try_from(BLOCK_SIZE).unwrap_or(usize::MAX) - block.len();
                if block.is_empty() {
                    block = self.blob.memory.buffer(self.block_len(answer.total));
                }
                block.extend_from_slice(&chunk.split_to(room.min(chunk.len())));
                if block.len() as u64 == BLOCK_SIZE {
                    self.hand_over(std::mem::take(&mut block).freeze());
                    patience = Instant::now() + self.patience();
                    if self.rest.is_empty() || !self.is_wanted(answer.total).await {
                        return Ok(());
                    }
                }
            }
        }
        let known = || self.blob.known_version().map(|version| version.total);
        let ended = answer.end.is_none().then_some(received);
        let Some(size) = answer.total.or(ended).or_else(known) else {
            return Err(Failure::new(Cause::BadAnswer, "a part of an object of unknown size"));
        };
        // The last block of an object is short; any other one that is, is not all there yet.
        if received == size && !block.is_empty() {
            // Its buffer is that of a whole block where the size was not known.
            let fits = block.len() == block.capacity();
            self.hand_over(if fits { block.freeze() } else { Bytes::copy_from_slice(&block) });
        }
        self.blob.learn(&Version { total: size, validator: answer.validator })
    }

    /// How long a block that nobody waits for may take.
    fn patience(&self) -> Duration {
        if self.whole { WHOLE_IDLE } else { UNWANTED_BLOCK }
    }

    /// How many bytes the next block will have, for an allocation that fits.
    fn block_len(&self, total: Option<u64>) -> usize {
        let left = total.map_or(BLOCK_SIZE, |t| t.saturating_sub(self.rest.start.start()));
        usize::try_from(left.min(BLOCK_SIZE)).unwrap_or(0)
    }

    /// Stores the next block, has it kept, and wakes those who wait for it.
    fn hand_over(&mut self, bytes: Bytes) {
        let index = self.rest.start;
        self.rest.start = index.next();
        self.fill(index, bytes);
        self.blob.keep(index);
    }

    /// Stores a block and wakes those who wait for it.
    fn fill(&mut self, index: BlockIndex, bytes: Bytes) {
        self.room.shrink(BLOCK_SIZE);
        // Into memory first: whoever finds no slot must find the block.
        self.blob.memory.put(&self.blob, index, bytes.clone());
        let slot = {
            let mut progress = lock(&self.blob.progress);
            if self.whole && progress.whole == Some(index) {
                progress.whole = Some(index.next());
            }
            progress.slots.remove(&index)
        };
        if let Some(slot) = slot {
            slot.fill(Ok(bytes));
        }
    }

    /// Whether to read on. The body of a large object that comes whole waits here for its readers,
    /// so that it does not push its own blocks out of memory before they were read.
    async fn is_wanted(&mut self, total: Option<u64>) -> bool {
        loop {
            let blob = Arc::clone(&self.blob);
            let changed = blob.changed.notified();
            if blob.is_stale() {
                return false;
            }
            if self.somebody_waits() {
                return true;
            }
            if self.whole {
                let reach = total.unwrap_or_else(|| self.rest.start.start());
                if self.blob.size_is_awaited() || reach <= self.blob.memory.budget() / 2 {
                    return true;
                }
                if tokio::time::timeout(WHOLE_IDLE, changed).await.is_ok() {
                    continue;
                }
            }
            if self.withdraw() {
                return false;
            }
        }
    }

    /// Waits until nobody waits for any of it.
    async fn abandoned(&self) {
        loop {
            let changed = self.blob.changed.notified();
            if !self.somebody_waits() {
                return;
            }
            changed.await;
        }
    }

    fn somebody_waits(&self) -> bool {
        let progress = lock(&self.blob.progress);
        progress.slots.range(self.rest.clone()).any(|(_, slot)| Arc::strong_count(slot) > 1)
    }

    /// Takes back what is still to come, unless somebody waits for it by now: then false.
    fn withdraw(&mut self) -> bool {
        let mut progress = lock(&self.blob.progress);
        let rest = self.rest.clone();
        if progress.slots.range(rest.clone()).any(|(_, slot)| Arc::strong_count(slot) > 1) {
            return false;
        }
        progress.slots.retain(|index, _| !rest.contains(index));
        if self.whole && progress.whole == Some(rest.start) {
            progress.whole = None;
        }
        self.rest.end = rest.start;
        true
    }
}

impl Drop for Flight {
    /// Nobody is left waiting, whatever ended the flight: the end of the object, a failure, or a
    /// panic.
    fn drop(&mut self) {
        let left: Vec<_> = {
            let mut progress = lock(&self.blob.progress);
            if self.whole && progress.whole == Some(self.rest.start) {
                progress.whole = None;
            }
            progress.last_failure = self.ending.as_ref().err().cloned();
            let indices: Vec<_> =
                progress.slots.range(self.rest.clone()).map(|(i, _)| *i).collect();
            indices.into_iter().filter_map(|index| progress.slots.remove_entry(&index)).collect()
        };
        for (_, slot) in left {
            slot.fill(self.ending.clone().map(|()| Bytes::new()));
        }
        self.blob.changed.notify_waiters();
    }
}
