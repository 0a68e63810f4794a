//! A call with its files: as a listing brings it, and as it is kept.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::civil::Date;
use serde_json::Value;

use super::{Area, Content, NameParts, ObjectId, json_line};

/// Names and values, in order, as one text: an account has many objects, and a list of strings takes
/// several times its length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts(Box<str>);

/// Stands after each name and each value; none of them holds it.
const END: char = '\0';

impl Facts {
    /// Facts from the text that [`as_text`](Self::as_text) gave.
    pub fn from_text(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// All of them as one text.
    pub fn as_text(&self) -> &str {
        &self.0
    }

    /// Names and values. A text that no facts gave ends where it makes no sense.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut parts = self.0.split_terminator(END);
        std::iter::from_fn(move || Some((parts.next()?, parts.next()?)))
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(known, value)| (known == name).then_some(value))
    }
}

impl<'a> FromIterator<(&'a str, String)> for Facts {
    fn from_iter<I: IntoIterator<Item = (&'a str, String)>>(pairs: I) -> Self {
        let mut text = String::new();
        for part in pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]) {
            text.extend(part.chars().filter(|c| *c != END));
            text.push(END);
        }
        Self(text.into())
    }
}

/// A file that a vendor keeps, as its listing describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its identity.
    pub id: ObjectId,
    /// The directory that it belongs in.
    pub area: Area,
    /// The name proposed for it.
    pub name: NameParts,
    /// Its bytes.
    pub content: Content,
    /// The end of the call, in whole seconds since the Unix epoch.
    pub modified: i64,
    /// The call's facts, as names and values of extended attributes without their
    /// `user.reelfs.` prefix.
    pub attributes: Facts,
    /// Whether the vendor no longer has it: it is shown as long as its bytes are cached.
    pub is_gone: bool,
}

/// One call or lead of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The vendor's id of the call; unique within a mount.
    pub id: String,
    /// The day (UTC) on which the call began; all of its files stand there.
    pub day: Date,
    /// When the call began, in seconds since the Unix epoch.
    pub start: i64,
    /// All of the call's facts for the index, as [`facts_line`] writes them: no link, no credential.
    pub facts: Box<str>,
    /// Its files. Empty while the call is in progress.
    pub objects: Vec<Object>,
}

/// A call as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The vendor's id of the call.
    pub id: Box<str>,
    /// When it began, in seconds since the Unix epoch.
    pub start: i64,
    /// Its facts for the index, as [`facts_line`] writes them.
    pub facts: Box<str>,
    /// Its files.
    pub objects: Box<[Arc<Object>]>,
}

/// Stands between texts, so that no phrase goes from one into the next. A character for private use counts
/// as a word of its own.
const BETWEEN: &str = "\n\u{e000}\n";

impl Call {
    /// All that is known of it in words: its facts, what came with the listing of what was said, and what was
    /// `said` besides.
    pub fn text<'a>(&'a self, said: impl IntoIterator<Item = &'a str>) -> String {
        let inline = self.objects.iter().filter_map(|object| match &object.content {
            Content::Inline(bytes) => Some(String::from_utf8_lossy(bytes)),
            Content::Remote { .. } => None,
        });
        in_words(&self.facts, inline.chain(said.into_iter().map(Cow::Borrowed)))
    }
}

/// The facts of a call and what was said, as words to search.
pub fn in_words(facts: &str, said: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut text = facts_in_words(facts);
    for said in said {
        text.push_str(BETWEEN);
        text.push_str(said.as_ref());
    }
    text
}

/// The values of a call's facts: names of fields are nobody's words.
fn facts_in_words(facts: &str) -> String {
    fn add(value: &Value, text: &mut String) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => {
                let _ = write!(text, "{BETWEEN}{number}");
            }
            Value::String(value) => {
                text.push_str(BETWEEN);
                text.push_str(value);
            }
            Value::Array(values) => values.iter().for_each(|value| add(value, text)),
            Value::Object(map) => map.values().for_each(|value| add(value, text)),
        }
    }
    let mut text = String::new();
    add(&serde_json::from_str(facts).unwrap_or_default(), &mut text);
    text
}

impl From<Entry> for Call {
    fn from(entry: Entry) -> Self {
        let objects = entry.objects.into_iter().map(Arc::new).collect();
        Self { id: entry.id.into(), start: entry.start, facts: entry.facts, objects }
    }
}

/// A call's facts as the text of one JSON object; it has no `files`, which the index adds. A day has
/// thousands of calls, and a tree of JSON values takes ten times its text.
pub fn facts_line(mut facts: serde_json::Map<String, serde_json::Value>) -> Box<str> {
    facts.remove("files");
    json_line(&serde_json::Value::Object(facts)).into()
}

/// The calls of one day, in order of their start.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    /// The day (UTC).
    pub date: Date,
    /// Its calls.
    pub calls: Vec<Call>,
}

impl Day {
    /// Its calls and objects, counted together: what it takes in memory goes with that.
    pub fn weight(&self) -> usize {
        1 + self.calls.iter().map(|call| 1 + call.objects.len()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_call_are_its_values_and_not_their_names() {
        let facts = r#"{"app":"support","calls":[{"cost":1.5,"ok":true,"note":"paid back"}]}"#;
        let call = Call { id: "1".into(), start: 0, facts: facts.into(), objects: Box::default() };
        let text = call.text(["Left : Hello"]);
        let words: Vec<_> = text.split(BETWEEN).filter(|part| !part.is_empty()).collect();
        assert_eq!(words, ["support", "1.5", "paid back", "Left : Hello"]);
    }

    #[test]
    fn facts_are_found_again() {
        let pairs = [("a", "1"), ("b", ""), ("c", "x\0y")].map(|(n, v)| (n, v.to_owned()));
        let facts: Facts = pairs.into_iter().collect();
        assert_eq!(facts.iter().collect::<Vec<_>>(), [("a", "1"), ("b", ""), ("c", "xy")]);
        assert_eq!((facts.get("b"), facts.get("d")), (Some(""), None));
        assert_eq!(Facts::from_text(facts.as_text()), facts);
        assert_eq!(Facts::from_text("a\0").iter().count(), 0);
    }
}
