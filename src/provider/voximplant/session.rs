//! One session of the history, as an [`Entry`]: its files, their names, its facts.
//!
//! Pure. A session that is still in progress has its log alone, which grows; a link that the vendor has
//! cleared is a file that is not there.

mod files;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::provider::fields::Fields;
use crate::provider::scrub;
use crate::types::{Entry, facts_line};

/// What stands in a name for what is not known.
const UNKNOWN: &str = "unknown";

/// A session with its calls, as far as they were understood.
struct Session<'a> {
    fields: Fields<'a>,
    id: String,
    start: Timestamp,
    /// `None` while it is in progress.
    end: Option<Timestamp>,
    /// First label of the application's name: `support` of `support.acme.voximplant.com`.
    application: Option<String>,
    calls: Vec<Fields<'a>>,
}

/// Makes an entry of a session. `None` when it has no id or no start.
pub(super) fn entry(map: &Map<String, Value>) -> Option<Entry> {
    let session = Session::read(map)?;
    let day = session.start.to_zoned(TimeZone::UTC).date();
    Some(Entry {
        day,
        start: session.start.as_second(),
        facts: facts_line(session.facts(map)),
        objects: match session.end {
            Some(end) => files::of(&session, end),
            None => files::running(&session),
        },
        id: session.id,
    })
}

impl<'a> Session<'a> {
    fn read(map: &'a Map<String, Value>) -> Option<Self> {
        let fields = Fields(map);
        let id = fields.text("call_session_history_id")?;
        let start = whole_second(fields.time("start_date")?)?;
        let end = fields.whole("duration").and_then(|duration| {
            let end = start.as_second().checked_add_unsigned(duration)?;
            Timestamp::from_second(end).ok()
        });
        let application = fields.text("application_name").and_then(|name| {
            let label = name.split('.').next().unwrap_or_default();
            (!label.is_empty()).then(|| label.to_owned())
        });
        Some(Self { fields, id, start, end, application, calls: fields.objects("calls").collect() })
    }

    /// Everything that the vendor says of the session, without links and keys, and the few facts
    /// that all vendors have under the same names.
    fn facts(&self, map: &Map<String, Value>) -> Map<String, Value> {
        let call = self.calls.first();
        let normal = [
            ("id", Some(self.id.clone())),
            ("start", Some(self.start.to_string())),
            ("end", self.end.map(|end| end.to_string())),
            ("direction", call.and_then(|&call| direction(call)).map(str::to_owned)),
            ("remote_number", call.and_then(|call| call.text("remote_number"))),
            ("application", self.application.clone()),
        ];
        let mut facts = scrub::object(map);
        for (name, value) in normal {
            if let Some(value) = value {
                facts.insert(name.to_owned(), Value::String(scrub::links(&value)));
            }
        }
        facts
    }
}

fn direction(call: Fields<'_>) -> Option<&'static str> {
    call.flag("incoming").map(|incoming| if incoming { "in" } else { "out" })
}

/// Times are told in whole seconds.
fn whole_second(time: Timestamp) -> Option<Timestamp> {
    Timestamp::from_second(time.as_second()).ok()
}

#[cfg(test)]
mod tests;
