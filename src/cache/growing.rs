//! An object that is still being written, as far as it was seen.
//!
//! It is no [`Blob`](super::Blob): each moment is another version, so that nothing of it is kept on
//! disk, and its bytes stand in memory in one piece. What is new is asked for together with the end of
//! what is known. Where that end is not the same any more, the object is another one, and nothing
//! more is served of it: what was seen once never changes for who has it open.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::future::{BoxFuture, Shared};
use futures_util::{FutureExt as _, StreamExt as _};

use super::blob::changed;
use super::memory::{Memory, Room};
use crate::source::{RangeRequest, RangeSource, Urgency};
use crate::types::{Cause, Failure, Link, ObjectId, lock};

/// How long what was seen counts as all there is.
const FRESH: Duration = Duration::from_secs(1);
/// So much of the end has to be there again: a log has some lines in it, with their times.
const OVERLAP: usize = 4 * 1024;
/// The most bytes that are followed: the rest shows when the object is final.
const LONGEST: u64 = 16 * 1024 * 1024;
/// They take one part in so many of the memory at the most.
const SHARE: u64 = 16;

/// An object that is still being written.
pub struct Growing {
    id: ObjectId,
    link: Mutex<Link>,
    source: Arc<dyn RangeSource>,
    memory: Arc<Memory>,
    seen: Mutex<Seen>,
    is_stale: AtomicBool,
    /// The size that somebody was told by other means: that of the final object.
    told: AtomicU64,
}

#[derive(Default)]
struct Seen {
    bytes: Bytes,
    /// Their room in memory.
    room: Option<Room>,
    /// When they were last all there was.
    asked: Option<Instant>,
    /// The question that is under way, for all who wait.
    asking: Option<Shared<BoxFuture<'static, Result<(), Failure>>>>,
}

impl Growing {
    pub(super) fn new(
        id: ObjectId,
        link: Link,
        source: Arc<dyn RangeSource>,
        memory: Arc<Memory>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            link: Mutex::new(link),
            source,
            memory,
            seen: Mutex::default(),
            is_stale: AtomicBool::new(false),
            told: AtomicU64::new(0),
        })
    }

    /// Whether another object was seen in its place.
    pub(super) fn is_stale(&self) -> bool {
        self.is_stale.load(Ordering::Acquire)
    }

    /// Takes a newer link to the same object.
    pub(super) fn renew_link(&self, link: &Link) {
        lock(&self.link).clone_from(link);
    }

    /// Takes note that somebody was told this size: it is there to be read.
    pub(super) fn tell(&self, size: u64) {
        self.told.fetch_max(size, Ordering::AcqRel);
    }

    /// How long it was when it was last looked at.
    pub fn known_size(&self) -> u64 {
        lock(&self.seen).bytes.len() as u64
    }

    /// How long it is now, to a second. A server that does not answer makes it no shorter.
    pub async fn size(self: &Arc<Self>) -> Result<u64, Failure> {
        let is_fresh = lock(&self.seen).asked.is_some_and(|at| at.elapsed() < FRESH);
        if !is_fresh {
            self.look().await?;
        }
        Ok(self.known_size())
    }

    /// Up to `len` bytes at `offset`; fewer only at the end of what there is now, to a second.
    pub async fn read(self: &Arc<Self>, offset: u64, len: u64) -> Result<Bytes, Failure> {
        let end = offset.saturating_add(len);
        let known = self.known_size();
        if known < end {
            if self.told.load(Ordering::Acquire) > known {
                self.look().await?;
            } else {
                self.size().await?;
            }
        }
        if self.is_stale() {
            return Err(changed());
        }
        let bytes = lock(&self.seen).bytes.clone();
        let told = self.told.load(Ordering::Acquire);
        if (bytes.len() as u64) < end.min(told) {
            // There is more than is followed, or the final object does not go on where this one ends.
            return Err(changed());
        }
        let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
        Ok(bytes.slice(at(offset)..at(end)))
    }

    /// Sees what is new, once for all who want to know. Fails if nothing is known yet, or if it is
    /// another object now.
    async fn look(self: &Arc<Self>) -> Result<(), Failure> {
        let asking = {
            let mut seen = lock(&self.seen);
            // One that has ended is still here only if it panicked.
            if seen.asking.as_ref().is_none_or(|asking| asking.peek().is_some()) {
                let growing = Arc::clone(self);
                // Of its own, so that it ends whoever goes away.
                let task = tokio::spawn(async move { growing.ask().await });
                let outcome = async move {
                    task.await.unwrap_or_else(|panic| Err(Failure::new(Cause::Internal, panic)))
                };
                seen.asking = Some(outcome.boxed().shared());
            }
            seen.asking.clone()
        };
        match asking {
            Some(asking) => asking.await,
            None => Ok(()),
        }
    }

    async fn ask(&self) -> Result<(), Failure> {
        let before = lock(&self.seen).bytes.clone();
        let outcome = self.ask_beyond(&before).await;
        let mut seen = lock(&self.seen);
        seen.asking = None;
        match outcome {
            Ok(bytes) => {
                if bytes.len() != seen.bytes.len() {
                    seen.room = Some(self.memory.room(bytes.len() as u64));
                }
                (seen.bytes, seen.asked) = (bytes, Some(Instant::now()));
                Ok(())
            }
            Err(failure) if failure.cause == Cause::Changed => {
                self.is_stale.store(true, Ordering::Release);
                Err(failure)
            }
            // What was seen is right whatever becomes of it.
            Err(failure) if seen.asked.is_some() => {
                tracing::debug!(object = %self.id, "not seen whether it has grown: {failure}");
                seen.asked = Some(Instant::now());
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    /// What is known, and what has come since.
    async fn ask_beyond(&self, before: &Bytes) -> Result<Bytes, Failure> {
        let longest = LONGEST.min(self.memory.budget() / SHARE);
        let known = before.len() as u64;
        if known >= longest {
            return Ok(before.clone());
        }
        let from = before.len().saturating_sub(OVERLAP) as u64;
        let request = RangeRequest {
            link: lock(&self.link).clone(),
            offset: from,
            len: longest - from,
            version: None,
            urgency: Urgency::now(),
        };
        let mut answer = match self.source.open(request).await {
            // The vendor names it before it is there.
            Err(failure) if failure.cause == Cause::Gone && before.is_empty() => {
                return Ok(Bytes::new());
            }
            answer => answer.map_err(not_changed)?,
        };
        if answer.offset > from {
            return Err(Failure::new(Cause::BadAnswer, "the server sends another range"));
        }
        // A server that ignores ranges sends all of it: then all of what is known is compared.
        let mut told = BytesMut::new();
        let most = longest - answer.offset;
        while let Some(chunk) = answer.body.next().await {
            told.extend_from_slice(&chunk.map_err(not_changed)?);
            if told.len() as u64 >= most {
                break;
            }
        }
        told.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        let start = usize::try_from(answer.offset).unwrap_or(usize::MAX);
        let again = before.get(start..).unwrap_or_default();
        if told.len() < again.len() || told[..again.len()] != *again {
            tracing::warn!(object = %self.id, "it did not grow, it changed");
            return Err(changed());
        }
        if told.len() == again.len() {
            return Ok(before.clone());
        }
        let mut all = BytesMut::with_capacity(start + told.len());
        all.extend_from_slice(&before[..start]);
        all.extend_from_slice(&told);
        Ok(all.freeze())
    }
}

/// What grows while it is sent may look like another version to who resumes it.
fn not_changed(failure: Failure) -> Failure {
    match failure.cause {
        Cause::Changed => Failure::new(Cause::BadAnswer, failure),
        _ => failure,
    }
}
