//! What could not be searched, and how it is told: once, with what to do about it.

use std::path::Path;

use bytesize::ByteSize;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::super::terminal;
use crate::fs::{LONGEST_TEXT, Unheard};
use crate::types::{Window, shell_word};

/// Why days are not searched that a mount does not show. No other way of asking lists them.
const NOT_SHOWN: &str = "the mount does not show those days (see --since and --until)";

/// What could not be searched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::app) struct Gaps {
    /// Days that are not listed.
    unlisted: Vec<Gap>,
    /// Transcripts that are not cached.
    unheard: u64,
    /// Transcripts that are too long.
    #[serde(default)]
    too_long: u64,
}

/// Days, from the first to the last, and why they are not listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Gap {
    first: Date,
    last: Date,
    why: String,
}

impl Gaps {
    /// Days that are asked for and that are not shown.
    pub(super) fn not_shown(windows: Vec<Window>) -> Self {
        let gap = |Window { first, last }| Gap { first, last, why: NOT_SHOWN.to_owned() };
        Self { unlisted: windows.into_iter().map(gap).collect(), ..Self::default() }
    }

    /// Days that follow each other, and are not listed for the same reason, are one gap.
    pub(super) fn add(&mut self, day: Date, why: String) {
        match self.unlisted.last_mut() {
            Some(gap) if gap.why == why && gap.last.tomorrow().is_ok_and(|next| next >= day) => {
                gap.last = day;
            }
            _ => self.unlisted.push(Gap { first: day, last: day, why }),
        }
    }

    pub(super) fn add_unheard(&mut self, Unheard { uncached, too_long }: Unheard) {
        self.unheard += uncached;
        self.too_long += too_long;
    }

    /// Tells them. Gives whether there are any.
    pub(super) fn tell(&self, is_offline: bool, mountpoint: Option<&Path>) -> bool {
        for Gap { first, last, why } in &self.unlisted {
            let days = if first == last {
                format!("{first} was")
            } else {
                format!("{first} to {last} were")
            };
            let is_listed_else = is_offline && why != NOT_SHOWN;
            let fix = if is_listed_else { " (without --offline it is listed now)" } else { "" };
            terminal::warn(&format!("{days} not searched: {why}{fix}"));
        }
        if self.unheard > 0 {
            let (are, fix) = (transcripts(self.unheard), warm(mountpoint));
            terminal::warn(&format!("{are} not cached and could not be searched: {fix}"));
        }
        if self.too_long > 0 {
            let (are, most) =
                (transcripts(self.too_long), ByteSize::b(LONGEST_TEXT).display().iec());
            terminal::warn(&format!("{are} longer than {most}, the most that is searched"));
        }
        *self != Self::default()
    }
}

fn transcripts(count: u64) -> String {
    if count == 1 { "1 transcript is".to_owned() } else { format!("{count} transcripts are") }
}

/// What fetches the transcripts of a mount, or of an account that is not mounted.
fn warm(mountpoint: Option<&Path>) -> String {
    match mountpoint {
        Some(at) => format!("`reelfs warm {}` fetches them", shell_word(&at.join("transcripts"))),
        None => {
            "mount the account, and `reelfs warm MOUNTPOINT/transcripts` fetches them".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn days_that_follow_each_other_are_told_as_one() {
        let mut gaps = Gaps::default();
        let day = |day| date(2026, 11, day);
        for (at, why) in [(1, "a"), (1, "a"), (2, "a"), (3, "b"), (5, "b")] {
            gaps.add(day(at), why.to_owned());
        }
        let told: Vec<_> =
            gaps.unlisted.iter().map(|gap| (gap.first.day(), gap.last.day())).collect();
        assert_eq!(told, [(1, 2), (3, 3), (5, 5)]);
    }
}
