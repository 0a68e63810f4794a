//! What the kernel lets people do in a mount: read, and nothing else.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use walkdir::WalkDir;

use super::{ground_with_one_call, is_root, recording};
use crate::ground::{can_mount, no_answer, output, sh, text};

const ATTRIBUTE: &str = "user.reelfs.call_id";

/// What a command that has to fail says.
fn said(script: &str) -> String {
    let output = output(Command::new("bash").args(["-c", script]).env("LC_ALL", "C"));
    assert!(!output.status.success(), "it worked: {script}");
    text(&output.stderr)
}

/// The owner and the permissions of everything below, directories first.
fn access(at: &Path) -> [Vec<(u32, u32, u32)>; 2] {
    let (mut directories, mut files) = (Vec::new(), Vec::new());
    for entry in WalkDir::new(at).into_iter().map(Result::unwrap) {
        let metadata = entry.metadata().unwrap();
        let access = (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777);
        if metadata.is_dir() { directories.push(access) } else { files.push(access) }
    }
    for list in [&mut directories, &mut files] {
        list.sort_unstable();
        list.dedup();
    }
    [directories, files]
}

#[test]
fn every_attempt_to_write_is_refused_as_read_only() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let mount = ground.mount(&["--since", "2d"]);
    let file = recording(&ground.mountpoint());
    let (file, day) = (file.display(), file.parent().unwrap().display());
    for script in [
        format!("echo more >> {file}"),
        format!("echo new > {day}/new"),
        format!("exec 3<> {file}"),
        format!("mkdir {day}/new"),
        format!("mkfifo {day}/new"),
        format!("ln {file} {day}/new"),
        format!("ln -s {file} {day}/new"),
        format!("rm -f {file}"),
        format!("rmdir {day}"),
        format!("mv {file} {day}/new"),
        format!("chmod 777 {file}"),
        format!("chown 1:1 {file}"),
        format!("touch {file}"),
        format!("touch -d yesterday {file}"),
        format!("truncate -s 0 {file}"),
    ] {
        let said = said(&script);
        assert!(said.contains("Read-only file system"), "{script}: {said}");
    }
    let path = recording(&ground.mountpoint());
    for changed in [xattr::set(&path, ATTRIBUTE, b"x"), xattr::remove(&path, ATTRIBUTE)] {
        assert_eq!(changed.unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
    }
    assert!(said(&format!("cat {day}/nothing")).contains("No such file or directory"));
    assert!(said(&format!("cat {}/nothing", mount.path("").display())).contains("No such file"));
    assert!(said(&format!("cat {file}/below")).contains("Not a directory"));
    assert_eq!(fs::read(path).unwrap().len(), 1000);
}

#[test]
fn df_asks_nobody_and_waits_for_nobody() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let mount = ground.mount(&["--timeout", "1h"]);
    ground.sandbox.clear_requests();
    ground.sandbox.faults().add(no_answer());
    let at = mount.path("").display().to_string();
    let told = sh(&format!("df {at} && df -i {at} && stat -f {at}"));
    assert!(told.contains("voximplant:127.0.0.1"), "{told}");
    assert_eq!(ground.sandbox.requests().len(), 0);
}

#[test]
fn a_mount_is_its_owners_alone_unless_others_are_let_in() {
    if !can_mount() || !is_root() {
        return;
    }
    let ground = ground_with_one_call();
    sh(&format!("chmod 755 {}", ground.dir.path().display()));
    let other =
        |script: &str| format!("setpriv --reuid 65533 --regid 65533 --clear-groups {script}");
    {
        let mount = ground.mount(&["--since", "2d"]);
        assert_eq!(access(&mount.path("")), [vec![(0, 0, 0o500)], vec![(0, 0, 0o400)]]);
        let refused = said(&other(&format!("ls {}", mount.path("").display())));
        assert!(refused.contains("Permission denied"), "{refused}");
    }
    let mount = ground.mount(&["--since", "2d", "--allow-other", "--uid", "1234", "--gid", "5678"]);
    let wanted = [vec![(1234, 5678, 0o555)], vec![(1234, 5678, 0o444)]];
    assert_eq!(access(&mount.path("")), wanted);
    let file = recording(&ground.mountpoint());
    assert_eq!(sh(&other(&format!("cat {} | wc -c", file.display()))).trim(), "1000");
    let missing = fs::metadata(file.with_extension("x")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}
