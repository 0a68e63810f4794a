//! Mounts that do not answer: their daemon was killed, or hangs. Whoever asks about them is told, with
//! what mends it, and never waits for them.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use serde_json::Value;

use super::{AtEnd, ground_with_one_call, recording, refusal, success, unmounted};
use crate::ground::{
    Ground, Mount, REELFS, can_mount, is_mounted, output, send_signal, text, wait_until,
};

/// `reelfs`, with sockets of its own. Root sees the mounts of other tests, too.
pub(super) fn reelfs(ground: &Ground, arguments: &[&str]) -> Command {
    let mut command = Command::new(REELFS);
    command.args(arguments).env("XDG_RUNTIME_DIR", ground.dir.path().join("run"));
    command
}

pub(super) fn mount(ground: &Ground) -> Mount {
    let mut command = ground.mount_command(&[]);
    command.env("XDG_RUNTIME_DIR", ground.dir.path().join("run"));
    ground.start(command)
}

/// What it prints on both, and its exit code.
pub(super) fn told(command: &mut Command) -> (String, Option<i32>) {
    let output = output(command);
    (text(&output.stdout) + &text(&output.stderr), output.status.code())
}

fn sockets(ground: &Ground) -> Vec<PathBuf> {
    let run = fs::read_dir(ground.dir.path().join("run/reelfs")).unwrap();
    run.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_dead_mount_is_named_with_what_mends_it_and_leaves_no_socket() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let at = ground.mountpoint();
    let (place, mend) = (at.display(), format!("reelfs unmount {}\n", at.display()));
    let _end = AtEnd(at.clone());
    let mount = mount(&ground);
    let open = File::open(recording(&at)).unwrap();
    assert_eq!(sockets(&ground).len(), 1);
    assert_eq!(mount.end_with("KILL"), None);
    wait_until("the mount is dead", || fs::read_dir(&at).is_err());

    let (status, code) = told(&mut reelfs(&ground, &["status"]));
    let lines = format!("{place} is dead: its daemon is gone\n  mend it   {mend}");
    assert!(status.contains(&lines) && code == Some(0), "{status}");
    assert!(sockets(&ground).is_empty(), "nobody listens there");
    let all = success(&mut reelfs(&ground, &["status", "--json"]));
    let all: Value = serde_json::from_str(&all).unwrap();
    let is_it = |mount: &&Value| mount["mountpoint"] == at.to_str().unwrap();
    assert_eq!(all.as_array().unwrap().iter().find(is_it).unwrap()["state"], "dead");

    let error = format!("error: {place} is dead: its daemon is gone\nhint: {mend}");
    let below = at.join("logs");
    for path in [&at, &below] {
        let path = path.to_str().unwrap();
        for command in [&["status"][..], &["refresh"], &["find", "--text", "word"], &["doctor"]] {
            let told = refusal(&mut reelfs(&ground, &[command, &[path]].concat()), 1);
            assert_eq!(told, error, "{command:?}");
        }
    }
    let (found, code) = told(&mut reelfs(&ground, &["find", "--text", "word"]));
    assert!(found.contains(&error) && code == Some(3), "{found}");
    let (looked_at, code) = told(reelfs(&ground, &["doctor"]).env("HOME", ground.dir.path()));
    let line = format!("FAIL  mount: {place} is dead: its daemon is gone\n        -> {mend}");
    assert!(looked_at.contains(&line) && code == Some(1), "{looked_at}");

    success(&mut reelfs(&ground, &["unmount", at.to_str().unwrap()]));
    assert!(!is_mounted(&at), "a file that is open keeps it");
    drop(open);
    assert!(!told(&mut reelfs(&ground, &["status"])).0.contains(&lines));
}

#[test]
fn a_mount_that_hangs_is_named_and_keeps_nobody_waiting() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let at = ground.mountpoint();
    let mount = mount(&ground);
    send_signal(mount.pid(), "STOP");
    let (status, code) = told(&mut reelfs(&ground, &["status"]));
    let told = refusal(&mut reelfs(&ground, &["status", at.to_str().unwrap()]), 1);
    // Nobody has looked at that yet: it is in nobody's memory.
    let deep = at.join("logs/2020/01");
    let deep = deep.to_str().unwrap();
    let mut again = ground.mount_command(&[]);
    let refused: Vec<String> = thread::scope(|scope| {
        let words = [
            &["refresh", deep][..],
            &["expiring", deep],
            &["warm", deep],
            // By a word that could be a profile's name.
            &["find", "--app", "support", "calls"],
            &["doctor", "calls"],
            &["unmount", deep],
        ];
        let commands = words.map(|words| {
            let mut command = reelfs(&ground, words);
            command.current_dir(ground.dir.path());
            command
        });
        let asked: Vec<_> = commands
            .into_iter()
            .map(|mut command| scope.spawn(move || self::told(&mut command).0))
            .collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    let (mounted_again, refusal_code) = self::told(&mut again);
    unmounted(&mut reelfs(&ground, &["unmount", "--lazy", at.to_str().unwrap()]));
    send_signal(mount.pid(), "CONT");
    assert_eq!(mount.wait(), Some(0), "{}", mount.log());
    let place = at.display();
    let mend = format!("reelfs unmount --lazy {place}\n");
    let lines = format!("{place} does not answer\n  mend it   {mend}");
    assert!(status.contains(&lines) && code == Some(0), "{status}");
    let error = format!("error: {place} does not answer\nhint: {mend}");
    assert_eq!(told, error);
    assert!(mounted_again.contains(&error) && refusal_code == Some(1), "{mounted_again}");
    for told in &refused[..5] {
        assert!(told.contains(&error), "{told}");
    }
    assert!(refused[5].contains("is not mounted at"), "{}", refused[5]);
}
