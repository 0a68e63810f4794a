//! Blocks of objects: kept in memory by recency, fetched once however many wait.
//!
//! A [`Blob`] is one version of one object. Whoever wants bytes asks the blob for blocks; a block
//! that is neither in memory nor under way comes from disk, or is fetched, contiguous blocks with one
//! request, and each block reaches its waiters as it arrives and is kept on disk. A block that nobody waits for any more is not fetched
//! on.
//!
//! The cache does not know who reads or who serves. It never guesses: a block is stored when every
//! byte of it has come, and a blob whose object has changed serves nothing more.

use std::collections::HashMap;
use std::fs::File;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, Weak};

use lru::LruCache;

use crate::metrics::Metrics;
use crate::source::{RangeSource, Version};
use crate::store;
use crate::types::{Link, ObjectId, lock};

pub use crate::types::BLOCK_SIZE;

pub use blob::{Blob, BlockIndex, Interest, When};
pub use growing::Growing;
use memory::Memory;

mod blob;
mod disk;
mod flight;
mod growing;
mod memory;
mod slot;

/// Objects that are still being written and that nobody has open, but of which what is known stays: more than
/// calls go on at the same time.
const LOOKED_AT: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
/// Together they take one part in so many of the memory.
const LOOKED_AT_SHARE: u64 = 4;

/// How much of an object is kept on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// All of it.
    Whole,
    /// Some blocks.
    Part,
    /// None.
    Nothing,
}

/// Blocks of all objects of a mount.
pub struct Cache {
    source: Arc<dyn RangeSource>,
    memory: Arc<Memory>,
    store: Option<store::Account>,
    blobs: Mutex<HashMap<ObjectId, Weak<Blob>>>,
    /// Objects that were seen while they were being written.
    growing: Mutex<HashMap<ObjectId, Weak<Growing>>>,
    /// Those looked at last: what is known of them is not asked for again.
    looked_at: Mutex<LruCache<ObjectId, Arc<Growing>>>,
}

impl Cache {
    /// A cache that fills itself from `store`, where there is one, and else from `source`, and holds
    /// at most `budget` bytes of blocks.
    pub fn new(source: Arc<dyn RangeSource>, budget: u64, store: Option<store::Account>) -> Self {
        Self {
            source,
            memory: Arc::new(Memory::new(budget)),
            store,
            blobs: Mutex::default(),
            growing: Mutex::default(),
            looked_at: Mutex::new(LruCache::new(LOOKED_AT)),
        }
    }

    /// How much of a version of an object is kept on disk. Blocks on the disk for a moment.
    pub fn kept(&self, id: &ObjectId, version: &Version) -> Kept {
        let Some(store) = &self.store else { return Kept::Nothing };
        let blob = store.blob(id, version);
        match (store.is_whole(blob), store.has_any(blob)) {
            (true, _) => Kept::Whole,
            (false, true) => Kept::Part,
            (false, false) => Kept::Nothing,
        }
    }

    /// The file on disk that is a version of an object, whole and proved right.
    pub async fn whole_file(&self, id: &ObjectId, version: &Version) -> Option<File> {
        let store = self.store.clone()?;
        let blob = store.blob(id, version);
        tokio::task::spawn_blocking(move || store.file(blob)).await.ok()?
    }

    /// Has what is in memory of a version of an object kept on disk, where it is not. Blocks on the disk for a
    /// moment.
    pub fn keep(&self, id: &ObjectId, version: &Version) {
        let blob = lock(&self.blobs).get(id).and_then(Weak::upgrade);
        let blob = blob.filter(|blob| blob.known_version() == Some(version));
        if let (Some(store), Some(blob)) = (&self.store, blob) {
            blob.keep_again(store.unkept(store.blob(id, version)));
        }
    }

    /// Keeps a version of an object on disk for good.
    pub fn pin(&self, id: &ObjectId, version: &Version) {
        if let Some(store) = &self.store {
            store.pin(store.blob(id, version));
        }
    }

    /// The same, counting there. To be called before anything is read.
    #[must_use]
    pub fn counting(self, metrics: Arc<Metrics>) -> Self {
        let memory = Arc::new(Memory::new(self.memory.budget()).counting(metrics));
        Self { memory, ..self }
    }

    /// Where this cache counts.
    pub fn metrics(&self) -> &Arc<Metrics> {
        self.memory.metrics()
    }

    /// The blob of an object: the one that others use now, or a new one.
    ///
    /// `known` is the version that was learned earlier, if any; the first answer is held against
    /// it. A blob that went stale is replaced.
    pub fn blob(&self, id: &ObjectId, link: &Link, known: Option<Version>) -> Arc<Blob> {
        let mut blobs = lock(&self.blobs);
        if let Some(blob) = blobs.get(id).and_then(Weak::upgrade)
            && !blob.is_stale()
        {
            blob.renew_link(link);
            return blob;
        }
        let blob = Blob::new(
            id.clone(),
            link.clone(),
            known,
            Arc::clone(&self.source),
            Arc::clone(&self.memory),
            self.store.clone(),
        );
        blobs.insert(id.clone(), Arc::downgrade(&blob));
        // Amortised: the table is swept each time it may have doubled with dead entries.
        if blobs.len() > 1024 && blobs.len().is_power_of_two() {
            blobs.retain(|_, blob| blob.strong_count() > 0);
        }
        blob
    }

    /// Takes a newer link to an object, for those who have it open.
    pub fn renew_link(&self, id: &ObjectId, link: &Link) {
        let open = lock(&self.blobs).get(id).and_then(Weak::upgrade);
        if let Some(blob) = open {
            blob.renew_link(link);
        }
        if let Some(growing) = self.known_growing(id) {
            growing.renew_link(link);
        }
    }

    /// An object that is still being written: the one that others follow, or a new one.
    pub fn growing(&self, id: &ObjectId, link: &Link) -> Arc<Growing> {
        let mut table = lock(&self.growing);
        let known = table.get(id).and_then(Weak::upgrade).filter(|known| !known.is_stale());
        let growing = known.unwrap_or_else(|| {
            let (source, memory) = (Arc::clone(&self.source), Arc::clone(&self.memory));
            Growing::new(id.clone(), link.clone(), source, memory)
        });
        table.insert(id.clone(), Arc::downgrade(&growing));
        drop(table);
        growing.renew_link(link);
        self.keep_looked_at(id, &growing);
        growing
    }

    /// Keeps what is known of an object that is still being written, and lets go of those that were looked at
    /// longest ago when they are too much.
    fn keep_looked_at(&self, id: &ObjectId, growing: &Arc<Growing>) {
        let mut looked_at = lock(&self.looked_at);
        looked_at.put(id.clone(), Arc::clone(growing));
        let mut known: u64 = looked_at.iter().map(|(_, growing)| growing.known_size()).sum();
        while known > self.memory.budget() / LOOKED_AT_SHARE && looked_at.len() > 1 {
            let Some((_, oldest)) = looked_at.pop_lru() else { return };
            known = known.saturating_sub(oldest.known_size());
        }
    }

    /// Whether an object was followed while it was being written.
    pub fn has_grown(&self, id: &ObjectId) -> bool {
        lock(&self.growing).contains_key(id)
    }

    /// Takes note of the size of an object that is final, for those who still follow it.
    pub fn tell_final(&self, id: &ObjectId, size: u64) {
        if let Some(growing) = self.known_growing(id) {
            growing.tell(size);
        }
    }

    fn known_growing(&self, id: &ObjectId) -> Option<Arc<Growing>> {
        lock(&self.growing).get(id).and_then(Weak::upgrade)
    }

    /// Bytes of blocks held in memory now.
    pub fn held(&self) -> u64 {
        self.memory.held()
    }
}
