//! Ranges of objects: the [`RangeSource`] over HTTP.
//!
//! It asks until an answer can be believed or cannot be mended. What the body then does is the
//! business of `body`.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::{Response, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::answer::{Head, Verdict, Want};
use super::body::{Body, Start};
use super::client::{Call, Client, Reply, fault};
use super::error::{Ask, Error, Reason};
use super::header;
use super::limiter::Permit;
use super::retry::Schedule;
use crate::source::{RangeAnswer, RangeRequest, RangeSource, Urgency};
use crate::types::{Failure, Link};

/// The `Content-Type` of an error message.
const JSON: &str = "application/json";
/// How much of a JSON body is looked at to tell an error message from an object.
const LONGEST_ERROR: usize = 64 << 10;

/// A [`RangeSource`] that asks the servers behind the links.
#[derive(Clone)]
pub struct HttpSource {
    client: Client,
    /// Hosts that were seen to refuse a `Range`: they are asked for whole objects at once. One that
    /// merely ignores it is not remembered, as asking costs nothing and it may honour it elsewhere.
    refusing: Arc<Mutex<HashSet<String>>>,
    /// Told of each that is new.
    remember: Arc<dyn Fn(&str) + Send + Sync>,
}

/// An answer whose headers are believed.
pub(super) struct Opened {
    pub(super) head: Head,
    pub(super) response: Response,
    pub(super) permit: Permit,
    pub(super) ask: Ask,
}

impl HttpSource {
    /// A source that shares `client`'s connections, permits and credentials.
    pub fn new(client: Client) -> Self {
        Self { client, refusing: Arc::default(), remember: Arc::new(|_| {}) }
    }

    /// The same, with hosts that were seen to refuse a `Range` in an earlier mount; `remember` is told
    /// of each that is new.
    #[must_use]
    pub fn remembering(
        self,
        refusing: Vec<String>,
        remember: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        let refusing = Arc::new(Mutex::new(refusing.into_iter().collect()));
        Self { refusing, remember: Arc::new(remember), ..self }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    async fn answer(self, request: RangeRequest) -> Result<RangeAnswer, Error> {
        let version = request.version;
        let want = Want {
            offset: request.offset,
            last: match request.len {
                RangeRequest::TO_THE_END => None,
                len => Some(request.offset.saturating_add(len.max(1) - 1)),
            },
            total: version.as_ref().map(|version| version.total),
            validator: version.map(|version| version.validator).unwrap_or_default(),
            media: request.link.is_media(),
        };
        let deadline = Instant::now() + self.client.timeout();
        let mut schedule = Schedule::default();
        let ask = Ask::new("GET", request.link.url(), Some((want.offset, want.last)));
        let pass = self.client.pass(request.len, &request.urgency, &ask, deadline).await?;
        let urgency = &request.urgency;
        let asked = Instant::now();
        let mut opened = self.fetch(&request.link, &want, urgency, &mut schedule, deadline).await?;
        let answered_in = asked.elapsed();
        let head = opened.head.clone();
        let mut peeked = Bytes::new();
        if head.offset == 0 && head.content_type.as_deref() == Some(JSON) {
            let (read, refused) = peek(&mut opened.response, deadline).await;
            if let Some(reason) = refused {
                return Err(Error::new(&opened.ask, reason));
            }
            peeked = read;
        }
        let start = Start { opened, peeked, pass, answered_in };
        let body = Body::new(self, request.link, &want, request.urgency, start);
        Ok(RangeAnswer {
            offset: head.offset,
            end: head.end,
            total: head.total,
            validator: head.validator,
            content_type: head.content_type,
            body: body.into_stream(),
        })
    }

    /// Asks until the headers can be believed.
    pub(super) async fn fetch(
        &self,
        link: &Link,
        want: &Want,
        urgency: &Urgency,
        schedule: &mut Schedule,
        deadline: Instant,
    ) -> Result<Opened, Error> {
        let client = &self.client;
        let mut ask = Ask::new("GET", link.url(), Some((want.offset, want.last)));
        let host = ask.host.clone();
        let mut ranged = !self.refuses_ranges(&host);
        let mut call = if link.is_open() { Call::Open } else { Call::Media };
        let mut earlier = None;
        loop {
            let until = deadline.min(Instant::now() + client.stall());
            let headers = want.headers(ranged);
            let sent = client.send(link.url(), &headers, call, urgency, &mut ask, until).await;
            let (reason, fault, asked) = match sent {
                Err(error) => match fault(&error.reason) {
                    Some(fault) => (error.reason, fault, None),
                    None => return Err(error),
                },
                Ok(mut reply) => {
                    let response = &reply.response;
                    match want.judge(response.status(), response.headers(), ranged) {
                        // An error message is no newer version of the object, whatever its length.
                        Verdict::Fail(changed @ Reason::Changed(_)) if is_whole_json(response) => {
                            let (_, refused) = peek(&mut reply.response, deadline).await;
                            return Err(Error::new(&ask, refused.unwrap_or(changed)));
                        }
                        Verdict::Data(head) => {
                            // A part of nothing is refused by servers that honour ranges, too.
                            if !ranged && head.end != Some(0) {
                                self.remember_refusal(host);
                            }
                            let Reply { response, permit, .. } = reply;
                            return Ok(Opened { head, response, permit, ask });
                        }
                        // A single recording can be secure where its application is not.
                        Verdict::Renew if call == Call::Open => {
                            call = Call::Media;
                            continue;
                        }
                        Verdict::Renew => {
                            self.renew(&reply, schedule, &ask, deadline).await?;
                            continue;
                        }
                        Verdict::AskWhole => {
                            ranged = false;
                            continue;
                        }
                        Verdict::Retry(reason, fault, asked) => (reason, fault, asked),
                        Verdict::Fail(reason) => return Err(Error::new(&ask, reason)),
                    }
                }
            };
            let error = Error::new(&ask, reason).after(earlier);
            if !client.pause(schedule, fault, asked, deadline).await {
                return Err(error);
            }
            earlier = Some(error);
        }
    }

    fn refuses_ranges(&self, host: &str) -> bool {
        self.refusing.lock().unwrap_or_else(PoisonError::into_inner).contains(host)
    }

    /// Keeps that `host` gives whole objects, and refused a part of one.
    fn remember_refusal(&self, host: String) {
        let mut refusing = self.refusing.lock().unwrap_or_else(PoisonError::into_inner);
        if !refusing.contains(&host) {
            (self.remember)(&host);
            refusing.insert(host);
        }
    }

    /// One renewal; the next refusal is final.
    async fn renew(
        &self,
        reply: &Reply,
        schedule: &mut Schedule,
        ask: &Ask,
        deadline: Instant,
    ) -> Result<(), Error> {
        let stamp = reply.stamp.as_ref();
        if stamp.is_none() {
            let has_some = self.client.has_credentials();
            let reason = if has_some { Reason::Untrusted } else { Reason::NoCredentials };
            return Err(Error::new(ask, reason));
        }
        let again = !std::mem::replace(&mut schedule.renewed, true)
            && self.client.renew(stamp, reply.server_ahead, deadline).await;
        if again { Ok(()) } else { Err(Error::new(ask, Reason::Unauthorized)) }
    }
}

impl RangeSource for HttpSource {
    fn open(&self, request: RangeRequest) -> BoxFuture<'static, Result<RangeAnswer, Failure>> {
        let source = self.clone();
        async move { source.answer(request).await.map_err(Failure::from) }.boxed()
    }
}

/// Whether an answer claims to be the whole object, in JSON.
fn is_whole_json(response: &Response) -> bool {
    response.status() == StatusCode::OK
        && header::content_type(response.headers()).as_deref() == Some(JSON)
}

/// Reads the beginning of a JSON body, and what it refuses when it is an error message: some
/// gateways say 200 and mean no.
async fn peek(response: &mut Response, deadline: Instant) -> (Bytes, Option<Reason>) {
    let mut read = BytesMut::new();
    while read.len() <= LONGEST_ERROR {
        // A body that breaks off here is resumed like any other.
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => read.extend_from_slice(&chunk),
            _ => break,
        }
    }
    let message = serde_json::from_slice::<serde_json::Value>(&read);
    let is_error = message.is_ok_and(|message| {
        ["error", "error_message"].iter().any(|name| message.get(name).is_some())
    });
    let status = response.status().as_u16();
    let refused = is_error.then(|| Reason::NotTheObject { status, content_type: JSON.to_owned() });
    (read.freeze(), refused)
}
