//! Bearer tokens that a service account signs for itself: the key, and what a token says.
//!
//! The only file that names `jsonwebtoken`. It knows no vendor's file format: the key comes from a
//! [`KeySource`] that the provider gives. Neither keys nor tokens are ever printed.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use serde::Serialize;
use thiserror::Error;

mod minter;
mod tokens;

pub use minter::{KeySource, Token};
pub use tokens::Tokens;

/// The longest life of a token: `exp` may stand at most this much after `iat`.
pub const MAX_LIFE: Duration = Duration::from_secs(3600);

/// How far tokens are backdated against clock skew; the vendor's own clients do the same.
const BACKDATED: Duration = Duration::from_secs(5);

/// The account that a token is issued for. The vendor's own clients send a number or a string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Issuer {
    /// Sent as a JSON number.
    Number(u64),
    /// Sent as a JSON string.
    Text(String),
}

impl Issuer {
    /// A number when the text is the plain decimal form of one, a string otherwise.
    pub fn from_text(text: &str) -> Self {
        match text.parse::<u64>() {
            Ok(number) if number.to_string() == text => Self::Number(number),
            _ => Self::Text(text.to_owned()),
        }
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.escape_debug().fmt(f),
        }
    }
}

/// Why a key cannot sign. The lower error is left out: it may quote the key.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// Neither `BEGIN PRIVATE KEY` (PKCS#8) nor `BEGIN RSA PRIVATE KEY` (PKCS#1) with an RSA key.
    #[error("it is not an RSA private key in PEM form")]
    NotRsaPem,
    /// The PEM is well formed, but the key in it signs nothing (damaged, or too short).
    #[error("the RSA key cannot sign (damaged, or shorter than 2048 bits)")]
    CannotSign,
}

/// A service account's key with what a token says of it.
#[derive(Debug)]
pub struct SigningKey {
    id: String,
    issuer: Issuer,
    secret: SecretBox<EncodingKey>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a Issuer,
    iat: i64,
    exp: i64,
}

impl SigningKey {
    /// Takes an RSA key in PEM form, PKCS#8 or PKCS#1, and tries it.
    pub fn from_pem(key_id: &str, issuer: Issuer, pem: &SecretString) -> Result<Self, KeyError> {
        let key = EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes())
            .map_err(|_| KeyError::NotRsaPem)?;
        let key = Self { id: key_id.to_owned(), issuer, secret: SecretBox::new(Box::new(key)) };
        key.sign(Timestamp::UNIX_EPOCH, MAX_LIFE)?;
        Ok(key)
    }

    /// The account that tokens are issued for.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// A token that is good from 5 s before `now` until the returned time, which is `life` after
    /// `now` in whole seconds, and never more than [`MAX_LIFE`] after the token's beginning.
    fn sign(&self, now: Timestamp, life: Duration) -> Result<(SecretString, Timestamp), KeyError> {
        let iat = (now - BACKDATED).as_second();
        let longest = iat.saturating_add_unsigned(MAX_LIFE.as_secs());
        let exp = (now + life).as_second().min(longest);
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.id.clone());
        let claims = Claims { iss: &self.issuer, iat, exp };
        let text = jsonwebtoken::encode(&header, &claims, self.secret.expose_secret())
            .map_err(|_| KeyError::CannotSign)?;
        let expires = Timestamp::from_second(exp).map_err(|_| KeyError::CannotSign)?;
        Ok((SecretString::from(text), expires))
    }
}

#[cfg(test)]
mod tests;
