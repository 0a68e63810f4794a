//! `reelfs find` and `.find/`: what somebody looks for is found, and what could not be searched is told.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use jiff::Timestamp;
use reelfs::sandbox::whatconverts::{Agency, NewLead};
use reelfs::sandbox::{Account, Content, NewRecord, NewSession, Options, Transcript};
use serde_json::Value;

use crate::ground::{
    Ground, Mount, REELFS, at, can_mount, days_ago, output, sh, slashed, text, wait_until,
};

mod directory;
mod gaps;
mod mistakes;
mod mounts;
mod playlist;

/// A recording, and what was said in it.
fn record(seconds: u32, said: &str) -> NewRecord {
    let record = NewRecord::new(Content::ramp(7, 1000)).lasting(seconds);
    record.transcript(Transcript::Complete(Content::bytes(format!("Left : {said}\n"))))
}

/// Four calls: yesterday, two and three days ago, and one that is over for long.
fn account() -> Account {
    let mut account = Account::empty(1);
    let calls = [
        (1, "+15551230001", "support", 30, "Where is my refund", "ticket 4711"),
        (2, "+15551230002", "support", 600, "I want my money", ""),
        (3, "+15559990003", "sales", 60, "A new credit card", "refund promised"),
        (40, "+15551230001", "sales", 90, "Hello", ""),
    ];
    for (ago, number, application, seconds, said, data) in calls {
        account.add(
            NewSession::at(at(days_ago(ago), 9, 0, 0))
                .application(&format!("{application}.acme.voximplant.com"))
                .incoming(number)
                .lasting(seconds)
                .custom_data(data)
                .record(record(seconds, said))
                .log(Content::bytes("Session started\n")),
        );
    }
    account
}

fn start(ground: &Ground, mut command: Command) -> Mount {
    command.env("XDG_RUNTIME_DIR", ground.dir.path().join("run"));
    ground.start(command)
}

fn mount(ground: &Ground, more: &[&str]) -> Mount {
    start(ground, ground.mount_command(more))
}

/// `reelfs find` in the ground's mount.
fn find(ground: &Ground, arguments: &[&str]) -> Output {
    let at = ground.mountpoint();
    find_in(ground, &[arguments, &[at.to_str().unwrap()]].concat())
}

/// `reelfs find` of the same user.
fn find_in(ground: &Ground, arguments: &[&str]) -> Output {
    let place = |name: &str| ground.dir.path().join(name);
    let mut command = Command::new(REELFS);
    command.arg("find").args(arguments).env("XDG_RUNTIME_DIR", place("run"));
    output(command.env("XDG_CACHE_HOME", place("cache")).env("XDG_STATE_HOME", place("state")))
}

/// `reelfs find` in all mounts of the same user that this test made. Root's asks those of everybody, and
/// other tests have some that never answer: their sockets are hidden.
fn find_anywhere(ground: &Ground, arguments: &[&str]) -> Command {
    let mut command = Command::new(REELFS);
    if sh("id -u").trim() == "0" {
        command = Command::new("unshare");
        command.args([
            "--mount",
            "sh",
            "-c",
            "mount -t tmpfs reelfs-test /run && exec \"$@\"",
            "sh",
        ]);
        command.arg(REELFS);
    }
    command.arg("find").args(arguments).env("XDG_RUNTIME_DIR", ground.dir.path().join("run"));
    command
}

/// The paths that were found, below the mount, and the exit code.
fn found(ground: &Ground, arguments: &[&str]) -> (Vec<String>, Option<i32>) {
    let output = find(ground, arguments);
    assert!(!text(&output.stderr).starts_with("error: "), "{output:?}");
    let at = format!("{}/", ground.mountpoint().display());
    let below = |line: &str| line.strip_prefix(&at).unwrap_or_else(|| panic!("{line}")).to_owned();
    (text(&output.stdout).lines().map(below).collect(), output.status.code())
}

/// The id of the first record of the call that began then.
fn record_of(ground: &Ground, start: Timestamp) -> u64 {
    let account = ground.sandbox.account();
    account.sessions().iter().find(|call| call.start == start).unwrap().records[0].id
}

/// The days, counted back, of the recordings that were found.
fn days(paths: &[String]) -> Vec<i64> {
    let of = |path: &String| (0..50).find(|ago| path.contains(&slashed(days_ago(*ago)))).unwrap();
    paths.iter().filter(|path| path.starts_with("recordings/")).map(of).collect()
}

#[test]
fn calls_are_found_by_number_application_time_and_length() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account());
    let mount = mount(&ground, &["--since", "50d"]);
    let mut all = Vec::new();
    for (arguments, wanted) in [
        (&["--number", "+1 (555) 123"][..], &[40, 2, 1][..]),
        (&["--number", "0002", "--number", "9990003"], &[3, 2]),
        (&["--app", "support"], &[2, 1]),
        (&["--app", "sales.acme.voximplant.com", "--since", "7d"], &[3]),
        (&["--min-duration", "1m", "--max-duration", "2m"], &[40, 3]),
        (&["--until", &days_ago(3).to_string()], &[40, 3]),
        (&["--direction", "in", "--since", "2d", "--until", "yesterday"], &[2, 1]),
    ] {
        let (paths, code) = found(&ground, arguments);
        assert_eq!((days(&paths).as_slice(), code), (wanted, Some(0)), "{arguments:?}");
        // The recording, its transcript and the log of each.
        assert_eq!(paths.len(), 3 * wanted.len(), "{paths:?}");
        all.extend(paths);
    }
    assert_eq!(ground.media_requests().len(), 0, "only names were asked for");
    assert!(all.iter().all(|path| mount.path(path).is_file()), "{all:?}");
    let (paths, code) = found(&ground, &["--kind", "logs", "--app", "support"]);
    assert!(paths.len() == 2 && paths.iter().all(|path| path.starts_with("logs/")), "{paths:?}");
    assert_eq!((code, found(&ground, &["--number", "0004"])), (Some(0), (Vec::new(), Some(1))));
    let day = mount.path("logs").join(slashed(days_ago(1)));
    let below = find_in(&ground, &["--app", "support", day.to_str().unwrap()]);
    assert_eq!(text(&below.stdout).lines().count(), 1, "{below:?}");
    let anywhere = output(&mut find_anywhere(&ground, &["--app", "support"]));
    assert_eq!(anywhere.stdout, find(&ground, &["--app", "support"]).stdout);
}

#[test]
fn words_are_found_in_facts_and_in_transcripts_that_are_cached() {
    if !can_mount() {
        return;
    }
    for key in [false, true] {
        let ground = Ground::new(Options::default(), account());
        let key_file = ground.dir.path().join("cache.key");
        sh(&format!("umask 077; head -c 32 /dev/urandom | base64 > {}", key_file.display()));
        let key_file = key_file.to_str().unwrap();
        let more = if key {
            &["--since", "50d", "--cache-key-file", key_file][..]
        } else {
            &["--since", "50d"]
        };
        let first = mount(&ground, more);
        // Nothing was fetched yet: the facts say it, and what is not searched is told.
        let told = find(&ground, &["--text", "refund"]);
        assert_eq!(told.status.code(), Some(3), "{told:?}");
        let warning = text(&told.stderr);
        assert!(
            warning.contains("3 transcripts are not cached and could not be searched"),
            "{warning}"
        );
        assert!(warning.contains("reelfs warm ") && warning.contains("/transcripts`"), "{warning}");
        assert_eq!(days(&found(&ground, &["--text", "refund"]).0), [3]);
        assert_eq!(ground.media_requests().len(), 0);

        let transcripts = first.path("transcripts");
        let warm = output(Command::new(REELFS).arg("warm").arg(&transcripts));
        assert!(warm.status.success(), "{warm:?}");
        // Twice: what was found without the index is found with it.
        for _ in 0..2 {
            for (words, wanted) in [
                ("refund", &[3, 1][..]),
                ("REFUND promised", &[3]),
                ("\"credit card\"", &[3]),
                ("\"card credit\"", &[]),
                ("mon*", &[2]),
                ("mon", &[]),
                ("4711", &[1]),
                ("' OR 1=1 --", &[]),
                ("custom_data", &[]),
            ] {
                let (paths, code) = found(&ground, &["--text", words]);
                assert_eq!(days(&paths), wanted, "{words}");
                assert_eq!(code, Some(i32::from(wanted.is_empty())), "{words}");
            }
        }
        let asked = ground.sandbox.requests().len();
        assert_eq!(first.end_with("TERM"), Some(0));
        // After a remount most days are not in memory.
        let again = mount(&ground, &[more, &["--offline"]].concat());
        for _ in 0..2 {
            assert_eq!(
                days(&found(&ground, &["--text", "refund", "--until", "yesterday"]).0),
                [3, 1]
            );
        }
        assert_eq!(ground.sandbox.requests().len(), asked);
        assert_eq!(again.end_with("TERM"), Some(0));
        let planted = sh(&format!(
            "if grep -rqai 'promised' {}/cache; then echo yes; else echo no; fi",
            ground.dir.path().display()
        ));
        assert_eq!(planted.trim(), if key { "no" } else { "yes" }, "words in the cache");
    }
}

#[test]
fn what_changes_is_found_as_it_is_now() {
    if !can_mount() {
        return;
    }
    let mut agency = Agency::empty(1);
    let call = || NewLead::call(at(days_ago(3), 9, 0, 0)).recording(Content::ramp(7, 1_000));
    agency.add(call().transcript("Where is my refund"));
    let ground = Ground::agency(Options::default(), agency);
    let mount = |ground: &Ground| {
        let mut command = ground.mount_command_of("whatconverts", &["--since", "5d"]);
        command.arg("--key-file").arg(ground.dir.path().join("keys/whatconverts.json"));
        start(ground, command)
    };
    let first = mount(&ground);
    for _ in 0..2 {
        assert_eq!(
            days(&found(&ground, &["--text", "refund"]).0),
            [3],
            "inline, so no file to cache"
        );
    }
    drop(first);
    // The same mount again, so that the day is not in memory and the index answers; then it changes.
    let second = mount(&ground);
    assert_eq!(days(&found(&ground, &["--text", "refund"]).0), [3]);
    ground.sandbox.change_agency(|agency| {
        *agency = Agency::empty(1);
        agency.add(call().transcript("Nothing of the sort"));
    });
    let day = second.path("index").join(format!("{}.jsonl", slashed(days_ago(3))));
    let refresh = output(
        Command::new(REELFS)
            .arg("refresh")
            .arg(&day)
            .env("XDG_RUNTIME_DIR", ground.dir.path().join("run")),
    );
    assert!(refresh.status.success(), "{refresh:?}");
    assert_eq!(found(&ground, &["--text", "refund"]), (Vec::new(), Some(1)));
    assert_eq!(days(&found(&ground, &["--text", "sort"]).0), [3]);
    drop(second);
    let _third = mount(&ground);
    assert_eq!(found(&ground, &["--text", "refund"]), (Vec::new(), Some(1)));
    assert_eq!(days(&found(&ground, &["--text", "sort"]).0), [3]);
}

#[test]
fn paths_come_as_lines_with_zero_bytes_or_as_json_without_links() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account());
    let mount = mount(&ground, &["--since", "50d"]);
    let evidence = ground.dir.path().join("evidence");
    fs::create_dir(&evidence).unwrap();
    let zeros = find(&ground, &["-0", "--app", "support", "--kind", "recordings"]);
    let list = ground.dir.path().join("list");
    fs::write(&list, &zeros.stdout).unwrap();
    sh(&format!("xargs -0 cp -t {} < {}", evidence.display(), list.display()));
    assert_eq!(fs::read_dir(&evidence).unwrap().count(), 2);

    let json = text(&find(&ground, &["--json", "--app", "sales", "--since", "7d"]).stdout);
    assert_eq!(json.lines().count(), 3);
    for line in json.lines() {
        let call: Value = serde_json::from_str(line).unwrap();
        assert_eq!(call["remote_number"], "+15559990003");
        assert_eq!(call["custom_data"], "refund promised");
        assert!(PathBuf::from(call["path"].as_str().unwrap()).is_file(), "{line}");
        assert!(["recording", "log", "transcript"].contains(&call["kind"].as_str().unwrap()));
    }
    assert!(!json.contains("://") && !json.contains("api_key"), "{json}");
    drop(mount);
}

#[test]
fn days_that_were_never_listed_are_listed_or_told() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account());
    let _mount = mount(&ground, &["--since", "50d"]);
    let listed = ground.listing_requests();
    let offline = find(&ground, &["--offline", "--app", "support", "--since", "3d"]);
    assert_eq!((offline.status.code(), text(&offline.stdout)), (Some(3), String::new()));
    let told = text(&offline.stderr);
    let days = format!("{} to {} were not searched", days_ago(3), days_ago(0));
    assert!(told.contains(&days) && told.contains("without --offline"), "{told}");
    assert_eq!(ground.listing_requests(), listed, "nobody is asked");
    assert_eq!(found(&ground, &["--app", "support", "--since", "3d"]).1, Some(0));
    assert!(ground.listing_requests() > listed);
    let offline = find(&ground, &["--offline", "--app", "support", "--since", "3d"]);
    assert_eq!((offline.status.code(), text(&offline.stderr)), (Some(0), String::new()));
    // What the mount does not show is told, too.
    let beyond = find(&ground, &["--app", "support", "--since", "60d"]);
    assert_eq!(beyond.status.code(), Some(3));
    let told = text(&beyond.stderr);
    let days = format!("{} to {} were not searched", days_ago(60), days_ago(51));
    assert!(told.contains(&days) && told.contains("--since"), "{told}");
}

#[test]
fn a_vendor_that_is_away_is_told_for_the_days_that_are_not_known() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account());
    let _mount = mount(&ground, &["--since", "50d", "--timeout", "2s"]);
    assert_eq!(found(&ground, &["--app", "support", "--since", "2d"]).1, Some(0));
    ground.sandbox.set_online(false);
    let (paths, code) = found(&ground, &["--app", "support", "--since", "4d"]);
    assert_eq!((days(&paths), code), (vec![2, 1], Some(3)), "what is known is found");
}
