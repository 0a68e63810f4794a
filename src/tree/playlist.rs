//! The playlist of a day of `recordings/`, so that a player plays the day: extended M3U, in UTF-8, in the
//! order of time. Pure.
//!
//! It holds nothing of HLS, which shares the extension: with a tag of it players would take the calls for
//! pieces of one stream, all in one format.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;

use super::File;
use crate::types::Facts;

/// Its name.
pub(super) const NAME: &str = "playlist.m3u8";

/// The playlist of files; none where there are none.
pub(super) fn of(files: &[Arc<File>]) -> Option<Bytes> {
    if files.is_empty() {
        return None;
    }
    let mut files: Vec<_> = files.iter().collect();
    // Names begin with the time, but not with the day: what began after midnight comes last.
    files.sort_by_key(|file| (file.object.attributes.get("start").map(str::to_owned), &file.name));
    let mut text = "#EXTM3U\n".to_owned();
    for file in files {
        let facts = &file.object.attributes;
        // What was recorded may be a part of the call.
        let seconds = facts.get("record_duration").or_else(|| facts.get("duration"));
        let seconds = seconds.and_then(|text| text.parse::<u64>().ok());
        // -1 says that the length is not known.
        let seconds = seconds.map_or_else(|| "-1".to_owned(), |seconds| seconds.to_string());
        let _ = writeln!(text, "#EXTINF:{seconds},{}\n{}", title(facts, &file.name), file.name);
    }
    Some(text.into())
}

/// What a player shows: when, which way, with whom. The name, where nothing of that is known.
fn title(facts: &Facts, name: &str) -> String {
    let clock = facts.get("start").and_then(|start| start.get(11..19));
    let parts =
        [clock, facts.get("direction"), facts.get("remote_number"), facts.get("caller_name")];
    let known: Vec<_> = parts.into_iter().flatten().collect();
    // Facts hold no line breaks; a list may hold anything else.
    if known.is_empty() { name.to_owned() } else { known.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Inode;
    use crate::types::{Area, Content, NameParts, Object, ObjectId, ScopeNumber};
    use jiff::civil::date;

    fn file(name: &str, facts: &[(&'static str, &str)]) -> Arc<File> {
        let facts = facts.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let object = Object {
            id: ObjectId::new(name),
            area: Area::Recordings,
            name: NameParts { fields: Vec::new(), id: name.into(), extension: String::new() },
            content: Content::Inline(bytes::Bytes::new()),
            modified: 9,
            attributes: facts.collect(),
            is_gone: false,
        };
        let (name, day) = (name.to_owned(), date(2026, 11, 21));
        let (scope, object) = (ScopeNumber::WHOLE, Arc::new(object));
        Arc::new(File { inode: Inode(9), name, scope, day, position: 0, object })
    }

    #[test]
    fn a_day_is_played_in_the_order_of_time() {
        let late = [("start", "2026-11-22T00:00:07Z"), ("duration", "5"), ("direction", "in")];
        let early = [("start", "2026-11-21T14:23:55Z"), ("remote_number", "+1555, \u{e9}")];
        let files = [file("000007-in-1.mp3", &late), file("142355-in-2.mp3", &early)];
        let playlist = of(&files).unwrap();
        let text = "#EXTM3U\n#EXTINF:-1,14:23:55 +1555, \u{e9}\n142355-in-2.mp3\n\
                    #EXTINF:5,00:00:07 in\n000007-in-1.mp3\n";
        assert_eq!(playlist, text);
        assert!(of(&[]).is_none());
        let bare = of(&[file("first.mp3", &[])]).unwrap();
        assert_eq!(bare, "#EXTM3U\n#EXTINF:-1,first.mp3\nfirst.mp3\n");
    }
}
