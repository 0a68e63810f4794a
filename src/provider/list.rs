//! A list of links in a file, as a vendor's export or a script writes it: no API, one file a line.
//!
//! The file is read whole, and again when it changes; one that can no longer be read leaves what was
//! read before in place. Lines that cannot be used are counted and told, never silently dropped, and
//! their text is not quoted: it may hold links.

mod row;
mod table;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::civil::{Date, date};
use thiserror::Error;
use tracing::{info, warn};
use url::Url;

use crate::input::{self, InputError};
use crate::source::Provider;
use crate::types::{Content, Entry, Failure, UNDATED, Window};

pub use row::name_of;

/// How long the file is taken for unchanged without a look.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The largest file that is read: some millions of lines.
const MOST_BYTES: u64 = 1 << 30;
/// So many of the lines that cannot be used are named.
const NAMED: usize = 3;
/// No days: all that a list without dates has.
const NO_DAYS: Window = Window { first: date(1970, 1, 1), last: date(1969, 12, 31) };

/// Whose links a list holds, as far as that changes how they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Anybody's.
    Any,
    /// Those of recordings of WhatConverts: a player's is turned into the file's.
    WhatConverts,
}

/// A list that cannot be used.
#[derive(Debug, Error)]
pub enum ListError {
    /// It cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// No line has a link.
    #[error("holds no link ({lines} lines were read)")]
    NoLink {
        /// Lines that are not empty, without the header.
        lines: usize,
    },
}

/// A list of links.
pub struct List {
    path: PathBuf,
    links: Links,
    state: Mutex<State>,
}

struct State {
    looked: Instant,
    stamp: Stamp,
    revision: u64,
    rows: Arc<Rows>,
}

/// What changes when a file is written or replaced: device, inode, size, time.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// What was read.
struct Rows {
    days: BTreeMap<Date, Vec<Entry>>,
    unusable: Unusable,
    count: usize,
}

/// Lines that cannot be used.
#[derive(Default)]
struct Unusable {
    count: usize,
    /// Number and reason of the first few.
    first: Vec<(u64, &'static str)>,
}

impl List {
    /// Reads the list. Blocks on the disk.
    pub fn open(path: &Path, links: Links) -> Result<Self, ListError> {
        let stamp = stamp(path);
        let rows = Arc::new(Rows::read(path, links)?);
        let state = State { looked: Instant::now(), stamp, revision: 0, rows };
        Ok(Self { path: path.to_owned(), links, state: Mutex::new(state) })
    }

    /// What to tell of the lines that cannot be used; `None` when all can.
    pub fn complaint(&self) -> Option<String> {
        self.rows().complaint()
    }

    /// The links of the list, for a look at where they lead.
    pub fn urls(&self) -> Vec<Url> {
        let rows = self.rows();
        let objects = rows.days.values().flatten().flat_map(|entry| &entry.objects);
        let url = |content: &Content| match content {
            Content::Remote { link, .. } => Some(link.url().clone()),
            Content::Inline(_) => None,
        };
        objects.filter_map(|object| url(&object.content)).collect()
    }

    fn rows(&self) -> Arc<Rows> {
        Arc::clone(&self.state().rows)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file again if it changed since the last look. Rare, and quick enough for the
    /// caller to wait: 100,000 lines take a fraction of a second.
    fn look(&self) -> u64 {
        let mut state = self.state();
        if state.looked.elapsed() < LOOK_EVERY {
            return state.revision;
        }
        state.looked = Instant::now();
        let stamp = stamp(&self.path);
        if stamp != state.stamp {
            state.stamp = stamp;
            match Rows::read(&self.path, self.links) {
                Ok(rows) => {
                    info!(files = rows.count, "the list changed and was read again");
                    state.rows = Arc::new(rows);
                    state.revision += 1;
                }
                Err(error) => warn!("the list changed: it {error}; what was read before stays"),
            }
        }
        state.revision
    }
}

impl Provider for List {
    fn list(&self, window: Window) -> BoxFuture<'_, Result<Vec<Entry>, Failure>> {
        let rows = self.rows();
        async move {
            // A range that ends before it begins is no empty one: it panics.
            if window.last < window.first {
                return Ok(Vec::new());
            }
            let days = rows.days.range(window.first..=window.last);
            Ok(days.flat_map(|(_, entries)| entries.iter().cloned()).collect())
        }
        .boxed()
    }

    fn most_days(&self) -> u32 {
        400
    }

    fn span(&self) -> Option<Window> {
        self.look();
        let rows = self.rows();
        let mut days = rows.days.keys().copied().filter(|day| *day != UNDATED);
        let first = days.next();
        let last = days.next_back().or(first);
        Some(first.zip(last).map_or(NO_DAYS, |(first, last)| Window { first, last }))
    }

    fn has_undated(&self) -> bool {
        self.look();
        self.rows().days.contains_key(&UNDATED)
    }

    fn revision(&self) -> u64 {
        self.look()
    }
}

impl Rows {
    fn read(path: &Path, links: Links) -> Result<Self, ListError> {
        let rows = Self::parse(&table::decode(&input::read(path, MOST_BYTES)?), links)?;
        if let Some(complaint) = rows.complaint() {
            warn!("the list has {complaint}");
        }
        Ok(rows)
    }

    fn parse(text: &str, links: Links) -> Result<Self, ListError> {
        let mut days: BTreeMap<Date, Vec<Entry>> = BTreeMap::new();
        let (mut unusable, mut count) = (Unusable::default(), 0);
        let mut seen = HashSet::new();
        table::read(text, |line, cells| match cells.and_then(|cells| row::entry(&cells, links)) {
            Ok(entry) if seen.insert(entry.id.clone()) => {
                count += 1;
                days.entry(entry.day).or_default().push(entry);
            }
            Ok(_) => unusable.add(line, "the same link as a line before"),
            Err(why) => unusable.add(line, why),
        });
        if count == 0 {
            return Err(ListError::NoLink { lines: unusable.count });
        }
        for entries in days.values_mut() {
            entries.sort_by_key(|entry| entry.start);
        }
        Ok(Self { days, unusable, count })
    }

    fn complaint(&self) -> Option<String> {
        let Unusable { count, first } = &self.unusable;
        if *count == 0 {
            return None;
        }
        let named = first.iter().map(|(line, why)| format!("line {line}: {why}"));
        let named = named.collect::<Vec<_>>().join("; ");
        let more = if *count > first.len() { "; …" } else { "" };
        let all = count + self.count;
        Some(format!("{count} of {all} lines that cannot be used ({named}{more})"))
    }
}

/// What becomes of a list with these bytes, for fuzzers.
#[doc(hidden)]
pub fn decode(bytes: &[u8]) -> Vec<Entry> {
    let text = String::from_utf8_lossy(bytes);
    let rows = [Links::Any, Links::WhatConverts].map(|links| Rows::parse(&text, links));
    rows.into_iter().flatten().flat_map(|rows| rows.days.into_values().flatten()).collect()
}

impl Unusable {
    fn add(&mut self, line: u64, why: &'static str) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push((line, why));
        }
    }
}

fn stamp(path: &Path) -> Stamp {
    // A pipe changes while it is read, and cannot be read again.
    let meta = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some((meta.dev(), meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
}

#[cfg(test)]
mod tests;
