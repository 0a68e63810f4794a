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
    under_way: Vec<UnderWay>,
    walk: Walk,
}

struct Known {
    day: Arc<Day>,
    /// Of the provider, when it was listed.
    revision: u64,
    /// When it stops counting as fresh.
    until: Instant,
    /// Why the vendor refused to list it again.
    refusal: Option<Failure>,
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
        let (days, under_way) = (HashMap::new(), Vec::new());
        let Settings { first, last, .. } = *settings;
        Self { labels, provider, state: Mutex::new(State { first, last, days, under_way, walk }) }
    }

    /// The days that exist now.
    pub(super) fn window(&self) -> Window {
        self.provider.span().unwrap_or_else(|| lock(&self.state).window())
    }

    /// What is in memory of a day.
    pub(super) fn look(&self, date: Date, revision: u64) -> Look {
        let state = lock(&self.state);
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

    /// The listing of a day that is under way, or a new one of that day alone.
    pub(super) fn listing_of_day(&self, date: Date, start: impl FnOnce(Window) -> Task) -> Outcome {
        let mut state = lock(&self.state);
        let under_way = state.under_way(date).map(|listing| listing.done);
        under_way.unwrap_or_else(|| {
            let window = Window::day(date);
            state.add(window, start(window))
        })
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

    /// Takes in the whole listing of a window. Gives its days, each with whether it differs from what
    /// was known.
    pub(super) fn take_in(
        &self,
        window: Window,
        entries: Vec<Entry>,
        revision: u64,
        kept: impl Fn(Date, &Object) -> bool,
    ) -> Vec<(Arc<Day>, bool)> {
        let count = entries.len();
        let mut by_day: HashMap<Date, Vec<Call>> = HashMap::new();
        for entry in entries {
            by_day.entry(entry.day).or_default().push(entry.into());
        }
        let listed: Vec<Arc<Day>> = days_of(window)
            .map(|date| {
                let calls = by_day.remove(&date).unwrap_or_default();
                let before = self.known(date);
                let calls = gone::keep(calls, before.as_deref(), |object| kept(date, object));
                // The same as before comes back as the same.
                let before = before.filter(|before| before.calls == calls);
                before.unwrap_or_else(|| Arc::new(Day { date, calls }))
            })
            .collect();
        let mut state = lock(&self.state);
        state.under_way.retain(|listing| listing.window != window);
        state.walk.listed(window, count);
        let today = today();
        let take = |day: Arc<Day>| {
            let until = Instant::now() + life::of(day.date, today);
            let known = Known { day: Arc::clone(&day), revision, until, refusal: None };
            let before = state.days.insert(day.date, known);
            let is_new = before.is_none_or(|before| !Arc::ptr_eq(&before.day, &day));
            (day, is_new)
        };
        listed.into_iter().map(take).collect()
    }

    /// Takes in a day that was listed at `listed`, in seconds since the Unix epoch, unless it has
    /// become known meanwhile.
    pub(super) fn recall(&self, day: Day, listed: i64) -> Arc<Day> {
        let until = Instant::now() + life::left(day.date, listed, Timestamp::now());
        let revision = self.provider.revision();
        let mut state = lock(&self.state);
        let known = state.days.entry(day.date);
        let new = || Known { day: Arc::new(day), revision, until, refusal: None };
        Arc::clone(&known.or_insert_with(new).day)
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
