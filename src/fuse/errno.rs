//! The one table from cause to errno and to the level of its log line. `docs/SEMANTICS.md` has the
//! same table, and a test compares the two.

use std::num::NonZeroUsize;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fuser::Errno;
use lru::LruCache;
use tracing::Level;

use crate::types::{Cause, Failure};

/// There is no extended attribute of that name.
pub(super) const NO_ATTRIBUTE: Errno = Errno::ENODATA;
/// Attributes such as `security.selinux` and `system.posix_acl_access` do not exist here at all.
/// `ls -l` asks for both; told this once it asks for no other file's, told [`NO_ATTRIBUTE`] it goes
/// on asking for every file.
pub(super) const NO_SUCH_NAMESPACE: Errno = Errno::EOPNOTSUPP;
/// The caller's buffer is too small.
pub(super) const RANGE: Errno = Errno::ERANGE;

/// How long the same failure is no news.
const NEWS_AGAIN: Duration = Duration::from_secs(10 * 60);
/// Texts that are remembered.
const TEXTS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// Every cause with its errno, in the order in which `docs/SEMANTICS.md` lists them.
pub const TABLE: [(Cause, libc::c_int); 11] = [
    (Cause::NotFound, libc::ENOENT),
    (Cause::Gone, libc::ENOENT),
    (Cause::Denied, libc::EACCES),
    (Cause::Throttled, libc::EBUSY),
    (Cause::OverBudget, libc::EDQUOT),
    (Cause::Unreachable, libc::EHOSTUNREACH),
    (Cause::TimedOut, libc::ETIMEDOUT),
    (Cause::Changed, libc::ESTALE),
    // The kernel asks for the name again then, and tells a program that there is none.
    (Cause::Vanished, libc::ESTALE),
    (Cause::BadAnswer, libc::EIO),
    (Cause::Internal, libc::EIO),
];

/// How loudly a cause is logged: a missing name is everyday, a fault of ours is an error.
fn level(cause: Cause) -> Level {
    match cause {
        Cause::NotFound | Cause::Vanished => Level::DEBUG,
        Cause::Internal => Level::ERROR,
        _ => Level::WARN,
    }
}

/// The errno of a failure, which is logged on the way: once, and again as a debug line while it
/// repeats itself, so that a refused account does not fill the log with a line a file.
pub(super) fn of(operation: &'static str, failure: &Failure) -> Errno {
    let text = failure.to_string();
    match level(failure.cause) {
        Level::ERROR => tracing::error!(operation, "{text}"),
        Level::WARN if is_news(&text) => tracing::warn!(operation, "{text}"),
        _ => tracing::debug!(operation, "{text}"),
    }
    let row = TABLE.iter().find(|(cause, _)| *cause == failure.cause);
    row.map_or(Errno::EIO, |(_, errno)| Errno::from_i32(*errno))
}

/// Whether a text was not logged within the last [`NEWS_AGAIN`].
fn is_news(text: &str) -> bool {
    static SAID: LazyLock<Mutex<LruCache<String, Instant>>> =
        LazyLock::new(|| Mutex::new(LruCache::new(TEXTS)));
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    let recent = said.get(text).is_some_and(|at| at.elapsed() < NEWS_AGAIN);
    if !recent {
        said.put(text.to_owned(), Instant::now());
    }
    !recent
}
