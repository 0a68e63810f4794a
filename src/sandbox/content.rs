//! The bytes that the sandbox serves: ramps that cost no memory, shared media, and text.
//!
//! Any part of any content can be had at once, by offset, as slices of shared memory: nothing is
//! copied to serve it, however long it is.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use bytes::{Bytes, BytesMut};
use xxhash_rust::xxh3::Xxh3;

/// The most bytes that one piece of a body has. Large pieces keep a loopback download fast.
pub(super) const PIECE: usize = 512 * 1024;

/// After so many bytes a ramp repeats. A prime, so that no power-of-two block boundary meets the
/// same value twice in a row: a block at the wrong place can't go unseen.
const PERIOD: u64 = 251;

static RAMP: LazyLock<Bytes> = LazyLock::new(|| (0..=250u8).cycle().take(PIECE + 251).collect());

/// The bytes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Byte number `n` is `(seed + n) mod 251`, made when asked for.
    Ramp {
        /// Where the ramp starts, so that two ramps differ.
        seed: u8,
        /// Length in bytes.
        len: u64,
    },
    /// Slices, one after another.
    Parts(Arc<[Bytes]>),
    /// Contents, one after another.
    Joined(Arc<[Content]>),
}

impl Content {
    /// A ramp of `len` bytes.
    pub fn ramp(seed: u8, len: u64) -> Self {
        Self::Ramp { seed, len }
    }

    /// These bytes.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::Parts(Arc::from([bytes.into()]))
    }

    /// Slices that are served as one object.
    pub fn parts(parts: impl IntoIterator<Item = Bytes>) -> Self {
        Self::Parts(parts.into_iter().collect())
    }

    /// Contents that are served as one object.
    pub fn joined(contents: impl IntoIterator<Item = Content>) -> Self {
        Self::Joined(contents.into_iter().collect())
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Ramp { len, .. } => *len,
            Self::Parts(parts) => parts.iter().map(|part| part.len() as u64).sum(),
            Self::Joined(contents) => contents.iter().map(Content::len).sum(),
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of `range`, cut to what there is. A range that spans pieces is copied together, so
    /// it has to fit in memory.
    pub fn slice(&self, range: Range<u64>) -> Bytes {
        let end = range.end.min(self.len());
        let first = self.piece(range.start..end);
        if range.start + first.len() as u64 >= end {
            return first;
        }
        let mut all = BytesMut::from(first);
        let mut at = range.start + all.len() as u64;
        while at < end {
            let piece = self.piece(at..end);
            at += piece.len() as u64;
            all.extend_from_slice(&piece);
        }
        all.freeze()
    }

    /// All bytes, in memory.
    pub fn to_bytes(&self) -> Bytes {
        self.slice(0..self.len())
    }

    /// The first piece of `range`, without a copy: empty only when the range or the content ends.
    pub(super) fn piece(&self, range: Range<u64>) -> Bytes {
        let end = range.end.min(self.len());
        if range.start >= end {
            return Bytes::new();
        }
        let wanted = usize::try_from(end - range.start).unwrap_or(usize::MAX).min(PIECE);
        match self {
            Self::Ramp { seed, .. } => {
                let phase = (u64::from(*seed) + range.start % PERIOD) % PERIOD;
                let from = usize::try_from(phase).unwrap_or(0);
                RAMP.slice(from..from + wanted)
            }
            Self::Parts(parts) => part_at(parts, range.start, wanted),
            Self::Joined(contents) => joined_at(contents, range.start, wanted),
        }
    }

    /// A number that differs when the bytes differ: the heart of an `ETag`.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hash = Xxh3::new();
        match self {
            Self::Ramp { seed, len } => {
                hash.update(&[*seed]);
                hash.update(&len.to_le_bytes());
            }
            Self::Parts(parts) => parts.iter().for_each(|part| hash.update(part)),
            Self::Joined(contents) => {
                contents.iter().for_each(|part| hash.update(&part.fingerprint().to_le_bytes()));
            }
        }
        hash.digest()
    }
}

/// At most `wanted` bytes from byte `at` on, out of the one part that holds that byte.
fn part_at(parts: &[Bytes], at: u64, wanted: usize) -> Bytes {
    let mut before = 0;
    for part in parts {
        let len = part.len() as u64;
        if at < before + len {
            let from = usize::try_from(at - before).unwrap_or(usize::MAX);
            return part.slice(from..part.len().min(from + wanted));
        }
        before += len;
    }
    Bytes::new()
}

/// The same of contents.
fn joined_at(contents: &[Content], at: u64, wanted: usize) -> Bytes {
    let mut before = 0;
    for content in contents {
        let len = content.len();
        if at < before + len {
            let from = at - before;
            return content.piece(from..from + wanted as u64);
        }
        before += len;
    }
    Bytes::new()
}

/// A media file that came with the sandbox. `media/README.md` tells how they were made.
#[derive(Clone, Debug)]
pub struct Media {
    /// The file.
    pub bytes: Bytes,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its extension, without the dot.
    pub extension: &'static str,
    /// How long it plays, in whole seconds.
    pub seconds: u32,
}

impl Media {
    const fn new(
        bytes: &'static [u8],
        content_type: &'static str,
        extension: &'static str,
        seconds: u32,
    ) -> Self {
        Self { bytes: Bytes::from_static(bytes), content_type, extension, seconds }
    }

    /// Speech as the vendor records it by default: mp3, mono, 8 kHz.
    pub fn speech() -> Self {
        Self::new(include_bytes!("media/speech.mp3"), "audio/mpeg", "mp3", 24)
    }

    /// The two sides of a call in the two channels of an mp3.
    pub fn stereo() -> Self {
        Self::new(include_bytes!("media/speech-stereo.mp3"), "audio/mpeg", "mp3", 24)
    }

    /// Lossless speech.
    pub fn flac() -> Self {
        Self::new(include_bytes!("media/speech.flac"), "audio/flac", "flac", 8)
    }

    /// A video call: mp4 with its index at the end, so that a player must seek before it plays.
    pub fn video() -> Self {
        Self::new(include_bytes!("media/video.mp4"), "video/mp4", "mp4", 24)
    }

    /// The file as content.
    pub fn content(&self) -> Content {
        Content::bytes(self.bytes.clone())
    }

    /// An mp3 that carries `title` in its ID3 tag, so that no two are the same.
    pub fn titled(&self, title: &str) -> Content {
        let audio = self.bytes.slice(id3_length(&self.bytes)..);
        Content::parts([Bytes::from(id3_tag(title)), audio])
    }
}

/// The length of the `ID3v2` tag that `mp3` begins with, or 0. Its size field has 7 bits a byte.
fn id3_length(mp3: &[u8]) -> usize {
    match mp3 {
        [b'I', b'D', b'3', _, _, _, size @ ..] if size.len() >= 4 => {
            10 + size[..4].iter().fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f))
        }
        _ => 0,
    }
}

/// An `ID3v2.3` tag with a title (`TIT2`) of at most 100 bytes, so that both sizes in it fit in 7 bits.
fn id3_tag(title: &str) -> Vec<u8> {
    let text: Vec<u8> = title.bytes().filter(u8::is_ascii_graphic).take(100).collect();
    // One byte tells the encoding; the length is below 128 by the line above.
    let frame = u8::try_from(text.len() + 1).unwrap_or(0);
    let mut tag = b"ID3\x03\0\0\0\0\0".to_vec();
    tag.push(frame + 10);
    tag.extend_from_slice(b"TIT2\0\0\0");
    tag.extend_from_slice(&[frame, 0, 0, 0]);
    tag.extend_from_slice(&text);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_the_same_by_pieces_and_by_formula() {
        let ramp = Content::ramp(200, 3 * PIECE as u64 + 17);
        let all = ramp.to_bytes();
        assert_eq!(all.len() as u64, ramp.len());
        assert!(all.iter().enumerate().all(|(n, byte)| usize::from(*byte) == (200 + n) % 251));
        assert_eq!(ramp.slice(1_000_000..1_000_009), all.slice(1_000_000..1_000_009));
    }

    #[test]
    fn a_huge_ramp_costs_nothing() {
        let ramp = Content::ramp(0, 12_000_000_000);
        let last = u8::try_from(11_999_999_999u64 % 251).unwrap();
        assert_eq!(ramp.slice(11_999_999_999..u64::MAX).as_ref(), [last]);
    }

    #[test]
    fn parts_are_read_across_their_seams() {
        let content = Content::parts(["abc", "", "defg"].map(Bytes::from));
        assert_eq!(content.len(), 7);
        assert_eq!(content.slice(2..5), "cde");
        assert_eq!(content.slice(6..100), "g");
        assert!(content.slice(7..8).is_empty());
    }

    #[test]
    fn joined_contents_are_read_across_their_seams() {
        let ramp = Content::ramp(7, 600_000);
        let content = Content::joined([Content::bytes("abc"), ramp.clone(), Content::bytes("z")]);
        assert_eq!(content.len(), 600_004);
        assert_eq!(content.slice(0..600_004)[3..600_003], ramp.to_bytes());
        assert_eq!(content.slice(600_003..700_000), "z");
    }

    #[test]
    fn contents_that_differ_have_other_fingerprints() {
        let ramps = [Content::ramp(1, 9), Content::ramp(2, 9), Content::ramp(1, 10)];
        assert_ne!(ramps[0].fingerprint(), ramps[1].fingerprint());
        assert_ne!(ramps[0].fingerprint(), ramps[2].fingerprint());
    }
}
