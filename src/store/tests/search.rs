//! The index of what is kept: made when it is wanted, gone with what it was made of, and never in a sealed
//! directory.

use std::collections::HashMap;

use super::*;
use crate::types::{Word, lock};

fn word(text: &str) -> Word {
    Word { text: text.to_owned(), is_prefix: false }
}

fn searched(account: &Account, text: &str) -> Option<SearchedDay> {
    let search = account.search(&[word(text)])?;
    account.searched(&search, WHOLE, DAY).cloned()
}

fn finds(account: &Account, text: &str) -> bool {
    searched(account, text).unwrap().calls.contains(&call_number("1"))
}

#[test]
fn a_day_is_found_by_its_words_once_it_was_indexed() {
    let ground = Ground::new();
    let account = ground.open();
    account.keep_day(WHOLE, DAY, &[call()]);
    flush(&account);
    assert!(searched(&account, "planted").is_none(), "nobody has searched it yet");
    account.index_day(WHOLE, DAY, HashMap::new());
    flush(&account);
    assert!(finds(&account, "planted") && finds(&account, "WORDS"));
    assert!(!finds(&account, "custom_data"), "the name of a field");
    assert!(finds(&ground.open(), "planted"), "another mount finds it, too");
    let other = account.store.account(&identity("someone else", "1"), "api");
    assert!(searched(&other, "planted").is_none());
}

#[test]
fn what_was_indexed_goes_with_the_listing_that_it_was_made_of() {
    let ground = Ground::new();
    let account = ground.open();
    account.keep_day(WHOLE, DAY, &[call()]);
    account.index_day(WHOLE, DAY, HashMap::new());
    flush(&account);
    account.keep_day_fresh(WHOLE, DAY);
    flush(&account);
    assert!(finds(&account, "planted"), "it is what it was");
    let changed = Call { facts: r#"{"custom_data":"others"}"#.into(), ..call() };
    account.keep_day(WHOLE, DAY, &[changed]);
    flush(&account);
    assert!(searched(&account, "planted").is_none());
    account.index_day(WHOLE, DAY, HashMap::new());
    flush(&account);
    assert!(finds(&account, "others") && !finds(&account, "planted"));
    let catalogue = lock(&account.shared().catalogue);
    let rows: i64 = catalogue
        .query_row("SELECT count(*) FROM words WHERE words MATCH 'planted'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 0);
}

#[test]
fn transcripts_that_are_not_there_are_counted_and_found_when_they_are() {
    let ground = Ground::new();
    let account = ground.open();
    let mut call = call();
    let transcript = Object { area: Area::Transcripts, ..Object::clone(&call.objects[0]) };
    call.objects = [Arc::new(transcript)].into();
    account.keep_day(WHOLE, DAY, &[call]);
    account.index_day(WHOLE, DAY, HashMap::new());
    flush(&account);
    assert_eq!(searched(&account, "refund").unwrap().missing, Missing::of([&id(1)]));
    account.index_day(WHOLE, DAY, HashMap::from([(id(1), "a refund".to_owned())]));
    flush(&account);
    assert_eq!(searched(&account, "refund").unwrap().missing, Missing::default());
    assert!(finds(&account, "refund"));
}

#[test]
fn a_sealed_directory_has_no_index() {
    let ground = Ground::sealed();
    let account = ground.open();
    account.keep_day(WHOLE, DAY, &[call()]);
    account.index_day(WHOLE, DAY, HashMap::new());
    flush(&account);
    assert!(account.search(&[word("planted")]).is_none());
    let kept = ground.bytes();
    assert!(!kept.windows(7).any(|bytes| bytes == b"planted"));
}

#[test]
fn an_index_that_is_lost_is_made_again() {
    let ground = Ground::new();
    let account = ground.open();
    account.keep_day(WHOLE, DAY, &[call()]);
    account.index_day(WHOLE, DAY, HashMap::new());
    flush(&account);
    {
        let catalogue = lock(&account.shared().catalogue);
        catalogue.execute_batch("DELETE FROM texts; DELETE FROM indexed").unwrap();
    }
    drop(account);
    let account = ground.open();
    assert!(account.day(WHOLE, DAY).is_some());
    assert!(searched(&account, "planted").is_none());
    account.index_day(WHOLE, DAY, HashMap::new());
    flush(&account);
    assert!(finds(&account, "planted"));
}
