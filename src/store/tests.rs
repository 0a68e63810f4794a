//! A directory as its users see it: what is kept is found again, by whoever opens it, and nothing else
//! is.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use bytes::Bytes;
use jiff::civil::{Date, date};

use super::*;
use crate::source::Version;
use crate::types::{
    Area, BLOCK_SIZE, Call, Content, Link, NameParts, Object, ObjectId, ScopeNumber, Validator,
};

mod search;

const DAY: Date = date(2026, 11, 21);
const WHOLE: ScopeNumber = ScopeNumber::WHOLE;

struct Ground {
    directory: tempfile::TempDir,
    key_file: Option<PathBuf>,
    limit: u64,
}

impl Ground {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), key_file: None, limit: 1 << 30 }
    }

    fn sealed() -> Self {
        let mut ground = Self::new();
        ground.key_file = Some(ground.key("key-file", "0123456789abcdef0123456789abcdef"));
        ground
    }

    fn key(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn cache(&self) -> PathBuf {
        self.directory.path().join("cache")
    }

    fn settings(&self) -> Settings {
        Settings { directory: self.cache(), limit: self.limit, key_file: self.key_file.clone() }
    }

    fn open(&self) -> Account {
        Store::open(&self.settings()).unwrap().account(&identity("someone", "1"), "api")
    }

    /// All bytes of all files.
    fn bytes(&self) -> Vec<u8> {
        let files = walkdir::WalkDir::new(self.cache()).into_iter().filter_map(Result::ok);
        let files = files.filter(|entry| entry.file_type().is_file());
        files.flat_map(|entry| fs::read(entry.path()).unwrap()).collect()
    }

    fn block_files(&self) -> Vec<PathBuf> {
        let files = walkdir::WalkDir::new(self.cache().join(BLOCKS)).into_iter();
        let files = files.filter_map(Result::ok).filter(|entry| entry.file_type().is_file());
        files.map(walkdir::DirEntry::into_path).collect()
    }
}

fn identity(name: &str, secret: &str) -> Identity {
    Identity { name: name.into(), secret: secret.into() }
}

fn id(n: u64) -> ObjectId {
    ObjectId::new(format!("recording/{n}"))
}

fn version(total: u64) -> Version {
    let etag = Some("\"v1\"".to_owned());
    Version { total, validator: Validator { etag, last_modified: None } }
}

fn block(seed: u64, len: u64) -> Bytes {
    (0..len).map(|n| u8::try_from((seed + n) % 251).unwrap()).collect()
}

/// Keeps all of an object.
fn keep(account: &Account, n: u64, total: u64) -> BlobName {
    let blob = account.blob(&id(n), &version(total));
    for index in 0..u32::try_from(total.div_ceil(BLOCK_SIZE)).unwrap() {
        let len = (total - u64::from(index) * BLOCK_SIZE).min(BLOCK_SIZE);
        let bytes = block(n + u64::from(index), len);
        account.keep_block(blob, index, Box::new(move || Some(bytes)));
    }
    flush(account);
    blob
}

fn flush(account: &Account) {
    assert!(account.store.flush(Duration::from_secs(60)));
}

fn call() -> Call {
    let link = Link::parse("https://storage.example/planted-link").unwrap();
    let object = Object {
        id: id(1),
        area: Area::Recordings,
        name: NameParts {
            fields: vec!["+15551230001".to_owned()],
            id: "30412".to_owned(),
            extension: "mp3".to_owned(),
        },
        content: Content::Remote { link, claimed_size: None },
        modified: 1_700_000_000,
        attributes: [("remote_number", "+15551230001".to_owned())].into_iter().collect(),
        is_gone: false,
    };
    let facts = r#"{"custom_data":"planted words"}"#.into();
    Call { id: "1".into(), start: 1_699_999_000, facts, objects: [Arc::new(object)].into() }
}

#[test]
fn a_day_and_what_is_known_of_its_objects_are_found_again() {
    for ground in [Ground::new(), Ground::sealed()] {
        let (account, call) = (ground.open(), call());
        let known = Known { state: State::Ready, version: Some(version(77)) };
        account.keep_day(WHOLE, DAY, std::slice::from_ref(&call));
        account.keep_known(WHOLE, DAY, &id(1), &known);
        account.keep_note("refuses-ranges", "example.com");
        flush(&account);
        drop(account);

        let account = ground.open();
        let kept = account.day(WHOLE, DAY).unwrap();
        assert_eq!(kept.day.calls, [call]);
        assert!((now() - 60..=now()).contains(&kept.listed));
        assert_eq!(kept.known[&id(1)], known);
        assert_eq!(account.known(WHOLE, DAY, &id(1)), Some(known));
        assert_eq!(account.notes("refuses-ranges"), ["example.com"]);
        assert!(account.notes("refuses").is_empty());
        assert!(account.day(ScopeNumber(1), DAY).is_none());
        assert!(account.day(WHOLE, DAY.tomorrow().unwrap()).is_none());
        let other = account.store.account(&identity("someone else", "1"), "api");
        assert!(other.day(WHOLE, DAY).is_none() && other.notes("refuses-ranges").is_empty());
        // Other credentials do not open the links, so that the day is asked for anew.
        let other = account.store.account(&identity("someone", "2"), "api");
        assert!(other.day(WHOLE, DAY).is_none());
    }
}

#[test]
fn blocks_are_found_again_by_whoever_opens_the_directory() {
    for ground in [Ground::new(), Ground::sealed()] {
        let (account, beside) = (ground.open(), ground.open());
        let total = 3 * BLOCK_SIZE + 5;
        let blob = keep(&account, 1, total);
        for reader in [&account, &beside, &ground.open()] {
            let read = reader.read(blob, 0..9);
            assert_eq!(read.len(), 4);
            for (index, bytes) in read {
                let len = if index == 3 { 5 } else { BLOCK_SIZE };
                assert_eq!(bytes, block(1 + u64::from(index), len));
            }
            assert_eq!(reader.read(blob, 2..3).len(), 1);
            assert!(reader.is_whole(blob));
        }
        assert!(account.read(account.blob(&id(2), &version(total)), 0..9).is_empty());
        assert!(account.read(account.blob(&id(1), &version(total + 1)), 0..9).is_empty());
        let modes = walkdir::WalkDir::new(ground.cache()).into_iter().map(|entry| {
            let metadata = entry.unwrap().metadata().unwrap();
            (metadata.is_dir(), metadata.mode() & 0o777)
        });
        assert!(modes.into_iter().all(|(dir, mode)| mode == if dir { 0o700 } else { 0o600 }));
    }
}

#[test]
fn a_whole_object_in_the_clear_is_a_file() {
    let ground = Ground::new();
    let account = ground.open();
    let blob = keep(&account, 1, BLOCK_SIZE + 9);
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut account.file(blob).unwrap(), &mut bytes).unwrap();
    assert_eq!(bytes, [block(1, BLOCK_SIZE), block(2, 9)].concat());
    let path = &ground.block_files()[0];
    let mut damaged = fs::read(path).unwrap();
    damaged[500] ^= 1;
    fs::write(path, damaged).unwrap();
    assert!(account.file(blob).is_none());
    let part = account.blob(&id(2), &version(2 * BLOCK_SIZE));
    account.keep_block(part, 1, Box::new(|| Some(block(0, BLOCK_SIZE))));
    flush(&account);
    assert!(account.file(part).is_none() && !account.is_whole(part));
    let sealed = Ground::sealed();
    let account = sealed.open();
    assert!(account.file(keep(&account, 1, 9)).is_none());
}

#[test]
fn a_damaged_block_is_not_there_and_can_be_kept_again() {
    for ground in [Ground::new(), Ground::sealed()] {
        let account = ground.open();
        let blob = keep(&account, 1, 2 * BLOCK_SIZE);
        let path = &ground.block_files()[0];
        let mut bytes = fs::read(path).unwrap();
        bytes[1000] ^= 1;
        fs::write(path, &bytes).unwrap();
        let read: Vec<_> = account.read(blob, 0..2).into_iter().map(|(index, _)| index).collect();
        assert_eq!(read, [1]);
        flush(&account);
        assert!(!account.is_whole(blob));
        assert!(account.is_whole(keep(&account, 1, 2 * BLOCK_SIZE)));

        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(account.read(blob, 1..2).is_empty());
        fs::remove_file(path).unwrap();
        assert!(account.read(blob, 0..2).is_empty());
        flush(&account);
        assert_eq!(account.read(keep(&account, 1, 2 * BLOCK_SIZE), 0..2).len(), 2);
    }
}

#[test]
fn the_bound_holds_and_what_was_used_least_recently_goes() {
    let ground = Ground { limit: 40 * BLOCK_SIZE, ..Ground::new() };
    let account = ground.open();
    let blobs: Vec<_> = (0..4).map(|n| keep(&account, n, 4 * BLOCK_SIZE)).collect();
    account.pin(blobs[1]);
    flush(&account);
    std::thread::sleep(Duration::from_millis(1100));
    account.read(blobs[0], 0..1);
    flush(&account);
    for n in 10..20 {
        keep(&account, n, 4 * BLOCK_SIZE);
        let files = ground.block_files();
        let held: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        assert!(held <= ground.limit, "{held}");
    }
    let here = |n: usize| account.is_whole(blobs[n]);
    assert!(here(1) && !here(2) && !here(3), "{:?}", [here(0), here(1), here(2), here(3)]);
    // Larger than the whole cache: it passes through and breaks no bound.
    keep(&account, 99, 50 * BLOCK_SIZE);
    assert!(account.store.survey().unwrap().bytes <= ground.limit);
    assert!(here(1));
}

#[test]
fn a_sealed_directory_tells_nothing_and_opens_with_its_own_key_alone() {
    let mut ground = Ground::sealed();
    let account = ground.open();
    account.keep_day(WHOLE, DAY, &[call()]);
    let text = Bytes::from_static(b"planted bytes of a call");
    let blob = account.blob(&id(1), &version(text.len() as u64));
    account.keep_block(blob, 0, Box::new(move || Some(text)));
    flush(&account);
    drop(account);
    let all = ground.bytes();
    for needle in ["15551230001", "30412", "planted", "recording", "2026-11-21", "someone"] {
        assert!(!all.windows(needle.len()).any(|bytes| bytes == needle.as_bytes()), "{needle}");
    }

    let right = ground.key_file.take();
    assert!(matches!(Store::open(&ground.settings()), Err(StoreError::KeyMissing)));
    ground.key_file = Some(ground.key("wrong", "a wrong key, which is long enough for one"));
    assert!(matches!(Store::open(&ground.settings()), Err(StoreError::KeyWrong(_))));
    assert_eq!(ground.bytes(), all, "a wrong key touched something");
    ground.key_file = right.clone();
    assert!(ground.open().day(WHOLE, DAY).is_some());

    for _ in 0..2 {
        assert_eq!(destroy_key(&ground.cache()).unwrap(), Destroyed::Everywhere);
        for key_file in [None, right.clone()] {
            ground.key_file = key_file;
            assert!(matches!(Store::open(&ground.settings()), Err(StoreError::KeyDestroyed)));
        }
    }
    assert!(clear(&ground.cache()).unwrap());
    let in_use = Store::open(&ground.settings()).unwrap();
    assert_eq!(destroy_key(&ground.cache()).unwrap(), Destroyed::ButInUse);
    drop(in_use);
    assert!(clear(&ground.cache()).unwrap() && !clear(&ground.cache()).unwrap());
    assert!(ground.open().day(WHOLE, DAY).is_none());
}

#[test]
fn a_key_that_is_none_is_told() {
    let mut ground = Ground::new();
    let mut refused = |path: PathBuf| {
        ground.key_file = Some(path);
        Store::open(&ground.settings()).err().unwrap()
    };
    let missing = refused(PathBuf::from("/no/such/key"));
    assert!(missing.hint(Path::new("cache")).unwrap().contains("/dev/urandom"));
    let ground = Ground::new();
    let short = ground.key("short", "too short");
    let open = ground.key("open", "0123456789abcdef0123456789abcdef");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(refused(short), StoreError::KeyShort(_)));
    let error = refused(open);
    assert!(error.hint(Path::new("cache")).unwrap().starts_with("chmod 600"), "{error}");
    // A directory in the clear does not become a sealed one with clear bytes in it.
    let mut ground = Ground::new();
    drop(ground.open());
    ground.key_file = Some(ground.key("key", "0123456789abcdef0123456789abcdef"));
    assert!(matches!(Store::open(&ground.settings()), Err(StoreError::NotSealed)));
}

#[test]
fn a_look_at_every_block_finds_what_is_damaged_and_what_is_nobodys() {
    for ground in [Ground::new(), Ground::sealed()] {
        let account = ground.open();
        account.keep_day(WHOLE, DAY, &[call()]);
        account.keep_known(
            WHOLE,
            DAY,
            &id(1),
            &Known { state: State::Ready, version: Some(version(2 * BLOCK_SIZE + 1)) },
        );
        let blob = keep(&account, 1, 2 * BLOCK_SIZE + 1);
        let whole = || {
            let mut seen = Vec::new();
            let tell = |_: &[String], outline: &Outline, whole: bool| {
                seen.push((outline.date, outline.id.clone(), whole));
            };
            account.store.each_object(tell).unwrap();
            seen
        };
        assert_eq!(whole(), [(DAY, id(1), true)]);
        let good = Verdict { good: 3, damaged: 0, strays: 0 };
        assert_eq!(account.store.verify().unwrap(), good);
        let path = &ground.block_files()[0];
        fs::copy(path, path.with_file_name("0".repeat(32))).unwrap();
        let mut bytes = fs::read(path).unwrap();
        bytes[7] ^= 1;
        fs::write(path, bytes).unwrap();
        let verdict = Verdict { good: 2, damaged: 1, strays: 1 };
        assert_eq!(account.store.verify().unwrap(), verdict);
        assert!(ground.block_files().is_empty() && !account.is_whole(blob));
        assert_eq!(whole(), [(DAY, id(1), false)]);
    }
}

#[test]
fn a_block_that_left_memory_before_its_turn_is_not_kept() {
    let ground = Ground::new();
    let account = ground.open();
    let blob = account.blob(&id(1), &version(2 * BLOCK_SIZE));
    account.keep_block(blob, 0, Box::new(|| None));
    account.keep_block(blob, 1, Box::new(|| Some(block(1, BLOCK_SIZE - 1))));
    flush(&account);
    assert!(account.read(blob, 0..2).is_empty() && ground.block_files().is_empty());
    assert_eq!(account.store.prune(0).unwrap(), 0);
    keep(&account, 2, BLOCK_SIZE);
    assert_eq!(account.store.prune(0).unwrap(), BLOCK_SIZE);
}
