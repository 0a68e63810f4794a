//! What is kept on disk: facts of calls in a catalogue, bytes of objects in files beside it.
//!
//! One directory serves any number of mounts at the same time. Nothing in it is believed without
//! proof: each value and each block carries a checksum or a seal that binds it to its place, and what
//! does not prove right counts as not there. All writing is done by one thread, so that no reader
//! waits for the disk; when the disk fails, that thread stops and reading goes on.
//!
//! It knows neither who reads nor who serves.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use lru::LruCache;
use nix::fcntl::{Flock, FlockArg};
use rusqlite::Connection;
use secrecy::ExposeSecret as _;
use thiserror::Error;

use crate::input::{self, InputError};
use crate::source::Identity;
use crate::types::shell_word;

pub use account::{Account, KeptDay, Known, State};
use blocks::Stamp;
pub use blocks::{BlobName, TakeBlock};
pub use place::{check, is_cache};
use place::{make_private, settle};
use queue::Queue;
pub use record::Outline;
pub use space::LEFT_FREE;
pub use survey::{Destroyed, Survey, Usage, Verdict, clear, destroy_key};
use vault::Vault;
pub use vault::{Key, SecretKey};
pub use words::{Missing, Search, SearchedDay, call_number, saying};
use writer::Writer;

mod account;
mod blocks;
mod database;
#[doc(hidden)]
pub mod decode;
mod extent;
mod place;
mod queue;
mod record;
mod rows;
mod space;
mod survey;
mod vault;
mod words;
mod writer;

/// The file that says that there is a key; it holds the key of all values, sealed under the user's.
const KEY_FILE: &str = "key";
/// The directory of the blocks.
const BLOCKS: &str = "blocks";
/// Files that are remembered as proved right.
const PROVED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
/// The shortest secret of a key file in bytes.
const SHORTEST_SECRET: usize = 32;

/// How a directory is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory; it is made where there is none.
    pub directory: PathBuf,
    /// The most bytes that it may take.
    pub limit: u64,
    /// The file with the key under which everything is sealed; none: in the clear.
    pub key_file: Option<PathBuf>,
}

/// Why a directory cannot be used.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum StoreError {
    #[error("the disk failed")]
    Disk(#[from] io::Error),
    #[error("the catalogue failed")]
    Database(#[from] rusqlite::Error),
    #[error("the catalogue was made by a newer version of reelfs")]
    Newer,
    #[error("it holds other things, and no cache")]
    NotACache,
    #[error("{0:?}")]
    KeyUnreadable(PathBuf, #[source] InputError),
    #[error("{0:?} can be read by others")]
    KeyOpen(PathBuf),
    #[error("{0:?} is too short for a key: it takes {SHORTEST_SECRET} characters or more")]
    KeyShort(PathBuf),
    #[error("{0:?} is not the key of this cache; nothing was touched")]
    KeyWrong(PathBuf),
    #[error("the key of the cache was destroyed: nobody can read what it holds")]
    KeyDestroyed,
    #[error("the cache is sealed, and no key was given")]
    KeyMissing,
    #[error("the cache is not sealed, and a key was given")]
    NotSealed,
}

impl StoreError {
    /// What to do about it, where that is known, with a directory that was opened in vain.
    pub fn hint(&self, directory: &Path) -> Option<String> {
        let make = "head -c 32 /dev/urandom | base64 >";
        let clear = format!("`reelfs cache clear --cache-dir {}`", shell_word(directory));
        Some(match self {
            Self::NotACache => {
                let own = directory.join("reelfs");
                format!("give a directory of its own: --cache-dir {}", shell_word(&own))
            }
            Self::Newer => "use that version, or another --cache-dir".to_owned(),
            Self::KeyUnreadable(path, InputError::Unreadable(error))
                if error.kind() == io::ErrorKind::NotFound =>
            {
                format!("(umask 077; {make} '{}') makes a key", path.display())
            }
            Self::KeyOpen(path) => format!("chmod 600 '{}'", path.display()),
            Self::KeyShort(_) => format!("make a key with: {make} FILE"),
            Self::KeyMissing => "give --cache-key-file FILE, or another --cache-dir".to_owned(),
            Self::KeyDestroyed => format!("{clear} empties it, and any key is good then"),
            Self::NotSealed => {
                format!(
                    "empty it with {clear}, or give another --cache-dir for what shall be sealed"
                )
            }
            _ => return None,
        })
    }

    /// Whether it is about the key: then nothing may go on without the cache, as bytes would lie
    /// elsewhere than the user wants them.
    pub fn is_about_the_key(&self) -> bool {
        !matches!(self, Self::Disk(_) | Self::Database(_) | Self::NotACache | Self::Newer)
    }
}

/// A directory that is open. Clones share it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    _writer: Arc<Writer>,
}

/// What readers and the writer share.
struct Shared {
    directory: PathBuf,
    /// Tells [`clear`] that somebody uses it; none where the file system knows no locks.
    _in_use: Option<Flock<File>>,
    limit: u64,
    vault: Vault,
    /// For looking up; the writer has a connection of its own.
    catalogue: Mutex<Connection>,
    /// Whether the catalogue was seen to be damaged: the writer replaces it.
    is_damaged: AtomicBool,
    /// Files that were proved right, as they were then.
    proved: Mutex<LruCache<Key, Stamp>>,
}

impl Store {
    /// Opens a directory. Blocks on the disk.
    pub fn open(settings: &Settings) -> Result<Self, StoreError> {
        let Settings { directory, limit, key_file } = settings;
        let secret = key_file.as_deref().map(read_secret).transpose()?;
        settle(directory)?;
        let in_use = File::open(directory)?;
        let in_use = Flock::lock(in_use, FlockArg::LockSharedNonblock).ok();
        let vault = unlock(directory, key_file.as_deref(), secret.as_ref())?;
        make_private(&directory.join(BLOCKS))?;
        let catalogue = Mutex::new(database::open(directory)?);
        let own = database::open(directory)?;
        let shared = Arc::new(Shared {
            directory: directory.clone(),
            _in_use: in_use,
            limit: *limit,
            vault,
            catalogue,
            is_damaged: AtomicBool::new(false),
            proved: Mutex::new(LruCache::new(PROVED)),
        });
        let queue = Arc::new(Queue::default());
        let writer = Writer::start(Arc::clone(&shared), own, Arc::clone(&queue))?;
        Ok(Self { shared, queue, _writer: Arc::new(writer) })
    }

    /// What is kept of one account of an API, whose address is `place`.
    pub fn account(&self, identity: &Identity, place: &str) -> Account {
        let name = format!("{} {place}", identity.name.expose_secret());
        let secret = identity.secret.expose_secret().as_bytes();
        Account::new(self.clone(), &name, SecretKey::derive("reelfs links", secret))
    }

    /// Waits until what was given so far is written, or for so long. False when time ran out.
    pub fn flush(&self, limit: Duration) -> bool {
        self.queue.flush(limit)
    }

    /// Whether the disk has failed, or is full, so that nothing more is kept until the next mount.
    pub fn is_off(&self) -> bool {
        self.queue.is_off()
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }
}

impl Shared {
    /// A row's value, if the row is there and proves right.
    fn value(&self, sql: &str, keys: &[&dyn rusqlite::ToSql], context: &[u8]) -> Option<Vec<u8>> {
        let catalogue = crate::types::lock(&self.catalogue);
        let kept: rusqlite::Result<Vec<u8>> = catalogue
            .prepare_cached(sql)
            .and_then(|mut query| query.query_row(keys, |row| row.get(0)));
        drop(catalogue);
        let value = self.vault.open(context, &self.told(kept)?);
        if value.is_none() {
            tracing::debug!("a value of the catalogue is damaged and counts as not there");
        }
        value
    }

    /// What a query found; a failure is told and finds nothing.
    fn told<T>(&self, outcome: rusqlite::Result<T>) -> Option<T> {
        match outcome {
            Ok(found) => Some(found),
            Err(rusqlite::Error::QueryReturnedNoRows) => None,
            Err(error) => {
                if database::is_damage(&error) {
                    self.is_damaged.store(true, Ordering::Relaxed);
                }
                tracing::warn!("the catalogue cannot be read: {error}");
                None
            }
        }
    }
}

/// The key of a directory: opened with the user's secret, or made and sealed with it.
fn unlock(
    directory: &Path,
    key_file: Option<&Path>,
    secret: Option<&SecretKey>,
) -> Result<Vault, StoreError> {
    let place = directory.join(KEY_FILE);
    let mut sealed = fs::symlink_metadata(&place).is_ok().then(Vec::new);
    if let Some(sealed) = &mut sealed {
        match blocks::open(&place) {
            Ok(file) => drop(file.take(input::MOST_OF_A_KEY).read_to_end(sealed)?),
            // What is no file is not opened by any key either.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    match (sealed, secret) {
        (None, None) => Ok(Vault::plain()),
        (Some(key), _) if is_destroyed(&key) => Err(StoreError::KeyDestroyed),
        (Some(_), None) => Err(StoreError::KeyMissing),
        (Some(sealed), Some(secret)) => {
            let key = secret.open(KEY_FILE.as_bytes(), &sealed);
            let key = key.and_then(|key| SecretKey::from_bytes(&key));
            let wrong = || StoreError::KeyWrong(key_file.unwrap_or(&place).to_owned());
            Ok(Vault::sealed(&key.ok_or_else(wrong)?))
        }
        (None, Some(_)) if directory.join(database::FILE).exists() => Err(StoreError::NotSealed),
        (None, Some(secret)) => {
            let key = SecretKey::random();
            write_private(&place, &secret.seal(KEY_FILE.as_bytes(), key.bytes()))?;
            // Another mount may have made one at the same moment: the file decides.
            unlock(directory, key_file, Some(secret))
        }
    }
}

/// Whether a key was destroyed: its zeros stay, so that nobody takes what it sealed for a cache in the clear, or
/// for an empty one.
fn is_destroyed(sealed: &[u8]) -> bool {
    !sealed.is_empty() && sealed.iter().all(|byte| *byte == 0)
}

/// The secret of a user's key file: all of its text.
fn read_secret(path: &Path) -> Result<SecretKey, StoreError> {
    if fs::metadata(path).is_ok_and(|metadata| input::is_exposed(&metadata)) {
        return Err(StoreError::KeyOpen(path.to_owned()));
    }
    let unreadable = |error| StoreError::KeyUnreadable(path.to_owned(), error);
    let bytes = input::read(path, input::MOST_OF_A_KEY).map_err(unreadable)?;
    let secret = bytes.trim_ascii();
    if secret.len() < SHORTEST_SECRET {
        return Err(StoreError::KeyShort(path.to_owned()));
    }
    Ok(SecretKey::derive("reelfs cache key file", secret))
}

/// Writes a small file for its owner alone, whole or not at all; one that is there stays.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let made = fs::hard_link(&new, path);
    fs::remove_file(&new)?;
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// The current time in seconds since the Unix epoch.
fn now() -> i64 {
    Timestamp::now().as_second()
}

#[cfg(test)]
mod tests;
