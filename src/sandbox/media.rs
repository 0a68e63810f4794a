//! The links: recordings, logs and transcripts, secure and open, with `Range` as far as the options
//! let it be honoured.

use axum::http::header;
use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use super::Options;
use super::account::{Account, File, Kind};
use super::content::Content;
use super::faults::Action;
use super::range::{Resolved, resolve};
use super::reply::Reply;
use super::token::Denial;

/// What a request for a file says, beside its path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: &'a Method,
    pub(super) range: Option<&'a str>,
    pub(super) if_range: Option<&'a str>,
    /// For which account the credentials speak.
    pub(super) caller: Result<u64, Denial>,
}

/// The answer to a request for `file`. `fault` may spoil what belongs to ranges and content.
pub(super) fn serve(
    options: &Options,
    account: &Account,
    file: &File,
    ask: Ask<'_>,
    fault: Option<&Action>,
) -> Reply {
    if let Some(refusal) = refuse(options, account, file, ask) {
        return refusal;
    }
    let content = match fault {
        Some(Action::Changed | Action::Mixed) => altered(&file.content),
        _ => file.content.clone(),
    };
    let total = content.len();
    let etag = format!("\"{:016x}\"", content.fingerprint());
    let modified = http_date(file.modified);
    let honoured = options.ranges.honours(file.kind) && fault != Some(&Action::WholeBody);
    let same_version = fault == Some(&Action::Mixed)
        || ask.if_range.is_none_or(|seen| seen == etag || seen == modified);
    let wanted = if honoured && same_version && ask.method == Method::GET {
        resolve(ask.range, total)
    } else {
        Resolved::Whole
    };
    let mut reply = Reply::new(StatusCode::OK, file.content_type, content);
    if honoured {
        reply.header(header::ACCEPT_RANGES, "bytes");
    }
    if options.send_etag {
        reply.header(header::ETAG, &etag);
    }
    if options.send_last_modified {
        reply.header(header::LAST_MODIFIED, &modified);
    }
    match wanted {
        Resolved::Whole => reply.length_known = options.send_length,
        Resolved::Part(range) => {
            let (shift, extra) = match fault {
                Some(Action::WrongRange { by }) => (*by, 0),
                Some(Action::WrongTotal { by }) => (0, *by),
                _ => (0, 0),
            };
            let (first, last) = (range.start + shift, range.end - 1 + shift);
            reply.status = StatusCode::PARTIAL_CONTENT;
            reply.header(header::CONTENT_RANGE, &format!("bytes {first}-{last}/{}", total + extra));
            reply.range = range;
        }
        Resolved::Unsatisfiable => {
            reply = Reply::text(StatusCode::RANGE_NOT_SATISFIABLE, "");
            reply.header(header::CONTENT_RANGE, &format!("bytes */{total}"));
        }
    }
    reply
}

/// Why a file is not served, if so.
fn refuse(options: &Options, account: &Account, file: &File, ask: Ask<'_>) -> Option<Reply> {
    if ask.method != Method::GET && !(ask.method == Method::HEAD && options.head) {
        return Some(Reply::text(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"));
    }
    if file.secure {
        match ask.caller {
            Err(_) => {
                return Some(Reply::text(StatusCode::UNAUTHORIZED, "Authorization failed"));
            }
            Ok(caller) => {
                let owned = caller == account.id || caller == file.account;
                if !owned || (file.kind != Kind::Recording && !options.log_roles) {
                    return Some(Reply::text(StatusCode::FORBIDDEN, "Access denied"));
                }
            }
        }
    }
    file.gone.then(|| Reply::text(StatusCode::GONE, "Gone"))
}

/// Another content of the same length.
fn altered(content: &Content) -> Content {
    match content {
        Content::Ramp { seed, len } => Content::ramp(seed.wrapping_add(100), *len),
        _ => Content::ramp(100, content.len()),
    }
}

fn http_date(time: Timestamp) -> String {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&time).unwrap_or_default()
}
