//! Sees the reads of a handle and says what to fetch ahead: pure, no I/O, no clock.
//!
//! A first touch fetches nothing more, but for the last block of a long object. Each read that goes on
//! where the last ones were is proof of sequential use: the window grows with the bytes consumed so
//! far and with the number of proofs, up to a bound that handles share; of a recording that is nearly
//! over, the first proof fetches the rest. A read elsewhere starts over.

use std::ops::Range;

/// A read this far beyond the last one still belongs to the sequence: the kernel's read-ahead runs
/// out of order.
const FORWARD: u64 = 16 * 1024 * 1024;
/// So does a read this far behind it.
const BACKWARD: u64 = 1024 * 1024;

/// The window is the bytes consumed in sequence, doubled with each proof up to this many times. A player
/// that looks here and there for an index, within what counts as a sequence, pays for next to nothing,
/// and two large reads lead to a window that keeps 16 connections busy for a round trip.
const MOST_PROOFS: u32 = 4;
/// A read of so much is as good as all proofs: the kernel makes such reads only of those who ask for
/// much at once, or who have been going on for a while.
const LARGE_READ: u64 = 512 * 1024;
/// What a first read of so much proves: four times as much may follow.
const FIRST_LARGE_READ: u32 = 2;
/// A window has to be larger than this to be worth a request of its own.
const SMALLEST_WINDOW: u64 = 512 * 1024;
/// When no more than this is left of an object, the first proof fetches all of it.
const SHORT_REST: u64 = 2 * 1024 * 1024;
/// A read of so much is proof enough for a short rest.
const ENOUGH_FOR_REST: u64 = 256 * 1024;
/// Smallest and largest part of a window that one request brings. A window is cut into twice as many
/// parts as there are connections, so that none waits for its next one.
const SMALLEST_PART: u64 = 256 * 1024;
const LARGEST_PART: u64 = 4 * 1024 * 1024;
/// What is left of an object is cut like a window, so that all connections end at the same time, but
/// not into smaller parts than this.
const SMALLEST_LAST_PART: u64 = 1024 * 1024;
/// Who begins to read an object as long as this gets its last block, too: containers keep their index
/// there, and tags. Who asks for much of it at once wants more than a header.
const LONG: u64 = 16 * 1024 * 1024;
/// Windows and parts end on multiples of this: the size of a block in the cache.
const GRAIN: u64 = crate::cache::BLOCK_SIZE;

/// Bounds of a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    window: u64,
    connections: u64,
    /// Whether the last block of an object can be had alone.
    pub(super) index: bool,
}

impl Limits {
    /// Bounds for windows within `budget` bytes, cut for so many connections.
    pub(super) fn new(budget: u64, connections: u16) -> Self {
        let connections = u64::from(connections.max(1));
        Self { window: budget.min(2 * connections * LARGEST_PART), connections, index: true }
    }

    /// The bounds of each when so many handles have windows.
    pub(super) fn among(self, handles: usize) -> Self {
        let handles = u64::try_from(handles).unwrap_or(u64::MAX).max(1);
        let connections = (self.connections / handles).max(1);
        Self { window: self.window / handles, connections, ..self }
    }
}

/// What to do after a read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// Whether the handle went elsewhere: what was fetched ahead is not wanted any more.
    pub(super) restarted: bool,
    /// Where the sequence is now; what ends far before it is not wanted any more.
    pub(super) position: u64,
    /// Ranges of bytes to fetch, one request each, in the order in which they are wanted.
    pub(super) parts: Vec<Range<u64>>,
}

/// The reads of one handle so far.
#[derive(Debug)]
pub(super) struct Sequence {
    size: u64,
    /// Where windows end: before the last block, once that was asked for.
    end: u64,
    /// Furthest byte read in this sequence; none before the first read.
    position: Option<u64>,
    /// Bytes read in this sequence, and what they prove.
    consumed: u64,
    proofs: u32,
    /// Everything between the position and here was asked for.
    fetched_to: u64,
}

impl Sequence {
    /// No reads yet, of an object of `size` bytes.
    pub(super) fn new(size: u64) -> Self {
        Self { size, end: size, position: None, consumed: 0, proofs: 0, fetched_to: 0 }
    }

    /// Takes note of a read, which is not empty and lies within the object.
    pub(super) fn see(&mut self, read: Range<u64>, limits: Limits) -> Decision {
        let len = read.end - read.start;
        let large = len >= LARGE_READ;
        let near = |position: u64| {
            position.saturating_sub(BACKWARD) <= read.start && read.start <= position + FORWARD
        };
        let Some(position) = self.position.filter(|position| near(*position)) else {
            let restarted = self.position.is_some();
            let proofs = if large { FIRST_LARGE_READ } else { 0 };
            let fresh = Self { end: self.end, ..Self::new(self.size) };
            *self = Self { position: Some(read.end), consumed: len, proofs, ..fresh };
            let rest = len >= ENOUGH_FOR_REST && self.size - read.end <= SHORT_REST;
            let bulk = large && read.start == 0 && self.size >= LONG;
            // A large read of a long object comes in several parts, too.
            self.fetched_to = if bulk { read.start } else { read.end };
            let mut parts = Vec::from_iter(self.index(&read, limits));
            if rest || bulk {
                parts.extend(self.extend(read.end, limits));
            }
            return Decision { restarted, position: read.end, parts };
        };
        let position = position.max(read.end);
        self.position = Some(position);
        self.consumed = self.consumed.saturating_add(len);
        self.proofs = (self.proofs + if large { MOST_PROOFS } else { 1 }).min(MOST_PROOFS);
        Decision { restarted: false, position, parts: self.extend(position, limits) }
    }

    /// Nothing was fetched from `start` on after all.
    pub(super) fn refused(&mut self, start: u64) {
        self.fetched_to = self.fetched_to.min(start);
    }

    /// Nothing of what was fetched ahead is held any more.
    pub(super) fn let_go(&mut self) {
        self.refused(self.position.unwrap_or(0));
    }

    /// The last block of a long object, for who begins at its beginning.
    fn index(&mut self, read: &Range<u64>, limits: Limits) -> Option<Range<u64>> {
        let known = self.end < self.size;
        if !limits.index || read.start > 0 || self.size < LONG || known {
            return None;
        }
        self.end = (self.size - 1) / GRAIN * GRAIN;
        Some(self.end..self.size)
    }

    /// The parts that fill the window again, as soon as one fits: connections that are done are not
    /// left waiting for others.
    fn extend(&mut self, position: u64, limits: Limits) -> Vec<Range<u64>> {
        let growth = 1 << self.proofs;
        let rest = Some(self.size - position).filter(|rest| *rest <= SHORT_REST);
        let wanted = self.consumed.saturating_mul(growth).max(rest.unwrap_or(0));
        let window = wanted.min(limits.window);
        // A small gap is disorder, and will be read; a large one was skipped.
        let disorder = position.saturating_sub(self.fetched_to) <= BACKWARD;
        let mut start = if disorder { self.fetched_to } else { position };
        if (window <= SMALLEST_WINDOW && rest.is_none()) || start >= self.end {
            return Vec::new();
        }
        let end = (position + window).next_multiple_of(GRAIN).min(self.end);
        let mut parts = Vec::new();
        while start < end {
            let next = match rest {
                Some(_) => self.end,
                None => start / GRAIN * GRAIN + self.part(window, start, limits),
            };
            let next = next.min(self.end);
            if next > end {
                break;
            }
            parts.push(start..next);
            start = next;
        }
        self.fetched_to = start.max(self.fetched_to);
        parts
    }

    /// How much one request from `start` on brings: the window, or what is left of the object, cut for
    /// all connections.
    fn part(&self, window: u64, start: u64, limits: Limits) -> u64 {
        let of = |bytes: u64| bytes / (2 * limits.connections);
        let part = of(window).min(of(self.end - start).max(SMALLEST_LAST_PART));
        part.clamp(SMALLEST_PART, LARGEST_PART).next_multiple_of(GRAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;

    fn limits() -> Limits {
        Limits::new(128 * MIB, 16)
    }

    #[test]
    fn a_first_touch_fetches_nothing_more_but_the_end_of_a_long_object() {
        let first = |size| Sequence::new(size).see(0..128 * KIB, limits()).parts;
        assert_eq!(first(10 * MIB), []);
        assert_eq!(first(200 * MIB + 5), vec![200 * MIB..200 * MIB + 5]);
        assert_eq!(Sequence::new(200 * MIB).see(MIB..2 * MIB, limits()).parts, []);
    }

    #[test]
    fn who_asks_for_much_at_the_beginning_gets_it_in_parts_and_four_times_as_much() {
        let mut sequence = Sequence::new(200 * MIB);
        let asked: u64 =
            sequence.see(0..MIB, limits()).parts.iter().map(|part| part.end - part.start).sum();
        assert_eq!(asked, 5 * MIB + GRAIN);
        let next = sequence.see(MIB..2 * MIB, limits()).parts;
        assert_eq!((next[0].start, next.last().map(|part| part.end)), (5 * MIB, Some(34 * MIB)));
    }

    #[test]
    fn handles_share_the_window() {
        let each = limits().among(32);
        assert_eq!((each.window, each.connections), (4 * MIB, 1));
    }

    #[test]
    fn the_rest_of_a_recording_comes_with_one_request() {
        let mut sequence = Sequence::new(1_200_000);
        sequence.see(0..128 * KIB, limits());
        let parts = sequence.see(128 * KIB..256 * KIB, limits()).parts;
        assert_eq!(parts, vec![128 * KIB..1_200_000], "with what the read itself wants");
        assert_eq!(sequence.see(256 * KIB..384 * KIB, limits()).parts, []);
    }

    #[test]
    fn a_large_first_read_of_a_recording_takes_the_rest_along() {
        let mut sequence = Sequence::new(1_200_000);
        assert_eq!(sequence.see(0..MIB, limits()).parts, vec![MIB..1_200_000]);
    }

    #[test]
    fn random_reads_stay_alone() {
        let mut sequence = Sequence::new(200 * MIB);
        for n in 0..20 {
            let at = (n * 79 % 20) * 10 * MIB + MIB;
            assert_eq!(sequence.see(at..at + 4 * KIB, limits()).parts, []);
        }
    }

    #[test]
    fn a_seek_drops_what_was_ahead_and_disorder_does_not() {
        let mut sequence = Sequence::new(900 * MIB);
        for n in [0, 1, 3, 2, 5, 4] {
            assert!(!sequence.see(n * 128 * KIB..(n + 1) * 128 * KIB, limits()).restarted);
        }
        assert!(sequence.see(500 * MIB..500 * MIB + 1, limits()).restarted);
    }

    proptest! {
        /// However a handle is read: no byte is asked for twice in a sequence, the window is
        /// bounded, and a sequential reader has had all of it asked for in the end.
        #[test]
        fn windows_are_bounded_and_never_overlap(
            reads in proptest::collection::vec((0..300 * MIB, 1..MIB, 1_usize..40), 1..200),
            size in 1..300 * MIB,
        ) {
            let mut sequence = Sequence::new(size);
            let mut asked: Vec<Range<u64>> = Vec::new();
            let last = (size - 1) / GRAIN * GRAIN;
            for (start, len, handles) in reads {
                let start = start % size;
                let had_index = sequence.end < size;
                let decision = sequence.see(start..(start + len).min(size), limits().among(handles));
                if decision.restarted {
                    asked.retain(|part| had_index && part.start == last);
                }
                for part in decision.parts {
                    prop_assert!(part.start < part.end && part.end <= size);
                    prop_assert!(part.end - part.start <= LARGEST_PART);
                    let window = 128 * MIB / handles as u64;
                    let index = part.start == last;
                    prop_assert!(index || part.end <= decision.position + window + GRAIN);
                    prop_assert!(asked.iter().all(|a| part.end <= a.start || a.end <= part.start));
                    asked.push(part);
                }
            }
        }

        #[test]
        fn a_sequential_reader_has_all_asked_for(size in 1..300 * MIB, step in 1..MIB) {
            let mut sequence = Sequence::new(size);
            let step = step.max(64 * KIB);
            let (mut at, mut asked_to) = (0, 0);
            while at < size {
                let end = (at + step).min(size);
                // Two reads are the proof, and small ones are worth no request of their own.
                let index = if size >= LONG { (size - 1) / GRAIN * GRAIN } else { size };
                prop_assert!(at < (4 * step).max(MIB) || asked_to >= end.min(index));
                for part in sequence.see(at..end, limits()).parts {
                    if part.start == index {
                        continue;
                    }
                    prop_assert!(part.start <= asked_to.max(end), "a hole before {part:?}");
                    asked_to = part.end;
                }
                at = end;
            }
        }
    }
}
