//! Reading ahead: what it costs in requests and bytes when it is right, and when it is not.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use bytes::{BufMut as _, BytesMut};
use reelfs::sandbox::{Account, Content, Media, NewRecord, NewSession, Options};

use crate::ground::{Ground, Mount, at, can_mount, days_ago, is_object, sh, slashed};

const MIB: u64 = 1024 * 1024;

/// So many sessions of one day, each with a log of 5,400 bytes and a recording of `recording` bytes.
fn ground(sessions: i64, recording: u64) -> Ground {
    let mut account = Account::empty(5);
    for n in 0..sessions {
        let start = at(days_ago(1), 1, 0, 0) + jiff::SignedDuration::from_secs(n * 11);
        let log = format!("2026-11-21 09:00:00.000 line of session {n:6}\n").repeat(120);
        account.add(
            NewSession::at(start)
                .incoming("+15551230001")
                .record(NewRecord::new(Content::ramp(7, recording)))
                .log(Content::bytes(log)),
        );
    }
    Ground::new(Options::default(), account)
}

fn directory(mount: &Mount, area: &str) -> PathBuf {
    mount.path(area).join(slashed(days_ago(1)))
}

fn sorted_files(directory: PathBuf) -> Vec<PathBuf> {
    let paths: BTreeSet<_> = fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()).collect();
    paths.into_iter().filter(|path| is_object(path)).collect()
}

#[test]
fn a_thousand_logs_are_listed_and_searched_with_a_request_each() {
    if !can_mount() {
        return;
    }
    let ground = ground(1_000, 10);
    let mount = ground.mount(&[]);
    let logs = directory(&mount, "logs");
    let logs = logs.display();
    assert_eq!(sh(&format!("ls {logs} | wc -l")).trim(), "1000");
    assert_eq!(ground.media_requests().len(), 0, "names only");
    assert_eq!(sh(&format!("ls -l {logs} | grep -c ' 5640 '")).trim(), "1000");
    assert_eq!(sh(&format!("grep -r 'session    777' {logs} | wc -l")).trim(), "120");
    let requests = ground.sandbox.requests().len();
    assert!(requests <= 1_010, "{requests} requests");
    sh(&format!("ls -l {logs}; grep -rc session {logs}"));
    assert_eq!(ground.sandbox.requests().len(), requests, "the second time");
}

#[test]
fn who_opens_one_file_fetches_one_file() {
    if !can_mount() {
        return;
    }
    let ground = ground(100, 300_000);
    let mount = ground.mount(&[]);
    let files = sorted_files(directory(&mount, "recordings"));
    fs::read(&files[50]).unwrap();
    let records: BTreeSet<_> = ground.media_requests().iter().map(|r| r.record).collect();
    assert_eq!(records.len(), 1);
}

#[test]
fn a_scanner_that_touches_every_fortieth_file_drags_in_nothing() {
    if !can_mount() {
        return;
    }
    let ground = ground(400, 10);
    let mount = ground.mount(&[]);
    let files = sorted_files(directory(&mount, "logs"));
    for file in files.iter().step_by(40) {
        fs::read(file).unwrap();
    }
    assert_eq!(ground.media_requests().len(), 10);
}

#[test]
fn random_reads_move_little_more_than_they_ask_for() {
    if !can_mount() {
        return;
    }
    let ground = ground(1, 200 * MIB);
    let mount = ground.mount(&[]);
    let file = File::open(&sorted_files(directory(&mount, "recordings"))[0]).unwrap();
    for n in 0..20 {
        let offset = (n * 7919 % 20) * 10 * MIB + 12_345;
        let mut bytes = [0; 4096];
        file.read_exact_at(&mut bytes, offset).unwrap();
        assert_eq!(u64::from(bytes[0]), (7 + offset) % 251);
    }
    let sent: u64 = ground.media_requests().iter().map(|request| request.sent).sum();
    assert!(sent <= 8 * MIB, "{sent} bytes for 20 reads of 4 KiB");
}

#[test]
fn a_closed_file_is_not_fetched_on() {
    if !can_mount() {
        return;
    }
    let ground = ground(1, 200 * MIB);
    let mount = ground.mount(&["--memory", "64MiB"]);
    {
        let file = File::open(&sorted_files(directory(&mount, "recordings"))[0]).unwrap();
        let mut bytes = vec![0; 128 * 1024];
        for n in 0..32 {
            file.read_exact_at(&mut bytes, n * 128 * 1024).unwrap();
        }
    }
    let wanted = 32 * 128 * 1024 + 32 * MIB;
    crate::ground::wait_until("every request has ended", || {
        ground.media_requests().iter().all(|request| request.status != 0)
    });
    let sent: u64 = ground.media_requests().iter().map(|request| request.sent).sum();
    assert!(sent <= wanted + 16 * MIB, "{sent} bytes went out for 4 MiB that were read");
}

/// An mp4 with its index at the very end, behind 40 MiB of nothing.
fn long_video() -> Media {
    let video = Media::video();
    let index = video.bytes.windows(4).position(|bytes| bytes == b"moov").unwrap() - 4;
    let padding: u32 = 40 * 1024 * 1024;
    let mut bytes = BytesMut::from(&video.bytes[..index]);
    bytes.put_u32(padding);
    bytes.put_slice(b"free");
    bytes.put_bytes(0, usize::try_from(padding).unwrap() - 8);
    bytes.put_slice(&video.bytes[index..]);
    Media { bytes: bytes.freeze(), ..video }
}

#[test]
fn ffprobe_finds_the_index_at_the_end_of_a_long_video_at_little_cost() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(5);
    let record = NewRecord::media(&long_video());
    account.add(NewSession::at(at(days_ago(1), 9, 0, 0)).incoming("1").record(record));
    let ground = Ground::new(Options::default(), account);
    let mount = ground.mount(&[]);
    let path = sorted_files(directory(&mount, "recordings")).remove(0);
    let probed = sh(&format!("ffprobe -v error -show_entries format=duration {}", path.display()));
    assert!(probed.contains("duration="), "{probed}");
    let requests = ground.media_requests();
    let sent: u64 = requests.iter().map(|request| request.sent).sum();
    assert!(requests.len() <= 4 && sent <= 2 * MIB, "{} requests, {sent} bytes", requests.len());
}
