//! A body that resumes itself: when it breaks off, falls short or stalls, the rest is asked for
//! again from the byte that was reached.
//!
//! Invariants: bytes come out in order, each once; none comes from another version; the stream ends
//! after the byte that the answer announced, or with an error.

use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use reqwest::Response;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::answer::Want;
use super::client::{broken, fault};
use super::error::{Ask, Error, Reason};
use super::gate::Pass;
use super::limiter::Permit;
use super::range::{HttpSource, Opened};
use super::retry::Schedule;
use crate::source::Urgency;
use crate::types::{Failure, Link};

/// Bytes a second below which a body counts as stalled: nothing that can be listened to comes so
/// slowly, and one that trickled on for hours would keep all who want it waiting.
const SLOWEST: u64 = 100;

/// One body, over as many responses as it takes.
pub(super) struct Body {
    source: HttpSource,
    link: Link,
    /// What is left: `offset` is the next byte to give out, `last` stays.
    want: Want,
    urgency: Urgency,
    /// The byte after the last one to give out; `None` until the server's body ends.
    end: Option<u64>,
    segment: Option<Segment>,
    /// Read ahead of the segment by whoever looked at the beginning.
    peeked: Bytes,
    ask: Ask,
    schedule: Schedule,
    pass: Option<Pass>,
    pace: Pace,
}

/// The first response, and what goes with it.
pub(super) struct Start {
    pub(super) opened: Opened,
    /// What was already read of it.
    pub(super) peeked: Bytes,
    /// Held until the body has been read to its end or is dropped.
    pub(super) pass: Pass,
    /// How long the answer took.
    pub(super) answered_in: Duration,
}

/// How fast the first response comes.
struct Pace {
    /// How long it took to begin.
    answered_in: Duration,
    /// When its first chunk was here, which may have waited somewhere, and the bytes since.
    began: Option<Instant>,
    received: u64,
}

impl Pace {
    fn receive(&mut self, bytes: usize) {
        match self.began {
            None => self.began = Some(Instant::now()),
            Some(_) => self.received += bytes as u64,
        }
    }

    /// Whether `left` bytes take no longer than the answer to another request, which may as well be
    /// sent now: its bytes come when these are here, and no connection's time is lost.
    fn ends_soon(&self, left: u64) -> bool {
        let elapsed = self.began.map_or(0, |began| began.elapsed().as_nanos());
        elapsed * u128::from(left) < self.answered_in.as_nanos() * u128::from(self.received)
    }
}

/// The response that is being read.
struct Segment {
    response: Response,
    _permit: Permit,
    /// Offset in the object of the next byte that it brings.
    at: u64,
    /// Where it ends: as it said, or else where the object does.
    end: Option<u64>,
    /// Whether the HTTP library checks that it ends there.
    framed: bool,
    /// How long it was waited for, and for how many bytes, since that was last looked at.
    waited: Duration,
    brought: u64,
    trickles: bool,
}

impl Segment {
    fn new(response: Response, permit: Permit, at: u64, end: Option<u64>, framed: bool) -> Self {
        let (waited, brought, trickles) = (Duration::ZERO, 0, false);
        Self { response, _permit: permit, at, end, framed, waited, brought, trickles }
    }

    /// Notes how long `bytes` were waited for, and sees once in a while whether so little comes that
    /// another connection can only do better. What came is kept.
    fn look_at_pace(&mut self, waited: Duration, bytes: usize, once_in: Duration) {
        self.waited += waited;
        self.brought += bytes as u64;
        if self.waited >= once_in {
            self.trickles = self.brought < self.waited.as_secs().max(1).saturating_mul(SLOWEST);
            (self.waited, self.brought) = (Duration::ZERO, 0);
        }
    }

    /// Whether nothing is left to read: all bytes are out, and no surplus can follow that would
    /// show the answer to be a bad one.
    fn is_done(&self, end: Option<u64>, reached: u64) -> bool {
        end == Some(reached) && (self.framed || self.end != end)
    }
}

/// What reading on brought.
enum Step {
    Bytes(Bytes),
    End,
    Lost(Reason),
}

impl Body {
    /// The body that begins with `start`.
    pub(super) fn new(
        source: HttpSource,
        link: Link,
        want: &Want,
        urgency: Urgency,
        start: Start,
    ) -> Self {
        let Start { opened, peeked, pass, answered_in } = start;
        let Opened { head, response, permit, ask } = opened;
        let (at, framed) = (head.offset, head.framed);
        let total = want.total.or(head.total);
        let end = head.end.or(total);
        let mut validator = head.validator;
        validator.etag = validator.etag.or_else(|| want.validator.etag.clone());
        validator.last_modified =
            validator.last_modified.or_else(|| want.validator.last_modified.clone());
        Self {
            source,
            link,
            want: Want {
                offset: head.offset,
                last: end.and_then(|end| end.checked_sub(1)),
                total,
                validator,
                media: want.media,
            },
            urgency,
            end,
            segment: Some(Segment::new(response, permit, at, end, framed)),
            peeked,
            ask,
            schedule: Schedule::default(),
            pass: Some(pass),
            pace: Pace { answered_in, began: None, received: 0 },
        }
    }

    /// The stream of the bytes. After an error it ends.
    pub(super) fn into_stream(self) -> BoxStream<'static, Result<Bytes, Failure>> {
        stream::try_unfold(self, |mut body| async move {
            let bytes = body.next().await.map_err(Failure::from)?;
            Ok(bytes.map(|bytes| (bytes, body)))
        })
        .boxed()
    }

    /// The next bytes, never empty; `None` at the end. Waits at most for one timeout, however often
    /// it has to ask again: time in which nobody reads does not count.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let deadline = Instant::now() + self.source.client().timeout();
        loop {
            let reason = match self.step(deadline).await? {
                Step::Bytes(bytes) => {
                    // Progress: whatever went wrong before is forgiven.
                    self.schedule = Schedule::default();
                    return Ok(Some(bytes));
                }
                Step::End => {
                    self.release();
                    return Ok(None);
                }
                Step::Lost(reason) => reason,
            };
            self.resume(reason, deadline).await?;
        }
    }

    /// Reads on in the present response.
    async fn step(&mut self, deadline: Instant) -> Result<Step, Error> {
        loop {
            let Some(segment) = &mut self.segment else {
                return Ok(Step::End);
            };
            let read = if self.peeked.is_empty() {
                if segment.is_done(self.end, self.want.offset) {
                    return Ok(Step::End);
                }
                if segment.trickles {
                    return Ok(Step::Lost(Reason::TimedOut));
                }
                let (now, stall) = (Instant::now(), self.source.client().stall());
                let read = timeout_at(deadline.min(now + stall), segment.response.chunk()).await;
                let bytes = match &read {
                    Ok(Ok(Some(chunk))) => chunk.len(),
                    _ => 0,
                };
                segment.look_at_pace(now.elapsed(), bytes, stall);
                read
            } else {
                Ok(Ok(Some(std::mem::take(&mut self.peeked))))
            };
            match read {
                Ok(Ok(Some(chunk))) => {
                    if let Some(bytes) = self.accept(chunk)? {
                        return Ok(Step::Bytes(bytes));
                    }
                }
                // All bytes are here; only the end of the framing is missing.
                _ if self.end == Some(self.want.offset) => return Ok(Step::End),
                Ok(Ok(None)) if self.end.is_none() => return Ok(Step::End),
                Ok(Ok(None)) => {
                    return Ok(Step::Lost(Reason::Short { at: self.want.offset }));
                }
                Ok(Err(error)) => return Ok(Step::Lost(broken(error))),
                Err(_) => return Ok(Step::Lost(Reason::TimedOut)),
            }
        }
    }

    /// Takes a chunk of the present response: cuts off what was given out before and what lies
    /// behind the end. `None` when nothing is left of it.
    fn accept(&mut self, mut chunk: Bytes) -> Result<Option<Bytes>, Error> {
        let Some(segment) = &mut self.segment else {
            return Ok(None);
        };
        self.source.client().metrics().fetched(chunk.len());
        let start = segment.at;
        segment.at += chunk.len() as u64;
        if segment.end.is_some_and(|end| segment.at > end) {
            let reason = Reason::BadAnswer("the body is longer than it was said to be");
            return Err(Error::new(&self.ask, reason));
        }
        let known = usize::try_from(self.want.offset - start).unwrap_or(usize::MAX);
        chunk.advance(known.min(chunk.len()));
        if let Some(end) = self.end {
            let left = usize::try_from(end - self.want.offset).unwrap_or(usize::MAX);
            chunk.truncate(left);
        }
        self.want.offset += chunk.len() as u64;
        self.pace.receive(chunk.len());
        if let (Some(pass), Some(end)) = (&mut self.pass, self.end)
            && self.pace.ends_soon(end - self.want.offset)
        {
            pass.ends_soon();
        }
        if segment.is_done(self.end, self.want.offset) {
            // The next reader may have the connection before this one asks for the end.
            self.release();
        }
        Ok((!chunk.is_empty()).then_some(chunk))
    }

    /// Asks for the rest.
    async fn resume(&mut self, reason: Reason, deadline: Instant) -> Result<(), Error> {
        self.segment = None;
        let error = Error::new(&self.ask, reason);
        let Some(fault) = fault(&error.reason) else {
            return Err(error);
        };
        debug!(%error, reason = %error.reason, at = self.want.offset, "resuming");
        let client = self.source.client();
        if !client.pause(&mut self.schedule, fault, None, deadline).await {
            return Err(error);
        }
        let (link, want, urgency) = (&self.link, &self.want, &self.urgency);
        let opened = self.source.fetch(link, want, urgency, &mut self.schedule, deadline).await;
        let opened = opened.map_err(|later| later.after(Some(error)))?;
        let Opened { head, response, permit, ask } = opened;
        self.ask = ask;
        self.want.total = self.want.total.or(head.total);
        self.end = self.end.or(head.total);
        let reached = head.end.is_some_and(|end| end <= self.want.offset);
        if reached && self.end != Some(self.want.offset) {
            let reason = Reason::BadAnswer("the object ends before the end of the range");
            return Err(Error::new(&self.ask, reason));
        }
        let end = head.end.or(self.want.total);
        let (at, framed) = (head.offset, head.framed);
        self.segment = Some(Segment::new(response, permit, at, end, framed));
        Ok(())
    }

    fn release(&mut self) {
        self.segment = None;
        self.pass = None;
    }
}
