//! What a listing changed, told to whoever has shown the day before it.

use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;

use super::Catalog;
use crate::types::{Day, ScopeNumber};

/// A day that is another one now than the one that was known.
#[derive(Debug)]
pub struct Change {
    /// Whose day it is.
    pub scope: ScopeNumber,
    /// As it was.
    pub before: Arc<Day>,
    /// As it is.
    pub after: Arc<Day>,
}

/// Where changes go; nowhere until somebody wants them.
#[derive(Default)]
pub(super) struct Changes(OnceLock<mpsc::UnboundedSender<Change>>);

impl Changes {
    pub(super) fn tell(&self, change: Change) {
        if let Some(sender) = self.0.get() {
            // Whoever wanted them may have ended.
            let _ = sender.send(change);
        }
    }
}

impl Catalog {
    /// All changes from now on, whoever asked for the listing that brought them. For one reader: a
    /// second one gets none.
    pub fn changes(&self) -> mpsc::UnboundedReceiver<Change> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let _ = self.changes.0.set(sender);
        receiver
    }
}
