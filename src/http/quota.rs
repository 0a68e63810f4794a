//! How many requests a day may be made: counted across restarts, and across mounts of the same key.
//!
//! What runs ahead stops while a part of the day's budget is left, which is kept for readers; they go
//! on to the last request, and are refused at once then. The count stands in a small file of its own
//! that only its owner can read.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use nix::fcntl::{Flock, FlockArg};
use secrecy::{ExposeSecret, SecretString};
use tracing::warn;

use super::error::Reason;
use crate::source::Urgency;
use crate::types::{chain, lock};

/// One part in so many of the budget is kept for readers.
const RESERVE: u64 = 5;

/// A budget of requests a day (UTC), and where they are counted.
#[derive(Clone, Debug)]
pub struct Quota {
    /// How many a day.
    pub daily: u64,
    /// The file of the count; none: this process alone counts, in memory.
    pub ledger: Option<PathBuf>,
}

impl Quota {
    /// The ledger in a directory for a key: nobody can tell from its name which key that is.
    pub fn ledger_for(key: &SecretString, directory: &Path) -> PathBuf {
        let digest = digest(&SHA256, key.expose_secret().as_bytes());
        let name = digest.as_ref().iter().take(8).fold("requests-".to_owned(), |mut name, byte| {
            // Writing to a string does not fail.
            let _ = write!(name, "{byte:02x}");
            name
        });
        directory.join(name)
    }
}

/// A budget as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Requests that may be made on a day.
    pub daily: u64,
    /// Those of the current day that may still be made.
    pub left: u64,
    /// Those of them that nobody has to wait for: the rest is kept for readers.
    pub for_background: u64,
}

/// Requests made on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    day: Date,
    used: u64,
}

impl Count {
    /// This count on `today`: another day begins at nothing.
    fn on(self, today: Date) -> Self {
        if self.day == today { self } else { Self { day: today, used: 0 } }
    }

    /// Whether one more may be made: for a reader to the last, else while more than the reserve is
    /// left.
    fn allows(self, daily: u64, for_reader: bool) -> bool {
        let kept = if for_reader { 0 } else { daily.div_ceil(RESERVE) };
        self.used < daily.saturating_sub(kept)
    }

    /// Reads `2026-11-25 123`. What is anything else counts for nothing.
    fn parse(text: &str) -> Option<Self> {
        let (day, used) = text.trim_end().split_once(' ')?;
        Some(Self { day: day.parse().ok()?, used: used.parse().ok()? })
    }
}

/// The budget of a client: none until it is limited, but counted from the first request on.
#[derive(Default)]
pub(super) struct Budget {
    limited: OnceLock<Arc<Limited>>,
    before: AtomicU64,
}

struct Limited {
    quota: Quota,
    /// As of the last request, here or, where there is a ledger, anywhere.
    count: Mutex<Count>,
    told: Mutex<Option<Date>>,
    /// Whether it was told that the ledger cannot be kept.
    is_lost: AtomicBool,
}

impl Budget {
    /// Takes a limit, once.
    pub(super) fn limit(&self, quota: Quota) {
        let count = Mutex::new(Count { day: today(), used: 0 });
        let (told, is_lost) = (Mutex::default(), AtomicBool::default());
        let _ = self.limited.set(Arc::new(Limited { quota, count, told, is_lost }));
    }

    /// What is left of the day's budget; `None` where there is none. Looks at the disk.
    pub(super) fn left(&self) -> Option<Left> {
        Some(self.limited.get()?.left(self.before.load(Ordering::Relaxed), today()))
    }

    /// Counts a request that is about to be made, or refuses it.
    pub(super) async fn spend(&self, urgency: &Urgency) -> Result<(), Reason> {
        let Some(limited) = self.limited.get() else {
            self.before.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        };
        let for_reader = urgency.is_raised();
        if let Some(refusal) = limited.refusal(today(), for_reader) {
            return Err(refusal);
        }
        let requests = 1 + self.before.swap(0, Ordering::Relaxed);
        let (limited, urgency) = (Arc::clone(limited), urgency.clone());
        // The disk may keep whoever asks it waiting, and shall keep nobody else.
        let spent = tokio::task::spawn_blocking(move || {
            limited.take(requests, today(), urgency.is_raised())
        });
        spent.await.unwrap_or(Err(Reason::Internal))
    }
}

impl Limited {
    /// Why a request cannot be made, as far as is known without a look at the ledger: who made
    /// requests elsewhere can only have made it worse.
    fn refusal(&self, today: Date, for_reader: bool) -> Option<Reason> {
        let count = lock(&self.count).on(today);
        if count.allows(self.quota.daily, for_reader) {
            return None;
        }
        let reason = Reason::OverBudget(self.quota.daily);
        if for_reader && lock(&self.told).replace(today) != Some(today) {
            warn!("{reason}; --daily-requests sets it");
        }
        Some(reason)
    }

    /// What is left, when `before` requests were made that are not counted yet.
    fn left(&self, before: u64, today: Date) -> Left {
        let known = *lock(&self.count);
        // Other mounts write there, too.
        let kept = self.quota.ledger.as_deref().and_then(read);
        let used = kept.unwrap_or(known).on(today).used.saturating_add(before);
        let daily = self.quota.daily;
        let left = daily.saturating_sub(used);
        Left { daily, left, for_background: left.saturating_sub(daily.div_ceil(RESERVE)) }
    }

    fn take(&self, requests: u64, today: Date, for_reader: bool) -> Result<(), Reason> {
        let mut count = lock(&self.count);
        // Held until the count is written, so that two mounts never count the same request.
        let held = match self.quota.ledger.as_deref().map(|path| (open_lock(path), path)) {
            Some((Ok(held), path)) => {
                *count = read(path).unwrap_or(Count { day: today, used: 0 });
                Some((held, path))
            }
            Some((Err(error), path)) => {
                self.lose(path, &error);
                None
            }
            None => None,
        };
        *count = count.on(today);
        let allowed = count.allows(self.quota.daily, for_reader);
        // Requests made before there was a limit were made, whatever it is.
        count.used = count.used.saturating_add(requests - u64::from(!allowed));
        if let Some((held, path)) = held {
            if let Err(error) = write(path, *count) {
                self.lose(path, &error);
            }
            drop(held);
        }
        drop(count);
        if allowed {
            return Ok(());
        }
        Err(self.refusal(today, for_reader).unwrap_or(Reason::OverBudget(self.quota.daily)))
    }

    fn lose(&self, path: &Path, error: &io::Error) {
        if !self.is_lost.swap(true, Ordering::Relaxed) {
            warn!(
                "{}: {}: the requests of this mount are counted in memory alone",
                path.display(),
                chain(error)
            );
        }
    }
}

fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// The file beside the ledger that is locked: the ledger itself is replaced at each request.
fn open_lock(path: &Path) -> io::Result<Flock<fs::File>> {
    if let Some(directory) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    let file = options.open(path.with_extension("lock"))?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno.into())
}

fn read(path: &Path) -> Option<Count> {
    Count::parse(&fs::read_to_string(path).ok()?)
}

/// Replaces the ledger in one step: whoever reads it sees the old count or the new one.
fn write(path: &Path, count: Count) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&part)?;
    writeln!(file, "{} {}", count.day, count.used)?;
    fs::rename(&part, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use std::os::unix::fs::PermissionsExt as _;

    const DAY: Date = date(2026, 11, 25);

    fn limited(daily: u64, ledger: Option<PathBuf>) -> Limited {
        let budget = Budget::default();
        budget.limit(Quota { daily, ledger });
        Arc::into_inner(budget.limited.into_inner().unwrap()).unwrap()
    }

    /// How many requests are let through, of many.
    fn granted(limited: &Limited, day: Date, for_reader: bool) -> usize {
        (0..100).filter(|_| limited.take(1, day, for_reader).is_ok()).count()
    }

    #[test]
    fn what_runs_ahead_stops_first_and_readers_go_on_to_the_last() {
        let limited = limited(20, None);
        assert_eq!(limited.left(3, DAY), Left { daily: 20, left: 17, for_background: 13 });
        assert_eq!(granted(&limited, DAY, false), 16);
        assert_eq!(limited.left(0, DAY), Left { daily: 20, left: 4, for_background: 0 });
        assert_eq!(granted(&limited, DAY, true), 4);
        assert!(matches!(limited.refusal(DAY, true), Some(Reason::OverBudget(20))));
        let next = DAY.tomorrow().unwrap();
        assert!(limited.refusal(next, true).is_none(), "the day turns");
        assert_eq!(granted(&limited, next, true), 20);
    }

    #[test]
    fn the_count_outlives_the_mount_and_is_shared_by_two() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/requests-0");
        let both = [limited(10, Some(path.clone())), limited(10, Some(path.clone()))];
        for turn in 0..8 {
            both[turn % 2].take(1, DAY, true).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "2026-11-25 8\n");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(granted(&limited(10, Some(path)), DAY, true), 2);
        assert_eq!(granted(&both[0], DAY, true), 0);
    }

    #[test]
    fn many_at_once_are_each_counted_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("requests-0");
        let mounts: Vec<_> = (0..4).map(|_| limited(150, Some(path.clone()))).collect();
        let granted: usize = std::thread::scope(|scope| {
            let all: Vec<_> =
                mounts.iter().map(|mount| scope.spawn(|| granted(mount, DAY, true))).collect();
            all.into_iter().map(|count| count.join().unwrap()).sum()
        });
        assert_eq!(granted, 150);
    }

    #[test]
    fn a_ledger_that_holds_anything_else_counts_for_nothing() {
        for text in ["", "x", "2026-11-25", "2026-11-25 -1", "2026-13-01 5", "2026-11-25 5 6"] {
            assert_eq!(Count::parse(text), None, "{text}");
        }
        let directory = tempfile::tempdir().unwrap();
        let nowhere = directory.path().join("file");
        fs::write(&nowhere, "").unwrap();
        // It cannot be kept: the mount counts for itself.
        assert_eq!(granted(&limited(10, Some(nowhere.join("requests"))), DAY, true), 10);
    }

    #[tokio::test]
    async fn requests_made_before_the_limit_count() {
        let budget = Budget::default();
        for _ in 0..3 {
            budget.spend(&Urgency::now()).await.unwrap();
        }
        budget.limit(Quota { daily: 5, ledger: None });
        budget.spend(&Urgency::now()).await.unwrap();
        budget.spend(&Urgency::now()).await.unwrap();
        assert!(budget.spend(&Urgency::now()).await.is_err());
    }
}
