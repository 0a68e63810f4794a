//! The way in for fuzzers: whether the head of an answer would be believed, without a server.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::answer::{Verdict, Want};

/// What a head that is believed says of its body.
#[derive(Debug)]
pub struct Taken {
    /// Offset in the object of its first byte.
    pub offset: u64,
    /// The byte after its last, where that was said.
    pub end: Option<u64>,
    /// Size of the object, where that was said.
    pub total: Option<u64>,
}

/// Judges an answer to a request for `len` bytes at `offset` of an object of `total` bytes, if that is
/// known. `headers` is one `name: value` a line.
pub fn decode(
    status: u16,
    headers: &[u8],
    offset: u64,
    len: u64,
    total: Option<u64>,
) -> Option<Taken> {
    let line = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(line[..colon].trim_ascii()).ok()?;
        Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
    };
    let headers: HeaderMap = headers.split(|byte| *byte == b'\n').filter_map(line).collect();
    let last = Some(offset.saturating_add(len.max(1) - 1));
    let want = Want { offset, last, total, ..Want::default() };
    match want.judge(StatusCode::from_u16(status).ok()?, &headers, true) {
        Verdict::Data(head) => {
            Some(Taken { offset: head.offset, end: head.end, total: head.total })
        }
        _ => None,
    }
}
