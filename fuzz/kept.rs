//! What is kept on disk, after somebody else was at it. A directory is made once; each input changes a
//! copy of it, which is then opened and asked for all that it holds, as a mount would.
//!
//! Whatever was done: what is read is right or not there, nothing waits, and what is kept afterwards
//! is found again.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::civil::{Date, date};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use reelfs::source::{Identity, Version};
use reelfs::store::{Account, Known, Settings, State, Store, decode};
use reelfs::types::{
    Area, BLOCK_SIZE, Call, Content, Link, NameParts, Object, ObjectId, ScopeNumber, Validator,
    Word,
};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

const DAY: Date = date(2026, 11, 21);
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
/// Ids and sizes of what is kept: a file of two blocks and one of less than one.
const OBJECTS: [(&str, u64); 2] = [("recording/1", BLOCK_SIZE + 9), ("log/1", 5)];
/// Bytes of a block.
const BLOCK: usize = 128 * 1024;
/// How long the writing thread may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory as files by their paths in it.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// One file changed: which, how, where, and what is put there.
pub(crate) fn cache(data: &[u8]) {
    let Some(([mode, file, how, high, low], bytes)) = data.split_first_chunk() else { return };
    let ground = Ground::new(mode % 2 == 1);
    let files: Vec<_> = ground.files().keys().collect();
    let path = ground.cache().join(files[usize::from(*file) % files.len()]);
    // Offsets of two bytes reach all of the catalogue and the ends of both blocks.
    let at = usize::from(u16::from_be_bytes([*high, *low])) * if mode & 2 == 0 { 1 } else { 4 };
    let mut content = fs::read(&path).unwrap();
    match how % 8 {
        0 => content = bytes.to_vec(),
        1 => content.truncate(at),
        2..=4 => {
            content.resize(content.len().max(at + bytes.len()), 0);
            content[at..at + bytes.len()].copy_from_slice(bytes);
        }
        _ => {
            fs::remove_file(&path).unwrap();
            match how % 8 {
                5 => fs::create_dir(&path).unwrap(),
                6 => mkfifo(&path, Mode::S_IRWXU).unwrap(),
                _ => symlink("/dev/zero", &path).unwrap(),
            }
            return ground.exercise(false);
        }
    }
    fs::write(&path, content).unwrap();
    ground.exercise(false);
}

/// Rows of the catalogue changed by SQL, a line each: `set TABLE COLUMN VALUE` in every row, `add
/// TABLE COLUMN VALUE` as a copy of the first row with that, `cut TABLE`. See [`Given`].
pub(crate) fn rows(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let is_sealed = text.starts_with("sealed\n");
    let ground = Ground::new(is_sealed);
    let catalogue = Connection::open(ground.cache().join("catalog.db")).unwrap();
    for line in text.lines().take(16) {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        let table = words.get(1).and_then(|word| TABLES.iter().find(|table| table.name == *word));
        let Some(table) = table else { continue };
        // What SQLite refuses is no row.
        let _ = match words[..] {
            ["cut", _] => catalogue.execute(&format!("DELETE FROM {}", table.name), []).map(drop),
            ["set", _, column, value] => table.set(&catalogue, column, &Given::of(value)),
            ["add", _, column, value] => table.add(&catalogue, column, &Given::of(value)),
            _ => Ok(()),
        };
    }
    drop(catalogue);
    ground.exercise(true);
}

/// A table, its columns, and those that its values are bound to.
struct Table {
    name: &'static str,
    columns: &'static [&'static str],
    context: &'static [&'static str],
}

const TABLES: [Table; 8] = [
    Table { name: "days", columns: &["day", "account", "listed", "body"], context: &["day"] },
    Table { name: "objects", columns: &["day", "object", "body"], context: &["object"] },
    Table { name: "notes", columns: &["name", "account", "body"], context: &["name"] },
    Table {
        name: "extents",
        columns: &["blob", "extent", "bytes", "used", "map"],
        context: &["blob", "extent"],
    },
    Table { name: "pins", columns: &["blob"], context: &[] },
    Table { name: "totals", columns: &["bytes"], context: &[] },
    Table { name: "texts", columns: &["text", "day", "call"], context: &[] },
    Table { name: "indexed", columns: &["day", "missing", "which"], context: &[] },
];

/// A value as it is written: a number; `null`; `x:` and bytes in hexadecimal; `p:` the same with a
/// checksum that is right; `t:` a text with one; `j:` the JSON of a day with one; else a text.
enum Given {
    Plain(Value),
    Proved(Vec<u8>),
}

impl Given {
    fn of(text: &str) -> Self {
        let hex = |text: &str| -> Vec<u8> {
            let pairs = text.as_bytes().chunks(2).map_while(|pair| str::from_utf8(pair).ok());
            pairs.map_while(|pair| u8::from_str_radix(pair, 16).ok()).collect()
        };
        match text.split_once(':') {
            Some(("x", rest)) => return Self::Plain(Value::Blob(hex(rest))),
            Some(("p", rest)) => return Self::Proved(hex(rest)),
            Some(("t", rest)) => return Self::Proved(rest.into()),
            Some(("j", rest)) => return Self::Proved(decode::packed(rest.as_bytes())),
            _ => {}
        }
        let number = || text.parse().map(Value::Integer).or_else(|_| text.parse().map(Value::Real));
        Self::Plain(match text {
            "null" => Value::Null,
            _ => number().unwrap_or_else(|_| Value::Text(text.to_owned())),
        })
    }

    fn value(&self, context: &[u8]) -> Value {
        match self {
            Self::Plain(value) => value.clone(),
            Self::Proved(bytes) => Value::Blob(decode::proved(context, bytes)),
        }
    }
}

impl Table {
    fn rows(&self, catalogue: &Connection) -> rusqlite::Result<Vec<Vec<Value>>> {
        let mut query = catalogue.prepare(&format!("SELECT * FROM {} LIMIT 64", self.name))?;
        let row = |row: &rusqlite::Row<'_>| (0..self.columns.len()).map(|n| row.get(n)).collect();
        query.query_map([], row)?.collect()
    }

    /// A row with one of its values replaced.
    fn with(&self, mut row: Vec<Value>, column: &str, value: &Given) -> Vec<Value> {
        let mut context = Vec::new();
        let Some(place) = self.columns.iter().position(|name| *name == column) else { return row };
        if let Given::Plain(value) = value {
            row[place] = value.clone();
        }
        for (value, name) in row.iter().zip(self.columns) {
            match value {
                Value::Blob(bytes) if self.context.contains(name) => context.extend(bytes),
                Value::Integer(number) if self.context.contains(name) => {
                    context.extend(&number.to_le_bytes()[..4]);
                }
                _ => {}
            }
        }
        row[place] = value.value(&context);
        row
    }

    fn set(&self, catalogue: &Connection, column: &str, value: &Given) -> rusqlite::Result<()> {
        let rows = self.rows(catalogue)?;
        catalogue.execute(&format!("DELETE FROM {}", self.name), [])?;
        rows.into_iter().try_for_each(|row| self.put(catalogue, self.with(row, column, value)))
    }

    fn add(&self, catalogue: &Connection, column: &str, value: &Given) -> rusqlite::Result<()> {
        let first = self.rows(catalogue)?.into_iter().next();
        first.map_or(Ok(()), |row| self.put(catalogue, self.with(row, column, value)))
    }

    fn put(&self, catalogue: &Connection, row: Vec<Value>) -> rusqlite::Result<()> {
        let marks = vec!["?"; row.len()].join(", ");
        let sql = format!("INSERT OR REPLACE INTO {} VALUES ({marks})", self.name);
        catalogue.execute(&sql, params_from_iter(row)).map(drop)
    }
}

/// A directory that is somebody's cache.
struct Ground {
    directory: tempfile::TempDir,
    is_sealed: bool,
}

impl Ground {
    /// A copy of the directory that was made first.
    fn new(is_sealed: bool) -> Self {
        let ground = Self::empty(is_sealed);
        for (path, bytes) in ground.files() {
            let path = ground.cache().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        ground
    }

    fn empty(is_sealed: bool) -> Self {
        // Where there is one, in memory.
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let directory = tempfile::Builder::new().prefix("reelfs-test-").tempdir_in(place).unwrap();
        let key = directory.path().join("key");
        fs::write(&key, SECRET).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        Self { directory, is_sealed }
    }

    fn cache(&self) -> PathBuf {
        self.directory.path().join("cache")
    }

    fn settings(&self) -> Settings {
        let key_file = self.is_sealed.then(|| self.directory.path().join("key"));
        Settings { directory: self.cache(), limit: 1 << 30, key_file }
    }

    /// The files of the directory that was made first.
    fn files(&self) -> &'static Files {
        static FILES: [OnceLock<Files>; 2] = [const { OnceLock::new() }; 2];
        FILES[usize::from(self.is_sealed)].get_or_init(|| {
            let ground = Self::empty(self.is_sealed);
            let store = Store::open(&ground.settings()).unwrap();
            keep(&store, &account(&store));
            drop(store);
            let mut files = Files::new();
            collect(&ground.cache(), &ground.cache(), &mut files);
            assert!(files.len() >= 4, "{:?}", files.keys());
            files
        })
    }

    /// Opens it and asks for everything, then keeps it anew and asks again. `is_forged`: somebody who
    /// knows how a checksum is made wrote values.
    fn exercise(&self, is_forged: bool) {
        // A directory that says what is wrong with it is as good as one that opens.
        let Ok(store) = Store::open(&self.settings()) else { return };
        let account = account(&store);
        look(&account, is_forged);
        let words = [Word { text: "refund".to_owned(), is_prefix: true }];
        let search = account.search(&words);
        let _ = search.map(|search| account.searched(&search, ScopeNumber::WHOLE, DAY).is_some());
        let _ = (store.survey(), account.has_days(), account.notes("retention"));
        let _ = store.each_object(|_, outline, _| super::plain_name(&outline.name));
        let _ = store.verify();
        look(&account, is_forged);
        // The first batch may find the damage, and the next ones what is left of it.
        for _ in 0..4 {
            keep(&store, &account);
        }
        if is_forged {
            assert!(!account.is_off(), "the cache was given up");
        }
        if !account.is_off() {
            assert_eq!(look(&account, false), OBJECTS.len(), "what was kept is not found");
            store.verify().unwrap();
            store.prune(0).unwrap();
            assert_eq!(look(&account, false), 0);
        }
    }
}

fn collect(root: &Path, directory: &Path, files: &mut Files) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let bytes = fs::read(&path).unwrap();
            files.insert(path.strip_prefix(root).unwrap().to_owned(), bytes);
        }
    }
}

fn account(store: &Store) -> Account {
    store.account(&Identity { name: "someone".into(), secret: "1".into() }, "api")
}

fn version(total: u64) -> Version {
    let etag = Some("\"v1\"".to_owned());
    Version { total, validator: Validator { etag, last_modified: None } }
}

fn content(total: u64) -> Vec<u8> {
    (0..total).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

fn calls() -> Vec<Call> {
    let object = |(id, _): &(&str, u64)| {
        let link = Link::parse("https://storage.example/link").unwrap();
        let fields = vec!["142355".to_owned(), "in".to_owned()];
        Arc::new(Object {
            id: ObjectId::new(*id),
            area: if id.starts_with("log") { Area::Logs } else { Area::Recordings },
            name: NameParts { fields, id: "1".to_owned(), extension: "mp3".to_owned() },
            content: Content::Remote { link, claimed_size: None },
            modified: 1_700_000_000,
            attributes: [("direction", "in".to_owned())].into_iter().collect(),
            is_gone: false,
        })
    };
    let (facts, objects) = (r#"{"a":1}"#.into(), OBJECTS.iter().map(object).collect());
    vec![Call { id: "1".into(), start: 1_699_999_000, facts, objects }]
}

/// Keeps all that there is.
fn keep(store: &Store, account: &Account) {
    account.keep_day(ScopeNumber::WHOLE, DAY, &calls());
    account.keep_note("retention", "logs 1month");
    account.index_day(ScopeNumber::WHOLE, DAY, HashMap::new());
    for (id, total) in OBJECTS {
        let (id, version) = (ObjectId::new(id), version(total));
        let known = Known { state: State::Ready, version: Some(version.clone()) };
        account.keep_known(ScopeNumber::WHOLE, DAY, &id, &known);
        let blob = account.blob(&id, &version);
        for (block, bytes) in (0..).zip(content(total).chunks(BLOCK)) {
            let bytes = bytes.to_vec();
            account.keep_block(blob, block, Box::new(move || Some(bytes.into())));
        }
    }
    assert!(store.flush(PATIENCE), "the writing thread waits");
}

/// Looks at all of it; gives how many objects are there whole.
fn look(account: &Account, is_forged: bool) -> usize {
    if let Some(kept) = account.day(ScopeNumber::WHOLE, DAY) {
        super::calls(&kept.day);
        assert!(kept.listed >= 0);
        assert!(is_forged || kept.day.calls == calls(), "a day that was not kept");
    }
    let mut whole = 0;
    for (id, total) in OBJECTS {
        let (id, version) = (ObjectId::new(id), version(total));
        if let Some(known) = account.known(ScopeNumber::WHOLE, DAY, &id) {
            assert!(is_forged || known.version.as_ref() == Some(&version), "another version");
        }
        let (blob, right) = (account.blob(&id, &version), content(total));
        let mut blocks = right.chunks(BLOCK).map(Some).collect::<Vec<_>>();
        let read = account.read(blob, 0..9);
        for (block, bytes) in read {
            let right = blocks[block as usize].take();
            assert!(right == Some(&bytes[..]), "wrong bytes of block {block}");
        }
        whole += usize::from(blocks.iter().all(Option::is_none));
        let _ = account.has_any(blob);
        if let Some(mut file) = account.file(blob) {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            assert!(bytes == right, "a wrong file");
        }
        // Bytes that are there are more than a row that says so.
        assert!(account.is_whole(blob) || blocks.iter().any(Option::is_some));
    }
    whole
}
