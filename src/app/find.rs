//! `reelfs find`: the files of calls that somebody looks for, as paths.
//!
//! The mounts of this user are asked; an account that is not mounted is opened as a mount would open it. What
//! could not be searched is told: an answer never looks more complete than it is.

use std::io::{self, BufRead as _, BufReader, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::StreamExt as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::control::{Answer, Question};
use super::mount::Rooms;
use super::problem::Problem;
use super::status::{absolute, mounts, nobody};
use super::{log, pulse, terminal};
use crate::config::{Find, FindFormat, Mount, Place};
use crate::fs::{Fs, Hit};
use crate::types::{Query, QueryError, Term, chain, json_line, shell_word};

/// The exit code where not all could be searched.
const INCOMPLETE: u8 = 3;

/// What could not be searched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gaps {
    /// Days that are not listed.
    unlisted: Vec<Gap>,
    /// Transcripts that are not cached.
    unheard: u64,
}

/// Days, from the first to the last, and why they are not listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Gap {
    first: Date,
    last: Date,
    why: String,
}

impl Gaps {
    fn add(&mut self, day: Date, why: String) {
        match self.unlisted.last_mut() {
            Some(gap) if gap.why == why && gap.last.tomorrow().is_ok_and(|next| next >= day) => {
                gap.last = day;
            }
            _ => self.unlisted.push(Gap { first: day, last: day, why }),
        }
    }
}

/// What is told of what was found.
struct Output<'a> {
    format: FindFormat,
    out: io::StdoutLock<'a>,
    found: bool,
    is_complete: bool,
}

/// Finds, and tells by the exit code whether anything was found, and whether all was searched.
pub(super) fn run(find: &Find, verbose: u8) -> Result<ExitCode, Problem> {
    log::to_stderr(verbose);
    let out = io::stdout().lock();
    let mut output = Output { format: find.format, out, found: false, is_complete: true };
    match &find.place {
        Place::Account(mount) => output.search_account(find, mount)?,
        Place::Mounts => {
            let mounts = mounts();
            let lost = pulse::lost(&mounts);
            if mounts.is_empty() && lost.is_empty() {
                let message = "nothing is mounted".to_owned();
                let hint = "`reelfs find PROFILE …` searches an account that is not mounted";
                return Err(Problem { message, hint: Some(hint.to_owned()) });
            }
            for (socket, status) in mounts {
                // One that fails keeps nobody from what is in the others.
                if let Err(problem) = output.search_mount(find, &socket, &status.mountpoint, "") {
                    terminal::error(&problem);
                    output.is_complete = false;
                }
            }
            for lost in lost {
                terminal::error(&lost.problem());
                output.is_complete = false;
            }
        }
        Place::Below(path) => {
            let path = absolute(path);
            let mounts = mounts();
            let found = mounts.iter().find_map(|(socket, status)| {
                Some((socket, &status.mountpoint, path.strip_prefix(&status.mountpoint).ok()?))
            });
            let (socket, at, below) = found.ok_or_else(|| nobody(&path))?;
            output.search_mount(find, socket, at, &below.to_string_lossy())?;
        }
    }
    let _ = output.out.flush();
    Ok(match (output.is_complete, output.found) {
        (false, _) => ExitCode::from(INCOMPLETE),
        (true, true) => ExitCode::SUCCESS,
        (true, false) => ExitCode::FAILURE,
    })
}

impl Output<'_> {
    /// Has a mount search; tells of what is `below` a path in it.
    fn search_mount(
        &mut self,
        find: &Find,
        socket: &Path,
        at: &Path,
        below: &str,
    ) -> Result<(), Problem> {
        let question = Question::Find { terms: find.terms.clone(), asks: !find.offline };
        let broken = |error| Problem::new(&at.display().to_string(), error);
        for answer in ask(socket, &question).map_err(broken)? {
            match answer.map_err(broken)? {
                Answer::Hit { path, facts } => {
                    let is_below = Path::new(&path).starts_with(below);
                    if is_below && self.hit(&at.join(&path), facts).is_err() {
                        return Ok(());
                    }
                }
                Answer::Searched(gaps) => {
                    self.gaps(&gaps, find.offline, Some(at));
                    return Ok(());
                }
                Answer::Failed { why } => {
                    let message = format!("{}: {why}", at.display());
                    return Err(Problem { message, hint: None });
                }
                _ => break,
            }
        }
        Err(Problem { message: format!("{} broke off its answer", at.display()), hint: None })
    }

    /// Searches an account that need not be mounted; paths are those below a mountpoint.
    fn search_account(&mut self, find: &Find, mount: &Mount) -> Result<(), Problem> {
        let mut mount = mount.clone();
        mount.options.cache.offline |= find.offline;
        // It is the mount that tells who reads.
        mount.options.audit = None;
        let asks = !mount.options.cache.offline;
        let query = query(&find.terms).map_err(|error| Problem::of(&error))?;
        super::runtime()?.block_on(async {
            let rooms = Rooms::build(&mount).await?;
            rooms.warnings.iter().for_each(|warning| terminal::warn(warning));
            let mut days = std::pin::pin!(rooms.fs.find(Arc::clone(&query), asks).await);
            let mut gaps = beyond(&rooms.fs, &query);
            while let Some(day) = days.next().await {
                for hit in day.hits {
                    let facts = facts(&hit);
                    if self.hit(Path::new(&hit.path), facts).is_err() {
                        return Ok(());
                    }
                }
                gaps.unheard += day.unheard;
                if let Some(failure) = day.unlisted {
                    gaps.add(day.date, chain(&failure));
                }
            }
            self.gaps(&gaps, !asks, None);
            rooms.end();
            Ok(())
        })
    }

    /// Tells of a file. Fails when nobody reads any more.
    fn hit(&mut self, path: &Path, mut facts: Map<String, Value>) -> io::Result<()> {
        self.found = true;
        let bytes = path.as_os_str().as_bytes();
        match self.format {
            FindFormat::Lines => self.out.write_all(&[bytes, b"\n"].concat()),
            FindFormat::Null => self.out.write_all(&[bytes, b"\0"].concat()),
            FindFormat::Json => {
                facts.insert("path".to_owned(), path.to_string_lossy().into());
                writeln!(self.out, "{}", json_line(&Value::Object(facts)))
            }
        }
    }

    /// Tells what was not searched.
    fn gaps(&mut self, gaps: &Gaps, is_offline: bool, at: Option<&Path>) {
        let _ = self.out.flush();
        for Gap { first, last, why } in &gaps.unlisted {
            self.is_complete = false;
            let days = if first == last {
                format!("{first} was")
            } else {
                format!("{first} to {last} were")
            };
            let fix = if is_offline { " (without --offline it is listed now)" } else { "" };
            terminal::warn(&format!("{days} not searched: {why}{fix}"));
        }
        if gaps.unheard > 0 {
            self.is_complete = false;
            let place =
                at.map_or_else(|| PathBuf::from("transcripts"), |at| at.join("transcripts"));
            let files = if gaps.unheard == 1 { "1 transcript is" } else { "transcripts are" };
            let count =
                if gaps.unheard == 1 { String::new() } else { format!("{} ", gaps.unheard) };
            terminal::warn(&format!(
                "{count}{files} not cached and could not be searched: `reelfs warm {}` fetches them",
                shell_word(&place)
            ));
        }
    }
}

/// Answers who asks a mount to look for files: a line each, and one at the end.
pub(super) async fn answer(
    fs: &Arc<Fs>,
    terms: &[Term],
    asks: bool,
    to: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let query = match query(terms) {
        Ok(query) => query,
        Err(error) => return tell(to, &Answer::Failed { why: chain(&error) }).await,
    };
    let mut gaps = beyond(fs, &query);
    let mut days = std::pin::pin!(fs.find(query, asks).await);
    while let Some(day) = days.next().await {
        for hit in day.hits {
            let facts = facts(&hit);
            tell(to, &Answer::Hit { path: hit.path, facts }).await?;
        }
        gaps.unheard += day.unheard;
        if let Some(failure) = day.unlisted {
            gaps.add(day.date, chain(&failure));
        }
    }
    tell(to, &Answer::Searched(gaps)).await
}

async fn tell(to: &mut (impl AsyncWrite + Unpin), answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    to.write_all(&line).await
}

/// The facts of a file's call, and its own kind.
fn facts(hit: &Hit) -> Map<String, Value> {
    let mut facts: Map<String, Value> = serde_json::from_str(&hit.facts).unwrap_or_default();
    let kind = hit.file.object.attributes.get("kind");
    facts.extend(kind.map(|kind| ("kind".to_owned(), kind.into())));
    facts
}

/// The days that are asked for and that the mount does not show.
fn beyond(fs: &Fs, query: &Query) -> Gaps {
    let gap = |window: crate::types::Window| Gap {
        first: window.first,
        last: window.last,
        why: "the mount does not show those days (see --since and --until)".to_owned(),
    };
    Gaps { unlisted: fs.beyond(query).into_iter().map(gap).collect(), unheard: 0 }
}

fn query(terms: &[Term]) -> Result<Arc<Query>, QueryError> {
    let terms = terms.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Query::of(terms).map(Arc::new)
}

/// Asks a mount; its answers, line by line, as they come.
fn ask(
    socket: &Path,
    question: &Question,
) -> io::Result<impl Iterator<Item = io::Result<Answer>> + use<>> {
    let mut stream = UnixStream::connect(socket)?;
    let question = serde_json::to_string(question)? + "\n";
    stream.write_all(question.as_bytes())?;
    let lines = BufReader::new(stream).lines();
    Ok(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn days_that_follow_each_other_are_told_as_one() {
        let mut gaps = Gaps::default();
        let day = |day| date(2026, 11, day);
        for (at, why) in [(1, "a"), (1, "a"), (2, "a"), (3, "b"), (5, "b")] {
            gaps.add(day(at), why.to_owned());
        }
        let told: Vec<_> =
            gaps.unlisted.iter().map(|gap| (gap.first.day(), gap.last.day())).collect();
        assert_eq!(told, [(1, 2), (3, 3), (5, 5)]);
    }
}
