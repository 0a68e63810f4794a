//! What can go wrong between us and a server, in words that are safe to log: the method, the host,
//! the range and the attempt, never a path, a query or a token.

use std::fmt;

use thiserror::Error;
use url::Url;

use crate::types::{Cause, Failure};

/// What was asked, as far as it may be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    pub(super) method: &'static str,
    pub(super) host: String,
    /// First and, where it is bounded, last byte asked for.
    pub(super) range: Option<(u64, Option<u64>)>,
    /// Counts from 1.
    pub(super) attempt: u32,
}

impl Ask {
    pub(super) fn new(method: &'static str, url: &Url, range: Option<(u64, Option<u64>)>) -> Self {
        let mut ask = Self { method, host: String::new(), range, attempt: 0 };
        ask.set_host(url);
        ask
    }

    /// Names another host, after a redirect.
    pub(super) fn set_host(&mut self, url: &Url) {
        let host = url.host_str().unwrap_or("?");
        self.host = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.host)?;
        match self.range {
            Some((first, Some(last))) => write!(f, ", bytes {first}-{last}")?,
            Some((first, None)) => write!(f, ", bytes {first}-")?,
            None => {}
        }
        if self.attempt > 1 {
            write!(f, ", attempt {}", self.attempt)?;
        }
        Ok(())
    }
}

/// A request that failed for good.
#[derive(Debug, Error)]
#[error("{ask}")]
pub struct Error {
    /// What was asked.
    pub ask: Ask,
    /// Why it failed.
    #[source]
    pub reason: Reason,
}

impl Error {
    pub(super) fn new(ask: &Ask, reason: Reason) -> Self {
        Self { ask: ask.clone(), reason }
    }

    /// The error to tell after several tries: when time ran out during the last one, what the one
    /// before it met says more.
    pub(super) fn after(self, earlier: Option<Self>) -> Self {
        match (&self.reason, earlier) {
            (Reason::TimedOut, Some(earlier)) => earlier,
            _ => self,
        }
    }
}

/// Why a request failed.
#[derive(Debug, Error)]
pub enum Reason {
    /// No connection.
    #[error("no connection")]
    Unreachable(#[source] reqwest::Error),
    /// A connection whose certificate TLS does not trust; asking again changes nothing.
    #[error("the server's certificate is not trusted")]
    Certificate(#[source] reqwest::Error),
    /// A server that answers in the clear where TLS was asked for.
    #[error("the server speaks no TLS")]
    NoTls(#[source] reqwest::Error),
    /// The server stalled, or the deadline passed before anything else was decided.
    #[error("no answer in time")]
    TimedOut,
    /// 401 with credentials that had just been renewed.
    #[error("401: the credentials were refused")]
    Unauthorized,
    /// 401 where there are no credentials at all.
    #[error("401: the host asks for credentials, and there are none")]
    NoCredentials,
    /// 401 where the host may not get the credentials.
    #[error(
        "401: the host asks for credentials, and may not get them (not one of the vendor's hosts, \
         or not https; --trust-host names another)"
    )]
    Untrusted,
    /// 403.
    #[error("403: forbidden")]
    Forbidden,
    /// A page or an error object where the object should be, as when one has to log in.
    #[error("{status} with {content_type}: a page or an error message, not the object")]
    NotTheObject {
        /// The status, which said that all was well.
        status: u16,
        /// What came.
        content_type: String,
    },
    /// 404 or 410.
    #[error("{0}: the object is gone")]
    Gone(u16),
    /// 429 until the deadline.
    #[error("429: too many requests")]
    Throttled,
    /// The host asked for a rest that is longer than the request may wait.
    #[error("the host asked to be left alone for longer than this may take (429 or Retry-After)")]
    Resting,
    /// The budget of requests a day is used up, or what is left of it is kept for readers.
    #[error("the budget of {0} requests a day is used up; it begins anew at 00:00 UTC")]
    OverBudget(u64),
    /// The server serves another version than the one asked for.
    #[error("the object changed: {0}")]
    Changed(&'static str),
    /// A status that means nothing here, or 5xx after all retries.
    #[error("unexpected status {0}")]
    Status(u16),
    /// Headers or a body that cannot be right.
    #[error("bad answer: {0}")]
    BadAnswer(&'static str),
    /// The connection broke, or the body broke off, after all retries.
    #[error("the answer broke off")]
    Broken(#[source] reqwest::Error),
    /// The body ended before its end, after all retries.
    #[error("the body ended at byte {at}, before its end")]
    Short {
        /// Offset in the object of the first missing byte.
        at: u64,
    },
    /// A redirect that is not followed.
    #[error("redirect refused: {0}")]
    Redirect(&'static str),
    /// The client is shutting down, or a request could not be built.
    #[error("the request could not be made")]
    Internal,
}

impl Reason {
    /// Whether a server said no, or that there is nothing, rather than failing to answer.
    pub fn is_refusal(&self) -> bool {
        let refused = matches!(self, Self::Status(status) if (400..500).contains(status));
        refused || matches!(self, Self::Unauthorized | Self::Forbidden | Self::Gone(_))
    }

    /// The cause, for those who may not care why.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Unreachable(_) | Self::Certificate(_) | Self::NoTls(_) => Cause::Unreachable,
            Self::TimedOut => Cause::TimedOut,
            Self::Unauthorized
            | Self::NoCredentials
            | Self::Untrusted
            | Self::Forbidden
            | Self::NotTheObject { .. } => Cause::Denied,
            Self::Gone(_) => Cause::Gone,
            Self::Throttled | Self::Resting => Cause::Throttled,
            Self::OverBudget(_) => Cause::OverBudget,
            Self::Changed(_) => Cause::Changed,
            Self::Status(_)
            | Self::BadAnswer(_)
            | Self::Broken(_)
            | Self::Short { .. }
            | Self::Redirect(_) => Cause::BadAnswer,
            Self::Internal => Cause::Internal,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error.reason.cause(), error)
    }
}

/// A client that could not be built.
#[derive(Debug, Error)]
pub enum SetupError {
    /// A `--ca-cert` file without a certificate in PEM form.
    #[error("the CA file holds no certificate in PEM form")]
    CaCert,
    /// The TLS library or the system's trust store refused.
    #[error("cannot set up the HTTP client")]
    Client(#[source] reqwest::Error),
}
