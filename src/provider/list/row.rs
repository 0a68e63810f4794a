//! One line of a list as an [`Entry`] with one file: which cell is the link, and what the others say
//! of it. Pure.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_64;

use super::Links;
use crate::provider::fields::Fields;
use crate::provider::scrub;
use crate::provider::whatconverts::download_link;
use crate::types::{Area, Content, Entry, Link, NameParts, Object, ObjectId, UNDATED, facts_line};

/// Headings, as letters and digits in lower case, of the link, best first.
const LINK: [&str; 13] = [
    "recording",
    "recordingurl",
    "recordinglink",
    "recordurl",
    "callrecording",
    "callrecordingurl",
    "playrecording",
    "audio",
    "audiourl",
    "url",
    "link",
    "href",
    "fileurl",
];
const NAME: [&str; 4] = ["filename", "file", "name", "title"];
const DATE: [&str; 12] = [
    "date",
    "datetime",
    "datecreated",
    "createdat",
    "calldate",
    "startdate",
    "starttime",
    "start",
    "timestamp",
    "time",
    "created",
    "leaddate",
];
const NUMBER: [&str; 8] = [
    "callernumber",
    "phonenumber",
    "remotenumber",
    "contactphonenumber",
    "number",
    "caller",
    "phone",
    "from",
];
const ID: [&str; 5] = ["leadid", "recordid", "callid", "sessionid", "id"];
const DURATION: [&str; 4] = ["duration", "durationseconds", "callduration", "calldurationseconds"];

/// Forms of dates beside ISO 8601. Where day and month could be meant either way, the month comes
/// first: the vendor whose exports these are is American.
const FORMS: [&str; 6] = [
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M%p",
    "%m/%d/%Y",
];

/// The cells of a line by what they are good for.
struct Row<'a> {
    cells: &'a Map<String, Value>,
    /// Headings as letters and digits in lower case, and where they stand.
    headings: Vec<(String, &'a str)>,
}

/// Whether a cell is a link.
pub(super) fn is_link(cell: &str) -> bool {
    let cell = cell.trim_start();
    let scheme = cell.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http"));
    scheme && Link::parse(cell).is_some()
}

/// The file of a line, or why it has none.
pub(super) fn entry(cells: &Map<String, Value>, links: Links) -> Result<Entry, &'static str> {
    let plain = |name: &str| {
        let plain = name.chars().filter(|c| c.is_alphanumeric());
        plain.flat_map(char::to_lowercase).collect::<String>()
    };
    let headings = cells.keys().map(|name| (plain(name), name.as_str())).collect();
    let row = Row { cells, headings };
    let link = row.link()?;
    let link = match links {
        Links::Any => link,
        Links::WhatConverts => download_link(link.url().as_str()).ok_or("no link")?,
    };
    let hash = xxh3_64(link.url().as_str().as_bytes());
    let start = row.text(&DATE).and_then(|text| row.time(&text));
    let seconds = start.map_or(0, Timestamp::as_second);
    let object = row.object(link, hash, start);
    let mut facts = scrub::object(cells);
    facts.retain(|_, value| value != "[link]");
    Ok(Entry {
        id: format!("{hash:016x}"),
        day: start.map_or(UNDATED, |start| start.to_zoned(TimeZone::UTC).date()),
        start: seconds,
        facts: facts_line(facts),
        objects: vec![object],
    })
}

impl Row<'_> {
    /// The first of `names` that has text.
    fn text(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| {
            let (_, key) = self.headings.iter().find(|(plain, _)| plain == name)?;
            Fields(self.cells).text(key)
        })
    }

    /// The link in the column for it, or else in any cell that leads to a recording, or the only
    /// link of the line.
    fn link(&self) -> Result<Link, &'static str> {
        let named = LINK.iter().find_map(|name| self.text(&[name]).filter(|text| is_link(text)));
        let others = || {
            let texts = self.cells.values().filter_map(Value::as_str);
            texts.filter(|text| is_link(text)).map(str::to_owned).collect::<Vec<_>>()
        };
        let found = named.or_else(|| {
            let others = others();
            let recording = others.iter().find(|text| leads_to_recording(text)).cloned();
            recording.or_else(|| (self.cells.len() == 1).then(|| others.first().cloned())?)
        });
        found.and_then(|text| Link::parse(&text)).ok_or("no link to a recording")
    }

    fn time(&self, text: &str) -> Option<Timestamp> {
        let start = Fields(self.cells);
        let iso = || {
            let (_, key) =
                self.headings.iter().find(|(_, key)| start.text(key).as_deref() == Some(text))?;
            start.time(key)
        };
        let day = || Some(text.parse::<jiff::civil::Date>().ok()?.at(0, 0, 0, 0));
        let other = || {
            let form = |form: &&str| strtime::parse(form, text).ok();
            let parsed = FORMS.iter().find_map(form)?;
            parsed.to_datetime().ok().or_else(|| Some(parsed.to_date().ok()?.at(0, 0, 0, 0)))
        };
        let utc = |time: DateTime| Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp());
        let time = iso().or_else(|| day().or_else(other).and_then(utc))?;
        Timestamp::from_second(time.as_second()).ok()
    }

    fn object(&self, link: Link, hash: u64, start: Option<Timestamp>) -> Object {
        let number = self.text(&NUMBER);
        let duration = self.text(&DURATION).and_then(|text| text.parse::<u32>().ok());
        let end = start.map_or(0, |start| start.as_second() + i64::from(duration.unwrap_or(0)));
        let facts = [
            ("kind", Some("recording".to_owned())),
            ("call_id", self.text(&ID)),
            ("remote_number", number.clone()),
            ("start", start.map(|start| start.to_string())),
            ("duration", duration.map(|seconds| seconds.to_string())),
        ];
        let attributes = facts.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Object {
            id: ObjectId::new(format!("link/{hash:016x}")),
            area: Area::Recordings,
            name: self.name(&link, hash, start, number),
            modified: end,
            attributes: attributes.map(|(name, value)| (name, scrub::line(&value))).collect(),
            is_gone: false,
            // A size in a list may be anybody's guess, in any unit: it stays a fact of the index.
            content: Content::Remote { link, claimed_size: None },
        }
    }

    fn name(
        &self,
        link: &Link,
        hash: u64,
        start: Option<Timestamp>,
        number: Option<String>,
    ) -> NameParts {
        let extension = extension(link);
        if let Some(name) = self.text(&NAME).filter(|name| !is_link(name)) {
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            let plain = |c: char| c.is_ascii_alphanumeric() || "+@._-".contains(c);
            return if !stem.is_empty() && stem.len() <= 80 && stem.chars().all(plain) {
                NameParts { fields: Vec::new(), id: stem.to_owned(), extension }
            } else {
                // What had to be changed is told from its like by its link.
                let id = format!("{:08x}", hash >> 32);
                NameParts { fields: vec![stem.to_owned()], id, extension }
            };
        }
        let clock = start.map(|start| start.strftime("%H%M%S").to_string());
        let fields = clock.into_iter().chain(number).collect();
        let id = self.text(&ID).or_else(|| id_in(link)).unwrap_or_else(|| format!("{hash:016x}"));
        NameParts { fields, id, extension }
    }
}

/// The name of a link's file, when nothing else is known of it.
pub fn name_of(link: &Link) -> NameParts {
    let hash = xxh3_64(link.url().as_str().as_bytes());
    let id = id_in(link).unwrap_or_else(|| format!("{hash:016x}"));
    NameParts { fields: Vec::new(), id, extension: extension(link) }
}

fn leads_to_recording(text: &str) -> bool {
    Link::parse(text).is_some_and(|link| {
        let media = ["mp3", "wav", "flac", "ogg", "m4a", "mp4", "webm"];
        let named = link.extension().is_some_and(|extension| media.contains(&&*extension));
        named || link.url().path().to_ascii_lowercase().contains("record")
    })
}

fn extension(link: &Link) -> String {
    let is_log = || link.url().query_pairs().any(|(name, _)| name == "sessionid");
    link.extension().unwrap_or_else(|| if is_log() { "log" } else { "mp3" }.to_owned())
}

/// What a link says of its object without what opens it: a vendor's number, or the name of the file.
fn id_in(link: &Link) -> Option<String> {
    let mut query = link.url().query_pairs();
    let numbered = query.find(|(name, _)| matches!(&**name, "record_id" | "sessionid" | "lead_id"));
    if let Some((_, id)) = numbered.filter(|(_, id)| !id.is_empty()) {
        return Some(id.into_owned());
    }
    let segments = link.url().path_segments()?;
    let named = |segment: &&str| !matches!(*segment, "" | "play" | "download");
    let last = segments.rev().find(named)?;
    let last = percent_encoding::percent_decode_str(last).decode_utf8_lossy().into_owned();
    Some(last.rsplit_once('.').map_or(last.clone(), |(stem, _)| stem.to_owned()))
}
