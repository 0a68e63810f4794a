//! Blocks of a blob on disk: taken from there, and given there to be kept.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::blob::{Blob, BlockIndex};

impl Blob {
    /// The blocks of a range that are kept on disk.
    pub(super) async fn kept(
        self: &Arc<Self>,
        blocks: Range<BlockIndex>,
    ) -> Vec<(BlockIndex, Bytes)> {
        let (Some(store), Some(version)) = (self.store.clone(), self.known_version()) else {
            return Vec::new();
        };
        let blob = store.blob(self.id(), version);
        let read = move || store.read(blob, blocks.start.0..blocks.end.0);
        let read = tokio::task::spawn_blocking(read).await.unwrap_or_default();
        read.into_iter().map(|(index, bytes)| (BlockIndex(index), bytes)).collect()
    }

    /// Has blocks kept on disk again, as far as they are in memory: whatever looks after the disk may have let
    /// go of them there, and who finds them in memory does not miss them.
    pub(super) fn keep_again(&self, blocks: impl IntoIterator<Item = u32>) {
        let here = blocks.into_iter().map(BlockIndex);
        here.filter(|index| self.memory.is_idle(self, *index)).for_each(|index| self.keep(index));
    }

    /// Has a block that has just come kept on disk.
    pub(super) fn keep(&self, index: BlockIndex) {
        let Some(store) = &self.store else { return };
        let Some(version) = self.known_version() else {
            self.came_early.store(true, Ordering::Release);
            return;
        };
        let waiting = self.memory.awaits_disk(self, index);
        let take = Box::new(move || waiting.take());
        store.keep_block(store.blob(self.id(), version), index.0, take);
    }
}
