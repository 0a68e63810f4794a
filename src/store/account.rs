//! What is kept of one account: its days as they were listed, and what its objects proved to be.

use std::collections::HashMap;

use jiff::civil::Date;
use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::queue::Work;
use super::{Key, SecretKey, Shared, Store, now, record};
use crate::source::Version;
use crate::types::{Call, Day, ObjectId, ScopeNumber, Validator, lock};

/// What is kept of one account.
#[derive(Clone)]
pub struct Account {
    pub(super) store: Store,
    /// The hash of which account it is.
    pub(super) key: Key,
    links: SecretKey,
}

/// A day as it was listed.
pub struct KeptDay {
    /// Its calls.
    pub day: Day,
    /// When it was listed, in seconds since the Unix epoch.
    pub listed: i64,
    /// What those of its objects proved to be of which anything is known.
    pub known: HashMap<ObjectId, Known>,
}

/// What an object proved to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// How the last request for it ended.
    pub state: State,
    /// Its version, as the server served it.
    pub version: Option<Version>,
}

/// How the last request for an object ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has asked for it yet.
    #[default]
    Pending,
    /// It was served.
    Ready,
    /// The vendor refused it.
    Denied,
    /// The vendor no longer has it.
    Gone,
}

#[derive(Serialize, Deserialize)]
struct KnownRecord {
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_modified: Option<String>,
}

impl Account {
    pub(super) fn new(store: Store, name: &str, links: SecretKey) -> Self {
        let key = store.shared.vault.key("account", &[name.as_bytes()]);
        Self { store, key, links }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.store.shared
    }

    /// Whether the disk has failed, so that nothing more is kept.
    pub fn is_off(&self) -> bool {
        self.store.is_off()
    }

    /// Whether any day was listed before. Blocks on the disk for a moment.
    pub fn has_days(&self) -> bool {
        let catalogue = lock(&self.shared().catalogue);
        let sql = "SELECT 1 FROM days WHERE account = ?";
        let found = catalogue.prepare_cached(sql).and_then(|mut query| query.exists([self.key.0]));
        drop(catalogue);
        self.shared().told(found).unwrap_or(false)
    }

    /// A day that was listed before. Blocks on the disk.
    pub fn day(&self, scope: ScopeNumber, date: Date) -> Option<KeptDay> {
        let key = self.day_key(scope, date);
        let body = self.shared().value("SELECT body FROM days WHERE day = ?", &[&key.0], &key.0)?;
        let day = record::read(&body, &self.links).filter(|day| day.date == date)?;
        let catalogue = lock(&self.shared().catalogue);
        let listed = self.shared().told(catalogue.query_row(
            "SELECT listed FROM days WHERE day = ?",
            [key.0],
            |row| row.get(0),
        ))?;
        let mut query = self
            .shared()
            .told(catalogue.prepare_cached("SELECT object, body FROM objects WHERE day = ?"))?;
        let rows = query.query_map([key.0], |row| Ok((row.get(0)?, row.get(1)?)));
        let mut kept: HashMap<Vec<u8>, Vec<u8>> =
            self.shared().told(rows)?.filter_map(Result::ok).collect();
        drop(query);
        drop(catalogue);
        let objects = day.calls.iter().flat_map(|call| call.objects.iter());
        let known = objects.filter_map(|object| {
            let key = self.object_key(&object.id);
            let known = self.open_known(key, &kept.remove(key.0.as_slice())?)?;
            Some((object.id.clone(), known))
        });
        let known = known.collect();
        // A clock that went backwards makes nothing fresh.
        let listed = if (0..=now()).contains(&listed) { listed } else { 0 };
        Some(KeptDay { day, listed, known })
    }

    /// Keeps a day as it was just listed. Blocks for a moment where the disk is slow.
    pub fn keep_day(&self, scope: ScopeNumber, date: Date, calls: &[Call]) {
        let key = self.day_key(scope, date);
        let body = self.shared().vault.seal(&key.0, &record::write(date, calls, &self.links));
        self.store.queue.add_listing(Work::Day { key, account: self.key, listed: now(), body });
    }

    /// Keeps that a day was listed again and is what it was.
    pub fn keep_day_fresh(&self, scope: ScopeNumber, date: Date) {
        self.store.queue.add(Work::Fresh { key: self.day_key(scope, date), listed: now() });
    }

    /// What an object proved to be, perhaps to another mount. Blocks on the disk for a moment.
    pub fn known(&self, scope: ScopeNumber, date: Date, id: &ObjectId) -> Option<Known> {
        let (day, key) = (self.day_key(scope, date), self.object_key(id));
        let sql = "SELECT body FROM objects WHERE day = ? AND object = ?";
        let body = self.shared().value(sql, &[&day.0, &key.0], &key.0)?;
        read_known(&body)
    }

    /// Keeps what an object proved to be.
    pub fn keep_known(&self, scope: ScopeNumber, date: Date, id: &ObjectId, known: &Known) {
        let (day, key) = (self.day_key(scope, date), self.object_key(id));
        let body = self.shared().vault.seal(&key.0, &write_known(known));
        self.store.queue.add(Work::Known { day, key, body });
    }

    /// All notes of a kind, such as what hosts proved able to do. Blocks on the disk.
    pub fn notes(&self, kind: &str) -> Vec<String> {
        let catalogue = lock(&self.shared().catalogue);
        let sql = "SELECT name, body FROM notes WHERE account = ?";
        let Some(mut query) = self.shared().told(catalogue.prepare_cached(sql)) else {
            return Vec::new();
        };
        let rows = query.query_map(params![self.key.0], |row| Ok((row.get(0)?, row.get(1)?)));
        let rows: Vec<(Vec<u8>, Vec<u8>)> =
            self.shared().told(rows).into_iter().flatten().filter_map(Result::ok).collect();
        drop(query);
        drop(catalogue);
        let note = |(name, body): (Vec<u8>, Vec<u8>)| {
            let text = String::from_utf8(self.shared().vault.open(&name, &body)?).ok()?;
            Some(text.strip_prefix(kind)?.strip_prefix(' ')?.to_owned())
        };
        rows.into_iter().filter_map(note).collect()
    }

    /// Keeps a note of a kind, which is one word.
    pub fn keep_note(&self, kind: &str, note: &str) {
        let text = format!("{kind} {note}");
        let key = self.shared().vault.key("note", &[&self.key.0, text.as_bytes()]);
        let body = self.shared().vault.seal(&key.0, text.as_bytes());
        self.store.queue.add(Work::Note { key, account: self.key, body });
    }

    fn open_known(&self, key: Key, body: &[u8]) -> Option<Known> {
        read_known(&self.shared().vault.open(&key.0, body)?)
    }

    pub(super) fn day_key(&self, scope: ScopeNumber, date: Date) -> Key {
        let (scope, date) = (scope.0.to_le_bytes(), date.to_string());
        self.shared().vault.key("day", &[&self.key.0, &scope, date.as_bytes()])
    }

    fn object_key(&self, id: &ObjectId) -> Key {
        self.shared().object_key(self.key, id)
    }
}

impl Shared {
    pub(super) fn object_key(&self, account: Key, id: &ObjectId) -> Key {
        self.vault.key("object", &[&account.0, id.as_str().as_bytes()])
    }
}

pub(super) fn write_known(known: &Known) -> Vec<u8> {
    let version = known.version.as_ref();
    let record = KnownRecord {
        state: known.state,
        size: version.map(|version| version.total),
        etag: version.and_then(|version| version.validator.etag.clone()),
        last_modified: version.and_then(|version| version.validator.last_modified.clone()),
    };
    serde_json::to_vec(&record).unwrap_or_default()
}

pub(super) fn read_known(body: &[u8]) -> Option<Known> {
    let record: KnownRecord = serde_json::from_slice(body).ok()?;
    let validator = Validator { etag: record.etag, last_modified: record.last_modified };
    let version = record.size.map(|total| Version { total, validator });
    Some(Known { state: record.state, version })
}
