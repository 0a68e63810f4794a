//! The windows of all open handles: what is fetched ahead of their reads, out of one budget.
//!
//! Handles that read ahead at the same time have equal shares. One that rests keeps its window until
//! somebody else needs the bytes.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError, Weak};
use std::time::{Duration, Instant};

use super::budget::{Budget, Reservation};
use super::sequence::{Limits, Sequence};
use crate::cache::{Blob, BlockIndex, Interest, When};
use crate::types::lock;

/// What was fetched ahead stays wanted until the reads are so far beyond it, in bytes: the kernel's
/// own read-ahead runs out of order, and skips back.
const KEPT_BEHIND: u64 = 1024 * 1024;
/// A handle that was not read from for so long rests.
const RESTING: Duration = Duration::from_secs(2);

/// All windows that hold something, and the bytes for them.
pub(super) struct Windows {
    budget: Arc<Budget>,
    limits: Limits,
    held: Mutex<Vec<Weak<Window>>>,
}

/// The window of one handle.
pub(super) struct Window(Mutex<State>);

struct State {
    sequence: Sequence,
    /// Dropping a part cancels what nobody else wants of it.
    parts: Vec<Part>,
    /// Whether it stands among the held windows.
    held: bool,
    read_at: Instant,
}

struct Part {
    blocks: Range<BlockIndex>,
    _interest: Interest,
    _reservation: Reservation,
}

impl Window {
    /// The window of a handle that has not been read from, of an object of `size` bytes.
    pub(super) fn new(size: u64) -> Arc<Self> {
        let sequence = Sequence::new(size);
        Arc::new(Self(Mutex::new(State {
            sequence,
            parts: Vec::new(),
            held: false,
            read_at: Instant::now(),
        })))
    }
}

impl Windows {
    /// Windows that hold at most `budget` bytes together.
    pub(super) fn new(budget: u64, limits: Limits) -> Self {
        Self { budget: Arc::new(Budget::new(budget)), limits, held: Mutex::default() }
    }

    /// Lets the sequence of a handle see a read, and asks for what it wants ahead. The part next to
    /// the read takes the read's own missing blocks along, so that both come with one request.
    pub(super) fn move_on(&self, window: &Arc<Window>, blob: &Arc<Blob>, read: Range<u64>) {
        let mut state = lock(&window.0);
        state.read_at = Instant::now();
        let mut limits = self.limits.among(self.handles(&state));
        limits.index = !blob.comes_whole();
        let decision = state.sequence.see(read.clone(), limits);
        if decision.restarted {
            state.parts.clear();
        }
        let kept_from = decision.position.saturating_sub(KEPT_BEHIND);
        state.parts.retain(|part| {
            let wanted = part.blocks.end.start() > kept_from;
            if !wanted {
                blob.went_through(part.blocks.clone());
            }
            wanted
        });
        for part in decision.parts {
            let Some(reservation) = self.reserve(part.end - part.start) else {
                state.sequence.refused(part.start);
                break;
            };
            let start =
                if part.start <= read.end { part.start.min(read.start) } else { part.start };
            let blocks = BlockIndex::of(start)..BlockIndex::of(part.end - 1).next();
            let interest = blob.want(blocks.clone(), When::Ahead);
            state.parts.push(Part { blocks, _interest: interest, _reservation: reservation });
        }
        if !state.held && !state.parts.is_empty() {
            state.held = true;
            lock(&self.held).push(Arc::downgrade(window));
        }
    }

    /// Bytes that are reserved now.
    pub(super) fn reserved(&self) -> u64 {
        self.budget.reserved()
    }

    /// Bytes of the budget, for as long as the reservation lives. When they are not free, windows of
    /// handles that rest are given up for them.
    pub(super) fn reserve(&self, bytes: u64) -> Option<Reservation> {
        Budget::reserve(&self.budget, bytes).or_else(|| {
            self.give_up_resting();
            Budget::reserve(&self.budget, bytes)
        })
    }

    /// The handle is closed.
    pub(super) fn close(&self, window: &Arc<Window>) {
        if lock(&window.0).held {
            lock(&self.held).retain(|held| !std::ptr::eq(held.as_ptr(), Arc::as_ptr(window)));
        }
    }

    /// Handles that share the budget, this one included.
    fn handles(&self, state: &State) -> usize {
        lock(&self.held).len() + usize::from(!state.held)
    }

    fn give_up_resting(&self) {
        lock(&self.held).retain(|window| {
            let Some(window) = window.upgrade() else { return false };
            // A window that is locked does not rest.
            let Some(mut state) = unlocked(&window.0) else { return true };
            let rests = state.read_at.elapsed() >= RESTING;
            if rests {
                state.sequence.let_go();
                state.parts.clear();
                state.held = false;
            }
            !rests
        });
    }
}

/// The lock, if it is free now.
fn unlocked<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
