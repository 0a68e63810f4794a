//! How an object lies on disk: cut into extents, each a file and a row of the catalogue. Pure.
//!
//! An extent is what is evicted at once. An object of up to 256 MiB is one, so that its file is the
//! object itself, which the kernel can read without the daemon; a longer one is cut into extents of 8
//! MiB. The row holds a map with a checksum for each block: 0 where the block is not there.

use std::ops::Range;

use super::Key;
use crate::types::BLOCK_SIZE;

/// Longest object that is one extent, in bytes.
const LONGEST_WHOLE: u64 = 256 * 1024 * 1024;
/// Blocks of an extent of a longer one.
const BLOCKS: u32 = 64;

/// An extent of a version of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Extent {
    pub(super) blob: Key,
    pub(super) number: u32,
}

impl Extent {
    /// Binds values of this extent to it.
    pub(super) fn context(self) -> [u8; 20] {
        let mut context = [0; 20];
        context[..16].copy_from_slice(&self.blob.0);
        context[16..].copy_from_slice(&self.number.to_le_bytes());
        context
    }

    /// Binds a block to its place.
    pub(super) fn block_context(self, block: u32) -> [u8; 24] {
        let mut context = [0; 24];
        context[..20].copy_from_slice(&self.context());
        context[20..].copy_from_slice(&block.to_le_bytes());
        context
    }

    /// The first of its blocks: all but the first extent belong to a long object.
    pub(super) fn first_block(self) -> u32 {
        self.number.saturating_mul(BLOCKS)
    }

    /// The name of its file below the directory of blocks.
    pub(super) fn file(self) -> String {
        let name = self.blob.hex();
        match self.number {
            0 => format!("{}/{name}", &name[..2]),
            number => format!("{}/{name}-{number}", &name[..2]),
        }
    }

    /// The extent whose file has this name.
    pub(super) fn of_file(name: &str) -> Option<Self> {
        let (hex, number) = name.split_once('-').unwrap_or((name, "0"));
        let mut key = [0; 16];
        if hex.len() != 32 || !hex.is_ascii() {
            return None;
        }
        for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
        }
        let extent = Self { blob: Key(key), number: number.parse().ok()? };
        // Digits can be written in more than one way, and a file has one name.
        extent.file().ends_with(name).then_some(extent)
    }
}

/// How the blocks of an object of a size lie in extents.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    total: u64,
    /// Blocks of an extent.
    run: u32,
}

impl Layout {
    /// That of an object of `total` bytes.
    pub(super) fn of(total: u64) -> Self {
        let run = if total <= LONGEST_WHOLE { u32::MAX } else { BLOCKS };
        Self { total, run }
    }

    /// Whether one extent holds all of it.
    pub(super) fn is_one(self) -> bool {
        self.run == u32::MAX
    }

    /// Number of blocks.
    pub(super) fn blocks(self) -> u32 {
        u32::try_from(self.total.div_ceil(BLOCK_SIZE)).unwrap_or(u32::MAX)
    }

    /// The extents of a range of blocks, each with the blocks of the range that it holds.
    pub(super) fn extents(self, blocks: Range<u32>) -> impl Iterator<Item = (u32, Range<u32>)> {
        let end = blocks.end.min(self.blocks());
        let mut next = blocks.start;
        std::iter::from_fn(move || {
            let number = next / self.run;
            let start = next;
            next = end.min((number + 1).saturating_mul(self.run));
            (start < next).then_some((number, start..next))
        })
    }

    /// The extent of a block, and its place in it.
    pub(super) fn place(self, block: u32) -> (u32, u32) {
        (block / self.run, block % self.run)
    }

    /// How many blocks an extent has when it is whole.
    pub(super) fn blocks_in(self, extent: u32) -> u32 {
        let before = extent.saturating_mul(self.run);
        self.blocks().saturating_sub(before).min(self.run)
    }

    /// Length of a block in bytes.
    pub(super) fn len(self, block: u32) -> usize {
        let start = u64::from(block) * BLOCK_SIZE;
        usize::try_from(self.total.saturating_sub(start).min(BLOCK_SIZE)).unwrap_or(0)
    }
}

/// The checksums of an extent's blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Map(Vec<u64>);

impl Map {
    /// A map of its bytes.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let (sums, _) = bytes.as_chunks::<8>();
        Self(sums.iter().map(|sum| u64::from_le_bytes(*sum)).collect())
    }

    /// Its bytes.
    pub(super) fn write(&self) -> Vec<u8> {
        self.0.iter().flat_map(|sum| sum.to_le_bytes()).collect()
    }

    /// The checksum of the block at a place of the extent, if it is there.
    pub(super) fn get(&self, place: u32) -> Option<u64> {
        let place = usize::try_from(place).ok()?;
        self.0.get(place).copied().filter(|sum| *sum != 0)
    }

    /// Takes note of a block.
    pub(super) fn set(&mut self, place: u32, sum: u64) {
        let Ok(place) = usize::try_from(place) else { return };
        if self.0.len() <= place {
            self.0.resize(place + 1, 0);
        }
        self.0[place] = sum;
    }

    /// The places of the blocks that are there, with their checksums.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (u32, u64)> {
        (0..).zip(self.0.iter().copied()).filter(|(_, sum)| *sum != 0)
    }

    /// Whether the first `blocks` blocks are there, which are all that the extent has.
    pub(super) fn is_whole(&self, blocks: u32) -> bool {
        (0..blocks).all(|place| self.get(place).is_some())
    }

    /// How many blocks are there.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.blocks().count()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn a_short_object_is_one_extent_and_a_long_one_many() {
        let short = Layout::of(200 * MIB);
        assert!(short.is_one());
        assert_eq!(short.extents(10..2000).collect::<Vec<_>>(), [(0, 10..1600)]);
        assert_eq!((short.blocks_in(0), short.place(1599)), (1600, (0, 1599)));
        let long = Layout::of(300 * MIB + 1);
        let extents: Vec<_> = long.extents(60..200).collect();
        assert_eq!(extents, [(0, 60..64), (1, 64..128), (2, 128..192), (3, 192..200)]);
        assert_eq!((long.blocks(), long.len(2400), long.len(2401)), (2401, 1, 0));
        assert_eq!((long.blocks_in(0), long.blocks_in(37), long.place(130)), (64, 33, (2, 2)));
        assert_eq!(Layout::of(0).extents(0..1).count(), 0);
    }

    #[test]
    fn a_file_names_its_extent() {
        for number in [0, 7] {
            let extent = Extent { blob: Key([0xab; 16]), number };
            let file = extent.file();
            let name = file.split_once('/').unwrap().1;
            assert_eq!(Extent::of_file(name), Some(extent));
        }
        let odd = ["zz", "+1", "AB"].map(|pair| pair.repeat(16));
        let plain = "ab".repeat(16);
        let numbered = ["-0", "-07", "-+7", "-", "-4294967296"].map(|n| format!("{plain}{n}"));
        let strange = ["", "x", "éééééééééééééééé", "ab-1"].map(str::to_owned);
        for strange in strange.iter().chain(&odd).chain(&numbered) {
            assert_eq!(Extent::of_file(strange), None, "{strange}");
        }
    }

    proptest! {
        #[test]
        fn every_block_of_a_range_lies_in_one_extent(
            total in 1_u64..700 * MIB, from in 0_u32..6000, len in 0_u32..3000,
        ) {
            let layout = Layout::of(total);
            let mut next = from;
            for (number, blocks) in layout.extents(from..from + len) {
                prop_assert_eq!(blocks.start, next);
                prop_assert!(blocks.clone().all(|block| layout.place(block).0 == number));
                next = blocks.end;
            }
            prop_assert!(next == (from + len).min(layout.blocks()) || from >= layout.blocks());
        }

        #[test]
        fn a_map_is_read_as_it_was_written(places in proptest::collection::vec(0_u32..200, 0..50)) {
            let mut map = Map::default();
            for place in &places {
                map.set(*place, u64::from(*place) + 1);
            }
            let read = Map::read(&map.write());
            prop_assert_eq!(&read, &map);
            prop_assert!(places.iter().all(|place| read.get(*place) == Some(u64::from(*place) + 1)));
            prop_assert_eq!(read.get(999), None);
            let whole = (0..201).find(|place| !places.contains(place)).unwrap_or_default();
            prop_assert!(read.is_whole(whole) && !read.is_whole(whole + 1));
        }
    }
}
