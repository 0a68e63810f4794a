//! The ground of the table's rows: a day of files for each row, and another day that nobody has
//! looked into; each operation has a file of its own.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use reelfs::sandbox::{Account, Content, Kind, NewRecord, NewSession, Options, Rule};

use super::injection::{self, Elsewhere};
use super::operations::{self, Mapped, Outcome};
use super::table::{Given, Row};
use super::{TIMEOUT, limits};
use crate::ground::{Ground, Mount, at, days_ago, slashed};

/// Size of each file: five blocks, the last of which is short.
pub(super) const SIZE: usize = 600_000;
/// Operations that need a file.
const FILES: u8 = 5;
/// Between two files that are used lie so many that are not, so that nobody seems to go through the
/// directory and no neighbour is learned ahead.
const APART: u8 = 4;
/// Files of a day that is listed.
const LISTED: usize = 3;

/// A sandbox with the days of some rows.
pub(super) struct Scene {
    ground: Ground,
}

fn day_of(row: &Row) -> Date {
    days_ago(2 + 4 * i64::try_from(row.number).unwrap())
}

/// No neighbour of any other day that is listed, so that it is listed alone.
fn unlisted_day_of(row: &Row) -> Date {
    days_ago(4 + 4 * i64::try_from(row.number).unwrap())
}

fn seed(row: &Row, file: u8) -> u8 {
    u8::try_from((row.number * usize::from(FILES) + usize::from(file)) % 251).unwrap()
}

fn call(day: Date, minute: u8, seed: u8) -> NewSession {
    let start = at(day, 9, i8::try_from(minute).unwrap(), 0);
    let record = NewRecord::new(Content::ramp(seed, SIZE as u64));
    NewSession::at(start).incoming("+15551230001").record(record)
}

/// A file that an operation has for itself.
struct Own {
    path: PathBuf,
    /// Of its link, without the query.
    link_path: String,
    link: String,
    seed: u8,
}

impl Scene {
    pub(super) fn of(rows: &[&Row]) -> Self {
        let mut account = Account::empty(5);
        for row in rows {
            for minute in 0..FILES * APART {
                account.add(call(day_of(row), minute, seed(row, minute / APART)));
            }
            for minute in 0..u8::try_from(LISTED).unwrap() {
                account.add(call(unlisted_day_of(row), minute, 0));
            }
        }
        Self { ground: Ground::new(Options::default(), account) }
    }

    pub(super) fn mount(&self) -> Mount {
        // More connections than operations, so that those that stall keep nobody waiting.
        self.ground.mount(&["--since", "1y", "--timeout", TIMEOUT, "--connections", "400", "-vv"])
    }

    /// The files of a row's operations.
    fn files(&self, row: &Row, mount: &Mount) -> Vec<Own> {
        let day = mount.path("recordings").join(slashed(day_of(row)));
        let paths = operations::list(&day).unwrap();
        let account = self.ground.sandbox.account();
        let own = |number: u8| {
            let start = at(day_of(row), 9, i8::try_from(number * APART).unwrap(), 0);
            let session = account.sessions().iter().find(|call| call.start == start).unwrap().id;
            let files = account.files();
            let is_it = |file: &&&reelfs::sandbox::File| {
                file.session == session && file.kind == Kind::Recording
            };
            let file = files.iter().find(is_it).unwrap();
            Own {
                path: paths[usize::from(number * APART)].clone(),
                link_path: file.target.split('?').next().unwrap().to_owned(),
                link: self.ground.sandbox.link(file),
                seed: seed(row, number),
            }
        };
        (0..FILES).map(own).collect()
    }

    /// Runs a row, and gives what is wrong.
    pub(super) fn run(&self, row: &Row, elsewhere: &Elsewhere, mount: &Mount) -> Vec<String> {
        let unlisted = unlisted_day_of(row);
        let faults = self.ground.sandbox.faults();
        let inject = |files: &[Own]| {
            for own in files {
                let made = injection::of(row, elsewhere, &own.link, own.seed);
                if let Some(action) = made.file {
                    let rule = Rule::new(action).on_path(&own.link_path);
                    faults.add(if made.once { rule.times(1) } else { rule });
                }
            }
            let made = injection::of(row, elsewhere, &files[0].link, 0);
            if let Some(action) = made.listing {
                let rule = Rule::new(action).on_parameter(&unlisted.to_string());
                faults.add(if made.once { rule.times(1) } else { rule });
            }
        };
        let mend = |files: &[Own]| {
            for own in files {
                faults.clear_for(&own.link_path);
            }
            faults.clear_for(&unlisted.to_string());
        };
        self.run_between(row, mount, inject, mend)
    }

    /// Runs the row of a server that is not there.
    pub(super) fn run_refused(&mut self, row: &Row, mount: &Mount) -> Vec<String> {
        let files = self.files(row, mount);
        let opened = Opened::of(&files);
        self.ground.stop();
        let mut complaints = opened.look(row, &files, mount);
        self.ground.restart();
        // The sandbox has another key now, which the daemon finds when the old one is refused.
        complaints.extend(self.read_all(row, mount));
        complaints
    }

    fn run_between(
        &self,
        row: &Row,
        mount: &Mount,
        inject: impl Fn(&[Own]),
        mend: impl Fn(&[Own]),
    ) -> Vec<String> {
        let files = self.files(row, mount);
        let opened = Opened::of(&files);
        inject(&files);
        let mut complaints = opened.look(row, &files, mount);
        mend(&files);
        if !injection::is_throttling(row) {
            complaints.extend(self.read_all(row, mount));
        }
        complaints
    }

    /// Reads all that a row's operations had to do with, and gives what is not right.
    pub(super) fn read_all(&self, row: &Row, mount: &Mount) -> Vec<String> {
        let mut complaints = Vec::new();
        for own in self.files(row, mount) {
            match read_once_well(&own.path) {
                Ok(bytes) if bytes == injection::ramp(own.seed) => {}
                Ok(_) => complaints.push(format!("{}: other bytes afterwards", row.fault)),
                Err(error) => complaints.push(format!("{}: afterwards {error}", row.fault)),
            }
        }
        let day = mount.path("recordings").join(slashed(unlisted_day_of(row)));
        match operations::listing(&day, LISTED) {
            Ok(Given::Right) => {}
            other => complaints.push(format!("{}: listed afterwards: {other:?}", row.fault)),
        }
        complaints
    }
}

/// Reads a file after a fault. A version that was learned under the fault is dropped by the first
/// open that meets the right one, and a timeout is remembered for a moment.
fn read_once_well(path: &Path) -> io::Result<Vec<u8>> {
    let begun = Instant::now();
    loop {
        match fs::read(path) {
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::ESTALE | libc::ETIMEDOUT))
                    && begun.elapsed() < Duration::from_secs(2) => {}
            outcome => return outcome,
        }
    }
}

/// What was opened before the fault.
struct Opened {
    whole: File,
    random: File,
    mapped: Mapped,
}

impl Opened {
    fn of(files: &[Own]) -> Self {
        Self {
            whole: File::open(&files[2].path).unwrap(),
            random: File::open(&files[3].path).unwrap(),
            mapped: Mapped::start(&files[4].path, files[4].seed),
        }
    }

    /// Does all operations of a row side by side, and gives what the table does not promise.
    fn look(self, row: &Row, files: &[Own], mount: &Mount) -> Vec<String> {
        let unlisted = mount.path("recordings").join(slashed(unlisted_day_of(row)));
        let Self { whole, random, mapped } = self;
        let turn = Mutex::new(());
        let run = |name: &'static str,
                   promised: &[Given],
                   operation: &mut dyn FnMut() -> Outcome| {
            let turn = injection::takes_turns(row).then(|| turn.lock());
            let (outcome, late) = limits::timed(operation);
            drop(turn);
            let kept = outcome.as_ref().is_ok_and(|given| promised.contains(given));
            let complaint = format!("{}: {name} gives {outcome:?}, not {promised:?}", row.fault);
            let complaint = (!kept && !promised.is_empty()).then_some(complaint);
            complaint.into_iter().chain(late.map(|late| format!("{}: {name} {late}", row.fault)))
        };
        let run = &run;
        let mut mapped = Some(mapped);
        thread::scope(|scope| {
            let all = [
                scope.spawn(|| {
                    all(run("stat", &row.opening, &mut || operations::stat(&files[0].path)))
                }),
                scope.spawn(|| {
                    all(run("open", &row.opening, &mut || operations::open(&files[1].path)))
                }),
                scope.spawn(|| {
                    all(run("whole", &row.whole, &mut || operations::whole(&whole, files[2].seed)))
                }),
                scope.spawn(|| {
                    all(run("random", &row.random, &mut || {
                        operations::random(&random, files[3].seed)
                    }))
                }),
                scope.spawn(|| {
                    all(run("mapped", &row.mapped, &mut || mapped.take().unwrap().look()))
                }),
                scope.spawn(|| {
                    all(run("listing", &row.listing, &mut || {
                        operations::listing(&unlisted, LISTED)
                    }))
                }),
            ];
            let alive = alive(mount).into_iter().map(|dead| format!("{}: {dead}", row.fault));
            let complaints: Vec<_> = alive.collect();
            all.into_iter().flat_map(|run| run.join().unwrap()).chain(complaints).collect()
        })
    }
}

fn all(complaints: impl Iterator<Item = String>) -> Vec<String> {
    complaints.collect()
}

/// Whether what needs no network is answered while operations wait.
fn alive(mount: &Mount) -> Option<String> {
    let root: &Path = &mount.path("");
    let named = fs::read_dir(root).map(Iterator::count);
    let size = nix::sys::statfs::statfs(root);
    match (named, size) {
        (Ok(4), Ok(_)) => None,
        (named, size) => Some(format!("the mount is not well: {named:?}, {:?}", size.err())),
    }
}
