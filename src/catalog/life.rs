//! How long a listing counts as fresh. Pure.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// The current day: calls end all the time.
const CURRENT: Duration = Duration::from_secs(30);
/// The day before: its last calls may just have ended.
const LAST: Duration = Duration::from_secs(5 * 60);
/// An older day: transcripts come late, links are renewed.
const OLDER: Duration = Duration::from_secs(6 * 60 * 60);
/// A day that was listed when all of it had long been final: what may still change is that the
/// vendor deletes something.
const FINAL: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// After so many days all of a day is final.
pub(super) const FINAL_AFTER: i64 = 7;

/// How long a listing of `date` counts as fresh when it was made on `today`.
pub(super) fn of(date: Date, today: Date) -> Duration {
    let before = |days: i64| today.checked_sub(days.days()).is_ok_and(|day| date < day);
    if before(FINAL_AFTER) {
        FINAL
    } else if before(1) {
        OLDER
    } else if before(0) {
        LAST
    } else {
        CURRENT
    }
}

/// How much of it is left of a listing of `date` that was made at `listed`, in seconds since the Unix
/// epoch.
pub(super) fn left(date: Date, listed: i64, now: Timestamp) -> Duration {
    let made = Timestamp::from_second(listed).unwrap_or_default();
    let life = of(date, made.to_zoned(TimeZone::UTC).date());
    let age = u64::try_from(now.as_second() - listed).map_or(life, Duration::from_secs);
    life.saturating_sub(age)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn the_older_a_day_was_the_longer_its_listing_counts() {
        let today = date(2026, 11, 21);
        let lives = [21, 20, 19, 14, 13].map(|day| of(date(2026, 11, day), today));
        assert_eq!(lives, [CURRENT, LAST, OLDER, OLDER, FINAL]);
        assert_eq!(of(date(2026, 11, 22), today), CURRENT);
    }

    #[test]
    fn what_was_listed_while_the_day_went_on_is_soon_old() {
        let noon: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let left = |day, ago: i64| left(date(2026, 11, day), noon.as_second() - ago, noon);
        assert_eq!(left(21, 10), Duration::from_secs(20));
        assert_eq!(left(20, 24 * 60 * 60), Duration::ZERO);
        assert_eq!(left(1, 24 * 60 * 60), Duration::from_secs(6 * 24 * 60 * 60));
        assert_eq!(left(1, -10), Duration::ZERO);
        assert_eq!(left(1, i64::MAX), Duration::ZERO);
    }
}
