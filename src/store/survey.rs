//! What a directory holds, as a whole: for those who look after it. No account's credentials are
//! needed.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use rusqlite::{Connection, params};

use super::account::read_known;
use super::extent::Extent;
use super::place::{is_cache, unmark};
use super::record::{self, Outline};
use super::vault::checksum;
use super::writer::remove;
use super::{BLOCKS, KEY_FILE, Key, Shared, Store, StoreError, blocks, database, space};
use crate::types::{BLOCK_SIZE, lock};

/// Counts of what is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Whether there is a key.
    pub is_sealed: bool,
    /// Days that were listed.
    pub days: u64,
    /// Objects of which something is known.
    pub objects: u64,
    /// Files of blocks.
    pub files: u64,
    /// Bytes of all blocks.
    pub bytes: u64,
    /// Objects that shall stay.
    pub pinned: u64,
}

/// What the blocks of a directory take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all blocks.
    pub bytes: u64,
    /// The most that the directory may take.
    pub limit: u64,
    /// Files of blocks.
    pub files: u64,
}

/// What a look at every block found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Blocks that are what was written.
    pub good: u64,
    /// Blocks that are not; they were forgotten, and are fetched again when they are wanted.
    pub damaged: u64,
    /// Files that the catalogue does not know; they were removed.
    pub strays: u64,
}

impl Store {
    /// Counts what is kept.
    pub fn survey(&self) -> Result<Survey, StoreError> {
        let catalogue = lock(&self.shared.catalogue);
        let count = |sql: &str| -> Result<u64, StoreError> {
            let count: i64 = catalogue.query_row(sql, [], |row| row.get(0))?;
            Ok(u64::try_from(count).unwrap_or(0))
        };
        Ok(Survey {
            is_sealed: self.shared.vault.is_sealed(),
            days: count("SELECT count(*) FROM days")?,
            objects: count("SELECT count(*) FROM objects")?,
            files: count("SELECT count(*) FROM extents WHERE bytes > 0")?,
            bytes: count("SELECT bytes FROM totals")?,
            pinned: count("SELECT count(*) FROM pins")?,
        })
    }

    /// What the blocks take, through a connection of its own: no reader waits for it.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let catalogue = database::open(&self.shared.directory)?;
        let count = |sql: &str| -> Result<u64, StoreError> {
            let count: i64 = catalogue.query_row(sql, [], |row| row.get(0))?;
            Ok(u64::try_from(count).unwrap_or(0))
        };
        Ok(Usage {
            bytes: count("SELECT bytes FROM totals")?,
            limit: self.shared.limit,
            files: count("SELECT count(*) FROM extents WHERE bytes > 0")?,
        })
    }

    /// Reads every block, forgets those that are damaged, and removes files that nothing refers to.
    pub fn verify(&self) -> Result<Verdict, StoreError> {
        let mut catalogue = database::open(&self.shared.directory)?;
        let mut verdict = Verdict::default();
        for extent in extents(&catalogue)? {
            verify_extent(&self.shared, &mut catalogue, extent, &mut verdict)?;
        }
        verdict.strays = self.remove_strays(&catalogue)?;
        Ok(verdict)
    }

    /// Evicts what was used least recently until no more than `bytes` are left. Gives how many bytes
    /// went.
    pub fn prune(&self, bytes: u64) -> Result<u64, StoreError> {
        let mut catalogue = database::open(&self.shared.directory)?;
        let mut gone = 0;
        loop {
            let held = self.survey()?.bytes;
            if held <= bytes {
                return Ok(gone);
            }
            match space::evict(&self.shared, &mut catalogue, held - bytes)? {
                0 => return Ok(gone),
                went => gone += went,
            }
        }
    }

    /// Tells of every object that was listed, with the notes of its account and whether all of its
    /// bytes are kept.
    pub fn each_object(
        &self,
        mut tell: impl FnMut(&[String], &Outline, bool),
    ) -> Result<(), StoreError> {
        let catalogue = database::open(&self.shared.directory)?;
        let mut query = catalogue.prepare("SELECT day, account, body FROM days")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let (day, account): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?);
            let Some(account) = Key::from_row(&account) else { continue };
            let Some(body) = self.shared.vault.open(&day, &row.get::<_, Vec<u8>>(2)?) else {
                continue;
            };
            let notes = notes(&self.shared, &catalogue, account)?;
            for outline in record::outlines(&body) {
                let key = self.shared.object_key(account, &outline.id);
                let known = self.shared.value(
                    "SELECT body FROM objects WHERE day = ? AND object = ?",
                    &[&day, &key.0],
                    &key.0,
                );
                let version = known.and_then(|body| read_known(&body)?.version);
                let blob = version.map(|version| self.shared.blob(account, &outline.id, &version));
                let is_whole = !outline.is_remote || blob.is_some_and(|b| self.shared.is_whole(b));
                tell(&notes, &outline, is_whole);
            }
        }
        Ok(())
    }

    fn remove_strays(&self, catalogue: &Connection) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM extents WHERE blob = ? AND extent = ?";
        let mut known = catalogue.prepare(sql)?;
        let mut strays = 0;
        for directory in fs::read_dir(self.shared.directory.join(BLOCKS))? {
            let directory = directory?;
            // A link that leads elsewhere is none of ours, nor what is there.
            if !directory.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(directory.path())? {
                let file = file?;
                let extent = file.file_name().to_str().and_then(Extent::of_file);
                let Some(extent) = extent else { continue };
                // Its row stands before a file does, so one without a row is nobody's.
                let params = params![extent.blob.0, extent.number];
                if known.query_row(params, |row| row.get::<_, i64>(0))? == 0 {
                    remove(&file.path())?;
                    strays += 1;
                }
            }
        }
        Ok(strays)
    }
}

/// Removes all that reelfs keeps in a directory, its key included; what else is there stays. Gives
/// whether there was anything. Fails while a mount uses it, which would go on writing what nobody finds.
pub fn clear(directory: &Path) -> io::Result<bool> {
    if !is_cache(directory) {
        return Ok(false);
    }
    let _alone = match fs::File::open(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => match Flock::lock(opened?, FlockArg::LockExclusiveNonblock) {
            Err((_, Errno::EWOULDBLOCK)) => {
                let text = "a mount uses it: unmount that first, or `reelfs cache prune --to 0`";
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
            }
            locked => locked.ok(),
        },
    };
    let mut found = wipe_key(directory)?;
    remove(&directory.join(KEY_FILE))?;
    for name in [database::FILE, database::SET_ASIDE] {
        for tail in ["", "-wal", "-shm"] {
            let file = directory.join(format!("{name}{tail}"));
            found |= file.exists();
            remove(&file)?;
        }
    }
    match fs::remove_dir_all(directory.join(BLOCKS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        removed => {
            removed?;
            found = true;
        }
    }
    unmark(directory)?;
    Ok(found)
}

/// What became of a key that was to be destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destroyed {
    /// There was none: what the directory holds is in the clear.
    NoKey,
    /// Nobody has it any more.
    Everywhere,
    /// A mount that uses the directory has read it before, and reads on until its end.
    ButInUse,
}

/// Destroys the key of a sealed directory: nobody can open it any more, with whichever key file, before it is
/// cleared.
pub fn destroy_key(directory: &Path) -> io::Result<Destroyed> {
    if !wipe_key(directory)? {
        return Ok(Destroyed::NoKey);
    }
    match Flock::lock(File::open(directory)?, FlockArg::LockExclusiveNonblock) {
        Err((_, Errno::EWOULDBLOCK)) => Ok(Destroyed::ButInUse),
        _ => Ok(Destroyed::Everywhere),
    }
}

/// Writes zeros over a key. Gives whether there was one.
fn wipe_key(directory: &Path) -> io::Result<bool> {
    match fs::OpenOptions::new().write(true).open(directory.join(KEY_FILE)) {
        Ok(mut file) => {
            let len = usize::try_from(file.metadata()?.len()).unwrap_or(0).max(1);
            io::Write::write_all(&mut file, &vec![0; len])?;
            file.sync_all()?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn extents(catalogue: &Connection) -> Result<Vec<Extent>, StoreError> {
    let mut query = catalogue.prepare("SELECT blob, extent FROM extents")?;
    let rows = query.query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?)))?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let extent = |(blob, number): (Vec<u8>, i64)| {
        Some(Extent { blob: Key::from_row(&blob)?, number: u32::try_from(number).ok()? })
    };
    Ok(rows.into_iter().filter_map(extent).collect())
}

fn verify_extent(
    shared: &Shared,
    catalogue: &mut Connection,
    extent: Extent,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let map = shared.map(extent);
    let file = blocks::open(&shared.path(extent));
    let mut damaged = 0;
    if let (Some(map), Ok(file)) = (&map, &file) {
        let len = file.metadata()?.len();
        for (place, sum) in map.blocks() {
            if is_right(shared, file, len, extent, place, sum) {
                verdict.good += 1;
            } else {
                damaged += 1;
            }
        }
    } else {
        damaged = map.as_ref().map_or(1, |map| u64::from(map.count()));
    }
    if damaged > 0 {
        verdict.damaged += damaged;
        // All of it: the rest costs less to fetch again than to keep apart.
        let sql = "DELETE FROM extents WHERE blob = ? AND extent = ?";
        catalogue.execute(sql, params![extent.blob.0, extent.number])?;
        remove(&shared.path(extent))?;
    }
    Ok(())
}

fn is_right(shared: &Shared, file: &File, len: u64, extent: Extent, place: u32, sum: u64) -> bool {
    let stride = BLOCK_SIZE + shared.vault.block_overhead() as u64;
    let offset = u64::from(place) * stride;
    let size = usize::try_from(len.saturating_sub(offset).min(stride)).unwrap_or(0);
    let mut written = vec![0; size];
    let read = std::os::unix::fs::FileExt::read_exact_at(file, &mut written, offset);
    let context = extent.block_context(extent.first_block().saturating_add(place));
    read.is_ok()
        && size > shared.vault.block_overhead()
        && checksum(&context, &written) == sum
        && shared.vault.open_block(&context, written).is_some()
}

fn notes(shared: &Shared, catalogue: &Connection, account: Key) -> Result<Vec<String>, StoreError> {
    let mut query = catalogue.prepare_cached("SELECT name, body FROM notes WHERE account = ?")?;
    let rows = query.query_map([account.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows = rows.collect::<Result<Vec<(Vec<u8>, Vec<u8>)>, _>>()?;
    let open =
        |(name, body): (Vec<u8>, Vec<u8>)| String::from_utf8(shared.vault.open(&name, &body)?).ok();
    Ok(rows.into_iter().filter_map(open).collect())
}
