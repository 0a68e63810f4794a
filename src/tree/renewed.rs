//! A day whose listing changed: its files named anew, and what that means to who knows the old ones.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;

use super::folder::Folder;
use super::{File, Inode, Node, Tree};
use crate::catalog::Change;
use crate::types::{Area, UNDATED};

/// What changed, for those who were told of the day.
#[derive(Debug, Default)]
pub struct Renewed {
    /// Directories that hold other names now.
    pub directories: Vec<Inode>,
    /// Files that stand there no longer.
    pub gone: Vec<Inode>,
    /// Files that have another name now, with the old one.
    pub renamed: Vec<(Arc<File>, String)>,
    /// Files of which the vendor says something else now.
    pub altered: Vec<Arc<File>>,
    /// How many are new.
    pub new: usize,
    /// What is made of the whole listing: its index. Whatever else is made of one belongs here.
    pub made: Vec<Inode>,
}

impl Tree {
    /// Takes in a changed day. `None` if nobody looked into it: then nobody knows a name of it.
    pub fn renew(&self, change: Change) -> Option<Renewed> {
        let Change { scope, before, after } = change;
        let date = after.date;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if !known.was_seen(scope, date) {
            return None;
        }
        let old = match known.folders.get(&(scope, date)) {
            Some(folder) if folder.is_of(&before) => Arc::clone(folder),
            // It had to go from memory: the same listing gets the same names.
            _ => Arc::new(Folder::new(scope, before, known.taken(scope, date))),
        };
        let new = match known.folders.get(&(scope, date)) {
            Some(folder) if folder.is_of(&after) => Arc::clone(folder),
            _ => known.add(scope, after, self.catalog.can_recall(scope)),
        };
        let (mut renewed, areas) = compare(&old, &new);
        let directory = |area| match date {
            UNDATED => Node::Area(scope, area),
            date => Node::Day(scope, area, date),
        };
        renewed.directories = areas.into_iter().map(|area| Inode::of(&directory(area))).collect();
        renewed.made = vec![Inode::of(&Node::Index(scope, date))];
        let now = Timestamp::now().as_second();
        known.changed.extend(renewed.directories.iter().map(|directory| (*directory, now)));
        Some(renewed)
    }

    /// When the names of a directory last changed, in seconds since the Unix epoch, if that was seen.
    pub fn changed(&self, directory: Inode) -> Option<i64> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.changed.get(&directory).copied()
    }
}

/// What is different, and the areas in which names are.
fn compare(old: &Folder, new: &Folder) -> (Renewed, BTreeSet<Area>) {
    let (mut renewed, mut areas) = (Renewed::default(), BTreeSet::new());
    for file in old.all() {
        match new.by_inode(file.inode) {
            None => {
                areas.insert(file.object.area);
                renewed.gone.push(file.inode);
            }
            Some(now) => {
                if now.name != file.name {
                    areas.insert(file.object.area);
                    renewed.renamed.push((Arc::clone(&now), file.name.clone()));
                }
                if now.object != file.object {
                    renewed.altered.push(now);
                }
            }
        }
    }
    for file in new.all().iter().filter(|file| old.by_inode(file.inode).is_none()) {
        areas.insert(file.object.area);
        renewed.new += 1;
    }
    (renewed, areas)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Call, Content, Day, Facts, NameParts, Object, ObjectId, ScopeNumber};

    fn folder(objects: &[(&str, Area, &str, i64)]) -> Folder {
        let object = |(id, area, field, modified): &(&str, Area, &str, i64)| {
            let fields = vec![(*field).to_owned()];
            Arc::new(Object {
                id: ObjectId::new(*id),
                area: *area,
                name: NameParts { fields, id: (*id).to_owned(), extension: String::new() },
                content: Content::Inline(bytes::Bytes::new()),
                modified: *modified,
                attributes: Facts::default(),
                is_gone: false,
            })
        };
        let objects = objects.iter().map(object).collect();
        let call = Call { id: "1".into(), start: 0, facts: "{}".into(), objects };
        let date = jiff::civil::date(2026, 11, 21);
        let day = Day { date, calls: vec![call] };
        Folder::new(ScopeNumber::WHOLE, Arc::new(day), |_| false)
    }

    #[test]
    fn what_went_came_and_changed_is_told_apart() {
        use Area::{Logs, Recordings, Transcripts};
        let old = [("a", Logs, "x", 1), ("b", Logs, "x", 1), ("c", Recordings, "x", 1)];
        let new = [("b", Logs, "y", 1), ("c", Recordings, "x", 2), ("d", Transcripts, "x", 1)];
        let (old, new) = (folder(&old), folder(&new));
        let (renewed, areas) = compare(&old, &new);
        assert_eq!(areas.into_iter().collect::<Vec<_>>(), [Logs, Transcripts]);
        let ids = |files: &[Arc<File>]| -> Vec<String> {
            files.iter().map(|file| file.object.id.to_string()).collect()
        };
        assert_eq!(renewed.gone, [old.file(Logs, "x-a").unwrap().inode]);
        assert_eq!(renewed.renamed[0].1, "x-b");
        assert_eq!((renewed.renamed.len(), renewed.new), (1, 1));
        let mut altered = ids(&renewed.altered);
        altered.sort();
        assert_eq!(altered, ["b", "c"]);
        let (same, areas) = compare(&old, &old);
        assert!(areas.is_empty() && same.gone.is_empty() && same.altered.is_empty());
    }
}
