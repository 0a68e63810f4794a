//! Sees the reads of a handle and says what to fetch ahead: pure, no I/O, no clock.
//!
//! A first touch fetches nothing more. Each read that goes on where the last ones were is proof of
//! sequential use: the window grows with the bytes consumed so far and with the number of proofs, up
//! to a bound; of a recording that is nearly over, the first proof fetches the rest. A read elsewhere
//! starts over.

use std::ops::Range;

/// A read this far beyond the last one still belongs to the sequence: the kernel's read-ahead runs
/// out of order.
const FORWARD: u64 = 16 * 1024 * 1024;
/// So does a read this far behind it.
const BACKWARD: u64 = 1024 * 1024;

/// The window is the bytes consumed in sequence, doubled with each read up to this many times. Three
/// round trips then lead from a first touch of 128 KiB to a window that keeps 16 connections busy,
/// while a player that looks here and there for an index, within what counts as a sequence, pays for
/// next to nothing.
const MOST_DOUBLINGS: u64 = 4;
/// A window smaller than this is not worth a request of its own.
const SMALLEST_WINDOW: u64 = 512 * 1024;
/// When no more than this is left of an object, the first proof fetches all of it.
const SHORT_REST: u64 = 2 * 1024 * 1024;
/// A read of so much is proof enough for a short rest.
const LARGE_READ: u64 = 256 * 1024;
/// Smallest and largest part of a window that one request brings. A window is cut for all
/// connections, so that a small one grows within a round trip; 4 MiB keep a connection of 20 MB/s
/// and 50 ms busy for four fifths of the time, and leave fewer of them without work at the end than
/// larger parts do.
const SMALLEST_PART: u64 = 256 * 1024;
const LARGEST_PART: u64 = 4 * 1024 * 1024;
/// Windows and parts end on multiples of this: the size of a block in the cache.
const GRAIN: u64 = crate::cache::BLOCK_SIZE;

/// Bounds of a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    window: u64,
    connections: u64,
}

impl Limits {
    /// Bounds for windows within `budget` bytes, cut for so many connections.
    pub(super) fn new(budget: u64, connections: u16) -> Self {
        let connections = u64::from(connections.max(1));
        Self { window: budget.min(2 * connections * LARGEST_PART), connections }
    }
}

/// What to do after a read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// Whether the handle went elsewhere: what was fetched ahead is not wanted any more.
    pub(super) restarted: bool,
    /// Where the sequence is now; what ends far before it is not wanted any more.
    pub(super) position: u64,
    /// Ranges of bytes to fetch, one request each, ascending.
    pub(super) parts: Vec<Range<u64>>,
}

/// The reads of one handle so far.
#[derive(Debug)]
pub(super) struct Sequence {
    size: u64,
    limits: Limits,
    /// Furthest byte read in this sequence; none before the first read.
    position: Option<u64>,
    /// Bytes read in this sequence, and by how many reads.
    consumed: u64,
    reads: u64,
    /// Everything between the position and here was asked for.
    fetched_to: u64,
}

impl Sequence {
    /// No reads yet, of an object of `size` bytes.
    pub(super) fn new(size: u64, limits: Limits) -> Self {
        Self { size, limits, position: None, consumed: 0, reads: 0, fetched_to: 0 }
    }

    /// Takes note of a read, which is not empty and lies within the object.
    pub(super) fn see(&mut self, read: Range<u64>) -> Decision {
        let len = read.end - read.start;
        let near = |position: u64| {
            position.saturating_sub(BACKWARD) <= read.start && read.start <= position + FORWARD
        };
        let Some(position) = self.position.filter(|position| near(*position)) else {
            let restarted = self.position.is_some();
            let fresh = Self::new(self.size, self.limits);
            *self = Self { position: Some(read.end), consumed: len, reads: 1, ..fresh };
            self.fetched_to = read.end;
            let whole = len >= LARGE_READ && self.size - read.end <= SHORT_REST;
            let parts = if whole { self.extend(read.end) } else { Vec::new() };
            return Decision { restarted, position: read.end, parts };
        };
        let position = position.max(read.end);
        self.position = Some(position);
        self.consumed = self.consumed.saturating_add(len);
        self.reads += 1;
        Decision { restarted: false, position, parts: self.extend(position) }
    }

    /// Nothing was fetched from `start` on after all.
    pub(super) fn refused(&mut self, start: u64) {
        self.fetched_to = self.fetched_to.min(start);
    }

    /// The parts that fill the window again, as soon as one fits: connections that are done are not
    /// left waiting for others.
    fn extend(&mut self, position: u64) -> Vec<Range<u64>> {
        let growth = 1 << self.reads.saturating_sub(1).min(MOST_DOUBLINGS);
        let rest = Some(self.size - position).filter(|rest| *rest <= SHORT_REST);
        let wanted = self.consumed.saturating_mul(growth).max(rest.unwrap_or(0));
        let window = wanted.min(self.limits.window);
        // A small gap is disorder, and will be read; a large one was skipped.
        let disorder = position.saturating_sub(self.fetched_to) <= BACKWARD;
        let from = if disorder { self.fetched_to } else { position };
        if (window < SMALLEST_WINDOW && rest.is_none()) || from >= self.size {
            return Vec::new();
        }
        let end = (position + window).next_multiple_of(GRAIN).min(self.size);
        let part = self.part(window, from, rest.is_some());
        let mut parts = Vec::new();
        let mut start = from;
        while start < end {
            let next = (start / GRAIN * GRAIN + part).min(self.size);
            if next > end {
                break;
            }
            parts.push(start..next);
            start = next;
        }
        self.fetched_to = start.max(self.fetched_to);
        parts
    }

    /// How much one request brings: the window, cut for all connections. A recording that is
    /// nearly over is one request.
    fn part(&self, window: u64, from: u64, nearly_over: bool) -> u64 {
        let part = if nearly_over { self.size - from } else { window / self.limits.connections };
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
    fn a_first_touch_fetches_nothing_more() {
        let decision = Sequence::new(200 * MIB, limits()).see(0..128 * KIB);
        assert_eq!(decision.parts, []);
    }

    #[test]
    fn the_rest_of_a_recording_comes_with_one_request() {
        let mut sequence = Sequence::new(1_200_000, limits());
        sequence.see(0..128 * KIB);
        let parts = sequence.see(128 * KIB..256 * KIB).parts;
        assert_eq!(parts, vec![128 * KIB..1_200_000], "with what the read itself wants");
        assert_eq!(sequence.see(256 * KIB..384 * KIB).parts, []);
    }

    #[test]
    fn a_large_first_read_of_a_recording_takes_the_rest_along() {
        let mut sequence = Sequence::new(1_200_000, limits());
        assert_eq!(sequence.see(0..MIB).parts, vec![MIB..1_200_000]);
        assert_eq!(Sequence::new(200 * MIB, limits()).see(0..MIB).parts, []);
    }

    #[test]
    fn random_reads_stay_alone() {
        let mut sequence = Sequence::new(200 * MIB, limits());
        for n in 0..20 {
            let at = (n * 79 % 20) * 10 * MIB;
            assert_eq!(sequence.see(at..at + 4 * KIB).parts, []);
        }
    }

    #[test]
    fn a_seek_drops_what_was_ahead_and_disorder_does_not() {
        let mut sequence = Sequence::new(900 * MIB, limits());
        for n in [0, 1, 3, 2, 5, 4] {
            assert!(!sequence.see(n * 128 * KIB..(n + 1) * 128 * KIB).restarted);
        }
        assert!(sequence.see(500 * MIB..500 * MIB + 1).restarted);
    }

    proptest! {
        /// However a handle is read: no byte is asked for twice in a sequence, the window is
        /// bounded, and a sequential reader has had all of it asked for in the end.
        #[test]
        fn windows_are_bounded_and_never_overlap(
            reads in proptest::collection::vec((0..300 * MIB, 1..MIB), 1..200),
            size in 1..300 * MIB,
        ) {
            let mut sequence = Sequence::new(size, limits());
            let mut asked: Vec<Range<u64>> = Vec::new();
            for (start, len) in reads {
                let start = start % size;
                let decision = sequence.see(start..(start + len).min(size));
                if decision.restarted {
                    asked.clear();
                }
                for part in decision.parts {
                    prop_assert!(part.start < part.end && part.end <= size);
                    prop_assert!(part.end - part.start <= LARGEST_PART);
                    prop_assert!(part.end <= decision.position + 128 * MIB + GRAIN);
                    prop_assert!(asked.iter().all(|a| part.end <= a.start || a.end <= part.start));
                    asked.push(part);
                }
            }
        }

        #[test]
        fn a_sequential_reader_has_all_asked_for(size in 1..300 * MIB, step in 1..MIB) {
            let mut sequence = Sequence::new(size, limits());
            let step = step.max(64 * KIB);
            let (mut at, mut asked_to) = (0, 0);
            while at < size {
                let end = (at + step).min(size);
                // Two reads are the proof, and small ones are worth no request of their own.
                prop_assert!(at < (4 * step).max(SMALLEST_WINDOW) || asked_to >= end);
                for part in sequence.see(at..end).parts {
                    prop_assert!(part.start <= asked_to.max(end), "a hole before {part:?}");
                    asked_to = part.end;
                }
                at = end;
            }
        }
    }
}
