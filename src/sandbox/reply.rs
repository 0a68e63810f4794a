//! An answer on its way out: status, headers, and a body that can be slow, stall, or break off.
//!
//! The rest of the sandbox decides what the answer is; here it is only sent.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;
use tokio::time::Instant;

use super::content::{Content, PIECE};
use super::log::Progress;

/// How long a body that is about to break off waits, so that what it has sent is on the wire.
const FLUSH: Duration = Duration::from_millis(20);

/// How a body ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Break {
    /// It goes silent.
    Stall,
    /// The connection is closed in order.
    Close,
    /// The connection is reset.
    Reset,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) content: Content,
    /// Which of the content's bytes are the body.
    pub(super) range: Range<u64>,
    /// Whether the body's length is announced; otherwise it goes out chunked.
    pub(super) length_known: bool,
    /// After how many bytes of the body it breaks off, and how.
    pub(super) breaks: Option<(u64, Break)>,
    /// Bytes a second.
    pub(super) rate: Option<u64>,
}

impl Reply {
    /// `content` as a whole.
    pub(super) fn new(status: StatusCode, content_type: &str, content: Content) -> Self {
        let range = 0..content.len();
        let mut reply = Self {
            status,
            headers: HeaderMap::new(),
            content,
            range,
            length_known: true,
            breaks: None,
            rate: None,
        };
        reply.header(header::CONTENT_TYPE, content_type);
        reply
    }

    /// A line of text.
    pub(super) fn text(status: StatusCode, text: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", Content::bytes(text.to_owned()))
    }

    /// JSON.
    pub(super) fn json(status: StatusCode, value: &Value) -> Self {
        Self::new(status, "application/json", Content::bytes(value.to_string()))
    }

    /// Sets a header. A value that HTTP can't carry is left out.
    pub(super) fn header(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }

    /// Sends it: the body's bytes are counted in `progress`, and `reset` tells the connection to end
    /// with a reset.
    pub(super) fn send(self, progress: Arc<Progress>, reset: Arc<AtomicBool>) -> Response {
        progress.answered(self.status.as_u16());
        let length = self.range.end - self.range.start;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if self.length_known {
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        if length > 0 {
            let outgoing = Outgoing {
                content: self.content,
                at: self.range.start,
                end: self.range.end,
                breaks: self.breaks.map(|(after, how)| (self.range.start + after, how)),
                pace: self.rate.map(|rate| Pace::new(rate, self.range.start)),
                progress,
                reset,
            };
            *response.body_mut() = Body::from_stream(stream::unfold(outgoing, Outgoing::step));
        }
        response
    }
}

/// A body that is being sent.
struct Outgoing {
    content: Content,
    at: u64,
    end: u64,
    /// The offset in the content at which it breaks off, and how.
    breaks: Option<(u64, Break)>,
    pace: Option<Pace>,
    progress: Arc<Progress>,
    reset: Arc<AtomicBool>,
}

impl Outgoing {
    /// The next piece and the rest of the body.
    async fn step(mut self) -> Option<(io::Result<Bytes>, Self)> {
        let mut end = self.end;
        if let Some((at, how)) = self.breaks {
            if self.at >= at {
                return Some((Err(self.break_off(how).await), self));
            }
            end = end.min(at);
        }
        if let Some(pace) = &self.pace {
            end = pace.next_end(self.at, end).await;
        }
        let piece = self.content.piece(self.at..end);
        if piece.is_empty() {
            return None;
        }
        self.at += piece.len() as u64;
        self.progress.sent(piece.len());
        Some((Ok(piece), self))
    }

    async fn break_off(&self, how: Break) -> io::Error {
        tokio::time::sleep(FLUSH).await;
        match how {
            Break::Stall => std::future::pending().await,
            Break::Close => {}
            Break::Reset => self.reset.store(true, Ordering::Release),
        }
        io::Error::other("the body breaks off, as a rule demands")
    }
}

/// Keeps a body to a rate.
struct Pace {
    rate: u64,
    began: Instant,
    from: u64,
}

impl Pace {
    fn new(rate: u64, from: u64) -> Self {
        Self { rate: rate.max(1), began: Instant::now(), from }
    }

    /// Waits until the byte `at` may go, and says up to where the bytes may go with it: a
    /// twentieth of a second's worth, so that a slow body trickles rather than bursts.
    async fn next_end(&self, at: u64, end: u64) -> u64 {
        let nanos = u128::from(at - self.from) * 1_000_000_000 / u128::from(self.rate);
        let due = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        tokio::time::sleep_until(self.began + due).await;
        end.min(at + (self.rate / 20).clamp(1, PIECE as u64))
    }
}
