//! Tokens: renewed before they die, once more when a server refuses them, and with another key
//! when the file changes.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reelfs::sandbox::{Account, Content, NewRecord, NewSession, Options};

use crate::ground::{Ground, Mount, at, can_mount, days_ago, is_object, slashed, wait_until};

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

/// The recordings of a mount, in order.
fn recordings(mount: &Mount) -> Vec<PathBuf> {
    let directory = mount.path("recordings").join(slashed(days_ago(1)));
    let mut paths: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| is_object(path));
    paths.sort();
    paths
}

#[test]
fn twelve_seconds_of_reading_over_tokens_of_two_seconds_give_no_error() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account(900));
    let mount = ground.mount(&["--token-life", "2s"]);
    let begun = Instant::now();
    // 20 ms and more for each recording: they last for 18 s.
    for path in recordings(&mount) {
        assert_eq!(fs::read(path).unwrap().len(), 1_000);
        thread::sleep(Duration::from_millis(20));
        if begun.elapsed() > Duration::from_secs(12) {
            break;
        }
    }
    assert!(begun.elapsed() > Duration::from_secs(12), "the recordings were too few");
    assert!(!mount.log().contains("WARN"), "{}", mount.log());
}

#[test]
fn a_token_that_the_server_lets_die_is_renewed_once_and_no_reader_sees_it() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account(400));
    let mount = ground.mount(&[]);
    // Far enough from one another for nothing to be read ahead.
    for path in recordings(&mount).iter().step_by(100) {
        ground.sandbox.clear_requests();
        ground.sandbox.expire_tokens();
        // Two tokens of the same second are the same.
        let expired = Timestamp::now().as_second();
        wait_until("the second is over", || Timestamp::now().as_second() > expired);
        assert_eq!(fs::read(path).unwrap().len(), 1_000);
        let statuses: Vec<_> = ground.media_requests().iter().map(|r| r.status).collect();
        assert!(matches!(statuses[..], [401, 200 | 206]), "{statuses:?}");
    }
    assert!(!mount.log().contains("WARN"), "{}", mount.log());
}

#[test]
fn a_changed_credentials_file_is_taken_up_without_a_remount() {
    if can_mount() {
        let ground = Ground::new(Options::default(), account(3));
        let mount = ground.mount(&[]);
        let mut paths = recordings(&mount).into_iter();
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
        let files = recordings(&mount);
        assert_eq!(files.len(), 1);
        assert_eq!(fs::read(&files[0]).unwrap().len(), 50);
    }
}
