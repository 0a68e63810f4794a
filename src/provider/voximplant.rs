//! Voximplant: its Management API as a listing of calls.
//!
//! Facts are from the vendor's reference of `GetCallHistory` and its page "Accessing secure
//! objects". Where those are silent (boundaries of dates, codes under which status, missing or
//! empty fields), either behaviour has to work here. It knows neither cache nor FUSE.

mod api;
mod applications;
mod credentials;
mod history;
mod session;

use std::collections::HashSet;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::Date;
use tracing::warn;
use url::Url;

pub use api::ApiError;
pub use applications::Application;
#[doc(hidden)]
pub use credentials::decode_key;
pub use credentials::{CredentialsError, ServiceAccountFile};

use crate::http::{ApiAnswer, Client};
use crate::source::Provider;
use crate::types::{Area, Entry, Failure, Window};
use history::{Page, Span};

/// The base of the vendor's API.
pub const API: &str = "https://api.voximplant.com/";

/// The vendor's own hosts, as [`HostPolicy`](crate::http::HostPolicy) takes them: the API and the
/// storage of recordings and logs.
pub const HOSTS: [&str; 2] = ["voximplant.com", ".voximplant.com"];

/// For how long the vendor keeps files: logs for a month, recordings for three unless the account
/// says otherwise (its page "Recording storage").
pub const RETENTION: [(Area, &str); 2] = [(Area::Logs, "1month"), (Area::Recordings, "3months")];

/// A Voximplant account, seen through `GetCallHistory`.
pub struct Voximplant {
    client: Client,
    base: Url,
    get_call_history: Url,
    /// Applications whose files ask for no authorization, by id.
    open: HashSet<String>,
}

impl Voximplant {
    /// An account whose API stands at `base`, given with or without `/platform_api`. `client` holds
    /// the credentials.
    pub fn new(client: Client, base: &Url) -> Self {
        let get_call_history = api::method(base, "GetCallHistory");
        Self { client, base: base.clone(), get_call_history, open: HashSet::new() }
    }

    /// Asks for one call of the last day, to tell at mount whether listing will work: it may be
    /// that the account is refused, that a role is missing (recordings can still be read where
    /// their links are known), or that the API cannot be reached.
    pub async fn check(&self) -> Result<(), ApiError> {
        let now = Timestamp::now().as_second();
        let span = Span { from: now - 86_400, to: now };
        let answer = self.ask(span, 0, 1).await?;
        api::result::<Page<'_>>(&answer).map(drop)
    }

    /// Asks for a page.
    async fn ask(&self, span: Span, offset: u64, count: u64) -> Result<ApiAnswer, ApiError> {
        let form = history::form(span, offset, count);
        Ok(self.client.api(&self.get_call_history, &form, api::judge).await?)
    }

    async fn list_window(&self, window: Window) -> Result<Vec<Entry>, ApiError> {
        let mut listing = history::Listing::new(window);
        let mut left = vec![Span::of(window)];
        while let Some(span) = left.pop() {
            match self.list_span(span, &mut listing).await {
                Err(error @ (ApiError::RangeTooLong | ApiError::TooMany)) => {
                    let (earlier, later) = span.split().ok_or(error)?;
                    left.extend([later, earlier]);
                }
                listed => listed?,
            }
        }
        if listing.skipped > 0 {
            warn!(sessions = listing.skipped, "sessions without an id or a start were passed over");
        }
        let mut entries = listing.into_entries();
        applications::open(&mut entries, &self.open);
        Ok(entries)
    }

    /// Reads all pages of `span`.
    async fn list_span(&self, span: Span, listing: &mut history::Listing) -> Result<(), ApiError> {
        let mut offset = 0;
        while offset <= history::LARGEST_OFFSET {
            let answer = self.ask(span, offset, history::PAGE).await?;
            let page: Page<'_> = api::result(&answer)?;
            offset += page.len();
            listing.add(&page);
            if page.is_last(offset) {
                return Ok(());
            }
        }
        Err(ApiError::TooMany)
    }
}

impl Provider for Voximplant {
    fn list(&self, window: Window) -> BoxFuture<'_, Result<Vec<Entry>, Failure>> {
        async move { self.list_window(window).await.map_err(Failure::from) }.boxed()
    }

    /// A month and a day: what a quiet account answers in a page or two.
    fn most_days(&self) -> u32 {
        32
    }
}

/// What becomes of an answer of the history, for fuzzers.
#[doc(hidden)]
pub fn decode(body: &[u8]) -> Vec<Entry> {
    let answer = ApiAnswer::made_up(200, body);
    let _ = api::judge(&answer);
    let mut listing = history::Listing::new(Window { first: Date::MIN, last: Date::MAX });
    if let Ok(page) = api::result::<Page<'_>>(&answer) {
        listing.add(&page);
    }
    listing.into_entries()
}
