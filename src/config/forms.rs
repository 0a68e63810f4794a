//! The forms in which people write days, spans, durations, sizes and addresses.

use std::time::Duration;

use bytesize::ByteSize;
use jiff::civil::Date;
use jiff::{SignedDuration, Span};
use url::Url;

use super::{Since, StandIn};

/// Reads `2026-08-21`, `3months`, `90d`, `2 weeks`, `1y`.
pub fn since(text: &str) -> Result<Since, String> {
    if let Ok(date) = text.parse() {
        return Ok(Since::Day(date));
    }
    match text.parse::<Span>() {
        Ok(span) if span.is_positive() && span.get_years() <= 100 => Ok(Since::Ago(span)),
        _ => Err("expected a day such as 2026-08-21, or a span such as 3months, 90d, 1y".into()),
    }
}

/// Reads `generated`, `bench` or `million`.
pub fn stand_in(text: &str) -> Result<StandIn, String> {
    match text {
        "generated" => Ok(StandIn::Generated),
        "bench" => Ok(StandIn::Bench),
        "million" => Ok(StandIn::Million),
        _ => Err("expected generated, bench or million".into()),
    }
}

/// Reads a day.
pub fn day(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "expected a day such as 2026-08-21".into())
}

/// Reads `10s`, `500ms`, `2min`, or a number of seconds; more than nothing.
pub fn duration(text: &str) -> Result<Duration, String> {
    match duration_or_none(text) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("expected a duration such as 10s, 500ms or 60 (seconds)".into()),
    }
}

/// Reads a duration that may be 0.
pub fn duration_or_none(text: &str) -> Result<Duration, String> {
    let seconds = || text.parse().ok().and_then(|n| Duration::try_from_secs_f64(n).ok());
    let friendly = || Duration::try_from(text.parse::<SignedDuration>().ok()?).ok();
    let expected = "expected a duration such as 50ms, 10s or 60 (seconds)";
    seconds().or_else(friendly).ok_or_else(|| expected.into())
}

/// Reads how often to poll: a second or more, or 0.
pub fn poll(text: &str) -> Result<Duration, String> {
    match duration_or_none(text) {
        Ok(every) if every.is_zero() || every >= Duration::from_secs(1) => Ok(every),
        _ => Err("expected a duration of at least 1s, or 0 for never".into()),
    }
}

/// Reads `256MiB`, `20MB`, `1G`, or a number of bytes; at least 1.
pub fn size(text: &str) -> Result<u64, String> {
    match text.parse::<ByteSize>() {
        Ok(size) if size.as_u64() > 0 => Ok(size.as_u64()),
        _ => Err("expected a size such as 256MiB, 20MB or 1048576 (bytes)".into()),
    }
}

/// Reads a size that may be 0.
pub fn size_or_none(text: &str) -> Result<u64, String> {
    if text == "0" { Ok(0) } else { size(text) }
}

/// Reads a span of time such as `7d`, `2weeks`, `1month`; more than nothing.
pub fn span(text: &str) -> Result<Span, String> {
    match text.parse::<Span>() {
        Ok(span) if span.is_positive() => Ok(span),
        _ => Err("expected a span such as 7d, 2weeks or 1month".into()),
    }
}

/// Reads a size for the cache in memory: at least 16 MiB, so that a few reads fit side by side.
pub fn memory(text: &str) -> Result<ByteSize, String> {
    match size(text)? {
        bytes if bytes >= ByteSize::mib(16).as_u64() => Ok(ByteSize::b(bytes)),
        _ => Err("expected at least 16MiB".into()),
    }
}

/// Reads the base address of an API.
pub fn api_url(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err("expected an address such as https://api.example.com".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn days_are_given_as_such_or_as_spans() {
        let today = date(2026, 11, 22);
        assert_eq!(since("2026-08-01").unwrap().day(today), date(2026, 8, 1));
        assert_eq!(since("3months").unwrap().day(today), date(2026, 8, 22));
        assert_eq!(since("90d").unwrap().day(today), date(2026, 8, 24));
        assert_eq!(since("1y").unwrap().day(today), date(2025, 11, 22));
        for wrong in ["", "yesterday", "-3months", "0d", "2026-13-01"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_and_sizes_are_read_as_people_write_them() {
        assert_eq!(duration("10s").unwrap(), Duration::from_secs(10));
        assert_eq!(duration("60").unwrap(), Duration::from_secs(60));
        assert_eq!(duration("50ms").unwrap(), Duration::from_millis(50));
        assert_eq!(size("256MiB").unwrap(), 256 << 20);
        assert_eq!(size("20MB").unwrap(), 20_000_000);
        for wrong in ["", "0", "-1s", "soon", "1e400", "NaN"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(size("0").is_err() && size("much").is_err());
    }
}
