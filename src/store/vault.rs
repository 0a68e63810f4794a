//! What makes kept bytes safe to believe, and private where a key is given. Pure: no I/O.
//!
//! Everything that is kept is bound to its place: a value that was damaged, or that stands where
//! another one belongs, does not open. With a key it is sealed with XChaCha20-Poly1305, whose nonces
//! of 24 random bytes never repeat; without one it carries a checksum. Names are hashes, keyed where
//! there is a key, so that they tell nothing.

use chacha20poly1305::aead::{Aead, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Bytes of a nonce.
const NONCE: usize = 24;
/// Bytes that sealing adds: the nonce and the tag.
const SEAL: usize = NONCE + 16;
/// Bytes of the checksum before a value that is not sealed.
const CHECKSUM: usize = 8;

/// The name under which something is kept: the hash of what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub(super) [u8; 16]);

impl Key {
    /// The key of a row; `None` when it cannot be one.
    pub(super) fn from_row(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// In hexadecimal digits, for the name of a file.
    pub(super) fn hex(self) -> String {
        self.0.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }
}

/// Thirty-two secret bytes.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// A key made of a secret of any length; `purpose` keeps keys of one secret apart.
    pub fn derive(purpose: &str, secret: &[u8]) -> Self {
        Self(blake3::derive_key(purpose, secret))
    }

    /// A new one.
    pub(super) fn random() -> Self {
        Self(rand::random())
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals a value so that it opens in this context alone.
    pub(super) fn seal(&self, context: &[u8], value: &[u8]) -> Vec<u8> {
        seal(&self.cipher(), context, value)
    }

    /// Opens what was sealed in this context; `None` when it was damaged, or sealed elsewhere or
    /// with another key.
    pub(super) fn open(&self, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        open(&self.cipher(), context, sealed)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.0.into())
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("****")
    }
}

/// How a directory is kept: in the clear, or under a key.
pub(super) struct Vault {
    names: SecretKey,
    cipher: Option<XChaCha20Poly1305>,
}

impl Vault {
    /// Values in the clear, with a checksum each.
    pub(super) fn plain() -> Self {
        Self { names: SecretKey::derive("reelfs names without a key", &[]), cipher: None }
    }

    /// Values under a key.
    pub(super) fn sealed(key: &SecretKey) -> Self {
        let names = SecretKey::derive("reelfs names", key.bytes());
        let values = SecretKey::derive("reelfs values", key.bytes());
        Self { names, cipher: Some(values.cipher()) }
    }

    /// Whether there is a key.
    pub(super) fn is_sealed(&self) -> bool {
        self.cipher.is_some()
    }

    /// The name of what these parts say.
    pub(super) fn key(&self, kind: &str, parts: &[&[u8]]) -> Key {
        let mut hasher = blake3::Hasher::new_keyed(self.names.bytes());
        for part in [kind.as_bytes()].iter().chain(parts) {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut name = [0; 16];
        hasher.finalize_xof().fill(&mut name);
        Key(name)
    }

    /// A value as it is kept.
    pub(super) fn seal(&self, context: &[u8], value: &[u8]) -> Vec<u8> {
        if let Some(cipher) = &self.cipher {
            return seal(cipher, context, value);
        }
        let sum = checksum(context, value).to_le_bytes();
        [sum.as_slice(), value].concat()
    }

    /// The value of what was kept; `None` when it is not what was kept there.
    pub(super) fn open(&self, context: &[u8], kept: &[u8]) -> Option<Vec<u8>> {
        if let Some(cipher) = &self.cipher {
            return open(cipher, context, kept);
        }
        let (sum, value) = kept.split_at_checked(CHECKSUM)?;
        (checksum(context, value).to_le_bytes() == sum).then(|| value.to_vec())
    }

    /// Bytes that a block takes beyond its own.
    pub(super) fn block_overhead(&self) -> usize {
        if self.is_sealed() { SEAL } else { 0 }
    }

    /// A block as it is written; `None` where it is written as it is.
    pub(super) fn seal_block(&self, context: &[u8], block: &[u8]) -> Option<Vec<u8>> {
        self.cipher.as_ref().map(|cipher| seal(cipher, context, block))
    }

    /// A block out of what was written.
    pub(super) fn open_block(&self, context: &[u8], written: Vec<u8>) -> Option<Vec<u8>> {
        match &self.cipher {
            Some(cipher) => open(cipher, context, &written),
            None => Some(written),
        }
    }
}

/// A checksum of bytes in their place, which is never 0.
pub(super) fn checksum(context: &[u8], bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, xxh3_64(context)).max(1)
}

fn seal(cipher: &XChaCha20Poly1305, context: &[u8], value: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE] = rand::random();
    let payload = Payload { msg: value, aad: context };
    // It fails for values of 256 GiB alone.
    let sealed = cipher.encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
    [nonce.as_slice(), &sealed].concat()
}

fn open(cipher: &XChaCha20Poly1305, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
    cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: context }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vaults() -> [Vault; 2] {
        [Vault::plain(), Vault::sealed(&SecretKey::derive("test", b"secret"))]
    }

    #[test]
    fn a_value_opens_where_it_was_kept_and_nowhere_else() {
        for vault in vaults() {
            let kept = vault.seal(b"here", b"a call");
            assert_eq!(vault.open(b"here", &kept).unwrap(), b"a call");
            assert!(vault.open(b"there", &kept).is_none());
            for at in 0..kept.len() {
                let mut damaged = kept.clone();
                damaged[at] ^= 1;
                assert!(vault.open(b"here", &damaged).is_none(), "{at}");
                assert!(vault.open(b"here", &kept[..at]).is_none(), "{at}");
            }
        }
    }

    #[test]
    fn another_key_opens_nothing_and_names_nothing_alike() {
        let [plain, sealed] = vaults();
        let other = Vault::sealed(&SecretKey::derive("test", b"another"));
        let kept = sealed.seal(b"here", b"a call");
        assert!(!kept.windows(6).any(|bytes| bytes == b"a call"));
        assert!(other.open(b"here", &kept).is_none() && plain.open(b"here", &kept).is_none());
        let names = [&plain, &sealed, &other].map(|vault| vault.key("day", &[b"1", b"23"]));
        assert!(names[0] != names[1] && names[1] != names[2]);
        assert_ne!(plain.key("day", &[b"12", b"3"]), names[0]);
        assert_eq!(names[0].hex().len(), 32);
    }

    #[test]
    fn a_block_is_bound_to_its_place() {
        let [plain, sealed] = vaults();
        assert!(plain.seal_block(b"1", b"block").is_none());
        let written = sealed.seal_block(b"1", b"block").unwrap();
        assert_eq!(written.len(), 5 + sealed.block_overhead());
        assert!(sealed.open_block(b"2", written.clone()).is_none());
        assert_eq!(sealed.open_block(b"1", written).unwrap(), b"block");
        assert_ne!(checksum(b"1", b"block"), checksum(b"2", b"block"));
    }
}
