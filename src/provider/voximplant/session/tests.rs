//! Sessions as the vendor lists them, and the entries that come of them.

use serde_json::json;

use super::*;
use crate::types::{Area, Content, Object};

fn entry_of(session: &Value) -> Entry {
    entry(session.as_object().unwrap()).unwrap()
}

fn full() -> Value {
    json!({
        "call_session_history_id": 9_007_199_254_740_993_u64,
        "application_name": "support.acme.voximplant.com",
        "start_date": "2026-11-21 14:23:55", "duration": 65, "finish_reason": "Normal",
        "log_file_url": "https://storage-gw-01.voximplant.com/logs/x?sessionid=1",
        "custom_data": "see https://a/b\nplease",
        "calls": [
            {"call_id": 1, "incoming": true, "remote_number": "+15551230001",
             "start_time": "2026-11-21 14:23:55", "duration": 65, "transaction_id": 5,
             "end_reason": {"code": 200, "details": "Normal termination"}},
            {"call_id": 2, "incoming": "false", "remote_number": "sip:a/b@c", "duration": "60",
             "start_time": "2026-11-21 14:24:00", "transaction_id": 6,
             "record_url": "https://storage.voximplant.com/b?record_id=99"},
        ],
        "records": [
            {"record_id": "30412", "record_url": "https://storage.voximplant.com/a.mp3",
             "start_time": "2026-11-21 14:24:01", "transaction_id": 6, "file_size": 7,
             "transcription_url": "https://storage.voximplant.com/t",
             "transcription_status": "Complete"},
        ],
    })
}

fn names(objects: &[Object]) -> Vec<String> {
    let name = |object: &Object| {
        let name = &object.name;
        format!("{} {}-{}.{}", object.id, name.fields.join("-"), name.id, name.extension)
    };
    objects.iter().map(name).collect()
}

#[test]
fn a_session_becomes_its_files() {
    let entry = entry_of(&full());
    assert_eq!(
        names(&entry.objects),
        [
            "recording/9007199254740993/30412 142401-out-sip:a/b@c-30412.mp3",
            "transcript/9007199254740993/30412 142401-out-sip:a/b@c-30412.txt",
            "recording/9007199254740993/99 142400-out-sip:a/b@c-99.mp3",
            "log/9007199254740993 142355-support-9007199254740993.log",
        ]
    );
    assert_eq!(entry.day, jiff::civil::date(2026, 11, 21));
    assert!(entry.objects.iter().all(|object| object.modified == entry.start + 65));
    let areas: Vec<_> = entry.objects.iter().map(|object| object.area).collect();
    assert_eq!(areas, [Area::Recordings, Area::Transcripts, Area::Recordings, Area::Logs]);
}

#[test]
fn attributes_and_facts_hold_no_link() {
    let entry = entry_of(&full());
    let attribute = |object: &Object, name: &str| object.attributes.get(name).map(str::to_owned);
    let (recording, log) = (&entry.objects[0], &entry.objects[3]);
    assert_eq!(attribute(recording, "call_id").as_deref(), Some("2"));
    assert_eq!(attribute(recording, "duration").as_deref(), Some("60"));
    assert_eq!(attribute(recording, "start").as_deref(), Some("2026-11-21T14:24:01Z"));
    assert_eq!(attribute(recording, "end_reason"), None);
    assert_eq!(attribute(log, "duration").as_deref(), Some("65"));
    assert_eq!(attribute(log, "end_reason").as_deref(), Some("Normal termination"));
    assert_eq!(attribute(log, "custom_data").as_deref(), Some(r"see [link]\nplease"));
    assert!(!entry.facts.contains("http") && !entry.facts.contains("_url"), "{}", entry.facts);
    let facts: Value = serde_json::from_str(&entry.facts).unwrap();
    assert_eq!(facts["call_session_history_id"], json!(9_007_199_254_740_993_u64));
    assert_eq!(facts["end"], "2026-11-21T14:25:00Z");
    assert_eq!(facts["direction"], "in");
    assert_eq!(facts["application"], "support");
}

#[test]
fn a_session_in_progress_has_its_log_alone() {
    for duration in [Value::Null, json!("")] {
        let mut session = full();
        session["duration"] = duration;
        let entry = entry_of(&session);
        let [log] = &entry.objects[..] else { panic!("{:?}", entry.objects) };
        assert_eq!((log.area, log.modified), (Area::Logs, entry.start));
        let growing = |entry: &Entry| match &entry.objects.last().unwrap().content {
            Content::Remote { link, .. } => link.is_growing(),
            Content::Inline(_) => false,
        };
        assert!(growing(&entry) && !growing(&entry_of(&full())));
        assert!(!entry.facts.contains("\"end\""));
        session["log_file_url"] = "".into();
        assert!(entry_of(&session).objects.is_empty());
    }
}

#[test]
fn what_is_missing_is_left_out() {
    let entry = entry_of(&json!({
        "call_session_history_id": "7", "start_date": "2026-11-21T00:00:00.5Z", "duration": "0",
        "log_file_url": "", "calls": null,
        "records": [
            {"record_id": 1, "record_url": null},
            {"record_id": 2, "record_url": "https://a/x.php"},
            {"record_url": "https://a/x?record_id=3", "file_size": "1000"},
            {"record_id": 4, "record_url": "https://a/x.WEBM", "file_size": 0,
             "transcription_url": "https://a/t", "transcription_status": "In progress"},
            {"record_id": 4, "record_url": "https://a/x.webm"},
            {"record_url": "https://a/x.flac", "file_size": 9},
        ],
    }));
    assert_eq!(
        names(&entry.objects),
        [
            "recording/7/2 000000-unknown-unknown-2.mp3",
            "recording/7/3 000000-unknown-unknown-3.mp4",
            "recording/7/4 000000-unknown-unknown-4.webm",
            "recording/7/r6 000000-unknown-unknown-r6.flac",
        ]
    );
    let claims = entry.objects.iter().map(|object| match &object.content {
        Content::Remote { claimed_size, .. } => *claimed_size,
        Content::Inline(_) => None,
    });
    assert_eq!(claims.collect::<Vec<_>>(), [None, Some(1000), None, None]);
}

#[test]
fn a_record_belongs_to_the_call_that_ran() {
    let mut session = full();
    session["records"] = json!([
        {"record_id": 1, "record_url": "https://a/1", "start_time": "2026-11-21 14:23:56"},
        {"record_id": 2, "record_url": "https://a/2", "start_time": "2026-11-21 15:00:00"},
        {"record_id": 99, "record_url": "https://storage.voximplant.com/b?record_id=99"},
    ]);
    session["calls"][0]["start_time"] = json!("2026-11-21 14:23:57");
    session["calls"][1]["start_time"] = json!("2026-11-21 14:23:56");
    let calls: Vec<_> = entry_of(&session)
        .objects
        .iter()
        .map(|object| object.attributes.get("call_id").unwrap().to_owned())
        .collect();
    assert_eq!(calls, ["2", "1", "2", "1"]);
}

#[test]
fn sessions_without_id_or_start_are_none() {
    for session in [
        json!({"start_date": "2026-11-21 00:00:00"}),
        json!({"call_session_history_id": 1}),
        json!({"call_session_history_id": 1, "start_date": "0000-00-00 00:00:00"}),
        json!({"call_session_history_id": {}, "start_date": "2026-11-21 00:00:00"}),
    ] {
        assert!(entry(session.as_object().unwrap()).is_none(), "{session}");
    }
}
