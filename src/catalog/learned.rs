//! What the objects of the days in memory proved to be, and whether a listing's own claims of sizes
//! can be believed.
//!
//! Voximplant documents `file_size` as valid for video only and does not state its unit. So the
//! first claim that can be compared with an answer decides for the whole mount: when it was right,
//! claims count; when it was wrong, none does.

use std::collections::HashMap;

use jiff::civil::Date;

use crate::store::Known;
use crate::types::{ObjectId, ScopeNumber};

/// What is known of objects, by the day that they stand in.
#[derive(Default)]
pub(super) struct Learned {
    days: HashMap<(ScopeNumber, Date), HashMap<ObjectId, Known>>,
    claims: Claims,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Claims {
    #[default]
    Untried,
    Right,
    Wrong,
}

impl Learned {
    /// The size in bytes: as learned, or as claimed where claims have proved right.
    pub(super) fn size(
        &self,
        scope: ScopeNumber,
        date: Date,
        id: &ObjectId,
        claimed: Option<u64>,
    ) -> Option<u64> {
        let known = self.days.get(&(scope, date)).and_then(|day| day.get(id));
        let learned = known.and_then(|known| known.version.as_ref()).map(|version| version.total);
        learned.or(claimed.filter(|_| self.claims == Claims::Right))
    }

    /// What is known of an object.
    pub(super) fn get(&self, scope: ScopeNumber, date: Date, id: &ObjectId) -> Option<Known> {
        self.days.get(&(scope, date))?.get(id).cloned()
    }

    /// Keeps what is known of an object.
    pub(super) fn put(&mut self, scope: ScopeNumber, date: Date, id: &ObjectId, known: Known) {
        self.days.entry((scope, date)).or_default().insert(id.clone(), known);
    }

    /// Takes in what was kept of a day; what was learned since counts.
    pub(super) fn add(&mut self, scope: ScopeNumber, date: Date, kept: HashMap<ObjectId, Known>) {
        let day = self.days.entry((scope, date)).or_default();
        for (id, known) in kept {
            day.entry(id).or_insert(known);
        }
    }

    /// Lets go of a day.
    pub(super) fn forget(&mut self, scope: ScopeNumber, date: Date) {
        self.days.remove(&(scope, date));
    }

    /// Holds a listing's claim of an object's size against what was served. True if claims were
    /// believed until now and are not any more.
    pub(super) fn compare(&mut self, id: &ObjectId, claimed: Option<u64>, served: u64) -> bool {
        let before = self.claims;
        match claimed {
            Some(claimed) if claimed != served => {
                if before != Claims::Wrong {
                    tracing::warn!(
                        object = %id, claimed, served,
                        "the listing's file_size is not the size served: sizes of this account \
                         are learned from the server instead"
                    );
                }
                self.claims = Claims::Wrong;
            }
            Some(_) if before == Claims::Untried => self.claims = Claims::Right,
            _ => {}
        }
        before == Claims::Right && self.claims == Claims::Wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Version;
    use crate::store::State;
    use crate::types::Validator;
    use jiff::civil::date;

    const WHOLE: ScopeNumber = ScopeNumber::WHOLE;
    const DAY: Date = date(2026, 11, 21);

    fn known(total: u64) -> Known {
        let version = Some(Version { total, validator: Validator::default() });
        Known { state: State::Ready, version }
    }

    #[test]
    fn a_claim_counts_only_after_one_proved_right() {
        let (a, b) = (ObjectId::new("a"), ObjectId::new("b"));
        let mut learned = Learned::default();
        assert_eq!(learned.size(WHOLE, DAY, &a, Some(7)), None);
        assert!(!learned.compare(&a, Some(7), 7));
        assert_eq!(learned.size(WHOLE, DAY, &b, Some(9)), Some(9));
    }

    #[test]
    fn a_wrong_claim_ends_the_belief_in_all() {
        let (a, b) = (ObjectId::new("a"), ObjectId::new("b"));
        let mut learned = Learned::default();
        assert!(!learned.compare(&a, Some(7), 7));
        assert!(learned.compare(&b, Some(9), 9_216) && !learned.compare(&b, Some(9), 9_216));
        learned.put(WHOLE, DAY, &b, known(9_216));
        assert_eq!(learned.size(WHOLE, DAY, &ObjectId::new("c"), Some(1)), None);
        assert_eq!(learned.size(WHOLE, DAY, &b, Some(9)), Some(9_216));
    }

    #[test]
    fn what_was_learned_since_counts_more_than_what_was_kept() {
        let (a, b) = (ObjectId::new("a"), ObjectId::new("b"));
        let mut learned = Learned::default();
        learned.put(WHOLE, DAY, &a, known(1));
        learned.add(WHOLE, DAY, HashMap::from([(a.clone(), known(2)), (b.clone(), known(3))]));
        assert_eq!(learned.get(WHOLE, DAY, &a), Some(known(1)));
        assert_eq!(learned.get(WHOLE, DAY, &b), Some(known(3)));
        learned.forget(WHOLE, DAY);
        assert_eq!(learned.get(WHOLE, DAY, &b), None);
    }
}
