//! `reelfs expiring`: what the vendor will soon delete and is not cached whole.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use tokio::io::AsyncWrite;

use super::ask::{Asked, lines, place, tell};
use super::connect::Retention;
use super::control::{Answer, Question, Subject};
use super::find::Gaps;
use super::problem::Problem;
use super::{keeping, log, terminal};
use crate::config::{CacheOptions, Expiring};
use crate::fs::Hit;
use crate::store::{Account, Outline};
use crate::tree::file_name;
use crate::types::Query;

/// The kind of note that says for how long a vendor keeps an area.
const RETENTION: &str = "retention";

/// Keeps for how long a vendor keeps its files.
pub(super) fn note(account: &Account, retention: Retention) {
    for (area, span) in retention {
        account.keep_note(RETENTION, &format!("{} {span}", area.name()));
    }
}

/// Lists the files, those first that go first.
pub(super) fn run(expiring: &Expiring, verbose: u8) -> Result<(), Problem> {
    log::to_stderr(verbose);
    let by = after(Timestamp::now(), expiring.within).unwrap_or(Timestamp::MAX);
    let mut found = match &expiring.path {
        Some(path) => in_mount(path, by)?,
        None => in_cache(&expiring.cache, by)?,
    };
    found.sort();
    for (end, path) in &found {
        let path = terminal::one_line(&path.display().to_string());
        terminal::say(&format!("{}  {path}", end.strftime("%Y-%m-%d")));
    }
    if found.is_empty() {
        terminal::say("nothing that was listed expires by then, or all of it is cached");
    }
    Ok(())
}

/// Files, and when they go.
type Found = Vec<(Timestamp, PathBuf)>;

/// Those of all accounts in a cache, by their paths below whatever mountpoint.
fn in_cache(cache: &CacheOptions, by: Timestamp) -> Result<Found, Problem> {
    let store = keeping::open_existing(cache)?;
    let now = Timestamp::now();
    let mut found = Vec::new();
    let listed = store.each_object(|notes, object, is_whole| {
        if let Some(end) = end_of(notes, object)
            && !is_whole
            && !object.is_gone
            && (now..=by).contains(&end)
        {
            found.push((end, path(object).into()));
        }
    });
    listed.map_err(|error| Problem::new("the catalogue", error))?;
    Ok(found)
}

/// Those below a path of a mount, which is asked.
fn in_mount(path: &Path, by: Timestamp) -> Result<Found, Problem> {
    let Asked { socket, mountpoint, below } = Asked::about(path)?;
    let at = mountpoint.display().to_string();
    let broken = |error| Problem::new(&at, error);
    let mut found = Vec::new();
    for answer in lines(&socket, &Question::Expiring { path: below, by }).map_err(broken)? {
        match answer.map_err(broken)? {
            Answer::Expires { path, at } => {
                found.push((at, place(&mountpoint, &path).map_err(broken)?));
            }
            Answer::Searched(_) => return Ok(found),
            Answer::Failed { why } => {
                return Err(Problem { message: format!("{at}: {why}"), hint: None });
            }
            _ => break,
        }
    }
    Err(Problem { message: format!("{at} broke off its answer"), hint: None })
}

/// Answers who asks a mount for them: a line each, and one at the end. Days that were never listed are not
/// listed for it.
pub(super) async fn answer(
    subject: &Subject,
    below: &Path,
    by: Timestamp,
    to: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    if subject.retention.is_empty() {
        let why = "when the vendor deletes files is not known".to_owned();
        return tell(to, &Answer::Failed { why }).await;
    }
    let now = Timestamp::now();
    let mut days = pin!(subject.fs.find(Arc::new(Query::default()), false).await);
    while let Some(day) = days.next().await {
        for Hit { path, file, .. } in day.hits {
            let object = &file.object;
            let span = subject.retention.iter().find(|(area, _)| *area == object.area);
            let span = span.and_then(|(_, span)| span.parse().ok());
            if let Some(end) = span.and_then(|span| end(object.modified, span))
                && (now..=by).contains(&end)
                && !object.is_gone
                && Path::new(&path).starts_with(below)
                && !subject.fs.is_kept(&file)
            {
                tell(to, &Answer::Expires { path, at: end }).await?;
            }
        }
    }
    tell(to, &Answer::Searched(Gaps::default())).await
}

/// When the vendor deletes an object; `None` where that is not known.
fn end_of(notes: &[String], object: &Outline) -> Option<Timestamp> {
    let span = notes.iter().find_map(|note| {
        let rest = note.strip_prefix(RETENTION)?.strip_prefix(' ')?;
        let span = rest.strip_prefix(object.area.name())?.strip_prefix(' ')?;
        span.parse::<Span>().ok()
    })?;
    end(object.modified, span)
}

/// When the vendor deletes a file of a call that ended then, in seconds since the Unix epoch.
fn end(modified: i64, span: Span) -> Option<Timestamp> {
    after(Timestamp::from_second(modified).ok()?, span)
}

fn after(time: Timestamp, span: Span) -> Option<Timestamp> {
    Some(time.to_zoned(TimeZone::UTC).checked_add(span).ok()?.timestamp())
}

fn path(object: &Outline) -> String {
    let (area, day) = (object.area.name(), object.date.strftime("%Y/%m/%d"));
    format!("{area}/{day}/{}", file_name(&object.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Area, NameParts, ObjectId};
    use jiff::civil::date;

    #[test]
    fn a_log_goes_a_month_after_its_call() {
        let name =
            NameParts { fields: vec!["091500".into()], id: "7".into(), extension: "log".into() };
        let object = Outline {
            id: ObjectId::new("log/7"),
            date: date(2026, 10, 31),
            area: Area::Logs,
            name,
            modified: "2026-10-31T09:16:00Z".parse::<Timestamp>().unwrap().as_second(),
            is_remote: true,
            is_gone: false,
        };
        let notes = ["retention recordings 3months", "retention logs 1month"].map(str::to_owned);
        let end = end_of(&notes, &object).unwrap();
        assert_eq!(end.to_string(), "2026-11-30T09:16:00Z");
        assert_eq!(path(&object), "logs/2026/10/31/091500-7.log");
        assert_eq!(end_of(&notes[..1], &object), None);
    }
}
