//! How many requests are under way at once, and who is next: a reader's before read-ahead.
//!
//! The limit is counted in units. A request for a block or less is over after a round trip and
//! takes one; a longer one keeps its connection busy and takes two. So `connections` long transfers
//! fit, or twice as many short ones, which is what makes learning a thousand sizes quick. One more
//! connection is a reader's alone, so that it need not wait for any read-ahead to end. A transfer that
//! is nearly over lets the next request go out, so that no connection's share of the line lies idle
//! while an answer is on its way.

use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::metrics::InFlight;
use crate::source::Urgency;
use crate::types::lock;

/// Bytes up to which a request counts as short: two blocks, since a read may touch both.
const SHORT: u64 = 256 * 1024;
/// What a long and a short request take.
const LONG_UNITS: usize = 2;
const SHORT_UNITS: usize = 1;

/// The way to the servers.
pub(super) struct Gate {
    /// Requests that may be ending at a time.
    most_ending: usize,
    /// Units that read-ahead leaves free.
    reserve: usize,
    state: Mutex<State>,
}

struct State {
    free: usize,
    /// Requests that gave their units back before their end.
    ending: usize,
    waiting: Vec<Waiting>,
}

struct Waiting {
    units: usize,
    urgency: Urgency,
    admit: oneshot::Sender<Pass>,
}

/// The right to have a request under way, until it is dropped.
pub(super) struct Pass {
    gate: Arc<Gate>,
    units: usize,
    ending: bool,
    /// Counts the request as under way.
    pub(super) counted: Option<InFlight>,
}

impl Gate {
    /// A gate for so many long transfers, at least 1.
    pub(super) fn new(connections: usize) -> Arc<Self> {
        let units = connections.max(1).saturating_mul(LONG_UNITS);
        let reserve = if connections > 1 { LONG_UNITS } else { 0 };
        let state = State { free: units + reserve, ending: 0, waiting: Vec::new() };
        Arc::new(Self { most_ending: connections, reserve, state: Mutex::new(state) })
    }

    /// Waits for a pass for `bytes` bytes.
    pub(super) async fn pass(self: &Arc<Self>, bytes: u64, urgency: &Urgency) -> Pass {
        let units = if bytes > SHORT { LONG_UNITS } else { SHORT_UNITS };
        let (admit, mut admitted) = oneshot::channel();
        lock(&self.state).waiting.push(Waiting { units, urgency: urgency.clone(), admit });
        self.admit();
        let mut hurried = false;
        loop {
            tokio::select! {
                pass = &mut admitted => match pass {
                    Ok(pass) => return pass,
                    // The gate keeps every sender until it is used.
                    Err(_) => std::future::pending().await,
                },
                // Also when it was raised between the look above and here.
                () = urgency.raised(), if !hurried => {
                    hurried = true;
                    self.admit();
                }
            }
        }
    }

    /// Lets in whoever fits.
    fn admit(self: &Arc<Self>) {
        loop {
            let (next, pass) = {
                let mut state = lock(&self.state);
                let Some(index) = state.next(self.reserve) else { return };
                let next = state.waiting.swap_remove(index);
                state.free -= next.units;
                let pass = Pass {
                    gate: Arc::clone(self),
                    units: next.units,
                    ending: false,
                    counted: None,
                };
                (next, pass)
            };
            // Whoever gave up waiting gets none: the pass comes back, and is dropped here.
            drop(next.admit.send(pass));
        }
    }
}

impl State {
    /// Who comes next: the earliest that is urgent, else the earliest.
    fn next(&self, reserve: usize) -> Option<usize> {
        let rank = |waiting: &Waiting| (!waiting.urgency.is_raised(), waiting.urgency.order());
        let (index, next) = self.waiting.iter().enumerate().min_by_key(|(_, w)| rank(w))?;
        let reserve = if next.urgency.is_raised() { 0 } else { reserve };
        (self.free >= next.units + reserve).then_some(index)
    }
}

impl Pass {
    /// Lets the next request go out before this one has ended: its answer begins when this one's last
    /// bytes are here.
    pub(super) fn ends_soon(&mut self) {
        {
            let mut state = lock(&self.gate.state);
            if self.ending || state.ending >= self.gate.most_ending {
                return;
            }
            self.ending = true;
            state.ending += 1;
            state.free += self.units;
        }
        self.gate.admit();
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        {
            let mut state = lock(&self.gate.state);
            if self.ending {
                state.ending -= 1;
            } else {
                state.free += self.units;
            }
        }
        self.gate.admit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn ahead(gate: &Arc<Gate>, bytes: u64) -> Option<Pass> {
        gate.pass(bytes, &Urgency::ahead()).now_or_never()
    }

    #[test]
    fn twice_as_many_short_requests_fit_and_readers_find_room_beside_read_ahead() {
        let gate = Gate::new(4);
        let long: Vec<_> = (0..4).filter_map(|_| ahead(&gate, 4 << 20)).collect();
        assert_eq!(long.len(), 4);
        assert!(gate.pass(4 << 20, &Urgency::now()).now_or_never().is_some());
        drop(long);
        let short: Vec<_> = (0..9).filter_map(|_| ahead(&gate, 1)).collect();
        assert_eq!(short.len(), 8);
    }

    #[test]
    fn what_is_nearly_over_lets_the_next_go_out_but_no_more_than_as_many_again() {
        let gate = Gate::new(2);
        let mut passes: Vec<_> = (0..2).filter_map(|_| ahead(&gate, 4 << 20)).collect();
        assert!(ahead(&gate, 4 << 20).is_none());
        for round in 0..3 {
            passes.iter_mut().for_each(Pass::ends_soon);
            passes.extend((0..2).filter_map(|_| ahead(&gate, 4 << 20)));
            assert_eq!(passes.len(), 4, "in round {round}");
        }
        drop(passes);
        let state = lock(&gate.state);
        assert_eq!((state.free, state.ending), (6, 0));
    }

    #[tokio::test]
    async fn what_a_reader_waits_for_overtakes_and_what_nobody_waits_for_leaves_no_trace() {
        let gate = Gate::new(1);
        let first = ahead(&gate, 4 << 20);
        let (late, urgency) = (Urgency::ahead(), Urgency::ahead());
        let mut ahead_of_it = Box::pin(gate.pass(1 << 20, &late));
        let mut wanted = Box::pin(gate.pass(1 << 20, &urgency));
        assert!(ahead_of_it.as_mut().now_or_never().is_none());
        assert!(wanted.as_mut().now_or_never().is_none());
        assert!(ahead(&gate, 1).is_none(), "it gave up at once");
        urgency.raise();
        drop(first);
        let pass = wanted.await;
        assert!(ahead_of_it.as_mut().now_or_never().is_none());
        drop(pass);
        drop(ahead_of_it.await);
        assert_eq!(lock(&gate.state).free, 2);
    }
}
