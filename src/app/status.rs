//! `reelfs status` and `reelfs refresh`: ask the mounts of this user, and show what they answer.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use jiff::{SignedDuration, Timestamp};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use serde_json::json;

use super::control::{Answer, Question, Status, remove_stale, sockets};
use super::problem::Problem;
use super::pulse::{self, Lost, Pulse};
use super::{terminal, which};
use crate::config::{StatusOptions, WhichMount};
use crate::fuse::mountpoint;
use crate::types::json_shown;

/// How long a mount may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer in bytes: that of a mount is a few kB.
const LONGEST_ANSWER: u64 = 1024 * 1024;
/// How often a live screen is drawn.
const TICK: Duration = Duration::from_secs(1);

/// Shows what one mount, or each, is doing.
pub(super) fn run(options: &StatusOptions) -> Result<(), Problem> {
    let mut pulse = Pulse::default();
    loop {
        let (found, lost) = if let Some(which) = &options.which {
            (vec![one(which)?], Vec::new())
        } else {
            let mounts = mounts();
            let lost = pulse.lost(&mounts);
            (mounts.into_iter().map(|(_, status)| status).collect(), lost)
        };
        if options.watch {
            terminal::clear();
        }
        if options.json {
            show_json(&found, &lost, options.which.is_some())?;
        } else if found.is_empty() && lost.is_empty() {
            terminal::say("nothing is mounted");
        } else {
            let found = found.iter().map(|status| words(status, Timestamp::now()));
            for text in found.chain(lost.iter().map(lost_words)) {
                terminal::say(&text);
            }
        }
        if !options.watch {
            return Ok(());
        }
        std::thread::sleep(TICK);
    }
}

/// Has one mount, or each, ask the vendor again.
pub(super) fn refresh(which: Option<&WhichMount>) -> Result<(), Problem> {
    let mounts = mounts();
    let path = which.map(|which| meant(which, &mounts)).transpose()?;
    let mut asked = 0;
    for (socket, status) in mounts {
        let below = match &path {
            None => Path::new(""),
            Some(path) => match path.strip_prefix(&status.mountpoint) {
                Ok(below) => below,
                Err(_) => continue,
            },
        };
        asked += 1;
        let question = Question::Refresh { path: below.to_string_lossy().into_owned() };
        let at = status.mountpoint.display();
        match ask(&socket, &question, None) {
            Some(Answer::Refreshed { days }) => {
                let days = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
                terminal::say(&format!("{at}: asked again ({days})"));
            }
            Some(Answer::Failed { why }) => {
                return Err(Problem { message: format!("{at}: {why}"), hint: None });
            }
            _ => return Err(Problem { message: format!("{at} does not answer"), hint: None }),
        }
    }
    match (which, path) {
        (Some(which), Some(path)) if asked == 0 => Err(silent(which, &path)),
        _ if asked == 0 => Err(Problem { message: "nothing is mounted".to_owned(), hint: None }),
        _ => Ok(()),
    }
}

/// Why there is no answer for a path that was meant.
fn silent(which: &WhichMount, path: &Path) -> Problem {
    let lost = pulse::lost_around(path).map(|lost| lost.problem());
    lost.or_else(|| which::not_mounted(which)).unwrap_or_else(|| unknown(&which.word))
}

/// Why there is no answer for a path.
pub(super) fn nobody(at: &Path) -> Problem {
    pulse::lost_around(at).map_or_else(|| unknown(at), |lost| lost.problem())
}

fn unknown(at: &Path) -> Problem {
    let message = format!("no mount of yours answers for {}", at.display());
    Problem { message, hint: Some("`reelfs status` lists those that do".to_owned()) }
}

/// The mounts that answer, each with its socket, by mountpoint.
pub(super) fn mounts() -> Vec<(PathBuf, Status)> {
    let mut mounts: Vec<_> = sockets()
        .into_iter()
        .filter_map(|socket| match ask_whom(&socket, &Question::Status, Some(PATIENCE))? {
            (Answer::Status(status), user) if is_true(user, &status) => Some((socket, *status)),
            _ => None,
        })
        .collect();
    mounts.sort_by(|(_, a), (_, b)| a.mountpoint.cmp(&b.mountpoint));
    mounts.dedup_by(|(_, a), (_, b)| a.pid == b.pid && a.mountpoint == b.mountpoint);
    mounts
}

/// Whether the user who answers has mounted what he tells of. Root asks other users' sockets, who may have put
/// anything there; and a daemon may still answer when its mount is gone.
fn is_true(user: u32, status: &Status) -> bool {
    mountpoint::is_mounted_by(user, &status.mountpoint)
}

/// The status of the mount that is meant.
fn one(which: &WhichMount) -> Result<Status, Problem> {
    let mounts = mounts();
    let path = meant(which, &mounts)?;
    let found = around(&path, mounts).map(|(_, status)| status);
    found.ok_or_else(|| silent(which, &path))
}

/// The mount that holds a path. One may stand in a directory of another.
pub(super) fn around(path: &Path, mounts: Vec<(PathBuf, Status)>) -> Option<(PathBuf, Status)> {
    mountpoint::innermost(path, mounts, |(_, status)| &status.mountpoint)
}

/// The path that is meant, in a mount or not.
fn meant(which: &WhichMount, mounts: &[(PathBuf, Status)]) -> Result<PathBuf, Problem> {
    let at = which::meant(which, || mounts.iter().map(|(_, status)| status.clone()).collect())?;
    Ok(at.unwrap_or_else(|| absolute(&which.word)))
}

/// The absolute form of a path, which need not be there. No mount is asked.
pub(super) fn absolute(path: &Path) -> PathBuf {
    let plain = || std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    mountpoint::absolute(path).unwrap_or_else(|_| plain())
}

/// Asks a mount. One that was killed leaves a socket at which nobody listens.
pub(super) fn ask(
    socket: &Path,
    question: &Question,
    patience: Option<Duration>,
) -> Option<Answer> {
    ask_whom(socket, question, patience).map(|(answer, _)| answer)
}

/// The same, and the user who answers, as the kernel knows him (`unix(7)`, `SO_PEERCRED`).
fn ask_whom(
    socket: &Path,
    question: &Question,
    patience: Option<Duration>,
) -> Option<(Answer, u32)> {
    let connected = UnixStream::connect(socket);
    if connected.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
        remove_stale(socket);
    }
    let mut stream = connected.ok()?;
    stream.set_read_timeout(patience).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let user = getsockopt(&stream, PeerCredentials).ok()?.uid();
    let question = serde_json::to_string(question).ok()? + "\n";
    stream.write_all(question.as_bytes()).ok()?;
    let mut answer = String::new();
    BufReader::new(stream.take(LONGEST_ANSWER)).read_line(&mut answer).ok()?;
    Some((serde_json::from_str(&answer).ok()?, user))
}

/// One mount as an object, or all as a list; those that do not answer have a place and a state alone.
fn show_json(found: &[Status], lost: &[Lost], one: bool) -> Result<(), Problem> {
    let up = found.iter().map(|status| {
        let mut value = serde_json::to_value(status)?;
        value["state"] = "up".into();
        Ok(value)
    });
    let lost = lost.iter().map(|lost| {
        let state = if lost.is_dead { "dead" } else { "silent" };
        Ok(json!({ "mountpoint": lost.mountpoint, "state": state }))
    });
    let values: Result<Vec<_>, serde_json::Error> = up.chain(lost).collect();
    let text = values.and_then(|values| match &values[..] {
        [value] if one => serde_json::to_string_pretty(value),
        all => serde_json::to_string_pretty(all),
    });
    terminal::say(&json_shown(text.map_err(|error| Problem::new("the status", error))?));
    Ok(())
}

/// A mount that does not answer, as a person reads of it.
fn lost_words(lost: &Lost) -> String {
    let Problem { message, hint } = lost.problem();
    let hint = hint.unwrap_or_default();
    format!("{}\n  mend it   {}", terminal::one_line(&message), terminal::one_line(&hint))
}

/// A status as a person reads it.
fn words(status: &Status, now: Timestamp) -> String {
    let Status { requests, cache, news, bytes, .. } = status;
    let profile = status.profile.as_ref().map_or_else(String::new, |name| format!("{name}  "));
    let mut lines = vec![format!(
        "{}  {profile}{}  up {} (process {})",
        status.mountpoint.display(),
        status.source,
        span(now.duration_since(status.started)),
        status.pid
    )];
    if let Some(token) = &status.token {
        lines.push(format!(
            "  token     minted {} ago, good for another {}",
            span(now.duration_since(token.minted)),
            span(token.expires.duration_since(now))
        ));
    }
    let left = match (requests.left, requests.daily) {
        (Some(left), Some(daily)) => format!(", {left} of {daily} left"),
        _ => String::new(),
    };
    lines.push(format!(
        "  requests  {} today{left}; since the start {} to the API, {} for files; {} refused, {} in \
         flight",
        requests.today, requests.api, requests.media, requests.refused, requests.in_flight
    ));
    lines.push(format!(
        "  news      asked for {} times, {} days changed",
        news.queries, news.changes
    ));
    let wanted = cache.hits + cache.misses;
    let rate = cache.hits.saturating_mul(100).checked_div(wanted).unwrap_or(0);
    lines.push(format!(
        "  cache     {rate} % of {wanted} blocks were there; {} in memory",
        size(cache.memory_bytes)
    ));
    if let Some(disk) = &cache.disk {
        let (bytes, limit) = (size(disk.bytes), size(disk.limit_bytes));
        let off = if disk.is_off { "; nothing more until the next mount: see its log" } else { "" };
        lines.push(format!("  disk      {bytes} of {limit} in {} files{off}", disk.files));
    }
    lines.push(format!("  bytes     {} fetched, {} read", size(bytes.fetched), size(bytes.served)));
    match &status.errors[..] {
        [] => lines.push("  errors    none".to_owned()),
        errors => {
            lines.push(format!("  errors    {}, the last:", status.failed_operations));
            lines.extend(errors.iter().rev().take(5).map(|error| {
                let times = if error.times > 1 {
                    format!(" ({} times)", error.times)
                } else {
                    String::new()
                };
                let ago = span(now.duration_since(error.at));
                format!("    {ago} ago: {}{times}", error.text)
            }));
        }
    }
    let lines: Vec<_> = lines.iter().map(|line| terminal::one_line(line)).collect();
    lines.join("\n")
}

fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

/// A span of time, to what matters of it.
fn span(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_to_what_matters() {
        let told = |seconds| span(SignedDuration::from_secs(seconds));
        assert_eq!(told(-5), "0 s");
        assert_eq!(told(59), "59 s");
        assert_eq!(told(3599), "59 min");
        assert_eq!(told(3660), "1 h 1 min");
        assert_eq!(told(90_000), "1 d 1 h");
    }
}
