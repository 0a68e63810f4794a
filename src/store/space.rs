//! Room for what is to be written: what was used least recently goes, until the bound holds.
//!
//! A file is removed and never changed: whoever has it open reads on.

use std::fs;

use nix::sys::statvfs::statvfs;
use rusqlite::{Connection, Error, TransactionBehavior, params};

use super::extent::Extent;
use super::writer::remove;
use super::{Key, Shared, StoreError, database};

/// One part in so many of the disk is left free.
pub const LEFT_FREE: u64 = 20;
/// Extents that one transaction removes at the most.
const AT_ONCE: usize = 64;

/// Makes room for `needed` bytes. False when that cannot be: all that is left is pinned, or the disk
/// is full of other things.
pub(super) fn make(
    shared: &Shared,
    catalogue: &mut Connection,
    needed: u64,
) -> Result<bool, StoreError> {
    loop {
        let excess = excess(shared, catalogue, needed)?;
        if excess == 0 {
            return Ok(true);
        }
        if evict(shared, catalogue, excess)? == 0 {
            tracing::debug!(needed, excess, "there is no room in the cache");
            return Ok(false);
        }
    }
}

/// How many bytes have to go before `needed` more fit.
fn excess(shared: &Shared, catalogue: &Connection, needed: u64) -> Result<u64, StoreError> {
    let total: i64 = catalogue.query_row("SELECT bytes FROM totals", [], |row| row.get(0))?;
    // Less than nothing is what no rows add up to: the catalogue is damaged.
    let total = u64::try_from(total).map_err(|_| Error::IntegralValueOutOfRange(0, total))?;
    let beyond = total.saturating_add(needed).saturating_sub(limit(shared));
    let disk = statvfs(&shared.directory).map_err(std::io::Error::from)?;
    let fragment = disk.fragment_size();
    let (free, size) = (disk.blocks_available() * fragment, disk.blocks() * fragment);
    Ok(beyond.max((size / LEFT_FREE + needed).saturating_sub(free)))
}

/// Most bytes of all blocks: what the catalogue takes goes off the bound, as far as half of it.
fn limit(shared: &Shared) -> u64 {
    let size = |tail: &str| {
        let file = shared.directory.join(format!("{}{tail}", database::FILE));
        fs::metadata(file).map_or(0, |metadata| metadata.len())
    };
    shared.limit.saturating_sub(size("") + size("-wal")).max(shared.limit / 2)
}

/// Removes the extents used least recently until `excess` bytes are gone. Gives how many bytes went;
/// 0 when there was nothing to remove.
pub(super) fn evict(
    shared: &Shared,
    catalogue: &mut Connection,
    excess: u64,
) -> Result<u64, StoreError> {
    let change = catalogue.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (mut gone, mut rows_gone) = (0_u64, Vec::new());
    {
        let sql = "SELECT blob, extent, bytes FROM extents \
                   WHERE bytes > 0 AND blob NOT IN (SELECT blob FROM pins) ORDER BY used";
        let mut query = change.prepare_cached(sql)?;
        let mut rows = query.query([])?;
        while gone < excess
            && rows_gone.len() < AT_ONCE
            && let Some(row) = rows.next()?
        {
            let bytes = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
            gone = gone.saturating_add(bytes);
            rows_gone.push((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?));
        }
    }
    for (blob, number) in &rows_gone {
        let sql = "DELETE FROM extents WHERE blob = ? AND extent = ?";
        change.prepare_cached(sql)?.execute(params![blob, number])?;
    }
    change.commit()?;
    for (blob, number) in rows_gone {
        // A row that names no file goes alone.
        let blob = Key::from_row(&blob);
        if let Some((blob, number)) = blob.zip(u32::try_from(number).ok()) {
            remove(&shared.path(Extent { blob, number }))?;
        }
    }
    Ok(gone)
}
