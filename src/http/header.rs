//! What the headers of an answer say, as values: pure functions over text that a server wrote.
//!
//! Nothing here decides what an answer is good for; that is `answer`.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{self, HeaderMap, HeaderName};

use crate::types::Validator;

/// A `Content-Range` in bytes (RFC 9110, 14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentRange {
    /// `bytes first-last/total`: what a 206 carries. `total` is `None` for `*`.
    Part {
        /// Offset of the first byte.
        first: u64,
        /// Offset of the last byte, not before `first`.
        last: u64,
        /// Size of the object, greater than `last`.
        total: Option<u64>,
    },
    /// `bytes */total`: what a 416 says.
    Unsatisfied {
        /// Size of the object.
        total: u64,
    },
}

impl ContentRange {
    /// `None` when the text is not one, or contradicts itself.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (unit, rest) = text.trim().split_once(' ')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (range, total) = rest.trim().split_once('/')?;
        let total = match total {
            "*" => None,
            digits => Some(number(digits)?),
        };
        if range == "*" {
            return Some(Self::Unsatisfied { total: total? });
        }
        let (first, last) = range.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let sane = first <= last && last < u64::MAX && total.is_none_or(|total| last < total);
        sane.then_some(Self::Part { first, last, total })
    }
}

/// Digits and nothing else: `u64::from_str` would take a `+`.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// The text of a header, when it is there and is text.
pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The range that a 206 or 416 names.
pub(super) fn content_range(headers: &HeaderMap) -> Option<ContentRange> {
    text(headers, header::CONTENT_RANGE).and_then(ContentRange::parse)
}

/// The announced length of the body in bytes.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    number(text(headers, header::CONTENT_LENGTH)?.trim())
}

/// The `Content-Type` in lower case, without parameters.
pub(super) fn content_type(headers: &HeaderMap) -> Option<String> {
    let essence = text(headers, header::CONTENT_TYPE)?.split(';').next()?.trim();
    (!essence.is_empty()).then(|| essence.to_ascii_lowercase())
}

/// The `Content-Encoding`, unless it says that there is none.
pub(super) fn content_encoding(headers: &HeaderMap) -> Option<&str> {
    let encoding = text(headers, header::CONTENT_ENCODING)?.trim();
    (!encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity")).then_some(encoding)
}

/// What tells this version of the object from the next.
pub(super) fn validator(headers: &HeaderMap) -> Validator {
    let owned = |name| text(headers, name).map(|value| value.trim().to_owned());
    Validator {
        etag: owned(header::ETAG).filter(|etag| etag.ends_with('"')),
        last_modified: owned(header::LAST_MODIFIED).filter(|date| !date.is_empty()),
    }
}

/// What `If-Range` may carry (RFC 9110, 13.1.5): a strong `ETag`, else the `Last-Modified`.
pub(super) fn if_range(validator: &Validator) -> Option<&str> {
    let strong = validator.etag.as_deref().filter(|etag| !etag.starts_with("W/"));
    strong.or(validator.last_modified.as_deref())
}

/// The server's clock when it answered.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(text(headers, header::DATE)?)
}

/// How long the server asks to wait: `Retry-After` in seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    parse_retry_after(text(headers, header::RETRY_AFTER)?, now)
}

fn parse_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Some(seconds) = number(text) {
        return Some(Duration::from_secs(seconds));
    }
    let wait = http_date(text)?.duration_since(now);
    // A date that has passed asks for no wait.
    Some(Duration::try_from(wait).unwrap_or_default())
}

/// An HTTP date in the one form that is still sent (RFC 9110, 5.6.7).
fn http_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        let part = |first, last, total| Some(ContentRange::Part { first, last, total });
        assert_eq!(ContentRange::parse("bytes 0-9/100"), part(0, 9, Some(100)));
        assert_eq!(ContentRange::parse("Bytes 5-5/*"), part(5, 5, None));
        assert_eq!(ContentRange::parse("bytes */0"), Some(ContentRange::Unsatisfied { total: 0 }));
    }

    #[test]
    fn contradictory_content_ranges_are_not() {
        for text in [
            "",
            "bytes",
            "bytes 0-9",
            "bytes 9-0/100",
            "bytes 0-100/100",
            "bytes */*",
            "bytes -5/9",
            "bytes 0-/9",
            "items 0-9/100",
            "bytes +0-9/100",
            "bytes 0-18446744073709551616/*",
            "bytes 0-18446744073709551615/*",
            "bytes 0x0-9/100",
        ] {
            assert_eq!(ContentRange::parse(text), None, "{text}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2026-11-21T10:00:00Z".parse().unwrap();
        let wait = |text| parse_retry_after(text, now);
        assert_eq!(wait(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sat, 21 Nov 2026 10:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(wait("Sat, 21 Nov 2026 09:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("-1"), None);
    }

    #[test]
    fn if_range_takes_no_weak_etag() {
        let validator = |etag: &str, date: Option<&str>| Validator {
            etag: Some(etag.to_owned()),
            last_modified: date.map(str::to_owned),
        };
        assert_eq!(if_range(&validator("\"a\"", Some("d"))), Some("\"a\""));
        assert_eq!(if_range(&validator("W/\"a\"", Some("d"))), Some("d"));
        assert_eq!(if_range(&validator("W/\"a\"", None)), None);
    }
}
