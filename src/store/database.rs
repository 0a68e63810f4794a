//! The catalogue's file: SQLite, its schema, its migrations, and what is done when it is damaged.
//!
//! A damaged file is set aside, and the rows of it that can still be read go into a new one: each
//! value proves by itself whether it is right, so nothing wrong comes along.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use rusqlite::types::Value;
use rusqlite::{Connection, Error, ErrorCode, params_from_iter};

use super::StoreError;
use super::blocks::carefully;

/// The file in the cache directory.
pub(super) const FILE: &str = "catalog.db";
/// What a damaged one is renamed to.
pub(super) const SET_ASIDE: &str = "catalog.db.damaged";

/// How long one process waits for another one's transaction.
const BUSY: Duration = Duration::from_secs(5);

/// "reel", by which SQLite's tools tell whose file it is.
pub(super) const APPLICATION: i32 = 0x7265_656c;

/// The steps from an empty file to the schema of this version; `user_version` counts those taken.
///
/// Names are hashes and values are sealed or carry a checksum (see `vault`); what stands in the open
/// are numbers that say nothing of a call. The exception are `texts` and `words`, the full text of days that
/// were searched (see `words`): they are empty in a sealed directory, and triggers empty them of a day that
/// changes, so that they never tell of another. `totals` is kept by triggers, so that the size of all
/// blocks is known without a look at each, whichever process writes.
const MIGRATIONS: [&str; 2] = [
    "
    CREATE TABLE days (
        day BLOB PRIMARY KEY NOT NULL,
        account BLOB NOT NULL,
        listed INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX days_by_account ON days (account);

    CREATE TABLE objects (
        day BLOB NOT NULL,
        object BLOB NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (day, object)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE notes (
        name BLOB PRIMARY KEY NOT NULL,
        account BLOB NOT NULL,
        body BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX notes_by_account ON notes (account);

    CREATE TABLE extents (
        blob BLOB NOT NULL,
        extent INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        used INTEGER NOT NULL,
        map BLOB NOT NULL,
        PRIMARY KEY (blob, extent)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX extents_by_use ON extents (used);

    CREATE TABLE pins (blob BLOB PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE totals (bytes INTEGER NOT NULL) STRICT;
    INSERT INTO totals VALUES (0);
    CREATE TRIGGER extent_added AFTER INSERT ON extents
        BEGIN UPDATE totals SET bytes = bytes + NEW.bytes; END;
    CREATE TRIGGER extent_changed AFTER UPDATE OF bytes ON extents
        BEGIN UPDATE totals SET bytes = bytes + NEW.bytes - OLD.bytes; END;
    CREATE TRIGGER extent_removed AFTER DELETE ON extents
        BEGIN UPDATE totals SET bytes = bytes - OLD.bytes; END;
",
    "
    CREATE TABLE texts (
        text INTEGER PRIMARY KEY NOT NULL,
        day BLOB NOT NULL,
        call INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX texts_by_day ON texts (day);

    CREATE TABLE indexed (
        day BLOB PRIMARY KEY NOT NULL,
        missing INTEGER NOT NULL,
        which INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE VIRTUAL TABLE words USING fts5 (
        text, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
    );
    CREATE TRIGGER text_removed AFTER DELETE ON texts
        BEGIN DELETE FROM words WHERE rowid = OLD.text; END;
    CREATE TRIGGER day_changed AFTER UPDATE OF body ON days BEGIN
        DELETE FROM texts WHERE day = OLD.day;
        DELETE FROM indexed WHERE day = OLD.day;
    END;
",
];

/// The tables whose rows are worth saving (full text is made again when it is missed), the columns that name a
/// row, and what holds of each.
const TABLES: [(&str, &str, &str); 5] = [
    ("days", "rowid", "1"),
    ("objects", "day, object", "1"),
    ("notes", "name", "1"),
    ("extents", "blob, extent", EXTENT),
    ("pins", "blob", "1"),
];

/// What holds of the row of an extent, which is 256 MiB of blocks at the most.
const EXTENT: &str =
    "length(blob) = 16 AND extent BETWEEN 0 AND 4294967295 AND bytes BETWEEN 0 AND 1073741824";

/// Opens the catalogue in `directory`; makes it where there is none, and anew where it is damaged.
pub(super) fn open(directory: &Path) -> Result<Connection, StoreError> {
    match connect(directory) {
        Err(StoreError::Database(error)) if is_damage(&error) => renew(directory),
        other => other,
    }
}

/// Whether an error says that the file is no longer what SQLite wrote, or holds what reelfs never put
/// there: rows that are none, sums that do not add up, another schema.
pub(super) fn is_damage(error: &Error) -> bool {
    match error.sqlite_error_code() {
        None => matches!(
            error,
            Error::QueryReturnedNoRows
                | Error::InvalidColumnType(..)
                | Error::IntegralValueOutOfRange(..)
                | Error::FromSqlConversionFailure(..)
        ),
        // The last is what SQLite says of a table that is not there, and of sums that overflow.
        Some(code) => matches!(
            code,
            ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ConstraintViolation
                | ErrorCode::Unknown
        ),
    }
}

/// Sets a damaged catalogue aside and opens a new one with what can be saved.
pub(super) fn renew(directory: &Path) -> Result<Connection, StoreError> {
    // One process at a time: another one may just have done it.
    let lock = create_private(&directory.join("lock"))?;
    let _lock =
        Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| io::Error::from(errno))?;
    if let Ok(connection) = connect(directory)
        && is_sound(&connection)
    {
        return Ok(connection);
    }
    let aside = directory.join(SET_ASIDE);
    for tail in ["", "-wal", "-shm"] {
        let from = directory.join(format!("{FILE}{tail}"));
        let to = directory.join(format!("{SET_ASIDE}{tail}"));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => drop(fs::remove_file(&to)),
            renamed => renamed?,
        }
    }
    let connection = connect(directory)?;
    let saved = salvage(&connection, &aside);
    tracing::warn!(
        rows = saved,
        "the catalogue in {} was damaged: it was set aside as {SET_ASIDE}, and what could be read \
         was saved",
        directory.display()
    );
    Ok(connection)
}

/// Whether a catalogue is what reelfs writes: pages, schema, rows, and the total of them.
fn is_sound(connection: &Connection) -> bool {
    let check = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    check.is_ok_and(|verdict| verdict == "ok")
        && own_schema().is_ok_and(|own| schema(connection).is_ok_and(|schema| schema == own))
        && adds_up(connection).unwrap_or(false)
}

/// All that a catalogue is made of.
fn schema(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
    connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

/// What it is made of where nobody has touched it.
fn own_schema() -> rusqlite::Result<Vec<String>> {
    let connection = Connection::open_in_memory()?;
    MIGRATIONS.iter().try_for_each(|step| connection.execute_batch(step))?;
    schema(&connection)
}

fn adds_up(connection: &Connection) -> rusqlite::Result<bool> {
    let sum = "SELECT (SELECT coalesce(sum(bytes), 0) FROM extents) = bytes FROM totals";
    let sums: Vec<bool> =
        connection.prepare(sum)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let strange = format!("SELECT 1 FROM extents WHERE NOT ({EXTENT})");
    Ok(sums == [true] && !connection.prepare(&strange)?.exists([])?)
}

fn connect(directory: &Path) -> Result<Connection, StoreError> {
    let path = directory.join(FILE);
    // SQLite gives its other files the permissions of this one.
    create_private(&path)?;
    let mut connection = Connection::open(&path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A power cut may lose the last changes, and no more: what was lost is fetched again.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "journal_size_limit", 4 << 20)?;
    connection.pragma_update(None, "cache_size", -2048)?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.set_prepared_statement_cache_capacity(32);
    migrate(&mut connection)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let version = |connection: &Connection| {
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
    };
    let latest = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if version(connection)? == latest {
        return Ok(());
    }
    // Another process may be at it: what was true before the lock may not be after it.
    let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let taken = version(&change)?;
    if taken > latest {
        return Err(StoreError::Newer);
    }
    for step in MIGRATIONS.iter().skip(usize::try_from(taken).unwrap_or(0)) {
        change.execute_batch(step)?;
    }
    change.pragma_update(None, "application_id", APPLICATION)?;
    change.pragma_update(None, "user_version", latest)?;
    change.commit()?;
    Ok(())
}

/// Copies whatever rows of a damaged file can be read: from the front to the first page that cannot
/// be, and from the back likewise. Gives how many.
fn salvage(connection: &Connection, damaged: &Path) -> usize {
    let Ok(damaged) = Connection::open(damaged) else { return 0 };
    let is_table = |name: &str| {
        let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?";
        damaged.prepare(sql).and_then(|mut query| query.exists([name])).unwrap_or(false)
    };
    let mut saved = 0;
    // A view of that name would be a program that somebody else wrote.
    for (table, key, holds) in TABLES.into_iter().filter(|(name, ..)| is_table(name)) {
        for order in ["ASC", "DESC"] {
            let keys = key.split(", ").map(|column| format!("{column} {order}"));
            let keys = keys.collect::<Vec<_>>().join(", ");
            let rows = format!("{table} WHERE {holds} ORDER BY {keys}");
            saved += copy_rows(&damaged, connection, table, &rows).unwrap_or(0);
        }
    }
    saved
}

fn copy_rows(
    from: &Connection,
    to: &Connection,
    table: &str,
    rows: &str,
) -> rusqlite::Result<usize> {
    let mut select = from.prepare(&format!("SELECT * FROM {rows}"))?;
    let columns = select.column_count();
    let marks = vec!["?"; columns].join(", ");
    to.execute_batch("BEGIN")?;
    let mut insert = to.prepare(&format!("INSERT OR IGNORE INTO {table} VALUES ({marks})"))?;
    let mut saved = 0;
    let mut rows = select.query([])?;
    while let Ok(Some(row)) = rows.next() {
        let values: rusqlite::Result<Vec<Value>> = (0..columns).map(|n| row.get(n)).collect();
        saved += values.and_then(|values| insert.execute(params_from_iter(values))).unwrap_or(0);
    }
    to.execute_batch("COMMIT")?;
    Ok(saved)
}

fn create_private(path: &Path) -> io::Result<File> {
    carefully().create(true).truncate(false).write(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(connection: &Connection, what: &str) -> i64 {
        connection.query_row(what, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn the_total_follows_every_change() {
        let directory = tempfile::tempdir().unwrap();
        let connection = open(directory.path()).unwrap();
        let steps = [
            ("INSERT INTO extents VALUES (x'01', 0, 10, 1, x'00')", 10),
            ("INSERT INTO extents VALUES (x'02', 0, 5, 1, x'00')", 15),
            ("UPDATE extents SET bytes = 7 WHERE blob = x'01'", 12),
            ("DELETE FROM extents WHERE blob = x'02'", 7),
        ];
        for (change, total) in steps {
            connection.execute(change, []).unwrap();
            assert_eq!(count(&connection, "SELECT bytes FROM totals"), total, "{change}");
        }
    }

    #[test]
    fn a_newer_catalogue_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        open(directory.path()).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(open(directory.path()), Err(StoreError::Newer)));
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_its_good_rows_are_saved() {
        let directory = tempfile::tempdir().unwrap();
        let connection = open(directory.path()).unwrap();
        for n in 0..2000 {
            let insert = "INSERT INTO days VALUES (?, x'00', 1, zeroblob(1000))";
            connection.execute(insert, [format!("{n:08}").into_bytes()]).unwrap();
        }
        drop(connection);
        let path = directory.path().join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 9000].fill(0xaa);
        fs::write(&path, bytes).unwrap();
        let connection = renew(directory.path()).unwrap();
        let saved = count(&connection, "SELECT count(*) FROM days");
        assert!((1000..2000).contains(&saved), "{saved}");
        assert!(directory.path().join(SET_ASIDE).exists());

        drop(connection);
        fs::write(&path, "this is no database, whatever its name says").unwrap();
        for tail in ["-wal", "-shm"] {
            let _ = fs::remove_file(directory.path().join(format!("{FILE}{tail}")));
        }
        assert_eq!(count(&open(directory.path()).unwrap(), "SELECT count(*) FROM days"), 0);
    }
}
