//! Asking again, unasked, for what somebody looks at.

use std::sync::Arc;
use std::time::Duration;

use super::Fs;
use crate::types::Failure;

impl Fs {
    /// How long until days that are looked at are to be asked for, if that is done `every` so often.
    pub fn poll_due(&self, every: Duration) -> Duration {
        self.catalog.poll_due(every)
    }

    /// Asks for them. What changes goes the way of all changes.
    pub async fn poll(self: &Arc<Self>, every: Duration) -> Result<usize, Failure> {
        let polled = self.catalog.poll(every).await;
        // One that failed was made, too.
        self.metrics.polled(polled.as_ref().map_or(1, |queries| *queries));
        polled
    }
}
