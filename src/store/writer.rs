//! The one thread that writes: takes what is to be kept, in batches, and puts it on disk.
//!
//! Nobody waits for it. A block is not held for it either: it is asked for when it is its turn, and
//! is gone if memory was needed meanwhile. A block's bytes are in their file before its row says so,
//! so that whatever ends the process leaves nothing that reads wrong. When the disk fails, the thread
//! says so once and takes nothing more.

use std::collections::{BTreeMap, HashSet};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};

use super::blocks::carefully;
use super::extent::{Extent, Layout, Map};
use super::queue::{Queue, Taken, Work};
use super::rows::{map_in, now_millis, paged, put, set_map};
use super::vault::checksum;
use super::{Key, Shared, StoreError, database, space};
use crate::types::lock;

/// A catalogue that was mended so often, and still fails, is beyond it.
const MENDED_IN_A_ROW: u32 = 3;

/// The thread; ends with this.
pub(super) struct Writer {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(
        shared: Arc<Shared>,
        catalogue: Connection,
        queue: Arc<Queue>,
    ) -> io::Result<Self> {
        let mut hand = Hand { shared, catalogue, queue: Arc::clone(&queue), failures: 0 };
        let thread =
            thread::Builder::new().name("reelfs-store".to_owned()).spawn(move || hand.run())?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)) })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

/// The thread's own.
struct Hand {
    shared: Arc<Shared>,
    catalogue: Connection,
    queue: Arc<Queue>,
    /// Batches that failed in a damaged catalogue since the last one that did not.
    failures: u32,
}

/// What a batch changes, by where it goes.
#[derive(Default)]
struct Batch {
    facts: Vec<Work>,
    blocks: BTreeMap<Extent, Run>,
    used: HashSet<Key>,
}

/// Blocks of one extent.
struct Run {
    layout: Layout,
    blocks: Vec<(u32, Bytes)>,
}

/// What stands in an extent's file now, and not yet in its row.
struct Written {
    extent: Extent,
    layout: Layout,
    /// Places and checksums.
    sums: Vec<(u32, u64)>,
}

impl Hand {
    fn run(&mut self) {
        while let Some(taken) = self.queue.take() {
            let outcome = self.write(Batch::of(taken));
            let outcome = outcome.or_else(|error| self.mend(error));
            if let Err(error) = &outcome {
                tracing::warn!(
                    "the cache in {} takes nothing more until the next mount: {}",
                    self.shared.directory.display(),
                    crate::types::chain(error)
                );
            }
            self.queue.done(outcome.is_err());
        }
    }

    fn write(&mut self, batch: Batch) -> Result<(), StoreError> {
        if self.shared.is_damaged.swap(false, Ordering::Relaxed) {
            self.renew()?;
        }
        let Batch { facts, blocks, used } = batch;
        let needed = blocks.values().map(|run| self.needed(run)).sum();
        let blocks = match needed {
            0 => blocks,
            _ if space::make(&self.shared, &mut self.catalogue, needed)? => blocks,
            _ => BTreeMap::new(),
        };
        self.announce(&blocks)?;
        let mut written = Vec::new();
        for (extent, run) in blocks {
            written.push(self.write_run(extent, run)?);
        }
        self.commit(&facts, &written, &used)
    }

    /// Rows of extents that are new stand in the catalogue before their files do, so that no file
    /// is ever without a row.
    fn announce(&mut self, blocks: &BTreeMap<Extent, Run>) -> Result<(), StoreError> {
        if blocks.is_empty() {
            return Ok(());
        }
        let change = self.catalogue.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let sql = "INSERT OR IGNORE INTO extents VALUES (?, ?, 0, ?, ?)";
            let mut insert = change.prepare_cached(sql)?;
            for extent in blocks.keys() {
                let map = self.shared.vault.seal(&extent.context(), &Map::default().write());
                insert.execute(params![extent.blob.0, extent.number, now_millis(), map])?;
            }
        }
        change.commit()?;
        Ok(())
    }

    /// Writes blocks into an extent's file.
    fn write_run(&self, extent: Extent, run: Run) -> Result<Written, StoreError> {
        let file = create(&self.shared.path(extent))?;
        let mut sums = Vec::new();
        for (block, bytes) in run.blocks {
            let context = extent.block_context(block);
            let sealed = self.shared.vault.seal_block(&context, &bytes);
            let written = sealed.as_deref().unwrap_or(&bytes);
            file.write_all_at(written, self.shared.room(run.layout, block).0)?;
            sums.push((run.layout.place(block).1, checksum(&context, written)));
        }
        Ok(Written { extent, layout: run.layout, sums })
    }

    fn commit(
        &mut self,
        facts: &[Work],
        written: &[Written],
        used: &HashSet<Key>,
    ) -> Result<(), StoreError> {
        let change = self.catalogue.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for fact in facts {
            put(&change, &self.shared, fact)?;
        }
        for Written { extent, layout, sums } in written {
            let Some(mut map) = map_in(&change, &self.shared, *extent)? else {
                // Evicted meanwhile by another process: the file may be a new one of ours.
                remove(&self.shared.path(*extent))?;
                continue;
            };
            for (place, sum) in sums {
                map.set(*place, *sum);
            }
            set_map(&change, &self.shared, *extent, &map, Some(*layout))?;
        }
        for blob in used {
            let sql = "UPDATE extents SET used = ? WHERE blob = ?";
            change.prepare_cached(sql)?.execute(params![now_millis(), blob.0])?;
        }
        change.commit()?;
        self.failures = 0;
        Ok(())
    }

    /// What a run takes on disk at the most.
    fn needed(&self, run: &Run) -> u64 {
        let overhead = self.shared.vault.block_overhead() as u64;
        run.blocks.iter().map(|(_, bytes)| paged(bytes.len() as u64 + overhead)).sum()
    }

    /// Goes on after a failure that is none of the disk's.
    fn mend(&mut self, error: StoreError) -> Result<(), StoreError> {
        match error {
            StoreError::Database(error)
                if database::is_damage(&error) && self.failures < MENDED_IN_A_ROW =>
            {
                self.failures += 1;
                tracing::debug!(%error, "the catalogue seems damaged");
                self.renew()
            }
            StoreError::Database(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) =>
            {
                tracing::warn!("the catalogue is busy: something was not kept");
                Ok(())
            }
            error => Err(error),
        }
    }

    /// Replaces a damaged catalogue.
    fn renew(&mut self) -> Result<(), StoreError> {
        self.catalogue = database::renew(&self.shared.directory)?;
        *lock(&self.shared.catalogue) = database::open(&self.shared.directory)?;
        Ok(())
    }
}

impl Batch {
    fn of(taken: Taken) -> Self {
        let mut batch = Self { used: taken.used, ..Self::default() };
        for work in taken.works {
            match work {
                Work::Block { blob, block, take } => {
                    let layout = blob.layout();
                    let bytes = take().filter(|bytes| bytes.len() == layout.len(block));
                    if let Some(bytes) = bytes {
                        let extent = blob.extent(layout.place(block).0);
                        let new = || Run { layout, blocks: Vec::new() };
                        let run = batch.blocks.entry(extent).or_insert_with(new);
                        run.blocks.push((block, bytes));
                    }
                }
                fact => batch.facts.push(fact),
            }
        }
        batch
    }
}

/// Opens an extent's file for writing, and makes it and its directory where they are not there.
fn create(path: &Path) -> io::Result<File> {
    let open = || carefully().write(true).create(true).truncate(false).mode(0o600).open(path);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(directory) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            }
            open()
        }
        opened => opened,
    }
}

/// Removes a file that may have gone already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
