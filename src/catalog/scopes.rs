//! Numbers of scopes: computed from the vendor's ids, so that inodes are the same after a remount.

use xxhash_rust::xxh3::xxh3_64;

use crate::types::{Label, ScopeNumber};

/// Numbers stay below this, so that they fit in an inode number beside area and date.
const LIMIT: u32 = 1 << 26;

/// The number of what `label` names: the first that is free from the hash of its id on, never 0.
pub fn number(label: &Label, taken: impl Fn(ScopeNumber) -> bool) -> ScopeNumber {
    let hash = xxh3_64(label.id.as_bytes()) % u64::from(LIMIT);
    let mut number = u32::try_from(hash).unwrap_or(0).max(1);
    while taken(ScopeNumber(number)) {
        number = (number + 1) % LIMIT;
        number = number.max(1);
    }
    ScopeNumber(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_stable_and_free() {
        let label = Label { id: "62001".to_owned(), name: "any".to_owned() };
        let first = number(&label, |_| false);
        let renamed = Label { name: "other".to_owned(), ..label };
        assert_eq!(number(&renamed, |_| false), first);
        assert_ne!(number(&renamed, |taken| taken == first), first);
        assert!((1..LIMIT).contains(&first.0));
    }
}
