//! A whole account through real tools: every object is there once, byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use reelfs::sandbox::{Account, File, Kind, Options, Plan};
use walkdir::WalkDir;

use crate::ground::{Ground, Mount, can_mount, days_ago, is_object, now, sh, slashed};

const DAYS: u32 = 3;

fn account(ramps: bool) -> Account {
    Account::generate(Plan { seed: 11, days: DAYS, calls_per_day: 40, now: now(), ramps })
}

/// The files of the account that its own key lists.
fn expected(account: &Account) -> Vec<&File> {
    account.files().into_iter().filter(|file| file.account == account.id && !file.gone).collect()
}

/// All files below a directory, with their bytes.
fn read_all(below: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = WalkDir::new(below).into_iter().map(Result::unwrap);
    files
        .filter(|entry| entry.file_type().is_file() && is_object(entry.path()))
        .map(|entry| (entry.path().to_owned(), fs::read(entry.path()).unwrap()))
        .collect()
}

fn xattr(path: &Path, name: &str) -> Option<String> {
    let value = xattr::get(path, format!("user.reelfs.{name}")).unwrap()?;
    Some(String::from_utf8(value).unwrap())
}

fn every_object_is_there_once(tls: bool) {
    let ground = Ground::new(Options { tls, ..Options::default() }, account(true));
    let mount = ground.mount(&["--since", &days_ago(i64::from(DAYS) - 1).to_string()]);
    let account = ground.sandbox.account();
    for kind in [Kind::Recording, Kind::Log, Kind::Transcript] {
        let directory = match kind {
            Kind::Recording => "recordings",
            Kind::Log => "logs",
            Kind::Transcript => "transcripts",
        };
        let mut found = BTreeMap::new();
        for (path, bytes) in read_all(&mount.path(directory)) {
            let size = fs::metadata(&path).unwrap().len();
            assert_eq!(size, bytes.len() as u64, "{}", path.display());
            let session: u64 = xattr(&path, "session_id").unwrap().parse().unwrap();
            let record: Option<u64> = xattr(&path, "record_id").map(|id| id.parse().unwrap());
            let record = record.filter(|_| kind != Kind::Log);
            assert!(found.insert((session, record), bytes).is_none(), "twice: {}", path.display());
        }
        let mut wanted: BTreeMap<_, _> = BTreeMap::new();
        for file in expected(&account).into_iter().filter(|file| file.kind == kind) {
            wanted.insert((file.session, file.record), file.content.to_bytes().to_vec());
        }
        assert!(!wanted.is_empty(), "the account is too poor to show anything: {kind:?}");
        let (names, wanted_names): (BTreeSet<_>, BTreeSet<_>) =
            (found.keys().collect(), wanted.keys().collect());
        assert_eq!(names, wanted_names, "{kind:?}");
        for (key, bytes) in &wanted {
            assert!(found[key] == *bytes, "{kind:?} {key:?} differs");
        }
    }
}

#[test]
fn every_object_is_there_once_over_http() {
    if can_mount() {
        every_object_is_there_once(false);
    }
}

#[test]
fn every_object_is_there_once_over_https() {
    if can_mount() {
        every_object_is_there_once(true);
    }
}

#[test]
fn every_name_is_legal_and_short() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account(false));
    let mount = ground.mount(&[]);
    let listing =
        sh(&format!("find {} -mindepth 1 -print0 | tr '\\0' '\\n'", mount.path("").display()));
    assert!(listing.lines().count() > 100);
    for path in listing.lines() {
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        let legal = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+@._-".contains(&b));
        assert!(legal && name.len() <= 200 && !name.starts_with('.'), "{name:?}");
    }
}

#[test]
fn attributes_of_the_system_are_told_not_to_exist_at_all() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account(false));
    let mount = ground.mount(&[]);
    for name in ["security.selinux", "system.posix_acl_access"] {
        let error = xattr::get(mount.path("logs"), name).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP), "{name}");
    }
    let none = xattr::get(mount.path("logs"), "user.reelfs.none").unwrap();
    assert_eq!(none, None);
}

#[test]
fn the_index_tells_all_facts_and_no_link() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account(false));
    let mount = ground.mount(&[]);
    let day = days_ago(1);
    let path = mount.path("index").join(format!("{}.jsonl", slashed(day)));
    let index = fs::read_to_string(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), index.len() as u64);
    let mut paths = BTreeSet::new();
    for line in index.lines() {
        let call: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(call["id"].is_string() && call["start"].is_string(), "{line}");
        for file in call["files"].as_array().unwrap() {
            assert!(mount.path(file.as_str().unwrap()).is_file(), "{file}");
            assert!(paths.insert(file.to_string()), "twice: {file}");
        }
    }
    assert!(!index.contains("://") && !index.contains("api_key"));
    let files = |area: &str| fs::read_dir(mount.path(area).join(slashed(day))).unwrap().count();
    // The playlist is made of the listing, as the index is.
    assert_eq!(paths.len() + 1, files("recordings") + files("logs") + files("transcripts"));
}

fn tools_read_it(mount: &Mount, copy: &Path) {
    let (at, copy) = (mount.path("").display().to_string(), copy.display().to_string());
    let copying = format!("rsync -a --info=stats2 {at} {copy}/");
    let first = sh(&copying);
    assert!(!first.contains("Number of regular files transferred: 0"), "{first}");
    let second = sh(&copying);
    assert!(second.contains("Number of regular files transferred: 0"), "{second}");
    assert!(second.contains("Total transferred file size: 0 bytes"), "{second}");
    sh(&format!("cd {at} && find . -type f -print0 | xargs -0 -n1 -I{{}} cmp {{}} {copy}/{{}}"));
    let sums = |dir: &str| sh(&format!("cd {dir} && find . -type f | sort | xargs sha256sum"));
    assert_eq!(sums(&at), sums(&copy));
    let listed = sh(&format!("cd {at} && find . -type f | wc -l"));
    let archived = sh(&format!("tar -C {at} -cf - . | tar -tf - | grep -vc '/$'"));
    assert_eq!(listed, archived);
}

#[test]
fn rsync_cmp_sha256sum_and_tar_work_and_a_second_rsync_moves_nothing() {
    if !can_mount() {
        return;
    }
    for tls in [false, true] {
        let ground = Ground::new(Options { tls, ..Options::default() }, account(false));
        let mount = ground.mount(&["--since", &days_ago(i64::from(DAYS) - 1).to_string()]);
        tools_read_it(&mount, &ground.dir.path().join("copy"));
    }
}

#[test]
fn grep_counts_what_was_logged() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account(false));
    let mount = ground.mount(&[]);
    let account = ground.sandbox.account();
    for word in [reelfs::sandbox::KEYWORD_ERROR, reelfs::sandbox::KEYWORD_SESSION] {
        let lines = |file: &&File| {
            let text = String::from_utf8(file.content.to_bytes().to_vec()).unwrap();
            text.lines().filter(|line| line.contains(word)).count()
        };
        let logs = expected(&account).into_iter().filter(|file| file.kind == Kind::Log);
        let wanted: usize = logs.map(|file| lines(&file)).sum();
        let found = sh(&format!("grep -rh '{word}' {} | wc -l", mount.path("logs").display()));
        assert!(wanted > 0);
        assert_eq!(found.trim(), wanted.to_string(), "{word}");
    }
}

#[test]
fn media_players_read_every_recording() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account(false));
    let mount = ground.mount(&[]);
    let day = mount.path("recordings").join(slashed(days_ago(1)));
    let mut formats = BTreeSet::new();
    for entry in fs::read_dir(day).unwrap() {
        let path = entry.unwrap().path();
        if fs::metadata(&path).unwrap().size() == 0 || !is_object(&path) {
            continue;
        }
        let path = path.display();
        let probe = "ffprobe -v error -show_entries format=format_name -of csv=p=0";
        formats.insert(sh(&format!("{probe} {path}")).trim().trim_matches('"').to_owned());
        sh(&format!("ffmpeg -v error -xerror -i {path} -f null -"));
    }
    for format in ["mp3", "flac", "mov,mp4,m4a,3gp,3g2,mj2"] {
        assert!(formats.contains(format), "{format} is not among {formats:?}");
    }
}
