//! When a call was and how long, as people write it. Pure.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, ToSpan as _};

use crate::types::UNDATED;

/// A moment as people write it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    Day(Date),
    Time(Timestamp),
    /// So long ago: to the day, or to the second where it counts hours or less.
    Ago(Span),
}

impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Day(a), Self::Day(b)) => a == b,
            (Self::Time(a), Self::Time(b)) => a == b,
            (Self::Ago(a), Self::Ago(b)) => a.fieldwise() == b.fieldwise(),
            _ => false,
        }
    }
}

impl Moment {
    /// What can be written.
    pub(super) const FORMS: &'static str = "a day such as 2026-11-21, a time such as \
        2026-11-21T14:00, today, yesterday, or how long ago, such as 7d or 2h";

    /// Reads one of the [`FORMS`](Self::FORMS).
    pub(super) fn read(text: &str) -> Option<Self> {
        match text {
            "today" => return Some(Self::Ago(Span::new())),
            "yesterday" => return Some(Self::Ago(1.day())),
            _ => {}
        }
        if let Ok(day) = text.parse::<Date>()
            && !text.contains(['T', ' ', ':'])
        {
            return (day > UNDATED).then_some(Self::Day(day));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Some(Self::Time(time));
        }
        if let Ok(time) = text.parse::<DateTime>() {
            return Some(Self::Time(time.to_zoned(TimeZone::UTC).ok()?.timestamp()));
        }
        let span = text.parse::<Span>().ok()?;
        (span.is_positive() && span.get_years() <= 100).then_some(Self::Ago(span))
    }

    /// Its first and its last second: those of the day, where it is one.
    pub(super) fn span(self, now: Timestamp) -> (i64, i64) {
        let now = now.to_zoned(TimeZone::UTC);
        let day = match self {
            Self::Time(time) => return (time.as_second(), time.as_second()),
            Self::Day(day) => day,
            Self::Ago(span) => {
                let then = now.saturating_sub(span);
                if span.get_hours() != 0 || span.get_minutes() != 0 || span.get_seconds() != 0 {
                    return (then.timestamp().as_second(), then.timestamp().as_second());
                }
                then.date()
            }
        };
        // The last day of all is beyond what a timestamp holds.
        let first = day.to_zoned(TimeZone::UTC).map_or(i64::MAX, |day| day.timestamp().as_second());
        (first, first.saturating_add(24 * 60 * 60 - 1))
    }
}

/// Reads a duration: `90s`, `2m`, or a number of seconds.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let friendly = || u64::try_from(text.parse::<SignedDuration>().ok()?.as_secs()).ok();
    text.parse().ok().or_else(friendly)
}

#[cfg(test)]
mod tests {
    use super::super::Query;
    use crate::types::Window;
    use jiff::Timestamp;
    use jiff::civil::date;

    fn query(name: &str) -> Query {
        Query::named(name).unwrap()
    }

    #[test]
    fn a_time_is_a_day_a_moment_or_some_time_ago() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let shown = Window { first: date(2026, 8, 1), last: date(2026, 11, 21) };
        let window = |name: &str| query(name).window(shown, now).map(|w| (w.first, w.last));
        let days = |first: i8, last: i8| Some((date(2026, 11, first), date(2026, 11, last)));
        assert_eq!(window("since=7d"), days(14, 21));
        assert_eq!(window("since=2026-11-05,until=2026-11-06"), days(5, 6));
        assert_eq!(window("since=yesterday,until=yesterday"), days(20, 20));
        assert_eq!(window("since=today"), days(21, 21));
        assert_eq!(window("since=13h"), days(20, 21));
        assert_eq!(window("app=a"), Some((shown.first, shown.last)));
        assert_eq!(window("until=2026-07-01"), None);
        let noon = now.as_second();
        let seconds = query("since=2h,until=2026-11-21T11:30").seconds(now);
        assert!(seconds.holds(noon - 7200) && seconds.holds(noon - 1800));
        assert!(!seconds.holds(noon - 7201) && !seconds.holds(noon - 1799));
        assert!(query("since=7d").seconds(now).holds(noon - 7 * 86_400 - 43_200), "whole days");
    }
}
