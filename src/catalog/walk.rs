//! Which days to list when one is looked into: the same growing window as read-ahead, over days.
//!
//! A single look lists one day. Whoever walks day after day, forward or back, gets a window that
//! doubles with each step, so that 40 quiet days cost half a dozen queries; it is bounded by what a
//! busy account can answer in a few pages. Pure: no clock, no I/O.

use jiff::ToSpan as _;
use jiff::civil::Date;

use crate::types::Window;

/// Most calls that a grown window may be expected to bring: five pages of Voximplant's history.
const MOST_CALLS: usize = 5_000;

/// The memory of a walk: the last window, and how many calls a day there are.
#[derive(Debug)]
pub(super) struct Walk {
    /// Most days that one listing covers.
    most_days: u32,
    last: Option<Window>,
    span: u32,
    calls_a_day: usize,
}

impl Walk {
    /// A walk with windows of at most so many days.
    pub(super) fn new(most_days: u32) -> Self {
        Self { most_days: most_days.max(1), last: None, span: 0, calls_a_day: 0 }
    }

    /// The window to list for `day`, which is not known. It lies within `bounds`, holds `day`, and
    /// ends before the first day that is `known`.
    pub(super) fn next(
        &mut self,
        day: Date,
        bounds: Window,
        known: impl Fn(Date) -> bool,
    ) -> Window {
        let step = match self.last {
            Some(last) if last.last.tomorrow().is_ok_and(|next| next == day) => 1,
            Some(last) if last.first.yesterday().is_ok_and(|next| next == day) => -1,
            _ => 0,
        };
        self.span = if step == 0 { 1 } else { (self.span * 2).min(self.widest()) };
        let mut far = day;
        for _ in 1..self.span {
            match far.checked_add(i64::from(step).days()) {
                Ok(next) if bounds.contains(next) && !known(next) => far = next,
                _ => break,
            }
        }
        let window = Window { first: day.min(far), last: day.max(far) };
        self.last = Some(window);
        window
    }

    /// Takes note of how many calls a window brought. A quiet weekend makes no busy account a quiet
    /// one: a window of weekdays has to fit in memory, too.
    pub(super) fn listed(&mut self, window: Window, calls: usize) {
        let fading = self.calls_a_day - self.calls_a_day / 4;
        self.calls_a_day = calls.div_ceil(length(window)).max(fading);
    }

    fn widest(&self) -> u32 {
        let by_volume = MOST_CALLS / self.calls_a_day.max(1);
        u32::try_from(by_volume).unwrap_or(u32::MAX).clamp(1, self.most_days)
    }
}

/// How many days a window has.
fn length(window: Window) -> usize {
    (window.last - window.first).get_days().unsigned_abs() as usize + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn bounds() -> Window {
        Window { first: date(2026, 8, 21), last: date(2026, 11, 21) }
    }

    fn queries(days: impl Iterator<Item = Date>, calls_a_day: usize) -> usize {
        let (mut walk, mut listed) = (Walk::new(32), Vec::<Window>::new());
        for day in days {
            if listed.iter().any(|w| w.contains(day)) {
                continue;
            }
            let window = walk.next(day, bounds(), |d| listed.iter().any(|w| w.contains(d)));
            assert!(window.contains(day) && bounds().contains(window.first));
            assert!(bounds().contains(window.last), "{window:?}");
            walk.listed(window, calls_a_day * length(window));
            listed.push(window);
        }
        listed.len()
    }

    #[test]
    fn one_look_lists_one_day() {
        let window = Walk::new(32).next(date(2026, 11, 3), bounds(), |_| false);
        assert_eq!(window, Window::day(date(2026, 11, 3)));
    }

    #[test]
    fn a_walk_over_forty_days_costs_few_queries_in_either_direction() {
        let forty = || bounds().first.series(1.days()).take(40);
        assert!(queries(forty(), 10) <= 6);
        let back = || bounds().last.series((-1).days()).take(40);
        assert!(queries(back(), 10) <= 6);
    }

    #[test]
    fn a_thousand_quiet_days_cost_few_queries_where_windows_may_be_long() {
        let bounds = Window { first: date(2024, 2, 26), last: date(2026, 11, 21) };
        let (mut walk, mut queries, mut next) = (Walk::new(400), 0, bounds.first);
        while next <= bounds.last {
            let window = walk.next(next, bounds, |_| false);
            assert!(length(window) <= 400);
            walk.listed(window, length(window) / 3);
            queries += 1;
            next = window.last.tomorrow().unwrap();
        }
        assert!(queries <= 12, "{queries}");
    }

    #[test]
    fn a_busy_account_is_not_listed_far_ahead() {
        assert_eq!(queries(bounds().first.series(1.days()).take(8), 6_000), 8);
    }

    #[test]
    fn a_quiet_weekend_is_not_taken_for_a_quiet_account() {
        let (mut walk, mut next) = (Walk::new(32), bounds().first);
        while bounds().contains(next) {
            let window = walk.next(next, bounds(), |_| false);
            assert_eq!(window, Window::day(next));
            let is_busy = next.weekday().to_monday_one_offset() <= 5;
            walk.listed(window, if is_busy { 6_000 } else { 100 });
            next = next.tomorrow().unwrap();
        }
    }

    #[test]
    fn every_fortieth_day_does_not_drag_in_the_rest() {
        let scattered = [date(2026, 9, 1), date(2026, 10, 10), date(2026, 11, 19)];
        assert_eq!(queries(scattered.into_iter(), 1), 3);
    }
}
