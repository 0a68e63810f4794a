//! Who read what: a line for each open file, by whom, and how much of it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use reelfs::sandbox::{Account, Content, NewRecord, NewSession, Options};
use serde_json::Value;

use crate::ground::{Ground, Mount, at, can_mount, days_ago, sh, slashed, wait_until};

const SIZE: u64 = 300_000;

fn ground() -> Ground {
    let mut account = Account::empty(5);
    for minute in 0..3 {
        let call = NewSession::at(at(days_ago(1), 9, minute, 0)).incoming("+15551230001");
        account.add(call.record(NewRecord::new(Content::ramp(7, SIZE))));
    }
    Ground::new(Options::default(), account)
}

fn recordings(mount: &Mount) -> Vec<PathBuf> {
    let day = mount.path("recordings").join(slashed(days_ago(1)));
    fs::read_dir(day)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// A mount that writes down who reads what.
struct Audited {
    ground: Ground,
    file: PathBuf,
    mount: Mount,
    paths: Vec<PathBuf>,
}

fn audited() -> Audited {
    let ground = ground();
    let file = ground.dir.path().join("audit.jsonl");
    let mount = ground.mount(&["--audit", file.to_str().unwrap()]);
    let paths = recordings(&mount);
    Audited { ground, file, mount, paths }
}

#[test]
fn each_open_leaves_a_line_with_who_what_and_how_much() {
    if !can_mount() {
        return;
    }
    let Audited { ground, file, mount, paths } = audited();
    let lines = || -> Vec<Value> {
        let text = fs::read_to_string(&file).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    for _ in 0..2 {
        fs::read(&paths[0]).unwrap();
    }
    sh(&format!("head -c 10 {} > /dev/null", paths[1].display()));
    fs::read(mount.path(format!("index/{}.jsonl", slashed(days_ago(1))))).unwrap();
    wait_until("the files are closed", || lines().len() == 4);
    // Left open until the mount ends.
    let mut open = fs::File::open(&paths[2]).unwrap();
    open.read_exact(&mut [0; 10]).unwrap();
    mount.end_with("TERM");
    drop(open);

    let lines = lines();
    let of = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        lines.iter().filter(move |line| line["file"] == *name).collect::<Vec<_>>()
    };
    let twice = of(&paths[0]);
    assert_eq!(twice.len(), 2);
    for line in twice {
        assert_eq!(line["bytes"], SIZE, "also the second time: {line}");
        assert_eq!(line["pid"], std::process::id());
        assert_eq!(line["uid"], fs::metadata(ground.dir.path()).unwrap().uid());
        assert_eq!(line["day"], days_ago(1).to_string());
        assert!(line["executable"].as_str().unwrap().contains("/it-"), "{line}");
        for fact in ["session_id", "record_id", "object", "time", "closed", "program"] {
            assert!(line[fact].as_str().is_some_and(|text| !text.is_empty()), "{fact}: {line}");
        }
    }
    assert_eq!(of(&paths[1])[0]["program"], "head");
    assert!(of(&paths[1])[0]["bytes"].as_u64().unwrap() >= 10);
    assert_eq!(of(&paths[2]).len(), 1, "what was open when the mount ended");
    assert_eq!(
        lines.iter().filter(|line| line["file"].as_str().unwrap().contains(".jsonl")).count(),
        1
    );
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains("http") && !text.contains("5551230001\":"), "{text}");
}

#[test]
fn a_full_disk_is_told_once_and_fails_no_read() {
    if !can_mount() {
        return;
    }
    let ground = ground();
    let mount = ground.mount(&["--audit", "/dev/full"]);
    for path in recordings(&mount) {
        assert_eq!(fs::read(&path).unwrap().len() as u64, SIZE);
    }
    wait_until("it is told", || mount.log().contains("who reads what is not written down"));
    mount.end_with("TERM");
    assert_eq!(mount.log().matches("not written down").count(), 1, "{}", mount.log());
}

#[test]
fn a_file_that_was_set_aside_is_opened_anew() {
    if !can_mount() {
        return;
    }
    let Audited { ground, file, mount: _mount, paths } = audited();
    let count = |path: &PathBuf| fs::read_to_string(path).map_or(0, |text| text.lines().count());
    fs::read(&paths[0]).unwrap();
    wait_until("the first line", || count(&file) == 1);
    let aside = ground.dir.path().join("audit.jsonl.1");
    fs::rename(&file, &aside).unwrap();
    fs::read(&paths[1]).unwrap();
    wait_until("the second line", || count(&file) == 1);
    assert_eq!(count(&aside), 1);
}
