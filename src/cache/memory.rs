//! The blocks in memory: least recently used first out, weighed in bytes.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lru::LruCache;

use super::blob::{Blob, BlockIndex};
use crate::metrics::Metrics;
use crate::types::lock;

/// Blocks of all blobs within one budget of bytes.
pub(super) struct Memory {
    budget: u64,
    blocks: Mutex<Blocks>,
    metrics: Arc<Metrics>,
}

struct Blocks {
    by_use: LruCache<(u64, BlockIndex), Block>,
    held: u64,
}

/// A block keeps its blob alive, so that a later open finds what is still in memory.
struct Block {
    bytes: Bytes,
    _blob: Arc<Blob>,
}

impl Memory {
    /// An empty store that holds at most `budget` bytes.
    pub(super) fn new(budget: u64) -> Self {
        let blocks = Mutex::new(Blocks { by_use: LruCache::unbounded(), held: 0 });
        Self { budget, blocks, metrics: Arc::default() }
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
        lock(&self.blocks).by_use.get(&(blob.number(), index)).map(|block| block.bytes.clone())
    }

    /// A block by its blob's number, which does not count as used.
    pub(super) fn peek(&self, blob: u64, index: BlockIndex) -> Option<Bytes> {
        lock(&self.blocks).by_use.peek(&(blob, index)).map(|block| block.bytes.clone())
    }

    /// Keeps a block and lets go of the least recently used ones that no longer fit.
    pub(super) fn put(&self, blob: &Arc<Blob>, index: BlockIndex, bytes: Bytes) {
        let mut evicted = Vec::new();
        {
            let mut blocks = lock(&self.blocks);
            let key = (blob.number(), index);
            blocks.held += bytes.len() as u64;
            let block = Block { bytes, _blob: Arc::clone(blob) };
            if let Some((_, replaced)) = blocks.by_use.push(key, block) {
                blocks.held -= replaced.bytes.len() as u64;
                evicted.push(replaced);
            }
            while blocks.held > self.budget
                && let Some((_, oldest)) = blocks.by_use.pop_lru()
            {
                blocks.held -= oldest.bytes.len() as u64;
                evicted.push(oldest);
            }
        }
        // Freed here, after the lock: the last block of a blob takes the blob along.
        drop(evicted);
    }
}
