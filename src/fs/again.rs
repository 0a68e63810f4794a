//! What the kernel asks again at once, when it was told that time ran out.
//!
//! For one `read` or `stat` of a program the kernel may send two or three requests, one after the
//! failure of another: for many pages, then for the one that is needed; to check a name, then to
//! look it up anew. If each of them waited for its own deadline, the program would wait for all of
//! them together.

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use lru::LruCache;

use crate::tree::Inode;
use crate::types::{Cause, Failure, lock};

/// A request that comes so soon after a failure belongs to the same call of a program.
const AT_ONCE: Duration = Duration::from_millis(200);
/// Files that are remembered: more than the kernel has requests under way.
const FILES: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// The files whose last operation took all the time there was.
pub(super) struct Again {
    failed: Mutex<LruCache<Inode, (Instant, Failure)>>,
    /// Whether there are any: the lock is for bad times alone.
    any: AtomicBool,
}

impl Default for Again {
    fn default() -> Self {
        Self { failed: Mutex::new(LruCache::new(FILES)), any: AtomicBool::new(false) }
    }
}

impl Again {
    /// Runs an operation on a file; if the one before it ran out of time just now, only as far as it
    /// need not wait.
    pub(super) async fn run<T>(
        &self,
        inode: Inode,
        operation: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        if let Some(failure) = self.recent(inode) {
            return operation.now_or_never().unwrap_or(Err(failure));
        }
        let outcome = operation.await;
        if let Err(failure) = &outcome
            && failure.cause == Cause::TimedOut
        {
            lock(&self.failed).put(inode, (Instant::now(), failure.clone()));
            self.any.store(true, Ordering::Release);
        }
        outcome
    }

    fn recent(&self, inode: Inode) -> Option<Failure> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut failed = lock(&self.failed);
        let (at, failure) = failed.get(&inode)?;
        if at.elapsed() < AT_ONCE {
            return Some(failure.clone());
        }
        failed.pop(&inode);
        self.any.store(!failed.is_empty(), Ordering::Release);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_again_at_once_waits_for_nothing_and_still_gets_what_is_there() {
        let (again, file) = (Again::default(), Inode(7));
        let late = || async { Err::<(), _>(Failure::new(Cause::TimedOut, "late")) };
        let failure = again.run(file, late()).now_or_never().unwrap().unwrap_err();
        assert_eq!(failure.cause, Cause::TimedOut);
        let waits = std::future::pending::<Result<(), Failure>>;
        assert!(again.run(file, waits()).now_or_never().unwrap().is_err());
        assert!(again.run(file, async { Ok(5) }).now_or_never().unwrap().is_ok());
        assert!(again.run(Inode(8), waits()).now_or_never().is_none(), "another file waits");
        let old = (Instant::now().checked_sub(AT_ONCE).unwrap(), failure);
        lock(&again.failed).put(file, old);
        assert!(again.run(file, waits()).now_or_never().is_none(), "and a later call does");
    }
}
