//! The listings: `/leads` with its windows, pages and filters, `/leads/{id}`, and what only a Master
//! key sees, `/accounts` and their profiles.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::agency::Lead;
use super::keys::Caller;
use super::{Behaviour, Call, error, lead};
use crate::sandbox::reply::Reply;

/// The most days between `start_date` and `end_date` (vendor's documentation).
const MOST_DAYS: i64 = 400;
/// The most leads a page.
const MOST_LEADS: usize = 2500;

/// `/leads`
pub(super) fn list(behaviour: &Behaviour, call: &Call) -> Reply {
    match page(behaviour, call) {
        Ok(answer) => Reply::json(StatusCode::OK, &answer),
        Err(message) => error(StatusCode::BAD_REQUEST, message),
    }
}

/// `/leads/{id}`, in the envelope of a listing.
pub(super) fn one(call: &Call, id: &str) -> Reply {
    let found = call.agency.leads().iter().find(|lead| lead.id.to_string() == id);
    match found.filter(|lead| call.sees(lead.profile)) {
        Some(lead) => Reply::json(StatusCode::OK, &envelope(call, 1, 25, &[lead], 1)),
        None => error(StatusCode::BAD_REQUEST, "Invalid lead ID."),
    }
}

fn page(behaviour: &Behaviour, call: &Call) -> Result<Value, &'static str> {
    let get = |name| call.parameters.get(name);
    let number = |name, default: usize| match get(name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| "Invalid number."),
    };
    let (page, size) = (number("page_number", 1)?.max(1), number("leads_per_page", 25)?);
    if size == 0 || size > MOST_LEADS {
        return Err("Invalid leads per page.");
    }
    let (from, to) = (moment(get("start_date"), false)?, moment(get("end_date"), true)?);
    if let (Some(from), Some(to)) = (from, to)
        && to.as_second() - from.as_second() > MOST_DAYS * 86_400
    {
        return Err("The date range may not exceed 400 days.");
    }
    let is = |name, value: String| {
        // A Profile key ignores these filters.
        call.caller == Some(Caller::Profile) || get(name).is_none_or(|wanted| wanted == value)
    };
    let profiles = call.agency.profiles();
    let wanted = |lead: &&Lead| {
        let profile = profiles.get(lead.profile);
        call.sees(lead.profile)
            && from.is_none_or(|from| lead.created >= from)
            && to.is_none_or(|to| lead.created <= to)
            && is("profile_id", profile.map(|p| p.id.to_string()).unwrap_or_default())
            && is("account_id", profile.map(|p| p.account_id.to_string()).unwrap_or_default())
            && get("lead_type")
                .is_none_or(|kind| kind.eq_ignore_ascii_case(&lead.kind.title().replace(' ', "_")))
    };
    let mut leads: Vec<&Lead> = call.agency.leads().iter().filter(wanted).collect();
    if get("order") != Some("asc") {
        leads.reverse();
    }
    let shift = if behaviour.shifting_pages { page - 1 } else { 0 };
    let start = ((page - 1) * size).saturating_sub(shift).min(leads.len());
    let end = (start + size).min(leads.len());
    let total = leads.len() + shift;
    Ok(envelope(call, page, size, &leads[start..end], total))
}

fn envelope(call: &Call, page: usize, size: usize, leads: &[&Lead], total: usize) -> Value {
    let write = |lead: &&Lead| lead::write(&call.agency, lead, &call.here);
    json!({
        "page_number": page,
        "leads_per_page": size,
        "total_pages": total.div_ceil(size),
        "total_leads": total,
        "leads": leads.iter().map(write).collect::<Vec<_>>(),
    })
}

/// A moment in ISO 8601, or a day: its first or last second.
fn moment(text: Option<&str>, end: bool) -> Result<Option<Timestamp>, &'static str> {
    let Some(text) = text else { return Ok(None) };
    let day = || {
        let day = text.parse::<Date>().ok()?;
        let time = if end { day.at(23, 59, 59, 0) } else { day.at(0, 0, 0, 0) };
        Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    text.parse().ok().or_else(day).map(Some).ok_or("Invalid date.")
}

/// `/accounts`
pub(super) fn accounts(call: &Call) -> Reply {
    let profiles = call.agency.profiles();
    let names: BTreeMap<u64, &str> =
        profiles.iter().map(|profile| (profile.account_id, profile.account.as_str())).collect();
    let accounts: Vec<Value> = names
        .into_iter()
        .map(|(id, name)| {
            json!({"account_id": id, "account_name": name, "create_date": "2025-01-15T09:30:00Z"})
        })
        .collect();
    Reply::json(StatusCode::OK, &listed("accounts", &accounts))
}

/// `/accounts/{id}/profiles`
pub(super) fn profiles(call: &Call, account: &str) -> Reply {
    let own = |profile: &&super::Profile| profile.account_id.to_string() == account;
    let profiles: Vec<Value> = call
        .agency
        .profiles()
        .iter()
        .filter(own)
        .map(|profile| {
            json!({
                "profile_id": profile.id,
                "profile_name": profile.name,
                "spotted_keywords": [],
            })
        })
        .collect();
    if profiles.is_empty() {
        return error(StatusCode::BAD_REQUEST, "Invalid account ID.");
    }
    Reply::json(StatusCode::OK, &listed("profiles", &profiles))
}

/// One page that holds all: a stand-in agency is small.
fn listed(what: &str, list: &[Value]) -> Value {
    let count = list.len();
    json!({
        "page_number": 1,
        format!("{what}_per_page"): 25,
        "total_pages": 1,
        format!("total_{what}"): count,
        what: list,
    })
}
