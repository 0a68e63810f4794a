//! What to look for, and where.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::Mount;
use crate::types::{Query, QueryError, TERMS, Term, shell_word};

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
    /// Whether the terms make sense, and a call can match them.
    pub fn check(terms: &[Term]) -> Result<(), QueryError> {
        let terms = terms.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Query::of(terms)?.possible(Timestamp::now()).map(drop)
    }

    /// Whether a word is a term as it is written in `.find/`.
    pub fn is_term(word: &str) -> bool {
        word.split_once('=').is_some_and(|(name, _)| TERMS.contains(&name))
    }

    /// The flag that looks for a word that was typed without one.
    pub fn flag_for(word: &str) -> String {
        let is_number = word.chars().any(|c| c.is_ascii_digit())
            && word.chars().all(|c| c.is_ascii_digit() || "+-.() ".contains(c));
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if Self::is_term(word) => (name, value),
            _ if is_number => ("number", word),
            _ => ("text", word),
        };
        format!("--{name} {}", shell_word(Path::new(value)))
    }

    /// The flags of what can be looked for.
    pub fn flags() -> String {
        TERMS.map(|name| format!("--{name}")).join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_without_its_flag_gets_one() {
        for (word, flag) in [
            ("number=+1555", "--number +1555"),
            ("since=7d", "--since 7d"),
            ("+1 (555) 123", "--number '+1 (555) 123'"),
            ("refund", "--text refund"),
            ("a=b", "--text 'a=b'"),
            ("it's", r"--text 'it'\''s'"),
        ] {
            assert_eq!(Find::flag_for(word), flag);
        }
    }
}
