//! `reelfs warm`: reads whole trees of a mount, so that they are in its cache.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::problem::Problem;
use super::{pulse, terminal};
use crate::config::Warm;
use crate::fuse::mountpoint;
use crate::types::lock;
use keepers::Keepers;

mod keepers;

/// The attribute that says how much of a file is cached.
const CACHED: &str = "user.reelfs.cached";
/// How long the cache may take to write what was read.
const WRITING: Duration = Duration::from_secs(10);
/// How often a file is read whose blocks left memory before they were written.
const ATTEMPTS: usize = 3;

/// Fetches all files; 1 where any is not in the cache then.
pub(super) fn run(warm: &Warm) -> ExitCode {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for path in &warm.paths {
        if let Some(lost) = pulse::lost_around(path) {
            problems.push(lost.problem());
            continue;
        }
        let nobody = || io::Error::other("nothing of reelfs is mounted there");
        let walked = match mountpoint::ours_around(path) {
            Some(_) => walk(path, &mut files),
            None => fs::metadata(path).and_then(|_| Err(nobody())),
        };
        problems.extend(walked.err().map(|error| Problem::file(path, error)));
    }
    let bar = bar(&files);
    let keepers = Keepers::new();
    let unwalked = problems.len();
    let (next, cached) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let problems = Mutex::new(problems);
    thread::scope(|scope| {
        for _ in 0..warm.jobs {
            scope.spawn(|| {
                while let Some((path, _)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let fetched = fetch(path, &bar, &keepers);
                    if fetched.as_ref().is_err_and(|error| error.kind() == ErrorKind::StorageFull) {
                        // Nor would any other file find room.
                        next.store(files.len(), Ordering::Relaxed);
                    }
                    let fetched = fetched.map_err(|error| Problem::file(path, error));
                    let kept = fetched.and_then(|is_cached| {
                        if is_cached && warm.keep { keepers.keep(path) } else { Ok(()) }
                    });
                    match kept {
                        Ok(()) => drop(cached.fetch_add(1, Ordering::Relaxed)),
                        Err(problem) => lock(&problems).push(problem),
                    }
                    bar.set_message(format!(
                        "{} of {} files",
                        next.load(Ordering::Relaxed).min(files.len()),
                        files.len()
                    ));
                }
            });
        }
    });
    bar.finish_and_clear();
    let problems = problems.into_inner().unwrap_or_default();
    for problem in &problems {
        terminal::error(problem);
    }
    let bytes: u64 = files.iter().map(|(_, size)| size).sum();
    let failed = unwalked + files.len() - cached.into_inner();
    terminal::say(&format!(
        "{} files, {}: {}",
        files.len(),
        bytesize::ByteSize::b(bytes),
        if failed == 0 { "all cached".to_owned() } else { format!("{failed} not cached") }
    ));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn bar(files: &[(PathBuf, u64)]) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{msg} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
    );
    let bar = ProgressBar::new(files.iter().map(|(_, size)| size).sum());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The files of a tree with their sizes. Listing a directory in order lets the mount learn ahead.
fn walk(path: &Path, files: &mut Vec<(PathBuf, u64)>) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        // A link has neither the file's attributes nor its place in the cache.
        return walk(&fs::canonicalize(path)?, files);
    }
    if !metadata.is_dir() {
        files.push((path.to_owned(), metadata.len()));
        return Ok(());
    }
    let entries: io::Result<Vec<_>> = fs::read_dir(path)?.map(|e| Ok(e?.path())).collect();
    let mut entries = entries?;
    entries.sort();
    entries.iter().try_for_each(|entry| walk(entry, files))
}

/// Reads a file until all of it is in the cache. False when it needs none, as an index does.
fn fetch(path: &Path, bar: &ProgressBar, keepers: &Keepers) -> io::Result<bool> {
    for attempt in 0..ATTEMPTS {
        let mut file = File::open(path)?;
        // What is in memory is not fetched, and so not written either.
        keepers.write(path)?;
        // What the kernel still has does not reach the daemon.
        let _ = posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read if attempt == 0 => bar.inc(read as u64),
                _ => {}
            }
        }
        match is_cached(path)? {
            Some(false) => {}
            cached => return Ok(cached.is_some()),
        }
    }
    Err(io::Error::other(
        "not all of it was kept: see the log of the mount, and `reelfs cache info`",
    ))
}

/// Whether a file is cached whole, once the cache has written what was read. What needs no cache,
/// such as an index, has no such attribute: then nothing.
fn is_cached(path: &Path) -> io::Result<Option<bool>> {
    let begun = Instant::now();
    loop {
        match xattr::get(path, CACHED)?.as_deref() {
            None => return Ok(None),
            Some(b"whole") => return Ok(Some(true)),
            _ if begun.elapsed() > WRITING => return Ok(Some(false)),
            _ => thread::sleep(Duration::from_millis(20)),
        }
    }
}
