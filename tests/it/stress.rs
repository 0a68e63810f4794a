//! Everything at once: 32 readers, one request in ten that goes wrong, a memory that is far too small,
//! calls that come in, and remounts. `scripts/stress` runs it for minutes; a few seconds of it are
//! part of every test run.
//!
//! Invariants: no wrong byte and no short file; no error but those that a fault can give; no read
//! takes longer than the deadline; nothing stays reserved; no mount ever has more memory than its budget
//! and 64 MiB; every mount ends in order.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use reelfs::sandbox::{Account, Action, Content, Kind, NewRecord, NewSession, Options, Rule};

use crate::ground::{
    Ground, Mount, at, can_mount, days_ago, is_object, send_signal, slashed, wait_until,
};

const READERS: u64 = 32;
const MIB: u64 = 1024 * 1024;
/// The mounts' own deadline, and what a busy machine may need beyond it.
const TIMEOUT: Duration = Duration::from_secs(20);
const SLACK: Duration = Duration::from_secs(10);
/// How long one mount is read from, at the most.
const LONGEST_MOUNT: Duration = Duration::from_secs(30);
/// The mounts' budget of memory, and what the system may count beyond it, the program itself included.
const BUDGET: u64 = 16 * MIB;
const BESIDE: u64 = 64 * MIB;

/// A file, of which byte n is (seed + n) mod 251.
#[derive(Clone, Debug)]
struct Known {
    path: PathBuf,
    seed: u64,
    size: u64,
}

#[derive(Debug, Default)]
struct Figures {
    reads: u64,
    bytes: u64,
    slowest: Duration,
    errors: BTreeMap<i32, u64>,
    peak: u64,
    faults: usize,
}

fn seed_and_size(number: u64) -> (u8, u64) {
    let seed = u8::try_from(number * 7 % 251).unwrap();
    // From less than a block to many, so that some come whole with their first request.
    (seed, 1_000 + number * 777_777 % (3 * MIB))
}

fn add_call(account: &mut Account, number: u64) {
    let start =
        at(days_ago(1), 0, 0, 0) + jiff::SignedDuration::from_secs(20 * number.cast_signed());
    let (seed, size) = seed_and_size(number);
    let record = NewRecord::new(Content::ramp(seed, size));
    account.add(NewSession::at(start).incoming("+15551230001").record(record));
}

/// One request in ten goes wrong, in ten ways, each of which another try cures.
fn spoil(ground: &Ground) {
    let status = |code, retry_after| Action::Status { code, body: "no".to_owned(), retry_after };
    let actions = [
        status(500, None),
        status(503, None),
        status(429, Some(0)),
        status(401, None),
        Action::Reset { after: 0 },
        Action::Reset { after: 100_000 },
        Action::Short { after: 70_000 },
        Action::Stall { after: 10_000 },
        Action::Delay { millis: 300 },
        Action::WholeBody,
    ];
    for (turn, action) in (0..).zip(actions) {
        let rule = Rule::new(action).on_file(Kind::Recording).after(turn * 10).one_in(100);
        ground.sandbox.faults().add(rule);
    }
}

/// One reader's turn: a whole file, a part of one, or places in it. Gives how long each call took.
fn turn(known: &Known, kind: u64, calls: &mut dyn FnMut(Instant, u64)) -> io::Result<()> {
    let right = |offset: u64, bytes: &[u8]| {
        let wrong =
            (offset..).zip(bytes).find(|(n, byte)| (known.seed + n) % 251 != u64::from(**byte));
        assert!(wrong.is_none(), "a wrong byte in {known:?}, at {wrong:?}");
    };
    let begun = Instant::now();
    assert_eq!(fs::metadata(&known.path)?.len(), known.size, "{known:?}");
    calls(begun, 0);
    let begun = Instant::now();
    let mut file = File::open(&known.path)?;
    calls(begun, 0);
    if kind == 0 {
        for _ in 0..8 {
            let offset = rand::random_range(0..known.size);
            let mut bytes = vec![0; rand::random_range(1..100_000)];
            let begun = Instant::now();
            let read = file.read_at(&mut bytes, offset)?;
            calls(begun, read as u64);
            assert!(read > 0, "nothing at {offset} of {known:?}");
            right(offset, &bytes[..read]);
        }
    } else {
        let end = if kind == 1 { known.size } else { rand::random_range(0..known.size) };
        let (mut at, mut bytes) = (0, vec![0; 128 * 1024]);
        while at < end {
            let begun = Instant::now();
            let read = file.read(&mut bytes)? as u64;
            calls(begun, read);
            assert!(read > 0, "{known:?} ends at {at}");
            right(at, &bytes[..usize::try_from(read).unwrap()]);
            at += read;
        }
    }
    // So that the next reader meets the mount and not the kernel's memory.
    let _ = posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    Ok(())
}

fn files(mount: &Mount) -> io::Result<Vec<Known>> {
    let day = mount.path("recordings").join(slashed(days_ago(1)));
    let mut paths: Vec<_> =
        fs::read_dir(day)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.retain(|path| is_object(path));
    paths.sort();
    let known = (0..).zip(paths).map(|(number, path)| {
        let (seed, size) = seed_and_size(number);
        Known { path, seed: seed.into(), size }
    });
    Ok(known.collect())
}

/// 32 readers until the time is over.
fn read_all(known: &[Known], until: Instant, figures: &Mutex<Figures>) {
    let one = || {
        while Instant::now() < until {
            let file = &known[rand::random_range(0..known.len())];
            let mut calls = |begun: Instant, bytes| {
                let mut figures = figures.lock().unwrap();
                figures.reads += 1;
                figures.bytes += bytes;
                figures.slowest = figures.slowest.max(begun.elapsed());
            };
            if let Err(error) = turn(file, rand::random_range(0..3), &mut calls) {
                let errno = error.raw_os_error().unwrap_or_default();
                let told = [libc::EIO, libc::ETIMEDOUT, libc::EBUSY, libc::EHOSTUNREACH];
                assert!(told.contains(&errno), "{error} of {file:?}");
                *figures.lock().unwrap().errors.entry(errno).or_default() += 1;
            }
        }
    };
    thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(one)).collect();
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

/// The most memory that a process ever had, in bytes.
fn peak(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

#[test]
fn readers_faults_eviction_and_remounts_at_once() {
    if !can_mount() {
        return;
    }
    let asked = std::env::var("REELFS_STRESS_SECONDS").ok().and_then(|text| text.parse().ok());
    let seconds: u64 = asked.unwrap_or(6);
    let mut account = Account::empty(5);
    let mut calls = 60;
    for number in 0..calls {
        add_call(&mut account, number);
    }
    let ground = Ground::new(Options::default(), account);
    spoil(&ground);
    let figures = Mutex::new(Figures::default());
    let per_mount = LONGEST_MOUNT.min(Duration::from_secs(seconds) / 2);
    let begun = Instant::now();
    let (timeout, budget) = (format!("{}s", TIMEOUT.as_secs()), format!("{BUDGET}"));
    let options = ["-vv", "--timeout", &timeout, "--memory", &budget, "--cache-size", "32MiB"];
    let mut mounts = 0;
    // Twice at the least: the second begins with what the first one kept.
    while mounts < 2 || begun.elapsed() < Duration::from_secs(seconds) {
        let mount = ground.mount(&options);
        let known = files(&mount).unwrap();
        assert_eq!(known.len() as u64, calls);
        let until = Instant::now() + per_mount;
        thread::scope(|scope| {
            scope.spawn(|| read_all(&known, until, &figures));
            ground.sandbox.change(|account| add_call(account, calls));
            calls += 1;
            send_signal(mount.pid(), "HUP");
            wait_until("a call that came in is listed", || {
                files(&mount).unwrap().len() as u64 == calls
            });
        });
        // What was still fetched ahead comes to its end.
        let mut before = 0;
        wait_until("nothing is fetched any more", || {
            thread::sleep(Duration::from_millis(200));
            let sent = ground.sandbox.requests().iter().map(|request| request.sent).sum::<u64>();
            std::mem::replace(&mut before, sent) == sent
        });
        let peak = peak(mount.pid());
        assert_eq!(mount.end_with("TERM"), Some(0));
        let log = mount.log();
        let last = log.lines().rfind(|line| line.contains("the mount ends")).unwrap_or_default();
        assert!(last.contains("reserved=0 "), "{last}");
        mounts += 1;
        let mut figures = figures.lock().unwrap();
        figures.peak = figures.peak.max(peak);
        figures.faults += ground.sandbox.requests().len() / 10;
        ground.sandbox.clear_requests();
    }
    let figures = figures.into_inner().unwrap();
    let errors: u64 = figures.errors.values().sum();
    eprintln!(
        "stress: {seconds} s, {READERS} readers, {mounts} mounts, {} calls of programs, {} MB read, about {} \
         faults, {errors} errors ({:?}), slowest call {:.1} s, peak memory {} MiB",
        figures.reads,
        figures.bytes / 1_000_000,
        figures.faults,
        figures.errors,
        figures.slowest.as_secs_f64(),
        figures.peak / MIB,
    );
    assert!(figures.slowest <= TIMEOUT + SLACK, "a call took {:?}", figures.slowest);
    assert!(errors * 50 <= figures.reads, "more errors than faults explain: {:?}", figures.errors);
    let allowed = BUDGET + BESIDE;
    assert!(figures.peak <= allowed, "{} bytes of memory, {allowed} are allowed", figures.peak);
}
