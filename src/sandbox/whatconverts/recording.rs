//! Recordings and voicemails: by lead with Basic, by link with a token, and from the host to which
//! links may be redirected.

use axum::http::{Method, StatusCode, header};

use super::agency::{Audio, Lead};
use super::{Behaviour, Call, error, page};
use crate::sandbox::content::Content;
use crate::sandbox::faults::Action;
use crate::sandbox::range::{Resolved, resolve};
use crate::sandbox::reply::Reply;

/// `/api/v1/recording?lead_id=`
pub(super) fn by_lead(behaviour: &Behaviour, call: &Call, fault: Option<&Action>) -> Reply {
    let id = call.parameters.get("lead_id").unwrap_or_default();
    let found = call.agency.leads().iter().find(|lead| lead.id.to_string() == id);
    match found.filter(|lead| call.sees(lead.profile)) {
        None => error(StatusCode::BAD_REQUEST, "Invalid lead ID."),
        Some(lead) => match &lead.recording {
            None => error(StatusCode::NOT_FOUND, "Recording not found."),
            Some(audio) => serve(behaviour, call, lead, audio, fault),
        },
    }
}

/// `/recording/{id}/play` and `/recording/{id}/download`
pub(super) fn by_link(behaviour: &Behaviour, call: &Call, fault: Option<&Action>) -> Reply {
    let path = call.parts.uri.path();
    let ["", "recording", id, "play" | "download"] = path.split('/').collect::<Vec<_>>()[..] else {
        return page(StatusCode::NOT_FOUND, "Not found");
    };
    // Only the token opens a link; whoever has none is asked to log in.
    if call.caller.is_none() || call.header(header::AUTHORIZATION).is_some() {
        return page(StatusCode::OK, "Log in to WhatConverts");
    }
    match call.agency.audio(id).filter(|(lead, _)| call.sees(lead.profile)) {
        Some((lead, audio)) => serve(behaviour, call, lead, audio, fault),
        None => page(StatusCode::NOT_FOUND, "Not found"),
    }
}

fn serve(
    behaviour: &Behaviour,
    call: &Call,
    lead: &Lead,
    audio: &Audio,
    fault: Option<&Action>,
) -> Reply {
    if call.agency.profiles().get(lead.profile).is_some_and(|profile| profile.hipaa) {
        return error(StatusCode::FORBIDDEN, "Not available for this account.");
    }
    let Some(host) = &behaviour.storage_host else {
        return bytes(behaviour, call, &audio.content, fault);
    };
    let (scheme, place) = call.here.split_once("://").unwrap_or(("http", &call.here));
    let port = place.rsplit_once(':').map_or("", |(_, port)| port);
    let query = call.parts.uri.query().unwrap_or_default();
    let mut reply = Reply::text(StatusCode::FOUND, "");
    let to = format!("{scheme}://{host}:{port}/storage/{}?X-Signature=ok&{query}", audio.id);
    reply.header(header::LOCATION, &to);
    reply
}

/// The other host. It takes a signature in the link and, like object stores, nothing beside it.
pub(super) fn from_storage(behaviour: &Behaviour, call: &Call) -> Reply {
    let id = call.parts.uri.path().trim_start_matches("/storage/");
    if call.tried {
        return error(StatusCode::BAD_REQUEST, "Only one auth mechanism allowed.");
    }
    match call.agency.audio(id) {
        Some((_, audio)) if call.parameters.get("X-Signature").is_some() => {
            bytes(behaviour, call, &audio.content, None)
        }
        _ => error(StatusCode::FORBIDDEN, "Access denied."),
    }
}

fn bytes(behaviour: &Behaviour, call: &Call, content: &Content, fault: Option<&Action>) -> Reply {
    let method = &call.parts.method;
    if method != Method::GET && !(method == Method::HEAD && behaviour.head) {
        return page(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
    }
    if behaviour.refuse_ranges && call.header(header::RANGE).is_some() {
        return Reply::text(StatusCode::RANGE_NOT_SATISFIABLE, "");
    }
    let ranged = behaviour.ranges && fault != Some(&Action::WholeBody);
    let etag = format!("\"{:016x}\"", content.fingerprint());
    let same = call.header(header::IF_RANGE).is_none_or(|seen| seen == etag);
    let total = content.len();
    let mut reply = Reply::new(StatusCode::OK, "audio/mpeg", content.clone());
    if behaviour.validators {
        reply.header(header::ETAG, &etag);
    }
    let wanted =
        if ranged && same { resolve(call.header(header::RANGE), total) } else { Resolved::Whole };
    match wanted {
        Resolved::Whole => reply.length_known = behaviour.send_length,
        Resolved::Part(range) => {
            reply.status = StatusCode::PARTIAL_CONTENT;
            let (first, last) = (range.start, range.end - 1);
            reply.header(header::CONTENT_RANGE, &format!("bytes {first}-{last}/{total}"));
            reply.range = range;
        }
        Resolved::Unsatisfiable => {
            reply = Reply::text(StatusCode::RANGE_NOT_SATISFIABLE, "");
            reply.header(header::CONTENT_RANGE, &format!("bytes */{total}"));
        }
    }
    reply
}
