//! What to look for, and where.

use std::path::PathBuf;

use super::Mount;
use crate::types::{Query, QueryError, Term};

/// Files to find.
#[derive(Clone, Debug)]
pub struct Find {
    /// Names and values of what is looked for; they make a query.
    pub terms: Vec<Term>,
    /// Where.
    pub place: Place,
    /// Whether to ask the vendor for nothing.
    pub offline: bool,
    /// How to tell.
    pub format: FindFormat,
}

/// Where to look.
#[derive(Clone, Debug)]
pub enum Place {
    /// In each mount of this user.
    Mounts,
    /// In the mount that holds this directory, below it.
    Below(PathBuf),
    /// In an account that need not be mounted.
    Account(Box<Mount>),
}

/// How paths are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindFormat {
    /// One a line.
    Lines,
    /// Each with a zero byte behind it.
    Null,
    /// A JSON object a line, with the facts.
    Json,
}

impl Find {
    /// Whether the terms make sense.
    pub fn check(terms: &[Term]) -> Result<(), QueryError> {
        let terms = terms.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Query::of(terms).map(drop)
    }
}
