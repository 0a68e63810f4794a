//! Whether the headers of an answer may be believed: a pure decision.
//!
//! Nothing is taken that contradicts the request, itself, or the version that the bytes must
//! belong to. What is not an answer to a range (204, 416, a whole object) is brought into the same
//! form.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{self as names, HeaderMap, HeaderValue};

use super::error::Reason;
use super::header::{self, ContentRange};
use super::retry::Fault;
use crate::types::Validator;

/// The bytes wanted, and what is known of the object.
#[derive(Clone, Debug, Default)]
pub(super) struct Want {
    /// First byte.
    pub(super) offset: u64,
    /// Last byte; `None` is to the end.
    pub(super) last: Option<u64>,
    /// Size of the object, where it is known.
    pub(super) total: Option<u64>,
    /// The version, as far as it is known.
    pub(super) validator: Validator,
    /// Whether only audio or video can be the object.
    pub(super) media: bool,
}

/// What believable headers say: the body holds the object's bytes from `offset` to `end`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) offset: u64,
    pub(super) end: Option<u64>,
    pub(super) total: Option<u64>,
    pub(super) validator: Validator,
    pub(super) content_type: Option<String>,
    /// Whether the HTTP library checks the length of the body.
    pub(super) framed: bool,
}

/// What to do with an answer.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Read the body.
    Data(Head),
    /// The credentials were refused.
    Renew,
    /// The server refuses the range without saying how large the object is: ask for all of it.
    AskWhole,
    /// Ask again; the time is what the server asks for.
    Retry(Reason, Fault, Option<Duration>),
    /// Give up.
    Fail(Reason),
}

impl Want {
    /// The headers to send. `ranged` false asks for the whole object.
    pub(super) fn headers(&self, ranged: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !ranged {
            return headers;
        }
        let range = match self.last {
            Some(last) => format!("bytes={}-{last}", self.offset),
            None => format!("bytes={}-", self.offset),
        };
        let condition = header::if_range(&self.validator);
        for (name, text) in [(names::RANGE, Some(range.as_str())), (names::IF_RANGE, condition)] {
            if let Some(value) = text.and_then(|text| HeaderValue::from_str(text).ok()) {
                headers.insert(name, value);
            }
        }
        headers
    }

    /// Judges the status and headers of an answer to this want.
    pub(super) fn judge(&self, status: StatusCode, headers: &HeaderMap, ranged: bool) -> Verdict {
        let status = status.as_u16();
        match status {
            200 | 204 | 206 | 416 => {}
            401 => return Verdict::Renew,
            403 => return Verdict::Fail(Reason::Forbidden),
            404 | 410 => return Verdict::Fail(Reason::Gone(status)),
            408 | 429 | 500..=599 => {
                let asked = header::retry_after(headers, Timestamp::now());
                return match status {
                    429 => Verdict::Retry(Reason::Throttled, Fault::Throttled, asked),
                    _ => Verdict::Retry(Reason::Status(status), Fault::Broken, asked),
                };
            }
            _ => return Verdict::Fail(Reason::Status(status)),
        }
        if ranged && self.never_told_the_size(status, headers) {
            return Verdict::AskWhole;
        }
        match self.believe(status, headers) {
            Ok(head) => Verdict::Data(head),
            Err(reason) => Verdict::Fail(reason),
        }
    }

    /// Whether this answer to a range leaves open how large the object is, which nobody knows yet.
    fn never_told_the_size(&self, status: u16, headers: &HeaderMap) -> bool {
        match header::content_range(headers) {
            Some(ContentRange::Part { total: None, .. }) => status == 206 && self.total.is_none(),
            None => status == 416,
            _ => false,
        }
    }

    fn believe(&self, status: u16, headers: &HeaderMap) -> Result<Head, Reason> {
        let content_type = header::content_type(headers);
        if let (200 | 206, Some(kind)) = (status, content_type.as_deref())
            && (is_page(kind) || self.media && !may_be_media(kind))
        {
            let content_type = kind.escape_debug().to_string();
            return Err(Reason::NotTheObject { status, content_type });
        }
        if header::content_encoding(headers).is_some() {
            return Err(Reason::BadAnswer("it is compressed, which was not asked for"));
        }
        let length = header::content_length(headers);
        let (offset, end, total) = match status {
            206 => self.part(headers, length)?,
            200 => (0, length, length),
            204 => (0, Some(0), Some(0)),
            _ => self.unsatisfied(headers)?,
        };
        let validator = header::validator(headers);
        if let (Some(known), Some(total)) = (self.total, total)
            && known != total
        {
            return Err(Reason::Changed("another size"));
        }
        // An error's validators, if any, are those of the error.
        if status != 416 && !self.validator.agrees_with(&validator) {
            return Err(Reason::Changed("another ETag or Last-Modified"));
        }
        let framed = length.is_some() || end == Some(offset);
        Ok(Head { offset, end, total, validator, content_type, framed })
    }

    fn part(
        &self,
        headers: &HeaderMap,
        length: Option<u64>,
    ) -> Result<(u64, Option<u64>, Option<u64>), Reason> {
        let Some(ContentRange::Part { first, last, total }) = header::content_range(headers) else {
            return Err(Reason::BadAnswer("206 without a Content-Range that makes sense"));
        };
        if first != self.offset {
            return Err(Reason::BadAnswer("206 with another range than the one asked for"));
        }
        if length.is_some_and(|length| length != last - first + 1) {
            return Err(Reason::BadAnswer("Content-Length and Content-Range disagree"));
        }
        Ok((first, Some(last + 1), total))
    }

    /// 416: the object ends at or before the first byte asked for.
    fn unsatisfied(&self, headers: &HeaderMap) -> Result<(u64, Option<u64>, Option<u64>), Reason> {
        match header::content_range(headers) {
            Some(ContentRange::Unsatisfied { total }) if total <= self.offset => {
                Ok((self.offset, Some(self.offset), Some(total)))
            }
            _ => Err(Reason::BadAnswer("416 for a range that the object has")),
        }
    }
}

fn is_page(content_type: &str) -> bool {
    matches!(content_type, "text/html" | "application/xhtml+xml")
}

/// Whether audio or video can come under this type: under its own, or one that says nothing.
fn may_be_media(content_type: &str) -> bool {
    let (kind, form) = content_type.split_once('/').unwrap_or((content_type, ""));
    match kind {
        "audio" | "video" | "binary" => true,
        "application" => {
            ["octet-stream", "ogg", "mp4", "mpeg", "force-download", "x-download"].contains(&form)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderName;

    fn judge(want: &Want, status: u16, headers: &[(&str, &str)]) -> Verdict {
        let headers = headers
            .iter()
            .map(|(k, v)| (k.parse::<HeaderName>().unwrap(), v.parse::<HeaderValue>().unwrap()))
            .collect();
        want.judge(StatusCode::from_u16(status).unwrap(), &headers, true)
    }

    fn data(want: &Want, status: u16, headers: &[(&str, &str)]) -> (u64, Option<u64>, Option<u64>) {
        match judge(want, status, headers) {
            Verdict::Data(head) => (head.offset, head.end, head.total),
            other => panic!("{other:?}"),
        }
    }

    fn failure(want: &Want, status: u16, headers: &[(&str, &str)]) -> Reason {
        match judge(want, status, headers) {
            Verdict::Fail(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    fn want(offset: u64, last: u64) -> Want {
        Want { offset, last: Some(last), ..Want::default() }
    }

    #[test]
    fn a_part_is_believed_when_it_is_the_one_asked_for() {
        let want = want(10, 19);
        let part = [("content-range", "bytes 10-19/100"), ("content-length", "10")];
        assert_eq!(data(&want, 206, &part), (10, Some(20), Some(100)));
        let unsized_part = [("content-range", "bytes 10-14/*")];
        assert!(matches!(judge(&want, 206, &unsized_part), Verdict::AskWhole));
        let known = Want { total: Some(100), ..want.clone() };
        assert_eq!(data(&known, 206, &unsized_part), (10, Some(15), None));
        for headers in [
            &[][..],
            &[("content-range", "bytes 0-9/100")],
            &[("content-range", "bytes 10-100/100")],
            &[("content-range", "bytes 10-19/100"), ("content-length", "9")],
            &[("content-range", "bytes 10-19/100"), ("content-encoding", "gzip")],
        ] {
            assert!(matches!(failure(&want, 206, headers), Reason::BadAnswer(_)), "{headers:?}");
        }
    }

    #[test]
    fn a_whole_object_starts_at_zero() {
        assert_eq!(data(&want(10, 19), 200, &[("content-length", "30")]), (0, Some(30), Some(30)));
        assert_eq!(data(&want(10, 19), 200, &[]), (0, None, None));
        assert_eq!(data(&want(0, 9), 200, &[("content-length", "0")]), (0, Some(0), Some(0)));
        assert_eq!(data(&want(0, 9), 204, &[]), (0, Some(0), Some(0)));
    }

    #[test]
    fn an_unsatisfied_range_tells_the_size() {
        let at = |offset| want(offset, offset + 9);
        assert_eq!(data(&at(0), 416, &[("content-range", "bytes */0")]), (0, Some(0), Some(0)));
        let beyond = [("content-range", "bytes */7")];
        assert_eq!(data(&at(7), 416, &beyond), (7, Some(7), Some(7)));
        assert!(matches!(failure(&at(6), 416, &beyond), Reason::BadAnswer(_)));
        assert!(matches!(judge(&at(0), 416, &[]), Verdict::AskWhole));
        // An empty html page from a server that describes its own error is no login page.
        let typed = [("content-range", "bytes */0"), ("content-type", "text/html")];
        assert_eq!(data(&at(0), 416, &typed), (0, Some(0), Some(0)));
    }

    #[test]
    fn a_page_is_never_data() {
        let page = [("content-type", "Text/HTML; charset=utf-8"), ("content-length", "9")];
        assert!(matches!(failure(&want(0, 9), 200, &page), Reason::NotTheObject { .. }));
    }

    #[test]
    fn a_text_is_no_recording() {
        let media = Want { media: true, ..want(0, 9) };
        for kind in ["text/plain", "application/json", "text/html", "image/png", "x"] {
            let refused = failure(&media, 200, &[("content-type", kind)]);
            assert!(matches!(refused, Reason::NotTheObject { .. }), "{kind}");
        }
        for kind in ["audio/mpeg", "video/mp4; codecs=x", "application/octet-stream"] {
            data(&media, 200, &[("content-type", kind)]);
        }
        data(&media, 200, &[]);
        data(&want(0, 9), 200, &[("content-type", "text/plain")]);
    }

    #[test]
    fn another_version_is_noticed() {
        let mut want = want(0, 9);
        want.total = Some(100);
        want.validator.etag = Some("\"a\"".to_owned());
        let part = |total| ("content-range", total);
        assert!(matches!(
            failure(&want, 206, &[part("bytes 0-9/101"), ("etag", "\"a\"")]),
            Reason::Changed(_)
        ));
        assert!(matches!(
            failure(&want, 206, &[part("bytes 0-9/100"), ("etag", "\"b\"")]),
            Reason::Changed(_)
        ));
        assert!(matches!(
            failure(&want, 416, &[("content-range", "bytes */0")]),
            Reason::Changed(_)
        ));
        assert_eq!(data(&want, 206, &[part("bytes 0-9/100")]), (0, Some(10), Some(100)));
        let headers = want.headers(true);
        assert_eq!(headers["range"], "bytes=0-9");
        assert_eq!(headers["if-range"], "\"a\"");
        assert!(want.headers(false).is_empty());
    }

    #[test]
    fn statuses_have_their_meaning() {
        let retried = |status| match judge(&want(0, 9), status, &[("retry-after", "3")]) {
            Verdict::Retry(_, fault, asked) => (fault, asked.map(|wait| wait.as_secs())),
            other => panic!("{other:?}"),
        };
        assert_eq!(retried(429), (Fault::Throttled, Some(3)));
        assert_eq!(retried(503), (Fault::Broken, Some(3)));
        assert!(matches!(judge(&want(0, 9), 401, &[]), Verdict::Renew));
        assert!(matches!(failure(&want(0, 9), 403, &[]), Reason::Forbidden));
        assert!(matches!(failure(&want(0, 9), 404, &[]), Reason::Gone(404)));
        assert!(matches!(failure(&want(0, 9), 400, &[]), Reason::Status(400)));
        assert!(matches!(failure(&want(0, 9), 201, &[]), Reason::Status(201)));
    }
}
