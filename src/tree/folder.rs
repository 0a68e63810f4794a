//! The files of one day, named and numbered, and what is made of them: the day's index and its playlist.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use jiff::civil::Date;
use serde_json::json;

use super::name::{file_name, numbered};
use super::{File, Inode, playlist};
use crate::types::{Area, Call, Day, Object, ObjectId, ScopeNumber, UNDATED};

/// More numbers than are ever tried for one object: two of a day agree once in thousands of mounts.
const MOST_ATTEMPTS: u64 = 1_000_000;

/// What `stat` shows of a file that is made of a day's listing.
#[derive(Clone, Copy, Debug)]
pub struct Generated {
    /// Bytes of its text.
    pub size: u64,
    /// When the last of the day's calls began or ended, in seconds since the Unix epoch; absent on a day
    /// without calls.
    pub modified: Option<i64>,
}

/// One day's files, named.
pub struct Folder {
    day: Arc<Day>,
    /// The files of each area, sorted by name.
    files: BTreeMap<Area, Arc<[Arc<File>]>>,
    /// All of them, sorted by number.
    by_inode: Box<[Arc<File>]>,
    /// Known once somebody has wanted it, as is that of the playlist. The texts are made anew for each who
    /// opens one: the index is half of what a day takes.
    index: OnceLock<Generated>,
    playlist: OnceLock<Option<Generated>>,
}

/// Objects by area and name, while a folder is made.
type Named<'a> = BTreeMap<(Area, String), (Inode, &'a Arc<Object>)>;

impl Folder {
    /// Names the objects of a day. Inode numbers that are `taken` by objects of other days are avoided.
    pub(super) fn new(scope: ScopeNumber, day: Arc<Day>, taken: impl Fn(Inode) -> bool) -> Self {
        let mut named = Named::new();
        let (mut numbers, mut seen) = (HashSet::new(), HashSet::new());
        for object in day.calls.iter().flat_map(|call| call.objects.iter()) {
            if seen.insert(&object.id) {
                let number = |attempt| Inode::of_object(scope, day.date, &object.id, attempt);
                let free = |inode: &Inode| !taken(*inode) && !numbers.contains(inode);
                let inode = (0..MOST_ATTEMPTS).map(number).find(free).unwrap_or(number(0));
                numbers.insert(inode);
                named.insert((object.area, free_name(object, &named)), (inode, object));
            }
        }
        let files = by_area(named, scope, day.date);
        let mut by_inode: Box<[_]> =
            files.values().flat_map(|files| files.iter().cloned()).collect();
        by_inode.sort_by_key(|file| file.inode);
        let (index, playlist) = (OnceLock::new(), OnceLock::new());
        Self { day, files, by_inode, index, playlist }
    }

    /// The file of a number.
    pub(super) fn by_inode(&self, inode: Inode) -> Option<Arc<File>> {
        let found = self.by_inode.binary_search_by_key(&inode, |file| file.inode).ok()?;
        self.by_inode.get(found).cloned()
    }

    /// All files, sorted by number.
    pub(super) fn all(&self) -> &[Arc<File>] {
        &self.by_inode
    }

    /// The numbers of all files, sorted.
    pub(super) fn inodes(&self) -> Box<[Inode]> {
        self.by_inode.iter().map(|file| file.inode).collect()
    }

    /// What it takes in memory.
    pub(super) fn weight(&self) -> usize {
        self.day.weight()
    }

    /// Whether it was made of this listing.
    pub(super) fn is_of(&self, day: &Arc<Day>) -> bool {
        Arc::ptr_eq(&self.day, day)
    }

    /// The file of a name.
    pub(super) fn file(&self, area: Area, name: &str) -> Option<Arc<File>> {
        let files = self.files.get(&area)?;
        let found = files.binary_search_by(|file| file.name.as_str().cmp(name)).ok()?;
        files.get(found).cloned()
    }

    /// The files of an area, by name.
    pub(super) fn files(&self, area: Area) -> Arc<[Arc<File>]> {
        self.files.get(&area).cloned().unwrap_or_default()
    }

    /// The day's index.
    pub(super) fn index(&self) -> Generated {
        *self.index.get_or_init(|| {
            let ends =
                self.day.calls.iter().flat_map(|call| call.objects.iter().map(|o| o.modified));
            let modified = self.day.calls.iter().map(|call| call.start).chain(ends).max();
            Generated { size: self.index_text().len() as u64, modified }
        })
    }

    /// The day's index, if somebody has looked at it.
    pub(super) fn known_index(&self) -> Option<Generated> {
        self.index.get().copied()
    }

    /// The day's playlist; none where nothing was recorded, or where a file has its name.
    pub(super) fn playlist(&self) -> Option<Generated> {
        *self.playlist.get_or_init(|| {
            let size = self.playlist_text()?.len() as u64;
            let files = self.files(Area::Recordings);
            Some(Generated { size, modified: files.iter().map(|f| f.object.modified).max() })
        })
    }

    /// The text of the day's playlist.
    pub(super) fn playlist_text(&self) -> Option<Bytes> {
        let is_taken = self.file(Area::Recordings, playlist::NAME).is_some();
        if is_taken { None } else { playlist::of(&self.files(Area::Recordings)) }
    }

    /// Its calls, each with its files.
    pub fn calls(&self) -> impl Iterator<Item = (&Call, Vec<&Arc<File>>)> {
        let mut files: HashMap<&ObjectId, &Arc<File>> =
            self.by_inode.iter().map(|file| (&file.object.id, file)).collect();
        self.day.calls.iter().map(move |call| {
            let own = call.objects.iter().filter_map(|object| files.remove(&object.id));
            (call, own.collect())
        })
    }

    /// The text of the day's index: a JSON line a call.
    pub(super) fn index_text(&self) -> Bytes {
        let mut paths: HashMap<&ObjectId, String> =
            self.by_inode.iter().map(|file| (&file.object.id, file.path())).collect();
        let mut text = String::new();
        for call in &self.day.calls {
            let paths = call.objects.iter().filter_map(|object| paths.remove(&object.id));
            let files = json!(paths.collect::<Vec<_>>());
            // The facts are a JSON object: the list of files becomes its last member.
            let facts = call.facts.strip_suffix('}').unwrap_or("{");
            let comma = if facts == "{" { "" } else { "," };
            let _ = writeln!(text, "{facts}{comma}\"files\":{files}}}");
        }
        text.into()
    }
}

impl File {
    /// Its path below the directory of its account.
    pub(super) fn path(&self) -> String {
        let date = match self.day {
            UNDATED => String::new(),
            date => date.strftime("/%Y/%m/%d").to_string(),
        };
        format!("{}{date}/{}", self.object.area.name(), self.name)
    }

    /// A name that tells it from those of other days.
    pub fn dated_name(&self) -> String {
        match self.day {
            UNDATED => self.name.clone(),
            date => format!("{date}-{}", self.name),
        }
    }
}

/// The files of each area in the order of names, each with its place in it.
fn by_area(named: Named<'_>, scope: ScopeNumber, day: Date) -> BTreeMap<Area, Arc<[Arc<File>]>> {
    let mut areas: BTreeMap<Area, Vec<Arc<File>>> = BTreeMap::new();
    for ((area, name), (inode, object)) in named {
        let files = areas.entry(area).or_default();
        let object = Arc::clone(object);
        files.push(Arc::new(File { inode, name, scope, day, position: files.len(), object }));
    }
    areas.into_iter().map(|(area, files)| (area, files.into())).collect()
}

/// The name of an object, numbered where another object of the day has it.
fn free_name(object: &Object, taken: &Named<'_>) -> String {
    let plain = file_name(&object.name);
    let (mut name, mut n) = (plain.clone(), 1);
    while taken.contains_key(&(object.area, name.clone())) {
        n += 1;
        name = numbered(&plain, n);
    }
    name
}
