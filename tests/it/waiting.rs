//! Nothing hangs: with a server that says nothing, what needs no server is answered, and who is
//! killed goes away. The mounts' deadlines are longer than these tests wait, so that it is never a
//! deadline that ends a wait.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reelfs::cache::Cache;
use reelfs::catalog::{Catalog, Settings};
use reelfs::fs::{Fs, Policy};
use reelfs::fuse::MountSettings;
use reelfs::reader::Readers;
use reelfs::sandbox::{
    Account, Action, Content, Kind, NewRecord, NewSession, Options, Rule, Target,
};
use reelfs::source::{Provider, RangeAnswer, RangeRequest, RangeSource};
use reelfs::types::{
    Area, Content as Stored, Entry, Facts, Failure, Link, NameParts, Object, ObjectId, Validator,
    Window,
};

use crate::ground::{
    Ground, Mount, at, can_mount, days_ago, is_mounted, is_object, no_answer, slashed, wait_until,
};

const SIZE: u64 = 2 * 1024 * 1024;

fn ground(calls: i8) -> Ground {
    let mut account = Account::empty(5);
    for day in [1, 3] {
        for minute in 0..calls {
            let call = NewSession::at(at(days_ago(day), 9, minute, 0)).incoming("+15551230001");
            account.add(call.record(NewRecord::new(Content::ramp(7, SIZE))));
        }
    }
    Ground::new(Options::default(), account)
}

fn recordings(mount: &Mount) -> Vec<PathBuf> {
    let day = mount.path("recordings").join(slashed(days_ago(1)));
    let mut paths: Vec<_> = fs::read_dir(day).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| is_object(path));
    paths.sort();
    paths
}

fn reader(path: &Path) -> Child {
    let mut command = Command::new("cat");
    command.arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Lets the server stall in every recording, and in every listing from here on.
fn stall(ground: &Ground) {
    let faults = ground.sandbox.faults();
    faults.add(Rule::new(Action::Stall { after: 10 }).on_file(Kind::Recording));
    faults.add(Rule::new(Action::Delay { millis: 600_000 }).on_api("GetCallHistory"));
}

/// How many listings the server was asked for.
fn listings(ground: &Ground) -> usize {
    let history = Target::Api("GetCallHistory".to_owned());
    ground.sandbox.requests().iter().filter(|request| request.target == history).count()
}

#[test]
fn a_reader_that_is_killed_goes_away_while_its_server_stalls() {
    if !can_mount() {
        return;
    }
    let ground = ground(1);
    let mount = ground.mount(&["--timeout", "120s"]);
    let path = recordings(&mount).remove(0);
    let open = File::open(&path).unwrap();
    ground.sandbox.clear_requests();
    stall(&ground);
    let mut reader = reader(&path);
    wait_until("the server is asked", || !ground.media_requests().is_empty());
    reader.kill().unwrap();
    wait_until("the reader is gone", || reader.try_wait().unwrap().is_some());
    drop(open);
    assert!(fs::metadata(&path).is_ok());
}

/// All of these wait in the kernel for an answer, where a signal alone ends nobody.
#[test]
fn who_is_killed_or_interrupted_in_the_middle_of_a_call_goes_away() {
    if !can_mount() {
        return;
    }
    let ground = ground(3);
    // The audit has each read of a program come here.
    let audit = ground.dir.path().join("audit.jsonl");
    let mount = ground.mount(&["--timeout", "600s", "--audit", audit.to_str().unwrap()]);
    let paths = recordings(&mount);
    let open = File::open(&paths[0]).unwrap();
    ground.sandbox.clear_requests();
    ground.sandbox.faults().add(no_answer());
    let unlisted = mount.path("recordings").join(slashed(days_ago(3)));
    let call = |program: &str, path: &Path| {
        let mut command = Command::new(program);
        command.arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let mut waiting = [
        (call("cat", &paths[0]), Signal::SIGKILL),
        (call("stat", &paths[1]), Signal::SIGKILL),
        (call("cat", &paths[2]), Signal::SIGINT),
        (call("ls", &unlisted), Signal::SIGTERM),
    ];
    wait_until("the server is asked", || {
        ground.media_requests().len() >= 3 && listings(&ground) == 1
    });
    assert!(waiting.iter_mut().all(|(child, _)| child.try_wait().unwrap().is_none()));
    for (child, signal) in &waiting {
        kill(Pid::from_raw(child.id().cast_signed()), *signal).unwrap();
    }
    for (child, signal) in &mut waiting {
        wait_until("it is gone", || child.try_wait().unwrap().is_some());
        assert_eq!(child.wait().unwrap().signal(), Some(*signal as i32));
    }
    drop(open);
    ground.sandbox.faults().clear();
    for path in &paths {
        assert_eq!(fs::read(path).unwrap().len() as u64, SIZE);
    }
}

#[test]
fn what_is_known_and_the_end_of_a_mount_wait_for_no_server() {
    if !can_mount() {
        return;
    }
    let ground = ground(20);
    // So many that all readers reach the server.
    let mount = ground.mount(&["--timeout", "120s", "--connections", "200"]);
    let paths = recordings(&mount);
    let known = fs::metadata(&paths[0]).unwrap().len();
    ground.sandbox.clear_requests();
    stall(&ground);
    let mut readers: Vec<Child> = paths.iter().map(|path| reader(path)).collect();
    let unlisted = mount.path("recordings").join(slashed(days_ago(3)));
    let mut lister = Command::new("ls").arg(&unlisted).stdout(Stdio::null()).spawn().unwrap();
    wait_until("all of them wait", || {
        listings(&ground) == 1 && ground.media_requests().len() >= 20
    });

    assert_eq!(known, SIZE);
    assert_eq!(fs::metadata(&paths[0]).unwrap().len(), SIZE, "of a file that is known");
    assert_eq!(recordings(&mount), paths, "a day that is known");
    assert_eq!(fs::read_dir(mount.path("")).unwrap().count(), 4);
    assert!(nix::sys::statfs::statfs(&mount.path("")).is_ok());
    assert!(readers.iter_mut().all(|reader| reader.try_wait().unwrap().is_none()), "all wait on");

    assert_eq!(mount.end_with("TERM"), Some(0));
    wait_until("nothing is mounted", || !is_mounted(&mount.path("")));
    for child in readers.iter_mut().chain([&mut lister]) {
        wait_until("they are told", || child.try_wait().unwrap().is_some());
    }
}

#[test]
fn a_listing_waits_for_no_transfers_that_hang() {
    if !can_mount() {
        return;
    }
    let ground = ground(20);
    let mount = ground.mount(&["--timeout", "120s", "--connections", "4"]);
    let paths = recordings(&mount);
    let faults = ground.sandbox.faults();
    faults.add(Rule::new(Action::Stall { after: 10 }).on_file(Kind::Recording));
    let mut readers: Vec<Child> = paths.iter().map(|path| reader(path)).collect();
    // Four, and the one that is a reader's alone: more wait at the gate.
    wait_until("all connections hang", || ground.media_requests().len() >= 5);
    let unlisted = mount.path("recordings").join(slashed(days_ago(3)));
    let listed = fs::read_dir(unlisted).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(listed.filter(|path| is_object(path)).count(), 20);
    assert!(readers.iter_mut().all(|reader| reader.try_wait().unwrap().is_none()), "all wait on");
    // They wait for as long as a read may take, unless the mount ends.
    assert_eq!(mount.end_with("TERM"), Some(0));
    for reader in &mut readers {
        wait_until("the reader is told", || reader.try_wait().unwrap().is_some());
    }
}

/// One day with two objects, `good` and `bad`.
struct Two;

impl Provider for Two {
    fn list(&self, _: Window) -> BoxFuture<'_, Result<Vec<Entry>, Failure>> {
        let object = |name: &str| Object {
            id: ObjectId::new(name),
            area: Area::Recordings,
            name: NameParts {
                fields: Vec::new(),
                id: name.to_owned(),
                extension: "mp3".to_owned(),
            },
            content: Stored::Remote {
                link: Link::parse(&format!("http://127.0.0.1:1/{name}")).unwrap(),
                claimed_size: None,
            },
            modified: 0,
            attributes: Facts::default(),
            is_gone: false,
        };
        let entry = Entry {
            id: "1".to_owned(),
            day: days_ago(1),
            start: at(days_ago(1), 9, 0, 0).as_second(),
            facts: "{}".into(),
            objects: vec![object("good"), object("bad")],
        };
        async { Ok(vec![entry]) }.boxed()
    }

    fn most_days(&self) -> u32 {
        1
    }
}

/// Serves `hello`, and panics for `bad` while it is told to.
struct Panics(Arc<AtomicBool>);

impl RangeSource for Panics {
    fn open(&self, request: RangeRequest) -> BoxFuture<'static, Result<RangeAnswer, Failure>> {
        let fails = request.link.url().path() == "/bad" && self.0.load(Ordering::Relaxed);
        async move {
            assert!(!fails, "as the test demands");
            let body = futures_util::stream::iter([Ok(Bytes::from_static(b"hello"))]);
            Ok(RangeAnswer {
                offset: 0,
                end: Some(5),
                total: Some(5),
                validator: Validator::default(),
                content_type: None,
                body: Box::pin(body),
            })
        }
        .boxed()
    }
}

#[test]
fn a_panic_fails_one_request_and_the_mount_lives_on() {
    if !can_mount() {
        return;
    }
    let dir = tempfile::Builder::new().prefix("reelfs-test-").tempdir().unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.unwrap();
    let fails = Arc::new(AtomicBool::new(true));
    let (first, last) = (days_ago(1), Some(days_ago(1)));
    let settings = Settings { first, last, store: None, keep_gone: false };
    let catalog = Catalog::new(Arc::new(Two), settings);
    let cache = Cache::new(Arc::new(Panics(Arc::clone(&fails))), 1 << 24, None);
    let policy = Policy {
        uid: nix::unistd::getuid().as_raw(),
        gid: nix::unistd::getgid().as_raw(),
        others_may_read: false,
        timeout: Duration::from_secs(60),
    };
    let (fs, notices) = Fs::new(catalog, cache, Readers::new(1 << 24, 4), policy);
    let settings = MountSettings {
        mountpoint: dir.path().canonicalize().unwrap(),
        source: "test".to_owned(),
        allow_other: false,
    };
    let mount =
        reelfs::fuse::Mount::new(Arc::new(fs), notices, &settings, runtime.handle().clone());
    let mount = mount.unwrap();
    let day = dir.path().join("recordings").join(slashed(days_ago(1)));
    let error = fs::read(day.join("bad.mp3")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EIO));
    assert_eq!(fs::read(day.join("good.mp3")).unwrap(), b"hello");
    fails.store(false, Ordering::Relaxed);
    assert_eq!(fs::read(day.join("bad.mp3")).unwrap(), b"hello");
    drop(mount);
    wait_until("nothing is mounted", || !is_mounted(dir.path()));
}
