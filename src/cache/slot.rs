//! The place where one block under way is awaited: filled once, read by all who wait.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::source::Urgency;
use crate::types::Failure;

/// A block that is being fetched, or the failure that it ended in.
pub(super) struct Slot {
    /// That of the request which brings it.
    urgency: Urgency,
    since: Instant,
    outcome: OnceLock<Result<Bytes, Failure>>,
    filled: Notify,
}

impl Slot {
    /// An empty slot, for the request that has this urgency.
    pub(super) fn new(urgency: Urgency) -> Self {
        Self { urgency, since: Instant::now(), outcome: OnceLock::new(), filled: Notify::new() }
    }

    /// Tells the request that somebody waits.
    pub(super) fn hurry(&self) {
        self.urgency.raise();
    }

    /// How long it has been awaited.
    pub(super) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Fills the slot and wakes all who wait. Only the first call counts.
    pub(super) fn fill(&self, outcome: Result<Bytes, Failure>) {
        if self.outcome.set(outcome).is_ok() {
            self.filled.notify_waiters();
        }
    }

    /// Waits until the slot is filled.
    pub(super) async fn outcome(&self) -> Result<Bytes, Failure> {
        loop {
            // Made before the look, so that a filling in between is not missed.
            let filled = self.filled.notified();
            if let Some(outcome) = self.outcome.get() {
                return outcome.clone();
            }
            filled.await;
        }
    }
}
