//! One try of one request: the connection, the credentials, the redirects.
//!
//! It does not retry and judges no answer; `api` and `range` do. At most `connections` transfers are
//! under way at once, each holding its pass from the first try to the last byte; calls of an API have
//! passes of their own, so that a listing does not wait for transfers that hang.

use std::error::Error as _;
use std::io;
use std::iter::successors;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Certificate, ClientBuilder, Method, redirect};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::rustls;
use tracing::{debug, warn};
use url::Url;

use super::credentials::{Credentials, Draft, Stamp};
use super::error::{Ask, Error, Reason, SetupError};
use super::gate::{Gate, Pass};
use super::header as headers;
use super::limiter::{Limiter, Permit};
use super::policy::{HostPolicy, is_loopback};
use super::quota::{Budget, Left, Quota};
use super::redirect::{MOST_HOPS, next_hop, strip};
use super::retry::{Fault, Schedule};
use crate::metrics::{Errand, Metrics};
use crate::source::Urgency;

/// The gate for calls of an API is one for so many transfers: six calls fit, which are short. Listings
/// come page after page, and vendors take it ill when many are asked for at once.
const API_CONNECTIONS: usize = 2;

/// How a [`Client`] behaves.
pub struct Settings {
    /// Long transfers under way at once, at least 1; or twice as many requests for a block or
    /// less. Calls of an API come on top.
    pub connections: usize,
    /// The deadline of one operation, retries included.
    pub timeout: Duration,
    /// Who may get the credentials.
    pub policy: HostPolicy,
    /// What proves who asks; `None` asks without.
    pub credentials: Option<Credentials>,
    /// Certificates in PEM form that are trusted besides the system's.
    pub ca_certs: Vec<Vec<u8>>,
    /// The `User-Agent`.
    pub user_agent: String,
}

/// The HTTP client. Clones share connections, permits and credentials.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    http: reqwest::Client,
    /// For this machine's own addresses: a proxy has no business there, and would see what is sent
    /// over plain http.
    direct: reqwest::Client,
    policy: HostPolicy,
    credentials: Option<Credentials>,
    gate: Arc<Gate>,
    /// For calls of an API.
    api_gate: Arc<Gate>,
    metrics: Arc<Metrics>,
    limiter: Limiter,
    budget: Budget,
    timeout: Duration,
}

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Call<'a> {
    /// An API's answer to a POST form.
    Form(&'a [(String, String)]),
    /// An API's answer to a GET.
    Query,
    /// An object.
    Media,
    /// An object that is said to ask for no authorization: it gets none.
    Open,
    /// What is said of an object, without its bytes.
    Head,
}

/// The headers of an answer have come; its body is still to be read.
pub(super) struct Reply {
    pub(super) response: reqwest::Response,
    /// Of the host that answers, until the body is read.
    pub(super) permit: Permit,
    /// What the request that led to this answer carried.
    pub(super) stamp: Option<Stamp>,
    /// How far the server's clock is ahead of ours.
    pub(super) server_ahead: Option<SignedDuration>,
}

impl Client {
    /// Builds a client; opens no connection.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let mut roots = Vec::new();
        for pem in &settings.ca_certs {
            let bundle = Certificate::from_pem_bundle(pem).map_err(|_| SetupError::CaCert)?;
            if bundle.is_empty() {
                return Err(SetupError::CaCert);
            }
            roots.extend(bundle);
        }
        let connections = settings.connections.max(1);
        let builder = || {
            reqwest::Client::builder()
                .user_agent(&settings.user_agent)
                // Bulk bytes come faster over several connections than over one.
                .http1_only()
                .redirect(redirect::Policy::none())
                .referer(false)
                .connect_timeout(stall_limit(settings.timeout))
                .pool_max_idle_per_host(connections * 2)
                .tcp_nodelay(true)
        };
        Ok(Self {
            shared: Arc::new(Shared {
                http: build(builder, &roots)?,
                direct: build(|| builder().no_proxy(), &roots)?,
                policy: settings.policy,
                credentials: settings.credentials,
                gate: Gate::new(connections),
                api_gate: Gate::new(connections.min(API_CONNECTIONS)),
                metrics: Arc::default(),
                limiter: Limiter::default(),
                budget: Budget::default(),
                timeout: settings.timeout,
            }),
        })
    }

    /// Where this client counts.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.shared.metrics
    }

    /// When the token in use was minted and when it runs out; none where the credentials are no
    /// tokens.
    pub fn token(&self) -> Option<(Timestamp, Timestamp)> {
        self.shared.credentials.as_ref()?.token()
    }

    /// The deadline of one operation.
    pub fn timeout(&self) -> Duration {
        self.shared.timeout
    }

    /// Whether there are credentials, for whichever hosts.
    pub(super) fn has_credentials(&self) -> bool {
        self.shared.credentials.is_some()
    }

    /// From now on no more than `quota` says are made a day, of the requests that carry credentials,
    /// or of all where there are none. Those made so far count.
    pub fn limit(&self, quota: Quota) {
        self.shared.budget.limit(quota);
    }

    /// What is left of the day's budget; `None` where there is no limit. Looks at the disk.
    pub fn left(&self) -> Option<Left> {
        self.shared.budget.left()
    }

    /// How long a server may send nothing before it is asked again.
    pub(super) fn stall(&self) -> Duration {
        stall_limit(self.shared.timeout)
    }

    /// The right to have one transfer of `bytes` bytes under way.
    pub(super) async fn pass(
        &self,
        bytes: u64,
        urgency: &Urgency,
        ask: &Ask,
        deadline: Instant,
    ) -> Result<Pass, Error> {
        self.pass_of(&self.shared.gate, bytes, urgency, ask, deadline).await
    }

    /// The right to have one call of an API under way.
    pub(super) async fn api_pass(
        &self,
        urgency: &Urgency,
        ask: &Ask,
        deadline: Instant,
    ) -> Result<Pass, Error> {
        self.pass_of(&self.shared.api_gate, 0, urgency, ask, deadline).await
    }

    async fn pass_of(
        &self,
        gate: &Arc<Gate>,
        bytes: u64,
        urgency: &Urgency,
        ask: &Ask,
        deadline: Instant,
    ) -> Result<Pass, Error> {
        let pass = timeout_at(deadline, gate.pass(bytes, urgency)).await;
        let mut pass = pass.map_err(|_| Error::new(ask, Reason::TimedOut))?;
        pass.counted = Some(self.metrics().in_flight());
        Ok(pass)
    }

    /// Sends a request, and follows its redirects, until the headers of an answer are there.
    ///
    /// Each hop gets the credentials if the policy says so, freshly applied. `ask` counts the
    /// attempt and follows the host.
    pub(super) async fn send(
        &self,
        url: &Url,
        headers: &HeaderMap,
        call: Call<'_>,
        urgency: &Urgency,
        ask: &mut Ask,
        until: Instant,
    ) -> Result<Reply, Error> {
        ask.attempt += 1;
        let mut url = self.clean(url.clone());
        for _ in 0..=MOST_HOPS {
            ask.set_host(&url);
            let form = match call {
                Call::Form(fields) => Some(fields.to_vec()),
                Call::Query | Call::Media | Call::Open | Call::Head => None,
            };
            let draft = Draft { url: url.clone(), headers: headers.clone(), form };
            let Reply { response, permit, stamp, server_ahead } =
                self.hop(draft, call, urgency, ask, until).await?;
            let location = headers::text(response.headers(), header::LOCATION);
            let next = next_hop(&url, response.status(), location);
            match next.map_err(|reason| Error::new(ask, reason))? {
                None => {
                    server_ahead.inspect(|ahead| self.metrics().clock(*ahead));
                    return Ok(Reply { response, permit, stamp, server_ahead });
                }
                // What an API answers is believed: it must come from a host that is trusted.
                Some(next)
                    if matches!(call, Call::Form(_) | Call::Query)
                        && !self.shared.policy.allows(&next) =>
                {
                    return Err(Error::new(ask, Reason::Redirect("it leads to another host")));
                }
                Some(next) => url = self.clean(next),
            }
        }
        Err(Error::new(ask, Reason::Redirect("there are too many in a row")))
    }

    /// An address without what is not for the server, and without credentials in it.
    fn clean(&self, mut url: Url) -> Url {
        strip(&mut url);
        if let Some(credentials) = &self.shared.credentials {
            let allowed = self.shared.policy.allows(&url);
            credentials.forget(&mut url, allowed);
        }
        url
    }

    async fn hop(
        &self,
        mut draft: Draft,
        call: Call<'_>,
        urgency: &Urgency,
        ask: &Ask,
        until: Instant,
    ) -> Result<Reply, Error> {
        let shared = &self.shared;
        let failed = |reason| Error::new(ask, reason);
        let late = |_| failed(Reason::TimedOut);
        let permit = shared.limiter.permit(&ask.host, urgency, until).await.map_err(failed)?;
        let is_the_vendors = shared.policy.allows(&draft.url);
        if is_the_vendors || shared.credentials.is_none() {
            let spent = timeout_at(until, shared.budget.spend(urgency)).await;
            spent.map_err(late)?.map_err(failed)?;
        }
        let stamp = match &shared.credentials {
            Some(credentials) if call != Call::Open && is_the_vendors => {
                // A renewal may hang on the disk that holds the key.
                Some(timeout_at(until, credentials.apply(&mut draft)).await.map_err(late)?)
            }
            _ => None,
        };
        draft.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let local = draft.url.host().is_some_and(|host| is_loopback(&host));
        let http = if local { &shared.direct } else { &shared.http };
        let request = match draft.form {
            Some(fields) => http.request(Method::POST, draft.url).form(&fields),
            None if call == Call::Head => http.request(Method::HEAD, draft.url),
            None => http.request(Method::GET, draft.url),
        };
        let api = matches!(call, Call::Form(_) | Call::Query);
        shared.metrics.requested(if api { Errand::Api } else { Errand::Media });
        let sent = timeout_at(until, request.headers(draft.headers).send()).await;
        if !matches!(&sent, Ok(Ok(response)) if response.status().as_u16() < 400) {
            shared.metrics.refused();
        }
        let response = sent.map_err(late)?.map_err(|error| failed(broken(error)))?;
        debug!("{ask}: {}", response.status());
        let now = Timestamp::now();
        let retry_after = headers::retry_after(response.headers(), now);
        permit.answered(response.status().as_u16(), retry_after);
        let server_ahead = headers::date(response.headers()).map(|date| date.duration_since(now));
        Ok(Reply { response, permit, stamp, server_ahead })
    }

    /// The vendor asked to slow down in words of its own.
    pub(super) fn complained(&self, ask: &Ask, asked: Option<Duration>) {
        self.shared.limiter.complained(&ask.host, asked);
    }

    /// Replaces the credentials that were refused. False when the request carried none, so that
    /// renewing can cure nothing, or when it is not done by the deadline.
    pub(super) async fn renew(
        &self,
        stamp: Option<&Stamp>,
        server_ahead: Option<SignedDuration>,
        deadline: Instant,
    ) -> bool {
        match (&self.shared.credentials, stamp) {
            (Some(credentials), Some(stamp)) => {
                let renewal = credentials.renew(stamp, server_ahead);
                timeout_at(deadline, renewal).await.unwrap_or(false)
            }
            _ => false,
        }
    }

    /// Waits as the schedule says. False when there shall be no other try.
    pub(super) async fn pause(
        &self,
        schedule: &mut Schedule,
        fault: Fault,
        asked: Option<Duration>,
        deadline: Instant,
    ) -> bool {
        let jitter = rand::random_range(0.0..1.0);
        let Some(wait) = schedule.next(fault, asked, jitter, Instant::now(), deadline) else {
            return false;
        };
        debug!(?fault, ?wait, "asking again");
        sleep(wait).await;
        true
    }
}

/// How long a server may send nothing: short enough for another try within the deadline, and no
/// longer than a working server ever needs.
fn stall_limit(timeout: Duration) -> Duration {
    (timeout / 3).min(Duration::from_secs(15))
}

/// The reason that a library error stands for.
pub(super) fn broken(error: reqwest::Error) -> Reason {
    let error = error.without_url();
    if error.is_connect() && tls_says(&error, is_untrusted) {
        Reason::Certificate(error)
    } else if error.is_connect() && tls_says(&error, is_no_tls) {
        Reason::NoTls(error)
    } else if error.is_connect() {
        Reason::Unreachable(error)
    } else if error.is_builder() {
        Reason::Internal
    } else if error.is_timeout() {
        Reason::TimedOut
    } else {
        Reason::Broken(error)
    }
}

/// Whether TLS failed for what `is_it` takes.
fn tls_says(error: &reqwest::Error, is_it: fn(&rustls::Error) -> bool) -> bool {
    let causes = successors(error.source(), |&error| error.source());
    causes.filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|error| holds(error, is_it))
}

/// An I/O error shows as its source what its content has as one, so that the content itself has to be
/// looked at: TLS' own error, or one more I/O error around it.
fn holds(error: &io::Error, is_it: fn(&rustls::Error) -> bool) -> bool {
    error.get_ref().is_some_and(|content| {
        content.downcast_ref().is_some_and(is_it)
            || content.downcast_ref().is_some_and(|inner| holds(inner, is_it))
    })
}

/// What is told of a certificate that is not trusted.
fn is_untrusted(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(_))
}

/// What is told of a server that answers in the clear: its first bytes are no record of TLS.
fn is_no_tls(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType))
}

/// Whether another try may cure `reason`.
pub(super) fn fault(reason: &Reason) -> Option<Fault> {
    match reason {
        Reason::Unreachable(_) => Some(Fault::Unreachable),
        Reason::Throttled => Some(Fault::Throttled),
        Reason::TimedOut
        | Reason::Broken(_)
        | Reason::Short { .. }
        | Reason::Status(408 | 500..=599) => Some(Fault::Broken),
        _ => None,
    }
}

fn build(
    builder: impl Fn() -> ClientBuilder,
    roots: &[Certificate],
) -> Result<reqwest::Client, SetupError> {
    match builder().tls_certs_merge(roots.iter().cloned()).build() {
        Ok(client) => Ok(client),
        // A machine without any CA certificates can still talk to this machine.
        Err(error) if roots.is_empty() => {
            warn!("no CA certificates on this machine (package ca-certificates): https will fail");
            let bare = builder().tls_certs_only([]).build();
            bare.map_err(|_| SetupError::Client(error.without_url()))
        }
        Err(error) => Err(SetupError::Client(error.without_url())),
    }
}
