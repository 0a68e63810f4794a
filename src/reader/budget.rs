//! Bytes that all handles together may have fetched ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number of bytes to reserve from.
pub(super) struct Budget {
    all: u64,
    free: AtomicU64,
}

/// Bytes taken out of a budget until it is dropped.
pub(super) struct Reservation {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    /// A budget of so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        Self { all: bytes, free: AtomicU64::new(bytes) }
    }

    /// Bytes that are reserved now.
    pub(super) fn reserved(&self) -> u64 {
        self.all.saturating_sub(self.free.load(Ordering::Acquire))
    }

    /// Reserves bytes, if so many are free.
    pub(super) fn reserve(budget: &Arc<Self>, bytes: u64) -> Option<Reservation> {
        let take = |free: u64| free.checked_sub(bytes);
        budget.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).ok()?;
        Some(Reservation { budget: Arc::clone(budget), bytes })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.free.fetch_add(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_comes_back() {
        let budget = Arc::new(Budget::new(10));
        let first = Budget::reserve(&budget, 7);
        assert!(first.is_some() && Budget::reserve(&budget, 4).is_none());
        drop(first);
        assert!(Budget::reserve(&budget, 10).is_some());
    }
}
