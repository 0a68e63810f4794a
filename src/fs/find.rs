//! Finding files: day by day what is looked for, and the directories in `.find/` that hold links to it.
//!
//! A day that was never listed is listed for it, as a walk through the tree would. Words are searched in the
//! facts of calls, in what listings carry of what was said, and in transcripts that are cached whole; none is
//! fetched for that.

use std::collections::{HashMap, HashSet};
use std::ops::AddAssign;
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _};
use jiff::Timestamp;
use jiff::civil::Date;

use super::{Fs, Kept, When};
use crate::catalog::{Missing, Search, SearchedDay as IndexedDay, call_number, saying};
use crate::tree::{File, Folder, Found, Inode, Node, in_one_directory};
use crate::types::{
    Area, Call, Cause, Content, Failure, ObjectId, Query, ScopeNumber, Seconds, Window,
};

/// Days that are searched at a time: so many as keep two processors busy while one waits for the disk.
const AT_ONCE: usize = 4;
/// Largest transcript that is fetched from elsewhere and searched, in bytes: what is said in an hour is 60 KiB.
pub const LONGEST_TEXT: u64 = 4 * 1024 * 1024;

/// A file that was found.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Its path in the mount.
    pub path: String,
    /// The file.
    pub file: Arc<File>,
    /// Its call's facts, as the text of one JSON object; no link, no credential.
    pub facts: Box<str>,
}

/// What was found on a day.
#[derive(Debug)]
pub struct SearchedDay {
    /// The day.
    pub date: Date,
    /// The files, in the order of their calls.
    pub hits: Vec<Hit>,
    /// Why the day is not listed, where it is not: then nothing was found on it.
    pub unlisted: Option<Failure>,
    /// Transcripts of calls that may have been meant that were not searched.
    pub unheard: Unheard,
}

/// How many transcripts were not searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unheard {
    /// Since they are not cached.
    pub uncached: u64,
    /// Since they are longer than [`LONGEST_TEXT`].
    pub too_long: u64,
}

impl AddAssign for Unheard {
    fn add_assign(&mut self, more: Self) {
        self.uncached += more.uncached;
        self.too_long += more.too_long;
    }
}

/// What is looked for, and what was found out about it before any day was looked into.
struct Hunt {
    query: Arc<Query>,
    seconds: Seconds,
    search: Search,
    /// Whether days that were never listed are asked for.
    asks: bool,
}

impl Fs {
    /// Looks for files, in the order of their days. Only what is known is searched unless it `asks`.
    pub async fn find(
        self: &Arc<Self>,
        query: Arc<Query>,
        asks: bool,
    ) -> impl Stream<Item = SearchedDay> + Send + use<> {
        let now = Timestamp::now();
        let search = self.catalog.search(query.words()).await;
        let days = self.tree.days(&query, now);
        let hunt = Arc::new(Hunt { seconds: query.seconds(now), query, search, asks });
        let fs = Arc::clone(self);
        let searched = futures_util::stream::iter(days).map(move |(scope, date)| {
            let (fs, hunt) = (Arc::clone(&fs), Arc::clone(&hunt));
            // A task of its own: it may run while who wants its outcome is busy with the one before.
            let task = tokio::spawn(async move { fs.search_day(&hunt, scope, date).await });
            async move {
                let panicked = |panic| Failure::new(Cause::Internal, panic);
                task.await.map_err(panicked).and_then(|searched| searched).unwrap_or_else(
                    |failure| SearchedDay {
                        date,
                        hits: Vec::new(),
                        unlisted: Some(failure),
                        unheard: Unheard::default(),
                    },
                )
            }
        });
        searched.buffered(AT_ONCE)
    }

    /// The days that a query asks for and that are not shown.
    pub fn beyond(&self, query: &Query) -> Vec<Window> {
        self.tree.beyond(query, Timestamp::now())
    }

    async fn search_day(
        self: &Arc<Self>,
        hunt: &Arc<Hunt>,
        scope: ScopeNumber,
        date: Date,
    ) -> Result<SearchedDay, Failure> {
        let unheard = Unheard::default();
        let nothing = SearchedDay { date, hits: Vec::new(), unlisted: None, unheard };
        let told = self.catalog.searched(&hunt.search, scope, date);
        if told.is_some_and(|day| day.calls.is_empty() && day.missing == Missing::default()) {
            return Ok(nothing);
        }
        let never = || Failure::new(Cause::Unreachable, "it was never listed");
        let folder = self.tree.day(scope, date, hunt.asks).await?.ok_or_else(never)?;
        let words = self.words_of(hunt, (scope, date), &folder, told).await;
        let (hunt, searched) = (Arc::clone(hunt), Arc::clone(&folder));
        let matching = tokio::task::spawn_blocking(move || hunt.calls(&searched, &words));
        let (found, unheard) =
            matching.await.map_err(|panic| Failure::new(Cause::Internal, panic))??;
        let hit =
            |(file, facts): (Arc<File>, Box<str>)| Hit { path: self.tree.path(&file), file, facts };
        Ok(SearchedDay { hits: found.into_iter().map(hit).collect(), unheard, ..nothing })
    }

    /// Where the words of a day are to be searched: in what the index `told`, if no transcript has come since,
    /// or else in the day itself, which then enters the index for the next time.
    async fn words_of(
        &self,
        hunt: &Hunt,
        (scope, date): (ScopeNumber, Date),
        folder: &Folder,
        told: Option<&IndexedDay>,
    ) -> Words {
        if hunt.query.words().is_empty() {
            return Words::default();
        }
        if let Some(day) = told.filter(|day| day.missing == Missing::default()) {
            return Words { told: Some(day.calls.clone()), ..Words::default() };
        }
        let is_remote = |file: &&Arc<File>| {
            file.object.area == Area::Transcripts
                && matches!(file.object.content, Content::Remote { .. })
        };
        let files = folder.calls().flat_map(|(_, files)| files).filter(is_remote);
        let (cached, others): (Vec<_>, Vec<_>) = files.partition(|file| self.is_cached(file));
        let mut missing: HashSet<_> = others.iter().map(|file| file.object.id.clone()).collect();
        let too_long = others.into_iter().filter(|file| self.is_too_long(file));
        let too_long = too_long.map(|file| file.object.id.clone()).collect();
        if let Some(day) = told.filter(|day| day.missing == Missing::of(&missing)) {
            let told = Some(day.calls.clone());
            return Words { told, missing, too_long, ..Words::default() };
        }
        let mut said = HashMap::new();
        for file in cached {
            let id = file.object.id.clone();
            match self.cached_text(file).await {
                Some(text) => drop(said.insert(id, text)),
                None => drop(missing.insert(id)),
            }
        }
        let heard = Missing::of(&missing);
        self.catalog.index(&hunt.search, (scope, date), said.clone(), heard);
        Words { told: None, said, missing, too_long }
    }

    /// Whether a transcript is known to be too long to be searched.
    fn is_too_long(&self, file: &File) -> bool {
        let version = self.catalog.version(file.scope, file.day, &file.object.id);
        version.is_some_and(|version| version.total > LONGEST_TEXT)
    }

    /// Whether a transcript is cached whole, and short enough to be searched.
    fn is_cached(&self, file: &File) -> bool {
        let version = self.catalog.version(file.scope, file.day, &file.object.id);
        version.is_some_and(|version| {
            version.total <= LONGEST_TEXT
                && self.cache.kept(&file.object.id, &version) == Kept::Whole
        })
    }

    /// The text of a file that is cached whole.
    async fn cached_text(&self, file: &File) -> Option<String> {
        let text = self.open_object(file, When::Ahead).await.ok()?;
        let bytes = text.read(0, text.size()).await.ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Sees to it that a directory in `.find/` holds what is looked for, when it is read, or when a name is
    /// looked up in it that is not known. Nothing is done for other directories.
    pub(super) async fn look_for(
        self: &Arc<Self>,
        directory: &Node,
        name: Option<&str>,
    ) -> Result<(), Failure> {
        let Node::Query(number) = *directory else { return Ok(()) };
        let gone = || Failure::new(Cause::NotFound, "the query was forgotten: name it again");
        let query = self.tree.query(number).ok_or_else(gone)?;
        if self.tree.is_found(number, name) {
            return Ok(());
        }
        let mut days = std::pin::pin!(self.find(query, true).await);
        let (mut found, mut unheard) = (Vec::new(), Unheard::default());
        while let Some(day) = days.next().await {
            // A directory has no place to say that it is not complete.
            if let Some(failure) = day.unlisted {
                let text = format!("{} could not be searched: {failure}", day.date);
                return Err(Failure::new(failure.cause, text));
            }
            unheard += day.unheard;
            found.extend(day.hits.into_iter().map(|hit| Found {
                name: hit.file.dated_name(),
                modified: hit.file.object.modified,
                path: hit.path,
            }));
            in_one_directory(found.len())?;
        }
        let Unheard { uncached, too_long } = unheard;
        if uncached + too_long > 0 {
            tracing::warn!(uncached, too_long, "transcripts were not searched in .find");
        }
        self.tree.take_in(number, found)
    }

    /// Where a link leads.
    pub async fn readlink(&self, inode: Inode) -> Result<String, Failure> {
        match self.within(self.node(inode)).await? {
            Node::Link(link) => Ok(link.target.clone()),
            _ => Err(Failure::new(Cause::Invalid, "not a link")),
        }
    }
}

/// Where the words of a day are to be searched.
#[derive(Default)]
struct Words {
    /// The numbers of the calls that say all of them, where the index tells.
    told: Option<HashSet<i64>>,
    /// Transcripts that are cached, otherwise.
    said: HashMap<ObjectId, String>,
    /// Those that are not, or are too long.
    missing: HashSet<ObjectId>,
    /// The latter.
    too_long: HashSet<ObjectId>,
}

impl Words {
    /// How many of the files are transcripts that were not searched.
    fn unheard(&self, files: &[&Arc<File>]) -> Unheard {
        let count = |ids: &HashSet<ObjectId>| {
            files.iter().filter(|file| ids.contains(&file.object.id)).count() as u64
        };
        let too_long = count(&self.too_long);
        Unheard { uncached: count(&self.missing) - too_long, too_long }
    }
}

/// Files that were found, each with its call's facts.
type FoundFiles = Vec<(Arc<File>, Box<str>)>;

impl Hunt {
    /// The files of a day that are looked for, and how many transcripts of other calls that may have been
    /// meant were not searched.
    fn calls(&self, folder: &Folder, words: &Words) -> Result<(FoundFiles, Unheard), Failure> {
        let mut calls: Vec<(&Call, Vec<&Arc<File>>, Unheard)> = Vec::new();
        for (call, mut files) in folder.calls() {
            let unheard = words.unheard(&files);
            files.retain(|file| self.query.takes(&file.object));
            if !files.is_empty() && self.seconds.holds(call.start) {
                calls.push((call, files, unheard));
            }
        }
        let mut unheard = Unheard::default();
        if !self.query.words().is_empty() {
            let saying = self.saying(&calls, words)?;
            let mut place = 0;
            calls.retain(|(.., missing)| {
                let says = saying.contains(&place);
                if !says {
                    unheard += *missing;
                }
                place += 1;
                says
            });
        }
        let found = calls.into_iter().flat_map(|(call, files, _)| {
            files.into_iter().map(|file| (Arc::clone(file), call.facts.clone()))
        });
        Ok((found.collect(), unheard))
    }

    /// The places of the calls that say all words.
    fn saying(
        &self,
        calls: &[(&Call, Vec<&Arc<File>>, Unheard)],
        words: &Words,
    ) -> Result<HashSet<usize>, Failure> {
        let calls = calls.iter().map(|(call, ..)| *call).enumerate();
        if let Some(told) = &words.told {
            let says = |(_, call): &(usize, &Call)| told.contains(&call_number(&call.id));
            return Ok(calls.filter(says).map(|(place, _)| place).collect());
        }
        let texts = calls.map(|(place, call)| {
            let said = call.objects.iter().filter_map(|object| words.said.get(&object.id));
            (place, call.text(said.map(String::as_str)))
        });
        saying(texts, self.query.words()).map_err(|error| Failure::new(Cause::Internal, error))
    }
}
