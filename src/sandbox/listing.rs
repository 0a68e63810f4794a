//! Sessions, calls and records as the history's JSON has them.
//!
//! Fields that do not apply are missing, `null` or `""`, one or the other by the session's id, since
//! the vendor's documentation leaves it open.

use serde_json::{Map, Value, json};

use super::account::Account;
use super::history::Zone;
use super::session::{Leg, Record, Session, Transcript};

/// Writes sessions as the vendor does.
pub(super) struct Writer<'a> {
    pub(super) account: &'a Account,
    pub(super) link_base: &'a str,
    pub(super) zone: &'a Zone,
    pub(super) with_calls: bool,
    pub(super) with_records: bool,
}

impl Writer<'_> {
    /// A session, with its calls and records where they are asked for.
    pub(super) fn session(&self, session: &Session) -> Value {
        let id = session.id;
        let application = self.account.applications().get(session.application);
        let mut fields = object(json!({
            "call_session_history_id": id,
            "account_id": session.account,
            "application_id": application.map(|app| app.id),
            "application_name": application.map(|app| &app.name),
            "rule_name": "default",
            "start_date": self.zone.write(session.start),
            "initiator_address": "192.0.2.17",
            "media_server_address": "198.51.100.4",
            "audio_quality": "Standard",
        }));
        match session.duration {
            Some(seconds) => {
                fields.insert("duration".to_owned(), seconds.into());
                fields.insert("finish_reason".to_owned(), "Normal termination".into());
            }
            None if id.is_multiple_of(2) => {
                fields.insert("duration".to_owned(), Value::Null);
            }
            None => {}
        }
        put(&mut fields, "log_file_url", session.log.as_ref().and_then(|p| self.link(p)), id);
        put(&mut fields, "custom_data", session.custom_data.clone(), id / 3);
        if self.with_calls {
            let calls = session.legs.iter().zip(0..).map(|(leg, n)| self.call(session, leg, n));
            fields.insert("calls".to_owned(), calls.collect());
        }
        if self.with_records {
            let records = session.records.iter().map(|record| self.record(session, record));
            fields.insert("records".to_owned(), records.collect());
        }
        fields.into()
    }

    fn call(&self, session: &Session, leg: &Leg, number: u64) -> Value {
        let id = session.id * 10 + number;
        let mut fields = object(json!({
            "call_id": id,
            "start_time": self.zone.write(session.start),
            "local_number": leg.local,
            "remote_number": leg.remote,
            "remote_number_type": "pstn",
            "incoming": leg.incoming,
            "successful": !session.records.is_empty(),
            "transaction_id": id + 1_000_000,
        }));
        if let Some(seconds) = session.duration {
            fields.insert("duration".to_owned(), seconds.into());
            fields.insert("cost".to_owned(), 0.0125.into());
            // A string or an object: both are documented.
            let reason = if id.is_multiple_of(2) {
                json!("Normal")
            } else {
                json!({"code": 200, "details": "Normal"})
            };
            fields.insert("end_reason".to_owned(), reason);
        }
        fields.into()
    }

    fn record(&self, session: &Session, record: &Record) -> Value {
        let id = record.id;
        let mut fields = object(json!({
            "record_id": id,
            "record_name": "record",
            "start_time": self.zone.write(record.start),
            "duration": record.duration,
            "cost": 0.002,
            "transaction_id": session.id * 10 + 1_000_000,
        }));
        put(&mut fields, "record_url", self.link(&record.path), id);
        let (status, path) = match &record.transcript {
            Transcript::NotRequired => ("Not required", None),
            Transcript::InProgress => ("In progress", None),
            Transcript::Complete(path) => ("Complete", self.link(path)),
        };
        fields.insert("transcription_status".to_owned(), status.into());
        put(&mut fields, "transcription_url", path, id);
        if let Some(bytes) = record.claimed_size {
            fields.insert("file_size".to_owned(), bytes.into());
        }
        fields.into()
    }

    /// The whole link of the file behind `path`.
    fn link(&self, path: &str) -> Option<String> {
        Some(format!("{}{}", self.link_base, self.account.file(path)?.target))
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// Puts a text, or one of the three ways of having none.
fn put(fields: &mut Map<String, Value>, name: &str, text: Option<String>, choice: u64) {
    let value = match (text, choice % 3) {
        (Some(text), _) => Value::from(text),
        (None, 0) => return,
        (None, 1) => Value::Null,
        (None, _) => Value::from(""),
    };
    fields.insert(name.to_owned(), value);
}
