//! The blocks in memory: least recently used first out, weighed in bytes.
//!
//! One budget covers all that the cache holds: the blocks that are here, and room for those that are
//! under way. A block that somebody holds stays: letting go of it would free nothing, and whoever
//! had it fetched ahead comes for it. Blocks that a reader went through from one end to the other go
//! first, and few of them stay at all: the kernel has them now, and memory that is used over and over
//! is faster than memory that is fresh. Those that the disk has not taken yet wait for it as long as
//! there is room.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use lru::LruCache;

use super::BLOCK_SIZE;
use super::blob::{Blob, BlockIndex};
use crate::metrics::Metrics;
use crate::types::lock;

/// Blocks that were gone through may hold this part of the budget: an eighth.
const GONE_THROUGH: u64 = 8;

/// Buffers that are kept for the next blocks may hold this part of the budget. Given back to the
/// allocator and taken from it again block by block, memory would be fresh each time, and the allocator
/// would keep up to a third more than the budget.
const SPARE: u64 = 64;

type ByUse = LruCache<(u64, BlockIndex), Block>;

/// Blocks of all blobs within one budget of bytes.
pub(super) struct Memory {
    budget: u64,
    blocks: Mutex<Blocks>,
    metrics: Arc<Metrics>,
}

struct Blocks {
    by_use: ByUse,
    gone_through: ByUse,
    /// Bytes of the blocks that were gone through.
    passed: u64,
    /// Bytes of all blocks.
    held: u64,
    /// Bytes for which there must be room.
    coming: u64,
    /// Buffers of blocks that had to go, for those that come next.
    spare: Vec<BytesMut>,
}

/// A block keeps its blob alive, so that a later open finds what is still in memory.
struct Block {
    bytes: Bytes,
    _blob: Arc<Blob>,
    /// Whether the disk has not taken it yet: until then it does not count as gone through.
    awaits_disk: bool,
}

/// A block's wait for the disk, which ends when this is dropped.
pub(super) struct AwaitsDisk {
    memory: Arc<Memory>,
    key: (u64, BlockIndex),
}

/// Room for bytes that are not blocks yet, or are copies of some. Given back when it is dropped.
pub(super) struct Room {
    memory: Arc<Memory>,
    bytes: u64,
}

impl Memory {
    /// An empty store that holds at most `budget` bytes.
    pub(super) fn new(budget: u64) -> Self {
        let blocks = Blocks {
            by_use: LruCache::unbounded(),
            gone_through: LruCache::unbounded(),
            passed: 0,
            held: 0,
            coming: 0,
            spare: Vec::new(),
        };
        Self { budget, blocks: Mutex::new(blocks), metrics: Arc::default() }
    }

    /// The same, counting there.
    pub(super) fn counting(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics, ..self }
    }

    /// Where hits and misses are counted.
    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The budget in bytes.
    pub(super) fn budget(&self) -> u64 {
        self.budget
    }

    /// Bytes held now.
    pub(super) fn held(&self) -> u64 {
        lock(&self.blocks).held
    }

    /// A block, which counts as used now.
    pub(super) fn get(&self, blob: &Blob, index: BlockIndex) -> Option<Bytes> {
        let key = (blob.number(), index);
        let mut blocks = lock(&self.blocks);
        if let Some(block) = blocks.by_use.get(&key) {
            return Some(block.bytes.clone());
        }
        let block = blocks.gone_through.pop(&key)?;
        blocks.passed -= block.passed();
        let bytes = block.bytes.clone();
        blocks.by_use.push(key, block);
        Some(bytes)
    }

    /// Whether a block is here, and nobody has asked for it to be kept on disk or that is done.
    pub(super) fn is_idle(&self, blob: &Blob, index: BlockIndex) -> bool {
        let key = (blob.number(), index);
        let blocks = lock(&self.blocks);
        let block = blocks.by_use.peek(&key).or_else(|| blocks.gone_through.peek(&key));
        block.is_some_and(|block| !block.awaits_disk)
    }

    /// Takes note that a block is going to be kept on disk.
    pub(super) fn awaits_disk(self: &Arc<Self>, blob: &Blob, index: BlockIndex) -> AwaitsDisk {
        let key = (blob.number(), index);
        self.change(|blocks| blocks.set_awaits_disk(key, true));
        AwaitsDisk { memory: Arc::clone(self), key }
    }

    /// Makes room for `bytes` bytes: a reader's, or read-ahead's, which has its own bound.
    pub(super) fn room(self: &Arc<Self>, bytes: u64) -> Room {
        self.change(|blocks| blocks.coming += bytes);
        Room { memory: Arc::clone(self), bytes }
    }

    /// An empty buffer for a block of so many bytes: that of a block that had to go, where there is one.
    pub(super) fn buffer(&self, len: usize) -> BytesMut {
        let spare = if len as u64 == BLOCK_SIZE { lock(&self.blocks).spare.pop() } else { None };
        spare.unwrap_or_else(|| BytesMut::with_capacity(len))
    }

    /// Keeps a block.
    pub(super) fn put(&self, blob: &Arc<Blob>, index: BlockIndex, bytes: Bytes) {
        let block = Block { bytes, _blob: Arc::clone(blob), awaits_disk: false };
        self.change(|blocks| blocks.keep((blob.number(), index), block));
    }

    /// Takes note that a reader has gone through blocks, and will not come back to them.
    pub(super) fn went_through(&self, blob: &Blob, range: Range<BlockIndex>) {
        self.change(|blocks| {
            for index in (range.start.0..range.end.0).map(BlockIndex) {
                let key = (blob.number(), index);
                if let Some(block) = blocks.by_use.pop(&key) {
                    blocks.passed += block.passed();
                    blocks.gone_through.push(key, block);
                }
            }
        });
    }

    /// Changes what is held, and lets go of what no longer fits.
    fn change(&self, change: impl FnOnce(&mut Blocks)) {
        let evicted = {
            let mut blocks = lock(&self.blocks);
            change(&mut blocks);
            blocks.evict(self.budget)
        };
        // Freed here, after the lock: the last block of a blob takes the blob along.
        for Block { bytes, .. } in evicted {
            self.reuse(bytes);
        }
    }

    /// Takes back the buffer of a block that had to go, if nobody else has it.
    fn reuse(&self, bytes: Bytes) {
        let Ok(mut buffer) = bytes.try_into_mut() else { return };
        buffer.clear();
        if buffer.capacity() as u64 == BLOCK_SIZE {
            let mut blocks = lock(&self.blocks);
            if (blocks.spare.len() as u64) < self.budget / BLOCK_SIZE / SPARE {
                blocks.spare.push(buffer);
            }
        }
    }
}

impl Block {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// What it counts for among the blocks that were gone through.
    fn passed(&self) -> u64 {
        if self.awaits_disk { 0 } else { self.len() }
    }
}

impl AwaitsDisk {
    /// The block, if it is still in memory; it does not count as used.
    pub(super) fn take(self) -> Option<Bytes> {
        let blocks = lock(&self.memory.blocks);
        let block = blocks.by_use.peek(&self.key).or_else(|| blocks.gone_through.peek(&self.key));
        block.map(|block| block.bytes.clone())
    }
}

impl Drop for AwaitsDisk {
    fn drop(&mut self) {
        let key = self.key;
        self.memory.change(|blocks| blocks.set_awaits_disk(key, false));
    }
}

impl Blocks {
    fn keep(&mut self, key: (u64, BlockIndex), block: Block) {
        if let Some(replaced) = self.gone_through.pop(&key) {
            self.passed -= replaced.passed();
            self.held -= replaced.len();
        }
        self.held += block.len();
        if let Some((_, replaced)) = self.by_use.push(key, block) {
            self.held -= replaced.len();
        }
    }

    fn set_awaits_disk(&mut self, key: (u64, BlockIndex), awaits: bool) {
        if let Some(block) = self.gone_through.peek_mut(&key) {
            self.passed -= block.passed();
            block.awaits_disk = awaits;
            self.passed += block.passed();
        } else if let Some(block) = self.by_use.peek_mut(&key) {
            block.awaits_disk = awaits;
        }
    }

    /// Takes out blocks that nobody holds, until the rest fits.
    fn evict(&mut self, budget: u64) -> Vec<Block> {
        let mut evicted = Vec::new();
        let too_much = |blocks: &Self| blocks.held + blocks.coming > budget;
        for _ in 0..self.gone_through.len() {
            let too_much = too_much(self);
            if self.passed <= budget / GONE_THROUGH && !too_much {
                break;
            }
            let may_go = |block: &Block| !block.awaits_disk || too_much;
            if let Some(block) = take_oldest(&mut self.gone_through, may_go) {
                self.passed -= block.passed();
                self.held -= block.len();
                evicted.push(block);
            }
        }
        for _ in 0..self.by_use.len() {
            if !too_much(self) {
                break;
            }
            if let Some(block) = take_oldest(&mut self.by_use, |_| true) {
                self.held -= block.len();
                evicted.push(block);
            }
        }
        evicted
    }
}

/// Takes out the block that was not used for the longest time, if it may go. If somebody holds it it is
/// used.
fn take_oldest(blocks: &mut ByUse, may_go: impl Fn(&Block) -> bool) -> Option<Block> {
    let (key, oldest) = blocks.pop_lru()?;
    if oldest.bytes.is_unique() && may_go(&oldest) {
        return Some(oldest);
    }
    blocks.push(key, oldest);
    None
}

impl Room {
    /// Gives back what `bytes` bytes took: they are a block now.
    pub(super) fn shrink(&mut self, bytes: u64) {
        let back = bytes.min(self.bytes);
        self.bytes -= back;
        lock(&self.memory.blocks).coming -= back;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::BoxFuture;

    use super::*;
    use crate::source::{RangeAnswer, RangeRequest, RangeSource};
    use crate::types::{Cause, Failure, Link, ObjectId};

    struct Nothing;

    impl RangeSource for Nothing {
        fn open(&self, _: RangeRequest) -> BoxFuture<'static, Result<RangeAnswer, Failure>> {
            Box::pin(async { Err(Failure::new(Cause::Internal, "there is nothing")) })
        }
    }

    /// A store of 800 bytes with blocks of 100, numbered from 0.
    fn filled(blocks: u32) -> (Arc<Memory>, Arc<Blob>) {
        let memory = Arc::new(Memory::new(800));
        let link = Link::parse("https://example.com/a").unwrap();
        let source = Arc::new(Nothing);
        let blob = Blob::new(ObjectId::new("a"), link, None, source, Arc::clone(&memory), None);
        for index in 0..blocks {
            memory.put(&blob, BlockIndex(index), Bytes::from(vec![0; 100]));
        }
        (memory, blob)
    }

    fn here(memory: &Memory, blob: &Blob) -> Vec<u32> {
        (0..20).filter(|index| memory.get(blob, BlockIndex(*index)).is_some()).collect()
    }

    #[test]
    fn what_is_coming_has_its_room_until_it_is_here() {
        let (memory, blob) = filled(8);
        let mut room = memory.room(300);
        assert_eq!(here(&memory, &blob), [3, 4, 5, 6, 7]);
        room.shrink(100);
        memory.put(&blob, BlockIndex(9), Bytes::from(vec![0; 100]));
        assert_eq!((memory.held(), here(&memory, &blob).len()), (600, 6));
        drop(room);
        assert_eq!(lock(&memory.blocks).coming, 0);
    }

    #[test]
    fn what_somebody_holds_stays() {
        let (memory, blob) = filled(8);
        let held = memory.get(&blob, BlockIndex(0));
        memory.get(&blob, BlockIndex(1));
        let room = memory.room(700);
        assert_eq!(here(&memory, &blob), [0]);
        drop((held, room));
        let _room = memory.room(800);
        assert_eq!(here(&memory, &blob), [0_u32; 0]);
    }

    #[test]
    fn what_was_gone_through_goes_first_and_comes_back_when_it_is_used_again() {
        let (memory, blob) = filled(4);
        memory.went_through(&blob, BlockIndex(0)..BlockIndex(4));
        let passed = || lock(&memory.blocks).passed;
        assert_eq!((memory.held(), passed()), (100, 100), "an eighth");
        assert_eq!(here(&memory, &blob), [3]);
        assert_eq!((memory.held(), passed()), (100, 0));
        memory.went_through(&blob, BlockIndex(3)..BlockIndex(4));
        memory.put(&blob, BlockIndex(3), Bytes::from(vec![0; 50]));
        assert_eq!((memory.held(), passed()), (50, 0));
    }

    #[test]
    fn what_was_gone_through_waits_for_the_disk_while_there_is_room() {
        let (memory, blob) = filled(4);
        let waiting = [0, 1].map(|index| memory.awaits_disk(&blob, BlockIndex(index)));
        memory.went_through(&blob, BlockIndex(0)..BlockIndex(4));
        let passed = || lock(&memory.blocks).passed;
        assert_eq!((memory.held(), passed()), (300, 100), "two wait, and an eighth stays");
        let [first, second] = waiting;
        assert_eq!(first.take().map(|bytes| bytes.len()), Some(100));
        assert_eq!((memory.held(), passed()), (200, 100));
        drop(memory.room(750));
        assert_eq!((memory.held(), passed()), (0, 0), "it is needed elsewhere");
        assert!(second.take().is_none());
        assert_eq!(passed(), 0);
    }
}
