//! `reelfs expiring`: what the vendor will soon delete and is not cached whole.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::problem::Problem;
use super::{keeping, log, terminal};
use crate::config::Expiring;
use crate::store::{Account, Outline};
use crate::tree::file_name;
use crate::types::Area;

/// The kind of note that says for how long a vendor keeps an area.
const RETENTION: &str = "retention";

/// Keeps for how long a vendor keeps its files.
pub(super) fn note(account: &Account, retention: &[(Area, &str)]) {
    for (area, span) in retention {
        account.keep_note(RETENTION, &format!("{} {span}", area.name()));
    }
}

/// Lists the files, those first that go first.
pub(super) fn run(expiring: &Expiring, verbose: u8) -> Result<(), Problem> {
    log::to_stderr(verbose);
    let store = keeping::open_existing(&expiring.cache)?;
    let now = Timestamp::now();
    let limit = after(now, expiring.within).unwrap_or(Timestamp::MAX);
    let mut found = Vec::new();
    let listed = store.each_object(|notes, object, is_whole| {
        if let Some(end) = end_of(notes, object)
            && !is_whole
            && !object.is_gone
            && (now..=limit).contains(&end)
        {
            found.push((end, path(object)));
        }
    });
    listed.map_err(|error| Problem::new("the catalogue", error))?;
    found.sort();
    for (end, path) in &found {
        terminal::say(&format!("{}  {path}", end.strftime("%Y-%m-%d")));
    }
    if found.is_empty() {
        terminal::say("nothing that was listed expires by then, or all of it is cached");
    }
    Ok(())
}

/// When the vendor deletes an object; `None` where that is not known.
fn end_of(notes: &[String], object: &Outline) -> Option<Timestamp> {
    let span = notes.iter().find_map(|note| {
        let rest = note.strip_prefix(RETENTION)?.strip_prefix(' ')?;
        let span = rest.strip_prefix(object.area.name())?.strip_prefix(' ')?;
        span.parse::<Span>().ok()
    })?;
    after(Timestamp::from_second(object.modified).ok()?, span)
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
    use crate::types::{NameParts, ObjectId};
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
