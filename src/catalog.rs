//! What is known of an account, and for how long: the listings of its days, and the sizes that its
//! objects proved to have.
//!
//! A day is listed when somebody looks into it, once however many look; a listing that fails takes
//! nothing away: what was known before is served, since "unreachable" is not "deleted".

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use tokio::time::Instant;

use crate::source::{Provider, Scope, Version};
use crate::types::{
    Cause, Content, Entry, Failure, Label, Object, ObjectId, ScopeNumber, UNDATED, Window,
    json_line, lock,
};
use sizes::Sizes;
use walk::Walk;

pub mod scopes;
mod sizes;
mod walk;

/// How long a listing of the current day counts as fresh.
const CURRENT_DAY_LIFE: Duration = Duration::from_secs(30);
/// How long a listing of the day before counts: its last calls may just have ended.
const LAST_DAY_LIFE: Duration = Duration::from_secs(5 * 60);
/// How long a listing of an older day counts: transcripts come late, links are renewed.
const OLDER_DAY_LIFE: Duration = Duration::from_secs(6 * 60 * 60);
/// How long a listing that could not be renewed is served before the next try.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How long who has an older listing waits for a newer one. It goes on behind his back.
const PATIENCE: Duration = Duration::from_secs(2);

/// The calls of one day, in order of their start.
#[derive(Debug, PartialEq)]
pub struct Day {
    /// The day (UTC).
    pub date: Date,
    /// Its calls.
    pub calls: Vec<Call>,
}

/// A call as it is kept: an account has many, and a tree of JSON values takes ten times its text.
#[derive(Debug, PartialEq)]
pub struct Call {
    /// When it began, in seconds since the Unix epoch.
    pub start: i64,
    /// Its facts, as the text of one JSON object; it has no `files`.
    pub facts: Box<str>,
    /// Its files.
    pub objects: Box<[Arc<Object>]>,
}

impl From<Entry> for Call {
    fn from(mut entry: Entry) -> Self {
        entry.facts.remove("files");
        let facts = json_line(&serde_json::Value::Object(entry.facts)).into();
        let objects = entry.objects.into_iter().map(Arc::new).collect();
        Self { start: entry.start, facts, objects }
    }
}

/// What is known of an account, or of the several that a key opens.
pub struct Catalog {
    scopes: BTreeMap<ScopeNumber, Listed>,
    sizes: Mutex<Sizes>,
}

/// A scope, and what is known of its days.
struct Listed {
    /// Account and profile; none where the key opens one account.
    labels: Option<(Label, Label)>,
    provider: Arc<dyn Provider>,
    listings: Mutex<Listings>,
}

struct Listings {
    /// The days that the mount shows; `last` is absent where the mount goes on with the present.
    first: Date,
    last: Option<Date>,
    days: HashMap<Date, Known>,
    under_way: Vec<UnderWay>,
    walk: Walk,
}

struct Known {
    day: Arc<Day>,
    /// Of the provider, when it was listed.
    revision: u64,
    /// When it stops counting as fresh.
    until: Instant,
}

#[derive(Clone)]
struct UnderWay {
    window: Window,
    done: Shared<BoxFuture<'static, Result<(), Failure>>>,
}

impl Catalog {
    /// A catalogue of the days from `first` to `last`, or to the current day.
    pub fn new(provider: Arc<dyn Provider>, first: Date, last: Option<Date>) -> Arc<Self> {
        let whole = (ScopeNumber::WHOLE, Listed::new(None, provider, first, last));
        Arc::new(Self { scopes: BTreeMap::from([whole]), sizes: Mutex::default() })
    }

    /// A catalogue of several scopes.
    pub fn of_scopes(mut scopes: Vec<Scope>, first: Date, last: Option<Date>) -> Arc<Self> {
        // In the same order in every mount, for the rare ids that would get the same number.
        scopes.sort_by(|a, b| a.profile.id.cmp(&b.profile.id));
        let mut numbered = BTreeMap::new();
        for Scope { account, profile, provider } in scopes {
            let number = scopes::number(&profile, |number| numbered.contains_key(&number));
            let labels = Some((account, profile));
            numbered.insert(number, Listed::new(labels, provider, first, last));
        }
        Arc::new(Self { scopes: numbered, sizes: Mutex::default() })
    }

    /// The scopes with their accounts and profiles. Nothing where the key opens one account.
    pub fn scopes(&self) -> impl Iterator<Item = (ScopeNumber, &Label, &Label)> {
        self.scopes.iter().filter_map(|(number, listed)| {
            let (account, profile) = listed.labels.as_ref()?;
            Some((*number, account, profile))
        })
    }

    /// The days of a scope that exist now. Empty only if the window lies in the future.
    pub fn window(&self, scope: ScopeNumber) -> Window {
        let window = |listed: &Listed| lock(&listed.listings).window(&*listed.provider);
        self.scopes.get(&scope).map_or_else(|| Window::day(today()), window)
    }

    /// Whether a scope has objects without a date.
    pub fn has_undated(&self, scope: ScopeNumber) -> bool {
        self.scopes.get(&scope).is_some_and(|listed| listed.provider.has_undated())
    }

    /// The listing of a day, from memory while it is fresh.
    ///
    /// The same `Arc` comes back as long as the listing says the same.
    pub async fn day(
        self: &Arc<Self>,
        scope: ScopeNumber,
        date: Date,
    ) -> Result<Arc<Day>, Failure> {
        let no_scope = || Failure::new(Cause::NotFound, "no such account");
        let listed = self.scopes.get(&scope).ok_or_else(no_scope)?;
        let revision = listed.provider.revision();
        let listing = {
            let mut listings = lock(&listed.listings);
            if let Some(known) = listings.days.get(&date)
                && known.revision == revision
                && Instant::now() < known.until
            {
                return Ok(Arc::clone(&known.day));
            }
            listings.under_way(date).unwrap_or_else(|| {
                let window = listings.next_window(date, &*listed.provider);
                let listing = self.start(scope, window, revision);
                listings.under_way.push(listing.clone());
                listing
            })
        };
        let older = || {
            let listings = lock(&listed.listings);
            listings.days.get(&date).map(|known| Arc::clone(&known.day))
        };
        let outcome = match older() {
            // Who has something to show does not wait long for something newer.
            Some(day) => match tokio::time::timeout(PATIENCE, listing.done).await {
                Ok(outcome) => outcome,
                Err(_) => return Ok(day),
            },
            None => listing.done.await,
        };
        match (older(), outcome) {
            (Some(day), Ok(())) => Ok(day),
            (Some(day), Err(failure)) if failure.cause != Cause::Denied => Ok(day),
            (_, Err(failure)) => Err(failure),
            (None, Ok(())) => Err(Failure::new(Cause::Internal, "a listing left out a day")),
        }
    }

    /// Lists a window in a task of its own, so that it ends whether or not anybody still waits.
    fn start(self: &Arc<Self>, scope: ScopeNumber, window: Window, revision: u64) -> UnderWay {
        let catalog = Arc::clone(self);
        let task = tokio::spawn(async move {
            let gone = || Failure::new(Cause::Internal, "a scope is gone");
            let listed = catalog.scopes.get(&scope).ok_or_else(gone)?;
            let outcome = listed.provider.list(window).await;
            let mut listings = lock(&listed.listings);
            listings.under_way.retain(|listing| listing.window != window);
            match outcome {
                Ok(entries) => listings.take_in(window, entries, revision),
                Err(failure) => {
                    listings.put_off(window, &failure);
                    return Err(failure);
                }
            }
            Ok(())
        });
        let done = async move {
            task.await.unwrap_or_else(|panic| Err(Failure::new(Cause::Internal, panic)))
        };
        UnderWay { window, done: done.boxed().shared() }
    }

    /// The size of an object in bytes, if it is known for sure.
    pub fn size(&self, object: &Object) -> Option<u64> {
        match &object.content {
            Content::Inline(bytes) => Some(bytes.len() as u64),
            Content::Remote { claimed_size, .. } => {
                lock(&self.sizes).size(&object.id, *claimed_size)
            }
        }
    }

    /// The version of an object that was learned earlier.
    pub fn version(&self, id: &ObjectId) -> Option<Version> {
        lock(&self.sizes).version(id)
    }

    /// Keeps the version that a server served.
    pub fn learn(&self, object: &Object, version: Version) {
        let claimed = match &object.content {
            Content::Remote { claimed_size, .. } => *claimed_size,
            Content::Inline(_) => None,
        };
        lock(&self.sizes).learn(&object.id, claimed, version);
    }

    /// Forgets what was learned of an object that changed.
    pub fn unlearn(&self, id: &ObjectId) {
        lock(&self.sizes).unlearn(id);
    }
}

impl Listed {
    fn new(
        labels: Option<(Label, Label)>,
        provider: Arc<dyn Provider>,
        first: Date,
        last: Option<Date>,
    ) -> Self {
        let walk = Walk::new(provider.most_days());
        let (days, under_way) = (HashMap::new(), Vec::new());
        let listings = Mutex::new(Listings { first, last, days, under_way, walk });
        Self { labels, provider, listings }
    }
}

impl Listings {
    fn window(&self, provider: &dyn Provider) -> Window {
        if let Some(span) = provider.span() {
            return span;
        }
        let today = today();
        Window { first: self.first, last: self.last.map_or(today, |last| last.min(today)) }
    }

    fn under_way(&self, date: Date) -> Option<UnderWay> {
        // One that has ended is still here only if it panicked.
        let runs = |listing: &&UnderWay| listing.done.peek().is_none();
        self.under_way.iter().filter(runs).find(|listing| listing.window.contains(date)).cloned()
    }

    /// What to ask for when `date` is looked into: that day, or more where somebody walks.
    fn next_window(&mut self, date: Date, provider: &dyn Provider) -> Window {
        if date == UNDATED {
            return Window::day(date);
        }
        let bounds = self.window(provider);
        let (days, under_way, now) = (&self.days, &self.under_way, Instant::now());
        let revision = provider.revision();
        self.walk.next(date, bounds, |day| {
            days.get(&day).is_some_and(|known| known.revision == revision && now < known.until)
                || under_way.iter().any(|listing| listing.window.contains(day))
        })
    }

    /// Goes on with what is known of a window that could not be listed, for a while. A refusal is not
    /// put off: it has to be seen.
    fn put_off(&mut self, window: Window, failure: &Failure) {
        if failure.cause == Cause::Denied {
            return;
        }
        let retry = Instant::now() + RETRY_AFTER;
        for date in days_of(window) {
            if let Some(known) = self.days.get_mut(&date) {
                tracing::warn!(day = %date, "serving an older listing: {failure}");
                known.until = known.until.max(retry);
            }
        }
    }

    /// Takes in the whole listing of a window. Days without calls become known as empty.
    fn take_in(&mut self, window: Window, entries: Vec<Entry>, revision: u64) {
        self.walk.listed(window, entries.len());
        let mut by_day: HashMap<Date, Vec<Call>> = HashMap::new();
        for entry in entries {
            by_day.entry(entry.day).or_default().push(entry.into());
        }
        for date in days_of(window) {
            let day = Day { date, calls: by_day.remove(&date).unwrap_or_default() };
            let until = Instant::now() + life(date, today());
            let known = match self.days.remove(&date) {
                Some(known) if *known.day == day => Known { revision, until, ..known },
                _ => Known { day: Arc::new(day), revision, until },
            };
            self.days.insert(date, known);
        }
    }
}

/// The days of a window, in order.
fn days_of(window: Window) -> impl Iterator<Item = Date> {
    window.first.series(1.days()).take_while(move |day| *day <= window.last)
}

/// The current day (UTC).
pub fn today() -> Date {
    Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// How long a listing of `date` counts as fresh.
fn life(date: Date, today: Date) -> Duration {
    if date >= today {
        CURRENT_DAY_LIFE
    } else if date.tomorrow().is_ok_and(|next| next >= today) {
        LAST_DAY_LIFE
    } else {
        OLDER_DAY_LIFE
    }
}
