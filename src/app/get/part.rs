//! A download that is not whole: its bytes in `.NAME.part`, and of which version they are in
//! `.NAME.part.json`. Bytes of two versions are never in one file.

use std::fs::{File as StdFile, OpenOptions as StdOpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use tokio::fs::{self, File, OpenOptions};
use xxhash_rust::xxh3::xxh3_64;

use super::remove;
use crate::source::Version;
use crate::types::{Link, Validator};

/// A part, open for writing at its end.
pub(super) struct Part {
    path: PathBuf,
    note_path: PathBuf,
    note: Note,
    file: File,
    /// Two downloads into one part would mix their bytes.
    _lock: Flock<StdFile>,
    len: u64,
    resumed: bool,
}

/// What is known of the version that a part is of.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Note {
    /// A hash of the link, which is a secret itself.
    link: u64,
    total: Option<u64>,
    etag: Option<String>,
    last_modified: Option<String>,
}

impl Note {
    fn of(link: &Link) -> Self {
        Self { link: xxh3_64(link.url().as_str().as_bytes()), ..Self::default() }
    }

    /// Whether a server can be held to it: its size alone would not tell two versions apart, and a
    /// weak `ETag` does not promise the same bytes.
    fn proves(&self) -> bool {
        let strong = self.etag.as_ref().is_some_and(|etag| !etag.starts_with("W/"));
        self.total.is_some() && (strong || self.last_modified.is_some())
    }
}

impl Part {
    /// The part of a download to `to`, with what is there of the same link and a version that can
    /// be proved.
    pub(super) async fn open(to: &Path, link: &Link) -> io::Result<Self> {
        let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let path = to.with_file_name(format!(".{name}.part"));
        let note_path = to.with_file_name(format!(".{name}.part.json"));
        let fresh = Note::of(link);
        let lock = locked(&path)?;
        let kept = fs::read(&note_path).await.ok();
        let kept = kept.and_then(|json| serde_json::from_slice::<Note>(&json).ok());
        let kept = kept.filter(|note| note.link == fresh.link && note.proves());
        let file = File::from_std(lock.try_clone()?);
        let len = file.metadata().await?.len();
        let usable = kept.filter(|note| note.total.is_some_and(|total| len <= total));
        let resumed = usable.is_some() && len > 0;
        let note = usable.unwrap_or(fresh);
        let mut part = Self { path, note_path, note, file, _lock: lock, len, resumed };
        if !resumed {
            part.restart().await?;
        }
        Ok(part)
    }

    /// How many bytes there are.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Whether some of them are of an earlier download.
    pub(super) fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Whether nothing is missing.
    pub(super) fn is_whole(&self) -> bool {
        self.note.total == Some(self.len)
    }

    /// The version of the bytes that are there.
    pub(super) fn version(&self) -> Option<Version> {
        let total = self.note.total.filter(|_| self.len > 0)?;
        let Note { etag, last_modified, .. } = self.note.clone();
        Some(Version { total, validator: Validator { etag, last_modified } })
    }

    /// The file, for writing at its end.
    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// So many bytes were written.
    pub(super) fn grow(&mut self, bytes: u64) {
        self.len += bytes;
    }

    /// Drops all bytes.
    pub(super) async fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0).await?;
        remove(&self.note_path).await;
        self.note = Note { link: self.note.link, ..Note::default() };
        (self.len, self.resumed) = (0, false);
        Ok(())
    }

    /// Keeps of which version the bytes are, before any of them is written.
    pub(super) async fn learn(
        &mut self,
        total: Option<u64>,
        validator: &Validator,
    ) -> io::Result<()> {
        let Validator { etag, last_modified } = validator.clone();
        self.note.total = total.or(self.note.total);
        self.note.etag = etag.or(self.note.etag.take());
        self.note.last_modified = last_modified.or(self.note.last_modified.take());
        if self.note.proves() {
            let mut options = OpenOptions::new();
            let options = options.create(true).truncate(true).write(true).mode(0o600);
            let mut file = options.open(&self.note_path).await?;
            let json = serde_json::to_vec(&self.note)?;
            tokio::io::AsyncWriteExt::write_all(&mut file, &json).await?;
            tokio::io::AsyncWriteExt::flush(&mut file).await?;
        }
        Ok(())
    }

    /// Gives the whole file its name.
    pub(super) async fn finish(self, to: &Path) -> io::Result<()> {
        self.file.sync_all().await?;
        fs::rename(&self.path, to).await?;
        remove(&self.note_path).await;
        Ok(())
    }

    /// Leaves nothing behind of a download that never began, or that could not be resumed.
    pub(super) async fn discard_if_empty(&self) {
        if self.len == 0 || !self.note.proves() {
            remove(&self.path).await;
            remove(&self.note_path).await;
        }
    }
}

/// The part at `path`, which nobody else writes to until it is dropped. Blocks on the disk.
fn locked(path: &Path) -> io::Result<Flock<StdFile>> {
    loop {
        let file = StdOpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let lock =
            Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(
                |(_, errno)| match errno {
                    nix::errno::Errno::EWOULDBLOCK => {
                        io::Error::other("another download is writing it")
                    }
                    other => other.into(),
                },
            )?;
        // Whoever held the lock before may have given the file its final name since it was opened.
        let (ours, there) = (lock.metadata()?, std::fs::metadata(path));
        if there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
            return Ok(lock);
        }
    }
}
