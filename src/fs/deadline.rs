//! Deadlines that also hold while the machine sleeps: timers stand still then, and who waits does not.
//!
//! The time slept is told from outside; nothing here looks at a clock of the system's.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::types::{Cause, Failure};

/// The deadlines of a mount's operations.
pub(super) struct Deadlines {
    limit: Duration,
    /// How long the machine has slept, all in all.
    slept: watch::Sender<Duration>,
}

/// The deadline of one operation.
pub(super) struct Deadline {
    limit: Duration,
    at: Instant,
    /// What had been slept when it began.
    before: Duration,
    slept: watch::Receiver<Duration>,
}

impl Deadlines {
    /// Operations of at most `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, slept: watch::Sender::new(Duration::ZERO) }
    }

    /// Takes note of how long the machine has slept, all in all.
    pub(super) fn slept(&self, total: Duration) {
        self.slept.send_if_modified(|known| {
            let more = total > *known;
            *known = total.max(*known);
            more
        });
    }

    /// An operation begins.
    pub(super) fn begin(&self) -> Deadline {
        let slept = self.slept.subscribe();
        let before = *slept.borrow();
        Deadline { limit: self.limit, at: Instant::now() + self.limit, before, slept }
    }
}

impl Deadline {
    /// Runs a part of the operation, or all of it, until the deadline.
    pub(super) async fn bounds<T>(
        &self,
        part: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut part = pin!(part);
        // What is in memory needs no timer.
        if let Some(outcome) = part.as_mut().now_or_never() {
            return outcome;
        }
        let mut slept = self.slept.clone();
        loop {
            let lost = slept.borrow_and_update().saturating_sub(self.before);
            let at = self.at.checked_sub(lost).unwrap_or(self.at);
            tokio::select! {
                biased;
                outcome = &mut part => return outcome,
                () = sleep_until(at) => {
                    let text = format!("no answer within {:?}", self.limit);
                    return Err(Failure::new(Cause::TimedOut, text));
                }
                Ok(()) = slept.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    #[tokio::test]
    async fn time_slept_counts_for_what_was_under_way_and_for_nothing_else() {
        let deadlines = Deadlines::new(HOUR);
        deadlines.slept(5 * HOUR);
        let deadline = deadlines.begin();
        let mut waits = pin!(deadline.bounds(std::future::pending::<Result<(), Failure>>()));
        assert!(waits.as_mut().now_or_never().is_none(), "what was slept before is no matter");
        deadlines.slept(5 * HOUR + HOUR / 2);
        assert!(waits.as_mut().now_or_never().is_none(), "half of it is left");
        deadlines.slept(6 * HOUR + Duration::from_secs(1));
        assert_eq!(waits.await.unwrap_err().cause, Cause::TimedOut);
        assert!(deadlines.begin().bounds(async { Ok(()) }).await.is_ok());
    }

    #[tokio::test]
    async fn an_answer_that_is_there_counts_even_after_the_deadline() {
        let deadlines = Deadlines::new(Duration::ZERO);
        assert!(deadlines.begin().bounds(async { Ok(()) }).await.is_ok());
        let late = deadlines.begin().bounds(std::future::pending::<Result<(), Failure>>()).await;
        assert_eq!(late.unwrap_err().cause, Cause::TimedOut);
    }
}
