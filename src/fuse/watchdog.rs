//! Looks after a mount once a second: notices a dispatch thread that is stuck, and time that the
//! machine has slept.
//!
//! A dispatch thread translates and hands over, and never waits. One that does for seconds keeps the
//! kernel's queue waiting; with all of them stuck the mount hangs, and the log is to say where.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// How often it looks.
pub(super) const EVERY: Duration = Duration::from_secs(1);
/// A dispatch thread that takes longer with one request is stuck: what it does takes microseconds.
const STUCK: Duration = Duration::from_secs(10);

/// What dispatch threads are at.
#[derive(Clone, Default)]
pub(super) struct Desk(Arc<Mutex<Vec<Task>>>);

struct Task {
    number: u64,
    operation: &'static str,
    since: Instant,
    is_told: bool,
}

/// A request that a dispatch thread is at, until it is dropped.
pub(super) struct AtWork {
    desk: Desk,
    number: u64,
}

impl Desk {
    /// A dispatch thread begins with a request.
    pub(super) fn begin(&self, operation: &'static str) -> AtWork {
        let mut tasks = self.lock();
        let number = tasks.last().map_or(0, |last| last.number + 1);
        tasks.push(Task { number, operation, since: Instant::now(), is_told: false });
        AtWork { desk: self.clone(), number }
    }

    /// What is stuck as of `now` and was not told yet, and for how long.
    pub(super) fn newly_stuck(&self, now: Instant) -> Vec<(&'static str, Duration)> {
        let mut tasks = self.lock();
        let stuck = tasks.iter_mut().filter_map(|task| {
            let took = now.saturating_duration_since(task.since);
            let is_new = took >= STUCK && !std::mem::replace(&mut task.is_told, took >= STUCK);
            is_new.then_some((task.operation, took))
        });
        stuck.collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Task>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut tasks = self.desk.lock();
        let at = tasks.iter().position(|task| task.number == self.number);
        let Some(task) = at.map(|at| tasks.remove(at)) else { return };
        drop(tasks);
        if task.is_told {
            let took = task.since.elapsed();
            tracing::error!(operation = task.operation, ?took, "a dispatch thread goes on");
        }
    }
}

/// Says of what is newly stuck.
pub(super) fn report(desk: &Desk) {
    for (operation, took) in desk.newly_stuck(Instant::now()) {
        tracing::error!(
            operation,
            ?took,
            "a dispatch thread is stuck; the mount hangs when all of them are. This is a fault of \
             reelfs: please report it"
        );
    }
}

/// How long the machine has slept since it was started.
pub(super) fn slept() -> Duration {
    let now = |clock| clock_gettime(clock).map(Duration::from).unwrap_or_default();
    // In this order, so that the difference is never negative without sleep.
    let awake = now(ClockId::CLOCK_MONOTONIC);
    now(ClockId::CLOCK_BOOTTIME).saturating_sub(awake)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stuck_thread_is_told_once_and_one_that_works_is_not() {
        let desk = Desk::default();
        let (now, first) = (Instant::now(), desk.begin("lookup"));
        let second = desk.begin("read");
        assert!(desk.newly_stuck(now).is_empty());
        drop(first);
        let later = now + STUCK + Duration::from_secs(1);
        let told = desk.newly_stuck(later);
        assert_eq!(told.iter().map(|(operation, _)| *operation).collect::<Vec<_>>(), ["read"]);
        assert!(desk.newly_stuck(later).is_empty());
        drop(second);
        let third = desk.begin("open");
        assert!(desk.newly_stuck(now).is_empty());
        drop(third);
        assert!(desk.lock().is_empty());
    }

    #[test]
    fn the_clocks_that_tell_sleep_can_be_read() {
        let (first, second) = (slept(), slept());
        assert!(second + Duration::from_secs(1) >= first);
    }
}
