//! Inode numbers: computed, never counted, so that they are the same after a remount.
//!
//! The root is 1. A directory of the calendar and an index file carry their scope, area and date in
//! the number itself; an object's number has bit 62 set, then a tag that its day gives, so that its
//! day can be looked up, then a hash of its scope and id. Bit 63 stays clear, for programs that take
//! the number as signed.

use jiff::civil::Date;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Node;
use crate::types::{Area, ObjectId, ScopeNumber};

const OBJECT: u64 = 1 << 62;
/// Where a scope's number begins; it has 26 bits.
const SCOPE: u32 = 36;
/// Where the tag of an object's day begins; it has 16 bits.
const TAG: u32 = 46;
/// What tells an account's directory from a scope's.
const ACCOUNT: u64 = 2;

/// An inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Inode(pub u64);

impl Inode {
    /// The mountpoint's.
    pub const ROOT: Inode = Inode(1);

    /// The number of a node.
    pub(super) fn of(node: &Node) -> Self {
        match node {
            Node::Root => Self::ROOT,
            Node::Account(account) => Self(u64::from(account.0) << SCOPE | ACCOUNT),
            Node::Scope(scope) => Self(u64::from(scope.0) << SCOPE),
            Node::Area(scope, area) => Self::dated(*scope, *area, 0, 0, 0),
            Node::Year(scope, area, year) => Self::dated(*scope, *area, *year, 0, 0),
            Node::Month(scope, area, year, month) => Self::dated(*scope, *area, *year, *month, 0),
            Node::Day(scope, area, d) => Self::dated(*scope, *area, d.year(), d.month(), d.day()),
            Node::Index(scope, d) => Self::dated(*scope, Area::Index, d.year(), d.month(), d.day()),
            Node::File(file) => file.inode,
        }
    }

    /// An object's number. `attempt` counts how many numbers before were taken by other objects.
    pub(super) fn of_object(scope: ScopeNumber, day: Date, id: &ObjectId, attempt: u64) -> Self {
        let seed = attempt << 32 | u64::from(scope.0);
        let hash = xxh3_64_with_seed(id.as_str().as_bytes(), seed) & ((1 << TAG) - 1);
        Self(OBJECT | u64::from(Tag::of(day).0) << TAG | hash)
    }

    /// The tag of an object's day; `None` when it is no object's number.
    pub(super) fn tag(self) -> Option<Tag> {
        (self.0 & OBJECT != 0).then(|| Tag(u16::try_from(self.0 >> TAG & 0xffff).unwrap_or(0)))
    }

    fn dated(scope: ScopeNumber, area: Area, year: i16, month: i8, day: i8) -> Self {
        let area = Area::ALL.iter().position(|a| *a == area).unwrap_or(0) as u64 + 1;
        let part = |n: i16| u64::try_from(n).unwrap_or(0);
        let date = part(year) << 16 | part(month.into()) << 8 | part(day.into());
        Self(u64::from(scope.0) << SCOPE | area << 32 | date)
    }

    /// The node of a number that is not an object's.
    pub(super) fn decode(self) -> Option<Node> {
        if self == Self::ROOT {
            return Some(Node::Root);
        }
        if self.0 & OBJECT != 0 {
            return None;
        }
        let scope = ScopeNumber(u32::try_from(self.0 >> SCOPE).ok()?);
        let area = usize::try_from(self.0 >> 32 & 0xf).ok()?;
        if area == 0 {
            return match self.0 & 0xffff_ffff {
                0 => Some(Node::Scope(scope)),
                ACCOUNT => Some(Node::Account(scope)),
                _ => None,
            };
        }
        let area = *Area::ALL.get(area - 1)?;
        let year = i16::try_from(self.0 >> 16 & 0xffff).ok()?;
        let month = i8::try_from(self.0 >> 8 & 0xff).ok()?;
        let day = i8::try_from(self.0 & 0xff).ok()?;
        Some(match (year, month, day) {
            (0, 0, 0) => Node::Area(scope, area),
            (year, 0, 0) => Node::Year(scope, area, year),
            (year, month, 0) => Node::Month(scope, area, year, month),
            (year, month, day) => match (area, Date::new(year, month, day).ok()?) {
                (Area::Index, date) => Node::Index(scope, date),
                (area, date) => Node::Day(scope, area, date),
            },
        })
    }
}

/// What an object's number tells of its day: days that have the same lie 179 years apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tag(u16);

impl Tag {
    /// The tag of a day.
    pub(super) fn of(day: Date) -> Self {
        let days = (day - jiff::civil::date(1970, 1, 1)).get_days();
        Self(u16::try_from(days.rem_euclid(1 << 16)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::UNDATED;
    use jiff::civil::date;

    #[test]
    fn every_number_of_the_calendar_names_its_node_again() {
        let day = date(2026, 2, 28);
        let (whole, last) = (ScopeNumber::WHOLE, ScopeNumber((1 << 26) - 1));
        let nodes = [
            Node::Root,
            Node::Account(last),
            Node::Scope(last),
            Node::Area(last, Area::Logs),
            Node::Year(whole, Area::Recordings, 2026),
            Node::Month(last, Area::Index, 2026, 12),
            Node::Day(whole, Area::Transcripts, day),
            Node::Index(last, day),
            Node::Index(whole, UNDATED),
        ];
        for node in nodes {
            let again = Inode::of(&node).decode().unwrap();
            assert_eq!(format!("{again:?}"), format!("{node:?}"));
        }
    }

    #[test]
    fn an_object_never_looks_like_a_directory() {
        for n in 0..1000_u32 {
            let (scope, day) = (ScopeNumber(n), date(1900 + i16::try_from(n).unwrap(), 5, 31));
            let inode = Inode::of_object(scope, day, &ObjectId::new(format!("log/{n}")), 0);
            assert!(inode.decode().is_none(), "{inode:?}");
            assert_eq!(inode.tag(), Some(Tag::of(day)));
            assert!(inode.0 < 1 << 63);
            assert!(Inode::of(&Node::Day(scope, Area::Logs, day)).tag().is_none());
        }
    }
}
