//! Blocks out of their files: read, held against their checksums, and given only when right.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::extent::{Extent, Layout, Map};
use super::queue::Work;
use super::vault::checksum;
use super::{Account, BLOCKS, Key, Shared};
use crate::source::Version;
use crate::types::{BLOCK_SIZE, ObjectId, lock};

/// The bytes of one version of an object, as they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlobName {
    pub(super) key: Key,
    /// The object's size in bytes.
    pub(super) total: u64,
}

/// Gives a block when it is time to write it; nothing if it has gone from memory meanwhile.
pub type TakeBlock = Box<dyn FnOnce() -> Option<Bytes> + Send>;

impl Account {
    /// The name of a version of an object.
    pub fn blob(&self, id: &ObjectId, version: &Version) -> BlobName {
        self.shared().blob(self.key, id, version)
    }

    /// The blocks of a range that are kept and right. Blocks on the disk.
    pub fn read(&self, blob: BlobName, blocks: Range<u32>) -> Vec<(u32, Bytes)> {
        let (mut found, mut lost) = (Vec::new(), Vec::new());
        for (number, blocks) in blob.layout().extents(blocks) {
            let extent = blob.extent(number);
            self.shared().read(extent, blob.layout(), blocks, &mut found, &mut lost);
        }
        for (extent, place) in lost {
            self.store.queue.add(Work::Lost { extent, place });
        }
        if !found.is_empty() {
            self.store.queue.used(blob.key);
        }
        found
    }

    /// Keeps a block. It is asked for when it is its turn, and not at all if the disk has failed.
    pub fn keep_block(&self, blob: BlobName, block: u32, take: TakeBlock) {
        self.store.queue.add(Work::Block { blob, block, take });
    }

    /// Whether all blocks are kept. Blocks on the disk for a moment.
    pub fn is_whole(&self, blob: BlobName) -> bool {
        self.shared().is_whole(blob)
    }

    /// The blocks that are not kept. Blocks on the disk for a moment.
    pub fn unkept(&self, blob: BlobName) -> Vec<u32> {
        let layout = blob.layout();
        let unkept = layout.extents(0..layout.blocks()).flat_map(|(number, blocks)| {
            let map = self.shared().map(blob.extent(number)).unwrap_or_default();
            blocks.filter(move |block| map.get(layout.place(*block).1).is_none())
        });
        unkept.collect()
    }

    /// Whether any block is kept. Blocks on the disk for a moment.
    pub fn has_any(&self, blob: BlobName) -> bool {
        let catalogue = lock(&self.shared().catalogue);
        let sql = "SELECT 1 FROM extents WHERE blob = ? AND bytes > 0";
        let found = catalogue.prepare_cached(sql).and_then(|mut query| query.exists([blob.key.0]));
        drop(catalogue);
        self.shared().told(found).unwrap_or(false)
    }

    /// Keeps the blocks of a version from being evicted.
    pub fn pin(&self, blob: BlobName) {
        self.store.queue.add(Work::Pin { blob: blob.key });
    }

    /// The object itself as a file, if it is kept as one, in the clear, whole and right. Reads all of
    /// it, where that was not done before. The file stays what it is while it is open, whatever is evicted.
    pub fn file(&self, blob: BlobName) -> Option<File> {
        let shared = self.shared();
        if shared.vault.is_sealed() || !blob.layout().is_one() || !shared.is_whole(blob) {
            return None;
        }
        let extent = blob.extent(0);
        let map = shared.map(extent)?;
        let file = open(&shared.path(extent)).ok()?;
        let stamp = Stamp::of(&file.metadata().ok()?);
        if stamp.len != blob.total {
            return None;
        }
        if lock(&shared.proved).get(&blob.key) == Some(&stamp) {
            self.store.queue.used(blob.key);
            return Some(file);
        }
        let mut block = vec![0; usize::try_from(BLOCK_SIZE).ok()?];
        for index in 0..blob.layout().blocks() {
            let block = &mut block[..blob.layout().len(index)];
            file.read_exact_at(block, u64::from(index) * BLOCK_SIZE).ok()?;
            if map.get(index)? != checksum(&extent.block_context(index), block) {
                tracing::warn!("a damaged block in the cache is fetched again");
                self.store.queue.add(Work::Lost { extent, place: Some(index) });
                return None;
            }
        }
        lock(&shared.proved).put(blob.key, stamp);
        self.store.queue.used(blob.key);
        Some(file)
    }
}

/// Opens a file of blocks. What is none, such as a pipe, counts as not there: it is neither waited for
/// nor, where it is a link to elsewhere, followed.
pub(super) fn open(path: &Path) -> io::Result<File> {
    match carefully().read(true).open(path) {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Err(error) if error.raw_os_error() != Some(Errno::ELOOP as i32) => Err(error),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// How files of the cache are opened, so that nothing in their place is waited for or followed.
pub(super) fn carefully() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits());
    options
}

/// What changes when a file is written: it is proved right once, and again only then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    len: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            len: metadata.len(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl BlobName {
    pub(super) fn layout(self) -> Layout {
        Layout::of(self.total)
    }

    pub(super) fn extent(self, number: u32) -> Extent {
        Extent { blob: self.key, number }
    }
}

impl Shared {
    pub(super) fn blob(&self, account: Key, id: &ObjectId, version: &Version) -> BlobName {
        let validator = &version.validator;
        let part = |text: &Option<String>| match text {
            Some(text) => format!("={text}"),
            None => String::new(),
        };
        let (etag, modified) = (part(&validator.etag), part(&validator.last_modified));
        let total = version.total;
        let parts = [
            account.0.as_slice(),
            id.as_str().as_bytes(),
            &total.to_le_bytes(),
            etag.as_bytes(),
            modified.as_bytes(),
        ];
        BlobName { key: self.vault.key("blob", &parts), total }
    }

    /// The file of an extent.
    pub(super) fn path(&self, extent: Extent) -> PathBuf {
        self.directory.join(BLOCKS).join(extent.file())
    }

    /// The map of an extent, if there is one and it proves right.
    pub(super) fn map(&self, extent: Extent) -> Option<Map> {
        let sql = "SELECT map FROM extents WHERE blob = ? AND extent = ?";
        let value = self.value(sql, &[&extent.blob.0, &extent.number], &extent.context())?;
        Some(Map::read(&value))
    }

    /// Where a block begins in its extent's file, and how much it takes there.
    pub(super) fn room(&self, layout: Layout, block: u32) -> (u64, usize) {
        let overhead = self.vault.block_overhead();
        let stride = BLOCK_SIZE + overhead as u64;
        (u64::from(layout.place(block).1) * stride, layout.len(block) + overhead)
    }

    pub(super) fn is_whole(&self, blob: BlobName) -> bool {
        let layout = blob.layout();
        layout.extents(0..layout.blocks()).all(|(number, _)| {
            let map = self.map(blob.extent(number));
            map.is_some_and(|map| map.is_whole(layout.blocks_in(number)))
        })
    }

    /// Reads blocks of an extent. `lost` gets those that are not what was written, or the whole extent
    /// if its file is gone.
    fn read(
        &self,
        extent: Extent,
        layout: Layout,
        blocks: Range<u32>,
        found: &mut Vec<(u32, Bytes)>,
        lost: &mut Vec<(Extent, Option<u32>)>,
    ) {
        let Some(map) = self.map(extent) else { return };
        let sums = blocks.filter_map(|block| Some((block, map.get(layout.place(block).1)?)));
        let mut sums = sums.peekable();
        if sums.peek().is_none() {
            return;
        }
        let file = match open(&self.path(extent)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return lost.push((extent, None));
            }
            Err(error) => return tracing::warn!("a file of the cache cannot be opened: {error}"),
        };
        for (block, sum) in sums {
            match self.read_block(&file, extent, layout, block, sum) {
                Ok(Some(bytes)) => found.push((block, bytes)),
                Ok(None) => {
                    tracing::warn!("a damaged block in the cache is fetched again");
                    lost.push((extent, Some(layout.place(block).1)));
                }
                Err(error) => tracing::warn!("a block of the cache cannot be read: {error}"),
            }
        }
    }

    /// A block, if what the file holds is what was written.
    pub(super) fn read_block(
        &self,
        file: &File,
        extent: Extent,
        layout: Layout,
        block: u32,
        sum: u64,
    ) -> io::Result<Option<Bytes>> {
        let (offset, len) = self.room(layout, block);
        let mut written = vec![0; len];
        match file.read_exact_at(&mut written, offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let context = extent.block_context(block);
        if checksum(&context, &written) != sum {
            return Ok(None);
        }
        Ok(self.vault.open_block(&context, written).map(Bytes::from))
    }
}
