//! One request from its arrival to its answer: what it asks for, the log, the faults, the answer.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::json;

use super::Options;
use super::account::{Account, File};
use super::api::{self, ApiError, Parameters};
use super::content::Content;
use super::crowd::Crowd;
use super::faults::{Action, Faults, Rule, Target};
use super::listener::Peer;
use super::log::{Log, LoggedRequest};
use super::media::{self, Ask};
use super::pages;
use super::reply::{Break, Reply};
use super::token::{Access, Denial};

/// Longest form body, in bytes: 1000 session ids fit many times over.
const LONGEST_FORM: usize = 1024 * 1024;

/// What all requests share.
pub(super) struct Server {
    pub(super) options: Options,
    /// Scheme, host and port.
    pub(super) base_url: String,
    pub(super) account: RwLock<Arc<Account>>,
    /// Calls that the account has beside its own.
    pub(super) crowd: Option<Crowd>,
    pub(super) access: Access,
    pub(super) faults: Faults,
    pub(super) log: Log,
}

/// A request that has been read.
struct Call {
    parts: Parts,
    parameters: Parameters,
    account: Arc<Account>,
    target: Target,
    /// For whom the credentials speak.
    caller: Result<u64, Denial>,
}

impl Call {
    fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }
}

/// Answers a request.
pub(super) async fn answer(
    State(server): State<Arc<Server>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    // A form that is too long is none, and then its parameters are missing.
    let form = axum::body::to_bytes(body, LONGEST_FORM).await.unwrap_or_default();
    if let Some(control) = parts.uri.path().strip_prefix("/sandbox/") {
        let reply = server.control(&parts.method, control, &form);
        return reply.send(Arc::default(), peer.reset);
    }
    let (call, logged) = server.read(parts, &form, peer.id);
    let fault = server.faults.next(&logged);
    let progress = server.log.begin(logged);

    let mut wait = server.options.latency;
    if let Some(Action::Delay { millis }) = fault {
        wait += Duration::from_millis(millis);
    }
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    let mut reply = match fault.as_ref().and_then(instead) {
        Some(reply) => reply,
        None => server.reply(&call, fault.as_ref()),
    };
    reply.rate = server.options.rate;
    spoil(&mut reply, fault.as_ref());
    reply.send(progress, peer.reset)
}

impl Server {
    /// The account as it is now.
    pub(super) fn account(&self) -> Arc<Account> {
        self.account.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn read(&self, parts: Parts, form: &[u8], connection: u64) -> (Call, LoggedRequest) {
        let path = parts.uri.path().to_owned();
        let parameters = Parameters::parse(parts.uri.query().unwrap_or_default(), form);
        let mut account = self.account();
        if let Some(crowd) = &self.crowd {
            account = crowd.join(account, &path, &parameters);
        }
        let file = self.file(&account, &path);
        let target = match (api::method(&path, &parameters), file) {
            (Some(method), _) => Target::Api(method),
            (None, Some(file)) => Target::File(file.kind),
            (None, None) if self.options.pages && pages::hold(&path) => Target::Page,
            (None, None) => Target::Unknown,
        };
        let authorization = parts.headers.get(header::AUTHORIZATION).map(|value| {
            // A header that is no text is a malformed token, not a missing one.
            value.to_str().unwrap_or_default()
        });
        let (credential, caller) = self
            .access
            .check(&account, authorization, |name| parameters.get(name).map(str::to_owned));
        // Whoever sees the pages may read all that is on them.
        let caller = if self.options.pages && pages::hold(&path) { Ok(account.id) } else { caller };
        let session = file.map(|file| file.session);
        let record = file.and_then(|file| file.record);
        let is_api = matches!(target, Target::Api(_));
        let call = Call { parts, parameters, account: account.clone(), target, caller };
        let logged = LoggedRequest {
            time: Timestamp::now(),
            method: call.parts.method.to_string(),
            path,
            target: call.target.clone(),
            session,
            record,
            parameters: if is_api { call.parameters.without_secrets() } else { Vec::new() },
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

    /// The file behind a path, by its link or on a page.
    fn file<'a>(&self, account: &'a Account, path: &str) -> Option<&'a File> {
        account.file(path).or_else(|| pages::file(account, path).filter(|_| self.options.pages))
    }

    /// The answer, but for what happens to its body.
    fn reply(&self, call: &Call, fault: Option<&Action>) -> Reply {
        match &call.target {
            Target::Unknown => Reply::text(StatusCode::NOT_FOUND, "Not found"),
            Target::Api(method) => self.api(method, call),
            Target::Page => pages::page(&call.account, call.parts.uri.path(), &call.parts.method),
            Target::File(_) => match self.file(&call.account, call.parts.uri.path()) {
                None => Reply::text(StatusCode::NOT_FOUND, "Not found"),
                Some(file) => {
                    let ask = Ask {
                        method: &call.parts.method,
                        range: call.header(header::RANGE),
                        if_range: call.header(header::IF_RANGE),
                        caller: call.caller,
                    };
                    media::serve(&self.options, &call.account, file, ask, fault)
                }
            },
        }
    }

    fn api(&self, method: &str, call: &Call) -> Reply {
        if call.parts.method != Method::GET && call.parts.method != Method::POST {
            return Reply::text(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
        }
        let caller = match call.caller {
            Ok(caller) => caller,
            Err(denial) => return ApiError::from(denial).reply(),
        };
        let here = call.header(header::HOST).map(|host| {
            let (scheme, _) = self.base_url.split_once("://").unwrap_or(("http", ""));
            format!("{scheme}://{host}")
        });
        let link_base = self.options.link_base.as_deref().or(here.as_deref());
        let context = api::Context {
            options: &self.options,
            account: &call.account,
            caller,
            link_base: link_base.unwrap_or(&self.base_url),
            api_key: self.access.api_key(),
        };
        if method == "SetApplicationInfo" {
            return self.set_application(&call.parameters);
        }
        api::call(method, context, &call.parameters)
    }

    /// The one method that changes something.
    fn set_application(&self, parameters: &Parameters) -> Reply {
        let mut account = self.account.write().unwrap_or_else(PoisonError::into_inner);
        let mut applications = Arc::make_mut(&mut account).applications_mut().iter_mut();
        let id = parameters.get("application_id").unwrap_or_default();
        match applications.find(|application| application.id.to_string() == id) {
            Some(application) => {
                application.secure = parameters.flag("secure_record_storage", application.secure);
                Reply::json(StatusCode::OK, &json!({"result": 1}))
            }
            None => ApiError::new(558, "The application is not found.").reply(),
        }
    }

    /// The control routes, which other programs use that test against the sandbox.
    fn control(&self, method: &Method, route: &str, body: &[u8]) -> Reply {
        match (method.as_str(), route) {
            ("GET", "requests") => Reply::json(StatusCode::OK, &json!(self.log.snapshot())),
            ("DELETE", "requests") => {
                self.log.clear();
                Reply::text(StatusCode::NO_CONTENT, "")
            }
            ("POST", "faults") => match serde_json::from_slice::<Rule>(body) {
                Ok(rule) => {
                    self.faults.add(rule);
                    Reply::text(StatusCode::NO_CONTENT, "")
                }
                Err(error) => Reply::text(StatusCode::BAD_REQUEST, &error.to_string()),
            },
            ("DELETE", "faults") => {
                self.faults.clear();
                Reply::text(StatusCode::NO_CONTENT, "")
            }
            _ => Reply::text(StatusCode::NOT_FOUND, "Not found"),
        }
    }
}

/// The answer that a fault gives in the place of the right one.
pub(super) fn instead(fault: &Action) -> Option<Reply> {
    const LOGIN: &str = "<!doctype html><title>Sign in</title><form>Please sign in.</form>";
    Some(match fault {
        Action::Status { code, body, retry_after } => {
            let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut reply = Reply::text(status, body);
            if let Some(seconds) = retry_after {
                reply.header(header::RETRY_AFTER, &seconds.to_string());
            }
            reply
        }
        Action::Html => {
            let page = Content::bytes(LOGIN);
            Reply::new(StatusCode::OK, "text/html; charset=utf-8", page)
        }
        Action::ErrorObject { code } => {
            let error = json!({"code": code, "msg": "As a rule demands."});
            Reply::json(StatusCode::OK, &json!({"error": error}))
        }
        Action::Redirect { to } => {
            let mut reply = Reply::text(StatusCode::FOUND, "");
            reply.header(header::LOCATION, to);
            reply
        }
        _ => return None,
    })
}

/// What a fault does to the body of an answer.
pub(super) fn spoil(reply: &mut Reply, fault: Option<&Action>) {
    match fault {
        Some(Action::Stall { after }) => reply.breaks = Some((*after, Break::Stall)),
        Some(Action::Reset { after }) => reply.breaks = Some((*after, Break::Reset)),
        Some(Action::Short { after }) => reply.breaks = Some((*after, Break::Close)),
        Some(Action::Drip { rate }) => reply.rate = Some(*rate),
        Some(Action::Longer { by }) if reply.status == StatusCode::PARTIAL_CONTENT => {
            reply.range.end = reply.content.len().min(reply.range.end + by);
            // What `Content-Length` says the HTTP library would hold it to.
            reply.length_known = false;
        }
        Some(Action::ClaimGzip) => reply.header(header::CONTENT_ENCODING, "gzip"),
        _ => {}
    }
}

/// The routes: one, since what a path means depends on the account.
pub(super) fn router(server: Arc<Server>) -> axum::Router {
    axum::Router::new().fallback(answer).with_state(server)
}
