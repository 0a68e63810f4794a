//! What an open file reads from.

use std::sync::Arc;

use bytes::Bytes;

use crate::cache::Growing;
use crate::reader::Reader;
use crate::types::Failure;

/// A file's bytes as of its opening.
pub(super) enum OpenFile {
    /// A version of an object, behind the cache.
    Object(Reader),
    /// An object that is still being written: as many bytes as there are by now.
    Growing(Arc<Growing>),
    /// All of its bytes: an index, a transcript that a listing carried.
    Whole(Bytes),
}

impl OpenFile {
    /// Size in bytes.
    pub(super) fn size(&self) -> u64 {
        match self {
            OpenFile::Object(reader) => reader.size(),
            OpenFile::Growing(growing) => growing.known_size(),
            OpenFile::Whole(bytes) => bytes.len() as u64,
        }
    }

    /// Up to `len` bytes at `offset`; fewer only at the end.
    pub(super) async fn read(&self, offset: u64, len: u64) -> Result<Bytes, Failure> {
        match self {
            OpenFile::Object(reader) => reader.read(offset, len).await,
            OpenFile::Growing(growing) => growing.read(offset, len).await,
            OpenFile::Whole(bytes) => {
                let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(at(offset)..at(offset.saturating_add(len))))
            }
        }
    }
}
