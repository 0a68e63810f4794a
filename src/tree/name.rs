//! File names from whatever a vendor's strings hold: legal, short, and different for different ids.

use xxhash_rust::xxh3::xxh3_64;

use crate::types::NameParts;

/// Longest name in bytes; Linux allows 255, and tools add suffixes of their own.
const LONGEST_NAME: usize = 200;
/// Longest id that is kept whole.
const LONGEST_ID: usize = 80;
/// Longest extension, with room for whatever comes after `tar.`.
const LONGEST_EXTENSION: usize = 16;

/// The legal name of `parts`, before doubles in one directory are told apart.
///
/// Holds `A-Za-z0-9+@._-` only, begins with neither `.` nor `-`, and has at most 200 bytes. Parts
/// with different ids give different names: an id that had to be changed carries a hash of itself.
pub fn file_name(parts: &NameParts) -> String {
    let id = id_text(&parts.id);
    let extension: String = legal(&parts.extension).chars().take(LONGEST_EXTENSION).collect();
    let tail = if extension.is_empty() { id } else { format!("{id}.{extension}") };
    let fields: Vec<String> = parts.fields.iter().map(|field| legal(field)).collect();
    let mut head = fields.join("-");
    head.truncate(LONGEST_NAME - tail.len() - 1);
    let name = if head.is_empty() { tail } else { format!("{head}-{tail}") };
    match name.as_bytes().first() {
        // Neither hidden, nor taken for an option by a careless script.
        Some(b'.' | b'-') => format!("_{}", &name[1..]),
        _ => name,
    }
}

/// The `n`-th name (from 2) among files of one directory that would have the same.
pub fn numbered(name: &str, n: usize) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}-{n}.{extension}"),
        None => format!("{name}-{n}"),
    }
}

fn id_text(id: &str) -> String {
    let mut text = legal(id);
    if text != id || text.is_empty() || text.len() > LONGEST_ID {
        text.truncate(LONGEST_ID);
        text = format!("{text}_{:016x}", xxh3_64(id.as_bytes()));
    }
    text
}

/// Every character that is not plain becomes one `_`.
fn legal(text: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "+@._-".contains(c) { c } else { '_' }
    };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(fields: &[&str], id: &str, extension: &str) -> NameParts {
        let fields = fields.iter().map(|f| (*f).to_owned()).collect();
        NameParts { fields, id: id.to_owned(), extension: extension.to_owned() }
    }

    #[test]
    fn a_recording_is_named_as_documented() {
        let name = file_name(&parts(&["142355", "in", "+15551230001"], "30412", "mp3"));
        assert_eq!(name, "142355-in-+15551230001-30412.mp3");
    }

    #[test]
    fn hostile_strings_become_harmless() {
        let name = file_name(&parts(&["../..", "a/b\n\u{1b}[2J"], "7", "mp3"));
        assert_eq!(name, "_._..-a_b___2J-7.mp3");
        assert_eq!(file_name(&parts(&[], "-rf", "")), "_rf");
        assert_eq!(numbered("a.mp3", 2), "a-2.mp3");
    }

    #[test]
    fn a_changed_id_is_told_from_the_id_it_was_changed_to() {
        let (a, b) = (file_name(&parts(&[], "1/2", "log")), file_name(&parts(&[], "1_2", "log")));
        assert_ne!(a, b);
        assert_eq!(b, "1_2.log");
    }

    proptest! {
        #[test]
        fn any_name_is_legal_and_short(fields in proptest::collection::vec(".{0,300}", 0..4),
                                       id in ".{0,300}", extension in ".{0,30}") {
            let name = file_name(&NameParts { fields, id, extension });
            prop_assert!((1..=LONGEST_NAME).contains(&name.len()), "{name}");
            prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "+@._-".contains(c)));
            prop_assert!(!name.starts_with(['.', '-']), "{name}");
        }
    }
}
