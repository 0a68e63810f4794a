//! Sees in which order the files of a directory are looked at and says which to learn ahead: the
//! same growing window as within a file, across files. Pure, no I/O, no clock.
//!
//! One file that is looked at is one file. The next one in the directory's order is proof that
//! somebody goes through it; from there on the window doubles. Whoever touches every 40th file, or
//! files at random, drags in nothing.

use std::ops::Range;

/// Furthest that files are learned ahead: enough to keep 32 connections busy for four round trips.
const LARGEST_WINDOW: usize = 128;
/// First window after the proof.
const FIRST_WINDOW: usize = 4;
/// A step this far still goes on in order: tools skip a file now and then.
const LONGEST_STEP: usize = 2;
/// A touch this far behind comes from threads that run side by side, and changes nothing.
const DISORDER: usize = 32;

/// How one directory is gone through.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// The furthest file looked at.
    position: Option<usize>,
    /// Files learned ahead of it at a time; 0 before the proof.
    window: usize,
    /// All files between the position and this one were given out.
    given_to: usize,
}

impl Neighbours {
    /// Takes note that the file at `position` of `count` in the directory's order was looked at, and
    /// gives the positions of those to learn ahead.
    pub(super) fn see(&mut self, position: usize, count: usize) -> Range<usize> {
        let nothing = position..position;
        match self.position {
            Some(last) if position <= last && last - position <= DISORDER => return nothing,
            Some(last) if position > last && position - last <= LONGEST_STEP => {
                self.window = (self.window * 2).clamp(FIRST_WINDOW, LARGEST_WINDOW);
            }
            _ => {
                self.window = 0;
                self.given_to = position + 1;
            }
        }
        self.position = Some(position);
        let from = self.given_to.max(position + 1);
        if self.window == 0 || from - position > self.window / 2 {
            return nothing;
        }
        let end = (position + 1 + self.window).min(count);
        self.given_to = end.max(from);
        from..self.given_to
    }

    /// Nothing was taken from `position` on after all.
    pub(super) fn refused(&mut self, position: usize) {
        self.given_to = self.given_to.min(position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_file_is_one_file() {
        let mut directory = Neighbours::default();
        for _ in 0..3 {
            assert!(directory.see(17, 1000).is_empty());
        }
    }

    #[test]
    fn every_fortieth_file_drags_in_nothing() {
        let mut directory = Neighbours::default();
        assert!((0..1000).step_by(40).all(|n| directory.see(n, 1000).is_empty()));
    }

    #[test]
    fn a_walk_gives_out_every_file_once_and_early() {
        let mut directory = Neighbours::default();
        let mut given = Vec::new();
        for position in 0..1000 {
            assert!(position < 2 || given.contains(&position), "{position} comes late");
            given.extend(directory.see(position, 1000));
        }
        assert_eq!(given, (2..1000).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn windows_are_bounded_and_no_file_is_given_out_twice_in_a_walk(
            touches in proptest::collection::vec(0_usize..500, 1..400),
        ) {
            let mut directory = Neighbours::default();
            let mut given_to = 0;
            for touch in touches {
                let given = directory.see(touch, 500);
                if directory.window == 0 {
                    given_to = 0;
                }
                if !given.is_empty() {
                    prop_assert!(given.start > touch && given.start >= given_to);
                    prop_assert!(given.end <= 500 && given.end - touch <= LARGEST_WINDOW + 1);
                    given_to = given.end;
                }
            }
        }
    }
}
