//! A log of a call that goes on: it is followed while it grows, and frozen when the vendor says that
//! the call is over.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use reelfs::sandbox::{Account, Content, NewRecord, NewSession, Options, Ranges};

use crate::ground::{Ground, Mount, at, can_mount, days_ago, is_object, slashed, wait_until};

/// An account with a call that goes on: its id, and the ground that it stands on.
fn ground(options: Options) -> (Ground, u64) {
    let mut account = Account::empty(1);
    let start = at(days_ago(1), 23, 0, 0);
    let record = NewRecord::new(Content::ramp(1, 5000));
    let running = NewSession::at(start).in_progress().incoming("1").record(record);
    let session = account.add(running.log(Content::bytes("1 begins\n")));
    (Ground::new(options, account), session)
}

fn log(mount: &Mount, session: u64) -> PathBuf {
    let name = format!("230000-support-{session}.log");
    mount.path("logs").join(slashed(days_ago(1))).join(name)
}

/// The number of recordings of that day.
fn recordings(mount: &Mount) -> usize {
    let directory = mount.path("recordings").join(slashed(days_ago(1)));
    fs::read_dir(directory)
        .unwrap()
        .filter(|entry| is_object(&entry.as_ref().unwrap().path()))
        .count()
}

fn fact(path: &PathBuf, name: &str) -> String {
    let value = xattr::get(path, format!("user.reelfs.{name}")).unwrap().unwrap();
    String::from_utf8(value).unwrap()
}

#[test]
fn a_log_of_a_call_in_progress_is_followed_with_tail_and_frozen_at_its_end() {
    if !can_mount() {
        return;
    }
    let (ground, session) = ground(Options::default());
    let mount = ground.mount(&["--poll", "1s"]);
    let path = log(&mount, session);
    assert_eq!(recordings(&mount), 0, "a recording that is being written is not shown");
    let mut tail = Command::new("tail");
    tail.args(["-n", "+1", "-f"]).arg(&path).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tail = tail.spawn().unwrap();
    let told = Arc::new(Mutex::new(String::new()));
    let (lines, out) = (Arc::clone(&told), tail.stdout.take().unwrap());
    let reading = std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            *lines.lock().unwrap_or_else(PoisonError::into_inner) += &(line + "\n");
        }
    });
    let told = || told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut all = "1 begins\n".to_owned();
    wait_until("tail shows what is there", || told() == all);
    for line in ["2 rings\n", "3 is answered\n"] {
        ground.sandbox.change(|account| account.append_to_log(session, line));
        all += line;
        wait_until("tail shows what is new", || told() == all);
        wait_until("the size is told", || fs::metadata(&path).unwrap().len() == all.len() as u64);
        assert_eq!(fs::read_to_string(&path).unwrap(), all);
    }
    assert_eq!(fact(&path, "state"), "growing");
    assert_eq!(fact(&path, "cached"), "none", "what is not final is not kept");

    ground.sandbox.change(|account| {
        account.append_to_log(session, "4 ends\n");
        account.finish(session, 90);
    });
    all += "4 ends\n";
    wait_until("the call is over", || recordings(&mount) == 1);
    wait_until("tail shows the end", || told() == all);
    assert_eq!(fs::read_to_string(&path).unwrap(), all);
    wait_until("it is kept", || fact(&path, "cached") == "whole");
    // From now on nobody asks for it.
    ground.sandbox.clear_requests();
    assert_eq!(fs::metadata(&path).unwrap().len(), all.len() as u64);
    assert_eq!(fs::read_to_string(&path).unwrap(), all);
    let again = ground.media_requests();
    assert!(again.iter().all(|request| request.session != Some(session)), "{again:?}");
    tail.kill().unwrap();
    tail.wait().unwrap();
    reading.join().unwrap();
    assert_eq!(told(), all);
}

#[test]
fn a_server_that_ignores_ranges_is_followed_as_well() {
    if !can_mount() {
        return;
    }
    let options = Options { ranges: Ranges::NONE, ..Options::default() };
    let (ground, session) = ground(options);
    let mount = ground.mount(&[]);
    let file = File::open(log(&mount, session)).unwrap();
    let long = "x".repeat(300_000) + "\n";
    ground.sandbox.change(|account| account.append_to_log(session, &long));
    let all = format!("1 begins\n{long}");
    wait_until("all is there", || file.metadata().unwrap().len() == all.len() as u64);
    let mut read = vec![0; all.len() + 10];
    let mut at = 0;
    while at < all.len() {
        let n = file.read_at(&mut read[at..], at as u64).unwrap();
        assert_ne!(n, 0, "at {at}");
        at += n;
    }
    assert!(read[..at] == *all.as_bytes());
}

#[test]
fn a_log_that_changes_where_it_was_read_is_stale_and_never_mixed() {
    if !can_mount() {
        return;
    }
    let (ground, session) = ground(Options::default());
    let mount = ground.mount(&[]);
    let path = log(&mount, session);
    let file = File::open(&path).unwrap();
    let mut read = [0; 64];
    assert_eq!(file.read_at(&mut read, 0).unwrap(), 9);
    let other = "another log, and a longer one\n";
    ground.sandbox.change(|account| {
        let mut files = account.files().into_iter();
        let target = files.find(|file| file.record.is_none()).unwrap().target.clone();
        account.file_mut(&target).unwrap().content = Content::bytes(other);
    });
    wait_until("the change is seen", || match file.read_at(&mut read, 9) {
        Ok(n) => {
            assert_eq!(n, 0, "bytes of another log");
            false
        }
        Err(error) => error.raw_os_error() == Some(116),
    });
    wait_until("a new open sees the new one", || {
        fs::read_to_string(&path).is_ok_and(|text| text == other)
    });
}

#[test]
fn a_call_that_never_got_an_end_is_over_after_a_week() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(1);
    let start = at(days_ago(9), 23, 0, 0);
    let session = account.add(NewSession::at(start).in_progress().log(Content::bytes("text\n")));
    let ground = Ground::new(Options::default(), account);
    let mount = ground.mount(&[]);
    let name = format!("230000-support-{session}.log");
    let path = mount.path("logs").join(slashed(days_ago(9))).join(name);
    assert_eq!(fs::read(&path).unwrap(), b"text\n");
    assert_eq!(fact(&path, "state"), "ready");
}

#[test]
fn a_log_that_is_named_before_it_is_there_is_empty_until_it_is() {
    if !can_mount() {
        return;
    }
    let (ground, session) = ground(Options::default());
    let set_gone = |gone| {
        ground.sandbox.change(|account| {
            let targets: Vec<_> = account.files().iter().map(|file| file.target.clone()).collect();
            for target in targets {
                account.file_mut(&target).unwrap().gone = gone;
            }
        });
    };
    set_gone(true);
    let mount = ground.mount(&[]);
    let path = log(&mount, session);
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    assert_eq!(fs::read(&path).unwrap(), b"");
    set_gone(false);
    wait_until("it is there", || fs::read(&path).unwrap() == b"1 begins\n");
}

#[test]
fn of_many_logs_only_what_is_new_is_asked_for() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(1);
    let known = "x".repeat(9_999) + "\n";
    let sessions: Vec<u64> = (0..30)
        .map(|second| {
            let call = NewSession::at(at(days_ago(1), 23, 0, second)).in_progress().incoming("1");
            account.add(call.log(Content::bytes(known.clone())))
        })
        .collect();
    let ground = Ground::new(Options::default(), account);
    let mount = ground.mount(&[]);
    let day = mount.path("logs").join(slashed(days_ago(1)));
    let paths: Vec<PathBuf> = fs::read_dir(day).unwrap().map(|log| log.unwrap().path()).collect();
    assert_eq!(paths.len(), sessions.len());
    let all_have = |size| {
        let is_right = |path: &PathBuf| fs::metadata(path).unwrap().len() == size as u64;
        paths.iter().filter(|path| is_right(path)).count() == paths.len()
    };
    assert!(all_have(known.len()));
    ground.sandbox.clear_requests();
    let more = "a line\n";
    ground.sandbox.change(|account| {
        for session in &sessions {
            account.append_to_log(*session, more);
        }
    });
    wait_until("all of them have grown", || all_have(known.len() + more.len()));
    let requests = ground.media_requests();
    assert!(requests.len() >= paths.len());
    let from_the_end = |range: &Option<String>| {
        range.as_deref().is_some_and(|range| !range.starts_with("bytes=0-"))
    };
    assert!(requests.iter().all(|request| from_the_end(&request.range)), "{requests:?}");
}
