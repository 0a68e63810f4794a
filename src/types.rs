//! The words that every room shares: days, objects, links, versions, and the closed list of causes
//! for which an operation can fail.
//!
//! Nothing here does I/O, and nothing here names another room.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::civil::Date;
use url::Url;

pub use call::{Call, Day, Entry, Facts, Object, facts_line, in_words};
pub use query::{Query, QueryError, Seconds, TERMS, Term, Word};

mod call;
mod query;

/// Size of a block in bytes, the unit in which objects are fetched and kept; the last block of an
/// object may be shorter.
///
/// A random read of 4 KiB far away must cost little more than its round trip: at 20 MB/s a block of
/// this size takes 6.5 ms beside a delay of 50 ms.
pub const BLOCK_SIZE: u64 = 128 * 1024;

/// One of the four top-level directories that a user sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// Audio and video of calls, and voicemails.
    Recordings,
    /// What the platform's scenario engine wrote while the call ran.
    Logs,
    /// What was said, as text.
    Transcripts,
    /// One JSON line a call, a file a day.
    Index,
}

impl Area {
    /// All areas, in the order in which the root lists them.
    pub const ALL: [Area; 4] = [Area::Index, Area::Logs, Area::Recordings, Area::Transcripts];

    /// The directory's name.
    pub fn name(self) -> &'static str {
        match self {
            Area::Recordings => "recordings",
            Area::Logs => "logs",
            Area::Transcripts => "transcripts",
            Area::Index => "index",
        }
    }
}

/// Names an object for good: the same object has the same id in every listing, mount and version.
///
/// It is made of the vendor's own numbers (`recording/8123456789/30412`), holds no link and no
/// secret, and is the seed of the inode number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(Arc<str>);

impl ObjectId {
    /// An id from its text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for hashing and for logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ids come from a vendor's JSON: escape whatever a terminal would obey.
        write!(f, "{}", self.0.escape_debug())
    }
}

/// An http or https address of a media object.
///
/// Whoever has an open link can listen to the call, so a link is treated as a secret: `Debug` shows
/// the scheme and the host alone, and there is no `Display`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Link {
    url: Url,
    is_media: bool,
    is_open: bool,
    is_growing: bool,
}

impl Link {
    /// Takes `text` as a link. `None` when it is not an absolute http or https address with a host.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text.trim()).ok()?;
        (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(Self {
            url,
            is_media: false,
            is_open: false,
            is_growing: false,
        })
    }

    /// The whole address, for the HTTP client only.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The same link, as one that leads to audio or video and nothing else: a text that comes in
    /// its place is a login page or an error.
    #[must_use]
    pub fn to_media(self) -> Self {
        Self { is_media: true, ..self }
    }

    /// The same link, as one that asks for no authorization as far as the vendor says: it gets none
    /// unless the server asks for it after all.
    #[must_use]
    pub fn to_open(self) -> Self {
        Self { is_open: true, ..self }
    }

    /// Whether it is said to ask for no authorization.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// The same link, as one to an object that is still being written.
    #[must_use]
    pub fn to_growing(self) -> Self {
        Self { is_growing: true, ..self }
    }

    /// Whether what is behind it is still being written.
    pub fn is_growing(&self) -> bool {
        self.is_growing
    }

    /// Whether only audio or video can be behind it.
    pub fn is_media(&self) -> bool {
        self.is_media
    }

    /// The extension of the last path segment, in lower case without the dot, when it looks like
    /// one: 1 to 5 ASCII letters or digits, with at least one letter.
    pub fn extension(&self) -> Option<String> {
        let (stem, extension) = self.url.path_segments()?.next_back()?.rsplit_once('.')?;
        let plausible = !stem.is_empty()
            && (1..=5).contains(&extension.len())
            && extension.bytes().all(|b| b.is_ascii_alphanumeric())
            && extension.bytes().any(|b| b.is_ascii_alphabetic());
        plausible.then(|| extension.to_ascii_lowercase())
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", self.url.scheme(), self.url.host_str().unwrap_or("?"))
    }
}

/// Where an object's bytes are.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Behind a link.
    Remote {
        /// Where.
        link: Link,
        /// What the listing says of its size in bytes. A claim counts only after one claim of the
        /// same mount was compared with what the server then sent.
        claimed_size: Option<u64>,
    },
    /// The listing itself carried them.
    Inline(Bytes),
}

/// What a provider proposes as a file name; the tree makes it legal, short and unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameParts {
    /// What stands before the id, joined with `-`: time, direction, number. May hold anything.
    pub fields: Vec<String>,
    /// The vendor's id of the object; it is never shortened away.
    pub id: String,
    /// The extension, without the dot.
    pub extension: String,
}

/// Stands for the day of what has no date: a list may not say when a call was. No call was on it.
pub const UNDATED: Date = jiff::civil::date(0, 1, 1);

/// A part of what a key opens that has directories of its own, such as a profile of an agency: a
/// number that is the same in every mount, below 2^26. 0 is the whole of a key that opens one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeNumber(pub u32);

impl ScopeNumber {
    /// The only scope of a key that opens one account.
    pub const WHOLE: ScopeNumber = ScopeNumber(0);
}

/// A vendor's id and name of a thing that becomes a directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label {
    /// The id, by which the thing is known for good.
    pub id: String,
    /// The name. May hold anything.
    pub name: String,
}

/// Whole days, UTC: from the first inclusive to the last inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// First day.
    pub first: Date,
    /// Last day; before `first` where there are no days at all.
    pub last: Date,
}

impl Window {
    /// One day.
    pub fn day(day: Date) -> Self {
        Self { first: day, last: day }
    }

    /// Whether `day` lies in it.
    pub fn contains(&self, day: Date) -> bool {
        self.first <= day && day <= self.last
    }
}

/// What tells one version of an object from the next, as the server gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Validator {
    /// The `ETag`, with its quotes and its `W/`.
    pub etag: Option<String>,
    /// The `Last-Modified`, to the letter.
    pub last_modified: Option<String>,
}

impl Validator {
    /// Whether `other` can be the same version: what both name must agree.
    pub fn agrees_with(&self, other: &Validator) -> bool {
        let agree = |a: &Option<String>, b: &Option<String>| match (a, b) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        agree(&self.etag, &other.etag) && agree(&self.last_modified, &other.last_modified)
    }
}

/// Why an operation failed, as far as anybody outside the room that failed may care.
///
/// The table from cause to errno stands in `fuse` and in `docs/SEMANTICS.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// There is no such name.
    NotFound,
    /// What is asked for makes no sense.
    Invalid,
    /// The vendor no longer has the object, or not yet.
    Gone,
    /// The vendor refuses: credentials, role, or a login page instead of media.
    Denied,
    /// The vendor asks to slow down and did not relent within the deadline.
    Throttled,
    /// The budget of requests a day is used up.
    OverBudget,
    /// No connection to the vendor's server could be made.
    Unreachable,
    /// The deadline passed.
    TimedOut,
    /// The object changed since it was opened.
    Changed,
    /// The file stands in its directory no longer: whoever goes by its name has to look anew.
    Vanished,
    /// The server answered with something that cannot be right.
    BadAnswer,
    /// A fault of reelfs itself.
    Internal,
}

/// A failure on its way up: its cause, and the lower error for the log.
///
/// It is cheap to clone, since all who wait for one block get the same failure.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The cause.
    pub cause: Cause,
    detail: Arc<dyn Error + Send + Sync>,
}

impl Failure {
    /// A failure with the error that led to it.
    pub fn new(cause: Cause, detail: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause, detail: Arc::from(detail.into()) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&chain(&*self.detail))
    }
}

impl Error for Failure {}

/// A text in one line. Control characters, which may come from a vendor's strings or the names of files, are
/// escaped, so that a terminal or a log obeys none of them.
pub fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    text.chars().map(plain).collect()
}

/// An error with all that led to it, in one line.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let links = std::iter::successors(Some(error), |&error| error.source());
    one_line(&links.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

/// A path as a shell takes it.
pub fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@%:,".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// JSON in one line that a terminal can show: beside what JSON escapes anyway, the control characters
/// that it lets pass (U+007F to U+009F) are escaped, too. It reads as the same value.
pub fn json_line(value: &serde_json::Value) -> String {
    json_shown(value.to_string())
}

/// The same of JSON that was written in one line or more.
pub fn json_shown(text: String) -> String {
    let is_odd = |c: char| c.is_control() && c != '\n';
    if !text.contains(is_odd) {
        return text;
    }
    let escaped =
        |c: char| if is_odd(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// Locks, also after a panic elsewhere: every critical section here leaves its data whole, and none
/// is held over the network or a kernel notification.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_lines_hold_no_control_character_and_mean_the_same() {
        let value = serde_json::json!({"note": "a\u{7f}b\u{9b}2J\n\u{1b}c ü"});
        let line = json_line(&value);
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }
}
