//! The request log: what tests read to know which requests were made.
//!
//! It holds no secret: queries are left out of paths, and credentials are named by kind only.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::faults::Target;
use super::token::Credential;

/// So many requests are kept; older ones are forgotten.
const KEPT: usize = 100_000;

/// A request as it stands now: of one that is still being answered, `sent` grows.
#[derive(Clone, Debug, Serialize)]
pub struct LoggedRequest {
    /// When it came.
    #[serde(serialize_with = "as_text")]
    pub time: Timestamp,
    /// `GET`, `HEAD`, `POST`.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// What it asked for.
    pub target: Target,
    /// The session of the file that it asked for.
    pub session: Option<u64>,
    /// The record of the file that it asked for.
    pub record: Option<u64>,
    /// The parameters of an API request, without credentials.
    pub parameters: Vec<(String, String)>,
    /// The `Range` header.
    pub range: Option<String>,
    /// The `If-Range` header.
    pub if_range: Option<String>,
    /// Which kind of credential it carried.
    pub credential: Credential,
    /// The `User-Agent`.
    pub user_agent: Option<String>,
    /// Which connection it came over; connections count from 1.
    pub connection: u64,
    /// The status of the answer; 0 until there is one.
    pub status: u16,
    /// How many bytes of the body were handed to the connection.
    pub sent: u64,
}

fn as_text<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// What is known of an answer, while it is under way.
#[derive(Debug, Default)]
pub(super) struct Progress {
    status: AtomicU16,
    sent: AtomicU64,
}

impl Progress {
    pub(super) fn answered(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// The requests, oldest first.
#[derive(Debug, Default)]
pub(super) struct Log {
    requests: Mutex<VecDeque<(LoggedRequest, Arc<Progress>)>>,
}

impl Log {
    /// Notes a request when it comes, so that those are there too which are never answered.
    pub(super) fn begin(&self, request: LoggedRequest) -> Arc<Progress> {
        let progress = Arc::new(Progress::default());
        let mut requests = self.lock();
        if requests.len() == KEPT {
            requests.pop_front();
        }
        requests.push_back((request, progress.clone()));
        progress
    }

    pub(super) fn snapshot(&self) -> Vec<LoggedRequest> {
        let now = |(request, progress): &(LoggedRequest, Arc<Progress>)| LoggedRequest {
            status: progress.status.load(Ordering::Relaxed),
            sent: progress.sent.load(Ordering::Relaxed),
            ..request.clone()
        };
        self.lock().iter().map(now).collect()
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(LoggedRequest, Arc<Progress>)>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
