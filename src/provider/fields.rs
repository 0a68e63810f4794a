//! Reading a vendor's JSON as it comes: numbers as numbers or strings, and what is missing, null or
//! empty all the same. Pure; ids never pass through a float.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

/// The fields of one JSON object.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The field, unless it is missing, null, or an empty string.
    pub(super) fn get(self, name: &str) -> Option<&'a Value> {
        match self.0.get(name)? {
            Value::Null => None,
            Value::String(text) if text.trim().is_empty() => None,
            value => Some(value),
        }
    }

    /// A string, or a number in its decimal form.
    pub(super) fn text(self, name: &str) -> Option<String> {
        match self.get(name)? {
            Value::String(text) => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A whole number from 0 up. What stands behind the point is cut off.
    pub(super) fn whole(self, name: &str) -> Option<u64> {
        let text = self.text(name)?;
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        (!whole.is_empty() && digits(whole) && digits(fraction)).then(|| whole.parse().ok())?
    }

    /// A boolean, also as a string or as 0 and 1.
    pub(super) fn flag(self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Value::Bool(flag) => Some(*flag),
            _ => match self.text(name)?.to_ascii_lowercase().as_str() {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            },
        }
    }

    /// A time: `YYYY-MM-DD HH:mm:ss` in UTC, also with `T`, a fraction, or an offset.
    pub(super) fn time(self, name: &str) -> Option<Timestamp> {
        parse_time(&self.text(name)?)
    }

    /// The objects of a list; anything else in it is passed over.
    pub(super) fn objects(self, name: &str) -> impl Iterator<Item = Fields<'a>> + use<'a> {
        let list = self.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(Value::as_object).map(Fields)
    }
}

fn parse_time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let civil = text.parse::<DateTime>().ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(json: &str) -> Map<String, Value> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn missing_null_and_empty_are_the_same() {
        let map = object(r#"{"a": null, "b": "", "c": " ", "d": 0}"#);
        for name in ["a", "b", "c", "e"] {
            assert!(Fields(&map).get(name).is_none(), "{name}");
        }
        assert_eq!(Fields(&map).whole("d"), Some(0));
    }

    #[test]
    fn numbers_come_in_any_dress_and_stay_exact() {
        let map = object(
            r#"{"a": 18446744073709551615, "b": "9007199254740993", "c": 12.7, "d": -1, "e": "1e3",
                "f": "12.50", "g": "x"}"#,
        );
        let fields = Fields(&map);
        assert_eq!(fields.text("a").as_deref(), Some("18446744073709551615"));
        assert_eq!(fields.whole("b"), Some(9_007_199_254_740_993));
        assert_eq!(fields.whole("c"), Some(12));
        assert_eq!(fields.whole("f"), Some(12));
        for name in ["d", "e", "g"] {
            assert_eq!(fields.whole(name), None, "{name}");
        }
    }

    #[test]
    fn times_are_read_in_every_form() {
        for text in [
            "2026-11-21 14:23:55",
            "2026-11-21T14:23:55",
            "2026-11-21 14:23:55.999",
            "2026-11-21T14:23:55Z",
            "2026-11-21 14:23:55.5Z",
            "2026-11-21T16:23:55+02:00",
        ] {
            assert_eq!(parse_time(text).map(Timestamp::as_second), Some(1_795_271_035), "{text}");
        }
        for text in ["0000-00-00 00:00:00", "yesterday", "2026-13-01 00:00:00", "14:23:55"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
