//! Asking again at once, because somebody wants to know: what is fresh stops counting as fresh.

use std::sync::Arc;

use futures_util::future::try_join_all;
use jiff::civil::Date;

use super::{Catalog, today};
use crate::types::{Failure, ScopeNumber, Window};

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
            let revision = listed.provider.revision();
            let start = |window| self.start(*number, window, revision);
            let days = days.into_iter().map(Window::day);
            listings.extend(days.map(|day| listed.listing_of(day, start)));
        }
        try_join_all(listings).await.map(|listed| listed.len())
    }
}

/// Whether calls of a day may just have ended.
fn is_recent(day: Date) -> bool {
    let today = today();
    today.yesterday().is_ok_and(|yesterday| day >= yesterday) && day <= today
}
