//! `GetCallHistory`: its windows and pages, as pure pieces. Asking is done by the parent.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::session;
use crate::types::{Entry, Window};

/// Sessions a page: the most that the API gives.
pub(super) const PAGE: u64 = 1000;

/// The largest `offset` that the API takes.
pub(super) const LARGEST_OFFSET: u64 = 10_000;

/// The shortest span that is still split, in seconds.
const SHORTEST_SPLIT: i64 = 120;

/// A span of time to ask for, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// `from_date`.
    pub(super) from: i64,
    /// `to_date`. Whether the API counts it in is not known, so it is asked for and what does not
    /// belong is dropped.
    pub(super) to: i64,
}

impl Span {
    /// From the first second of `window` to the first second after it.
    pub(super) fn of(window: Window) -> Self {
        let midnight =
            |day: jiff::civil::Date| day.to_zoned(TimeZone::UTC).map(|t| t.timestamp().as_second());
        let from = midnight(window.first).unwrap_or(i64::MIN);
        let to = window.last.tomorrow().and_then(midnight).unwrap_or(i64::MAX);
        Self { from, to }
    }

    /// Two halves that share the second between them; `None` when each would be shorter than a
    /// minute.
    pub(super) fn split(self) -> Option<(Self, Self)> {
        let length = self.to - self.from;
        if length < SHORTEST_SPLIT {
            return None;
        }
        let middle = self.from + length / 2;
        Some((Self { to: middle, ..self }, Self { from: middle, ..self }))
    }
}

/// The fields of one query.
pub(super) fn form(span: Span, offset: u64, count: u64) -> Vec<(&'static str, String)> {
    let date = |second| {
        let time = Timestamp::from_second(second).unwrap_or_default();
        time.strftime("%Y-%m-%d %H:%M:%S").to_string()
    };
    vec![
        ("from_date", date(span.from)),
        ("to_date", date(span.to)),
        ("timezone", "Etc/GMT".to_owned()),
        ("with_calls", "true".to_owned()),
        ("with_records", "true".to_owned()),
        ("with_total_count", "false".to_owned()),
        ("count", count.to_string()),
        ("offset", offset.to_string()),
    ]
}

/// One page of sessions, each as its text: as trees of JSON values a thousand of them take ten times
/// the memory of the answer.
#[derive(Deserialize)]
pub(super) struct Page<'a> {
    #[serde(borrow, rename = "result")]
    sessions: Vec<&'a RawValue>,
    /// How many there are in all; not asked for, but heeded when it is told.
    #[serde(default)]
    total_count: Value,
}

impl Page<'_> {
    /// How many sessions it holds.
    pub(super) fn len(&self) -> u64 {
        self.sessions.len() as u64
    }

    /// Whether nothing follows, when `seen` sessions were seen with this page.
    pub(super) fn is_last(&self, seen: u64) -> bool {
        let short = self.len() < PAGE && self.total_count.as_u64().is_none_or(|all| seen >= all);
        short || self.sessions.is_empty()
    }
}

/// The sessions of a window, gathered page by page: each once, none from outside.
pub(super) struct Listing {
    window: Window,
    entries: BTreeMap<String, Entry>,
    /// How many sessions could not be placed.
    pub(super) skipped: usize,
}

impl Listing {
    /// An empty one.
    pub(super) fn new(window: Window) -> Self {
        Self { window, entries: BTreeMap::new(), skipped: 0 }
    }

    /// Takes in a page. A session that came before is replaced: the later word is the better one.
    pub(super) fn add(&mut self, page: &Page<'_>) {
        for session in &page.sessions {
            let session = serde_json::from_str::<Map<String, Value>>(session.get());
            match session.ok().as_ref().and_then(session::entry) {
                Some(entry) if self.window.contains(entry.day) => {
                    self.entries.insert(entry.id.clone(), entry);
                }
                Some(_) => {}
                None => self.skipped += 1,
            }
        }
    }

    /// The entries in order of their start.
    pub(super) fn into_entries(self) -> Vec<Entry> {
        let mut entries: Vec<_> = self.entries.into_values().collect();
        // Those that began together stay in order of their id.
        entries.sort_by_key(|entry| entry.start);
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use serde_json::json;

    fn page_of(answer: &str) -> Page<'_> {
        serde_json::from_str(answer).unwrap()
    }

    #[test]
    fn a_window_is_asked_for_to_the_second_after_it() {
        let window = Window { first: date(2026, 11, 20), last: date(2026, 11, 21) };
        let form = form(Span::of(window), 2000, PAGE);
        let field = |name| form.iter().find(|(key, _)| *key == name).unwrap().1.as_str();
        assert_eq!(field("from_date"), "2026-11-20 00:00:00");
        assert_eq!(field("to_date"), "2026-11-22 00:00:00");
        assert_eq!(field("timezone"), "Etc/GMT");
        assert_eq!(field("offset"), "2000");
    }

    #[test]
    fn spans_split_down_to_a_minute() {
        let mut span = Span::of(Window::day(date(2026, 11, 21)));
        while let Some((earlier, later)) = span.split() {
            assert_eq!((earlier.from, earlier.to, later.to), (span.from, later.from, span.to));
            span = earlier;
        }
        assert!((60..120).contains(&(span.to - span.from)), "{span:?}");
    }

    #[test]
    fn a_listing_holds_each_session_of_the_window_once() {
        let session =
            |id: u64, start: &str| json!({"call_session_history_id": id, "start_date": start});
        let mut listing = Listing::new(Window::day(date(2026, 11, 21)));
        let first = json!({"result": [
            session(3, "2026-11-21 23:59:59"),
            session(2, "2026-11-21 00:00:00"),
            session(4, "2026-11-22 00:00:00"),
            session(5, "2026-11-20 23:59:59"),
            {"start_date": "2026-11-21 00:00:00"},
            {"call_session_history_id": 6, "start_date": "soon"},
            null,
        ]});
        let second = json!({"result": [
            session(2, "2026-11-21 00:00:00"),
            session(1, "2026-11-21 00:00:00"),
        ]});
        for page in [first, second] {
            listing.add(&page_of(&page.to_string()));
        }
        assert_eq!(listing.skipped, 3);
        let ids: Vec<_> = listing.into_entries().into_iter().map(|entry| entry.id).collect();
        assert_eq!(ids, ["1", "2", "3"]);
    }

    #[test]
    fn a_short_page_is_the_last_unless_more_is_announced() {
        assert!(page_of(r#"{"result": [1, 2]}"#).is_last(2));
        let page = page_of(r#"{"total_count": 3, "result": [1, 2]}"#);
        assert!(!page.is_last(2));
        assert!(page.is_last(3));
        assert!(page_of(r#"{"result": [], "total_count": 3}"#).is_last(2));
    }
}
