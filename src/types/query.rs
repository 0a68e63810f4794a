//! What somebody looks for: how it is written, and whether a file is it. Pure.
//!
//! The same terms are flags of `reelfs find` and names in `.find/`: a flag `--number +1555` is the term
//! `number=+1555` there. All terms must hold; of those with the same name one is enough, but for words,
//! all of which must be there.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use thiserror::Error;

use super::{Area, Object, Window};
use moment::{Moment, seconds};

mod moment;

/// What can be looked for, in the order in which people are told.
pub const TERMS: [&str; 9] = [
    "number",
    "app",
    "direction",
    "since",
    "until",
    "min-duration",
    "max-duration",
    "text",
    "kind",
];

/// Facts that hold a number.
const NUMBERS: [&str; 3] = ["remote_number", "local_number", "destination_number"];

/// Something to look for, as it was written: its name and its value.
pub type Term = (String, String);

/// A term that makes no sense.
#[derive(Debug, Error, PartialEq, Eq)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum QueryError {
    #[error("nothing is looked for")]
    Empty,
    #[error("{0:?} is nothing to look for: it is one of {terms}", terms = TERMS.join(", "))]
    Unknown(String),
    #[error("{name}: {value:?}: expected {expected}")]
    Value { name: String, value: String, expected: &'static str },
    #[error("{0}: no call can match")]
    Never(&'static str),
}

/// What somebody looks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    numbers: Vec<Number>,
    applications: Vec<String>,
    directions: Vec<&'static str>,
    kinds: Vec<Area>,
    since: Option<Moment>,
    until: Option<Moment>,
    shortest: Option<u64>,
    longest: Option<u64>,
    words: Vec<Word>,
}

/// A word, or a phrase, of what was said or is known of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// One word, or several in their order. Has a letter or a digit.
    pub text: String,
    /// Whether the last word may go on: `refund*`.
    pub is_prefix: bool,
}

/// What a number must be like. People write numbers in many ways, so digits alone are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Number {
    /// The digits with which it begins.
    Begins(String),
    /// Digits in it.
    Has(String),
    /// A part of an address without digits, in lower case.
    Spells(String),
}

/// The seconds, since the Unix epoch, in which calls must have begun: from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds {
    first: i64,
    last: i64,
}

impl Query {
    /// A query of terms.
    pub fn of<'a>(terms: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, QueryError> {
        let (mut query, mut any) = (Self::default(), false);
        for (name, value) in terms {
            query.add(name, value)?;
            any = true;
        }
        if any { Ok(query) } else { Err(QueryError::Empty) }
    }

    /// The same query, if a call can match it, as of now.
    pub fn possible(self, now: Timestamp) -> Result<Self, QueryError> {
        let Seconds { first, last } = self.seconds(now);
        let is_empty = self.shortest.zip(self.longest).is_some_and(|(least, most)| least > most);
        Err(QueryError::Never(match () {
            () if first > last => "since is later than until",
            () if first > now.as_second() => "since is yet to come (days and times are UTC)",
            () if is_empty => "min-duration is longer than max-duration",
            () => return Ok(self),
        }))
    }

    /// The query that a name in `.find/` stands for: terms with commas between them. What has no `=` is
    /// words. A comma between quotes is none.
    pub fn named(name: &str) -> Result<Self, QueryError> {
        let mut quoted = false;
        let parts = name.split(|c: char| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        let parts = parts.map(str::trim).filter(|part| !part.is_empty());
        Self::of(parts.map(|part| match part.split_once('=') {
            Some((name, value)) if !name.contains(['"', ' ']) => (name, value),
            _ => ("text", part),
        }))
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), QueryError> {
        let wrong = |expected| QueryError::Value {
            name: name.to_owned(),
            value: value.to_owned(),
            expected,
        };
        let plain = value.trim().trim_matches('"');
        match name {
            "number" => {
                let number =
                    Number::read(plain).ok_or_else(|| wrong("a number or a part of one"))?;
                self.numbers.push(number);
            }
            "app" if !plain.is_empty() => self.applications.push(plain.to_lowercase()),
            "app" => return Err(wrong("the name of an application")),
            "direction" => self.directions.push(match plain {
                "in" | "incoming" | "inbound" => "in",
                "out" | "outgoing" | "outbound" => "out",
                _ => return Err(wrong("in or out")),
            }),
            "since" => self.since = Some(Moment::read(plain).ok_or_else(|| wrong(Moment::FORMS))?),
            "until" => self.until = Some(Moment::read(plain).ok_or_else(|| wrong(Moment::FORMS))?),
            "min-duration" | "max-duration" => {
                let seconds = seconds(plain);
                let seconds = seconds.ok_or_else(|| wrong("a duration such as 90s, 2m or 1h"))?;
                let bound =
                    if name == "min-duration" { &mut self.shortest } else { &mut self.longest };
                *bound = Some(seconds);
            }
            "text" => {
                let words = words(value);
                if words.is_empty() {
                    return Err(wrong("words, or a phrase in quotes"));
                }
                self.words.extend(words);
            }
            "kind" => {
                let area = Area::ALL.into_iter().find(|area| {
                    let name = area.name();
                    *area != Area::Index && (name == plain || name.strip_suffix('s') == Some(plain))
                });
                let area = area.ok_or_else(|| wrong("recordings, logs or transcripts"))?;
                self.kinds.push(area);
            }
            _ => return Err(QueryError::Unknown(name.to_owned())),
        }
        Ok(())
    }

    /// The words that must be in what was said or is known of a call.
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// The days of `shown` on which calls can have begun that are looked for; none where there are none.
    pub fn window(&self, shown: Window, now: Timestamp) -> Option<Window> {
        let Seconds { first, last } = self.seconds(now);
        let day =
            |second| Some(Timestamp::from_second(second).ok()?.to_zoned(TimeZone::UTC).date());
        let first = day(first).map_or(shown.first, |first| first.max(shown.first));
        let last = day(last).map_or(shown.last, |last| last.min(shown.last));
        (first <= last).then_some(Window { first, last })
    }

    /// The days that are asked for, as far as that is said, without those to come.
    pub fn days(&self, now: Timestamp) -> (Option<Date>, Option<Date>) {
        let today = now.to_zoned(TimeZone::UTC).date();
        let Seconds { first, last } = self.seconds(now);
        let day =
            |second| Some(Timestamp::from_second(second).ok()?.to_zoned(TimeZone::UTC).date());
        let last = self.is_dated().then(|| day(last).map_or(today, |last| last.min(today)));
        (day(first), last)
    }

    /// Whether it is said when a call was: then calls without a date are not looked for.
    pub fn is_dated(&self) -> bool {
        self.since.is_some() || self.until.is_some()
    }

    /// When calls must have begun, as of now.
    pub fn seconds(&self, now: Timestamp) -> Seconds {
        let first = self.since.map_or(i64::MIN, |moment| moment.span(now).0);
        let last = self.until.map_or(i64::MAX, |moment| moment.span(now).1);
        Seconds { first, last }
    }

    /// Whether a file can be one of those looked for, as far as its own facts tell; words are of its call.
    pub fn takes(&self, object: &Object) -> bool {
        let facts = &object.attributes;
        let seconds = facts.get("duration").and_then(|text| text.parse::<f64>().ok());
        let is_long_enough = |least: u64| seconds.is_some_and(|length| length >= to_float(least));
        let is_short_enough = |most: u64| seconds.is_some_and(|length| length <= to_float(most));
        let is_any =
            |name: &str, wanted: &dyn Fn(&str) -> bool| facts.get(name).is_some_and(wanted);
        (self.kinds.is_empty() || self.kinds.contains(&object.area))
            && (self.directions.is_empty()
                || is_any("direction", &|known| self.directions.contains(&known)))
            && (self.applications.is_empty()
                || is_any("application", &|known| {
                    let known = known.to_lowercase();
                    self.applications.iter().any(|wanted| is_application(wanted, &known))
                }))
            && (self.numbers.is_empty()
                || NUMBERS.iter().any(|name| {
                    is_any(name, &|known| self.numbers.iter().any(|number| number.is_in(known)))
                }))
            && self.shortest.is_none_or(is_long_enough)
            && self.longest.is_none_or(is_short_enough)
    }
}

/// Whether an application is meant: by its own name, or by the whole one, of which that is the first part.
fn is_application(wanted: &str, known: &str) -> bool {
    wanted == known || wanted.strip_prefix(known).is_some_and(|rest| rest.starts_with('.'))
}

impl Seconds {
    /// Whether a call that began then is meant.
    pub fn holds(self, start: i64) -> bool {
        self.first <= start && start <= self.last
    }
}

impl Number {
    fn read(text: &str) -> Option<Self> {
        let digits = digits(text);
        let letters = text.chars().any(char::is_alphabetic);
        Some(match (digits.is_empty(), letters, text.starts_with('+')) {
            (_, true, _) => Self::Spells(text.to_lowercase()),
            (true, false, _) => return None,
            (false, false, true) => Self::Begins(digits),
            (false, false, false) => Self::Has(digits),
        })
    }

    fn is_in(&self, known: &str) -> bool {
        match self {
            Self::Begins(wanted) => digits(known).starts_with(wanted),
            Self::Has(wanted) => digits(known).contains(wanted),
            Self::Spells(wanted) => known.to_lowercase().contains(wanted),
        }
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Far beyond any call's length, where it would no longer be exact.
fn to_float(seconds: u64) -> f64 {
    u32::try_from(seconds).map_or(f64::INFINITY, f64::from)
}

/// Words and phrases: quotes keep words together, an asterisk at the end lets a word go on. What has no
/// letter and no digit is no word.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    for (at, part) in text.split('"').enumerate() {
        if at % 2 == 1 {
            words.push(Word { text: part.trim().to_owned(), is_prefix: false });
        } else {
            words.extend(part.split_whitespace().map(|word| {
                let stem = word.trim_end_matches('*');
                Word { text: stem.to_owned(), is_prefix: stem.len() < word.len() }
            }));
        }
    }
    words.retain(|word| word.text.chars().any(char::is_alphanumeric));
    words
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.is_prefix { "*" } else { "" };
        write!(f, "{:?}{end}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Content, Facts, NameParts, ObjectId};
    use proptest::prelude::*;

    fn object(area: Area, facts: &[(&'static str, &str)]) -> Object {
        let facts: Facts = facts.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Object {
            id: ObjectId::new("x"),
            area,
            name: NameParts { fields: Vec::new(), id: "x".into(), extension: String::new() },
            content: Content::Inline(bytes::Bytes::new()),
            modified: 0,
            attributes: facts,
            is_gone: false,
        }
    }

    fn query(name: &str) -> Query {
        Query::named(name).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    #[test]
    fn numbers_are_compared_by_their_digits() {
        let takes = |wanted: &str, known: &str| {
            let call = object(Area::Recordings, &[("remote_number", known)]);
            query(&format!("number={wanted}")).takes(&call)
        };
        for wanted in ["+1555", "+1 (555)", "555-123", "1230001", "15551230001"] {
            assert!(takes(wanted, "+15551230001"), "{wanted}");
        }
        assert!(takes("+1555", "1-555-123") && takes("alice", "sip:Alice@example.com"));
        assert!(!takes("+555", "+15551230001") && !takes("5552", "+15551230001"));
        let local = object(Area::Logs, &[("local_number", "+1999")]);
        assert!(
            query("number=999").takes(&local)
                && !query("number=999").takes(&object(Area::Logs, &[]))
        );
    }

    #[test]
    fn all_terms_must_hold_and_one_of_those_with_the_same_name() {
        let facts = [("application", "Support"), ("direction", "in"), ("duration", "120")];
        let call = object(Area::Recordings, &facts);
        for name in [
            "app=support",
            "app=SUPPORT.acme.voximplant.com",
            "app=sales,app=support",
            "direction=incoming,min-duration=2m,max-duration=120",
            "kind=recordings",
            "kind=log,kind=recording",
        ] {
            assert!(query(name).takes(&call), "{name}");
        }
        for name in
            ["app=supp", "direction=out", "min-duration=121", "max-duration=1m", "kind=logs"]
        {
            assert!(!query(name).takes(&call), "{name}");
        }
        assert!(
            !query("min-duration=0").takes(&object(Area::Logs, &[])),
            "its length is not known"
        );
    }

    #[test]
    fn names_are_terms_with_commas_between_them() {
        let terms = [("number", "+1555"), ("text", "refund money"), ("since", "7d")];
        assert_eq!(query("number=+1555,text=refund money, since=7d"), Query::of(terms).unwrap());
        assert_eq!(query("refund"), Query::of([("text", "refund")]).unwrap());
        let phrase = query("\"credit, card\",app=a");
        assert_eq!(phrase.words(), [Word { text: "credit, card".into(), is_prefix: false }]);
        assert_eq!(query("text=a=b").words().len(), 1);
    }

    #[test]
    fn words_phrases_and_beginnings_are_told_apart() {
        let told =
            |text: &str| words(text).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(told(r#"refund* "credit card" - ** now"#), r#""refund"* "credit card" "now""#);
        assert_eq!(told(r#""an open quote"#), r#""an open quote""#);
        assert_eq!(told(r#"a"b c"d"#), r#""a" "b c" "d""#);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        assert_eq!(Query::named(" , "), Err(QueryError::Empty));
        assert_eq!(Query::named("sicne=7d"), Err(QueryError::Unknown("sicne".into())));
        for name in [
            "number=",
            "number=()",
            "app=",
            "direction=up",
            "since=soon",
            "since=-7d",
            "until=2026-13-01",
            "min-duration=long",
            "text=",
            "kind=index",
            "*",
            "\"\"",
        ] {
            let error = Query::named(name).unwrap_err();
            assert!(matches!(error, QueryError::Value { .. }), "{name}: {error}");
        }
    }

    #[test]
    fn what_no_call_can_match_is_told() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let never = |name: &str| query(name).possible(now).map(drop);
        for (name, why) in [
            ("since=today,until=yesterday", "since is later than until"),
            ("since=2h,until=2026-11-21T09:59", "since is later than until"),
            ("since=2026-11-22", "since is yet to come (days and times are UTC)"),
            ("min-duration=2m,max-duration=1m", "min-duration is longer than max-duration"),
        ] {
            assert_eq!(never(name), Err(QueryError::Never(why)), "{name}");
        }
        for name in
            ["since=today,until=today", "until=2026-12-31", "min-duration=60,max-duration=1m"]
        {
            assert_eq!(never(name), Ok(()), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_a_query_or_an_error(name in ".{0,60}") {
            if let Ok(query) = Query::named(&name) {
                let now = Timestamp::UNIX_EPOCH;
                let shown = Window { first: Date::MIN, last: Date::MAX };
                let _ = query.window(shown, now);
                let _ = query.takes(&object(Area::Logs, &[("duration", "x")]));
            }
        }
    }
}
