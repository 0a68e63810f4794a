//! The cache on disk: what was fetched once is not fetched again, is right when it is read again, and
//! stays when the vendor deletes it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use reelfs::sandbox::{
    Account, Action, Content, Kind, NewRecord, NewSession, Options, Ranges, Rule,
};
use walkdir::WalkDir;

use crate::ground::{
    Ground, Mount, REELFS, at, can_mount, days_ago, is_object, output, sh, slashed, text,
    wait_until,
};

mod damage;
mod passthrough;
mod sealed;
mod tools;

const MIB: u64 = 1024 * 1024;
const KEY: &str = "a key for tests, long enough to be one";

/// So many calls of yesterday, each with a recording of some blocks and a log.
fn account(calls: i8) -> Account {
    let mut account = Account::empty(3);
    for n in 0..calls {
        let seed = u8::try_from(n).unwrap();
        let log = format!("planted words of call {n}\n").repeat(40);
        account.add(
            NewSession::at(at(days_ago(1), 9, n, 0))
                .incoming("+15551230001")
                .record(NewRecord::new(Content::ramp(seed, 300_000 + u64::from(seed) * 1000)))
                .log(Content::bytes(log)),
        );
    }
    account
}

fn ground(calls: i8) -> Ground {
    Ground::new(Options::default(), account(calls))
}

/// Where mounts of the ground keep their cache.
fn cache(ground: &Ground) -> PathBuf {
    ground.dir.path().join("cache/reelfs")
}

/// A command of reelfs about the ground's cache.
fn reelfs(ground: &Ground, arguments: &[&str]) -> Command {
    let mut command = Command::new(REELFS);
    command.args(arguments).env("XDG_CACHE_HOME", ground.dir.path().join("cache"));
    command
}

fn key_file(ground: &Ground, name: &str, key: &str) -> String {
    let path = ground.dir.path().join(name);
    fs::write(&path, key).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The bytes of all files of a mount but the index, by path.
fn contents(mount: &Mount) -> BTreeMap<PathBuf, Vec<u8>> {
    let root = mount.path("");
    let files = WalkDir::new(&root).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file() && is_object(entry.path()));
    let read = |entry: walkdir::DirEntry| {
        let path = entry.path().strip_prefix(&root).unwrap().to_owned();
        (path, fs::read(entry.path()).unwrap())
    };
    files.filter(|entry| !entry.path().starts_with(root.join("index"))).map(read).collect()
}

fn attribute(path: &Path, name: &str) -> Option<String> {
    let value = xattr::get(path, format!("user.reelfs.{name}")).unwrap();
    value.map(|value| String::from_utf8(value).unwrap())
}

/// Waits until all of a mount's files are in its cache.
fn wait_until_cached(mount: &Mount, files: &BTreeMap<PathBuf, Vec<u8>>) {
    for path in files.keys() {
        let path = mount.path(path);
        wait_until("all is cached", || attribute(&path, "cached").as_deref() == Some("whole"));
    }
}

fn yesterday(mount: &Mount, area: &str) -> Vec<PathBuf> {
    files_in(&mount.path(area).join(slashed(days_ago(1))))
}

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| is_object(path)).collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn after_a_remount_nothing_is_asked_again() {
    if !can_mount() {
        return;
    }
    for ranges in
        [Ranges::default(), Ranges { recordings: false, logs: false, ..Ranges::default() }]
    {
        let options = Options { ranges, ..Options::default() };
        let ground = Ground::new(options, account(8));
        let listing = format!("ls -lR --time-style=full-iso {}", ground.mountpoint().display());
        let (first, listed) = {
            let mount = ground.mount(&["--since", "3d"]);
            (contents(&mount), sh(&listing))
        };
        assert_eq!(first.len(), 16);
        ground.sandbox.clear_requests();
        let mount = ground.mount(&["--since", "3d"]);
        let at_mount = ground.sandbox.requests().len();
        // The current day's listing grows old soon; the others do not.
        let day = format!("ls -lR {}", mount.path("logs").join(slashed(days_ago(1))).display());
        sh(&day);
        assert_eq!(contents(&mount), first);
        assert_eq!(sh(&listing), listed);
        assert_eq!(ground.media_requests().len(), 0);
        let asked = ground.sandbox.requests().len() - at_mount;
        assert!(asked <= 1, "{asked} requests, where the current day alone may have aged");
    }
}

#[test]
fn what_one_mount_has_read_another_reads_without_a_request() {
    if !can_mount() {
        return;
    }
    let mut calls = account(6);
    for n in 0..6 {
        let content = Content::ramp(90 + u8::try_from(n).unwrap(), 2 * MIB);
        let call = NewSession::at(at(days_ago(2), 10, n, 0)).incoming("+15551230009");
        calls.add(call.record(NewRecord::new(content)));
    }
    let ground = Ground::new(Options::default(), calls);
    let first = ground.mount(&["--since", "3d"]);
    let beside = {
        let mut command = Command::new(REELFS);
        let at = ground.dir.path().join("beside");
        fs::create_dir(&at).unwrap();
        command.args(["mount", "voximplant"]).arg(&at).arg("--credentials");
        command.arg(ground.credentials()).args(["--api-url", ground.sandbox.base_url()]);
        command.env("XDG_CACHE_HOME", ground.dir.path().join("cache")).args(["--since", "3d"]);
        ground.start_at(command, at)
    };
    // Both know the names before either reads, so that nothing but the store tells sizes.
    let (files, others) = (yesterday(&first, "recordings"), yesterday(&beside, "recordings"));
    assert_eq!((files.len(), others.len()), (6, 6));
    let read = |files: &[PathBuf]| files.iter().map(|f| fs::read(f).unwrap()).collect::<Vec<_>>();
    let all = read(&files);
    for file in &files {
        wait_until("all is cached", || attribute(file, "cached").as_deref() == Some("whole"));
    }
    ground.sandbox.clear_requests();
    assert_eq!(read(&others), all);
    assert_eq!(ground.media_requests().len(), 0);
    // At the same time, over each other's blocks, what neither has read: every byte is right.
    let both = std::thread::scope(|scope| {
        let readers = [&first, &beside].map(|mount| {
            let directory = mount.path("recordings").join(slashed(days_ago(2)));
            scope.spawn(move || sh(&format!("cd {} && sha256sum *.mp3", directory.display())))
        });
        readers.map(|reader| reader.join().unwrap())
    });
    assert_eq!(both[0], both[1]);
    let hashes: HashSet<_> = both[0].lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(hashes.len(), 6);
    for (n, file) in
        files_in(&beside.path("recordings").join(slashed(days_ago(2)))).iter().enumerate()
    {
        let bytes = fs::read(file).unwrap();
        assert!((0..bytes.len()).all(|at| usize::from(bytes[at]) == (90 + n + at) % 251), "{n}");
    }
}

#[test]
fn without_the_vendor_what_is_known_and_cached_goes_on() {
    if !can_mount() {
        return;
    }
    let ground = ground(4);
    let kept = {
        let mount = ground.mount(&["--since", "3d"]);
        let [read, rest @ ..] = &yesterday(&mount, "recordings")[..] else { panic!("no files") };
        assert_eq!(rest.len(), 3);
        (read.clone(), fs::read(read).unwrap())
    };
    ground.sandbox.set_online(false);
    for more in [&["--since", "3d", "--offline"][..], &["--since", "3d", "--timeout", "2s"]] {
        ground.sandbox.clear_requests();
        let mount = ground.mount(more);
        assert_eq!(fs::read(&kept.0).unwrap(), kept.1);
        let files = yesterday(&mount, "recordings");
        assert_eq!(files.len(), 4);
        let refused = fs::read(&files[1]).unwrap_err();
        // A server that goes away refuses connections, or breaks them.
        let is_away = matches!(refused.raw_os_error(), Some(libc::EHOSTUNREACH | libc::EIO));
        assert!(is_away, "{refused}");
    }
    // An account of which nothing is known still says why it cannot be mounted.
    fs::remove_dir_all(cache(&ground)).unwrap();
    let refused =
        output(ground.mount_command(&["-f", "--timeout", "2s"]).stdin(std::process::Stdio::null()));
    assert!(text(&refused.stderr).contains("the API at"), "{}", text(&refused.stderr));
    // Back on line, a mount that began without the vendor lists what it does not know.
    ground.sandbox.set_online(true);
    let mount = ground.mount(&["--since", "3d"]);
    assert_eq!(contents(&mount).len(), 8);
}

#[test]
fn what_the_vendor_drops_stays_while_it_is_cached() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(3);
    for n in 0..3 {
        // Longer than what learning a size brings along.
        let call = NewSession::at(at(days_ago(1), 9, n, 0)).incoming("+15551230001");
        account.add(call.log(Content::ramp(u8::try_from(n).unwrap(), 400_000)));
    }
    let ground = Ground::new(Options::default(), account);
    let (kept, dropped) = {
        let mount = ground.mount(&["--since", "3d"]);
        let logs = yesterday(&mount, "logs");
        let kept = (logs[0].clone(), fs::read(&logs[0]).unwrap());
        wait_until("it is cached", || attribute(&kept.0, "cached").as_deref() == Some("whole"));
        assert_eq!(attribute(&kept.0, "state").as_deref(), Some("ready"));
        (kept, logs[1].clone())
    };
    let account = ground.sandbox.account();
    let sessions: Vec<u64> = account.sessions().iter().map(|session| session.id).collect();
    ground.sandbox.change(|account| {
        for session in sessions {
            account.expire_log(session);
        }
    });
    for _ in 0..2 {
        let mount = ground.mount(&["--since", "3d"]);
        refresh(&mount);
        wait_until("the listing is new", || !yesterday(&mount, "logs").contains(&dropped));
        assert_eq!(yesterday(&mount, "logs"), std::slice::from_ref(&kept.0));
        assert_eq!(fs::read(&kept.0).unwrap(), kept.1);
        assert_eq!(attribute(&kept.0, "state").as_deref(), Some("gone"));
        let index = fs::read_to_string(
            mount.path("index").join(slashed(days_ago(1))).with_extension("jsonl"),
        );
        assert_eq!(index.unwrap().matches("logs/").count(), 1);
    }
    let mount = ground.mount(&["--since", "3d", "--keep-gone=false"]);
    refresh(&mount);
    wait_until("the listing is new", || yesterday(&mount, "logs").is_empty());
}

/// Has what is recent listed again.
fn refresh(mount: &Mount) {
    yesterday(mount, "logs");
    crate::ground::send_signal(mount.pid(), "HUP");
}

#[test]
fn the_cache_keeps_to_its_size_also_with_files_open() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(3);
    for n in 0..12 {
        let content = Content::ramp(u8::try_from(n).unwrap(), 2 * MIB + 5);
        let call = NewSession::at(at(days_ago(1), 9, n, 0)).incoming("+15551230001");
        account.add(call.record(NewRecord::new(content)));
    }
    let ground = Ground::new(Options::default(), account);
    let mount = ground.mount(&["--cache-size", "8MiB", "--memory", "16MiB"]);
    let files = yesterday(&mount, "recordings");
    let mut open: Vec<_> = files.iter().map(|file| fs::File::open(file).unwrap()).collect();
    for file in &mut open {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, 2 * MIB + 5);
        let used: u64 =
            sh(&format!("du -sB1 {} | cut -f1", cache(&ground).display())).trim().parse().unwrap();
        // Directories and a catalogue that is being written come on top.
        assert!(used <= 9 * MIB, "{used} bytes on disk");
    }
    for (n, file) in open.iter().enumerate() {
        let mut byte = [0];
        file.read_exact_at(&mut byte, 2 * MIB).unwrap();
        assert_eq!(u64::from(byte[0]), (n as u64 + 2 * MIB) % 251);
    }
}

#[test]
fn a_full_disk_harms_no_read() {
    if !can_mount() || sh("id -u").trim() != "0" {
        return;
    }
    let ground = ground(12);
    let small = ground.dir.path().join("small");
    fs::create_dir(&small).unwrap();
    sh(&format!("mount -t tmpfs -o size=1536k reelfs-test {}", small.display()));
    let directory = small.join("cache");
    let more = ["--since", "3d", "--cache-dir", directory.to_str().unwrap()];
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mount = ground.mount(&more);
        let first = contents(&mount);
        assert_eq!(first.len(), 24);
        // Nothing at all can be written now.
        let _ = output(
            Command::new("dd")
                .args(["if=/dev/zero", "bs=64k"])
                .arg(format!("of={}/fill", small.display())),
        );
        sh("echo 3 > /proc/sys/vm/drop_caches || true");
        assert_eq!(contents(&mount), first);
    }));
    sh(&format!("umount -l {}", small.display()));
    read.unwrap();
}

#[test]
fn a_directory_that_cannot_be_used_is_told_and_does_without() {
    if !can_mount() {
        return;
    }
    let ground = ground(1);
    let file = ground.dir.path().join("a file");
    fs::write(&file, "").unwrap();
    let mount = ground.mount(&["--since", "3d", "--cache-dir", file.to_str().unwrap()]);
    assert_eq!(contents(&mount).len(), 2);
    assert_eq!(attribute(&yesterday(&mount, "logs")[0], "cached").as_deref(), Some("none"));
    // A mount can be seen before its daemon has written its warnings, but not ended before.
    assert_eq!(mount.end_with("TERM"), Some(0));
    assert!(mount.log().contains("warning: nothing is kept on disk: "), "{}", mount.log());
    drop(mount);
    let mount = ground.mount(&["--cache-size", "0"]);
    assert_eq!(mount.end_with("TERM"), Some(0));
    assert_eq!(mount.log().matches("warning").count(), 1, "{}", mount.log());
    assert!(!cache(&ground).exists());
}

#[test]
fn an_object_that_changed_is_not_glued_to_what_was_kept() {
    if !can_mount() {
        return;
    }
    let ground = ground(1);
    let path = {
        let mount = ground.mount(&[]);
        let path = yesterday(&mount, "recordings")[0].clone();
        let mut block = vec![0; 4096];
        fs::File::open(&path).unwrap().read_exact_at(&mut block, 0).unwrap();
        wait_until("a block is cached", || attribute(&path, "cached").as_deref() == Some("part"));
        path
    };
    ground.sandbox.change(|account| {
        let files = account.files();
        let recording = files.iter().find(|file| file.kind == Kind::Recording);
        let name = recording.unwrap().target.clone();
        account.file_mut(&name).unwrap().content = Content::ramp(200, 300_000);
    });
    let mount = ground.mount(&[]);
    // The first look at what is missing shows the change; the next open has the new version whole.
    let bytes = (0..3).find_map(|_| fs::read(&path).ok()).expect("it can be read again");
    let whole: Vec<u8> = (200_u64..300_200).map(|n| u8::try_from(n % 251).unwrap()).collect();
    assert!(bytes == whole, "bytes of two versions");
    assert_eq!(fs::metadata(&path).unwrap().len(), 300_000);
    drop(mount);
}

#[test]
fn a_fault_leaves_only_right_blocks() {
    if !can_mount() {
        return;
    }
    let ground = ground(4);
    ground.sandbox.faults().add(Rule::new(Action::Reset { after: 100_000 }).one_in(3));
    let first = {
        let mount = ground.mount(&["--since", "3d"]);
        contents(&mount)
    };
    ground.sandbox.faults().clear();
    let mount = ground.mount(&["--since", "3d"]);
    assert_eq!(contents(&mount), first);
    for (path, bytes) in first {
        if let Some(seed) = bytes.first().filter(|_| path.starts_with("recordings")) {
            let right =
                (0..bytes.len()).all(|n| usize::from(bytes[n]) == (usize::from(*seed) + n) % 251);
            assert!(right, "{path:?}");
        }
    }
}
