//! Numbers for what the kernel holds open.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The number of an open file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandleNumber(pub u64);

/// A table of open things. A number is never used twice.
pub(super) struct Handles<T> {
    next: AtomicU64,
    open: RwLock<HashMap<HandleNumber, Arc<T>>>,
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self { next: AtomicU64::new(1), open: RwLock::default() }
    }
}

impl<T> Handles<T> {
    /// Takes in a thing and gives its number.
    pub(super) fn add(&self, thing: T) -> HandleNumber {
        let number = HandleNumber(self.next.fetch_add(1, Ordering::Relaxed));
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.insert(number, Arc::new(thing));
        number
    }

    /// The thing of a number.
    pub(super) fn get(&self, number: HandleNumber) -> Option<Arc<T>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    /// Lets go of all things.
    pub(super) fn clear(&self) {
        let open = std::mem::take(&mut *self.open.write().unwrap_or_else(PoisonError::into_inner));
        drop(open);
    }

    /// Lets go of a thing; operations on it that are under way still finish.
    pub(super) fn remove(&self, number: HandleNumber) {
        self.open.write().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }
}
