//! The commands that look after the cache.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::{attribute, cache, ground, reelfs, yesterday};
use crate::ground::{Ground, at, can_mount, days_ago, output, sh, slashed, text, wait_until};
use reelfs::sandbox::{Account, Content, NewSession, Options};

/// What a command printed, and its exit code.
fn ran(ground: &Ground, arguments: &[&str]) -> (String, Option<i32>) {
    let output = output(&mut reelfs(ground, arguments));
    (text(&output.stdout) + &text(&output.stderr), output.status.code())
}

#[test]
fn a_tree_is_fetched_ahead_and_says_whether_all_came() {
    if !can_mount() {
        return;
    }
    let ground = ground(5);
    let mount = ground.mount(&["--since", "3d"]);
    let root = mount.path("");
    let (told, code) = ran(&ground, &["warm", root.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("all cached"), "{told}");
    for file in yesterday(&mount, "recordings").iter().chain(&yesterday(&mount, "logs")) {
        assert_eq!(attribute(file, "cached").as_deref(), Some("whole"));
    }
    ground.sandbox.clear_requests();
    let (_, code) = ran(&ground, &["warm", root.to_str().unwrap()]);
    assert_eq!((code, ground.media_requests().len()), (Some(0), 0));
    let missing = root.join("no such file");
    let elsewhere = ground.dir.path().to_str().unwrap();
    let (told, code) = ran(&ground, &["warm", elsewhere]);
    assert!(code == Some(1) && told.contains("nothing of reelfs is mounted there"), "{told}");
    let (told, code) = ran(&ground, &["warm", missing.to_str().unwrap()]);
    assert!(code == Some(1) && told.contains("no such file"), "{told}");
}

#[test]
fn what_is_in_memory_is_written_again_when_it_was_let_go_on_disk() {
    if !can_mount() {
        return;
    }
    let ground = ground(3);
    let runtime = ground.dir.path().join("run");
    let mut command = ground.mount_command(&["--since", "3d"]);
    command.env("XDG_RUNTIME_DIR", &runtime);
    let mount = ground.start(command);
    let files = yesterday(&mount, "recordings");
    let warm = |arguments: &[&str]| {
        let told = output(reelfs(&ground, arguments).env("XDG_RUNTIME_DIR", &runtime));
        assert!(told.status.success(), "{told:?}");
    };
    let (one, all) = (files[0].to_str().unwrap(), mount.path("recordings"));
    warm(&["warm", all.to_str().unwrap()]);
    ground.sandbox.clear_requests();
    for arguments in [&["warm", one][..], &["warm", "--keep", one]] {
        ran(&ground, &["cache", "prune", "--to", "0"]);
        assert_eq!(attribute(&files[0], "cached").as_deref(), Some("none"));
        warm(arguments);
        assert_eq!(attribute(&files[0], "cached").as_deref(), Some("whole"));
        assert_eq!(attribute(&files[1], "cached").as_deref(), Some("none"));
    }
    assert_eq!(ground.media_requests().len(), 0, "all of it was in memory");
    let (told, _) = ran(&ground, &["cache", "verify"]);
    assert!(told.contains("0 were damaged") && told.contains("0 stray"), "{told}");
}

#[test]
fn what_is_kept_for_good_outlives_all_else() {
    if !can_mount() {
        return;
    }
    let ground = ground(5);
    let runtime = ground.dir.path().join("run");
    let with_runtime = |command: &mut std::process::Command| {
        command.env("XDG_RUNTIME_DIR", &runtime);
    };
    let mut command = ground.mount_command(&["--since", "3d"]);
    with_runtime(&mut command);
    let mount = ground.start(command);
    let files = yesterday(&mount, "recordings");
    // By a link, as those in `.find/` are.
    let link = ground.dir.path().join("link");
    symlink(&files[0], &link).unwrap();
    let mut warm = reelfs(&ground, &["warm", "--keep", link.to_str().unwrap()]);
    with_runtime(&mut warm);
    let told = output(&mut warm);
    assert!(told.status.success(), "{told:?}");
    let (told, code) = ran(&ground, &["warm", files[1].to_str().unwrap()]);
    assert_eq!(code, Some(0), "{told}");
    ran(&ground, &["cache", "prune", "--to", "0"]);
    assert_eq!(attribute(&files[0], "cached").as_deref(), Some("whole"));
    assert_eq!(attribute(&files[1], "cached").as_deref(), Some("none"));
    let (told, _) = ran(&ground, &["cache", "info"]);
    assert!(told.contains("kept for good    1"), "{told}");
}

#[test]
fn the_cache_is_told_verified_pruned_and_cleared() {
    if !can_mount() {
        return;
    }
    let ground = ground(3);
    let (told, code) = ran(&ground, &["cache", "info"]);
    assert!(code == Some(1) && told.contains("there is no cache"), "{told}");
    {
        let mount = ground.mount(&["--since", "3d"]);
        ran(&ground, &["warm", mount.path("").to_str().unwrap()]);
    }
    let (told, _) = ran(&ground, &["cache", "info"]);
    assert!(told.contains("files of blocks  6") && told.contains("in the clear"), "{told}");
    let (told, _) = ran(&ground, &["cache", "verify"]);
    assert!(told.contains("0 were damaged") && told.contains("0 stray"), "{told}");
    let blocks = walkdir::WalkDir::new(cache(&ground).join("blocks")).into_iter();
    let block = blocks.map(Result::unwrap).find(|entry| entry.file_type().is_file()).unwrap();
    fs::write(block.path(), "damage").unwrap();
    let (told, _) = ran(&ground, &["cache", "verify"]);
    assert!(!told.contains(" 0 were damaged"), "{told}");
    let (told, code) = ran(&ground, &["cache", "destroy-key"]);
    assert!(code == Some(1) && told.contains("is not sealed"), "{told}");
    ran(&ground, &["cache", "prune", "--to", "0"]);
    let (told, _) = ran(&ground, &["cache", "info"]);
    assert!(told.contains("files of blocks  0"), "{told}");
    let own = cache(&ground).join("somebody's own");
    fs::write(&own, "").unwrap();
    let mount = ground.mount(&["--since", "3d"]);
    let (told, code) = ran(&ground, &["cache", "clear"]);
    assert!(code == Some(1) && told.contains("a mount uses it: unmount that first"), "{told}");
    drop(mount);
    let (told, code) = ran(&ground, &["cache", "clear"]);
    assert!(code == Some(0) && own.exists(), "{told}");
    assert!(!cache(&ground).join("catalog.db").exists());
}

#[test]
fn a_directory_that_is_no_cache_is_left_as_it_is() {
    if !can_mount() {
        return;
    }
    let ground = ground(1);
    let own = ground.dir.path().join("own");
    fs::create_dir(&own).unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).unwrap();
    // By the name of the file that holds a cache's key.
    fs::write(own.join("key"), "of a door").unwrap();
    let is_as_it_was = || {
        assert_eq!(fs::metadata(&own).unwrap().permissions().mode() & 0o7777, 0o755);
        assert_eq!(fs::read_dir(&own).unwrap().count(), 1);
        assert_eq!(fs::read(own.join("key")).unwrap(), b"of a door");
    };
    let at = own.to_str().unwrap();
    let commands: [&[&str]; 5] =
        [&["info"], &["verify"], &["prune", "--to", "0"], &["destroy-key"], &["clear"]];
    for command in commands {
        let (told, code) = ran(&ground, &[&["cache"], command, &["--cache-dir", at]].concat());
        let (text, right) = match command {
            ["clear"] => ("there was nothing", Some(0)),
            _ => ("there is no cache", Some(1)),
        };
        assert!(code == right && told.contains(text), "{command:?}: {told}");
        is_as_it_was();
    }
    let mount = ground.mount(&["--since", "3d", "--cache-dir", at]);
    assert_eq!(attribute(&yesterday(&mount, "logs")[0], "cached").as_deref(), Some("none"));
    assert_eq!(mount.end_with("TERM"), Some(0));
    assert!(mount.log().contains("it holds other things, and no cache"), "{}", mount.log());
    is_as_it_was();
}

#[test]
fn warming_a_cache_that_takes_nothing_more_ends_and_says_so() {
    if !can_mount() || sh("id -u").trim() != "0" {
        return;
    }
    let ground = ground(3);
    let small = ground.dir.path().join("small");
    fs::create_dir(&small).unwrap();
    sh(&format!("mount -t tmpfs -o size=1m,mode=700 reelfs-test {}", small.display()));
    let warmed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let runtime = ground.dir.path().join("run");
        let mut command =
            ground.mount_command(&["--since", "3d", "--cache-dir", small.to_str().unwrap()]);
        command.env("XDG_RUNTIME_DIR", &runtime);
        let mount = ground.start(command);
        sh(&format!("dd if=/dev/zero bs=4k of={}/fill 2> /dev/null || true", small.display()));
        let told = |arguments: &[&str]| {
            let mut command = reelfs(&ground, arguments);
            let told = output(command.arg(mount.path("")).env("XDG_RUNTIME_DIR", &runtime));
            (text(&told.stdout) + &text(&told.stderr), told.status.code())
        };
        assert_eq!(yesterday(&mount, "logs").len(), 3);
        wait_until("it takes nothing more", || told(&["status"]).0.contains("nothing more until"));
        let (told, code) = told(&["warm"]);
        assert!(code == Some(1) && told.contains("make room, and mount again"), "{told}");
        assert!(told.contains("not cached") && !told.contains(" 0 not cached"), "{told}");
    }));
    sh(&format!("umount -l {}", small.display()));
    warmed.unwrap();
}

#[test]
fn what_expires_soon_and_is_not_cached_is_listed() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(3);
    // The vendor keeps logs for a month.
    for (ago, words) in [(27, "soon"), (27, "soon, too"), (2, "late")] {
        let call = NewSession::at(at(days_ago(ago), 9, 0, 0)).incoming("+15551230001");
        account.add(call.log(Content::bytes(words)));
    }
    let ground = Ground::new(Options::default(), account);
    let runtime = ground.dir.path().join("run");
    let mut command = ground.mount_command(&["--since", "40d"]);
    command.env("XDG_RUNTIME_DIR", &runtime);
    let mount = ground.start(command);
    let day = mount.path("logs").join(slashed(days_ago(27)));
    let mut files: Vec<_> = fs::read_dir(&day).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    fs::read_dir(mount.path("logs").join(slashed(days_ago(2)))).unwrap().for_each(drop);
    let (told, code) = ran(&ground, &["warm", files[0].to_str().unwrap()]);
    assert_eq!(code, Some(0), "{told}");
    // Of a directory in the mount, with its path there.
    let expiring = |path: &Path| {
        let mut command = reelfs(&ground, &["expiring", "--within", "7d"]);
        let told = output(command.arg(path).env("XDG_RUNTIME_DIR", &runtime));
        (text(&told.stdout) + &text(&told.stderr), told.status.code())
    };
    let wanted = format!("  {}\n", files[1].display());
    for path in [mount.path(""), mount.path("logs"), day] {
        let (told, code) = expiring(&path);
        assert!(code == Some(0) && told.lines().count() == 1 && told.ends_with(&wanted), "{told}");
    }
    assert!(expiring(&mount.path("recordings")).0.contains("nothing that was listed expires"));
    let (told, code) = expiring(ground.dir.path());
    assert!(code == Some(1) && told.contains("no mount of yours answers for"), "{told}");
    drop(mount);
    let (told, code) = ran(&ground, &["expiring", "--within", "7d"]);
    let name = files[1].file_name().unwrap().to_str().unwrap();
    assert!(code == Some(0) && told.lines().count() == 1 && told.contains(name), "{told}");
    let (told, _) = ran(&ground, &["expiring", "--within", "1h"]);
    assert!(told.contains("nothing"), "{told}");
}
