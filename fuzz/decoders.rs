//! The decoders of what strangers write, and what must hold of all that they let through. The fuzz
//! targets call them with inputs of their own, and the tests with every file of `fuzz/corpus`.

use reelfs::provider::{list, voximplant, whatconverts};
use reelfs::types::{Content, Entry};
use reelfs::{config, http, tree};

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

/// What holds of all that a vendor's strings become: no path but a plain name, no escape sequence, no
/// link where people look, no header.
fn entries(entries: &[Entry]) {
    for entry in entries {
        assert!(!entry.facts.chars().any(char::is_control), "a control character in the index");
        plain_of_links(&entry.facts);
        for object in &entry.objects {
            let name = tree::file_name(&object.name);
            assert!((1..=200).contains(&name.len()), "{} bytes of a name", name.len());
            assert!(!name.starts_with(['.', '-']), "a name that is hidden or an option");
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "+@._-".contains(c);
            assert!(name.chars().all(is_plain), "a name that is no plain one");
            for (_, value) in object.attributes.iter() {
                assert!(
                    !value.chars().any(char::is_control),
                    "a control character in an attribute"
                );
                plain_of_links(value);
            }
            if let Content::Remote { link, .. } = &object.content {
                assert!(matches!(link.url().scheme(), "http" | "https") && link.url().has_host());
                let shown = format!("{link:?}");
                let query = link.url().query().filter(|query| query.len() > 8);
                assert!(query.is_none_or(|query| !shown.contains(query)), "a link is printed");
            }
        }
    }
}

fn plain_of_links(text: &str) {
    let lower = text.to_ascii_lowercase();
    for scheme in ["http://", "https://", "http:\\/\\/", "https:\\/\\/", "https%3a%2f%2f"] {
        assert!(!lower.contains(scheme), "a link shows");
    }
}
