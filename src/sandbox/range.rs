//! The `Range` header, as RFC 9110 section 14 has it: a pure function from text to bytes.

use std::ops::Range;

/// What a `Range` header comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resolved {
    /// Everything: there was no header, or one that a server has to ignore.
    Whole,
    /// These bytes, at least one of them.
    Part(Range<u64>),
    /// Nothing that the object has: 416.
    Unsatisfiable,
}

/// Reads a `Range` header for an object of `total` bytes. Several ranges in one header are ignored,
/// which a server may do.
pub(super) fn resolve(header: Option<&str>, total: u64) -> Resolved {
    let Some((unit, spec)) = header.and_then(|text| text.trim().split_once('=')) else {
        return Resolved::Whole;
    };
    let Some((first, last)) = spec.trim().split_once('-') else {
        return Resolved::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return Resolved::Whole;
    }
    match (first.trim(), last.trim()) {
        ("", "") => Resolved::Whole,
        ("", suffix) => match suffix.parse::<u64>() {
            Ok(0) => Resolved::Unsatisfiable,
            Ok(_) if total == 0 => Resolved::Unsatisfiable,
            Ok(count) => Resolved::Part(total.saturating_sub(count)..total),
            Err(_) => Resolved::Whole,
        },
        (first, last) => match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), _) if first >= total && (last.is_empty() || is_number(last)) => {
                Resolved::Unsatisfiable
            }
            (Ok(first), _) if last.is_empty() => Resolved::Part(first..total),
            (Ok(first), Ok(last)) if first <= last => {
                Resolved::Part(first..last.saturating_add(1).min(total))
            }
            _ => Resolved::Whole,
        },
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_come_out_as_the_rfc_says() {
        let cases = [
            ("bytes=0-0", Resolved::Part(0..1)),
            ("bytes=2-5", Resolved::Part(2..6)),
            ("bytes=2-", Resolved::Part(2..10)),
            ("bytes=-3", Resolved::Part(7..10)),
            ("bytes=-30", Resolved::Part(0..10)),
            ("bytes=5-999", Resolved::Part(5..10)),
            ("Bytes = 9-9", Resolved::Part(9..10)),
            ("bytes=10-", Resolved::Unsatisfiable),
            ("bytes=10-20", Resolved::Unsatisfiable),
            ("bytes=-0", Resolved::Unsatisfiable),
            ("bytes=5-2", Resolved::Whole),
            ("bytes=0-1,4-5", Resolved::Whole),
            ("bytes=-", Resolved::Whole),
            ("bytes=x-5", Resolved::Whole),
            ("lines=0-1", Resolved::Whole),
        ];
        for (header, expected) in cases {
            assert_eq!(resolve(Some(header), 10), expected, "{header}");
        }
        assert_eq!(resolve(None, 10), Resolved::Whole);
        assert_eq!(resolve(Some("bytes=0-"), 0), Resolved::Unsatisfiable);
    }
}
