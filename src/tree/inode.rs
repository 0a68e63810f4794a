//! Inode numbers: computed, never counted, so that they are the same after a remount.
//!
//! The root is 1. A directory of the calendar and an index file carry their scope, area and date in
//! the number itself, and so do playlists; so does what is looked for, with the query's number in the place of
//! the scope's, and a hash of the file that a link leads to. An object's number has bit 62 set, then a tag that its day gives, so that its
//! day can be looked up, then a hash of its scope and id. Bit 63 stays clear, for programs that take
//! the number as signed.

use jiff::civil::Date;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Node;
use super::queries::QueryNumber;
use crate::types::{Area, ObjectId, ScopeNumber};

const OBJECT: u64 = 1 << 62;
/// Where a scope's number begins; it has 26 bits.
const SCOPE: u32 = 36;
/// Where the tag of an object's day begins; it has 16 bits.
const TAG: u32 = 46;
/// What tells an account's directory from a scope's.
const ACCOUNT: u64 = 2;
/// Where the kind of a number begins that is no object's; up to 4 it is an area.
const KIND: u32 = 32;
/// The kinds beyond the areas: the directory of queries, a query, a link in it, a day's playlist.
const FINDS: u64 = 5;
const QUERY: u64 = 6;
const LINK: u64 = 7;
const PLAYLIST: u64 = 8;

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
            Node::Playlist(scope, d) => {
                Self::of_kind(PLAYLIST, *scope, date_bits(d.year(), d.month(), d.day()))
            }
            Node::Finds => Self(FINDS << KIND),
            Node::Query(query) => Self(u64::from(query.0) << SCOPE | QUERY << KIND),
            Node::Link(link) => link.inode,
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

    /// The number of a link in a query's directory to a file. `attempt` counts how many numbers before were
    /// taken.
    pub(super) fn of_link(query: QueryNumber, path: &str, attempt: u64) -> Self {
        let hash = xxh3_64_with_seed(path.as_bytes(), attempt) & 0xffff_ffff;
        Self(u64::from(query.0) << SCOPE | LINK << KIND | hash)
    }

    /// The query in whose directory the link of this number stands; `None` when it is no link's.
    pub(super) fn query_of_link(self) -> Option<QueryNumber> {
        let is_link = self.0 & OBJECT == 0 && self.0 >> KIND & 0xf == LINK;
        is_link.then(|| QueryNumber(u32::try_from(self.0 >> SCOPE).unwrap_or(0)))
    }

    fn dated(scope: ScopeNumber, area: Area, year: i16, month: i8, day: i8) -> Self {
        let area = Area::ALL.iter().position(|a| *a == area).unwrap_or(0) as u64 + 1;
        Self::of_kind(area, scope, date_bits(year, month, day))
    }

    fn of_kind(kind: u64, scope: ScopeNumber, date: u64) -> Self {
        Self(u64::from(scope.0) << SCOPE | kind << KIND | date)
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
        let kind = self.0 >> KIND & 0xf;
        match kind {
            0 => {
                return match self.0 & 0xffff_ffff {
                    0 => Some(Node::Scope(scope)),
                    ACCOUNT => Some(Node::Account(scope)),
                    _ => None,
                };
            }
            FINDS => return (self.0 == FINDS << KIND).then_some(Node::Finds),
            QUERY => return Some(Node::Query(QueryNumber(scope.0))),
            _ => {}
        }
        let year = i16::try_from(self.0 >> 16 & 0xffff).ok()?;
        let month = i8::try_from(self.0 >> 8 & 0xff).ok()?;
        let day = i8::try_from(self.0 & 0xff).ok()?;
        if kind == PLAYLIST {
            return Some(Node::Playlist(scope, Date::new(year, month, day).ok()?));
        }
        let area = *Area::ALL.get(usize::try_from(kind).ok()? - 1)?;
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

fn date_bits(year: i16, month: i8, day: i8) -> u64 {
    let part = |n: i16| u64::try_from(n).unwrap_or(0);
    part(year) << 16 | part(month.into()) << 8 | part(day.into())
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
            Node::Playlist(last, day),
            Node::Finds,
            Node::Query(QueryNumber(0)),
            Node::Query(QueryNumber((1 << 26) - 1)),
        ];
        for node in nodes {
            let again = Inode::of(&node).decode().unwrap();
            assert_eq!(format!("{again:?}"), format!("{node:?}"));
        }
    }

    #[test]
    fn a_link_names_its_query_and_nothing_else() {
        let query = QueryNumber((1 << 26) - 1);
        let link = Inode::of_link(query, "logs/a.log", 0);
        assert_eq!(link.query_of_link(), Some(query));
        assert!(link.decode().is_none() && link.tag().is_none() && link.0 < 1 << 63);
        for inode in [Inode::ROOT, Inode::of(&Node::Finds), Inode::of(&Node::Query(query))] {
            assert!(inode.query_of_link().is_none());
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
