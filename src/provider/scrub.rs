//! Keeps links, keys and control characters out of what users see: the index and the attributes.
//! Whoever has an open link can listen to the call, so links do not belong there.

use serde_json::{Map, Value};

/// What stands where a link was.
const LINK: &str = "[link]";

/// The longest text of an attribute, in bytes.
const LONGEST: usize = 1024;

/// A copy of a vendor's object without links and keys: fields that are named like one are left out,
/// and links inside other strings are replaced.
pub(super) fn object(map: &Map<String, Value>) -> Map<String, Value> {
    map.iter()
        .filter(|(name, _)| !is_private(name))
        .map(|(name, value)| (links(name), self::value(value)))
        .collect()
}

fn value(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(links(text)),
        Value::Array(list) => list.iter().map(self::value).collect(),
        Value::Object(map) => Value::Object(object(map)),
        other => other.clone(),
    }
}

fn is_private(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("_url")
        || name == "url"
        || ["api_key", "apikey", "token", "secret", "password", "private_key", "authorization"]
            .iter()
            .any(|word| name.contains(word))
}

/// `text` with every http and https link replaced, also where it is escaped as in JSON
/// (`https:\/\/`) or in a query (`https%3A%2F%2F`).
pub(super) fn links(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, length)) = find_scheme(rest) {
        clean.push_str(&rest[..start]);
        clean.push_str(LINK);
        let tail = &rest[start + length..];
        rest = &tail[tail.find(ends_link).unwrap_or(tail.len())..];
    }
    clean.push_str(rest);
    clean
}

fn ends_link(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '<' | '>' | '`')
}

/// Start and length of the first `http://` or `https://`.
fn find_scheme(text: &str) -> Option<(usize, usize)> {
    // Lowering ASCII alone keeps every byte where it is.
    let lower = text.to_ascii_lowercase();
    lower.match_indices("http").find_map(|(start, word)| {
        let after = &lower[start + word.len()..];
        let after = after.strip_prefix('s').unwrap_or(after);
        let after = strip_any(after, &[":", "%3a"])?;
        let after = strip_any(after.trim_start_matches('\\'), &["/", "%2f"])?;
        let after = strip_any(after.trim_start_matches('\\'), &["/", "%2f"])?;
        Some((start, lower.len() - start - after.len()))
    })
}

fn strip_any<'a>(text: &'a str, prefixes: &[&str]) -> Option<&'a str> {
    prefixes.iter().find_map(|prefix| text.strip_prefix(prefix))
}

/// `text` for an attribute or a message: no links, control characters escaped, at most 1024 bytes.
pub(crate) fn line(text: &str) -> String {
    let mut clean = String::new();
    for c in links(text).chars() {
        let before = clean.len();
        if c.is_control() {
            clean.extend(c.escape_default());
        } else {
            clean.push(c);
        }
        if clean.len() > LONGEST {
            clean.truncate(before);
            break;
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_replaced_wherever_they_hide() {
        for (text, clean) in [
            ("see https://a/b?c=d now", "see [link] now"),
            ("HTTP://a", "[link]"),
            (r#"{"u":"https:\/\/a\/b"}"#, r#"{"u":"[link]"}"#),
            ("r=https%3A%2F%2Fa%2Fb", "r=[link]"),
            ("http://a http://b", "[link] [link]"),
            ("ü http://a ü", "ü [link] ü"),
            ("http: //a httpx https", "http: //a httpx https"),
        ] {
            assert_eq!(links(text), clean);
        }
    }

    #[test]
    fn private_fields_are_left_out_at_any_depth() {
        let map = serde_json::json!({
            "id": 1, "log_file_url": "x", "api_key": "k",
            "calls": [{"record_url": "x", "accessToken": "t", "note": "at https://a"}],
        });
        let clean = object(map.as_object().unwrap());
        assert_eq!(
            Value::Object(clean),
            serde_json::json!({"id": 1, "calls": [{"note": "at [link]"}]})
        );
    }

    #[test]
    fn lines_hold_no_control_characters_and_end() {
        assert_eq!(line("a\nb\u{1b}[0m"), r"a\nb\u{1b}[0m");
        assert_eq!(line(&"é".repeat(1000)).len(), LONGEST);
    }
}
