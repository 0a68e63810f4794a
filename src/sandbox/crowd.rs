//! The calls of a busy quarter: with them the account of the benchmark keeps 1,000,000 objects.
//!
//! A day's calls are made when a request is about that day, and are the same each time, so that the
//! server needs no more memory than for a few of those days.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::account::Account;
use super::api::Parameters;
use super::content::Content;
use super::session::{NewRecord, NewSession};

/// The last and the first of its days, counted back from the current one: those of
/// [`Account::bench`] come after them, and a mount shows all of them by default.
const BACK: [i64; 2] = [4, 88];
/// Calls of a day; each leaves a recording and a log.
const CALLS: u64 = 5_820;
/// Ids of sessions and of records, beyond those that an account gives by itself. So many are left to a
/// day.
const SESSIONS: u64 = 9_000_000_000;
const RECORDS: u64 = 1_000_000_000;
const IDS: u64 = 10_000;
/// So many accounts are remembered: those that a listing, and a reader beside it, are about.
const REMEMBERED: usize = 3;

/// The days, and what was made of them last.
pub(super) struct Crowd {
    days: [Date; 2],
    made: Mutex<VecDeque<Made>>,
}

/// An account with the calls of some days.
struct Made {
    /// The account without them.
    base: Arc<Account>,
    days: [Date; 2],
    account: Arc<Account>,
}

impl Crowd {
    /// The days before those of the benchmark's account, as of `now`.
    pub(super) fn before(now: Timestamp) -> Self {
        let today = now.to_zoned(TimeZone::UTC).date();
        let [last, first] = BACK.map(|back| today.saturating_sub(back.days()));
        Self { days: [first, last], made: Mutex::default() }
    }

    /// An account with those calls that a request is about.
    pub(super) fn join(
        &self,
        base: Arc<Account>,
        path: &str,
        parameters: &Parameters,
    ) -> Arc<Account> {
        let of_window = ["from_date", "to_date"].map(|name| day_of(parameters.get(name)?));
        let asked = match (of_window, day_in(path)) {
            ([Some(from), Some(to)], _) => [from, to],
            (_, Some(day)) => [day, day],
            _ => return base,
        };
        let days = [asked[0].max(self.days[0]), asked[1].min(self.days[1])];
        if days[0] > days[1] {
            return base;
        }
        let is_same = |made: &&Made| made.days == days && Arc::ptr_eq(&made.base, &base);
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = made.iter().find(is_same) {
            return Arc::clone(&known.account);
        }
        drop(made);
        let mut account = Account::clone(&base);
        let all = days[0].series(1.days()).take_while(|day| *day <= days[1]);
        all.for_each(|day| add_day(&mut account, day));
        let account = Arc::new(account);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.truncate(REMEMBERED - 1);
        made.push_front(Made { base, days, account: Arc::clone(&account) });
        account
    }
}

/// The day of a date and time as the API has them.
fn day_of(text: &str) -> Option<Date> {
    text.get(..10)?.parse().ok()
}

/// The day of a link: its path has the year, the month and the day after its first part.
fn day_in(path: &str) -> Option<Date> {
    let mut parts = path.split('/').skip(2);
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

fn add_day(account: &mut Account, day: Date) {
    let Ok(midnight) = day.to_zoned(TimeZone::UTC) else { return };
    let since = (day - date(1970, 1, 1)).get_days().unsigned_abs();
    let ids = IDS * u64::from(since);
    let call = |number: u64| {
        let seconds = i64::try_from(number * 24 * 60 * 60 / CALLS).unwrap_or(0);
        let start = midnight.timestamp() + SignedDuration::from_secs(seconds);
        let seed = u8::try_from(number % 251).unwrap_or(0);
        NewSession::at(start)
            .incoming(&format!("+1555{:07}", ids + number))
            .record(NewRecord::new(Content::ramp(seed, 100_000 + number)))
            .log(Content::ramp(seed, 5_000 + number))
    };
    account.add_all(SESSIONS + ids, RECORDS + ids, (0..CALLS).map(call));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Kind;

    #[test]
    fn a_day_is_there_when_it_is_asked_for_and_the_same_each_time() {
        let now = Timestamp::now();
        let (crowd, base) = (Crowd::before(now), Arc::new(Account::bench(now)));
        let [first, last] = crowd.days;
        let days = u64::from((last - first).get_days().unsigned_abs()) + 1;
        assert_eq!(base.files().len() as u64 + days * CALLS * 2, 1_000_403);

        let asked = format!("from_date={first}%2000:00:00&to_date={first}%2023:59:59");
        let asked = Parameters::parse(&asked, b"");
        let account = crowd.join(Arc::clone(&base), "/platform_api/GetCallHistory/", &asked);
        assert_eq!(account.sessions().len() as u64, base.sessions().len() as u64 + CALLS);
        assert!(account.sessions().is_sorted_by_key(|session| (session.start, session.id)));
        let again = crowd.join(Arc::clone(&base), "/platform_api/GetCallHistory/", &asked);
        assert!(Arc::ptr_eq(&account, &again), "it was not remembered");

        let files = account.files();
        let recordings = files.iter().filter(|file| file.kind == Kind::Recording);
        let newest = recordings.max_by_key(|file| file.session).unwrap();
        let none = Parameters::default();
        let by_link = Crowd::before(now).join(Arc::clone(&base), &newest.target, &none);
        assert_eq!(by_link.file(&newest.target).unwrap().content, newest.content);
        assert!(Arc::ptr_eq(&crowd.join(Arc::clone(&base), "/files/", &none), &base));
    }
}
