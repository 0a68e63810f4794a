//! A mount that goes on with the account: what is new, gone or late shows by itself, in what somebody
//! looks at and nowhere else.
//!
//! All on days that are over, whose listings nobody asks for again for minutes: what changes here was
//! brought by a poll.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use reelfs::sandbox::whatconverts::{Agency, NewLead};
use reelfs::sandbox::{
    Account, Action, Content, Kind, NewRecord, NewSession, Options, Rule, Target, Transcript,
};

use crate::ground::{
    self, Ground, Mount, at, can_mount, days_ago, is_object, no_answer, slashed, wait_until,
};

/// A call with a recording and a log.
fn call(minute: i8) -> NewSession {
    NewSession::at(at(days_ago(1), 9, minute, 0))
        .incoming("+15551230001")
        .record(NewRecord::new(Content::ramp(7, 1000)))
        .log(Content::bytes("2026-11-21 09:00:00.000 Session started\n"))
}

/// An account with one call.
fn ground_with_a_call() -> Ground {
    let mut account = Account::empty(1);
    account.add(call(0));
    Ground::new(Options::default(), account)
}

/// The names of files of the vendor's in a directory.
fn names(directory: &Path) -> Vec<String> {
    let mut names = ground::names(directory);
    names.retain(|name| is_object(Path::new(name)));
    names
}

/// The directory of a day, in one of the areas.
fn day(mount: &Mount, area: &str, days: i64) -> PathBuf {
    mount.path(area).join(slashed(days_ago(days)))
}

/// The first days of the queries so far that asked for listings.
fn queries(ground: &Ground) -> Vec<String> {
    let requests = ground.sandbox.requests().into_iter();
    let listings = requests.filter(|request| {
        let count = request.parameters.iter().find(|(name, _)| name == "count");
        // The question at mount is for one session.
        request.target == Target::Api("GetCallHistory".to_owned())
            && count.is_some_and(|(_, count)| count != "1")
    });
    let from = |parameters: Vec<(String, String)>| {
        let from = parameters.into_iter().find(|(name, _)| name == "from_date").unwrap().1;
        from[..10].to_owned()
    };
    listings.map(|request| from(request.parameters)).collect()
}

#[test]
fn new_calls_appear_where_somebody_looks_at_one_query_a_poll() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_a_call();
    let mount = ground.mount(&["--poll", "1s"]);
    let logs = day(&mount, "logs", 1);
    assert_eq!(names(&logs).len(), 1);
    let before = fs::metadata(&logs).unwrap().mtime();
    assert_eq!(before, at(days_ago(1), 0, 0, 0).as_second());
    // A name that does not exist yet: 8123400001 is the next session's number.
    let new = logs.join("091700-support-8123400001.log");
    fs::metadata(&new).unwrap_err();
    ground.sandbox.change(|account| account.add(call(17)));
    wait_until("the new call is there by its name", || new.exists());
    assert_eq!(names(&logs).len(), 2);
    assert_eq!(names(&day(&mount, "recordings", 1)).len(), 2);
    let index = mount.path("index").join(format!("{}.jsonl", slashed(days_ago(1))));
    assert_eq!(fs::read_to_string(index).unwrap().lines().count(), 2);
    assert_ne!(fs::metadata(&logs).unwrap().mtime(), before, "the directory has changed");

    let so_far = queries(&ground).len();
    wait_until("polls go on", || queries(&ground).len() >= so_far + 3);
    let asked = queries(&ground);
    let looked_at = days_ago(1).to_string();
    assert!(asked.iter().all(|from| *from == looked_at), "nobody looked at others: {asked:?}");
    assert_eq!(ground.media_requests().len(), 1, "the size of the one that was looked at");
    assert_eq!(ground.listing_requests(), asked.len() + 2, "and one to see who we are, and apps");
}

#[test]
fn days_that_somebody_looks_at_are_asked_for_together() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_a_call();
    let mount = ground.mount(&["--poll", "1s"]);
    for days in [1, 3] {
        names(&day(&mount, "logs", days));
    }
    let start = at(days_ago(3), 5, 0, 0);
    let new = NewSession::at(start).log(Content::bytes("late\n"));
    ground.sandbox.change(|account| account.add(new));
    let logs = day(&mount, "logs", 3);
    wait_until("the new call is there", || names(&logs).len() == 1);
    wait_until("one query is for both", || {
        let asked = queries(&ground);
        asked.iter().skip(2).any(|from| *from == days_ago(3).to_string())
    });
    let asked = queries(&ground);
    let alone = asked.iter().skip(2).filter(|from| **from == days_ago(1).to_string()).count();
    // Before the other one was due for the first time.
    assert!(alone <= 1, "{asked:?}");
}

#[test]
fn a_call_that_is_gone_goes_also_by_its_name() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(1);
    let session = account.add(call(0));
    account.add(call(1));
    let ground = Ground::new(Options::default(), account);
    let mount = ground.mount(&["--poll", "1s", "--keep-gone=false"]);
    let logs = day(&mount, "logs", 1);
    let gone = logs.join(names(&logs)[0].as_str());
    // The kernel may believe this for an hour.
    let size = fs::metadata(&gone).unwrap().len();
    assert_eq!(size, 40);
    ground.sandbox.change(|account| account.remove(session));
    wait_until("the name is gone", || !gone.exists());
    let error = fs::read(&gone).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
    assert_eq!(names(&logs).len(), 1);
    assert!(!mount.log().contains("WARN"), "{}", mount.log());
}

#[test]
fn late_recordings_and_transcripts_and_facts_appear() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(1);
    let record = NewRecord::new(Content::ramp(1, 500)).transcript(Transcript::InProgress);
    let start = at(days_ago(1), 9, 0, 0);
    let session = account.add(NewSession::at(start).incoming("1").record(record));
    let ground = Ground::new(Options::default(), account);
    let mount = ground.mount(&["--poll", "1s"]);
    let (recordings, texts) = (day(&mount, "recordings", 1), day(&mount, "transcripts", 1));
    let first = recordings.join(&names(&recordings)[0]);
    assert_eq!(fs::metadata(&first).unwrap().mtime(), start.as_second() + 60);
    assert_eq!(names(&texts).len(), 0);
    ground.sandbox.change(|account| {
        let record = account.sessions()[0].records[0].id;
        account.transcribe(session, record, Content::bytes("Left : Hello\n"));
        account.add_record_to(session, NewRecord::new(Content::ramp(9, 700)));
        account.finish(session, 90);
    });
    wait_until("the transcript is there", || names(&texts).len() == 1);
    let text = texts.join(&names(&texts)[0]);
    assert_eq!(fs::read_to_string(text).unwrap(), "Left : Hello\n");
    let sizes: Vec<u64> = names(&recordings)
        .iter()
        .map(|name| fs::metadata(recordings.join(name)).unwrap().len())
        .collect();
    assert_eq!(sizes, [500, 700]);
    wait_until("the kernel knows the new end of the call", || {
        fs::metadata(&first).unwrap().mtime() == start.as_second() + 90
    });
}

#[test]
fn a_late_recording_of_a_lead_appears() {
    if !can_mount() {
        return;
    }
    let mut agency = Agency::empty(1);
    let lead = agency.add(NewLead::call(at(days_ago(1), 5, 0, 0)));
    let ground = Ground::agency(Options::default(), agency);
    let mount = ground
        .mount_whatconverts("whatconverts.json", &["--poll", "1s", "--daily-requests", "1000000"]);
    let (recordings, texts) = (day(&mount, "recordings", 1), day(&mount, "transcripts", 1));
    assert_eq!(names(&recordings).len() + names(&texts).len(), 0);
    ground.sandbox.change_agency(|agency| agency.complete(lead, Content::ramp(1, 900), "Hello"));
    wait_until("both are there", || names(&recordings).len() == 1 && names(&texts).len() == 1);
    let file = recordings.join(&names(&recordings)[0]);
    assert_eq!(fs::read(file).unwrap(), Content::ramp(1, 900).to_bytes());
}

#[test]
fn a_directory_that_stays_open_shows_what_is_new_from_its_start() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_a_call();
    let mount = ground.mount(&["--poll", "1s"]);
    let logs = day(&mount, "logs", 1);
    let script = "opendir(my $d, $ARGV[0]) or die; $| = 1; \
                  do { print scalar(grep { /log/ } readdir $d), \"\\n\"; rewinddir $d } \
                  while defined(<STDIN>)";
    let mut perl = Command::new("perl");
    perl.args(["-e", script]).arg(&logs).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut perl = perl.spawn().unwrap();
    let (mut ask, told) = (perl.stdin.take().unwrap(), perl.stdout.take().unwrap());
    let mut told = BufReader::new(told).lines();
    assert_eq!(told.next().unwrap().unwrap(), "1");
    ground.sandbox.change(|account| account.add(call(17)));
    wait_until("the new call is there", || names(&logs).len() == 2);
    writeln!(ask, "again").unwrap();
    assert_eq!(told.next().unwrap().unwrap(), "2");
    drop(ask);
    assert!(perl.wait().unwrap().success());
}

#[test]
fn polls_that_fail_harm_nothing_and_go_on() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_a_call();
    let mount = ground.mount(&["--poll", "1s", "--timeout", "3s"]);
    let logs = day(&mount, "logs", 1);
    assert_eq!(names(&logs).len(), 1);
    let fault = Action::Status { code: 500, body: String::new(), retry_after: None };
    ground.sandbox.faults().add(Rule::new(fault));
    let so_far = queries(&ground).len();
    wait_until("a poll fails", || queries(&ground).len() > so_far + 1);
    ground.sandbox.change(|account| account.add(call(17)));
    assert_eq!(names(&logs).len(), 1);
    ground.sandbox.faults().clear();
    wait_until("the new call is there", || names(&logs).len() == 2);
}

#[test]
fn a_refresh_tells_the_kernel_where_nobody_polls() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(1);
    let session = account.add(call(0));
    let ground = Ground::new(Options::default(), account);
    let mount = ground.mount(&["--poll", "0", "--keep-gone=false"]);
    let logs = day(&mount, "logs", 1);
    let file = logs.join(&names(&logs)[0]);
    assert_eq!(fs::metadata(&file).unwrap().len(), 40);
    ground.sandbox.change(|account| account.remove(session));
    let so_far = queries(&ground).len();
    crate::ground::send_signal(mount.pid(), "HUP");
    wait_until("the name is gone", || !file.exists());
    assert_eq!(queries(&ground).len(), so_far + 1);
}

#[test]
fn a_change_is_told_while_a_lookup_in_its_directory_waits() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(1);
    let session = account.add(call(0));
    account.add(call(1));
    let ground = Ground::new(Options::default(), account);
    let mount = ground.mount(&["--poll", "1s", "--keep-gone=false", "--timeout", "170s"]);
    let logs = day(&mount, "logs", 1);
    let listed = names(&logs);
    let (goes, waits) = (logs.join(&listed[0]), logs.join(&listed[1]));
    assert!(goes.exists());
    ground.sandbox.faults().add(no_answer().on_file(Kind::Log));
    let waiting = std::thread::spawn(move || waits.exists());
    let so_far = ground.media_requests().len();
    wait_until("somebody waits for the size", || ground.media_requests().len() > so_far);
    ground.sandbox.change(|account| account.remove(session));
    wait_until("the name is gone", || !goes.exists());
    assert!(!waiting.is_finished(), "and he still waits");
    // Unmounting lets him go.
    drop(mount);
    waiting.join().unwrap();
}
