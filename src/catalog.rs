//! What is known of an account, and for how long: the listings of its days, and what its objects
//! proved to be.
//!
//! A day is listed when somebody looks into it, once however many look, and is kept in the store, so
//! that it is known after a remount. A listing that is no longer fresh is served at once and asked for
//! again behind the reader's back; one that fails takes nothing away, since "unreachable" is not
//! "deleted". What the vendor no longer lists stays while its bytes are kept.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::source::{Provider, Scope, Version};
use crate::store;
use crate::types::{
    Cause, Content, Day, Failure, Label, Object, ObjectId, ScopeNumber, Window, lock,
};
use learned::Learned;
use listings::{Listed, Look};

pub use crate::store::{Missing, SearchedDay, State, call_number, saying};
pub use changes::Change;
pub use poll::can_change;
pub use recent::Recent;
pub use search::Search;

mod changes;
mod gone;
mod learned;
mod life;
mod listings;
mod poll;
mod recent;
mod refresh;
pub mod scopes;
mod search;
mod walk;

/// What is known of an account, or of the several that a key opens.
pub struct Catalog {
    scopes: BTreeMap<ScopeNumber, Listed>,
    learned: Mutex<Learned>,
    recent: Mutex<Recent>,
    changes: changes::Changes,
    settings: Settings,
}

/// How a catalogue goes about it.
pub struct Settings {
    /// First day that the mount shows.
    pub first: Date,
    /// Last day; none: the current one, as it moves.
    pub last: Option<Date>,
    /// Where what is known outlives the mount; none: nowhere.
    pub store: Option<store::Account>,
    /// Whether what the vendor no longer lists is shown while its bytes are kept.
    pub keep_gone: bool,
}

impl Catalog {
    /// A catalogue of one listing.
    pub fn new(provider: Arc<dyn Provider>, settings: Settings) -> Arc<Self> {
        let whole = (ScopeNumber::WHOLE, Listed::new(None, provider, &settings));
        Self::of(BTreeMap::from([whole]), settings)
    }

    /// A catalogue of several scopes.
    pub fn of_scopes(mut scopes: Vec<Scope>, settings: Settings) -> Arc<Self> {
        // In the same order in every mount, for the rare ids that would get the same number.
        scopes.sort_by(|a, b| a.profile.id.cmp(&b.profile.id));
        let mut numbered = BTreeMap::new();
        for Scope { account, profile, provider } in scopes {
            let number = scopes::number(&profile, |number| numbered.contains_key(&number));
            let labels = Some((account, profile));
            numbered.insert(number, Listed::new(labels, provider, &settings));
        }
        Self::of(numbered, settings)
    }

    fn of(scopes: BTreeMap<ScopeNumber, Listed>, settings: Settings) -> Arc<Self> {
        let (learned, recent) = (Mutex::default(), Mutex::default());
        Arc::new(Self { scopes, learned, recent, changes: changes::Changes::default(), settings })
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
        self.scopes.get(&scope).map_or_else(|| Window::day(today()), Listed::window)
    }

    /// Whether a scope shows all days on which it has anything, rather than those it was told to show.
    pub fn knows_its_days(&self, scope: ScopeNumber) -> bool {
        self.scopes.get(&scope).is_some_and(|listed| listed.provider.span().is_some())
    }

    /// Whether a scope has objects without a date.
    pub fn has_undated(&self, scope: ScopeNumber) -> bool {
        self.scopes.get(&scope).is_some_and(|listed| listed.provider.has_undated())
    }

    /// The listing of a day.
    ///
    /// The same `Arc` comes back as long as the listing says the same and is in memory.
    pub async fn day(
        self: &Arc<Self>,
        scope: ScopeNumber,
        date: Date,
    ) -> Result<Arc<Day>, Failure> {
        let no_scope = || Failure::new(Cause::NotFound, "no such account");
        let listed = self.scopes.get(&scope).ok_or_else(no_scope)?;
        let revision = listed.provider.revision();
        let mut look = listed.look(date, revision);
        if let Look::Unknown = look {
            let mut recalled = self.recall(scope, Window::day(date)).await;
            look = listed.look(date, revision);
            // It may have had to go from memory again at once.
            if let (Look::Unknown, Some(day)) = (&look, recalled.remove(&date)) {
                return Ok(day);
            }
        }
        if let Look::Fresh(day) = look {
            self.see(scope, date, &day);
            return Ok(day);
        }
        let listing = listed.listing(date, revision, |window| self.start(scope, window, revision));
        let outcome = match look {
            Look::Aged(Ok(day)) => {
                self.see(scope, date, &day);
                return Ok(day);
            }
            Look::Aged(Err(refusal)) => return Err(refusal),
            Look::Fresh(_) | Look::Outdated | Look::Unknown => listing.await,
        };
        let left_out = || Failure::new(Cause::Internal, "a listing left out a day");
        match (outcome, listed.known(date)) {
            (Ok(days), known) => {
                let listed = days.iter().find(|day| day.date == date).map(Arc::clone);
                known.or(listed).ok_or_else(left_out)
            }
            (Err(failure), Some(day)) if failure.cause != Cause::Denied => Ok(day),
            (Err(failure), _) => Err(failure),
        }
    }

    /// Lists a window in a task of its own, so that it ends whether or not anybody still waits.
    fn start(
        self: &Arc<Self>,
        scope: ScopeNumber,
        window: Window,
        revision: u64,
    ) -> listings::Task {
        let catalog = Arc::clone(self);
        tokio::spawn(async move {
            let gone = || Failure::new(Cause::Internal, "a scope is gone");
            let listed = catalog.scopes.get(&scope).ok_or_else(gone)?;
            match listed.provider.list(window).await {
                Ok(entries) => {
                    // What was known before is needed to see what is gone.
                    let before = catalog.recall(scope, window).await;
                    let own = Arc::clone(&catalog);
                    let take_in = move || own.take_in(scope, window, entries, before, revision);
                    let taken = tokio::task::spawn_blocking(take_in).await;
                    taken.map_err(|panic| Failure::new(Cause::Internal, panic))
                }
                Err(failure) => {
                    listed.put_off(window, &failure);
                    Err(failure)
                }
            }
        })
    }

    /// Takes in the whole listing of a window. Days without calls become known as empty.
    fn take_in(
        &self,
        scope: ScopeNumber,
        window: Window,
        entries: Vec<crate::types::Entry>,
        before: HashMap<Date, Arc<Day>>,
        revision: u64,
    ) -> listings::Days {
        let Some(listed) = self.scopes.get(&scope) else { return Arc::default() };
        let store = self.store_of(listed);
        let kept = |date: Date, object: &Object| self.is_kept(scope, date, object);
        let take = |(day, before): (Arc<Day>, Option<Arc<Day>>)| {
            let is_same = before.as_ref().is_some_and(|before| Arc::ptr_eq(before, &day));
            if let Some(store) = store {
                if is_same {
                    store.keep_day_fresh(scope, day.date);
                } else {
                    store.keep_day(scope, day.date, &day.calls);
                }
            }
            self.see(scope, day.date, &day);
            if let Some(before) = before.filter(|_| !is_same) {
                self.changes.tell(Change { scope, before, after: Arc::clone(&day) });
            }
            day
        };
        listed.take_in(window, entries, before, revision, kept).into_iter().map(take).collect()
    }

    /// Whether an object that the vendor no longer lists is still shown.
    fn is_kept(&self, scope: ScopeNumber, date: Date, object: &Object) -> bool {
        let Some(store) = self.settings.store.as_ref().filter(|_| self.settings.keep_gone) else {
            return false;
        };
        match &object.content {
            Content::Inline(_) => true,
            Content::Remote { .. } => self
                .version(scope, date, &object.id)
                .is_some_and(|version| store.is_whole(store.blob(&object.id, &version))),
        }
    }

    /// Whether a day of a scope that is no longer in memory comes back without the vendor.
    pub fn can_recall(&self, scope: ScopeNumber) -> bool {
        let store = self.scopes.get(&scope).and_then(|listed| self.store_of(listed));
        store.is_some_and(|store| !store.is_off())
    }

    /// What is known of days, brought back from the store where it is not in memory. Who goes on with a day
    /// has to hold it: it may have to go from memory again at any time.
    async fn recall(
        self: &Arc<Self>,
        scope: ScopeNumber,
        window: Window,
    ) -> HashMap<Date, Arc<Day>> {
        let Some(listed) = self.scopes.get(&scope) else { return HashMap::new() };
        let known = |date| Some((date, listed.known(date)?));
        let mut known: HashMap<_, _> = days_of(window).filter_map(known).collect();
        let missing: Vec<_> = days_of(window).filter(|date| !known.contains_key(date)).collect();
        if self.store_of(listed).is_none() || missing.is_empty() {
            return known;
        }
        let catalog = Arc::clone(self);
        let recalled = tokio::task::spawn_blocking(move || {
            let recall = |date| Some((date, catalog.recall_day(scope, date)?));
            missing.into_iter().filter_map(recall).collect::<Vec<_>>()
        });
        match recalled.await {
            Ok(recalled) => known.extend(recalled),
            Err(panic) => tracing::error!("a day could not be brought back: {panic}"),
        }
        known
    }

    fn recall_day(&self, scope: ScopeNumber, date: Date) -> Option<Arc<Day>> {
        let listed = self.scopes.get(&scope)?;
        let kept = self.store_of(listed)?.day(scope, date)?;
        lock(&self.learned).add(scope, date, kept.known);
        let day = listed.recall(kept.day, kept.listed);
        self.see(scope, date, &day);
        Some(day)
    }

    /// The store, for a scope whose listings it keeps: what a provider has at hand is not kept twice.
    fn store_of(&self, listed: &Listed) -> Option<&store::Account> {
        self.settings.store.as_ref().filter(|_| listed.provider.span().is_none())
    }

    /// Takes note that a day is in use, and lets go of those that were used least recently.
    fn see(&self, scope: ScopeNumber, date: Date, day: &Day) {
        if !self.can_recall(scope) {
            return;
        }
        let gone = lock(&self.recent).see((scope, date), day.weight());
        for (scope, date) in gone {
            if let Some(listed) = self.scopes.get(&scope) {
                listed.forget(date);
            }
            lock(&self.learned).forget(scope, date);
        }
    }

    /// The size of an object in bytes, as far as it is known in memory for sure.
    pub fn size(&self, scope: ScopeNumber, date: Date, object: &Object) -> Option<u64> {
        match &object.content {
            Content::Inline(bytes) => Some(bytes.len() as u64),
            Content::Remote { claimed_size, .. } => {
                lock(&self.learned).size(scope, date, &object.id, *claimed_size)
            }
        }
    }

    /// The version of an object that was learned earlier, here or by another mount.
    pub fn version(&self, scope: ScopeNumber, date: Date, id: &ObjectId) -> Option<Version> {
        if let Some(known) = lock(&self.learned).get(scope, date, id) {
            return known.version;
        }
        let known = self.settings.store.as_ref()?.known(scope, date, id)?;
        let version = known.version.clone();
        lock(&self.learned).put(scope, date, id, known);
        version
    }

    /// How the last request for an object ended, as far as it is known in memory.
    pub fn state(&self, scope: ScopeNumber, date: Date, object: &Object) -> State {
        let learned = lock(&self.learned).get(scope, date, &object.id);
        match (object.is_gone, &object.content) {
            (true, _) => State::Gone,
            (false, Content::Inline(_)) => State::Ready,
            (false, Content::Remote { .. }) => learned.map_or(State::Pending, |known| known.state),
        }
    }

    /// Keeps the version that a server served. True if it ends the belief in sizes that listings
    /// claim: any that was told may be wrong.
    pub fn learn(&self, scope: ScopeNumber, date: Date, object: &Object, version: Version) -> bool {
        let claimed = match &object.content {
            Content::Remote { claimed_size, .. } => *claimed_size,
            Content::Inline(_) => None,
        };
        let ends_belief = lock(&self.learned).compare(&object.id, claimed, version.total);
        let known = store::Known { state: State::Ready, version: Some(version) };
        self.keep(scope, date, &object.id, known);
        ends_belief
    }

    /// Forgets what was learned of an object that changed.
    pub fn unlearn(&self, scope: ScopeNumber, date: Date, id: &ObjectId) {
        self.keep(scope, date, id, store::Known::default());
    }

    /// Keeps that the vendor refused an object, or no longer has it. What was fetched of it counts
    /// on.
    pub fn refused(&self, scope: ScopeNumber, date: Date, id: &ObjectId, state: State) {
        let version = self.version(scope, date, id);
        self.keep(scope, date, id, store::Known { state, version });
    }

    fn keep(&self, scope: ScopeNumber, date: Date, id: &ObjectId, known: store::Known) {
        if let Some(store) = &self.settings.store {
            store.keep_known(scope, date, id, &known);
        }
        lock(&self.learned).put(scope, date, id, known);
    }
}

/// The days of a window, in order.
fn days_of(window: Window) -> impl Iterator<Item = Date> {
    window.first.series(1.days()).take_while(move |day| *day <= window.last)
}

/// How much of the current day (UTC) is left.
pub fn rest_of_today() -> Duration {
    let day = 24 * 60 * 60;
    let gone = Timestamp::now().as_second().rem_euclid(day);
    Duration::from_secs(u64::try_from(day - gone).unwrap_or(0))
}

/// The current day (UTC).
pub fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}
