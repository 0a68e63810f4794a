//! `reelfs demo` and `reelfs sandbox`: a stand-in with its mount, and the stand-in alone.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{AtEnd, Running, recording, refusal, success, unmount, unmounted};
use crate::ground::{REELFS, can_mount, is_mounted, send_signal, wait_until};

fn directory() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("reelfs-test-").tempdir().unwrap()
}

/// Starts a demo whose output goes to a file, and waits until it has said where it is mounted.
fn demo(arguments: &[&Path], output: &Path) -> (Running, PathBuf) {
    demo_in(None, arguments, output)
}

/// The same, with another temporary directory.
fn demo_in(temporary: Option<&Path>, arguments: &[&Path], output: &Path) -> (Running, PathBuf) {
    let mut command = Command::new(REELFS);
    command.arg("demo").args(arguments).stdout(File::create(output).unwrap());
    command.envs(temporary.map(|at| ("TMPDIR", at)));
    let demo = Running::start(&mut command);
    let said = || fs::read_to_string(output).unwrap();
    wait_until("the demo says what to try", || said().contains("Ctrl-C"));
    let said = said();
    let (_, at) = said.lines().next().unwrap().rsplit_once(" mounted at ").unwrap();
    (demo, at.into())
}

#[test]
fn a_demo_mounts_says_what_to_try_and_leaves_nothing_behind() {
    if !can_mount() {
        return;
    }
    let dir = directory();
    let (new, empty) = (dir.path().join("new"), dir.path().join("empty"));
    fs::create_dir(&empty).unwrap();
    for (arguments, signal) in
        [(vec![new.as_path()], "INT"), (vec![&empty], "TERM"), (vec![], "INT")]
    {
        let (mut demo, at) = demo(&arguments, &dir.path().join("output"));
        let _end = ["voximplant", "whatconverts"].map(|vendor| AtEnd(at.join(vendor)));
        assert!(arguments.first().is_none_or(|given| at == *given), "{at:?}");
        for vendor in ["voximplant", "whatconverts"] {
            assert!(is_mounted(&at.join(vendor)));
        }
        assert!(!fs::read(recording(&at.join("voximplant"))).unwrap().is_empty());
        send_signal(demo.0.id(), signal);
        assert_eq!(demo.code(), Some(0));
        // Both mounts and their directories are gone.
        let left = fs::read_dir(&at).map_or(0, Iterator::count);
        assert_eq!((at.exists(), left), (at == empty, 0), "{at:?}");
    }
    let full = refusal(Command::new(REELFS).arg("demo").arg(dir.path()), 1);
    assert!(full.contains("is not empty"), "{full}");
    let nowhere = refusal(Command::new(REELFS).arg("demo").arg(new.join("below")), 1);
    assert!(nowhere.contains("below") && !new.exists(), "{nowhere}");
}

#[test]
fn what_a_demo_that_was_killed_left_is_cleared_by_the_next() {
    if !can_mount() {
        return;
    }
    let dir = directory();
    let temporary = dir.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let output = dir.path().join("output");
    let start = || demo_in(Some(&temporary), &[], &output);
    let (mut killed, at) = start();
    let _end = ["voximplant", "whatconverts"].map(|vendor| AtEnd(at.join(vendor)));
    send_signal(killed.0.id(), "KILL");
    killed.code();
    let left = at.parent().unwrap();
    assert!(left.exists());
    let hour = std::time::Duration::from_secs(3600);
    File::open(left).unwrap().set_modified(std::time::SystemTime::now() - hour).unwrap();
    let (mut next, at) = start();
    let _end = ["voximplant", "whatconverts"].map(|vendor| AtEnd(at.join(vendor)));
    assert!(!left.exists() && at.exists(), "{left:?}");
    send_signal(next.0.id(), "TERM");
    assert_eq!(next.code(), Some(0));
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}

#[test]
fn a_sandbox_says_its_address_writes_its_keys_and_can_be_mounted() {
    if !can_mount() {
        return;
    }
    let dir = directory();
    let (keys, at) = (dir.path().join("keys"), dir.path().join("calls"));
    let mut command = Command::new(REELFS);
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--tls", "--write-credentials"]).arg(&keys);
    command.args(["--seed", "3", "--days", "2", "--calls-per-day", "4"]);
    command.args(["--latency", "5ms", "--rate", "20MB"]);
    let mut sandbox = Running::start(command.stdout(Stdio::piped()));
    let mut line = String::new();
    BufReader::new(sandbox.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap();
    assert!(address.starts_with("https://127.0.0.1:"), "{address}");
    for file in ["voximplant.json", "ca.pem"] {
        let mode = fs::metadata(keys.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }

    fs::create_dir(&at).unwrap();
    let _end = AtEnd(at.clone());
    let mut mount = Command::new(REELFS);
    mount.args(["mount", "voximplant"]).arg(&at).args(["--api-url", address]);
    mount.arg("--credentials").arg(keys.join("voximplant.json"));
    mount
        .arg("--ca-cert")
        .arg(keys.join("ca.pem"))
        .env("XDG_STATE_HOME", dir.path())
        .env("XDG_CACHE_HOME", dir.path());
    success(&mut mount);
    recording(&at);
    unmounted(&mut unmount(&at, &[]));

    let taken = address.strip_prefix("https://").unwrap();
    let in_use = refusal(Command::new(REELFS).args(["sandbox", "--listen", taken]), 1);
    assert!(in_use.contains(taken), "{in_use}");
    send_signal(sandbox.0.id(), "TERM");
    assert_eq!(sandbox.code(), Some(0));
}
