//! The account that `scripts/bench` measures on: few kinds of objects, many of each, and a long one of
//! each kind that people wait for. It is the same at every start, but for the days.
//!
//! A day a kind, so that a row of the benchmark is a directory: yesterday the logs, the day before the
//! long objects, the day before that the many videos of known size.

use bytes::{BufMut as _, Bytes, BytesMut};
use jiff::{SignedDuration, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::account::Account;
use super::content::{Content, Media};
use super::session::{NewRecord, NewSession};
use super::text::{Scene, session_log};

const DAY: i64 = 24 * 60 * 60;

/// Logs of the first day, and bytes that one has at the least: up to a line more.
const LOGS: u32 = 1_000;
const LOG_LENGTH: usize = 5_400;
/// A recording that is longer than any window of read-ahead.
const LONG_RECORDING: u64 = 200_000_000;
/// A recording of a call of five minutes, at the vendor's usual 32 kbit/s.
const USUAL_RECORDING: u64 = 1_200_000;
/// A video whose index comes after all of this.
const VIDEO: u64 = 180_000_000;
/// Videos of the third day.
const MANY: u32 = 10_000;

impl Account {
    /// The account of the benchmark, with days counted back from `now`.
    pub fn bench(now: Timestamp) -> Self {
        let midnight = |back: i64| {
            let today = now.as_second() - now.as_second().rem_euclid(DAY);
            Timestamp::from_second(today - back * DAY).unwrap_or_default()
        };
        let mut account = Self::empty(1);
        add_logs(&mut account, midnight(1));
        add_long_ones(&mut account, midnight(2));
        add_many(&mut account, midnight(3));
        account
    }
}

/// Calls that left a log and nothing else.
fn add_logs(account: &mut Account, midnight: Timestamp) {
    let mut rng = StdRng::seed_from_u64(1);
    for number in 0..LOGS {
        let start = midnight + SignedDuration::from_secs(i64::from(number) * DAY / i64::from(LOGS));
        let remote = format!("+1555{number:07}");
        let application = "support.acme.voximplant.com";
        let scene = Scene { start, seconds: 60, application, remote: &remote, incoming: true };
        let mut log = String::new();
        while log.len() < LOG_LENGTH {
            log.push_str(&session_log(&mut rng, scene));
        }
        let end = log[LOG_LENGTH..].find('\n').map_or(log.len(), |at| LOG_LENGTH + at + 1);
        log.truncate(end);
        account.add(NewSession::at(start).incoming(&remote).log(Content::bytes(log)));
    }
}

/// What people wait for: a long recording, a usual one, and a video with its index at the end.
fn add_long_ones(account: &mut Account, midnight: Timestamp) {
    let mut video = NewRecord::media(&Media::video());
    video.content = with_gap(&Media::video().bytes, VIDEO);
    let records = [
        NewRecord::new(Content::ramp(1, LONG_RECORDING)),
        NewRecord::new(Content::ramp(2, USUAL_RECORDING)),
        video,
    ];
    for (record, hour) in records.into_iter().zip(9..) {
        let start = midnight + SignedDuration::from_hours(hour);
        account.add(NewSession::at(start).incoming("+15550001111").record(record));
    }
}

/// Videos, for which alone the vendor promises sizes, and whose sizes the listing tells right. What is in
/// them does not matter.
fn add_many(account: &mut Account, midnight: Timestamp) {
    for number in 0..MANY {
        let start = midnight + SignedDuration::from_secs(i64::from(number) * DAY / i64::from(MANY));
        let seed = u8::try_from(number % 251).unwrap_or(0);
        let content = Content::ramp(seed, 100_000 + u64::from(number) * 97);
        let size = content.len();
        let mut record = NewRecord::media(&Media::video()).claiming(size);
        record.content = content;
        account.add(NewSession::at(start).incoming(&format!("+1555{number:07}")).record(record));
    }
}

/// An mp4 of `length` bytes: that of `mp4`, with a box that players skip in front of its index. What
/// comes before stays where it is, so that the index points to the right frames.
fn with_gap(mp4: &Bytes, length: u64) -> Content {
    let index = index_at(mp4);
    let gap = length.saturating_sub(mp4.len() as u64);
    let mut header = BytesMut::with_capacity(8);
    header.put_u32(u32::try_from(gap).unwrap_or(u32::MAX));
    header.put_slice(b"free");
    Content::joined([
        Content::bytes(mp4.slice(..index)),
        Content::bytes(header.freeze()),
        Content::ramp(3, gap.saturating_sub(8)),
        Content::bytes(mp4.slice(index..)),
    ])
}

/// Where the index (`moov`) of an mp4 begins, or its length. A box begins with its length in 4 bytes,
/// its own 8 bytes included, and its name in 4.
fn index_at(mp4: &[u8]) -> usize {
    let mut at = 0;
    while let Some([a, b, c, d, name @ ..]) = mp4.get(at..at + 8) {
        if name == b"moov" {
            return at;
        }
        let length = u32::from_be_bytes([*a, *b, *c, *d]).max(8);
        at = at.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
    }
    mp4.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Kind;

    #[test]
    fn the_account_has_what_its_rows_need() {
        let account = Account::bench(Timestamp::now());
        let files = account.files();
        let logs: Vec<_> = files.iter().filter(|file| file.kind == Kind::Log).collect();
        assert_eq!(logs.len(), 1_000);
        assert!(logs.iter().all(|log| (5_400..5_600).contains(&log.content.len())));
        assert_eq!(files.len(), 1_000 + 3 + 10_000);
    }

    #[test]
    fn a_gap_moves_the_index_to_the_end_and_nothing_else() {
        let mp4 = Media::video().bytes;
        let content = with_gap(&mp4, 1_000_000);
        let index = index_at(&mp4);
        assert_eq!((content.len(), &mp4[index + 4..index + 8]), (1_000_000, &b"moov"[..]));
        let all = content.to_bytes();
        assert_eq!(all[..index], mp4[..index]);
        assert_eq!(index_at(&all) + mp4.len() - index, 1_000_000);
        assert_eq!(all[index_at(&all)..], mp4[index..]);
    }
}
