//! Asking the vendor again, for what stands at a path.

use std::sync::Arc;

use jiff::civil::{Date, date};

use super::Fs;
use crate::tree::Node;
use crate::types::{Cause, Failure, UNDATED, Window};

impl Fs {
    /// Has the listings of what stands at `path`, below the root, asked for again: of a day at once,
    /// of more than a day the latest at once and the rest when somebody looks. Gives the number of
    /// days that were listed.
    pub async fn refresh(self: &Arc<Self>, path: &str) -> Result<usize, Failure> {
        let (scope, window) = match self.at(path).await? {
            Node::Root | Node::Account(_) => (None, None),
            Node::Scope(scope) | Node::Area(scope, _) => (Some(scope), None),
            Node::Year(scope, _, year) => (Some(scope), Some(of_months(year, 1, 12))),
            Node::Month(scope, _, year, month) => {
                (Some(scope), Some(of_months(year, month, month)))
            }
            Node::Day(scope, _, day) | Node::Index(scope, day) | Node::Playlist(scope, day) => {
                (Some(scope), Some(Window::day(day)))
            }
            Node::File(file) => (Some(file.scope), Some(Window::day(file.day))),
            Node::Finds | Node::Query(_) | Node::Link(_) => {
                return Err(Failure::new(Cause::Invalid, "what was looked for is no listing"));
            }
        };
        self.within(self.catalog.refresh(scope, window)).await
    }
}

fn of_months(year: i16, first: i8, last: i8) -> Window {
    let begin = |month| Date::new(year, month, 1).unwrap_or(UNDATED);
    let end = Date::new(year, last, 1).map_or(date(9999, 12, 31), Date::last_of_month);
    Window { first: begin(first), last: end }
}
