//! The files of one session: recordings, the log, transcripts.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Session, UNKNOWN, direction, whole_second};
use crate::provider::fields::Fields;
use crate::provider::scrub;
use crate::types::{Area, Content, Facts, Link, NameParts, Object, ObjectId};

/// Extensions of links that name a kind of media; any other says nothing.
const MEDIA: [&str; 14] = [
    "mp3", "flac", "wav", "ogg", "oga", "opus", "m4a", "aac", "amr", "mp4", "m4v", "mkv", "mov",
    "webm",
];

/// Those of them that are video, for which the vendor states a size.
const VIDEO: [&str; 5] = ["mp4", "m4v", "mkv", "mov", "webm"];

/// The files of `session`, which ended at `end`.
pub(super) fn of(session: &Session<'_>, end: Timestamp) -> Vec<Object> {
    let mut objects = Vec::new();
    let mut carried = HashSet::new();
    for (index, record) in session.fields.objects("records").enumerate() {
        let link = link(record, "record_url");
        carried.extend(link.clone());
        let id = record.text("record_id").or_else(|| link.as_ref().and_then(id_in));
        let take = Take {
            session,
            end,
            call: call_of(session, record),
            start: record.time("start_time").and_then(whole_second).unwrap_or(session.start),
            id: id.unwrap_or_else(|| format!("r{}", index + 1)),
            name: record.text("record_name"),
            seconds: record.whole("duration"),
        };
        let size = record.whole("file_size").filter(|&size| size > 0);
        objects.extend(link.map(|link| take.recording(link, size)));
        objects.extend(transcript_link(record).map(|link| take.transcript(link)));
    }
    for &call in &session.calls {
        let Some(link) = link(call, "record_url").filter(|link| !carried.contains(link)) else {
            continue;
        };
        let Some(id) = id_in(&link).or_else(|| call.text("call_id")) else {
            continue;
        };
        let start = call.time("start_time").and_then(whole_second).unwrap_or(session.start);
        let take = Take { session, end, call: Some(call), start, id, name: None, seconds: None };
        objects.push(take.recording(link, None));
    }
    objects.extend(link(session.fields, "log_file_url").map(|link| log(session, end, link)));
    // A record that the vendor names twice is one file.
    let mut seen = HashSet::new();
    objects.retain(|object| seen.insert(object.id.clone()));
    objects
}

/// The files of a session that goes on: its log, where there is one. A recording that is still being
/// written can be changed at its beginning, too, when it is done.
pub(super) fn running(session: &Session<'_>) -> Vec<Object> {
    let link = link(session.fields, "log_file_url").map(Link::to_growing);
    link.map(|link| log(session, session.start, link)).into_iter().collect()
}

/// One recording, and what is said of it.
struct Take<'a> {
    session: &'a Session<'a>,
    end: Timestamp,
    call: Option<Fields<'a>>,
    start: Timestamp,
    id: String,
    name: Option<String>,
    /// How long it is.
    seconds: Option<u64>,
}

impl Take<'_> {
    fn recording(&self, link: Link, size: Option<u64>) -> Object {
        let named = link.extension().filter(|extension| MEDIA.contains(&extension.as_str()));
        // The vendor states a size for video only, so a size without a name speaks for video.
        let extension = named.unwrap_or_else(|| if size.is_some() { "mp4" } else { "mp3" }.into());
        let claimed_size = size.filter(|_| VIDEO.contains(&extension.as_str()));
        let content = Content::Remote { link, claimed_size };
        self.object(Area::Recordings, "recording", &extension, content)
    }

    fn transcript(&self, link: Link) -> Object {
        let content = Content::Remote { link, claimed_size: None };
        self.object(Area::Transcripts, "transcript", "txt", content)
    }

    fn object(&self, area: Area, kind: &'static str, extension: &str, content: Content) -> Object {
        let session = self.session;
        let unknown = || UNKNOWN.to_owned();
        let number = self.call.and_then(|call| call.text("remote_number"));
        let direction = self.call.and_then(direction).unwrap_or(UNKNOWN);
        let mut attributes = attributes(session, kind, self.start, self.call);
        attributes.extend([("record_id", self.id.clone())]);
        attributes.extend(self.name.clone().map(|name| ("record_name", name)));
        attributes.extend(self.seconds.map(|seconds| ("record_duration", seconds.to_string())));
        Object {
            id: ObjectId::new(format!("{kind}/{}/{}", session.id, self.id)),
            area,
            name: NameParts {
                fields: vec![
                    clock(self.start),
                    direction.to_owned(),
                    number.unwrap_or_else(unknown),
                ],
                id: self.id.clone(),
                extension: extension.to_owned(),
            },
            content,
            modified: self.end.as_second(),
            attributes: clean(attributes),
            is_gone: false,
        }
    }
}

fn log(session: &Session<'_>, end: Timestamp, link: Link) -> Object {
    let application = session.application.clone().unwrap_or_else(|| UNKNOWN.to_owned());
    let call = session.calls.first().copied();
    Object {
        id: ObjectId::new(format!("log/{}", session.id)),
        area: Area::Logs,
        name: NameParts {
            fields: vec![clock(session.start), application],
            id: session.id.clone(),
            extension: "log".to_owned(),
        },
        content: Content::Remote { link, claimed_size: None },
        modified: end.as_second(),
        attributes: clean(attributes(session, "log", session.start, call)),
        is_gone: false,
    }
}

fn link(fields: Fields<'_>, name: &str) -> Option<Link> {
    Link::parse(&fields.text(name)?)
}

/// The transcript's link, unless the transcript is still being made.
fn transcript_link(record: Fields<'_>) -> Option<Link> {
    let status = record.text("transcription_status").unwrap_or_default();
    let link = link(record, "transcription_url")?;
    (!status.eq_ignore_ascii_case("In progress")).then_some(link)
}

/// The `record_id` that a link carries.
fn id_in(link: &Link) -> Option<String> {
    let mut query = link.url().query_pairs();
    let (_, id) = query.find(|(name, value)| name == "record_id" && !value.is_empty())?;
    Some(id.into_owned())
}

/// The call that a record is of: the vendor does not say, but for the same link or transaction.
fn call_of<'a>(session: &Session<'a>, record: Fields<'a>) -> Option<Fields<'a>> {
    let same = |name: &str| {
        let wanted = record.text(name)?;
        session.calls.iter().find(|call| call.text(name).as_ref() == Some(&wanted))
    };
    let running = || {
        let start = record.time("start_time")?;
        session.calls.iter().find(|&&call| runs_at(call, start))
    };
    let call = same("record_url").or_else(|| same("transaction_id")).or_else(running);
    call.or(session.calls.first()).copied()
}

fn runs_at(call: Fields<'_>, time: Timestamp) -> bool {
    let Some(start) = call.time("start_time") else {
        return false;
    };
    let seconds = call.whole("duration").unwrap_or_default();
    start <= time && time.as_second() <= start.as_second().saturating_add_unsigned(seconds)
}

/// `HHMMSS`, UTC.
fn clock(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%H%M%S").to_string()
}

/// The facts that become extended attributes, in the order in which they are listed.
fn attributes(
    session: &Session<'_>,
    kind: &'static str,
    start: Timestamp,
    call: Option<Fields<'_>>,
) -> Vec<(&'static str, String)> {
    let of_call = |name: &str| call.and_then(|call| call.text(name));
    let of_session = |name: &str| session.fields.text(name);
    // A log is of the whole session, a recording of one call.
    let duration = call.filter(|_| kind != "log").and_then(|call| call.whole("duration"));
    let duration = duration.or_else(|| session.fields.whole("duration"));
    let successful = call.and_then(|call| call.flag("successful"));
    let facts = [
        ("kind", Some(kind.to_owned())),
        ("session_id", Some(session.id.clone())),
        ("call_id", of_call("call_id")),
        ("direction", call.and_then(direction).map(str::to_owned)),
        ("remote_number", of_call("remote_number")),
        ("local_number", of_call("local_number")),
        ("start", Some(start.to_string())),
        ("duration", duration.map(|seconds| seconds.to_string())),
        ("successful", successful.map(|flag| flag.to_string())),
        ("end_reason", call.and_then(end_reason)),
        ("finish_reason", of_session("finish_reason")),
        ("application", session.application.clone()),
        ("application_id", of_session("application_id")),
        ("rule", of_session("rule_name")),
        ("custom_data", of_session("custom_data")),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// The reason as the vendor words it: a string, or an object with `details` or `code`.
fn end_reason(call: Fields<'_>) -> Option<String> {
    call.text("end_reason").or_else(|| {
        let reason = Fields(call.get("end_reason")?.as_object()?);
        reason.text("details").or_else(|| reason.text("code"))
    })
}

fn clean(attributes: Vec<(&'static str, String)>) -> Facts {
    attributes.into_iter().map(|(name, value)| (name, scrub::line(&value))).collect()
}
