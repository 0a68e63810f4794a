//! The account's files on plain HTML pages under `/files/`, as a web server writes them for its
//! folders: what programs that mount such pages are measured on, beside reelfs on the same bytes.
//!
//! A file is at `/files/<area>/<year>/<month>/<day>/<name>`, where the name is the last part of its
//! link. Pages ask for no authorization, so they are off unless [`Options::pages`](super::Options)
//! says otherwise.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use axum::http::{Method, StatusCode, header};

use super::account::{Account, File, Kind};
use super::content::Content;
use super::reply::Reply;

/// The folder that all others are in.
const ROOT: &str = "/files";

/// What the root's page shows.
const AREAS: [(&str, Kind); 3] =
    [("logs", Kind::Log), ("recordings", Kind::Recording), ("transcripts", Kind::Transcript)];

/// Whether a path is one of a page or of a file on one, if it is one of anything.
pub(super) fn hold(path: &str) -> bool {
    inside(path).is_some()
}

/// What follows the root and its slash; nothing follows a root that lacks it.
fn inside(path: &str) -> Option<&str> {
    match path.strip_prefix(ROOT)? {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}

/// The file at a path.
pub(super) fn file<'a>(account: &'a Account, path: &str) -> Option<&'a File> {
    let (kind, rest) = area(inside(path)?)?;
    [true, false].into_iter().find_map(|secure| {
        let file = account.file(&format!("{}/{rest}", kind.folder(secure)))?;
        (file.kind == kind).then_some(file)
    })
}

/// The page at a path. One without the slash at its end is sent on, as web servers do: links on the
/// page would lead astray.
pub(super) fn page(account: &Account, path: &str, method: &Method) -> Reply {
    if method != Method::GET && method != Method::HEAD {
        return Reply::text(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
    }
    let folder = format!("{}/", path.trim_end_matches('/'));
    let below = inside(&folder).unwrap_or_default();
    let names = match area(below) {
        Some((kind, folder)) => names(account, kind, folder),
        None if below.is_empty() => AREAS.iter().map(|(name, _)| format!("{name}/")).collect(),
        None => BTreeSet::new(),
    };
    if names.is_empty() {
        return Reply::text(StatusCode::NOT_FOUND, "Not found");
    }
    if folder != path {
        let mut reply = Reply::text(StatusCode::MOVED_PERMANENTLY, "");
        reply.header(header::LOCATION, &folder);
        return reply;
    }
    let mut html = format!(
        "<!doctype html>\n<html><head><title>Index of {path}</title></head><body>\n\
         <h1>Index of {path}</h1><hr><pre><a href=\"../\">../</a>\n"
    );
    for name in names {
        // Names are hexadecimal digits and extensions: nothing to escape. Writing to a String can't
        // fail.
        let _ = writeln!(html, "<a href=\"{name}\">{name}</a>");
    }
    html.push_str("</pre><hr></body></html>\n");
    Reply::new(StatusCode::OK, "text/html; charset=utf-8", Content::bytes(html))
}

/// Splits a path below the root into its area and the rest.
fn area(inside: &str) -> Option<(Kind, &str)> {
    let (name, rest) = inside.split_once('/')?;
    AREAS.iter().find(|(area, _)| *area == name).map(|(_, kind)| (*kind, rest))
}

/// The names of a folder, those of folders in it with a slash. Empty where there is no such folder.
fn names(account: &Account, kind: Kind, folder: &str) -> BTreeSet<String> {
    let buckets = [true, false].map(|secure| format!("{}/{folder}", kind.folder(secure)));
    let inside = |path: &str| {
        let rest = buckets.iter().find_map(|bucket| path.strip_prefix(bucket.as_str()))?;
        Some(match rest.split_once('/') {
            Some((folder, _)) => format!("{folder}/"),
            None => rest.to_owned(),
        })
    };
    account.paths().filter_map(inside).collect()
}
