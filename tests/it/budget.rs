//! The budget of requests a day: exact at the server, kept across mounts, and never in the way of what
//! is known.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use reelfs::sandbox::whatconverts::{Agency, NewLead};
use reelfs::sandbox::{Account, Content, NewRecord, NewSession, Options};

use crate::ground::{
    Ground, Mount, REELFS, at, can_mount, days_ago, is_object, output, slashed, text,
};

const SIZE: u64 = 5_000;
const CALLS: i8 = 50;

fn ground() -> Ground {
    let mut agency = Agency::empty(1);
    for minute in 0..CALLS {
        let call = NewLead::call(at(days_ago(1), 9, minute, 0));
        agency.add(call.recording(Content::ramp(7, SIZE)));
    }
    Ground::agency(Options::default(), agency)
}

fn recordings(mount: &Mount) -> io::Result<Vec<PathBuf>> {
    let day = mount.path("recordings").join(slashed(days_ago(1)));
    let mut paths: Vec<_> = fs::read_dir(day)?.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| is_object(path));
    paths.sort();
    Ok(paths)
}

fn is_over_budget<T>(outcome: &io::Result<T>) -> bool {
    matches!(outcome, Err(error) if error.raw_os_error() == Some(libc::EDQUOT))
}

#[test]
fn readers_go_on_to_the_last_request_and_are_refused_at_once_then() {
    if !can_mount() {
        return;
    }
    let ground = ground();
    let mount = ground.mount_whatconverts("whatconverts.json", &["--daily-requests", "20"]);
    let paths = recordings(&mount).unwrap();
    assert_eq!(paths.len(), 50);
    let outcomes: Vec<_> = paths.iter().map(fs::read).collect();
    // What ran ahead may have brought a file beyond the first that is refused.
    let read = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let refused = outcomes.iter().filter(|outcome| is_over_budget(outcome)).count();
    assert_eq!(read + refused, outcomes.len(), "{outcomes:?}");
    assert_eq!(ground.sandbox.requests().len(), 20, "of which {read} were read");
    assert!(read >= 10, "{read}: most of the budget went to readers");

    assert_eq!(fs::read(&paths[0]).unwrap().len() as u64, SIZE, "what is cached is read on");
    assert_eq!(recordings(&mount).unwrap(), paths);
    let told = mount.log().matches("the budget of 20 requests a day is used up").count();
    let lines = mount.log();
    let clear = lines.lines().filter(|line| line.contains("--daily-requests sets it")).count();
    assert!(clear == 1 && told <= 2, "{lines}");
}

#[test]
fn the_count_outlives_the_mount_in_a_file_that_tells_nothing() {
    if !can_mount() {
        return;
    }
    let ground = ground();
    let options = ["--daily-requests", "20", "--cache-size", "0"];
    let mount = ground.mount_whatconverts("whatconverts.json", &options);
    let paths = recordings(&mount).unwrap();
    let exhausted = paths.iter().map(fs::read).any(|outcome| is_over_budget(&outcome));
    assert!(exhausted);
    drop(mount);

    let ledgers: Vec<PathBuf> = fs::read_dir(ground.dir.path().join("state/reelfs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none())
        .collect();
    let [ledger] = &ledgers[..] else { panic!("{ledgers:?}") };
    assert_eq!(fs::metadata(ledger).unwrap().permissions().mode() & 0o777, 0o600);
    let key = fs::read_to_string(ground.dir.path().join("keys/whatconverts.json")).unwrap();
    let key: serde_json::Value = serde_json::from_str(&key).unwrap();
    let shown = format!("{} {}", ledger.display(), fs::read_to_string(ledger).unwrap());
    for part in ["token", "secret"] {
        assert!(!shown.contains(key[part].as_str().unwrap()), "{part}");
    }
    assert!(text(&fs::read(ledger).unwrap()).ends_with(" 20\n"), "{shown}");

    let asked = ground.sandbox.requests().len();
    let again = ground.mount_whatconverts("whatconverts.json", &options);
    assert!(is_over_budget(&recordings(&again)), "a day that is not known costs a request");
    let started = ground.sandbox.requests().len() - asked;
    assert!(started <= 2, "{started}: what a mount asks when it starts, and nothing more");
}

#[test]
fn commands_that_are_no_mounts_count_in_the_budget_of_the_key() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(1);
    let call = NewSession::at(at(days_ago(1), 9, 0, 0)).incoming("+15551230001");
    account.add(call.record(NewRecord::new(Content::ramp(7, SIZE))));
    let ground = Ground::new(Options::default(), account);
    let state = ground.dir.path().join("state");
    let link = ground.sandbox.link(ground.sandbox.account().files()[0]);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(REELFS);
        command.args(arguments).args(["--api-url", ground.sandbox.base_url(), "--credentials"]);
        command.arg(ground.credentials()).env("XDG_STATE_HOME", &state);
        let done = output(&mut command);
        assert!(done.status.success(), "{}", text(&done.stderr));
    };
    let to = ground.dir.path().join("a.mp3");
    let get = ["get", &link, "-o", to.to_str().unwrap()];
    run(&get);
    assert!(!state.join("reelfs").exists(), "without a budget nothing is counted");

    drop(ground.mount(&["--daily-requests", "100"]));
    let ledgers = fs::read_dir(state.join("reelfs")).unwrap().map(|entry| entry.unwrap().path());
    let ledgers: Vec<_> = ledgers.filter(|path| path.extension().is_none()).collect();
    let [ledger] = &ledgers[..] else { panic!("{ledgers:?}") };
    let used = || {
        let text = fs::read_to_string(ledger).unwrap();
        text.trim_end().split_once(' ').unwrap().1.parse::<usize>().unwrap()
    };
    let before = used();
    ground.sandbox.clear_requests();
    run(&get);
    run(&["apps"]);
    assert_eq!(ground.sandbox.requests().len(), 2);
    assert_eq!(used(), before + 2);
}
