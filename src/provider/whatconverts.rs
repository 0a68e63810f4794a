//! WhatConverts: its leads as a listing of calls, with everything that people wrote beside.
//!
//! Facts are from the vendor's API reference and its page "Use API keys to access call recordings".
//! Where those are silent, either behaviour works here. It knows neither cache nor FUSE.

mod api;
mod key;
mod lead;
mod media;
mod scopes;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use tracing::warn;
use url::Url;

pub use api::ApiError;
#[doc(hidden)]
pub use key::decode_key;
pub use key::{KeyError, KeyPair, Problem};
pub use lead::download_link;
pub use media::Refusals;

use crate::http::{ApiAnswer, Client};
use crate::provider::fields::Fields;
use crate::source::{Provider, Scope};
use crate::types::{Entry, Failure, Label, Window};
use lead::Links;

/// The base of the vendor's API.
pub const API: &str = "https://app.whatconverts.com/";

/// The vendor's own hosts.
pub const HOSTS: [&str; 2] = ["whatconverts.com", ".whatconverts.com"];

/// The most days between `start_date` and `end_date`.
const MOST_DAYS: u32 = 400;
/// The most leads a page.
const PAGE: &str = "2500";

/// How recordings are fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Media {
    /// From the API, by the lead's id, with token and secret.
    #[default]
    Basic,
    /// By the recording's own link, with the token in its query.
    Token,
}

/// An account of WhatConverts, seen through its leads.
#[derive(Clone)]
pub struct WhatConverts {
    client: Client,
    base: Arc<Url>,
    media: Media,
    /// The profile whose leads are listed; none: all that the key opens.
    profile: Option<Arc<str>>,
}

/// What a key opens.
pub enum Opened {
    /// One profile.
    Profile(WhatConverts),
    /// The profiles of an agency's accounts.
    Agency(Vec<Scope>),
}

impl WhatConverts {
    /// What `client`'s key opens, of an API that stands at `base`.
    ///
    /// Only a Master key may ask for accounts: that tells which it is. Fails when the key is refused
    /// or the API cannot be reached.
    pub async fn open(client: Client, base: &Url, media: Media) -> Result<Opened, ApiError> {
        let whole = Self { client, base: Arc::new(base.clone()), media, profile: None };
        // One lead shows that the key is taken at all.
        whole.ask("leads", &[("leads_per_page", "1")]).await?;
        Ok(match scopes::accounts(&whole).await? {
            Some(accounts) => Opened::Agency(scopes::of(&whole, accounts).await?),
            None => Opened::Profile(whole),
        })
    }

    /// What a key opened when it was last asked: the profiles of an agency, or where there are none
    /// the whole of a profile. Asks nothing.
    pub fn recalled(
        client: Client,
        base: &Url,
        media: Media,
        profiles: Vec<(Label, Label)>,
    ) -> Opened {
        let whole = Self { client, base: Arc::new(base.clone()), media, profile: None };
        if profiles.is_empty() {
            return Opened::Profile(whole);
        }
        let scope = |(account, profile): (Label, Label)| {
            let provider = Arc::new(whole.with_profile(&profile.id));
            Scope { account, profile, provider }
        };
        Opened::Agency(profiles.into_iter().map(scope).collect())
    }

    /// The same account, but for one profile.
    fn with_profile(&self, id: &str) -> Self {
        Self { profile: Some(id.into()), ..self.clone() }
    }

    /// The object that a method answers with.
    async fn ask(&self, method: &str, fields: &[(&str, &str)]) -> Result<api::Answer, ApiError> {
        let mut url = api::method(&self.base, method);
        url.query_pairs_mut().extend_pairs(fields);
        let answer = self.client.query(&url, api::judge).await?;
        api::result(&answer)
    }

    async fn list_window(&self, window: Window) -> Result<Vec<Entry>, ApiError> {
        let midnight = |day: jiff::civil::Date| {
            day.to_zoned(TimeZone::UTC).map_or(Timestamp::MIN, |day| day.timestamp())
        };
        let end = window.last.tomorrow().map_or(Timestamp::MAX, midnight) - 1.second();
        // Fixed while pages are read, so that what comes in meanwhile stands on none of them.
        let end = end.min(Timestamp::now()).max(midnight(window.first));
        let (start, end) = (midnight(window.first).to_string(), whole_second(end));
        let mut entries = BTreeMap::new();
        let (mut page, mut skipped) = (1_u64, 0);
        loop {
            let number = page.to_string();
            let mut fields = vec![
                ("start_date", start.as_str()),
                ("end_date", end.as_str()),
                ("order", "asc"),
                ("leads_per_page", PAGE),
                ("page_number", number.as_str()),
            ];
            fields.extend(self.profile.as_deref().map(|id| ("profile_id", id)));
            let answer = self.ask("leads", &fields).await?;
            let (leads, is_last) = api::page(&answer, "leads", page)?;
            for lead in leads {
                match self.entry(lead) {
                    // The same lead on two pages is one lead.
                    Some(entry) if window.contains(entry.day) => {
                        entries.insert(entry.id.clone(), entry);
                    }
                    Some(_) => {}
                    None => skipped += 1,
                }
            }
            if is_last {
                break;
            }
            page += 1;
        }
        if skipped > 0 {
            warn!(leads = skipped, "leads without an id or a date were passed over");
        }
        let mut entries: Vec<_> = entries.into_values().collect();
        entries.sort_by_key(|entry| entry.start);
        Ok(entries)
    }

    fn entry(&self, lead: Fields<'_>) -> Option<Entry> {
        lead::entry(lead, &Links { base: &self.base, media: self.media })
    }
}

impl Provider for WhatConverts {
    fn list(&self, window: Window) -> BoxFuture<'_, Result<Vec<Entry>, Failure>> {
        async move { self.list_window(window).await.map_err(Failure::from) }.boxed()
    }

    fn most_days(&self) -> u32 {
        MOST_DAYS
    }
}

/// What becomes of a page of leads, for fuzzers.
#[doc(hidden)]
pub fn decode(body: &[u8]) -> Vec<Entry> {
    let (answer, base) = (ApiAnswer::made_up(200, body), Url::parse(API));
    let (Ok(answer), Ok(base)) = (api::result(&answer), base) else { return Vec::new() };
    let media = [Media::Basic, Media::Token];
    let leads = api::page(&answer, "leads", 1).map(|(leads, _)| leads).unwrap_or_default();
    let all = media.iter().flat_map(|&media| {
        let links = Links { base: &base, media };
        leads.iter().filter_map(move |lead| lead::entry(*lead, &links)).collect::<Vec<_>>()
    });
    all.collect()
}

/// A moment in ISO 8601, without a fraction.
fn whole_second(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}
