//! Which days are in memory: those looked into last, as far as their weight allows. Pure.
//!
//! An account may have a million objects, and the kernel may know them all; the store brings a day
//! back in milliseconds.

use jiff::civil::Date;
use lru::LruCache;

use crate::types::ScopeNumber;

/// Most calls and objects in memory together: about 24 MiB.
const MOST: usize = 16_000;
/// The fewest days in memory, however heavy they are: two are compared with each other.
const FEWEST: usize = 2;

/// Days by when they were looked into, with their weights.
pub struct Recent {
    days: LruCache<(ScopeNumber, Date), usize>,
    weight: usize,
}

impl Default for Recent {
    fn default() -> Self {
        Self { days: LruCache::unbounded(), weight: 0 }
    }
}

impl Recent {
    /// Takes note of a day, and gives those that have to go.
    pub fn see(&mut self, day: (ScopeNumber, Date), weight: usize) -> Vec<(ScopeNumber, Date)> {
        self.weight += weight;
        self.weight -= self.days.put(day, weight).unwrap_or(0);
        let mut gone = Vec::new();
        while self.weight > MOST
            && self.days.len() > FEWEST
            && let Some((oldest, weight)) = self.days.pop_lru()
        {
            self.weight -= weight;
            gone.push(oldest);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn the_days_looked_into_last_stay() {
        let day = |n: i8| (ScopeNumber::WHOLE, date(2026, 11, n));
        let mut recent = Recent::default();
        for n in 1..=4 {
            assert!(recent.see(day(n), MOST / 4).is_empty());
        }
        assert!(recent.see(day(1), MOST / 4).is_empty());
        assert_eq!(recent.see(day(5), MOST / 2), [day(2), day(3)]);
        // Two heavy ones stay side by side.
        assert_eq!(recent.see(day(6), MOST * 2), [day(4), day(1)]);
        assert!(recent.see(day(5), MOST * 2).is_empty());
    }
}
