//! The decoders of what strangers write, and what must hold of all that they let through. The fuzz
//! targets call them with inputs of their own, and the tests with every file of `fuzz/corpus`.

use std::path::Path;

use reelfs::config::file::{ConfigFile, Given};
use reelfs::provider::{list, voximplant, whatconverts};
use reelfs::store::decode;
use reelfs::types::{Content, Day, Entry, Facts, NameParts};
use reelfs::{cli, config, http, tree};

pub(crate) mod kept;

/// Status and headers of an answer. Two bytes choose what was asked, the rest is a response's head.
pub(crate) fn answer(data: &[u8]) {
    let Some(([kind, status], headers)) = data.split_first_chunk() else { return };
    let status = [200, 204, 206, 206, 206, 416, 429, 503][usize::from(status % 8)];
    let offset = [0, 1, 131_072, u64::MAX - 1][usize::from(kind % 4)];
    let len = [1, 131_072, u64::MAX][usize::from(kind / 4 % 3)];
    let total = [None, Some(0), Some(131_073), Some(u64::MAX)][usize::from(kind / 16 % 4)];
    let Some(taken) = http::decode(status, headers, offset, len, total) else { return };
    assert!(taken.offset == offset || taken.offset == 0, "another offset");
    assert!(taken.end.is_none_or(|end| end >= taken.offset), "an end before the beginning");
    if let (Some(end), Some(total)) = (taken.end, taken.total) {
        // Beyond the end there is nothing, and a server may say so.
        assert!(end <= total || end == taken.offset, "a part beyond the end");
    }
    if let (Some(known), Some(told)) = (total, taken.total) {
        assert!(known == told, "another total than the one known");
    }
}

/// An answer of Voximplant's API.
pub(crate) fn voximplant(data: &[u8]) {
    entries(&voximplant::decode(data));
}

/// An answer of WhatConverts' API.
pub(crate) fn whatconverts(data: &[u8]) {
    entries(&whatconverts::decode(data));
}

/// A list of links: CSV, JSON lines, or one link a line.
pub(crate) fn list(data: &[u8]) {
    entries(&list::decode(data));
}

/// Key files of both vendors. An error must not quote what it refuses.
pub(crate) fn keys(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for error in
        [voximplant::decode_key(data), whatconverts::decode_key(data)].into_iter().flatten()
    {
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 24) {
            assert!(!error.contains(word), "an error quotes the key");
        }
    }
}

/// What people type: spans, sizes, durations, days, addresses, hosts.
pub(crate) fn typed(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let (Ok(since), Ok(today)) = (config::since(text), config::day("2026-11-25")) {
        assert!(since.day(today) <= today || config::day(text).is_ok(), "a later day");
    }
    if let Ok(size) = config::size(text) {
        assert!(size > 0);
    }
    if let Ok(duration) = config::duration(text) {
        assert!(!duration.is_zero());
    }
    let _ = (config::day(text), config::memory(text), config::api_url(text));
    if let Ok(host) = text.parse::<http::TrustedHost>() {
        assert!(host.to_string().parse::<http::TrustedHost>() == Ok(host), "not itself again");
    }
}

/// The config file: what is wrong stands somewhere in it, can be shown on a terminal, and quotes no
/// value but a path.
pub(crate) fn config(data: &[u8]) {
    let path = Path::new("/nonexistent/config.toml");
    let told = cli::decode_config(path, data).unwrap_or_default();
    assert!(!told.chars().any(|c| c.is_control() && c != '\n'), "an escape sequence: {told:?}");
    let Ok(text) = std::str::from_utf8(data) else { return };
    let file = ConfigFile::of(path, text);
    for fault in &file.faults {
        let lines = 1 + text.matches('\n').count();
        assert!((1..=lines).contains(&fault.at.line) && fault.at.column > 0, "{:?}", fault.at);
    }
    let is_path = |key: &str| {
        ["credentials", "from", "ca-cert", "cache-dir", "audit", "mountpoint"].contains(&key)
            || key.ends_with("-file")
    };
    let mut values = Vec::new();
    for profile in &file.profiles {
        let name = &profile.name;
        assert!(!name.is_empty() && !name.starts_with(['.', '-']), "{name:?} hides");
        assert!(!name.contains(|c: char| c == '/' || c.is_control()), "{name:?} is no name");
        for setting in profile.settings.iter().filter(|setting| !is_path(&setting.key)) {
            if let Given::Texts(texts) = &setting.value {
                values.extend(texts.iter().map(|(text, _)| text.clone()));
            }
        }
    }
    // What is no TOML may be a secret all the same, behind a sign or on a line of its own.
    let broken = text.lines().filter(|line| !is_path(line.split('=').next().unwrap_or("").trim()));
    values.extend(broken.filter_map(|line| Some(line.split_once('=')?.1.to_owned())));
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric());
        words.filter(|word| word.len() > 24).map(str::to_owned).collect()
    };
    for word in values.iter().flat_map(|value| words(value)) {
        // A word that is a value here may be the name of a key or a path elsewhere.
        assert!(!told.contains(&word) || text.matches(&word).count() > 1, "a value is quoted");
    }
}

/// What is kept of a day and of an object: bytes as they are in the catalogue, or the JSON in them.
pub(crate) fn record(data: &[u8]) {
    for bytes in [data.to_vec(), decode::packed(data)] {
        for outline in decode::outlines(&bytes) {
            plain_name(&outline.name);
        }
        if let Some(day) = decode::day(&bytes) {
            calls(&day);
            assert!(decode::day(&decode::written(&day)).as_ref() == Some(&day), "another day");
        }
    }
    if let Some((known, again)) = decode::known(data) {
        assert!(known == again, "another version");
    }
    let byte = |at: usize| data.get(at).copied().unwrap_or_default();
    let total = u64::from(byte(1)) << (byte(2) % 57) | u64::from(byte(3));
    let map = decode::map(data, u32::from(byte(0)), total);
    assert!(map.is_itself, "another map");
    let inside = map.places.iter().filter(|place| **place < map.blocks).count();
    assert_eq!(map.is_whole, inside == map.blocks as usize, "blocks beyond the end count");
    for secret in [None, Some(&b"a secret that is long enough, too"[..])] {
        let mut sealed = decode::sealed(secret, b"here", data);
        assert!(decode::opened(secret, b"here", &sealed).as_deref() == Some(data));
        assert!(decode::opened(secret, b"there", &sealed).is_none(), "a value moved");
        let at = data.len() * 7 % sealed.len();
        sealed[at] ^= 1 + data.first().map_or(0, |byte| byte % 255);
        assert!(decode::opened(secret, b"here", &sealed).is_none(), "a damaged value");
    }
}

/// What holds of a day out of the catalogue, whoever wrote it there.
fn calls(day: &Day) {
    for call in &day.calls {
        assert!(call.facts.starts_with('{') && call.facts.ends_with('}'), "no line of an index");
        assert!(!call.facts.chars().any(char::is_control), "a control character in the index");
        for object in &call.objects {
            plain_name(&object.name);
            plain_values(&object.attributes);
            plain_link(&object.content);
        }
    }
}

pub(crate) fn plain_name(parts: &NameParts) {
    let name = tree::file_name(parts);
    assert!((1..=200).contains(&name.len()), "{} bytes of a name", name.len());
    assert!(!name.starts_with(['.', '-']), "a name that is hidden or an option");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "+@._-".contains(c);
    assert!(name.chars().all(is_plain), "a name that is no plain one");
}

fn plain_values(attributes: &Facts) {
    for (_, value) in attributes.iter() {
        assert!(!value.chars().any(char::is_control), "a control character in an attribute");
    }
}

fn plain_link(content: &Content) {
    let Content::Remote { link, .. } = content else { return };
    assert!(matches!(link.url().scheme(), "http" | "https") && link.url().has_host());
    let shown = format!("{link:?}");
    let query = link.url().query().filter(|query| query.len() > 8);
    assert!(query.is_none_or(|query| !shown.contains(query)), "a link is printed");
}

/// What holds of all that a vendor's strings become: no path but a plain name, no escape sequence, no
/// link where people look, no header.
fn entries(entries: &[Entry]) {
    for entry in entries {
        assert!(!entry.facts.chars().any(char::is_control), "a control character in the index");
        plain_of_links(&entry.facts);
        for object in &entry.objects {
            plain_name(&object.name);
            plain_values(&object.attributes);
            object.attributes.iter().for_each(|(_, value)| plain_of_links(value));
            plain_link(&object.content);
        }
    }
}

fn plain_of_links(text: &str) {
    let lower = text.to_ascii_lowercase();
    for scheme in ["http://", "https://", "http:\\/\\/", "https:\\/\\/", "https%3a%2f%2f"] {
        assert!(!lower.contains(scheme), "a link shows");
    }
}
