//! The directories that the calendar alone tells: areas, years, months, days. Pure.

use jiff::civil::Date;

use super::{Child, Node};
use crate::types::{Area, ScopeNumber, UNDATED, Window};

/// The four areas.
pub(super) fn areas(scope: ScopeNumber) -> Vec<Child> {
    let child = |area: &Area| child(area.name().to_owned(), Node::Area(scope, *area));
    Area::ALL.iter().map(child).collect()
}

/// The years of an area.
pub(super) fn years(scope: ScopeNumber, area: Area, window: Window) -> Vec<Child> {
    (window.first.year()..=window.last.year())
        .map(|year| child(format!("{year:04}"), Node::Year(scope, area, year)))
        .collect()
}

/// The months of a year.
pub(super) fn months(scope: ScopeNumber, area: Area, year: i16, window: Window) -> Vec<Child> {
    (1..=12)
        .filter(|month| has_month(window, (year, *month)))
        .map(|month| child(format!("{month:02}"), Node::Month(scope, area, year, month)))
        .collect()
}

/// The days of a month; in `index/` they are files.
pub(super) fn days(
    scope: ScopeNumber,
    area: Area,
    (year, month): (i16, i8),
    window: Window,
) -> Vec<Child> {
    (1..=31)
        .filter_map(|day| Date::new(year, month, day).ok())
        .filter(|date| window.contains(*date))
        .map(|date| match area {
            Area::Index => child(index_name(date), Node::Index(scope, date)),
            _ => child(format!("{:02}", date.day()), Node::Day(scope, area, date)),
        })
        .collect()
}

/// The name of a day's file in `index/`.
pub(super) fn index_name(date: Date) -> String {
    match date {
        UNDATED => "undated.jsonl".to_owned(),
        date => format!("{:02}.jsonl", date.day()),
    }
}

/// Whether a year has days of the window.
pub(super) fn has_year(window: Window, year: i16) -> bool {
    (window.first.year()..=window.last.year()).contains(&year)
}

/// Whether a month has.
pub(super) fn has_month(window: Window, month: (i16, i8)) -> bool {
    let Window { first, last } = window;
    (first.year(), first.month()) <= month && month <= (last.year(), last.month())
}

fn child(name: String, node: Node) -> Child {
    Child { name, node }
}
