//! Where log lines go: to standard error, or for a mount in the background to a file.

use std::fs::{self, File, OpenOptions};
use std::io::IsTerminal as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::{Filter, Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::problem::Problem;
use super::{panics, terminal};
use crate::config::{LogFormat, environment};
use journal::Journal;

mod journal;

/// Variable that sets the level instead of `-v`, in the syntax of `tracing`'s `EnvFilter`.
const VARIABLE: &str = "REELFS_LOG";
/// A log file larger than this is set aside when a mount starts.
const LARGE_FILE: u64 = 8 * 1024 * 1024;

/// Logs to standard error from here on, for people.
pub(super) fn to_stderr(verbose: u8) {
    to_stderr_as(LogFormat::Text, verbose);
}

/// Logs to standard error from here on. Where that is the journal, lines have a priority and leave
/// the time to it.
pub(super) fn to_stderr_as(format: LogFormat, verbose: u8) {
    let lines = layer().with_writer(std::io::stderr).with_target(false);
    let colors = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    match format {
        LogFormat::Json => begin(lines.json(), verbose),
        LogFormat::Text if journal::is_stderr() => begin(lines.event_format(Journal), verbose),
        LogFormat::Text => begin(lines.with_ansi(colors), verbose),
    }
    panics::to_log();
}

/// Logs to a file from here on: `path`, or the default one. It is readable by its owner alone.
/// Where the default one cannot be had, as for a user without a home, there is a warning instead.
pub(super) fn to_file(path: Option<&Path>, format: LogFormat, verbose: u8) -> Result<(), Problem> {
    let Some(at) = path.map(Path::to_owned).or_else(default_path) else { return Ok(()) };
    let file = match open(&at).map_err(|error| Problem::file(&at, error)) {
        Ok(file) => file,
        Err(problem) if path.is_some() => return Err(problem),
        Err(problem) => {
            terminal::warn(&format!("no log is kept: {}", problem.message));
            return Ok(());
        }
    };
    let lines = layer().with_writer(Mutex::new(file)).with_target(false).with_ansi(false);
    match format {
        LogFormat::Json => begin(lines.json(), verbose),
        LogFormat::Text => begin(lines, verbose),
    }
    panics::to_log();
    Ok(())
}

/// Starts with a layer, unless there is one.
fn begin(lines: impl Layer<Registry> + Send + Sync, verbose: u8) {
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter(verbose))).try_init();
}

/// The lines that are wanted, of those that are our own: a library's could hold whole addresses.
fn filter(verbose: u8) -> impl Filter<Registry> {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let wanted = std::env::var(VARIABLE).ok().and_then(|wanted| {
        EnvFilter::try_new(wanted)
            .inspect_err(|error| terminal::warn(&format!("{VARIABLE} is not used: {error}")))
            .ok()
    });
    let ours = filter_fn(|line| line.target().split("::").next() == Some("reelfs"));
    wanted.unwrap_or_else(|| EnvFilter::new(level)).and(ours)
}

fn default_path() -> Option<PathBuf> {
    Some(environment::state()?.join("reelfs.log"))
}

fn open(path: &Path) -> std::io::Result<File> {
    if let Some(directory) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > LARGE_FILE) {
        fs::rename(path, path.with_extension("log.old"))?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}
