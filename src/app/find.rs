//! `reelfs find`: the files of calls that somebody looks for, as paths.
//!
//! The mounts of this user are asked; an account that is not mounted is opened as a mount would open it. What
//! could not be searched is told: an answer never looks more complete than it is.

use std::io::{self, IsTerminal as _, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::StreamExt as _;
use serde_json::{Map, Value};
use tokio::io::AsyncWrite;

use super::ask::{Asked, lines, place, tell};
use super::control::{Answer, Question};
use super::mount::Rooms;
use super::problem::Problem;
use super::shown::Shown;
use super::status::mounts;
use super::{log, pulse, terminal};
use crate::config::{Find, FindFormat, Mount, Place};
use crate::fs::{Fs, Hit};
use crate::fuse::mountpoint;
use crate::types::{Query, QueryError, Term, chain, json_line};
pub(super) use gaps::Gaps;

mod gaps;

/// The exit code where not all could be searched.
const INCOMPLETE: u8 = 3;

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
        Place::Account(mount) => output.search_profile(find, mount)?,
        Place::Mounts => output.search_mounts(find)?,
        Place::Below(path) => {
            let Asked { socket, mountpoint, below } = Asked::about(path)?;
            output.search_mount(find, &socket, &mountpoint, &below)?;
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
    /// Has all mounts search. One that fails keeps nobody from what is in the others.
    fn search_mounts(&mut self, find: &Find) -> Result<(), Problem> {
        let mounts = mounts();
        let lost = pulse::lost(&mounts);
        if mounts.is_empty() && lost.is_empty() {
            let message = "nothing is mounted".to_owned();
            let hint = "`reelfs find PROFILE …` searches an account that is not mounted";
            return Err(Problem { message, hint: Some(hint.to_owned()) });
        }
        for (socket, status) in mounts {
            if let Err(problem) = self.search_mount(find, &socket, &status.mountpoint, "") {
                self.missing(&problem);
            }
        }
        for lost in lost {
            self.missing(&lost.problem());
        }
        Ok(())
    }

    /// Tells that a mount was not searched.
    fn missing(&mut self, problem: &Problem) {
        let _ = self.out.flush();
        terminal::error(problem);
        self.is_complete = false;
    }

    /// Has the mount search that shows an account, if it shows all the days that are asked for; otherwise
    /// searches the account beside it.
    fn search_profile(&mut self, find: &Find, mount: &Mount) -> Result<(), Problem> {
        let query = query(&find.terms).map_err(|error| Problem::of(&error))?;
        let account = Shown::of(mount);
        // Root asks none of another user's, who may claim any account.
        let mine = mountpoint::own();
        let own = mounts().into_iter().filter_map(|(socket, status)| {
            let shown = status.shows.filter(|shown| shown.is_of(account))?;
            mine.contains(&status.mountpoint).then_some(())?;
            Some((socket, status.mountpoint, shown))
        });
        let own: Vec<_> = own.collect();
        if let Some((socket, at, _)) = own.iter().find(|(.., shown)| shown.covers(&query, account))
        {
            return self.search_mount(find, socket, at, "");
        }
        let beside = own.first().map(|(_, at, shown)| (at.as_path(), *shown));
        self.search_account(find, mount, beside)
    }

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
        for answer in lines(socket, &question).map_err(broken)? {
            match answer.map_err(broken)? {
                Answer::Hit { path, facts } => {
                    let is_below = Path::new(&path).starts_with(below);
                    let path = place(at, &path).map_err(broken)?;
                    if is_below && self.hit(&path, facts).is_err() {
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

    /// Searches an account that need not be mounted. Paths are those in the mount beside, as far as that
    /// shows their days, and otherwise below whatever mountpoint.
    fn search_account(
        &mut self,
        find: &Find,
        mount: &Mount,
        beside: Option<(&Path, Shown)>,
    ) -> Result<(), Problem> {
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
            let mut gaps = Gaps::not_shown(rooms.fs.beyond(&query));
            while let Some(day) = days.next().await {
                let at = beside.filter(|(_, shown)| shown.holds(day.date)).map(|(at, _)| at);
                let at = at.unwrap_or(Path::new(""));
                for hit in day.hits {
                    let facts = facts(&hit);
                    if self.hit(&at.join(&hit.path), facts).is_err() {
                        return Ok(());
                    }
                }
                gaps.add_unheard(day.unheard);
                if let Some(failure) = day.unlisted {
                    gaps.add(day.date, chain(&failure));
                }
            }
            self.gaps(&gaps, !asks, beside.map(|(at, _)| at));
            rooms.end();
            Ok(())
        })
    }

    /// Tells of a file. Fails when nobody reads any more.
    fn hit(&mut self, path: &Path, mut facts: Map<String, Value>) -> io::Result<()> {
        self.found = true;
        let bytes = path.as_os_str().as_bytes();
        match self.format {
            FindFormat::Lines if self.out.is_terminal() => {
                writeln!(self.out, "{}", terminal::one_line(&path.to_string_lossy()))
            }
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
        self.is_complete &= !gaps.tell(is_offline, at);
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
    let mut gaps = Gaps::not_shown(fs.beyond(&query));
    let mut days = std::pin::pin!(fs.find(query, asks).await);
    while let Some(day) = days.next().await {
        for hit in day.hits {
            let facts = facts(&hit);
            tell(to, &Answer::Hit { path: hit.path, facts }).await?;
        }
        gaps.add_unheard(day.unheard);
        if let Some(failure) = day.unlisted {
            gaps.add(day.date, chain(&failure));
        }
    }
    tell(to, &Answer::Searched(gaps)).await
}

/// The facts of a file's call, and its own kind.
fn facts(hit: &Hit) -> Map<String, Value> {
    let mut facts: Map<String, Value> = serde_json::from_str(&hit.facts).unwrap_or_default();
    let kind = hit.file.object.attributes.get("kind");
    facts.extend(kind.map(|kind| ("kind".to_owned(), kind.into())));
    facts
}

fn query(terms: &[Term]) -> Result<Arc<Query>, QueryError> {
    let terms = terms.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Query::of(terms).map(Arc::new)
}
