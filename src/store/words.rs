//! Full text, by SQLite's FTS5: which calls say some words.
//!
//! Of what is kept in the clear there is an index. A day enters it when somebody first searches that day, so
//! that who never searches pays nothing, and leaves it with the row that it was made of, in the same
//! transaction. Where all is sealed there is none: its words would tell what was said. A day that is not in the
//! index is searched by one in memory, with the same rules for what a word is.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension as _, params};
use xxhash_rust::xxh3::xxh3_64;

use super::queue::Work;
use super::{Account, Key, Shared, StoreError, database, record};
use crate::types::{ObjectId, ScopeNumber, Word};

/// The calls, by their place, whose text has all of the words.
pub fn saying(
    texts: impl IntoIterator<Item = (usize, String)>,
    words: &[Word],
) -> Result<HashSet<usize>, StoreError> {
    let index = Connection::open_in_memory()?;
    // As in the catalogue.
    index.execute_batch(
        "CREATE VIRTUAL TABLE words USING fts5 (
             text, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
         );
         BEGIN",
    )?;
    let mut insert = index.prepare("INSERT INTO words (rowid, text) VALUES (?, ?)")?;
    for (place, text) in texts {
        insert.execute(params![i64::try_from(place).unwrap_or(i64::MAX), text])?;
    }
    drop(insert);
    index.execute_batch("COMMIT")?;
    all_of(words, |expression| {
        let mut query = index.prepare_cached("SELECT rowid FROM words WHERE words MATCH ?")?;
        let rows = query.query_map([expression], |row| row.get::<_, i64>(0))?;
        rows.map(|row| Ok(usize::try_from(row?).unwrap_or(usize::MAX))).collect()
    })
}

/// What every word finds.
fn all_of<T: Eq + std::hash::Hash>(
    words: &[Word],
    find: impl Fn(&str) -> Result<HashSet<T>, StoreError>,
) -> Result<HashSet<T>, StoreError> {
    let mut found: Option<HashSet<T>> = None;
    for word in words {
        let with_it = find(&expression(word))?;
        found = Some(match found {
            None => with_it,
            Some(before) => before.into_iter().filter(|call| with_it.contains(call)).collect(),
        });
        if found.as_ref().is_some_and(HashSet::is_empty) {
            break;
        }
    }
    Ok(found.unwrap_or_default())
}

/// A word or phrase in FTS5's own form: as a string, in which nothing but a quote means anything.
fn expression(word: &Word) -> String {
    let text = word.text.replace('\0', " ").replace('"', "\"\"");
    let end = if word.is_prefix { " *" } else { "" };
    format!("\"{text}\"{end}")
}

/// The number under which the index knows a call.
pub fn call_number(id: &str) -> i64 {
    xxh3_64(id.as_bytes()).cast_signed()
}

/// What the index of what is kept says of some words, in all days of an account that are in it.
pub struct Search {
    days: HashMap<Key, SearchedDay>,
}

/// Transcripts of a day whose text was not at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// How many.
    pub count: u64,
    /// A hash of which they are.
    which: u64,
}

impl Missing {
    /// Counts an object, by its id. In whichever order, it is the same.
    pub(super) fn add(&mut self, id: &str) {
        self.count += 1;
        self.which ^= xxh3_64(id.as_bytes());
    }

    /// All of these.
    pub fn of<'a>(ids: impl IntoIterator<Item = &'a ObjectId>) -> Self {
        let mut missing = Self::default();
        ids.into_iter().for_each(|id| missing.add(id.as_str()));
        missing
    }
}

/// What it says of one day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchedDay {
    /// When the day was listed, in seconds since the Unix epoch.
    pub listed: i64,
    /// The transcripts of it that are not in the index.
    pub missing: Missing,
    /// The numbers of the calls that say the words.
    pub calls: HashSet<i64>,
}

impl Account {
    /// Searches what is kept. Nothing where there is no index. Blocks on the disk.
    pub fn search(&self, words: &[Word]) -> Option<Search> {
        if self.shared().vault.is_sealed() {
            return None;
        }
        let search = self.try_search(words);
        search.inspect_err(|error| tracing::warn!("the index cannot be searched: {error}")).ok()
    }

    fn try_search(&self, words: &[Word]) -> Result<Search, StoreError> {
        // A connection of its own: a search keeps nobody from looking up blocks.
        let mut catalogue = database::open(&self.shared().directory)?;
        let at_once = catalogue.transaction()?;
        let found = all_of(words, |expression| {
            let sql = "SELECT day, call FROM words JOIN texts ON texts.text = words.rowid \
                       WHERE words MATCH ?";
            let mut query = at_once.prepare_cached(sql)?;
            let rows = query.query_map([expression], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<HashSet<(Vec<u8>, i64)>, _>>()?)
        })?;
        let sql = "SELECT days.day, listed, missing, which FROM days JOIN indexed USING (day) \
                   WHERE account = ?";
        let mut query = at_once.prepare(sql)?;
        let rows = query.query_map([self.key.0], |row| {
            Ok((
                row.get::<_, Vec<u8>>(0)?,
                row.get(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, i64>(3)?,
            ))
        })?;
        let mut days = HashMap::new();
        for row in rows {
            let (day, listed, count, which) = row?;
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            let missing = Missing { count, which: which.cast_unsigned() };
            let day = Key::from_row(&day);
            let searched = SearchedDay { listed, missing, calls: HashSet::new() };
            days.extend(day.map(|day| (day, searched)));
        }
        for (day, call) in found {
            if let Some(day) = Key::from_row(&day).and_then(|day| days.get_mut(&day)) {
                day.calls.insert(call);
            }
        }
        Ok(Search { days })
    }

    /// Takes a day as it is kept into the index, with what was `said` in its calls beyond what it holds
    /// itself. Does nothing where all is sealed.
    pub fn index_day(&self, scope: ScopeNumber, date: Date, said: HashMap<ObjectId, String>) {
        if !self.shared().vault.is_sealed() {
            self.store.queue.add(Work::Words { day: self.day_key(scope, date), said });
        }
    }

    /// What a search found on a day; nothing where the day is not in the index.
    pub fn searched<'a>(
        &self,
        search: &'a Search,
        scope: ScopeNumber,
        date: Date,
    ) -> Option<&'a SearchedDay> {
        search.days.get(&self.day_key(scope, date))
    }
}

/// A number that the words of a text are still under, which is gone, is free again.
const INDEX: &str = "INSERT OR REPLACE INTO words (rowid, text) VALUES (?, ?)";

/// Puts the words of a day into the index, in the place of those that were there.
pub(super) fn index_day(
    change: &Connection,
    shared: &Shared,
    day: Key,
    said: &HashMap<ObjectId, String>,
) -> Result<(), StoreError> {
    let mut query = change.prepare_cached("SELECT body FROM days WHERE day = ?")?;
    let kept: Option<Vec<u8>> = query.query_row([day.0], |row| row.get(0)).optional()?;
    let body = kept.and_then(|kept| shared.vault.open(&day.0, &kept));
    let Some((texts, missing)) = body.and_then(|body| record::texts(&body, said)) else {
        return Ok(());
    };
    change.prepare_cached("DELETE FROM texts WHERE day = ?")?.execute([day.0])?;
    let mut call = change.prepare_cached("INSERT INTO texts (day, call) VALUES (?, ?)")?;
    let mut words = change.prepare_cached(INDEX)?;
    for (id, text) in texts {
        let row = call.insert(params![day.0, call_number(&id)])?;
        words.execute(params![row, text])?;
    }
    let count = i64::try_from(missing.count).unwrap_or(i64::MAX);
    let sql = "INSERT OR REPLACE INTO indexed VALUES (?, ?, ?)";
    change.prepare_cached(sql)?.execute(params![day.0, count, missing.which.cast_signed()])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn word(text: &str) -> Word {
        let stem = text.trim_end_matches('*');
        Word { text: stem.to_owned(), is_prefix: stem.len() < text.len() }
    }

    fn found(words: &[&str]) -> Vec<usize> {
        let texts = ["A refund was promised", "REFUNDS take long", "élan, now – and a credit card"];
        let texts = texts.iter().map(|text| (*text).to_owned()).enumerate();
        let words: Vec<_> = words.iter().map(|text| word(text)).collect();
        let mut found: Vec<_> = saying(texts, &words).unwrap().into_iter().collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn all_words_must_be_there_in_any_case_and_with_or_without_accents() {
        assert_eq!(found(&["refund"]), [0]);
        assert_eq!(found(&["refund*"]), [0, 1]);
        assert_eq!(found(&["Promised", "REFUND"]), [0]);
        assert_eq!(found(&["elan"]), [2]);
        assert_eq!(found(&["credit card"]), [2]);
        assert_eq!(found(&["card credit"]), [] as [usize; 0]);
        assert_eq!(found(&["refund", "card"]), [] as [usize; 0]);
    }

    #[test]
    fn what_means_something_to_sql_is_only_a_word_here() {
        for text in ["refund\" OR \"1", "a' OR 1=1 --", "NEAR(a b)", "text:refund", "NOT x", "a\0b"]
        {
            assert_eq!(found(&[text]), [] as [usize; 0], "{text:?}");
        }
        assert_eq!(found(&["credit-card"]), [2], "what stands between words is no matter");
    }

    proptest! {
        #[test]
        fn no_word_is_an_error(text in ".{0,40}") {
            let word = Word { text: text.clone(), is_prefix: text.len() % 2 == 0 };
            prop_assert!(saying([(0, "a".to_owned())], &[word]).is_ok());
        }
    }
}
