//! Who mints: the key in use, its file, and the correction of our clock.
//!
//! Everything here may block (a disk, a private key), so it runs on blocking threads. A key that
//! works is never given up for a file that does not.

use std::error::Error;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use tracing::{info, warn};

use super::{KeyError, SigningKey};

/// Smaller differences between the server's clock and ours are left alone: a `Date` has whole
/// seconds and has travelled, and tokens are backdated by 5 s anyway.
const TOLERATED_SKEW: SignedDuration = SignedDuration::from_secs(4);

/// A minted token. Clones are cheap; its text cannot be printed.
#[derive(Clone, Debug)]
pub struct Token {
    text: Arc<SecretString>,
    serial: u64,
    minted_at: Timestamp,
    renew_at: Timestamp,
    expires_at: Timestamp,
}

impl Token {
    /// What stands after `Bearer`.
    pub fn secret(&self) -> &SecretString {
        &self.text
    }

    /// Tells one token of a [`Tokens`](super::Tokens) from the next.
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    /// When it was minted, by our uncorrected clock.
    pub(super) fn minted_at(&self) -> Timestamp {
        self.minted_at
    }

    /// When the background task renews it, by our uncorrected clock: at 3/4 of its life.
    pub(super) fn renew_at(&self) -> Timestamp {
        self.renew_at
    }

    /// When it runs out, by our uncorrected clock.
    pub(super) fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

type Load = dyn Fn() -> Result<SigningKey, Box<dyn Error + Send + Sync>> + Send + Sync;

/// A key's file and how to read it. Made *before* the file is first read, so that no change between
/// the two goes unseen.
pub struct KeySource {
    path: PathBuf,
    load: Box<Load>,
    seen: Option<Stamp>,
}

/// What changes when a file is written or replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        // A pipe changes while it is read, and cannot be read again.
        let meta = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
        })
    }
}

impl KeySource {
    /// A source whose `load` reads `path`. The error of `load` goes to the log: it must quote
    /// nothing of the file.
    pub fn new<F>(path: PathBuf, load: F) -> Self
    where
        F: Fn() -> Result<SigningKey, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    {
        let seen = Stamp::of(&path);
        Self { path, load: Box::new(load), seen }
    }
}

/// Mints tokens, one at a time.
pub(super) struct Minter {
    key: SigningKey,
    source: KeySource,
    life: Duration,
    /// How far the servers' clock is ahead of ours.
    skew: SignedDuration,
    warned_of_skew: bool,
    serial: u64,
}

impl Minter {
    pub(super) fn new(key: SigningKey, source: KeySource, life: Duration) -> Self {
        Self { key, source, life, skew: SignedDuration::ZERO, warned_of_skew: false, serial: 0 }
    }

    /// A new token. `now` is our uncorrected clock.
    pub(super) fn mint(&mut self, now: Timestamp) -> Result<Token, KeyError> {
        let corrected = now + self.skew;
        let (text, expires) = self.key.sign(corrected, self.life)?;
        let good_for = expires.duration_since(corrected);
        self.serial += 1;
        Ok(Token {
            text: Arc::new(text),
            serial: self.serial,
            minted_at: now,
            renew_at: now + good_for * 3 / 4,
            expires_at: now + good_for,
        })
    }

    /// Takes over the servers' clock, `ahead` of ours, unless that is nothing to speak of.
    pub(super) fn correct_clock(&mut self, ahead: SignedDuration) {
        if (ahead - self.skew).abs() <= TOLERATED_SKEW {
            return;
        }
        self.skew = if ahead.abs() <= TOLERATED_SKEW { SignedDuration::ZERO } else { ahead };
        if !self.warned_of_skew {
            self.warned_of_skew = true;
            warn!(
                server_ahead_seconds = ahead.as_secs(),
                "the server's clock differs from this machine's; tokens follow the server's"
            );
        }
    }

    /// Reads the key's file if it changed since it was last read. True when a new key is in use.
    pub(super) fn reload_when_changed(&mut self) -> bool {
        Stamp::of(&self.source.path) != self.source.seen && self.reload()
    }

    /// Reads the key's file. True when its key is now in use; otherwise the old one stays.
    pub(super) fn reload(&mut self) -> bool {
        let stamp = Stamp::of(&self.source.path);
        let changed = stamp != self.source.seen;
        self.source.seen = stamp;
        match (self.source.load)() {
            Ok(key) => {
                self.key = key;
                if changed {
                    info!("the credentials file changed; its key is in use now");
                }
                true
            }
            Err(error) => {
                // Once for each state of the file, not once for each refused request.
                if changed {
                    warn!(%error, "the credentials file changed but cannot be used; the old key stays");
                }
                false
            }
        }
    }
}
