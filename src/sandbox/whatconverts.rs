//! The stand-in's other vendor: WhatConverts' API and its recordings, on the same address as
//! Voximplant's.
//!
//! Where the vendor's pages are silent, it does the thing that is harder for a client: no `Range`, no
//! HEAD, no length and no validators unless told otherwise, a login page with status 200 for a wrong
//! token, and redirects that hand on the query.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::json;

use super::account::Kind;
use super::api::Parameters;
use super::content::Content;
use super::faults::{Action, Target};
use super::listener::Peer;
use super::log::LoggedRequest;
use super::reply::Reply;
use super::server::{Server, instead, spoil};
use super::token::Credential;
use keys::{Caller, Keys};

mod agency;
mod generate;
mod keys;
mod lead;
mod leads;
mod recording;

pub use agency::{Agency, Audio, Lead, LeadKind, NewLead, Profile};

/// How the WhatConverts side behaves. By default recordings come without anything that HTTP could
/// offer beyond the bytes.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches that have nothing to do with each other"
)]
pub struct Behaviour {
    /// Whether recordings honour `Range`.
    pub ranges: bool,
    /// Whether recordings answer to HEAD; otherwise 405.
    pub head: bool,
    /// Whether a whole recording comes with its `Content-Length`; otherwise it is chunked.
    pub send_length: bool,
    /// Whether recordings have an `ETag`.
    pub validators: bool,
    /// A recording that is asked for with a `Range` is refused: 416 without a word on its size.
    pub refuse_ranges: bool,
    /// How many requests a key has; then 429.
    pub daily_quota: Option<u32>,
    /// Recordings are redirected to this name for the same machine (`localhost`), with the query
    /// that came.
    pub storage_host: Option<String>,
    /// New leads seem to come in while a listing is paged through: each page begins with the last
    /// lead of the one before.
    pub shifting_pages: bool,
}

/// What the requests to this vendor share.
pub(super) struct Desk {
    server: Arc<Server>,
    agency: RwLock<Arc<Agency>>,
    keys: Keys,
    used: AtomicU32,
}

impl Desk {
    pub(super) fn new(server: Arc<Server>, agency: Agency) -> Arc<Self> {
        let agency = RwLock::new(Arc::new(agency));
        Arc::new(Self { server, agency, keys: Keys::generate(), used: AtomicU32::new(0) })
    }

    /// The agency as it is now.
    pub(super) fn agency(&self) -> Arc<Agency> {
        self.agency.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Agency) -> T) -> T {
        let mut agency = self.agency.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut agency))
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    fn behaviour(&self) -> &Behaviour {
        &self.server.options.whatconverts
    }
}

/// A request that has been read.
struct Call {
    parts: Parts,
    parameters: Parameters,
    agency: Arc<Agency>,
    /// Scheme, host and port under which the client came.
    here: String,
    caller: Option<Caller>,
    /// Whether there were credentials at all.
    tried: bool,
}

impl Call {
    fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// The agency's profiles that the caller may see.
    fn sees(&self, profile: usize) -> bool {
        self.caller == Some(Caller::Master) || profile == 0
    }
}

/// The routes.
pub(super) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/api/v1/{*rest}", axum::routing::any(answer))
        .route("/recording/{*rest}", axum::routing::any(answer))
        .route("/storage/{*rest}", axum::routing::any(answer))
        .with_state(desk)
}

async fn answer(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let (call, logged) = desk.read(parts, peer.id);
    let server = &desk.server;
    let fault = server.faults.next(&logged);
    let progress = server.log.begin(logged);
    let mut wait = server.options.latency;
    if let Some(Action::Delay { millis }) = fault {
        wait += Duration::from_millis(millis);
    }
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    let mut reply =
        fault.as_ref().and_then(instead).unwrap_or_else(|| desk.reply(&call, fault.as_ref()));
    reply.rate = server.options.rate;
    spoil(&mut reply, fault.as_ref());
    reply.send(progress, peer.reset)
}

impl Desk {
    fn read(&self, parts: Parts, connection: u64) -> (Call, LoggedRequest) {
        let agency = self.agency();
        let path = parts.uri.path().to_owned();
        let parameters = Parameters::parse(parts.uri.query().unwrap_or_default(), &[]);
        let (target, lead) = match path.strip_prefix("/api/v1/") {
            Some("recording") => {
                let lead = parameters.get("lead_id").and_then(|id| id.parse().ok());
                (Target::File(Kind::Recording), lead)
            }
            Some(method) => (Target::Api(method.split('/').next().unwrap_or("").to_owned()), None),
            None => {
                let found = path.split('/').nth(2).and_then(|id| agency.audio(id));
                (Target::File(Kind::Recording), found.map(|(lead, _)| lead.id))
            }
        };
        let authorization = parts.headers.get(header::AUTHORIZATION);
        let (credential, caller) = match (authorization, parameters.get("token")) {
            (Some(value), _) => {
                (Credential::Basic, self.keys.basic(value.to_str().unwrap_or_default()))
            }
            (None, Some(token)) => (Credential::Token, self.keys.token(token)),
            (None, None) => (Credential::None, None),
        };
        let scheme = self.server.base_url.split_once("://").map_or("http", |(scheme, _)| scheme);
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let here = match host {
            Some(host) => format!("{scheme}://{host}"),
            None => self.server.base_url.clone(),
        };
        let tried = credential != Credential::None;
        let call = Call { parts, parameters, agency, here, caller, tried };
        let logged = LoggedRequest {
            time: Timestamp::now(),
            method: call.parts.method.to_string(),
            path,
            target,
            session: lead,
            record: None,
            parameters: call.parameters.without_secrets(),
            range: call.header(header::RANGE).map(str::to_owned),
            if_range: call.header(header::IF_RANGE).map(str::to_owned),
            credential,
            user_agent: call.header(header::USER_AGENT).map(str::to_owned),
            connection,
            status: 0,
            sent: 0,
        };
        (call, logged)
    }

    fn reply(&self, call: &Call, fault: Option<&Action>) -> Reply {
        let path = call.parts.uri.path();
        if path.starts_with("/storage/") {
            return recording::from_storage(self.behaviour(), call);
        }
        let used = self.used.fetch_add(1, Ordering::Relaxed);
        if self.behaviour().daily_quota.is_some_and(|quota| used >= quota) {
            return error(StatusCode::TOO_MANY_REQUESTS, "Too many requests.");
        }
        let Some(method) = path.strip_prefix("/api/v1/") else {
            return recording::by_link(self.behaviour(), call, fault);
        };
        if call.caller.is_none() || call.header(header::AUTHORIZATION).is_none() {
            let told =
                if call.tried { "Authentication failed." } else { "Authentication not provided." };
            return error(StatusCode::UNAUTHORIZED, told);
        }
        match method.split('/').collect::<Vec<_>>()[..] {
            ["recording"] => recording::by_lead(self.behaviour(), call, fault),
            ["leads"] => leads::list(self.behaviour(), call),
            ["leads", id] => leads::one(call, id),
            ["accounts"] if call.caller == Some(Caller::Master) => leads::accounts(call),
            ["accounts", id, "profiles"] if call.caller == Some(Caller::Master) => {
                leads::profiles(call, id)
            }
            ["accounts", ..] => error(StatusCode::FORBIDDEN, "A Master key is required."),
            _ => page(StatusCode::NOT_FOUND, "Not found"),
        }
    }
}

/// The vendor's form of an error.
fn error(status: StatusCode, message: &str) -> Reply {
    Reply::json(status, &json!({"error_message": message}))
}

/// An HTML page.
fn page(status: StatusCode, title: &str) -> Reply {
    let text = format!("<!doctype html><title>{title}</title><h1>{title}</h1>");
    Reply::new(status, "text/html; charset=utf-8", Content::bytes(text))
}
