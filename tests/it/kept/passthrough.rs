//! Whole cached files, which the kernel reads itself.

use std::fs;
use std::os::unix::fs::FileExt as _;

use reelfs::sandbox::{Account, Content, NewRecord, NewSession, Options};

use super::{MIB, attribute, reelfs, yesterday};
use crate::ground::{Ground, Mount, at, can_mount, days_ago, output, sh, wait_until};

#[test]
fn a_whole_cached_file_is_read_by_the_kernel_itself_and_however_it_is_opened() {
    if !can_mount() {
        return;
    }
    let size = 3 * MIB + 77;
    let mut account = Account::empty(3);
    let call = NewSession::at(at(days_ago(1), 9, 0, 0)).incoming("+15551230001");
    account.add(call.record(NewRecord::new(Content::ramp(9, size))));
    let ground = Ground::new(Options::default(), account);
    let is_right = |bytes: &[u8], from: u64| {
        (from..).zip(bytes).all(|(n, byte)| u64::from(*byte) == (9 + n) % 251)
    };
    let mount = ground.mount(&["--since", "3d", "-vv"]);
    let path = yesterday(&mount, "recordings")[0].clone();
    // Opened before anything is cached, it goes through the daemon, and so do those beside it.
    let first = fs::File::open(&path).unwrap();
    assert!(is_right(&fs::read(&path).unwrap(), 0));
    wait_until("it is cached", || attribute(&path, "cached").as_deref() == Some("whole"));
    let beside = fs::File::open(&path).unwrap();
    let mut bytes = vec![0; 5000];
    for (file, place) in [(&first, 10), (&beside, 2 * MIB)] {
        file.read_exact_at(&mut bytes, place).unwrap();
        assert!(is_right(&bytes, place));
    }
    drop((first, beside));
    ground.sandbox.clear_requests();
    assert!(is_right(&fs::read(&path).unwrap(), 0));
    drop(mount);
    // The first open of a mount that finds it whole hands it over.
    let mount = ground.mount(&["--since", "3d", "-vv"]);
    let whole = fs::read(&path).unwrap();
    assert!(whole.len() as u64 == size && is_right(&whole, 0));
    if sh("id -u").trim() == "0" && !offers_none(&mount) {
        assert!(mount.log().contains("reads a cached file itself"), "{}", mount.log());
    }
    assert!(ground.media_requests().is_empty());
    let held = fs::File::open(&path).unwrap();
    let mapped = sh(&format!(
        "python3 -c \"import mmap; f = open('{}', 'rb'); m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); \
         print(all(m[n] == (9 + n) % 251 for n in range(0, len(m), 997)), len(m))\"",
        path.display()
    ));
    assert_eq!(mapped.trim(), format!("True {size}"));
    // What is evicted while it is open reads on; then it is fetched again.
    assert!(output(&mut reelfs(&ground, &["cache", "prune", "--to", "0"])).status.success());
    held.read_exact_at(&mut bytes, MIB).unwrap();
    assert!(is_right(&bytes, MIB) && ground.media_requests().is_empty());
    drop(held);
    assert!(is_right(&fs::read(&path).unwrap(), 0));
}

/// Whether this kernel, or the file system of the cache, hands no files over.
fn offers_none(mount: &Mount) -> bool {
    let log = mount.log();
    log.contains("the kernel takes no files") || log.contains("FUSE_PASSTHROUGH")
}
