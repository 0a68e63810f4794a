//! What a mount has done so far, in numbers: counted by the rooms that do it, read by whoever asks.
//!
//! Counting takes no lock where requests are many, and nothing here can be wrong by more than what
//! happens while it is read. It holds no link, name or secret beside the words of errors, which
//! hold none either.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::types::lock;

/// Errors that are remembered.
const MOST_COMPLAINTS: usize = 10;

/// The counters of a mount.
#[derive(Debug, Default)]
pub struct Metrics {
    api: AtomicU64,
    media: AtomicU64,
    refused: AtomicU64,
    in_flight: AtomicU64,
    fetched: AtomicU64,
    served: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    failed: AtomicU64,
    polls: AtomicU64,
    changes: AtomicU64,
    /// How far the servers' clock was ahead of ours when it was last told, in milliseconds.
    server_ahead: AtomicI64,
    today: Mutex<(Date, u64)>,
    complaints: Mutex<VecDeque<Complaint>>,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// A listing, or another answer of an API.
    Api,
    /// An object.
    Media,
}

/// The counters at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests to the vendor's API, repeated ones included.
    pub api_requests: u64,
    /// Requests for objects.
    pub media_requests: u64,
    /// Both, since the current day (UTC) began.
    pub requests_today: u64,
    /// Requests that got no answer, or one that says no.
    pub refused_requests: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Bytes that came over the network, as bodies.
    pub fetched_bytes: u64,
    /// Bytes given to readers.
    pub served_bytes: u64,
    /// Blocks that were there when a reader wanted them.
    pub hits: u64,
    /// Blocks that a reader had to wait for.
    pub misses: u64,
    /// Operations of the filesystem that failed, those on names that do not exist or make no sense aside.
    pub failed_operations: u64,
    /// Queries that were made because time had come.
    pub polls: u64,
    /// Days whose listing was seen to change.
    pub changes: u64,
    /// How far the servers' clock was ahead of ours, as last seen.
    pub server_ahead: SignedDuration,
    /// The last errors, the latest last.
    pub complaints: Vec<Complaint>,
}

/// An error, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// When it was last met.
    pub at: Timestamp,
    /// What it says.
    pub text: String,
    /// How often in a row.
    pub times: u64,
}

/// A request under way; it ends when this is dropped.
#[derive(Debug)]
pub struct InFlight(Arc<Metrics>);

impl Metrics {
    /// Counts a request that is sent.
    pub fn requested(&self, errand: Errand) {
        add(if errand == Errand::Api { &self.api } else { &self.media }, 1);
        let now = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let mut today = lock(&self.today);
        if today.0 != now {
            *today = (now, 0);
        }
        today.1 += 1;
    }

    /// Counts a request that got no answer, or one that says no.
    pub fn refused(&self) {
        add(&self.refused, 1);
    }

    /// Keeps how far the server's clock is ahead of ours.
    pub fn clock(&self, server_ahead: SignedDuration) {
        let millis = i64::try_from(server_ahead.as_millis()).unwrap_or(i64::MAX);
        self.server_ahead.store(millis, Ordering::Relaxed);
    }

    /// Counts a request as under way until what is given back is dropped.
    pub fn in_flight(self: &Arc<Self>) -> InFlight {
        add(&self.in_flight, 1);
        InFlight(Arc::clone(self))
    }

    /// Counts bytes that came over the network.
    pub fn fetched(&self, bytes: usize) {
        add(&self.fetched, bytes as u64);
    }

    /// Counts bytes that a reader got.
    pub fn served(&self, bytes: usize) {
        add(&self.served, bytes as u64);
    }

    /// Counts blocks that a reader wanted: those that were there, and those that were not.
    pub fn looked_up(&self, hits: u64, misses: u64) {
        add(&self.hits, hits);
        add(&self.misses, misses);
    }

    /// Counts queries that nobody asked for.
    pub fn polled(&self, queries: usize) {
        add(&self.polls, queries as u64);
    }

    /// Counts a day whose listing is another one than before.
    pub fn changed(&self) {
        add(&self.changes, 1);
    }

    /// Counts an operation that failed, and keeps why.
    pub fn failed(&self, text: String) {
        add(&self.failed, 1);
        let at = Timestamp::now();
        let mut complaints = lock(&self.complaints);
        if let Some(last) = complaints.back_mut().filter(|last| last.text == text) {
            (last.at, last.times) = (at, last.times + 1);
            return;
        }
        complaints.push_back(Complaint { at, text, times: 1 });
        if complaints.len() > MOST_COMPLAINTS {
            complaints.pop_front();
        }
    }

    /// The counters as they are now.
    pub fn counts(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (day, today) = *lock(&self.today);
        let is_today = day == Timestamp::now().to_zoned(TimeZone::UTC).date();
        Counts {
            api_requests: get(&self.api),
            media_requests: get(&self.media),
            requests_today: if is_today { today } else { 0 },
            refused_requests: get(&self.refused),
            in_flight: get(&self.in_flight),
            fetched_bytes: get(&self.fetched),
            served_bytes: get(&self.served),
            hits: get(&self.hits),
            misses: get(&self.misses),
            failed_operations: get(&self.failed),
            polls: get(&self.polls),
            changes: get(&self.changes),
            server_ahead: SignedDuration::from_millis(self.server_ahead.load(Ordering::Relaxed)),
            complaints: lock(&self.complaints).iter().cloned().collect(),
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_comes_out() {
        let metrics = Arc::new(Metrics::default());
        metrics.requested(Errand::Api);
        metrics.requested(Errand::Media);
        let request = metrics.in_flight();
        metrics.looked_up(3, 1);
        let counts = metrics.counts();
        assert_eq!((counts.api_requests, counts.media_requests), (1, 1));
        assert_eq!((counts.requests_today, counts.in_flight), (2, 1));
        assert_eq!((counts.hits, counts.misses), (3, 1));
        drop(request);
        assert_eq!(metrics.counts().in_flight, 0);
    }

    #[test]
    fn an_error_that_repeats_is_one_and_few_are_kept() {
        let metrics = Metrics::default();
        metrics.failed("a".to_owned());
        metrics.failed("a".to_owned());
        assert_eq!(metrics.counts().complaints[0].times, 2);
        for number in 0..20 {
            metrics.failed(number.to_string());
        }
        let complaints = metrics.counts().complaints;
        assert_eq!(complaints.len(), MOST_COMPLAINTS);
        assert_eq!(complaints.last().unwrap().text, "19");
    }
}
