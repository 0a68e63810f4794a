//! Reading: any offset and length, many readers, each kind of server, never a wrong byte.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reelfs::sandbox::{
    Account, Action, Content, Kind, NewRecord, NewSession, Options, Ranges, Rule,
};

use crate::ground::{
    Ground, Mount, at, can_mount, days_ago, is_object, no_answer, sh, slashed, wait_until,
};

const MIB: u64 = 1024 * 1024;

/// One recording and one log: byte n is (seed + n) mod 251, so that a shifted block shows.
fn ground(options: Options, recording: u64, log: u64) -> Ground {
    let mut account = Account::empty(5);
    account.add(
        NewSession::at(at(days_ago(1), 9, 0, 0))
            .incoming("+15551230001")
            .record(NewRecord::new(Content::ramp(7, recording)))
            .log(Content::ramp(3, log)),
    );
    Ground::new(options, account)
}

fn only_file(mount: &Mount, area: &str) -> PathBuf {
    let directory = mount.path(area).join(slashed(days_ago(1)));
    let mut paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.find(|path| is_object(path)).unwrap()
}

fn ramp(seed: u64, len: u64) -> Vec<u8> {
    (seed..seed + len).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

#[test]
fn random_reads_equal_the_object() {
    if !can_mount() {
        return;
    }
    let size = 3 * MIB + 12_345;
    // So little memory that blocks are evicted and fetched again all the time.
    let ground = ground(Options::default(), size, 1000);
    let mount = ground.mount(&["--memory", "16MiB"]);
    let file = File::open(only_file(&mount, "recordings")).unwrap();
    let whole = ramp(7, size);
    let mut runner =
        TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let reads = (0..size + 1000, 0_usize..600_000);
    runner
        .run(&reads, |(offset, len)| {
            let mut bytes = vec![0xEE; len];
            let read = file.read_at(&mut bytes, offset).unwrap();
            let start = usize::try_from(offset).unwrap().min(whole.len());
            let end = (start + len).min(whole.len());
            prop_assert!(read <= end - start, "{read} bytes at {offset} of {len}");
            prop_assert!(read > 0 || start == end);
            prop_assert!(bytes[..read] == whole[start..start + read], "wrong bytes at {offset}");
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_mapped_file_shows_the_same_bytes() {
    if !can_mount() {
        return;
    }
    let ground = ground(Options::default(), 2 * MIB + 77, 1000);
    let mount = ground.mount(&[]);
    let path = only_file(&mount, "recordings");
    let script = format!(
        "import mmap\nf=open('{}','rb')\nm=mmap.mmap(f.fileno(),0,prot=mmap.PROT_READ)\n\
         n=len(m)\nassert n=={},n\n\
         assert all(m[i]==(7+i)%251 for i in list(range(n-1,0,-4099))+[0,n-1])",
        path.display(),
        2 * MIB + 77
    );
    sh(&format!("python3 -c \"{script}\""));
}

#[test]
fn many_readers_at_once_fetch_each_block_once() {
    if !can_mount() {
        return;
    }
    let size = 5 * MIB + 1;
    let ground = ground(Options::default(), size, 1000);
    let mount = ground.mount(&[]);
    let path = only_file(&mount, "recordings");
    let whole = ramp(7, size);
    let barrier = Barrier::new(32);
    thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                barrier.wait();
                assert!(fs::read(&path).unwrap() == whole);
            });
        }
    });
    let sent: u64 = ground.media_requests().iter().map(|request| request.sent).sum();
    assert_eq!(sent, size, "bytes moved");
}

#[test]
fn a_recording_costs_two_requests_and_none_the_second_time() {
    if !can_mount() {
        return;
    }
    let ground = ground(Options::default(), 1_200_000, 5_000);
    let mount = ground.mount(&[]);
    let path = only_file(&mount, "recordings");
    assert!(fs::read(&path).unwrap() == ramp(7, 1_200_000));
    let requests = ground.media_requests();
    assert!(requests.len() <= 2, "{requests:#?}");
    assert_eq!(requests.iter().map(|request| request.sent).sum::<u64>(), 1_200_000);
    assert!(fs::read(&path).unwrap() == ramp(7, 1_200_000));
    assert_eq!(ground.media_requests().len(), requests.len());
}

#[test]
fn a_small_file_comes_whole_with_the_request_that_learns_its_size() {
    if !can_mount() {
        return;
    }
    let ground = ground(Options::default(), 1_000, 5_000);
    let mount = ground.mount(&[]);
    let path = only_file(&mount, "logs");
    assert_eq!(fs::metadata(&path).unwrap().len(), 5_000);
    assert!(fs::read(&path).unwrap() == ramp(3, 5_000));
    assert_eq!(ground.media_requests().len(), 1);
}

/// Servers that do not honour `Range`, or do not even say how much they send.
#[test]
fn a_server_without_ranges_is_read_on_and_not_started_again() {
    if !can_mount() {
        return;
    }
    for send_length in [true, false] {
        let options = Options { ranges: Ranges::NONE, send_length, ..Options::default() };
        let size = 3 * MIB + 5;
        let ground = ground(options, size, 1000);
        let mount = ground.mount(&[]);
        let path = only_file(&mount, "recordings");
        let mut file = File::open(&path).unwrap();
        file.seek(SeekFrom::Start(2 * MIB)).unwrap();
        let mut tail = Vec::new();
        file.read_to_end(&mut tail).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), size);
        let whole = ramp(7, size);
        assert!(whole.ends_with(&tail) && tail.len() as u64 == size - 2 * MIB);
        assert!(fs::read(&path).unwrap() == whole);
        assert_eq!(ground.media_requests().len(), 1, "send_length: {send_length}");
    }
}

#[test]
fn a_file_larger_than_the_memory_is_read_from_a_server_without_ranges() {
    if !can_mount() {
        return;
    }
    let size = 40 * MIB + 5;
    let options = Options { ranges: Ranges::NONE, ..Options::default() };
    let ground = ground(options, size, 1000);
    let mount = ground.mount(&["--memory", "16MiB"]);
    assert!(fs::read(only_file(&mount, "recordings")).unwrap() == ramp(7, size));
    assert_eq!(ground.media_requests().len(), 1);
}

#[test]
fn the_end_of_a_file_that_was_evicted_is_read_again_from_a_server_without_ranges() {
    if !can_mount() {
        return;
    }
    for send_length in [true, false] {
        let size = 20 * MIB + 5;
        let options = Options { ranges: Ranges::NONE, send_length, ..Options::default() };
        let ground = ground(options, size, 1000);
        let mount = ground.mount(&["--memory", "16MiB"]);
        let whole = ramp(7, size);
        let path = only_file(&mount, "recordings");
        assert!(fs::read(&path).unwrap() == whole);
        for offset in [0, size - 100, 3 * MIB] {
            sh("echo 1 > /proc/sys/vm/drop_caches || true");
            let mut bytes = [0; 100];
            File::open(&path).unwrap().read_exact_at(&mut bytes, offset).unwrap();
            let start = usize::try_from(offset).unwrap();
            assert_eq!(bytes[..], whole[start..start + 100], "{offset} {send_length}");
        }
    }
}

#[test]
fn an_empty_recording_is_an_empty_file() {
    if !can_mount() {
        return;
    }
    for ranges in [Ranges::default(), Ranges::NONE] {
        let ground = ground(Options { ranges, ..Options::default() }, 0, 0);
        let mount = ground.mount(&[]);
        for area in ["recordings", "logs"] {
            let path = only_file(&mount, area);
            assert_eq!(fs::metadata(&path).unwrap().len(), 0);
            assert_eq!(fs::read(&path).unwrap(), b"");
        }
    }
}

/// A body that breaks off is resumed where it stopped; whatever the server does once, the reader
/// gets the right bytes.
#[test]
fn a_fault_that_passes_reaches_no_reader() {
    if !can_mount() {
        return;
    }
    let status = |code| Action::Status { code, body: String::new(), retry_after: None };
    let faults = [
        Action::Reset { after: 100_000 },
        Action::Short { after: 50_001 },
        Action::WholeBody,
        status(401),
        status(500),
        status(503),
        Action::WrongRange { by: 10 },
    ];
    for action in faults {
        let ground = ground(Options::default(), 2 * MIB + 3, 1000);
        let mount = ground.mount(&[]);
        let path = only_file(&mount, "recordings");
        fs::metadata(&path).unwrap();
        ground.sandbox.faults().add(Rule::new(action.clone()).on_file(Kind::Recording).times(1));
        assert!(fs::read(&path).unwrap() == ramp(7, 2 * MIB + 3), "{action:?}");
    }
}

/// A fault that stays is an error within the deadline, and never other bytes; afterwards the mount
/// is as good as ever.
#[test]
fn a_fault_that_stays_is_an_error_and_the_mount_lives_on() {
    if !can_mount() {
        return;
    }
    let status = |code| Action::Status { code, body: String::new(), retry_after: None };
    let ground = ground(Options::default(), 2 * MIB + 3, 1000);
    let fails = |mount: &Mount, rule: Rule, errno| {
        let shown = format!("{rule:?}");
        ground.sandbox.faults().add(rule.on_file(Kind::Recording));
        let error = fs::metadata(only_file(mount, "recordings")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(errno), "{shown}");
        ground.sandbox.faults().clear();
    };
    {
        let mount = ground.mount(&["--timeout", "10m"]);
        for (action, errno) in [
            (status(401), libc::EACCES),
            (status(403), libc::EACCES),
            (status(404), libc::ENOENT),
            (status(410), libc::ENOENT),
            (Action::Html, libc::EACCES),
            (Action::ErrorObject { code: 260 }, libc::EACCES),
            (Action::ClaimGzip, libc::EIO),
        ] {
            fails(&mount, Rule::new(action), errno);
        }
    }
    let mount = ground.mount(&["--timeout", "5s"]);
    fails(&mount, Rule::new(status(500)), libc::EIO);
    fails(&mount, no_answer(), libc::ETIMEDOUT);
    let path = only_file(&mount, "recordings");
    // A timeout is remembered for a moment.
    wait_until("the file is well again", || fs::metadata(&path).is_ok());
    // The headers tell the size, so the file can be opened; its bytes do not come.
    ground.sandbox.faults().add(Rule::new(Action::Stall { after: 10 }).on_file(Kind::Recording));
    let error = fs::read(&path).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ETIMEDOUT));
    ground.sandbox.faults().clear();
    wait_until("the file is well again", || fs::read(&path).is_ok());
    assert!(fs::read(&path).unwrap() == ramp(7, 2 * MIB + 3));
}

#[test]
fn an_object_that_changes_is_never_mixed_with_its_older_self() {
    if !can_mount() {
        return;
    }
    let ground = ground(Options::default(), 4 * MIB, 1000);
    let mount = ground.mount(&[]);
    let path = only_file(&mount, "recordings");
    let file = File::open(&path).unwrap();
    let mut first = [0; 4096];
    file.read_exact_at(&mut first, 0).unwrap();
    ground.sandbox.change(|account| {
        let target =
            account.files().iter().find(|f| f.kind == Kind::Recording).unwrap().target.clone();
        let path = target.split('?').next().unwrap().to_owned();
        let file = account.file_mut(&path).unwrap();
        file.content = Content::ramp(99, 4 * MIB + 17);
        file.modified = jiff::Timestamp::now();
    });
    let error = file.read_exact_at(&mut first, 3 * MIB).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ESTALE));
    assert!(fs::read(&path).unwrap() == ramp(99, 4 * MIB + 17), "a new open sees the new one");
    assert_eq!(fs::metadata(&path).unwrap().len(), 4 * MIB + 17);
}

#[test]
fn claims_that_prove_wrong_late_cut_no_file_short() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(5);
    // The first is right, so that the others are believed until they are opened.
    for (minute, claim) in (0..).zip([10_000, 5, 7]) {
        let content = Content::ramp(1, 10_000);
        let record = NewRecord::new(content).without_extension().claiming(claim);
        let start = at(days_ago(1), 9, minute, 0);
        account.add(NewSession::at(start).incoming("1").record(record));
    }
    let ground = Ground::new(Options::default(), account);
    let mount = ground.mount(&[]);
    let directory = mount.path("recordings").join(slashed(days_ago(1)));
    let mut paths: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| is_object(path));
    paths.sort();
    for path in &paths {
        fs::metadata(path).unwrap();
    }
    // The second shows that claims are wrong: what the kernel was told of the third is dropped.
    assert!(fs::read(&paths[1]).unwrap() == ramp(1, 10_000));
    wait_until("the size is right", || fs::metadata(&paths[2]).unwrap().len() == 10_000);
    for path in &paths {
        assert!(fs::read(path).unwrap() == ramp(1, 10_000), "{}", path.display());
        assert_eq!(fs::metadata(path).unwrap().len(), 10_000);
    }
}

#[test]
fn a_claimed_size_counts_only_if_it_proved_right() {
    if !can_mount() {
        return;
    }
    for right in [true, false] {
        let mut account = Account::empty(5);
        for n in 0..3 {
            let len = 10_000 + u64::try_from(n).unwrap();
            let claim = if right { len } else { len / 1000 };
            let record = NewRecord::new(Content::ramp(1, len)).without_extension().claiming(claim);
            let session = NewSession::at(at(days_ago(1), 9, n, 0)).incoming("1").record(record);
            account.add(session);
        }
        let ground = Ground::new(Options::default(), account);
        let mount = ground.mount(&[]);
        let directory = mount.path("recordings").join(slashed(days_ago(1)));
        let sizes: HashSet<u64> = fs::read_dir(directory)
            .unwrap()
            .map(Result::unwrap)
            .filter(|entry| is_object(&entry.path()))
            .map(|entry| entry.metadata().unwrap().len())
            .collect();
        assert_eq!(sizes, HashSet::from([10_000, 10_001, 10_002]));
        let learned = if right { 1 } else { 3 };
        assert_eq!(ground.media_requests().len(), learned, "right: {right}");
    }
}
