//! `GetCallHistory`: which sessions are asked for, and which of them this page shows. How they are
//! written down is for `listing` to know.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::account::Account;
use super::api::{ApiError, Context, Parameters};
use super::listing::Writer;
use super::session::{Leg, Session};

/// Most sessions of one answer (vendor's documentation).
const MOST: usize = 1000;
/// Sessions of one answer, where the request does not say (vendor's documentation).
const USUAL: usize = 20;
/// The largest offset (vendor's documentation).
const FURTHEST: usize = 10_000;
/// How dates are written.
const DATE: &str = "%Y-%m-%d %H:%M:%S";

/// A zone in which dates are meant.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    pub(super) name: String,
    /// How far its clocks are ahead of UTC.
    ahead: SignedDuration,
}

impl Default for Zone {
    fn default() -> Self {
        Self { name: "Etc/GMT".to_owned(), ahead: SignedDuration::ZERO }
    }
}

impl Zone {
    /// The zone of a request: UTC under its usual names, or the account's own where none is named.
    fn of(parameters: &Parameters, default_hours: i8) -> Result<Self, ApiError> {
        match parameters.get("timezone") {
            Some("Etc/GMT" | "Etc/UTC" | "GMT" | "UTC") => Ok(Self::default()),
            Some(_) => Err(ApiError::new(123, "The 'timezone' parameter is not supported here.")),
            None if default_hours == 0 => Ok(Self::default()),
            None => Ok(Self {
                // POSIX counts the other way round: Etc/GMT-3 is three hours ahead.
                name: format!("Etc/GMT{:+}", -default_hours),
                ahead: SignedDuration::from_hours(default_hours.into()),
            }),
        }
    }

    fn read(&self, parameters: &Parameters, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = parameters.get(name) else {
            return Ok(None);
        };
        let wrong = || ApiError::new(123, format!("The '{name}' parameter is invalid."));
        let date = DateTime::strptime(DATE, text).map_err(|_| wrong())?;
        let time = date.to_zoned(TimeZone::UTC).map_err(|_| wrong())?.timestamp();
        Ok(Some(time - self.ahead))
    }

    /// A time as this zone's clocks show it.
    pub(super) fn write(&self, time: Timestamp) -> String {
        (time + self.ahead).strftime(DATE).to_string()
    }
}

/// Offset and count of a request.
pub(super) fn page(parameters: &Parameters) -> Result<(usize, usize), ApiError> {
    let number = |name: &str, default: usize, most: usize| {
        let value = parameters.get(name).map_or(Ok(default), str::parse::<usize>);
        value.ok().filter(|value| *value <= most).ok_or_else(|| {
            ApiError::new(569, format!("The '{name}' parameter should be at most {most}."))
        })
    };
    Ok((number("offset", 0, FURTHEST)?, number("count", USUAL, MOST)?))
}

/// Answers `GetCallHistory`.
pub(super) fn call_history(
    context: Context<'_>,
    parameters: &Parameters,
) -> Result<Value, ApiError> {
    if !context.options.log_roles {
        return Err(ApiError::new(104, "The command is forbidden for the key's roles."));
    }
    let zone = Zone::of(parameters, context.options.default_zone_hours)?;
    let (offset, count) = page(parameters)?;
    let mut found = select(context, parameters, &zone)?;
    if parameters.flag("desc_order", false) {
        found.reverse();
    }
    let writer = Writer {
        account: context.account,
        link_base: context.link_base,
        zone: &zone,
        with_calls: parameters.flag("with_calls", false),
        with_records: parameters.flag("with_records", false),
    };
    let result: Vec<Value> =
        found.iter().skip(offset).take(count).map(|session| writer.session(session)).collect();
    let mut answer = json!({"count": result.len(), "result": result, "timezone": zone.name});
    if parameters.flag("with_total_count", true) {
        answer["total_count"] = found.len().into();
    }
    Ok(answer)
}

/// The sessions that the parameters ask for, in order of start.
fn select<'a>(
    context: Context<'a>,
    parameters: &Parameters,
    zone: &Zone,
) -> Result<Vec<&'a Session>, ApiError> {
    let in_window = window(context, parameters, zone)?;
    let accounts = accounts(context, parameters)?;
    let application = application(context.account, parameters)?;
    let ids = parameters.list("call_session_history_id");
    let remote = parameters.list("remote_number");
    let local = parameters.list("local_number");
    let has = |wanted: &Option<Vec<&str>>, session: &Session, number: fn(&Leg) -> &String| {
        wanted.as_ref().is_none_or(|wanted| {
            session.legs.iter().any(|leg| wanted.contains(&number(leg).as_str()))
        })
    };
    Ok(in_window
        .iter()
        .filter(|session| accounts.contains(&session.account))
        .filter(|session| application.is_none_or(|index| session.application == index))
        .filter(|session| {
            ids.as_ref().is_none_or(|ids| ids.contains(&session.id.to_string().as_str()))
        })
        .filter(|session| has(&remote, session, |leg| &leg.remote))
        .filter(|session| has(&local, session, |leg| &leg.local))
        .collect())
}

/// The sessions between `from_date` and `to_date`, both included; the two may be left out when
/// sessions are asked for by their ids.
fn window<'a>(
    context: Context<'a>,
    parameters: &Parameters,
    zone: &Zone,
) -> Result<&'a [Session], ApiError> {
    let sessions = context.account.sessions();
    let from = zone.read(parameters, "from_date")?;
    let to = zone.read(parameters, "to_date")?;
    let (from, to) = match (from, to) {
        (Some(from), Some(to)) => (from, to),
        (None, None) if parameters.get("call_session_history_id").is_some() => {
            return Ok(sessions);
        }
        _ => {
            return Err(ApiError::new(123, "'from_date' and 'to_date' are required."));
        }
    };
    if let Some(days) = context.options.max_window_days
        && to.duration_since(from) > SignedDuration::from_hours(24 * i64::from(days))
    {
        let message = format!("The date range should be within {days} days.");
        return Err(ApiError::new(569, message));
    }
    let first = sessions.partition_point(|session| session.start < from);
    let end = sessions.partition_point(|session| session.start <= to);
    Ok(sessions.get(first..end).unwrap_or_default())
}

/// The accounts whose sessions are meant: the caller's own, and children that are named.
fn accounts(context: Context<'_>, parameters: &Parameters) -> Result<Vec<u64>, ApiError> {
    let mut accounts = Vec::new();
    if !parameters.flag("children_calls_only", false) {
        accounts.push(context.caller);
    }
    for text in parameters.list("child_account_id").unwrap_or_default() {
        let child = text.parse().ok().filter(|id| context.account.children.contains(id));
        let parent = context.caller == context.account.id;
        match child.filter(|_| parent) {
            Some(id) => accounts.push(id),
            None => return Err(ApiError::new(100, "The child account is not the caller's.")),
        }
    }
    Ok(accounts)
}

/// The index of the application that is named by id or by name.
fn application(account: &Account, parameters: &Parameters) -> Result<Option<usize>, ApiError> {
    let (id, name) = (parameters.get("application_id"), parameters.get("application_name"));
    if id.is_none() && name.is_none() {
        return Ok(None);
    }
    let found = account.applications().iter().position(|app| {
        // Both at once exclude each other, and so nothing is found.
        (name.is_none() && id == Some(app.id.to_string().as_str()))
            || (id.is_none() && name == Some(app.name.as_str()))
    });
    found.map(Some).ok_or_else(|| ApiError::new(558, "The application is not found."))
}
