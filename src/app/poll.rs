//! Polling: new calls appear without anybody asking for them. When to ask is decided here, purely; for
//! what, the catalogue decides.
//!
//! One poll follows another, never beside it. While the machine sleeps the clock of all timers stands
//! still, so that it wakes to one poll and not to all that it missed.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::control::Subject;
use crate::catalog::rest_of_today;
use crate::http::Left;

/// Polls may use one in so many of the requests that are left of a day's budget.
const SHARE: u64 = 5;
/// The longest pause after polls that failed, unless polls are rarer anyway.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);
/// The shortest pause between two looks at what is due.
const BREATH: Duration = Duration::from_millis(50);

/// Polls until it is dropped.
pub(super) struct Poller(AbortHandle);

impl Poller {
    /// Starts to poll, once `every` so often or more rarely. Must be called within a tokio runtime.
    pub(super) fn start(every: Duration, subject: Arc<Subject>) -> Self {
        Self(tokio::spawn(run(every, subject)).abort_handle())
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(every: Duration, subject: Arc<Subject>) {
    let mut pace = Pace { every, failures: 0, cost: 1 };
    loop {
        let left = subject.left().await;
        let jitter = rand::random_range(0.0..1.0);
        let Some(every) = pace.next(left, rest_of_today(), jitter) else {
            sleep(rest_of_today().min(LONGEST_PAUSE)).await;
            continue;
        };
        let due = if pace.failures > 0 { every } else { subject.fs.poll_due(every) };
        sleep(due.max(BREATH)).await;
        // Whoever looked meanwhile has put it off.
        if subject.fs.poll_due(every).is_zero() {
            let requests = || subject.client.metrics().counts().api_requests;
            let before = requests();
            match subject.fs.poll(every).await {
                Ok(_) => pace.failures = 0,
                Err(failure) => {
                    tracing::debug!("polled in vain: {failure}");
                    pace.failures = pace.failures.saturating_add(1);
                }
            }
            pace.cost = (requests() - before).max(1);
        }
    }
}

/// How often to poll.
struct Pace {
    /// What was asked for.
    every: Duration,
    /// Polls that failed, in a row.
    failures: u32,
    /// Requests that the last poll took.
    cost: u64,
}

impl Pace {
    /// How long after one poll the next may come; `None`: not today any more.
    ///
    /// `jitter` is from 0 to 1: up to a tenth is taken off, so that many mounts do not ask in step.
    fn next(&self, left: Option<Left>, rest_of_today: Duration, jitter: f64) -> Option<Duration> {
        let mut every = self.every;
        if let Some(left) = left {
            let polls = left.left / SHARE / self.cost;
            if polls == 0 || left.for_background == 0 {
                return None;
            }
            every =
                every.max(rest_of_today.div_f64(u32::try_from(polls).unwrap_or(u32::MAX).into()));
        }
        let doubled = every.saturating_mul(2_u32.saturating_pow(self.failures));
        Some(doubled.min(LONGEST_PAUSE.max(every)).mul_f64(1.0 - jitter / 10.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn next(failures: u32, cost: u64, left: Option<u64>, rest: Duration) -> Option<u64> {
        let pace = Pace { every: Duration::from_secs(60), failures, cost };
        let left =
            left.map(|left| Left { daily: 1000, left, for_background: left.saturating_sub(200) });
        pace.next(left, rest, 0.0).map(|every| every.as_secs())
    }

    #[test]
    fn polls_never_take_more_than_a_fifth_of_what_is_left() {
        assert_eq!(next(0, 1, None, DAY), Some(60));
        assert_eq!(next(0, 1, Some(1000), DAY), Some(432), "200 polls");
        assert_eq!(next(0, 4, Some(1000), DAY), Some(1728), "50 polls of four pages");
        assert_eq!(next(0, 1, Some(900), DAY / 24), Some(60), "an hour has but 60");
        assert_eq!(next(0, 1, Some(200), DAY), None, "the rest is kept for readers");
        assert_eq!(next(0, 300, Some(1000), DAY), None, "one would be too much");
    }

    #[test]
    fn what_fails_is_tried_more_rarely() {
        let paces: Vec<_> = [0, 1, 2, 5, 6, 60].map(|f| next(f, 1, None, DAY).unwrap()).into();
        assert_eq!(paces, [60, 120, 240, 1920, 3600, 3600]);
        assert_eq!(next(9, 250, Some(1000), DAY / 6), None);
        let rare = Pace { every: 2 * LONGEST_PAUSE, failures: 3, cost: 1 };
        assert_eq!(rare.next(None, DAY, 0.0), Some(2 * LONGEST_PAUSE));
        assert_eq!(rare.next(None, DAY, 1.0), Some(LONGEST_PAUSE.mul_f64(1.8)));
    }
}
