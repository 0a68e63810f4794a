//! One lead as an [`Entry`]: its files, their names, its facts. Pure.
//!
//! Only calls have files: a recording, a voicemail, and what was said in either, which the listing
//! carries itself. A call in progress has none yet.

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use url::Url;

use super::{Media, api};
use crate::provider::fields::Fields;
use crate::provider::scrub;
use crate::types::{Area, Content, Entry, Facts, Link, NameParts, Object, ObjectId, facts_line};

/// Where recordings are.
pub(super) struct Links<'a> {
    pub(super) base: &'a Url,
    pub(super) media: Media,
}

/// Fields that hold nothing but a link.
const LINKS: [&str; 4] = ["recording", "play_recording", "voicemail", "play_voicemail"];

/// Facts of a lead that become extended attributes under other names.
const ATTRIBUTES: [(&str, &str); 16] = [
    ("lead_type", "lead_type"),
    ("remote_number", "caller_number"),
    ("caller_name", "caller_name"),
    ("local_number", "tracking_number"),
    ("destination_number", "destination_number"),
    ("phone_name", "phone_name"),
    ("duration", "call_duration_seconds"),
    ("answer_status", "answer_status"),
    ("account", "account"),
    ("profile", "profile"),
    ("lead_status", "lead_status"),
    ("lead_source", "lead_source"),
    ("lead_medium", "lead_medium"),
    ("lead_campaign", "lead_campaign"),
    ("spam", "spam"),
    ("duplicate", "duplicate"),
];

/// A lead, as far as it was understood.
struct Lead<'a> {
    fields: Fields<'a>,
    id: String,
    start: Timestamp,
    end: i64,
}

/// Makes an entry of a lead. `None` when it has no id or no date.
pub(super) fn entry(fields: Fields<'_>, links: &Links<'_>) -> Option<Entry> {
    let id = fields.text("lead_id")?;
    let start = Timestamp::from_second(fields.time("date_created")?.as_second()).ok()?;
    let seconds = fields.whole("call_duration_seconds").unwrap_or_default();
    let end = start.as_second().saturating_add_unsigned(seconds);
    let lead = Lead { fields, id, start, end };
    Some(Entry {
        day: start.to_zoned(TimeZone::UTC).date(),
        start: start.as_second(),
        facts: facts_line(lead.facts()),
        objects: lead.objects(links),
        id: lead.id,
    })
}

impl Lead<'_> {
    /// Everything that the vendor says of the lead, without links, and the few facts that all
    /// vendors have under the same names.
    fn facts(&self) -> Map<String, Value> {
        let mut facts = scrub::object(self.fields.0);
        for name in LINKS {
            facts.remove(name);
        }
        let end = Timestamp::from_second(self.end).ok().filter(|_| self.is_over());
        let normal = [
            ("id", Some(self.id.clone())),
            ("start", Some(self.start.to_string())),
            ("end", end.map(|end| end.to_string())),
            ("direction", self.fields.get("caller_number").map(|_| "in".to_owned())),
            ("remote_number", self.fields.text("caller_number")),
        ];
        for (name, value) in normal {
            if let Some(value) = value {
                facts.insert(name.to_owned(), Value::String(scrub::links(&value)));
            }
        }
        facts
    }

    fn is_over(&self) -> bool {
        let status = self.fields.text("call_status").unwrap_or_default();
        !status.eq_ignore_ascii_case("In Progress")
    }

    fn objects(&self, links: &Links<'_>) -> Vec<Object> {
        if !self.is_over() {
            return Vec::new();
        }
        let recording = self.link("recording").map(|link| match links.media {
            Media::Token => Some(link),
            Media::Basic => self.by_lead(links.base),
        });
        let text = |name| {
            let text = self.fields.text(name)?;
            Some(Content::Inline(Bytes::from(text + "\n")))
        };
        // The API knows recordings by lead, and says nothing of voicemails: those have their links.
        let voicemail = self.link("voicemail").map(remote);
        let files = [
            (Area::Recordings, "recording", "", recording.flatten().map(remote)),
            (Area::Recordings, "voicemail", "-voicemail", voicemail),
            (Area::Transcripts, "transcript", "", text("call_transcription")),
            (
                Area::Transcripts,
                "voicemail-transcript",
                "-voicemail",
                text("voicemail_transcription"),
            ),
        ];
        let files = files.into_iter();
        files
            .filter_map(|(area, kind, suffix, content)| {
                Some(self.object(area, kind, suffix, content?))
            })
            .collect()
    }

    fn object(&self, area: Area, kind: &str, suffix: &str, content: Content) -> Object {
        let clock = self.start.to_zoned(TimeZone::UTC).strftime("%H%M%S").to_string();
        let caller = self.fields.text("caller_number");
        let extension = if area == Area::Transcripts { "txt" } else { "mp3" };
        Object {
            id: ObjectId::new(format!("{kind}/{}", self.id)),
            area,
            name: NameParts {
                fields: vec![clock, caller.unwrap_or_else(|| "unknown".to_owned())],
                id: format!("{}{suffix}", self.id),
                extension: extension.to_owned(),
            },
            content,
            modified: self.end,
            attributes: self.attributes(kind),
            is_gone: false,
        }
    }

    /// The link of a recording or voicemail; where only that of its player is given, the file's.
    fn link(&self, name: &str) -> Option<Link> {
        let text = self.fields.text(name).or_else(|| self.fields.text(&format!("play_{name}")))?;
        download_link(&text)
    }

    fn by_lead(&self, base: &Url) -> Option<Link> {
        let mut url = api::method(base, "recording");
        url.query_pairs_mut().append_pair("lead_id", &self.id);
        Link::parse(url.as_str()).map(Link::to_media)
    }

    fn attributes(&self, kind: &str) -> Facts {
        let facts = ATTRIBUTES.iter().map(|(name, field)| {
            let flag = self.fields.flag(field).map(|flag| flag.to_string());
            // A number of 0 or 1 is no flag.
            let text = self.fields.text(field).or(flag);
            Some((*name, text?))
        });
        let own = [
            Some(("kind", kind.to_owned())),
            Some(("call_id", self.id.clone())),
            Some(("lead_id", self.id.clone())),
            Some(("direction", "in".to_owned())),
            Some(("start", self.start.to_string())),
        ];
        let all = own.into_iter().chain(facts).flatten();
        all.map(|(name, value)| (name, scrub::line(&value))).collect()
    }
}

fn remote(link: Link) -> Content {
    Content::Remote { link, claimed_size: None }
}

/// The link of a recording as a file: `…/play` is its player's.
pub fn download_link(text: &str) -> Option<Link> {
    let mut url = Link::parse(text)?.url().clone();
    if let Some(path) = url.path().strip_suffix("/play") {
        let path = format!("{path}/download");
        url.set_path(&path);
    }
    Link::parse(url.as_str()).map(Link::to_media)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn made(lead: &Value, media: Media) -> Option<Entry> {
        let base = Url::parse("https://app.whatconverts.com/").unwrap();
        entry(Fields(lead.as_object().unwrap()), &Links { base: &base, media })
    }

    fn call() -> Value {
        json!({
            "lead_id": 153_928_001_u64, "lead_type": "Phone Call",
            "date_created": "2026-11-21T14:23:55Z", "call_duration_seconds": 65,
            "call_status": "Completed", "caller_number": "+15551230001",
            "play_recording": "https://app.whatconverts.com/recording/RE1/play",
            "voicemail": "https://app.whatconverts.com/recording/77/download",
            "call_transcription": "Hello", "voicemail_transcription": "",
            "additional_fields": [], "sales_value": null, "spam": false,
        })
    }

    fn url(object: &Object) -> &str {
        match &object.content {
            Content::Remote { link, .. } => link.url().as_str(),
            Content::Inline(_) => "inline",
        }
    }

    #[test]
    fn a_call_has_its_recording_voicemail_and_words() {
        let entry = made(&call(), Media::Basic).unwrap();
        let urls: Vec<_> = entry.objects.iter().map(url).collect();
        assert_eq!(
            urls,
            [
                "https://app.whatconverts.com/api/v1/recording?lead_id=153928001",
                "https://app.whatconverts.com/recording/77/download",
                "inline"
            ]
        );
        let object = &entry.objects[1];
        assert_eq!(object.name.id, "153928001-voicemail");
        assert_eq!(object.modified, entry.start + 65);
        assert!(entry.objects[0].attributes.get("spam") == Some("false"));
        let facts = entry.facts;
        assert!(!facts.contains("http") && !facts.contains("[link]"), "{facts}");
    }

    #[test]
    fn a_token_opens_the_file_rather_than_the_player() {
        let entry = made(&call(), Media::Token).unwrap();
        assert_eq!(url(&entry.objects[0]), "https://app.whatconverts.com/recording/RE1/download");
    }

    #[test]
    fn what_is_no_finished_call_has_no_files() {
        let mut running = call();
        running["call_status"] = "In Progress".into();
        assert!(made(&running, Media::Basic).unwrap().objects.is_empty());
        let chat =
            json!({"lead_id": "7", "lead_type": "Chat", "date_created": "2026-11-21T00:00:00Z"});
        assert!(made(&chat, Media::Basic).unwrap().objects.is_empty());
        assert!(made(&json!({"lead_id": 7}), Media::Basic).is_none());
    }
}
