//! When to ask again: a pure schedule, given the kind of fault and the clock.
//!
//! Delays double and are jittered, so that readers that failed together do not come back together.
//! No retry is granted that could not start before the deadline.

use std::time::Duration;

use tokio::time::Instant;

/// A fault that another try may cure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No connection: refused, no route, no such host.
    Unreachable,
    /// The server failed (5xx), broke the answer off, or stalled.
    Broken,
    /// The server asks to slow down (429).
    Throttled,
}

impl Fault {
    /// First delay, longest delay, and how many retries before giving up.
    fn plan(self) -> (Duration, Duration, u32) {
        match self {
            // 0.2 + 0.4 + 0.8 + 1.6: about 3 s in all, so that a dead network is known soon.
            Self::Unreachable => (Duration::from_millis(200), Duration::from_millis(1600), 4),
            // About 20 s in all: a gateway that restarts is back by then.
            Self::Broken => (Duration::from_millis(100), Duration::from_secs(5), 9),
            // The vendor does relent; the deadline alone ends it.
            Self::Throttled => (Duration::from_secs(1), Duration::from_secs(15), u32::MAX),
        }
    }
}

/// How often what was tried, within one stretch without progress.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Schedule {
    unreachable: u32,
    broken: u32,
    throttled: u32,
    /// Whether the credentials were renewed.
    pub(super) renewed: bool,
}

impl Schedule {
    /// How long to wait before the next try; `None` when there shall be none.
    ///
    /// `asked` is the server's `Retry-After`: never less than that is waited. `jitter` is from 0 to
    /// 1 and takes up to half of our own delay away.
    pub(super) fn next(
        &mut self,
        fault: Fault,
        asked: Option<Duration>,
        jitter: f64,
        now: Instant,
        deadline: Instant,
    ) -> Option<Duration> {
        let tries = match fault {
            Fault::Unreachable => &mut self.unreachable,
            Fault::Broken => &mut self.broken,
            Fault::Throttled => &mut self.throttled,
        };
        let (first, longest, most) = fault.plan();
        if *tries >= most {
            return None;
        }
        let doubled = first.saturating_mul(1_u32.checked_shl(*tries).unwrap_or(u32::MAX));
        *tries += 1;
        let own = doubled.min(longest).mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0);
        let wait = asked.map_or(own, |asked| asked.max(own));
        (now.checked_add(wait)? < deadline).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(fault: Fault, jitter: f64, timeout: u64) -> Vec<u128> {
        let start = Instant::now();
        let deadline = start + Duration::from_secs(timeout);
        let (mut now, mut schedule, mut delays) = (start, Schedule::default(), Vec::new());
        while let Some(wait) = schedule.next(fault, None, jitter, now, deadline) {
            now += wait;
            delays.push(wait.as_millis());
        }
        delays
    }

    #[test]
    fn an_unreachable_host_is_tried_for_three_seconds() {
        assert_eq!(delays(Fault::Unreachable, 0.0, 60), [200, 400, 800, 1600]);
        assert_eq!(delays(Fault::Unreachable, 1.0, 60), [100, 200, 400, 800]);
    }

    #[test]
    fn no_retry_starts_after_the_deadline() {
        assert_eq!(delays(Fault::Unreachable, 0.0, 1), [200, 400]);
        assert!(delays(Fault::Throttled, 0.0, 60).iter().sum::<u128>() < 60_000);
        assert_eq!(delays(Fault::Broken, 0.0, 60).len(), 9);
    }

    #[test]
    fn retry_after_is_a_lower_bound_within_the_deadline() {
        let now = Instant::now();
        let deadline = now + Duration::from_secs(10);
        let next = |seconds| {
            let asked = Some(Duration::from_secs(seconds));
            Schedule::default().next(Fault::Throttled, asked, 0.0, now, deadline)
        };
        assert_eq!(next(7), Some(Duration::from_secs(7)));
        assert_eq!(next(0), Some(Duration::from_secs(1)));
        assert_eq!(next(11), None);
        assert_eq!(next(u64::MAX), None);
    }
}
