//! The rows of the catalogue, as the writing thread changes them within its transactions.

use rusqlite::{Connection, params};

use super::extent::{Extent, Layout, Map};
use super::queue::Work;
use super::{Shared, StoreError, words};

/// What files take on disk is counted in pages of this many bytes.
const PAGE: u64 = 4096;

/// Writes a fact into its row.
pub(super) fn put(change: &Connection, shared: &Shared, fact: &Work) -> Result<(), StoreError> {
    match fact {
        Work::Day { key, account, listed, body } => {
            let sql = "INSERT INTO days VALUES (?, ?, ?, ?) ON CONFLICT (day) DO UPDATE SET \
                       listed = excluded.listed, body = excluded.body";
            change.prepare_cached(sql)?.execute(params![key.0, account.0, listed, body])?;
        }
        Work::Fresh { key, listed } => {
            let sql = "UPDATE days SET listed = ? WHERE day = ?";
            change.prepare_cached(sql)?.execute(params![listed, key.0])?;
        }
        Work::Known { day, key, body } => {
            let sql = "INSERT OR REPLACE INTO objects VALUES (?, ?, ?)";
            change.prepare_cached(sql)?.execute(params![day.0, key.0, body])?;
        }
        Work::Note { key, account, body } => {
            let sql = "INSERT OR REPLACE INTO notes VALUES (?, ?, ?)";
            change.prepare_cached(sql)?.execute(params![key.0, account.0, body])?;
        }
        Work::Words { day, said } => words::index_day(change, shared, *day, said)?,
        Work::Pin { blob } => {
            let sql = "INSERT OR IGNORE INTO pins VALUES (?)";
            change.prepare_cached(sql)?.execute(params![blob.0])?;
        }
        Work::Lost { extent, place: None } => {
            let sql = "DELETE FROM extents WHERE blob = ? AND extent = ?";
            change.prepare_cached(sql)?.execute(params![extent.blob.0, extent.number])?;
        }
        Work::Lost { extent, place: Some(place) } => {
            if let Some(mut map) = map_in(change, shared, *extent)? {
                map.set(*place, 0);
                set_map(change, shared, *extent, &map, None)?;
            }
        }
        Work::Block { .. } => {}
    }
    Ok(())
}

/// The map of an extent; an empty one where it is damaged, `None` when there is no row.
pub(super) fn map_in(
    change: &Connection,
    shared: &Shared,
    extent: Extent,
) -> Result<Option<Map>, StoreError> {
    let sql = "SELECT map FROM extents WHERE blob = ? AND extent = ?";
    let kept = change
        .prepare_cached(sql)?
        .query_row(params![extent.blob.0, extent.number], |row| row.get::<_, Vec<u8>>(0));
    match kept {
        Ok(kept) => {
            let map = shared.vault.open(&extent.context(), &kept);
            Ok(Some(map.map_or_else(Map::default, |bytes| Map::read(&bytes))))
        }
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Replaces the map of an extent; with the layout, also what it takes on disk.
pub(super) fn set_map(
    change: &Connection,
    shared: &Shared,
    extent: Extent,
    map: &Map,
    layout: Option<Layout>,
) -> Result<(), StoreError> {
    let sealed = shared.vault.seal(&extent.context(), &map.write());
    let Some(layout) = layout else {
        let sql = "UPDATE extents SET map = ? WHERE blob = ? AND extent = ?";
        change.prepare_cached(sql)?.execute(params![sealed, extent.blob.0, extent.number])?;
        return Ok(());
    };
    // The last block is the only short one; counting it as a whole one errs on the safe side, but
    // for objects of one block, which most are.
    let one = paged(shared.room(layout, 0).1 as u64);
    let bytes = i64::try_from(one.saturating_mul(map.count().into())).unwrap_or(i64::MAX);
    let sql = "UPDATE extents SET map = ?, bytes = ?, used = ? WHERE blob = ? AND extent = ?";
    change.prepare_cached(sql)?.execute(params![
        sealed,
        bytes,
        now_millis(),
        extent.blob.0,
        extent.number
    ])?;
    Ok(())
}

/// Bytes in whole pages.
pub(super) fn paged(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE) * PAGE
}

/// The current time in milliseconds since the Unix epoch.
pub(super) fn now_millis() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
