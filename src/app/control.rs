//! The socket of a mount at which other commands ask: one question, one answer, each a line of JSON; of files
//! a line each. It is its owner's alone.

use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::AbortHandle;
use xxhash_rust::xxh3::xxh3_64;

use super::connect::Retention;
use super::expiring;
use super::find::{self, Gaps};
use super::shown::Shown;
use crate::fs::Fs;
use crate::http::{Client, Left};
use crate::store::Store;
use crate::types::Term;

/// How long a question may take to come.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest question in bytes: a path.
const LONGEST_QUESTION: u64 = 16 * 1024;

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask")]
pub(super) enum Question {
    /// What the mount is doing.
    Status,
    /// To ask the vendor again for what stands at a path below the mountpoint.
    Refresh {
        /// With slashes; empty for everything.
        path: String,
    },
    /// To look for files. The answer has a line for each, and one at the end.
    Find {
        /// What to look for: names and values.
        terms: Vec<Term>,
        /// Whether days that were never listed are listed for it.
        asks: bool,
    },
    /// Which files below a path the vendor will have deleted by then. The answer has a line for each, and one
    /// at the end.
    Expiring {
        /// Below the mountpoint, with slashes; empty for everything.
        path: String,
        by: Timestamp,
    },
    /// To write what is in memory of the file at a path below the mountpoint into the cache on disk.
    Write {
        /// With slashes.
        path: String,
    },
    /// To keep the file at a path below the mountpoint in the cache for good.
    Keep {
        /// With slashes.
        path: String,
    },
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub(super) enum Answer {
    Status(Box<Status>),
    Refreshed {
        /// Days that were listed.
        days: usize,
    },
    Kept,
    /// The cache takes nothing more until the next mount.
    CacheIsOff,
    /// A file that was found.
    Hit {
        /// Below the mountpoint.
        path: String,
        /// Its kind, and all facts of its call.
        facts: Map<String, Value>,
    },
    /// A file that the vendor will delete.
    Expires {
        /// Below the mountpoint.
        path: String,
        at: Timestamp,
    },
    /// All was searched but for this.
    Searched(Gaps),
    Failed {
        why: String,
    },
}

/// What a mount is doing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Status {
    pub(super) mountpoint: PathBuf,
    /// The profile that it is of.
    #[serde(default)]
    pub(super) profile: Option<String>,
    /// The vendor and its host.
    pub(super) source: String,
    pub(super) version: String,
    pub(super) pid: u32,
    pub(super) started: Timestamp,
    /// None from a mount of an older version.
    #[serde(default)]
    pub(super) shows: Option<Shown>,
    pub(super) token: Option<Token>,
    pub(super) requests: Requests,
    pub(super) cache: CacheUse,
    #[serde(default)]
    pub(super) news: News,
    pub(super) bytes: Bytes,
    pub(super) failed_operations: u64,
    /// The last ones, the latest last.
    pub(super) errors: Vec<Told>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) minted: Timestamp,
    pub(super) expires: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Requests {
    pub(super) today: u64,
    /// What a day may have, where that is bounded, and what is left of the current one.
    pub(super) daily: Option<u64>,
    pub(super) left: Option<u64>,
    pub(super) api: u64,
    pub(super) media: u64,
    pub(super) refused: u64,
    pub(super) in_flight: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CacheUse {
    pub(super) hits: u64,
    pub(super) misses: u64,
    pub(super) memory_bytes: u64,
    /// None where nothing is kept on disk.
    pub(super) disk: Option<Disk>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Disk {
    pub(super) bytes: u64,
    pub(super) limit_bytes: u64,
    pub(super) files: u64,
    /// Whether the disk has failed, or is full, so that nothing more is kept.
    #[serde(default)]
    pub(super) is_off: bool,
}

/// What was asked for unasked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct News {
    /// Queries that were made because time had come.
    pub(super) queries: u64,
    /// Days that changed, whoever asked for them.
    pub(super) changes: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Bytes {
    pub(super) fetched: u64,
    pub(super) served: u64,
}

/// An error, as it was told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) at: Timestamp,
    pub(super) text: String,
    pub(super) times: u64,
}

/// What is asked about.
pub(super) struct Subject {
    pub(super) mountpoint: PathBuf,
    /// The profile that it is of.
    pub(super) profile: Option<String>,
    pub(super) source: String,
    pub(super) started: Timestamp,
    pub(super) shows: Shown,
    pub(super) fs: Arc<Fs>,
    pub(super) client: Client,
    /// What keeps bytes on disk.
    pub(super) store: Option<Store>,
    /// For how long the vendor keeps files.
    pub(super) retention: Retention,
}

impl Subject {
    /// What is left of the day's budget of requests, if there is one.
    pub(super) async fn left(self: &Arc<Self>) -> Option<Left> {
        let subject = Arc::clone(self);
        tokio::task::spawn_blocking(move || subject.client.left()).await.ok()?
    }

    /// What the mount is doing now.
    pub(super) async fn status(self: &Arc<Self>) -> Status {
        let subject = Arc::clone(self);
        // It looks at the disk, which may be slow.
        let disk = move || subject.store.as_ref().map(Store::usage);
        let disk = tokio::task::spawn_blocking(disk).await.ok().flatten();
        let disk = disk.and_then(|usage| {
            usage.inspect_err(|error| tracing::debug!("the cache cannot be counted: {error}")).ok()
        });
        let left = self.left().await;
        let counts = self.client.metrics().counts();
        let told = counts.complaints.into_iter();
        let token = self.client.token();
        Status {
            mountpoint: self.mountpoint.clone(),
            profile: self.profile.clone(),
            source: self.source.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: self.started,
            shows: Some(self.shows),
            token: token.map(|(minted, expires)| Token { minted, expires }),
            requests: Requests {
                // Of all mounts with the same key, where they are counted.
                today: left
                    .map_or(counts.requests_today, |left| left.daily.saturating_sub(left.left)),
                daily: left.map(|left| left.daily),
                left: left.map(|left| left.left),
                api: counts.api_requests,
                media: counts.media_requests,
                refused: counts.refused_requests,
                in_flight: counts.in_flight,
            },
            cache: CacheUse {
                hits: counts.hits,
                misses: counts.misses,
                memory_bytes: self.fs.memory(),
                disk: disk.map(|usage| Disk {
                    bytes: usage.bytes,
                    limit_bytes: usage.limit,
                    files: usage.files,
                    is_off: self.store.as_ref().is_some_and(Store::is_off),
                }),
            },
            news: News { queries: counts.polls, changes: counts.changes },
            bytes: Bytes { fetched: counts.fetched_bytes, served: counts.served_bytes },
            failed_operations: counts.failed_operations,
            errors: told.map(|c| Told { at: c.at, text: c.text, times: c.times }).collect(),
        }
    }

    async fn answer(self: &Arc<Self>, question: Question) -> Answer {
        match question {
            Question::Status => Answer::Status(Box::new(self.status().await)),
            Question::Refresh { path } => match self.fs.refresh(&path).await {
                Ok(days) => Answer::Refreshed { days },
                Err(failure) => Answer::Failed { why: crate::types::chain(&failure) },
            },
            Question::Find { .. } | Question::Expiring { .. } => {
                Answer::Failed { why: "it has more lines than one".to_owned() }
            }
            Question::Write { path } => self.keep(&path, false).await,
            Question::Keep { path } => self.keep(&path, true).await,
        }
    }

    async fn keep(&self, path: &str, for_good: bool) -> Answer {
        if self.store.as_ref().is_some_and(Store::is_off) {
            return Answer::CacheIsOff;
        }
        match self.fs.keep(path, for_good).await {
            Ok(()) => Answer::Kept,
            Err(failure) => Answer::Failed { why: crate::types::chain(&failure) },
        }
    }
}

/// The socket; it is gone when this is dropped.
pub(super) struct Control {
    path: PathBuf,
    /// Device and number of the socket: another mount at the same place may have put its own there.
    own: Option<(u64, u64)>,
    task: AbortHandle,
}

impl Control {
    /// Opens the socket of a mount. Must be called within a tokio runtime.
    pub(super) fn open(subject: Arc<Subject>) -> io::Result<Self> {
        let directory = own_directory()?;
        let path = directory.join(name_at(&subject.mountpoint));
        let _lock = lock(&directory)?;
        // Whatever is there belongs to a mount that is gone: this one has its mountpoint.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let own = identity(&path);
        let task = tokio::spawn(serve(listener, subject)).abort_handle();
        Ok(Self { path, own, task })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        let _lock = self.path.parent().map(lock);
        if self.own.is_some() && identity(&self.path) == self.own {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The name of the socket of a mount at a place.
fn name_at(mountpoint: &Path) -> String {
    format!("{:016x}.sock", xxh3_64(mountpoint.as_os_str().as_encoded_bytes()))
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

async fn serve(listener: UnixListener, subject: Arc<Subject>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(converse(stream, Arc::clone(&subject)))),
            // Out of file descriptors, perhaps: not a reason to spin.
            Err(_) => tokio::time::sleep(PATIENCE).await,
        }
    }
}

async fn converse(stream: UnixStream, subject: Arc<Subject>) {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(LONGEST_QUESTION));
    let asked = tokio::time::timeout(PATIENCE, read.read_line(&mut line)).await;
    let answer = match (asked, serde_json::from_str(&line)) {
        (Ok(Ok(_)), Ok(Question::Find { terms, asks })) => {
            // Who asked may have gone away.
            let _ = find::answer(&subject.fs, &terms, asks, &mut write).await;
            return;
        }
        (Ok(Ok(_)), Ok(Question::Expiring { path, by })) => {
            let _ = expiring::answer(&subject, Path::new(&path), by, &mut write).await;
            return;
        }
        (Ok(Ok(_)), Ok(question)) => subject.answer(question).await,
        _ => Answer::Failed { why: "this is no question that it knows".to_owned() },
    };
    if let Ok(mut text) = serde_json::to_string(&answer) {
        text.push('\n');
        let _ = write.write_all(text.as_bytes()).await;
    }
}

/// Where this user's sockets are; made, for its owner alone, if it is not there.
fn own_directory() -> io::Result<PathBuf> {
    let directory = runtime_directory();
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(&directory)?;
    if is_own(&directory) {
        return Ok(directory);
    }
    Err(io::Error::other(format!("{} is another user's", directory.display())))
}

/// Whether nobody but this user, and root, says what is in a directory.
fn is_own(directory: &Path) -> bool {
    std::fs::symlink_metadata(directory).is_ok_and(|metadata| {
        let user = nix::unistd::geteuid().as_raw();
        metadata.is_dir() && metadata.uid() == user && metadata.mode() & 0o022 == 0
    })
}

/// `$XDG_RUNTIME_DIR/reelfs`, or where it is for those without.
fn runtime_directory() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let runtime = runtime.filter(|path| path.is_absolute()).map(|path| path.join("reelfs"));
    runtime.unwrap_or_else(usual_directory)
}

/// `/run/reelfs` for root, and `/tmp/reelfs-UID` for others.
fn usual_directory() -> PathBuf {
    let user = nix::unistd::geteuid();
    if user.is_root() { "/run/reelfs".into() } else { format!("/tmp/reelfs-{user}").into() }
}

/// The sockets that this user may ask: his own, and for root everybody's.
pub(super) fn sockets() -> Vec<PathBuf> {
    let user = nix::unistd::geteuid();
    // What mounts was perhaps begun elsewhere than in this session: by cron, say.
    let session = format!("/run/user/{user}/reelfs").into();
    let mut directories = vec![runtime_directory(), usual_directory(), session];
    directories.retain(|directory| is_own(directory));
    if user.is_root() {
        directories.extend(entries(Path::new("/run/user")).map(|user| user.join("reelfs")));
    }
    directories.sort();
    directories.dedup();
    let mut sockets: Vec<_> = directories.iter().flat_map(|directory| entries(directory)).collect();
    sockets.retain(|path| path.extension().is_some_and(|extension| extension == "sock"));
    sockets
}

/// The sockets that this user may ask of mounts at a place: of one that lives, or that died there.
pub(super) fn sockets_at(mountpoint: &Path) -> Vec<PathBuf> {
    let name = name_at(mountpoint);
    let mut sockets = sockets();
    sockets.retain(|path| path.file_name().is_some_and(|own| own == name.as_str()));
    sockets
}

/// Removes a socket of this user's at which nobody listens: that of a mount that was killed. In another's
/// directory root is led anywhere, and leaves it.
pub(super) fn remove_stale(socket: &Path) {
    let directory = socket.parent().filter(|directory| is_own(directory));
    // A mount that begins has one for a moment, too.
    let Some(_lock) = directory.and_then(|directory| lock(directory).ok()) else { return };
    let connected = std::os::unix::net::UnixStream::connect(socket);
    if connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
        let _ = std::fs::remove_file(socket);
    }
}

/// Keeps others from making or removing sockets in a directory. Held for moments.
fn lock(directory: &Path) -> io::Result<Flock<File>> {
    let directory = File::open(directory)?;
    Flock::lock(directory, FlockArg::LockExclusive).map_err(|(_, errno)| errno.into())
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path()))
}
