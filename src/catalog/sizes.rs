//! What objects proved to be: versions as servers served them, and whether a listing's own claims
//! of sizes can be believed.
//!
//! Voximplant documents `file_size` as valid for video only and does not state its unit. So the
//! first claim that can be compared with an answer decides for the whole mount: when it was right,
//! claims count; when it was wrong, none does.

use std::collections::HashMap;

use crate::source::Version;
use crate::types::ObjectId;

/// Learned versions by object.
#[derive(Default)]
pub(super) struct Sizes {
    versions: HashMap<ObjectId, Version>,
    claims: Claims,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Claims {
    #[default]
    Untried,
    Right,
    Wrong,
}

impl Sizes {
    /// The size in bytes: as learned, or as claimed where claims have proved right.
    pub(super) fn size(&self, id: &ObjectId, claimed: Option<u64>) -> Option<u64> {
        let learned = self.versions.get(id).map(|version| version.total);
        learned.or(claimed.filter(|_| self.claims == Claims::Right))
    }

    /// The version learned.
    pub(super) fn version(&self, id: &ObjectId) -> Option<Version> {
        self.versions.get(id).cloned()
    }

    /// Keeps a version and holds the listing's claim against it.
    pub(super) fn learn(&mut self, id: &ObjectId, claimed: Option<u64>, version: Version) {
        match claimed {
            Some(claimed) if claimed != version.total => {
                if self.claims != Claims::Wrong {
                    tracing::warn!(
                        object = %id, claimed, served = version.total,
                        "the listing's file_size is not the size served: sizes of this account \
                         are learned from the server instead"
                    );
                }
                self.claims = Claims::Wrong;
            }
            Some(_) if self.claims == Claims::Untried => self.claims = Claims::Right,
            _ => {}
        }
        self.versions.insert(id.clone(), version);
    }

    /// Forgets an object's version.
    pub(super) fn unlearn(&mut self, id: &ObjectId) {
        self.versions.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Validator;

    fn version(total: u64) -> Version {
        Version { total, validator: Validator::default() }
    }

    #[test]
    fn a_claim_counts_only_after_one_proved_right() {
        let (a, b) = (ObjectId::new("a"), ObjectId::new("b"));
        let mut sizes = Sizes::default();
        assert_eq!(sizes.size(&a, Some(7)), None);
        sizes.learn(&a, Some(7), version(7));
        assert_eq!(sizes.size(&b, Some(9)), Some(9));
    }

    #[test]
    fn a_wrong_claim_ends_the_belief_in_all() {
        let (a, b) = (ObjectId::new("a"), ObjectId::new("b"));
        let mut sizes = Sizes::default();
        sizes.learn(&a, Some(7), version(7));
        sizes.learn(&b, Some(9), version(9_216));
        assert_eq!(sizes.size(&ObjectId::new("c"), Some(1)), None);
        assert_eq!(sizes.size(&b, Some(9)), Some(9_216));
    }
}
