//! The files of one day, named and numbered, and the day's index.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use jiff::civil::Date;
use serde_json::json;

use super::name::{file_name, numbered};
use super::{File, Inode};
use crate::types::{Area, Day, Object, ObjectId, ScopeNumber, UNDATED};

/// The text of a day's file in `index/`.
#[derive(Clone, Debug)]
pub struct Index {
    /// A JSON line a call.
    pub text: Bytes,
    /// When the last of its calls began or ended, in seconds since the Unix epoch; absent on a day
    /// without calls.
    pub modified: Option<i64>,
}

/// One day's files, named.
pub(super) struct Folder {
    day: Arc<Day>,
    /// The files of each area, sorted by name.
    files: BTreeMap<Area, Arc<[Arc<File>]>>,
    /// Made when somebody wants it.
    index: OnceLock<Index>,
}

/// Objects by area and name, while a folder is made.
type Named<'a> = BTreeMap<(Area, String), (Inode, &'a Arc<Object>)>;

impl Folder {
    /// Names the objects of a day. Inode numbers that `taken` gives to other objects are avoided.
    pub(super) fn new(
        scope: ScopeNumber,
        day: Arc<Day>,
        taken: &HashMap<Inode, Arc<File>>,
    ) -> Self {
        let mut named = Named::new();
        let (mut numbers, mut seen) = (HashMap::new(), HashSet::new());
        for object in day.calls.iter().flat_map(|call| call.objects.iter()) {
            if seen.insert(&object.id) {
                let inode = free_inode(object, taken, &numbers);
                numbers.insert(inode, &object.id);
                named.insert((object.area, free_name(object, &named)), (inode, object));
            }
        }
        let files = by_area(named, scope, day.date);
        Self { day, files, index: OnceLock::new() }
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

    /// All files.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<File>> {
        self.files.values().flat_map(|files| files.iter())
    }

    /// The day's index.
    pub(super) fn index(&self) -> Index {
        self.index.get_or_init(|| self.make_index()).clone()
    }

    /// The day's index, if somebody has looked at it.
    pub(super) fn known_index(&self) -> Option<Index> {
        self.index.get().cloned()
    }

    fn make_index(&self) -> Index {
        let date = match self.day.date {
            UNDATED => String::new(),
            date => date.strftime("/%Y/%m/%d").to_string(),
        };
        let path = |file: &File| format!("{}{date}/{}", file.object.area.name(), file.name);
        let mut paths: HashMap<&ObjectId, String> =
            self.all().map(|file| (&file.object.id, path(file))).collect();
        let mut text = String::new();
        for call in &self.day.calls {
            let paths = call.objects.iter().filter_map(|object| paths.remove(&object.id));
            let files = json!(paths.collect::<Vec<_>>());
            // The facts are a JSON object: the list of files becomes its last member.
            let facts = call.facts.strip_suffix('}').unwrap_or("{");
            let comma = if facts == "{" { "" } else { "," };
            let _ = writeln!(text, "{facts}{comma}\"files\":{files}}}");
        }
        let ends = self.day.calls.iter().flat_map(|call| call.objects.iter().map(|o| o.modified));
        let modified = self.day.calls.iter().map(|call| call.start).chain(ends).max();
        Index { text: text.into(), modified }
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

/// The first number of an object that no other object has.
fn free_inode(
    object: &Object,
    taken: &HashMap<Inode, Arc<File>>,
    today: &HashMap<Inode, &ObjectId>,
) -> Inode {
    let mut attempt = 0;
    loop {
        let inode = Inode::of_object(&object.id, attempt);
        let earlier = taken.get(&inode).map(|file| &file.object.id);
        let owner = earlier.or_else(|| today.get(&inode).copied());
        if owner.is_none_or(|owner| *owner == object.id) {
            return inode;
        }
        attempt += 1;
    }
}
