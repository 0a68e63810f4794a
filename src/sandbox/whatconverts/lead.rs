//! A lead as the vendor's JSON has it, with its traps: fields that do not apply are absent, an empty
//! map is a list, missing text is `""`, missing money `null`.

use serde_json::{Map, Value, json};

use super::agency::{Agency, Audio, Lead, LeadKind};

/// Writes a lead whose links stand at `here`.
pub(super) fn write(agency: &Agency, lead: &Lead, here: &str) -> Value {
    let profile = agency.profiles().get(lead.profile);
    let mut fields = object(json!({
        "account_id": profile.map(|profile| profile.account_id),
        "account": profile.map(|profile| &profile.account),
        "profile_id": profile.map(|profile| profile.id),
        "profile": profile.map(|profile| &profile.name),
        "lead_id": lead.id,
        "user_id": format!("00000-{}", lead.id),
        "lead_type": lead.kind.title(),
        "lead_status": "Unique",
        "date_created": lead.created.to_string(),
        "last_updated": lead.end().to_string(),
        "lead_source": "google",
        "lead_medium": "cpc",
        "lead_campaign": "",
        "notes": "",
        "quotable": "Not Set",
        "quote_value": null,
        "sales_value": null,
        "spam": false,
        "duplicate": lead.id.is_multiple_of(7),
        "lead_url": "https://www.acme.example/contact?gclid=abc",
        // A map: with nothing in it, a list.
        "additional_fields": [],
        "lead_analysis": [],
    }));
    if lead.kind == LeadKind::PhoneCall {
        fields.extend(call(lead, here));
    } else {
        fields.insert("additional_fields".to_owned(), json!({"Message": lead.message}));
        fields.insert("contact_name".to_owned(), "Jo Doe".into());
        fields.insert("contact_phone_number".to_owned(), Value::from(lead.caller.clone()));
        fields.insert("message".to_owned(), Value::from(lead.message.clone()));
    }
    fields.into()
}

fn call(lead: &Lead, here: &str) -> Map<String, Value> {
    let status = if lead.duration.is_some() { "Completed" } else { "In Progress" };
    let mut fields = object(json!({
        "phone_name": "Website",
        "tracking_number": "+15550100200",
        "destination_number": "+15550100300",
        "caller_number": lead.caller,
        "caller_name": "DOE JO",
        "call_status": status,
        "call_duration_seconds": lead.duration.unwrap_or(0),
        "answer_status": if lead.recording.is_some() { "Answered" } else { "Unanswered" },
    }));
    let mut link = |name: &str, audio: &Audio| {
        let link = |verb| Value::from(format!("{here}/recording/{}/{verb}", audio.id));
        fields.insert(name.to_owned(), link("download"));
        fields.insert(format!("play_{name}"), link("play"));
    };
    // An unfinished call has no recording yet.
    if lead.duration.is_some() {
        lead.recording.iter().for_each(|audio| link("recording", audio));
        lead.voicemail.iter().for_each(|audio| link("voicemail", audio));
        if lead.recording.is_some() {
            let text = lead.transcript.clone().unwrap_or_default();
            fields.insert("call_transcription".to_owned(), text.into());
        }
        if let Some(text) = &lead.voicemail_transcript {
            fields.insert("voicemail_transcription".to_owned(), text.clone().into());
        }
    }
    fields
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
