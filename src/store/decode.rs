//! The way in for fuzzers: what is kept, decoded and encoded as a mount does it, without a directory.

use serde_json::Value;

use super::extent::{Layout, Map};
use super::vault::Vault;
use super::{Known, Outline, SecretKey, account, record};
use crate::types::Day;

/// The key of all links here.
fn links() -> SecretKey {
    SecretKey::derive("reelfs links", b"fuzz")
}

/// A day out of its bytes.
pub fn day(bytes: &[u8]) -> Option<Day> {
    record::read(bytes, &links())
}

/// A day out of its bytes, without its links.
pub fn outlines(bytes: &[u8]) -> Vec<Outline> {
    record::outlines(bytes)
}

/// The bytes of a day.
pub fn written(day: &Day) -> Vec<u8> {
    record::write(day.date, &day.calls, &links())
}

/// The bytes of a day whose JSON somebody else wrote. Links stand in it as they are, and are sealed
/// here, since nobody guesses a seal.
pub fn packed(json: &[u8]) -> Vec<u8> {
    let Ok(mut day) = serde_json::from_slice::<Value>(json) else {
        return lz4_flex::compress_prepend_size(json);
    };
    let calls = day.get_mut("calls").and_then(Value::as_array_mut).into_iter().flatten();
    let objects = |call: &'_ mut Value| match call.get_mut("objects") {
        Some(Value::Array(objects)) => objects.iter_mut().map(seal_link).count(),
        _ => 0,
    };
    calls.map(objects).for_each(drop);
    lz4_flex::compress_prepend_size(day.to_string().as_bytes())
}

fn seal_link(object: &mut Value) {
    let id = object.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(sealed) = object.pointer_mut("/link/sealed")
        && let Some(url) = sealed.as_str()
    {
        *sealed = record::seal_link(&id, url, &links()).into();
    }
}

/// What a map says of an extent of an object of `total` bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    /// Places of blocks.
    pub places: Vec<u32>,
    /// How many blocks the extent has.
    pub blocks: u32,
    /// Whether all of them are said to be there.
    pub is_whole: bool,
    /// Whether the map is the same when it is written and read again.
    pub is_itself: bool,
}

/// Reads a map.
pub fn map(bytes: &[u8], extent: u32, total: u64) -> Told {
    let (map, layout) = (Map::read(bytes), Layout::of(total));
    let blocks = layout.blocks_in(extent);
    Told {
        places: map.blocks().map(|(place, _)| place).collect(),
        blocks,
        is_whole: map.is_whole(blocks),
        is_itself: Map::read(&map.write()) == map,
    }
}

/// A value as a directory in the clear keeps it in this context, whoever wrote it: a checksum keeps
/// off damage, and not who knows how it is made.
pub fn proved(context: &[u8], value: &[u8]) -> Vec<u8> {
    Vault::plain().seal(context, value)
}

/// The value of what was kept in this context, in the clear or under a key.
pub fn opened(secret: Option<&[u8]>, context: &[u8], kept: &[u8]) -> Option<Vec<u8>> {
    vault(secret).open(context, kept)
}

/// A value as it is kept in this context, in the clear or under a key.
pub fn sealed(secret: Option<&[u8]>, context: &[u8], value: &[u8]) -> Vec<u8> {
    vault(secret).seal(context, value)
}

fn vault(secret: Option<&[u8]>) -> Vault {
    let key = secret.map(|secret| SecretKey::derive("reelfs cache key file", secret));
    key.map_or_else(Vault::plain, |key| Vault::sealed(&key))
}

/// What a row's value says that an object proved to be, written and read again; `None` where it says
/// nothing.
pub fn known(body: &[u8]) -> Option<(Known, Known)> {
    let known = account::read_known(body)?;
    let again = account::read_known(&account::write_known(&known))?;
    Some((known, again))
}
