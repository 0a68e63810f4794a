//! What was looked for in `.find/`: a name there is a query, and a directory of links to what it finds.
//!
//! Naming a query costs nothing, and finding is done elsewhere; here stands what was found, for as long as it
//! counts. Only so many queries and links are remembered. Their numbers are made of what they name, so that
//! they are the same when something that was forgotten is named again.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use lru::LruCache;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::name::numbered;
use super::{Folder, Inode, Tree};
use crate::types::{Cause, Failure, Query, ScopeNumber, UNDATED, Window, lock};

/// The directory of queries. The root does not list it, so that who walks the tree does not walk into it.
pub(super) const NAME: &str = ".find";

/// Queries that are remembered.
const QUERIES: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// Links of all of them that are remembered, and of one that there can be: about 30 MB.
const LINKS: usize = 100_000;
/// How long what was found counts: whoever lists a directory looks at its links next.
const LIFE: Duration = Duration::from_secs(10);

/// The number of a query, below 2^26.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryNumber(pub(super) u32);

/// A link to a file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its inode number.
    pub inode: Inode,
    /// Its name: the day and the file's own.
    pub name: String,
    /// The file, from the query's directory.
    pub target: String,
    /// Of the file, in seconds since the Unix epoch.
    pub modified: i64,
}

/// A file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its path in the mount.
    pub path: String,
    /// The day and its name.
    pub name: String,
    /// Of the file, in seconds since the Unix epoch.
    pub modified: i64,
}

/// The queries of a mount.
pub(super) struct Queries(Mutex<LruCache<QueryNumber, Known>>);

struct Known {
    name: Box<str>,
    query: Arc<Query>,
    links: Option<Links>,
}

/// What a query found, and when.
struct Links {
    at: Instant,
    by_name: Arc<[Arc<Link>]>,
    by_inode: Box<[Arc<Link>]>,
}

impl Default for Queries {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(QUERIES)))
    }
}

impl Queries {
    /// The query of a name.
    pub(super) fn named(&self, name: &str) -> Result<QueryNumber, Failure> {
        // What begins with a dot is looked for by file managers and the like in every directory.
        if name.starts_with('.') {
            return Err(Failure::new(Cause::NotFound, "no query begins with a dot"));
        }
        let query = Query::named(name).and_then(|query| query.possible(Timestamp::now()));
        let query = query.map_err(|error| Failure::new(Cause::Invalid, error))?;
        let mut known = lock(&self.0);
        for attempt in 0..=QUERIES.get() as u64 {
            let hash = xxh3_64_with_seed(name.as_bytes(), attempt) & ((1 << 26) - 1);
            let number = QueryNumber(u32::try_from(hash).unwrap_or(0));
            match known.get(&number) {
                Some(taken) if *taken.name != *name => {}
                Some(_) => return Ok(number),
                None => {
                    let query = Arc::new(query);
                    known.put(number, Known { name: name.into(), query, links: None });
                    return Ok(number);
                }
            }
        }
        Err(Failure::new(Cause::Internal, "no number is left for a query"))
    }

    /// A query by its number.
    pub(super) fn query(&self, number: QueryNumber) -> Option<Arc<Query>> {
        lock(&self.0).get(&number).map(|known| Arc::clone(&known.query))
    }

    /// Takes in what a query found.
    pub(super) fn take_in(&self, number: QueryNumber, found: Vec<Found>) -> Result<(), Failure> {
        in_one_directory(found.len())?;
        let links: Arc<[_]> = links(number, found).into();
        let mut known = lock(&self.0);
        if let Some(known) = known.get_mut(&number) {
            let mut by_inode: Box<[_]> = links.iter().cloned().collect();
            by_inode.sort_by_key(|link| link.inode);
            known.links = Some(Links { at: Instant::now(), by_name: links, by_inode });
        }
        let mut held = 0;
        // From the one used last on; what does not fit is found again when somebody looks.
        for (_, known) in known.iter_mut() {
            held += known.links.as_ref().map_or(0, |links| links.by_name.len());
            if held > LINKS {
                known.links = None;
            }
        }
        Ok(())
    }

    /// What was found, if that was just now.
    pub(super) fn fresh(&self, number: QueryNumber) -> Option<Arc<[Arc<Link>]>> {
        let known = lock(&self.0);
        let links = known.peek(&number)?.links.as_ref()?;
        (links.at.elapsed() < LIFE).then(|| Arc::clone(&links.by_name))
    }

    /// What was found last.
    pub(super) fn links(&self, number: QueryNumber) -> Arc<[Arc<Link>]> {
        let mut known = lock(&self.0);
        let links = known.get(&number).and_then(|known| known.links.as_ref());
        links.map_or_else(Arc::default, |links| Arc::clone(&links.by_name))
    }

    /// The link of a name, if it was found.
    pub(super) fn link(&self, number: QueryNumber, name: &str) -> Option<Arc<Link>> {
        let links = self.links(number);
        let at = links.binary_search_by(|link| link.name.as_str().cmp(name)).ok()?;
        links.get(at).cloned()
    }

    /// The link of an inode number, if it was found.
    pub(super) fn by_inode(&self, number: QueryNumber, inode: Inode) -> Option<Arc<Link>> {
        let mut known = lock(&self.0);
        let links = &known.get(&number)?.links.as_ref()?.by_inode;
        let at = links.binary_search_by_key(&inode, |link| link.inode).ok()?;
        links.get(at).cloned()
    }
}

impl Tree {
    /// The days in which files can be that are looked for, in their order.
    pub fn days(&self, query: &Query, now: Timestamp) -> Vec<(ScopeNumber, Date)> {
        let mut days = Vec::new();
        for scope in self.places.scopes() {
            if !query.is_dated() && self.catalog.has_undated(scope) {
                days.push((scope, UNDATED));
            }
            let window = query.window(self.catalog.window(scope), now);
            let in_window = window.into_iter().flat_map(|Window { first, last }| {
                first.series(1.day()).take_while(move |day| *day <= last)
            });
            days.extend(in_window.map(|day| (scope, day)));
        }
        days.sort_by_key(|(_, day)| *day);
        days
    }

    /// The days that a query asks for and that are not shown: before and after those that are.
    pub fn beyond(&self, query: &Query, now: Timestamp) -> Vec<Window> {
        // What knows its days shows all that there is.
        let shown = self.places.scopes().filter(|scope| !self.catalog.knows_its_days(*scope));
        let Some(shown) = shown.map(|scope| self.catalog.window(scope)).next() else {
            return Vec::new();
        };
        let (first, last) = query.days(now);
        // Where only the end is said, it is told if all of what is asked for is before what is shown.
        let first = first.or(last.filter(|last| *last < shown.first));
        let before = first.map(|first| Window {
            first,
            last: shown.first.yesterday().unwrap_or(Date::MIN).min(last.unwrap_or(Date::MAX)),
        });
        let after = last.map(|last| Window {
            first: shown.last.tomorrow().unwrap_or(Date::MAX).max(first.unwrap_or(Date::MIN)),
            last,
        });
        before.into_iter().chain(after).filter(|window| window.first <= window.last).collect()
    }

    /// A day's files. Where nobody is asked, there are none of a day that was never listed.
    pub async fn day(
        &self,
        scope: ScopeNumber,
        date: Date,
        asks: bool,
    ) -> Result<Option<Arc<Folder>>, Failure> {
        if asks {
            return self.folder(scope, date).await.map(Some);
        }
        let day = self.catalog.day_at_hand(scope, date).await;
        Ok(day.map(|day| self.folder_of_day(scope, day)))
    }

    /// The query of a number.
    pub fn query(&self, number: QueryNumber) -> Option<Arc<Query>> {
        self.queries.query(number)
    }

    /// Whether what a query found, if that was just now, answers for a name, or for all of them.
    pub fn is_found(&self, number: QueryNumber, name: Option<&str>) -> bool {
        let is_known = || name.is_some_and(|name| self.queries.link(number, name).is_some());
        self.queries.fresh(number).is_some() || is_known()
    }

    /// Takes in what a query found.
    pub fn take_in(&self, number: QueryNumber, found: Vec<Found>) -> Result<(), Failure> {
        self.queries.take_in(number, found)
    }
}

/// Fails when a query has found more than one directory holds.
pub fn in_one_directory(found: usize) -> Result<(), Failure> {
    let text = || format!("a query finds more than {LINKS} files: look for less");
    if found > LINKS { Err(Failure::new(Cause::Invalid, text())) } else { Ok(()) }
}

/// Links to what was found, sorted by name.
fn links(number: QueryNumber, found: Vec<Found>) -> Vec<Arc<Link>> {
    let (mut names, mut inodes) = (HashSet::new(), HashSet::new());
    let attempts = found.len() as u64;
    let mut links = Vec::with_capacity(found.len());
    for Found { path, name, modified } in found {
        // In each area of each profile there may be a file of that name.
        let (mut free, mut n) = (name.clone(), 1);
        while !names.insert(free.clone()) {
            n += 1;
            free = numbered(&name, n);
        }
        let inode = |attempt| Inode::of_link(number, &path, attempt);
        let inode = (0..=attempts).map(inode).find(|inode| inodes.insert(*inode));
        let Some(inode) = inode else { continue };
        let target = format!("../../{path}");
        links.push(Arc::new(Link { inode, name: free, target, modified }));
    }
    links.sort_by(|a, b| a.name.cmp(&b.name));
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(paths: &[&str]) -> Vec<Found> {
        let found = |path: &&str| {
            let name = path.rsplit('/').next().unwrap_or(path).to_owned();
            Found { path: (*path).to_owned(), name, modified: 7 }
        };
        paths.iter().map(found).collect()
    }

    #[test]
    fn a_query_has_the_same_number_whenever_it_is_named() {
        let queries = Queries::default();
        let number = queries.named("refund").unwrap();
        for n in 0..1000 {
            assert_ne!(queries.named(&format!("text={n}")).unwrap(), number);
        }
        assert!(queries.query(number).is_none(), "it was forgotten");
        assert_eq!(queries.named("refund").unwrap(), number);
        assert_eq!(queries.named(".git").unwrap_err().cause, Cause::NotFound);
        assert_eq!(queries.named("sicne=1d").unwrap_err().cause, Cause::Invalid);
    }

    #[test]
    fn links_have_names_and_numbers_of_their_own_that_stay() {
        let queries = Queries::default();
        let number = queries.named("refund").unwrap();
        assert!(queries.fresh(number).is_none());
        queries.take_in(number, found(&["logs/b.log", "a/logs/b.log", "logs/a.log"])).unwrap();
        let first = queries.fresh(number).unwrap();
        let names: Vec<_> = first.iter().map(|link| link.name.as_str()).collect();
        assert_eq!(names, ["a.log", "b-2.log", "b.log"]);
        assert_eq!(first[2].target, "../../logs/b.log");
        let link = queries.link(number, "b.log").unwrap();
        assert_eq!(queries.by_inode(number, link.inode), Some(link.clone()));
        queries.take_in(number, found(&["logs/b.log"])).unwrap();
        assert_eq!(queries.link(number, "b.log").unwrap().inode, link.inode);
        assert!(queries.link(number, "a.log").is_none());
    }

    #[test]
    fn only_so_many_links_are_remembered() {
        let queries = Queries::default();
        let many: Vec<_> = (0..LINKS).map(|n| format!("logs/{n}")).collect();
        let many = found(&many.iter().map(String::as_str).collect::<Vec<_>>());
        let (first, second) = (queries.named("a").unwrap(), queries.named("b").unwrap());
        queries.take_in(first, many.clone()).unwrap();
        queries.take_in(second, found(&["logs/1"])).unwrap();
        assert_eq!((queries.links(first).len(), queries.links(second).len()), (0, 1));
        let more = [many, found(&["logs/x"])].concat();
        assert_eq!(queries.take_in(first, more).unwrap_err().cause, Cause::Invalid);
    }
}
