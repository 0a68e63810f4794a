//! Whatever happens to the cache, no wrong byte is served: processes that are killed while they write,
//! and files that are damaged.

use std::fs;
use std::thread;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use walkdir::WalkDir;

use super::{KEY, account, cache, contents, ground, key_file, wait_until_cached};
use crate::ground::{Ground, can_mount, days_ago, slashed};
use reelfs::sandbox::Options;

/// Mounts that are killed while they fill the cache.
const KILLS: u64 = 100;
/// Times that the cache is damaged.
const DAMAGES: u64 = 40;

#[test]
fn a_hundred_kills_while_filling_leave_every_byte_right() {
    if !can_mount() {
        return;
    }
    let ground = ground(10);
    // So little room that what was written goes again, all the time.
    let more = ["--since", "3d", "--cache-size", "2MiB"];
    let mut random = StdRng::seed_from_u64(1);
    for round in 0..KILLS {
        let mount = ground.mount(&more);
        let wait = Duration::from_micros(random.random_range(0..40_000));
        let area = if round % 2 == 0 { "recordings" } else { "logs" };
        let day = mount.path(area).join(slashed(days_ago(1)));
        thread::scope(|scope| {
            scope.spawn(|| {
                // All of it fails when the daemon is gone.
                for file in fs::read_dir(day).into_iter().flatten().flatten() {
                    let _ = fs::read(file.path());
                }
            });
            thread::sleep(wait);
            mount.end_with("KILL");
        });
    }
    let fresh = Ground::new(Options::default(), account(10));
    let expected = contents(&fresh.mount(&["--since", "3d"]));
    let mount = ground.mount(&more);
    let all = contents(&mount);
    assert_eq!(all.len(), expected.len());
    assert!(all.values().eq(expected.values()), "a wrong byte");
    assert!(!mount.log().contains("was damaged"), "a catalogue had to be mended");
}

#[test]
fn random_damage_is_never_served() {
    if !can_mount() {
        return;
    }
    for is_sealed in [false, true] {
        let ground = ground(4);
        let key = key_file(&ground, "cache.key", KEY);
        let mut more = vec!["--since", "3d"];
        if is_sealed {
            more.extend(["--cache-key-file", &key]);
        }
        let right = {
            let mount = ground.mount(&more);
            let right = contents(&mount);
            wait_until_cached(&mount, &right);
            right
        };
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..DAMAGES {
            let files = WalkDir::new(cache(&ground)).sort_by_file_name().into_iter();
            let files = files.map(Result::unwrap).filter(|entry| entry.file_type().is_file());
            // Without its key a sealed cache says so; that is tested elsewhere.
            let files: Vec<_> = files.filter(|entry| entry.file_name() != "key").collect();
            let path = files[random.random_range(0..files.len())].path().to_owned();
            let mut bytes = fs::read(&path).unwrap();
            match random.random_range(0..4) {
                0 if !bytes.is_empty() => bytes.truncate(random.random_range(0..bytes.len())),
                1 => bytes.extend([0xA5; 100]),
                2 if !bytes.is_empty() => {
                    let start = random.random_range(0..bytes.len());
                    let end = (start + 5000).min(bytes.len());
                    bytes[start..end].fill(0);
                }
                _ if !bytes.is_empty() => {
                    let place = random.random_range(0..bytes.len());
                    bytes[place] ^= 1 << random.random_range(0..8);
                }
                _ => {}
            }
            fs::write(&path, bytes).unwrap();
            let mount = ground.mount(&more);
            assert_eq!(contents(&mount), right, "after damage to {path:?}");
        }
    }
}
