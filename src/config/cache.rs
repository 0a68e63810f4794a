//! The cache on disk, and the commands that look after it.

use std::path::PathBuf;

use bytesize::ByteSize;
use jiff::Span;

/// Bytes that the cache on disk may take when nothing else is said: 10 GiB.
pub const DEFAULT_CACHE_SIZE: ByteSize = ByteSize::gib(10);

/// The cache on disk.
#[derive(Clone, Debug)]
pub struct CacheOptions {
    /// The directory; none: the user's own cache directory.
    pub directory: Option<PathBuf>,
    /// Most bytes that it may take; 0: there is none.
    pub size: u64,
    /// The key under which everything is sealed; none: in the clear.
    pub key_file: Option<PathBuf>,
    /// Whether to ask the vendor for nothing.
    pub offline: bool,
    /// Whether to show what the vendor no longer has, as long as it is cached.
    pub keep_gone: bool,
}

impl Default for CacheOptions {
    fn default() -> Self {
        let size = DEFAULT_CACHE_SIZE.as_u64();
        Self { directory: None, size, key_file: None, offline: false, keep_gone: true }
    }
}

/// What to do with the cache on disk.
#[derive(Clone, Copy, Debug)]
pub enum CacheTask {
    /// Tell what it holds.
    Info,
    /// Read all of it.
    Verify,
    /// Let go of what was used least recently until no more than so many bytes are left.
    Prune(u64),
    /// Remove all of it.
    Clear,
    /// Make it unreadable for good.
    DestroyKey,
}

/// What to fetch ahead.
#[derive(Clone, Debug)]
pub struct Warm {
    /// Files and directories in mounts.
    pub paths: Vec<PathBuf>,
    /// Whether they shall stay in the cache for good.
    pub keep: bool,
    /// Files at once.
    pub jobs: u16,
}

/// Which files the vendor will soon delete.
#[derive(Clone, Debug)]
pub struct Expiring {
    /// How soon.
    pub within: Span,
    /// A mount or a directory in it; none: all that the cache knows.
    pub path: Option<PathBuf>,
    /// The cache.
    pub cache: CacheOptions,
}
