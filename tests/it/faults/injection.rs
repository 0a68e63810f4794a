//! How each fault of the table is made.

use reelfs::sandbox::{Account, Action, Options, Sandbox};
use tokio::runtime::Runtime;

use super::scene::SIZE;
use super::table::Row;
use crate::scripted::{Answer, Asked, Server};

/// What is done to requests: for a file, and for a listing.
pub(super) struct Injection {
    pub(super) file: Option<Action>,
    pub(super) listing: Option<Action>,
    /// To the first request only.
    pub(super) once: bool,
}

/// Other hosts that a redirect can lead to.
pub(super) struct Elsewhere {
    plain: Server,
    untrusted: Sandbox,
    _runtime: Runtime,
}

impl Elsewhere {
    pub(super) fn start() -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let plain =
            runtime.block_on(Server::start(|asked| match asked.path.strip_prefix("/ramp/") {
                Some(seed) => part(&ramp(seed.parse().unwrap()), asked),
                None => Answer::raw(b"\x00\x16\x03\x01 no HTTP at all\r\n\r\n"),
            }));
        let options = Options { tls: true, ..Options::default() };
        let untrusted = runtime.block_on(Sandbox::start_with(options, Account::empty(1))).unwrap();
        Self { plain, untrusted, _runtime: runtime }
    }
}

/// What was asked for, as a store without validators answers.
fn part(object: &[u8], asked: &Asked) -> Answer {
    let (first, last) = asked.range();
    let last = last.min(object.len() - 1);
    let head = format!("206 ok\ncontent-range: bytes {first}-{last}/{}", object.len());
    Answer::whole(&head, &object[first..=last])
}

/// The bytes of the object with this seed.
pub(super) fn ramp(seed: u8) -> Vec<u8> {
    (0..=250_u8).cycle().skip(usize::from(seed)).take(SIZE).collect()
}

/// Whether the host is asked to be left alone, so that it cannot be shared with other rows.
pub(super) fn is_throttling(row: &Row) -> bool {
    row.fault.contains("429") || row.fault.contains("Retry-After")
}

/// Whether a row's operations go one after another: a host that asks each of them once to slow down is
/// spared for longer each time, which is not what the row is about.
pub(super) fn takes_turns(row: &Row) -> bool {
    is_throttling(row) && row.fault.contains("once")
}

fn status(code: u16, retry_after: Option<u32>) -> Action {
    Action::Status { code, body: "as the row demands".to_owned(), retry_after }
}

/// How the fault of a row is made; `link` is the whole link of the file, which is a ramp of `seed`.
pub(super) fn of(row: &Row, elsewhere: &Elsewhere, link: &str, seed: u8) -> Injection {
    let redirect = |to: String| Action::Redirect { to };
    let plain = |path: &str| redirect(elsewhere.plain.base.join(path).unwrap().to_string());
    let always = |file: Action, listing: Action| Injection {
        file: Some(file),
        listing: Some(listing),
        once: false,
    };
    let both = |action: Action| always(action.clone(), action);
    let once = |action: Action| Injection { once: true, ..both(action) };
    let file = |action| Injection { file: Some(action), listing: None, once: false };
    match row.fault.as_str() {
        // A label of 70 letters: refused without asking anybody, so that no network is needed.
        "no such host" => file(redirect(format!("http://{}.example/x", "a".repeat(70)))),
        "certificate not trusted" => {
            file(redirect(format!("{}/x", elsewhere.untrusted.base_url())))
        }
        "reset after some bytes, once" => Injection {
            once: true,
            ..always(Action::Reset { after: 50_000 }, Action::Reset { after: 10 })
        },
        "reset after some bytes, always" => {
            always(Action::Reset { after: 50_000 }, Action::Reset { after: 10 })
        }
        "body ends early, once" => Injection {
            once: true,
            ..always(Action::Short { after: 50_001 }, Action::Short { after: 10 })
        },
        "body ends early, always" => {
            always(Action::Short { after: 50_001 }, Action::Short { after: 10 })
        }
        "body ends before its first byte, always" => both(Action::Short { after: 0 }),
        "body longer than it was said to be" => file(Action::Longer { by: 1000 }),
        "no answer" => both(Action::Delay { millis: 600_000 }),
        "body stalls" => both(Action::Stall { after: 10 }),
        "one byte a second" => both(Action::Drip { rate: 1 }),
        "500 once" => once(status(500, None)),
        "503 always" => both(status(503, None)),
        "503 once, Retry-After: 1" => once(status(503, Some(1))),
        "429 once" => once(status(429, None)),
        "429 once, Retry-After: 1" => once(status(429, Some(1))),
        "429 always" => both(status(429, None)),
        "429 always, Retry-After: 3600" => both(status(429, Some(3600))),
        "401 once" => once(status(401, None)),
        "401 always" => both(status(401, None)),
        "403" => both(status(403, None)),
        "404" => both(status(404, None)),
        "410" => both(status(410, None)),
        "416" => both(status(416, None)),
        "200 for 206" => file(Action::WholeBody),
        "wrong Content-Range" => file(Action::WrongRange { by: 10 }),
        "another total" => file(Action::WrongTotal { by: 1 }),
        "another version" => file(Action::Changed),
        "another object's bytes, with its ETag" => file(Action::Mixed),
        "HTML with 200" => both(Action::Html),
        "JSON error with 200" => both(Action::ErrorObject { code: 260 }),
        "gzip that nobody asked for" => both(Action::ClaimGzip),
        "redirect to another host" => both(plain(&format!("ramp/{seed}"))),
        "redirect loop" => {
            let base = link.split("//").nth(1).and_then(|rest| rest.split('/').next()).unwrap();
            let api =
                format!("http://{base}/platform_api/GetCallHistory/?from_date={}", row.number);
            // The second hop of a listing matches no rule, and is a form without its fields again.
            always(redirect(link.to_owned()), redirect(api))
        }
        "bytes that are no HTTP" => file(plain("noise")),
        "half a page of a listing" => {
            let body = r#"{"result": [{"call_session_history_id": 1"#.to_owned();
            let half = Action::Status { code: 200, body, retry_after: None };
            Injection { file: None, listing: Some(half), once: false }
        }
        other => panic!("no test makes the fault {other:?}"),
    }
}
