//! Asking again at once, because somebody wants to know: what is fresh stops counting as fresh.

use std::sync::Arc;

use futures_util::future::try_join_all;
use jiff::civil::Date;
use tokio::time::Instant;

use super::{Catalog, Listed, today};
use crate::types::{Failure, ScopeNumber, Window, lock};

impl Catalog {
    /// Makes the listings of a window stale, of one scope or of all. A window of a single day is
    /// listed at once, and otherwise the current day and the one before, where somebody looked into
    /// them; the rest is listed when somebody looks again. Gives the number of days listed.
    pub async fn refresh(
        self: &Arc<Self>,
        scope: Option<ScopeNumber>,
        window: Option<Window>,
    ) -> Result<usize, Failure> {
        let is_wanted = |number: &ScopeNumber| scope.is_none_or(|wanted| wanted == *number);
        let mut listings = Vec::new();
        for (number, listed) in self.scopes.iter().filter(|(number, _)| is_wanted(number)) {
            let outdated = listed.outdate(window);
            let days = match window {
                Some(window) if window.first == window.last => vec![window.first],
                _ => outdated.into_iter().filter(|day| is_recent(*day)).collect(),
            };
            listings.extend(days.into_iter().map(|day| self.listing(*number, listed, day)));
        }
        try_join_all(listings).await.map(|listed| listed.len())
    }

    /// The listing of a day, at once, whatever is known of it.
    fn listing(
        self: &Arc<Self>,
        scope: ScopeNumber,
        listed: &Listed,
        date: Date,
    ) -> impl Future<Output = Result<(), Failure>> + use<> {
        let mut listings = lock(&listed.listings);
        let under_way = listings.under_way(date).unwrap_or_else(|| {
            let listing = self.start(scope, Window::day(date), listed.provider.revision());
            listings.under_way.push(listing.clone());
            listing
        });
        under_way.done
    }
}

impl Listed {
    /// Makes what is known of a window stale; gives its days.
    fn outdate(&self, window: Option<Window>) -> Vec<Date> {
        let (mut listings, now) = (lock(&self.listings), Instant::now());
        let known = listings.days.iter_mut();
        let wanted = known.filter(|(day, _)| window.is_none_or(|window| window.contains(**day)));
        wanted
            .map(|(day, known)| {
                known.until = now;
                *day
            })
            .collect()
    }
}

/// Whether calls of a day may just have ended.
fn is_recent(day: Date) -> bool {
    let today = today();
    today.yesterday().is_ok_and(|yesterday| day >= yesterday) && day <= today
}
