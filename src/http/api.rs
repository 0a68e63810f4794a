//! Calls of a vendor's API: a POST form or a GET, a bounded answer.
//!
//! What the answer means is the vendor's business: a pure function of the provider says whether it
//! is taken, or whether to renew the credentials, wait, or ask again. The retrying is done here.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::client::{Call, Client, Reply, broken, fault};
use super::credentials::Stamp;
use super::error::{Ask, Error, Reason};
use super::header;
use super::retry::{Fault, Schedule};
use crate::source::Urgency;

/// The longest answer that is read. 1000 calls with all their facts are about 2 MiB.
const MOST_BYTES: usize = 64 << 20;

/// What to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is an answer, good or bad.
    Take,
    /// The credentials were refused and may have run out: renew them and ask again, once.
    Renew,
    /// The vendor asks to slow down: ask again later.
    SlowDown,
    /// It is no answer of the API: ask again.
    Garbage,
}

/// An answer of an API, read to its end.
pub struct ApiAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`, in lower case without parameters.
    pub content_type: Option<String>,
    /// The body.
    pub body: Bytes,
    ask: Ask,
    stamp: Option<Stamp>,
    server_ahead: Option<SignedDuration>,
    retry_after: Option<Duration>,
}

impl ApiAnswer {
    /// An answer without a server, for fuzzers.
    #[doc(hidden)]
    pub fn made_up(status: u16, body: &[u8]) -> Self {
        Self {
            status,
            content_type: None,
            body: Bytes::copy_from_slice(body),
            ask: Ask::default(),
            stamp: None,
            server_ahead: None,
            retry_after: None,
        }
    }

    /// The error that the status alone stands for; `None` when it says success.
    pub fn refusal(&self) -> Option<Error> {
        let reason = match self.status {
            200..=299 => return None,
            401 => Reason::Unauthorized,
            403 => Reason::Forbidden,
            429 => Reason::Throttled,
            status => Reason::Status(status),
        };
        Some(Error::new(&self.ask, reason))
    }

    /// What to do about it, as far as the status says; `None` leaves it to the body.
    fn verdict(&self) -> Option<Verdict> {
        match self.status {
            401 => Some(Verdict::Renew),
            429 => Some(Verdict::SlowDown),
            408 | 500..=599 => Some(Verdict::Garbage),
            _ => None,
        }
    }
}

impl Client {
    /// Posts `form` to `url` until `judge` takes the answer, within the client's timeout. The call
    /// must be one that can be repeated.
    ///
    /// When the answer that is not taken is the last one for which there was time, it is given as
    /// it is: whoever called knows best how to name what it says.
    pub async fn api<J>(
        &self,
        url: &Url,
        form: &[(&str, String)],
        judge: J,
    ) -> Result<ApiAnswer, Error>
    where
        J: Fn(&ApiAnswer) -> Verdict + Send + Sync,
    {
        let form: Vec<_> = form.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        self.call(url, Call::Form(&form), judge).await
    }

    /// The same with a GET: `url` holds the parameters.
    pub async fn query<J>(&self, url: &Url, judge: J) -> Result<ApiAnswer, Error>
    where
        J: Fn(&ApiAnswer) -> Verdict + Send + Sync,
    {
        self.call(url, Call::Query, judge).await
    }

    async fn call<J>(&self, url: &Url, call: Call<'_>, judge: J) -> Result<ApiAnswer, Error>
    where
        J: Fn(&ApiAnswer) -> Verdict + Send + Sync,
    {
        let deadline = Instant::now() + self.timeout();
        let method = if call == Call::Query { "GET" } else { "POST" };
        let mut ask = Ask::new(method, url, None);
        let mut schedule = Schedule::default();
        let urgency = Urgency::now();
        let _pass = self.api_pass(&urgency, &ask, deadline).await?;
        // What the try before this one met: it says more than that time ran out during this one.
        let mut earlier: Option<Result<ApiAnswer, Error>> = None;
        loop {
            let answer = match self.once(url, call, &urgency, &mut ask, deadline).await {
                Ok(answer) => answer,
                Err(error) => {
                    let fault = fault(&error.reason);
                    let outcome = match earlier {
                        Some(earlier) if matches!(error.reason, Reason::TimedOut) => earlier,
                        _ => Err(error),
                    };
                    let again = match fault {
                        Some(fault) => self.pause(&mut schedule, fault, None, deadline).await,
                        None => false,
                    };
                    if !again {
                        return outcome;
                    }
                    earlier = Some(outcome);
                    continue;
                }
            };
            let verdict = answer.verdict().unwrap_or_else(|| judge(&answer));
            let again = match verdict {
                Verdict::Take => false,
                Verdict::Renew => {
                    !std::mem::replace(&mut schedule.renewed, true)
                        && self.renew(answer.stamp.as_ref(), answer.server_ahead, deadline).await
                }
                Verdict::SlowDown => {
                    let asked = answer.retry_after;
                    if answer.status != 429 {
                        self.complained(&ask, asked);
                    }
                    self.pause(&mut schedule, Fault::Throttled, asked, deadline).await
                }
                Verdict::Garbage => {
                    let asked = answer.retry_after;
                    self.pause(&mut schedule, Fault::Broken, asked, deadline).await
                }
            };
            if !again {
                return Ok(answer);
            }
            // A refusal that was mended says nothing of what comes after it.
            earlier = (verdict != Verdict::Renew).then_some(Ok(answer));
        }
    }

    async fn once(
        &self,
        url: &Url,
        call: Call<'_>,
        urgency: &Urgency,
        ask: &mut Ask,
        deadline: Instant,
    ) -> Result<ApiAnswer, Error> {
        let reply = self.send(url, &HeaderMap::new(), call, urgency, ask, deadline).await?;
        match timeout_at(deadline, read(reply, ask)).await {
            Ok(answer) => answer.inspect(|answer| self.metrics().fetched(answer.body.len())),
            Err(_) => Err(Error::new(ask, Reason::TimedOut)),
        }
    }
}

async fn read(reply: Reply, ask: &Ask) -> Result<ApiAnswer, Error> {
    let Reply { mut response, permit: _permit, stamp, server_ahead } = reply;
    if header::content_encoding(response.headers()).is_some() {
        return Err(Error::new(ask, Reason::BadAnswer("it is compressed")));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| Error::new(ask, broken(e)))? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(Error::new(ask, Reason::BadAnswer("it is longer than 64 MiB")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(ApiAnswer {
        status: response.status().as_u16(),
        content_type: header::content_type(response.headers()),
        body: body.freeze(),
        ask: ask.clone(),
        stamp,
        server_ahead,
        retry_after: header::retry_after(response.headers(), Timestamp::now()),
    })
}
