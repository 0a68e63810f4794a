//! Which account a mount shows, and which days of it: so that who names an account by its profile is told
//! paths in the mount that shows it.
//!
//! Accounts are compared by how they are named, the files of their keys above all, since a key itself is
//! neither handed around nor read for that.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use url::Url;
use xxhash_rust::xxh3::xxh3_64;

use crate::catalog::today;
use crate::config::Mount;
use crate::types::{Query, UNDATED, Window};

/// The numbers that JSON's readers take without loss.
const EXACT: u64 = (1 << 53) - 1;

/// What a mount shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shown {
    /// A number of how the account is named; none where the environment alone tells whose it is.
    account: Option<u64>,
    /// The first day.
    first: Date,
    /// The last day; none: the current one, as it moves.
    last: Option<Date>,
}

impl Shown {
    /// What a mount with these settings shows.
    pub(super) fn of(mount: &Mount) -> Self {
        let mut account = mount.account.clone();
        let mut is_named = false;
        for file in account.files_mut() {
            is_named = true;
            *file = std::path::absolute(&*file).unwrap_or_else(|_| file.clone());
        }
        let api = mount.options.api_url.as_ref().map(Url::as_str);
        let name = format!("{account:?} {api:?}");
        Self {
            account: is_named.then(|| xxh3_64(name.as_bytes()) & EXACT),
            first: mount.options.since.day(today()),
            last: mount.options.until,
        }
    }

    /// Whether it is of the same account.
    pub(super) fn is_of(self, other: Self) -> bool {
        self.account.is_some() && self.account == other.account
    }

    /// Whether a day is shown.
    pub(super) fn holds(self, day: Date) -> bool {
        day == UNDATED || (self.first <= day && self.last.is_none_or(|last| day <= last))
    }

    /// Whether all days are shown that a query asks for of those that `other` would show.
    pub(super) fn covers(self, query: &Query, other: Self) -> bool {
        let shown = Window { first: other.first, last: other.last.unwrap_or_else(today) };
        let asked = query.window(shown, Timestamp::now());
        asked.is_none_or(|days| self.holds(days.first) && self.holds(days.last))
    }
}
