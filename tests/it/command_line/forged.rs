//! What stands where the sockets of mounts are, and is none of ours: it is not believed, not removed, and
//! nothing that it says reaches a terminal as anything but text.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use serde_json::{Value, json};

use super::lost::{mount, reelfs, told};
use super::{ground_with_one_call, refusal, success};
use crate::ground::{can_mount, is_mounted};

/// Answers every question with a status, but one for files with one that is elsewhere.
fn answer(socket: &Path, status: &Value) {
    let listener = UnixListener::bind(socket).unwrap();
    let answer = format!("{status}\n");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut question = String::new();
            BufReader::new(&stream).read_line(&mut question).unwrap();
            let elsewhere = json!({ "answer": "hit", "path": "/etc/shadow", "facts": {} });
            let elsewhere = format!("{elsewhere}\n");
            let is_find = question.contains("\"find\"");
            let answer = if is_find { &elsewhere } else { &answer };
            let _ = stream.write_all(answer.as_bytes());
        }
    });
}

#[test]
fn a_status_is_believed_of_a_mount_that_is_there_and_is_only_shown() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let at = ground.mountpoint();
    let mount = mount(&ground);
    let status = success(&mut reelfs(&ground, &["status", "--json", at.to_str().unwrap()]));
    let mut forged: Value = serde_json::from_str(&status).unwrap();
    forged["answer"] = "status".into();
    forged["pid"] = 1.into();
    forged["source"] = "odd\u{1b}[31m\u{9b}2J".into();
    let line = json!({ "at": forged["started"], "text": "one\ntwo\u{7}", "times": 1 });
    forged["errors"] = json!([line]);
    let sockets = ground.dir.path().join("run/reelfs");
    answer(&sockets.join("here.sock"), &forged);
    forged["mountpoint"] = "/".into();
    forged["profile"] = "everything".into();
    answer(&sockets.join("elsewhere.sock"), &forged);

    let shown = success(&mut reelfs(&ground, &["status"]));
    assert!(shown.contains(r"odd\u{1b}[31m\u{9b}2J") && shown.contains(r"one\ntwo"), "{shown}");
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    let all = success(&mut reelfs(&ground, &["status", "--json"]));
    assert!(!all.contains(|c: char| c.is_control() && c != '\n'), "{all:?}");
    let all: Value = serde_json::from_str(&all).unwrap();
    let all = all.as_array().unwrap();
    assert!(all.iter().any(|status| status["source"] == forged["source"]));
    assert!(all.iter().all(|status| status["mountpoint"] != "/"));
    for command in ["status", "unmount", "refresh"] {
        refusal(&mut reelfs(&ground, &[command, "everything"]), 1);
    }
    let (found, code) = told(&mut reelfs(&ground, &["find", "--text", "nothing"]));
    assert!(found.contains("none of its own") && code == Some(3), "{found}");
    assert!(!found.contains("shadow"), "{found}");
    assert!(is_mounted(&at));
    assert_eq!(mount.end_with("TERM"), Some(0));
}

#[test]
fn only_the_sockets_of_a_directory_of_ones_own_are_asked_and_removed() {
    let ground = ground_with_one_call();
    let (run, elsewhere) = (ground.dir.path().join("run"), ground.dir.path().join("elsewhere"));
    fs::create_dir(&run).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    let file = elsewhere.join("precious.sock");
    fs::write(&file, "").unwrap();
    symlink(&elsewhere, run.join("reelfs")).unwrap();
    success(&mut reelfs(&ground, &["status"]));
    assert!(file.exists());
}
