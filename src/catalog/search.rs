//! Searching what is known: the index of what is kept, as far as it tells of a day for certain.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use super::{Catalog, life};
use crate::store::{self, Missing, SearchedDay};
use crate::types::{Day, ObjectId, ScopeNumber, Window, Word};

/// What the index of what is kept says of some words.
#[derive(Default)]
pub struct Search(Option<store::Search>);

impl Catalog {
    /// Searches the index, where there is one.
    pub async fn search(self: &Arc<Self>, words: &[Word]) -> Search {
        let Some(store) = self.settings.store.clone().filter(|_| !words.is_empty()) else {
            return Search::default();
        };
        let words = words.to_owned();
        let search = tokio::task::spawn_blocking(move || store.search(&words));
        Search(search.await.unwrap_or_default())
    }

    /// What the index says of a day, where that is the day as it is now: not of one that is in memory, which
    /// may be newer, nor of one that is due to be listed again. Transcripts that were missing may have come.
    pub fn searched<'a>(
        &self,
        search: &'a Search,
        scope: ScopeNumber,
        date: Date,
    ) -> Option<&'a SearchedDay> {
        let listed = self.scopes.get(&scope)?;
        let day = self.store_of(listed)?.searched(search.0.as_ref()?, scope, date)?;
        let is_fresh = !life::left(date, day.listed, Timestamp::now()).is_zero();
        (is_fresh && listed.known(date).is_none()).then_some(day)
    }

    /// Takes a day that was searched without the index into it, for the next time. `said` are its
    /// transcripts that were at hand, `missing` are the others.
    pub fn index(
        &self,
        search: &Search,
        (scope, date): (ScopeNumber, Date),
        said: HashMap<ObjectId, String>,
        missing: Missing,
    ) {
        let store = self.scopes.get(&scope).and_then(|listed| self.store_of(listed));
        if let (Some(store), Some(search)) = (store, &search.0)
            && store.searched(search, scope, date).is_none_or(|day| day.missing != missing)
        {
            store.index_day(scope, date, said);
        }
    }

    /// A day as far as it is known, without asking anybody; none if it was never listed.
    pub async fn day_at_hand(self: &Arc<Self>, scope: ScopeNumber, date: Date) -> Option<Arc<Day>> {
        let listed = self.scopes.get(&scope)?;
        if listed.provider.span().is_some() {
            return self.day(scope, date).await.ok();
        }
        self.recall(scope, Window::day(date)).await.remove(&date)
    }
}
