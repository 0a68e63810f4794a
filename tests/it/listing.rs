//! Listings: what they show, what they cost, and that they stay the same.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use reelfs::sandbox::{Account, Content, Media, NewRecord, NewSession, Options};
use walkdir::WalkDir;

use crate::ground::{Ground, at, can_mount, days_ago, names, sh, slashed, today};

/// A call with a recording and a log.
fn call(minute: i8, second: i8) -> NewSession {
    let start = at(days_ago(1), 9, minute, second);
    NewSession::at(start)
        .incoming("+15551230001")
        .record(NewRecord::new(Content::ramp(7, 1000)))
        .log(Content::bytes("2026-11-21 09:00:00.000 Session started\n"))
}

#[test]
fn a_day_of_12_000_sessions_lists_whole_and_its_names_cost_no_request_per_file() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(1);
    for n in 0..12_000_i64 {
        let start = at(days_ago(1), 0, 0, 0) + jiff::SignedDuration::from_secs(n * 7);
        let record = NewRecord::new(Content::ramp(1, 10));
        account.add(NewSession::at(start).outgoing("+15550000000").record(record));
    }
    let ground = Ground::new(Options::default(), account);
    let mount = ground.mount(&[]);
    let day = mount.path("recordings").join(slashed(days_ago(1)));
    let listed = sh(&format!("ls -f {} | grep -c mp3$", day.display()));
    assert_eq!(listed.trim(), "12000");
    assert_eq!(names(&day).len(), 12_000 + 1, "with the playlist");
    assert_eq!(ground.media_requests().len(), 0);
    let listings = ground.listing_requests();
    assert!(listings <= 40, "{listings} requests for a listing of 12 pages");
}

#[test]
fn a_walk_over_forty_days_costs_few_queries() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(1);
    for day in 1..=40 {
        let record = NewRecord::new(Content::ramp(1, 10));
        account.add(NewSession::at(at(days_ago(day), 0, 0, 0)).outgoing("1").record(record));
    }
    let ground = Ground::new(Options::default(), account);
    // Not the current day, whose listing is soon asked for again.
    let (first, last) = (days_ago(40).to_string(), days_ago(1).to_string());
    let mount = ground.mount(&["--since", &first, "--until", &last]);
    ground.sandbox.clear_requests();
    let found = sh(&format!("find {} -name '*.mp3' | wc -l", mount.path("recordings").display()));
    assert_eq!(found.trim(), "40");
    let queries = ground.sandbox.requests().len();
    assert!(queries <= 12, "{queries} queries");
    sh(&format!("find {} -type f | wc -l", mount.path("logs").display()));
    assert_eq!(ground.sandbox.requests().len(), queries, "other areas list the same days anew");
}

#[test]
fn names_and_inodes_are_the_same_after_a_remount() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(3);
    account.add(call(0, 0));
    account.add(call(0, 0).incoming("a/../b\n\u{1b}[31m"));
    account.add(call(1, 0).application(&"x".repeat(300)));
    let ground = Ground::new(Options::default(), account);
    let seen = || {
        let (first, last) = (days_ago(2).to_string(), today().to_string());
        let mount = ground.mount(&["--since", &first, "--until", &last]);
        let entries = WalkDir::new(mount.path("")).into_iter().map(Result::unwrap);
        let facts = entries.map(|entry| {
            let metadata = entry.metadata().unwrap();
            let facts = (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mode());
            (entry.into_path(), facts)
        });
        facts.collect::<BTreeMap<_, _>>()
    };
    let first = seen();
    assert!(first.len() > 20);
    assert_eq!(first, seen());
}

#[test]
fn the_documented_names_are_given() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(1);
    let transcript = reelfs::sandbox::Transcript::Complete(Content::bytes("Left : Hello\n"));
    let record = NewRecord::media(&Media::speech()).beginning(5).transcript(transcript);
    let session = account.add(
        NewSession::at(at(days_ago(1), 14, 23, 50))
            .lasting(90)
            .incoming("+15551230001")
            .record(record)
            .log(Content::bytes("hello\n")),
    );
    let ground = Ground::new(Options::default(), account);
    let mount = ground.mount(&[]);
    let names = |area: &str| names(&mount.path(area).join(slashed(days_ago(1))));
    let record = ground.sandbox.account().sessions()[0].records[0].id;
    let recordings = [format!("142355-in-+15551230001-{record}.mp3"), "playlist.m3u8".to_owned()];
    assert_eq!(names("recordings"), recordings);
    assert_eq!(names("transcripts"), [format!("142355-in-+15551230001-{record}.txt")]);
    assert_eq!(names("logs"), [format!("142350-support-{session}.log")]);
    let log = mount.path("logs").join(slashed(days_ago(1))).join(&names("logs")[0]);
    let modified = fs::metadata(log).unwrap().mtime();
    assert_eq!(modified, at(days_ago(1), 14, 25, 20).as_second(), "the end of the call");
}

#[test]
fn a_day_without_calls_is_empty_and_a_call_in_progress_shows_no_file() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(1);
    let running = NewSession::at(at(days_ago(1), 23, 0, 0)).in_progress();
    account.add(running.incoming("1").record(NewRecord::new(Content::ramp(1, 10))));
    let ground = Ground::new(Options::default(), account);
    let mount = ground.mount(&["--since", &days_ago(3).to_string()]);
    for day in [1, 3] {
        for area in ["recordings", "logs", "transcripts"] {
            let directory = mount.path(area).join(slashed(days_ago(day)));
            assert_eq!(names(&directory), Vec::<String>::new(), "{area} {day}");
        }
    }
    let index = |days| {
        let path = mount.path("index").join(format!("{}.jsonl", slashed(days_ago(days))));
        fs::read_to_string(path).unwrap()
    };
    assert_eq!(index(3), "");
    assert!(index(1).contains("\"files\":[]"));
}

#[test]
fn the_calendar_ends_with_the_window() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), Account::empty(1));
    let (first, last) = (days_ago(5).to_string(), days_ago(2).to_string());
    let mount = ground.mount(&["--since", &first, "--until", &last]);
    assert_eq!(names(&mount.path("")), ["index", "logs", "recordings", "transcripts"]);
    assert!(mount.path("logs").join(slashed(days_ago(2))).is_dir());
    for outside in [1, 6] {
        assert!(!mount.path("logs").join(slashed(days_ago(outside))).exists());
    }
    let metadata = fs::metadata(mount.path("logs")).unwrap();
    let years = names(&mount.path("logs")).len() as u64;
    assert_eq!((metadata.nlink(), metadata.mode() & 0o7777), (2 + years, 0o500));
    assert!(!mount.path("logs").join(slashed(today())).exists());
}
