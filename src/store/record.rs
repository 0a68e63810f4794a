//! A day's calls as they are kept: JSON, compressed.
//!
//! A link opens a call, so it is kept sealed under a key that comes of the account's credentials:
//! who holds those could ask for the link anyway.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use bytes::Bytes;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::vault::SecretKey;
use super::words::Missing;
use crate::types::{Area, Call, Content, Day, Facts, Link, NameParts, Object, ObjectId, in_words};

/// So many times its length is the most that LZ4 makes of a text.
const MOST_TIMES: usize = 255;

/// What is long is borrowed where a day is written: it has thousands of calls.
#[derive(Serialize, Deserialize)]
struct DayRecord<'a> {
    date: Date,
    calls: Vec<CallRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct CallRecord<'a> {
    id: Box<str>,
    start: i64,
    facts: Cow<'a, str>,
    objects: Vec<ObjectRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct ObjectRecord<'a> {
    id: String,
    area: String,
    fields: Vec<String>,
    name: String,
    extension: String,
    modified: i64,
    attributes: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<LinkRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    gone: bool,
}

#[derive(Serialize, Deserialize)]
struct LinkRecord {
    sealed: String,
    #[serde(default)]
    media: bool,
    #[serde(default)]
    open: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    growing: bool,
    #[serde(default)]
    size: Option<u64>,
}

/// A day as bytes.
pub(super) fn write(date: Date, calls: &[Call], links: &SecretKey) -> Vec<u8> {
    let calls = calls.iter().map(|call| CallRecord::of(call, links)).collect();
    // Nothing in it can fail to be JSON.
    let json = serde_json::to_vec(&DayRecord { date, calls }).unwrap_or_default();
    lz4_flex::compress_prepend_size(&json)
}

/// A day of its bytes. `None` where they make no sense, or hold a link that this key does not open:
/// the day is then asked for anew.
pub(super) fn read(bytes: &[u8], links: &SecretKey) -> Option<Day> {
    let DayRecord { date, calls } = parse(bytes)?;
    let calls = calls.into_iter().map(|record| record.call(links));
    Some(Day { date, calls: calls.collect::<Option<_>>()? })
}

fn parse(bytes: &[u8]) -> Option<DayRecord<'static>> {
    let (size, _) = bytes.split_first_chunk::<4>()?;
    // The bytes say how much room they take, and that much is taken before they are looked at.
    let most = bytes.len().saturating_mul(MOST_TIMES);
    if usize::try_from(u32::from_le_bytes(*size)).ok()? > most {
        return None;
    }
    serde_json::from_slice(&lz4_flex::decompress_size_prepended(bytes).ok()?).ok()
}

/// An object as far as it can be told without the account's credentials.
pub struct Outline {
    /// Its identity.
    pub id: ObjectId,
    /// The day whose directory it stands in.
    pub date: Date,
    /// The area.
    pub area: Area,
    /// The name proposed for it.
    pub name: NameParts,
    /// The end of the call, in whole seconds since the Unix epoch.
    pub modified: i64,
    /// Whether it has a link; a text that came with the listing has none.
    pub is_remote: bool,
    /// Whether the vendor no longer has it.
    pub is_gone: bool,
}

/// The objects of a day, without their links.
pub(super) fn outlines(bytes: &[u8]) -> Vec<Outline> {
    let Some(DayRecord { date, calls }) = parse(bytes) else { return Vec::new() };
    let objects = calls.into_iter().flat_map(|call| call.objects);
    objects.filter_map(|object| object.outline(date)).collect()
}

/// A call's id and its text.
pub(super) type CallText = (Box<str>, String);

/// What a day says in words: of each call its id and its text, and which transcripts are not among what was
/// `said`, by the ids of objects.
pub(super) fn texts(
    bytes: &[u8],
    said: &HashMap<ObjectId, String>,
) -> Option<(Vec<CallText>, Missing)> {
    let (mut texts, mut missing) = (Vec::new(), Missing::default());
    for CallRecord { id, facts, objects, .. } in parse(bytes)?.calls {
        let mut own = Vec::new();
        for object in &objects {
            let heard = said.get(&ObjectId::new(object.id.as_str()));
            match object.text.as_ref().or(heard) {
                Some(text) => own.push(text.as_str()),
                None if object.area() == Some(Area::Transcripts) => missing.add(&object.id),
                None => {}
            }
        }
        texts.push((id, in_words(&facts, own)));
    }
    Some((texts, missing))
}

impl<'a> CallRecord<'a> {
    fn of(call: &'a Call, links: &SecretKey) -> Self {
        let objects = call.objects.iter().map(|object| ObjectRecord::of(object, links)).collect();
        let facts = Cow::Borrowed(&*call.facts);
        Self { id: call.id.clone(), start: call.start, facts, objects }
    }

    fn call(self, links: &SecretKey) -> Option<Call> {
        let objects = self.objects.into_iter().map(|object| object.object(links).map(Arc::new));
        let objects = objects.collect::<Option<_>>()?;
        // Facts become a line of the index as they are.
        let is_line = self.facts.starts_with('{') && self.facts.ends_with('}');
        if !is_line || self.facts.chars().any(char::is_control) {
            return None;
        }
        Some(Call {
            id: self.id,
            start: self.start,
            facts: self.facts.into_owned().into(),
            objects,
        })
    }
}

impl<'a> ObjectRecord<'a> {
    fn of(object: &'a Object, links: &SecretKey) -> Self {
        let id = object.id.as_str();
        let (link, text) = match &object.content {
            Content::Remote { link, claimed_size } => {
                (Some(LinkRecord::of(id, link, *claimed_size, links)), None)
            }
            Content::Inline(bytes) => (None, Some(String::from_utf8_lossy(bytes).into_owned())),
        };
        Self {
            id: id.to_owned(),
            area: object.area.name().to_owned(),
            fields: object.name.fields.clone(),
            name: object.name.id.clone(),
            extension: object.name.extension.clone(),
            modified: object.modified,
            attributes: object.attributes.as_text().into(),
            link,
            text,
            gone: object.is_gone,
        }
    }

    fn area(&self) -> Option<Area> {
        Area::ALL.into_iter().find(|area| area.name() == self.area)
    }

    fn outline(self, date: Date) -> Option<Outline> {
        Some(Outline {
            area: self.area()?,
            id: ObjectId::new(self.id),
            date,
            name: NameParts { fields: self.fields, id: self.name, extension: self.extension },
            modified: self.modified,
            is_remote: self.link.is_some(),
            is_gone: self.gone,
        })
    }

    fn object(self, links: &SecretKey) -> Option<Object> {
        let area = self.area()?;
        let content = match (self.link, self.text) {
            (Some(link), _) => link.content(&self.id, links)?,
            (None, text) => Content::Inline(Bytes::from(text?)),
        };
        let attributes = Facts::from_text(self.attributes);
        if attributes.iter().any(|(_, value)| value.chars().any(char::is_control)) {
            return None;
        }
        Some(Object {
            id: ObjectId::new(self.id),
            area,
            name: NameParts { fields: self.fields, id: self.name, extension: self.extension },
            content,
            modified: self.modified,
            attributes,
            is_gone: self.gone,
        })
    }
}

/// The link of an object as it is kept.
pub(super) fn seal_link(id: &str, url: &str, links: &SecretKey) -> String {
    BASE64_STANDARD_NO_PAD.encode(links.seal(id.as_bytes(), url.as_bytes()))
}

impl LinkRecord {
    fn of(id: &str, link: &Link, size: Option<u64>, links: &SecretKey) -> Self {
        Self {
            sealed: seal_link(id, link.url().as_str(), links),
            media: link.is_media(),
            open: link.is_open(),
            growing: link.is_growing(),
            size,
        }
    }

    fn content(self, id: &str, links: &SecretKey) -> Option<Content> {
        let sealed = BASE64_STANDARD_NO_PAD.decode(self.sealed).ok()?;
        let url = String::from_utf8(links.open(id.as_bytes(), &sealed)?).ok()?;
        let link = Link::parse(&url)?;
        let link = if self.media { link.to_media() } else { link };
        let link = if self.open { link.to_open() } else { link };
        let link = if self.growing { link.to_growing() } else { link };
        Some(Content::Remote { link, claimed_size: self.size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(id: &str, content: Content) -> Arc<Object> {
        Arc::new(Object {
            id: ObjectId::new(id),
            area: Area::Logs,
            name: NameParts {
                fields: vec!["142355".to_owned(), "support".to_owned()],
                id: "7".to_owned(),
                extension: "log".to_owned(),
            },
            content,
            modified: 1_700_000_000,
            attributes: [("call_id", "7".to_owned())].into_iter().collect(),
            is_gone: id.ends_with("gone"),
        })
    }

    fn day() -> Day {
        let link = Link::parse("https://storage.example/secret-path?x=1").unwrap();
        let remote = |link| Content::Remote { link, claimed_size: Some(9) };
        let objects = [
            object("log/1", remote(link.clone())),
            object("log/2", remote(link.clone().to_media())),
            object("log/5", remote(link.clone().to_growing())),
            object("log/3/gone", remote(link.to_open())),
            object("transcript/4", Content::Inline(Bytes::from_static(b"Hello"))),
        ];
        let call = Call {
            id: "8123".into(),
            start: 1_699_999_000,
            facts: r#"{"a":1}"#.into(),
            objects: objects.into(),
        };
        Day { date: jiff::civil::date(2026, 11, 21), calls: vec![call] }
    }

    #[test]
    fn a_day_is_read_as_it_was_written() {
        let (day, key) = (day(), SecretKey::derive("test", b"key"));
        let bytes = write(day.date, &day.calls, &key);
        assert_eq!(read(&bytes, &key).unwrap(), day);
        let outlines = outlines(&bytes);
        let told = |of: fn(&Outline) -> bool| outlines.iter().map(of).collect::<Vec<_>>();
        assert_eq!(told(|outline| outline.is_remote), [true, true, true, true, false]);
        assert_eq!(told(|outline| outline.is_gone), [false, false, false, true, false]);
    }

    #[test]
    fn the_words_of_a_day_are_those_of_its_calls() {
        let (day, key) = (day(), SecretKey::derive("test", b"key"));
        let mut said = HashMap::new();
        let text = |said: &HashMap<_, _>| {
            let (texts, missing) = texts(&write(day.date, &day.calls, &key), said).unwrap();
            assert_eq!((texts.len(), &*texts[0].0), (1, "8123"));
            (texts[0].1.clone(), missing.count)
        };
        assert_eq!(text(&said), (day.calls[0].text([]), 0));
        said.insert(ObjectId::new("log/1"), "was said".to_owned());
        assert!(text(&said).0.contains("was said"));
    }

    #[test]
    fn links_are_hidden_and_open_with_their_own_key_alone() {
        let (day, key) = (day(), SecretKey::derive("test", b"key"));
        let bytes = write(day.date, &day.calls, &key);
        let json = lz4_flex::decompress_size_prepended(&bytes).unwrap();
        assert!(!String::from_utf8(json).unwrap().contains("secret-path"));
        assert!(read(&bytes, &SecretKey::derive("test", b"other")).is_none());
    }
}
