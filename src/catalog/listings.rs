//! The listings of one scope: which days are in memory, how fresh they are, and which are asked for
//! now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use jiff::Timestamp;
use jiff::civil::Date;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::poll::Watched;
use super::walk::Walk;
use super::{Settings, days_of, gone, life, today};
use crate::source::Provider;
use crate::types::{Call, Cause, Day, Entry, Failure, Label, Object, UNDATED, Window, lock};

/// How long a listing that could not be renewed is served before the next try.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The days of a listing: whoever waited for one has it from there, since it may have gone from memory
/// again when a window had too many calls.
pub(super) type Days = Arc<[Arc<Day>]>;
/// A listing that is being made.
pub(super) type Task = JoinHandle<Result<Days, Failure>>;
/// Its outcome, for all who wait.
type Outcome = Shared<BoxFuture<'static, Result<Days, Failure>>>;

/// A scope, and what is known of its days.
pub(super) struct Listed {
    /// Account and profile; none where the key opens one account.
    pub(super) labels: Option<(Label, Label)>,
    pub(super) provider: Arc<dyn Provider>,
    state: Mutex<State>,
}

/// What a look into a day finds.
pub(super) enum Look {
    /// A listing that counts.
    Fresh(Arc<Day>),
    /// One that is served while it is asked for again; or why the vendor refused that.
    Aged(Result<Arc<Day>, Failure>),
    /// One of which the provider says that it is no longer right.
    Outdated,
    /// None in memory.
    Unknown,
}

struct State {
    /// The days that the mount shows; `last` is absent where the mount goes on with the present.
    first: Date,
    last: Option<Date>,
    days: HashMap<Date, Known>,
    /// The last listing of each day, also of one that went from memory: polls go on with it.
    last_listed: HashMap<Date, LastListed>,
    /// When somebody last looked into a day.
    looked: HashMap<Date, Instant>,
    under_way: Vec<UnderWay>,
    walk: Walk,
}

struct Known {
    day: Arc<Day>,
    /// Of the provider, when it was listed.
    revision: u64,
    /// When it was listed.
    listed: Instant,
    /// When it stops counting as fresh.
    until: Instant,
    /// Why the vendor refused to list it again.
    refusal: Option<Failure>,
}

struct LastListed {
    at: Instant,
    /// How many calls it had.
    calls: usize,
    /// Of the provider, then.
    revision: u64,
}

impl From<&Known> for LastListed {
    fn from(known: &Known) -> Self {
        Self { at: known.listed, calls: known.day.calls.len(), revision: known.revision }
    }
}

#[derive(Clone)]
struct UnderWay {
    window: Window,
    done: Outcome,
}

impl Listed {
    pub(super) fn new(
        labels: Option<(Label, Label)>,
        provider: Arc<dyn Provider>,
        settings: &Settings,
    ) -> Self {
        let walk = Walk::new(provider.most_days());
        let Settings { first, last, .. } = *settings;
        let (days, last_listed) = (HashMap::new(), HashMap::new());
        let (looked, under_way) = (HashMap::new(), Vec::new());
        let state = State { first, last, days, last_listed, looked, under_way, walk };
        Self { labels, provider, state: Mutex::new(state) }
    }

    /// The days that exist now.
    pub(super) fn window(&self) -> Window {
        self.provider.span().unwrap_or_else(|| lock(&self.state).window())
    }

    /// What is in memory of a day that somebody looks into.
    pub(super) fn look(&self, date: Date, revision: u64) -> Look {
        let mut state = lock(&self.state);
        state.looked.insert(date, Instant::now());
        let Some(known) = state.days.get(&date) else { return Look::Unknown };
        if known.revision != revision {
            return Look::Outdated;
        }
        let day = Arc::clone(&known.day);
        if Instant::now() < known.until {
            return Look::Fresh(day);
        }
        Look::Aged(known.refusal.clone().map_or(Ok(day), Err))
    }

    /// A day in memory, fresh or not.
    pub(super) fn known(&self, date: Date) -> Option<Arc<Day>> {
        lock(&self.state).days.get(&date).map(|known| Arc::clone(&known.day))
    }

    /// The listing of a day that is under way, or a new one of the window that `start` gets.
    pub(super) fn listing(
        &self,
        date: Date,
        revision: u64,
        start: impl FnOnce(Window) -> Task,
    ) -> Outcome {
        let bounds = self.window();
        let mut state = lock(&self.state);
        if let Some(listing) = state.under_way(date) {
            return listing.done;
        }
        let window = state.next_window(date, bounds, revision);
        state.add(window, start(window))
    }

    /// The listing of a window's first day that is under way, or a new one of that window.
    pub(super) fn listing_of(&self, window: Window, start: impl FnOnce(Window) -> Task) -> Outcome {
        let mut state = lock(&self.state);
        let under_way = state.under_way(window.first).map(|listing| listing.done);
        under_way.unwrap_or_else(|| state.add(window, start(window)))
    }

    /// Takes note that somebody looks at a day.
    pub(super) fn looked_at(&self, date: Date) {
        lock(&self.state).looked.insert(date, Instant::now());
    }

    /// The days that somebody looked into within `span`, as a poll sees them.
    pub(super) fn looked_into(&self, span: Duration) -> Vec<Watched> {
        let (mut state, now) = (lock(&self.state), Instant::now());
        state.looked.retain(|_, at| now.duration_since(*at) < span);
        let watched = |date: &Date| {
            let LastListed { at, calls, revision } = *state.last_listed.get(date)?;
            Some(Watched { date: *date, calls, age: now.duration_since(at), revision })
        };
        state.looked.keys().filter_map(watched).collect()
    }

    /// Makes what is known of a window, or of all, stale; gives its days.
    pub(super) fn outdate(&self, window: Option<Window>) -> Vec<Date> {
        let (mut state, now) = (lock(&self.state), Instant::now());
        let known = state.days.iter_mut();
        let wanted = known.filter(|(day, _)| window.is_none_or(|window| window.contains(**day)));
        wanted
            .map(|(day, known)| {
                known.until = now;
                *day
            })
            .collect()
    }

    /// Takes in the whole listing of a window, of which so much was known `before`. Gives its days, each
    /// with what was known of it; that is the same `Arc` where nothing changed.
    pub(super) fn take_in(
        &self,
        window: Window,
        entries: Vec<Entry>,
        mut before: HashMap<Date, Arc<Day>>,
        revision: u64,
        kept: impl Fn(Date, &Object) -> bool,
    ) -> Vec<(Arc<Day>, Option<Arc<Day>>)> {
        let count = entries.len();
        let mut by_day: HashMap<Date, Vec<Call>> = HashMap::new();
        for entry in entries {
            by_day.entry(entry.day).or_default().push(entry.into());
        }
        let listed: Vec<_> = days_of(window)
            .map(|date| {
                let calls = by_day.remove(&date).unwrap_or_default();
                let before = self.known(date).or_else(|| before.remove(&date));
                let calls = gone::keep(calls, before.as_deref(), |object| kept(date, object));
                // The same as before comes back as the same.
                let same = before.clone().filter(|before| before.calls == calls);
                (same.unwrap_or_else(|| Arc::new(Day { date, calls })), before)
            })
            .collect();
        let mut state = lock(&self.state);
        state.under_way.retain(|listing| listing.window != window);
        state.walk.listed(window, count);
        let today = today();
        let take = |(day, before): (Arc<Day>, Option<Arc<Day>>)| {
            let listed = Instant::now();
            let until = listed + life::of(day.date, today);
            let known = Known { day: Arc::clone(&day), revision, listed, until, refusal: None };
            state.last_listed.insert(day.date, LastListed::from(&known));
            let replaced = state.days.insert(day.date, known).map(|known| known.day);
            (day, replaced.or(before))
        };
        listed.into_iter().map(take).collect()
    }

    /// Takes in a day that was listed at `listed`, in seconds since the Unix epoch, unless it has
    /// become known meanwhile.
    pub(super) fn recall(&self, day: Day, listed: i64) -> Arc<Day> {
        let (now, time) = (Instant::now(), Timestamp::now());
        let until = now + life::left(day.date, listed, time);
        let age = u64::try_from(time.as_second().saturating_sub(listed)).unwrap_or(0);
        // No moment before the machine's start can be told: a poll then waits a little longer.
        let listed = now.checked_sub(Duration::from_secs(age)).unwrap_or(now);
        let revision = self.provider.revision();
        let mut state = lock(&self.state);
        let date = day.date;
        let new = || Known { day: Arc::new(day), revision, listed, until, refusal: None };
        let known = state.days.entry(date).or_insert_with(new);
        let (last, day) = (LastListed::from(&*known), Arc::clone(&known.day));
        state.last_listed.insert(date, last);
        day
    }

    /// Lets go of a day.
    pub(super) fn forget(&self, date: Date) {
        lock(&self.state).days.remove(&date);
    }

    /// Goes on with what is known of a window that could not be listed, for a while. A refusal is
    /// shown to who looks next.
    pub(super) fn put_off(&self, window: Window, failure: &Failure) {
        let mut state = lock(&self.state);
        state.under_way.retain(|listing| listing.window != window);
        for date in days_of(window) {
            if let Some(known) = state.days.get_mut(&date) {
                if failure.cause == Cause::Denied {
                    known.refusal = Some(failure.clone());
                } else {
                    tracing::warn!(day = %date, "serving an older listing: {failure}");
                    known.until = known.until.max(Instant::now() + RETRY_AFTER);
                }
            }
        }
    }
}

impl State {
    fn window(&self) -> Window {
        let today = today();
        Window { first: self.first, last: self.last.map_or(today, |last| last.min(today)) }
    }

    fn add(&mut self, window: Window, task: Task) -> Outcome {
        let done = async move {
            task.await.unwrap_or_else(|panic| Err(Failure::new(Cause::Internal, panic)))
        };
        let done = done.boxed().shared();
        self.under_way.push(UnderWay { window, done: done.clone() });
        done
    }

    fn under_way(&self, date: Date) -> Option<UnderWay> {
        // One that has ended is still here only if it panicked.
        let runs = |listing: &&UnderWay| listing.done.peek().is_none();
        self.under_way.iter().filter(runs).find(|listing| listing.window.contains(date)).cloned()
    }

    /// What to ask for when `date` is looked into: that day, or more where somebody walks.
    fn next_window(&mut self, date: Date, bounds: Window, revision: u64) -> Window {
        if date == UNDATED {
            return Window::day(date);
        }
        let (days, under_way, now) = (&self.days, &self.under_way, Instant::now());
        self.walk.next(date, bounds, |day| {
            days.get(&day).is_some_and(|known| known.revision == revision && now < known.until)
                || under_way.iter().any(|listing| listing.window.contains(day))
        })
    }
}
