//! Which directory is a cache, and which may become one: nothing is changed in any other.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _};
use std::path::Path;

use super::{StoreError, blocks, database, write_private};

/// Tells backup programs to leave the directory out (bford.info/cachedir), and us that it is ours.
const TAG_FILE: &str = "CACHEDIR.TAG";
const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
                   # This file tells backup programs that reelfs can fetch all of this again.\n";
const TAG_STEM: &str = "CACHEDIR.";
/// What stands in the root of a file system of its own, which may be given to a cache.
const LOST_AND_FOUND: &str = "lost+found";
/// The bit of a directory that is everybody's, such as `/tmp` (`inode(7)`).
const STICKY: u32 = 0o1000;

/// Whether a directory is a cache of reelfs: by its tag, or by its catalogue where somebody removed that.
pub fn is_cache(directory: &Path) -> bool {
    has_tag(directory) || has_catalogue(directory)
}

fn has_tag(directory: &Path) -> bool {
    let read = |file: File| {
        let mut text = String::new();
        file.take(TAG.len() as u64 + 1).read_to_string(&mut text).map(|_| text)
    };
    blocks::open(&directory.join(TAG_FILE)).and_then(read).is_ok_and(|text| text == TAG)
}

fn has_catalogue(directory: &Path) -> bool {
    // Where SQLite keeps the application's number: sqlite.org/fileformat2.html.
    let mut number = [0; 4];
    let read = |file: File| file.read_exact_at(&mut number, 68);
    let read = blocks::open(&directory.join(database::FILE)).and_then(read);
    read.is_ok() && i32::from_be_bytes(number) == database::APPLICATION
}

/// Whether a directory is a cache or may become one: it is not there, or is empty and nobody else's.
pub fn check(directory: &Path) -> Result<(), StoreError> {
    if is_cache(directory) || may_become_one(directory)? {
        Ok(())
    } else {
        Err(StoreError::NotACache)
    }
}

/// Makes a directory a cache for this user alone, if it is one, is not there, or is empty.
pub(super) fn settle(directory: &Path) -> Result<(), StoreError> {
    check(directory)?;
    make_private(directory)?;
    if !has_tag(directory) {
        write_private(&directory.join(TAG_FILE), TAG.as_bytes())?;
    }
    Ok(())
}

fn may_become_one(directory: &Path) -> io::Result<bool> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        entries => entries?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    // Another mount may be about to write the tag.
    let is_tag = |name: &OsString| name.to_string_lossy().starts_with(TAG_STEM);
    let is_empty = names.iter().all(|name| name == LOST_AND_FOUND || is_tag(name));
    Ok(is_empty && fs::metadata(directory)?.mode() & STICKY == 0)
}

/// Makes a directory where there is none, and keeps others out of it.
pub(super) fn make_private(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let metadata = fs::metadata(directory)?;
    if metadata.mode() & 0o077 != 0 && metadata.uid() == nix::unistd::geteuid().as_raw() {
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(directory, private)?;
    }
    Ok(())
}

/// Takes the tag away with the rest.
pub(super) fn unmark(directory: &Path) -> io::Result<()> {
    if has_tag(directory) { super::writer::remove(&directory.join(TAG_FILE)) } else { Ok(()) }
}
