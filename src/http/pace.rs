//! How many requests a host takes at once, and when: a pure state machine over a clock that is given.
//!
//! A host that never asked to slow down is not limited here. When it does (429, or `Retry-After` with a
//! 503), nothing goes out before the time that it named, and half as many requests as were under
//! way are let out at once from then on; each answer that comes well brings that up again, by one a
//! round, and a minute of peace ends it.

use std::time::Duration;

use tokio::time::Instant;

/// The longest that a host is left alone, whatever it asks: a mistaken header shall not end a mount.
const LONGEST_REST: Duration = Duration::from_secs(60 * 60);
/// The rest of a host that names no time: this, doubled each time that it asks again.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_OWN_REST: Duration = Duration::from_secs(15);
/// After so long without another complaint a host is as good as any.
const PEACE: Duration = Duration::from_secs(60);
/// So many at once are no limit any more.
const ENOUGH: f64 = 64.0;

/// What is known of one host.
#[derive(Debug, Default)]
pub(super) struct Pace {
    under_way: u32,
    /// How many may be, while the host is being spared.
    most: Option<f64>,
    not_before: Option<Instant>,
    /// Complaints in a row, each of which was about requests sent after the one before.
    complaints: u32,
    last_complaint: Option<Instant>,
    /// Counts the times that less was let out. What was sent in an earlier round says nothing new.
    round: u64,
}

/// Whether a request may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// Yes, in this round.
    Go(u64),
    /// Not before one that is under way is over.
    Full,
    /// Not before this moment.
    NotBefore(Instant),
}

impl Pace {
    /// Asks for a request, which counts as under way when the answer is `Go`.
    pub(super) fn ask(&mut self, now: Instant) -> Leave {
        if self.last_complaint.is_some_and(|last| now.duration_since(last) >= PEACE)
            && self.not_before.is_none_or(|rest| rest <= now)
        {
            (self.most, self.last_complaint, self.complaints) = (None, None, 0);
        }
        if let Some(rest) = self.not_before.filter(|rest| *rest > now) {
            return Leave::NotBefore(rest);
        }
        if self.most.is_some_and(|most| f64::from(self.under_way) + 1.0 > most) {
            return Leave::Full;
        }
        self.under_way += 1;
        Leave::Go(self.round)
    }

    /// A request is over, however it ended.
    pub(super) fn over(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// A request of a round was answered, with anything but a complaint.
    pub(super) fn went_well(&mut self, round: u64) {
        if round != self.round {
            return;
        }
        self.complaints = 0;
        self.most = self.most.map(|most| most + 1.0 / most).filter(|most| *most < ENOUGH);
    }

    /// The host asked to slow down, and for how long if it said so.
    pub(super) fn complained(&mut self, round: u64, asked: Option<Duration>, now: Instant) {
        let is_new = round == self.round;
        if is_new {
            self.round += 1;
            self.complaints = self.complaints.saturating_add(1);
            self.last_complaint = Some(now);
            self.most = Some((f64::from(self.under_way) / 2.0).floor().max(1.0));
        }
        let rest = match asked {
            Some(asked) => asked.min(LONGEST_REST),
            None if is_new => {
                let doublings = self.complaints.saturating_sub(1).min(8);
                (FIRST_REST * (1 << doublings)).min(LONGEST_OWN_REST)
            }
            None => return,
        };
        let until = now + rest;
        self.not_before = Some(self.not_before.map_or(until, |before| before.max(until)));
    }

    /// The same, of a request that is not told from others.
    pub(super) fn complained_now(&mut self, asked: Option<Duration>, now: Instant) {
        self.complained(self.round, asked, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn go(pace: &mut Pace, now: Instant) -> Option<u64> {
        match pace.ask(now) {
            Leave::Go(round) => Some(round),
            _ => None,
        }
    }

    #[test]
    fn a_host_that_never_complained_is_not_limited() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert!((0..1000).all(|_| go(&mut pace, now).is_some()));
    }

    #[test]
    fn one_burst_of_complaints_halves_once() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let rounds: Vec<_> = (0..16).filter_map(|_| go(&mut pace, now)).collect();
        for round in rounds {
            pace.complained(round, None, now);
            pace.over();
        }
        assert_eq!(pace.ask(now), Leave::NotBefore(now + SECOND));
        let later = now + SECOND;
        assert_eq!((0..16).filter_map(|_| go(&mut pace, later)).count(), 8);
        assert_eq!(pace.ask(later), Leave::Full);
    }

    #[test]
    fn the_time_that_a_host_names_holds_and_has_an_end() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let round = go(&mut pace, now).unwrap();
        pace.complained(round, Some(7 * SECOND), now);
        // Another answer of the same burst names less: the longer time holds.
        pace.complained(round, Some(3 * SECOND), now);
        assert_eq!(pace.ask(now + 6 * SECOND), Leave::NotBefore(now + 7 * SECOND));
        pace.complained(round, Some(Duration::MAX), now);
        assert_eq!(pace.ask(now), Leave::NotBefore(now + LONGEST_REST));
    }

    #[test]
    fn complaint_upon_complaint_rests_longer_and_success_forgives() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        let mut rests = Vec::new();
        for _ in 0..6 {
            let round = go(&mut pace, now).unwrap();
            pace.complained(round, None, now);
            pace.over();
            let Leave::NotBefore(until) = pace.ask(now) else { panic!("no rest") };
            rests.push((until - now).as_secs());
            now = until;
        }
        assert_eq!(rests, [1, 2, 4, 8, 15, 15]);
        let round = go(&mut pace, now).unwrap();
        pace.went_well(round);
        pace.complained(round, None, now);
        assert_eq!(pace.ask(now), Leave::NotBefore(now + SECOND));
    }

    #[test]
    fn a_host_recovers_by_answers_and_by_peace() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let rounds: Vec<_> = (0..8).filter_map(|_| go(&mut pace, now)).collect();
        pace.complained(rounds[0], Some(Duration::ZERO), now);
        for _ in &rounds {
            pace.over();
        }
        for _ in 0..4 * 8 {
            let round = go(&mut pace, now).unwrap();
            pace.went_well(round);
            pace.over();
        }
        let at_once = (0..100).filter_map(|_| go(&mut pace, now)).count();
        assert!((6..20).contains(&at_once), "{at_once}");
        assert!((0..100).all(|_| go(&mut pace, now + PEACE).is_some()));
    }

    proptest! {
        /// Whatever happens: nothing goes out during a rest, never more than the limit is under way,
        /// and a host is never shut for good.
        #[test]
        fn a_pace_keeps_its_word(
            events in proptest::collection::vec((0_u8..5, 0_u64..4000, 0_usize..8), 1..400),
        ) {
            let (mut pace, mut now) = (Pace::default(), Instant::now());
            let mut under_way: Vec<u64> = Vec::new();
            for (event, millis, which) in events {
                now += Duration::from_millis(millis);
                match (event, under_way.is_empty()) {
                    (0 | 1, _) | (_, true) => {
                        let rest = pace.not_before;
                        if let Leave::Go(round) = pace.ask(now) {
                            prop_assert!(rest.is_none_or(|rest| rest <= now));
                            under_way.push(round);
                            let under_way = f64::from(pace.under_way);
                            prop_assert!(pace.most.is_none_or(|most| under_way <= most));
                        }
                    }
                    (kind, false) => {
                        let round = under_way.swap_remove(which % under_way.len());
                        match kind {
                            2 => pace.complained(round, None, now),
                            3 => pace.complained(round, Some(Duration::from_millis(millis)), now),
                            _ => pace.went_well(round),
                        }
                        pace.over();
                    }
                }
                prop_assert!(pace.most.is_none_or(|most| most >= 1.0));
                prop_assert_eq!(pace.under_way as usize, under_way.len());
            }
            for _ in &under_way {
                pace.over();
            }
            prop_assert!(go(&mut pace, now + LONGEST_REST + PEACE).is_some());
        }
    }
}
