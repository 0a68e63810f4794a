//! One limiter a host, for all requests of a mount: who may go out when the host asked to slow down.
//!
//! `pace` decides; here requests wait for it. What a reader waits for goes before what only runs
//! ahead. Whoever would have to wait beyond his deadline is told so at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::error::Reason;
use super::pace::{Leave, Pace};
use crate::source::Urgency;
use crate::types::lock;

/// Hosts that are remembered: redirects can lead to any number of them.
const MOST_HOSTS: usize = 1024;

/// The hosts that a mount talks to.
#[derive(Default)]
pub(super) struct Limiter {
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

#[derive(Default)]
struct Host {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    pace: Pace,
    /// Readers who wait for leave.
    waiting: usize,
}

/// The leave to have a request under way, until it is dropped: that is when its body has been read.
pub(super) struct Permit {
    host: Arc<Host>,
    round: u64,
}

impl Limiter {
    /// Waits for leave to ask `host`.
    pub(super) async fn permit(
        &self,
        host: &str,
        urgency: &Urgency,
        deadline: Instant,
    ) -> Result<Permit, Reason> {
        let host = self.host(host);
        let mut waiting = None;
        loop {
            let changed = host.changed.notified();
            let urgent = urgency.is_raised();
            match host.ask(urgent, waiting.is_some()) {
                Leave::Go(round) => {
                    drop(waiting);
                    return Ok(Permit { host: Arc::clone(&host), round });
                }
                Leave::NotBefore(rest) if rest >= deadline => return Err(Reason::Resting),
                Leave::NotBefore(rest) => sleep_until(rest).await,
                Leave::Full => {
                    if urgent && waiting.is_none() {
                        waiting = Some(Waiting::new(&host));
                    }
                    let woken = async {
                        tokio::select! {
                            () = changed => {}
                            () = urgency.raised(), if !urgent => {}
                        }
                    };
                    timeout_at(deadline, woken).await.map_err(|_| Reason::Resting)?;
                }
            }
        }
    }

    /// A host asked to slow down in words that only whoever knows its API can read.
    pub(super) fn complained(&self, host: &str, asked: Option<Duration>) {
        let host = self.host(host);
        let mut state = lock(&host.state);
        state.pace.complained_now(asked, Instant::now());
    }

    fn host(&self, name: &str) -> Arc<Host> {
        let mut hosts = lock(&self.hosts);
        if let Some(host) = hosts.get(name) {
            return Arc::clone(host);
        }
        if hosts.len() >= MOST_HOSTS {
            hosts.retain(|_, host| Arc::strong_count(host) > 1);
        }
        Arc::clone(hosts.entry(name.to_owned()).or_default())
    }
}

impl Host {
    /// `is_known`: whether who asks already counts as waiting.
    fn ask(&self, urgent: bool, is_known: bool) -> Leave {
        let mut state = lock(&self.state);
        if !urgent && state.waiting > 0 && !is_known {
            return Leave::Full;
        }
        state.pace.ask(Instant::now())
    }
}

/// Counts a reader who waits.
struct Waiting(Arc<Host>);

impl Waiting {
    fn new(host: &Arc<Host>) -> Self {
        lock(&host.state).waiting += 1;
        Self(Arc::clone(host))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        lock(&self.0.state).waiting -= 1;
        self.0.changed.notify_waiters();
    }
}

impl Permit {
    /// Takes note of the status that the host answered with.
    pub(super) fn answered(&self, status: u16, retry_after: Option<Duration>) {
        let mut state = lock(&self.host.state);
        if status == 429 || status == 503 && retry_after.is_some() {
            state.pace.complained(self.round, retry_after, Instant::now());
        } else {
            state.pace.went_well(self.round);
        }
        drop(state);
        self.host.changed.notify_waiters();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        lock(&self.host.state).pace.over();
        self.host.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    const REST: Duration = Duration::from_millis(60);

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    #[tokio::test]
    async fn all_requests_to_a_host_wait_as_long_as_it_asked_and_other_hosts_do_not() {
        let limiter = Limiter::default();
        let (ahead, begun) = (Urgency::ahead(), Instant::now());
        let permit = limiter.permit("a", &ahead, soon()).await.unwrap();
        permit.answered(429, Some(REST));
        assert!(limiter.permit("b", &ahead, soon()).now_or_never().is_some());
        drop(permit);
        limiter.permit("a", &Urgency::now(), soon()).await.unwrap();
        assert!(begun.elapsed() >= REST);
    }

    #[tokio::test]
    async fn who_would_wait_in_vain_is_told_at_once() {
        let (limiter, now) = (Limiter::default(), Urgency::now());
        let permit = limiter.permit("a", &now, soon()).await.unwrap();
        permit.answered(503, Some(Duration::from_secs(3600)));
        let refused = limiter.permit("a", &now, soon()).now_or_never().unwrap();
        assert!(matches!(refused, Err(Reason::Resting)));
    }

    #[tokio::test]
    async fn a_reader_goes_before_what_runs_ahead() {
        let limiter = Limiter::default();
        let first = limiter.permit("a", &Urgency::ahead(), soon()).await.unwrap();
        first.answered(429, Some(Duration::ZERO));
        let (ahead, now) = (Urgency::ahead(), Urgency::now());
        let mut runs_ahead = Box::pin(limiter.permit("a", &ahead, soon()));
        let mut reads = Box::pin(limiter.permit("a", &now, soon()));
        assert!(runs_ahead.as_mut().now_or_never().is_none());
        assert!(reads.as_mut().now_or_never().is_none());
        drop(first);
        assert!(runs_ahead.as_mut().now_or_never().is_none());
        let read = reads.await.unwrap();
        assert!(runs_ahead.as_mut().now_or_never().is_none());
        drop(read);
        runs_ahead.await.unwrap();
    }
}
