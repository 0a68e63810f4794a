//! Tokens: renewed before they die, once more when a server refuses them, and with another key
//! when the file changes.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use reelfs::sandbox::{Account, Content, NewRecord, NewSession, Options};

use crate::ground::{Ground, at, can_mount, days_ago, slashed};

/// So many recordings of 1,000 bytes each.
fn account(recordings: i64) -> Account {
    let mut account = Account::empty(5);
    for n in 0..recordings {
        let start = at(days_ago(1), 0, 0, 0) + jiff::SignedDuration::from_secs(n);
        let record = NewRecord::new(Content::ramp(7, 1_000));
        account.add(NewSession::at(start).incoming("+15551230001").record(record));
    }
    account
}

/// Reads recordings one after another, none of them cached, until the time is over.
fn read_uncached(ground: &Ground, more: &[&str], time: Duration) {
    let mount = ground.mount(more);
    let begun = Instant::now();
    let directory = mount.path("recordings").join(slashed(days_ago(1)));
    let mut read = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert_eq!(bytes.len(), 1_000);
        read += 1;
        thread::sleep(Duration::from_millis(20));
        if begun.elapsed() > time {
            break;
        }
    }
    assert!(begun.elapsed() > time, "the recordings were too few: {read}");
    assert!(!mount.log().contains("WARN"), "{}", mount.log());
}

#[test]
fn twelve_seconds_of_reading_over_tokens_of_two_seconds_give_no_error() {
    if can_mount() {
        let ground = Ground::new(Options::default(), account(900));
        read_uncached(&ground, &["--token-life", "2s"], Duration::from_secs(12));
        let refused = ground.sandbox.requests().iter().filter(|r| r.status == 401).count();
        assert_eq!(refused, 0, "a request waited for a renewal that could have been made earlier");
    }
}

#[test]
fn tokens_that_the_server_lets_die_are_renewed_once() {
    if can_mount() {
        let token_life = Some(Duration::from_secs(1));
        let ground = Ground::new(Options { token_life, ..Options::default() }, account(400));
        read_uncached(&ground, &[], Duration::from_secs(4));
        let refused = ground.sandbox.requests().iter().filter(|r| r.status == 401).count();
        // Each death meets what is under way just then: at most 32 requests, each refused once.
        assert!((2..=8 * 32).contains(&refused), "{refused} refusals in 4 s");
    }
}

#[test]
fn a_changed_credentials_file_is_taken_up_without_a_remount() {
    if can_mount() {
        let ground = Ground::new(Options::default(), account(3));
        let mount = ground.mount(&[]);
        let directory = mount.path("recordings").join(slashed(days_ago(1)));
        let mut paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        assert_eq!(fs::read(paths.next().unwrap()).unwrap().len(), 1_000);
        // The old key is worth nothing from here on.
        ground.sandbox.rotate_key().unwrap();
        assert_eq!(fs::read(paths.next().unwrap()).unwrap().len(), 1_000);
    }
}

#[test]
fn a_child_account_is_listed_with_its_parents_key() {
    if can_mount() {
        let mut account = account(2);
        account.children.push(777);
        let record = NewRecord::new(Content::ramp(1, 50));
        account.add(
            NewSession::at(at(days_ago(1), 5, 0, 0)).account(777).incoming("1").record(record),
        );
        let ground = Ground::new(Options::default(), account);
        let mount = ground.mount(&["--child-account", "777"]);
        let directory = mount.path("recordings").join(slashed(days_ago(1)));
        let files: Vec<_> = fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        assert_eq!(fs::read(&files[0]).unwrap().len(), 50);
    }
}
