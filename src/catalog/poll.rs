//! Polling: asking again, unasked, for days that somebody looks at and that can still change.
//!
//! One query a poll, for each scope that somebody looked into. It covers the day that was asked for
//! longest ago, and its neighbours as far as a page is likely to hold them. When to poll is decided by
//! who calls.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::ToSpan as _;
use jiff::civil::Date;

use super::life::FINAL_AFTER;
use super::{Catalog, today};
use crate::types::{Failure, ScopeNumber, Window};

/// A day that nobody looked into for so long is polled no more.
pub(super) const FORGOTTEN: Duration = Duration::from_secs(60 * 60);

/// Calls that one query is expected to bring at the most: a page of the vendor with the shorter pages.
const PAGE: usize = 1_000;

/// A day that somebody looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watched {
    pub(super) date: Date,
    /// How many calls it had when it was last listed.
    pub(super) calls: usize,
    /// How long ago that was.
    pub(super) age: Duration,
    /// Of the provider, then.
    pub(super) revision: u64,
}

impl Catalog {
    /// How long until a poll is due, of days that are to be asked for `every` so often: at most that
    /// long.
    pub fn poll_due(&self, every: Duration) -> Duration {
        let ages = self.scopes.values().filter_map(|listed| {
            let watched = listed.looked_into(FORGOTTEN).into_iter();
            if listed.provider.span().is_some() {
                let revision = listed.provider.revision();
                watched.filter(|day| day.revision != revision).map(|_| every).next()
            } else {
                watched.filter(|day| can_change(day.date)).map(|day| day.age).max()
            }
        });
        every.saturating_sub(ages.max().unwrap_or_default())
    }

    /// Takes note that somebody looks at a day.
    pub fn looked_at(&self, scope: ScopeNumber, date: Date) {
        if let Some(listed) = self.scopes.get(&scope) {
            listed.looked_at(date);
        }
    }

    /// Asks again for days that are looked at and were last asked for `every` so long ago or nearly.
    /// Gives the number of queries.
    pub async fn poll(self: &Arc<Self>, every: Duration) -> Result<usize, Failure> {
        let mut listings = Vec::new();
        for (number, listed) in &self.scopes {
            let revision = listed.provider.revision();
            let start = |window| self.start(*number, window, revision);
            let watched = listed.looked_into(FORGOTTEN);
            if listed.provider.span().is_some() {
                // What is at hand says itself whether it changed.
                let changed = watched.into_iter().filter(|day| day.revision != revision);
                let changed = changed.map(|day| listed.listing_of(Window::day(day.date), start));
                listings.extend(changed);
            } else if let Some(window) = window(watched, today(), every / 2) {
                listings.push(listed.listing_of(window, start));
            }
        }
        let queries = listings.len();
        // One that fails keeps no other from being taken in.
        let failure = join_all(listings).await.into_iter().find_map(Result::err);
        failure.map_or(Ok(queries), Err)
    }
}

/// Whether there may still be news of a day.
pub fn can_change(date: Date) -> bool {
    is_recent(date, today())
}

fn is_recent(date: Date, today: Date) -> bool {
    today.checked_sub(FINAL_AFTER.days()).is_ok_and(|final_until| date >= final_until)
}

/// The days to ask for with one query: the one that was asked for longest ago, if that is at least
/// `age` ago, and its neighbours as far as a page holds them, later ones first. `None` when nothing
/// is due.
fn window(mut watched: Vec<Watched>, today: Date, age: Duration) -> Option<Window> {
    watched.retain(|day| is_recent(day.date, today));
    watched.sort_by_key(|day| day.date);
    let (oldest, first) = watched.iter().enumerate().max_by_key(|(_, day)| day.age)?;
    if first.age < age {
        return None;
    }
    // Days between them that nobody looked into are as busy as the others, for all that is known.
    let usual = watched.iter().map(|day| day.calls).sum::<usize>().div_ceil(watched.len());
    let fits = |window: Window| {
        let known = watched.iter().filter(|day| window.contains(day.date));
        let (days, calls) = known.fold((0, 0), |(n, calls), day| (n + 1, calls + day.calls));
        let all =
            usize::try_from((window.last - window.first).get_days() + 1).unwrap_or(usize::MAX);
        calls.saturating_add(usual.saturating_mul(all.saturating_sub(days))) < PAGE
    };
    let mut window = Window::day(first.date);
    for day in &watched[oldest + 1..] {
        let wider = Window { last: day.date, ..window };
        window = if fits(wider) { wider } else { break };
    }
    for day in watched[..oldest].iter().rev() {
        let wider = Window { first: day.date, ..window };
        window = if fits(wider) { wider } else { break };
    }
    Some(window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const TODAY: Date = date(2026, 11, 25);

    fn day(ago: i64, calls: usize, age: u64) -> Watched {
        let date = TODAY.checked_sub(ago.days()).unwrap();
        Watched { date, calls, age: Duration::from_secs(age), revision: 0 }
    }

    fn asked(watched: Vec<Watched>) -> Option<(i8, i8)> {
        let window = window(watched, TODAY, Duration::from_secs(30))?;
        Some((window.first.day(), window.last.day()))
    }

    #[test]
    fn only_days_that_are_looked_at_and_can_change_are_asked_for() {
        assert_eq!(asked(vec![]), None);
        assert_eq!(asked(vec![day(0, 10, 60)]), Some((25, 25)));
        assert_eq!(asked(vec![day(1, 10, 60), day(8, 10, 9_000)]), Some((24, 24)));
        assert_eq!(asked(vec![day(0, 10, 29)]), None, "it was asked for just now");
    }

    #[test]
    fn one_query_covers_what_a_page_holds() {
        assert_eq!(asked(vec![day(0, 10, 5), day(1, 300, 60), day(3, 300, 9)]), Some((22, 25)));
        // Full days take turns: the one that has waited longest comes first.
        let full = |age| vec![day(0, 900, age), day(1, 900, 100)];
        assert_eq!(asked(full(60)), Some((24, 24)));
        assert_eq!(asked(full(160)), Some((25, 25)));
        assert_eq!(asked(vec![day(0, 5_000, 60)]), Some((25, 25)), "however full it is");
    }
}
