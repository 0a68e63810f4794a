//! The two seams of reelfs: names come through [`Provider`], bytes through [`RangeSource`].
//!
//! Rooms above the seams (catalogue, cache) see these traits only, rooms below (vendors, HTTP)
//! implement them, and tests put doubles in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use secrecy::SecretString;
use tokio::sync::watch;

use crate::types::{Entry, Failure, Label, Link, Validator, Window};

pub use offline::Offline;

mod offline;

/// A vendor's account, seen as a listing of calls over time.
pub trait Provider: Send + Sync + 'static {
    /// All calls that began within `window`: every page, each call once, in order of their start.
    ///
    /// Fails whole: half a listing is never returned as a listing.
    fn list(&self, window: Window) -> BoxFuture<'_, Result<Vec<Entry>, Failure>>;

    /// The most days that a window may have.
    fn most_days(&self) -> u32;

    /// The days on which there are calls at all, for a vendor that knows; then they are the days
    /// that a mount shows, rather than those that it was told.
    fn span(&self) -> Option<Window> {
        None
    }

    /// Whether there are objects without a date; they are listed as the day
    /// [`UNDATED`](crate::types::UNDATED).
    fn has_undated(&self) -> bool {
        false
    }

    /// Changes when what was listed before is no longer right. Cheap: asked for at every look.
    fn revision(&self) -> u64 {
        0
    }
}

/// Which account it is, and a secret that only who may open it has: for what is kept of it on disk.
/// Neither is kept itself. The name is secret where a token is the only name that an account has.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Tells the account from all others.
    pub name: SecretString,
    /// Seals its links.
    pub secret: SecretString,
}

/// One of several accounts that a key opens, with directories of its own.
pub struct Scope {
    /// The directory above: the client's account.
    pub account: Label,
    /// The directory: the profile.
    pub profile: Label,
    /// Its calls.
    pub provider: Arc<dyn Provider>,
}

/// What is asked of a [`RangeSource`].
#[derive(Clone, Debug)]
pub struct RangeRequest {
    /// The object.
    pub link: Link,
    /// First byte wanted.
    pub offset: u64,
    /// How many bytes are wanted, at least 1. The object may end earlier.
    pub len: u64,
    /// The version that the bytes must belong to, where one is known.
    pub version: Option<Version>,
    /// Whether somebody waits for the bytes.
    pub urgency: Urgency,
}

impl RangeRequest {
    /// A `len` that asks for all that follows.
    pub const TO_THE_END: u64 = u64::MAX;
}

/// Whether somebody waits for a request, or whether it only runs ahead. Clones are one: what is
/// raised while the request still waits for a connection brings it to the front.
#[derive(Clone, Debug)]
pub struct Urgency {
    raised: Arc<watch::Sender<bool>>,
    order: u64,
}

impl Urgency {
    /// Nobody waits yet.
    pub fn ahead() -> Self {
        Self::new(false)
    }

    /// Somebody waits.
    pub fn now() -> Self {
        Self::new(true)
    }

    fn new(raised: bool) -> Self {
        static ORDER: AtomicU64 = AtomicU64::new(0);
        let order = ORDER.fetch_add(1, Ordering::Relaxed);
        Self { raised: Arc::new(watch::Sender::new(raised)), order }
    }

    /// Its place among all requests: what was wanted earlier goes earlier, in whichever order the
    /// requests come to be made.
    pub fn order(&self) -> u64 {
        self.order
    }

    /// From now on somebody waits.
    pub fn raise(&self) {
        self.raised.send_if_modified(|raised| !std::mem::replace(raised, true));
    }

    /// Whether somebody waits.
    pub fn is_raised(&self) -> bool {
        *self.raised.borrow()
    }

    /// Waits until somebody waits.
    pub async fn raised(&self) {
        // The sender is held here, so that the channel cannot close.
        let _ = self.raised.subscribe().wait_for(|raised| *raised).await;
    }
}

/// A version of an object, as far as the server's answers tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The object's size in bytes.
    pub total: u64,
    /// The server's validators.
    pub validator: Validator,
}

/// A checked answer: the headers said what they had to, the bytes follow.
pub struct RangeAnswer {
    /// Offset in the object of the first byte of `body`. It is the offset asked for when the server
    /// honours `Range`, and 0 when it answers with the whole object.
    pub offset: u64,
    /// Offset in the object of the byte after the last byte of `body`; `None` when the server did
    /// not say how much it sends, and the object ends where the body ends.
    pub end: Option<u64>,
    /// Size of the whole object in bytes, where the server said so.
    pub total: Option<u64>,
    /// The server's validators.
    pub validator: Validator,
    /// The `Content-Type`, in lower case without parameters.
    pub content_type: Option<String>,
    /// The bytes, in order. It ends after the byte `end`, or with an error: a body that breaks off
    /// is resumed below this seam as long as the deadline allows, so an error is final.
    pub body: BoxStream<'static, Result<Bytes, Failure>>,
}

impl std::fmt::Debug for RangeAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RangeAnswer")
            .field("offset", &self.offset)
            .field("end", &self.end)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

/// Something that serves ranges of objects.
pub trait RangeSource: Send + Sync + 'static {
    /// Opens a range. An object of no bytes gives an answer with `total` 0 and an empty body.
    ///
    /// Errors: [`Cause::Changed`](crate::types::Cause::Changed) when `request.version` is given and
    /// the server serves another version; otherwise whatever kept it from answering.
    fn open(&self, request: RangeRequest) -> BoxFuture<'static, Result<RangeAnswer, Failure>>;
}
