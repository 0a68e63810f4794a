//! The stand-in account's credentials, and who may do what with them.
//!
//! Tokens are really verified: signature, key id, issuer, life. No credential leaves this file but
//! in [`Access::service_account`] and [`Access::api_key`], which exist to be handed to a client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::account::Account;

/// The longest life that a token may have, in seconds (vendor's documentation).
const LONGEST_LIFE: f64 = 3600.0;

/// Which kind of credential came with a request. Never the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// None.
    None,
    /// `Authorization: Bearer`.
    Bearer,
    /// `api_key` with an account, in the query or the form.
    ApiKey,
    /// `Authorization: Basic`: a WhatConverts key.
    Basic,
    /// `token` in the query: that of a WhatConverts key.
    Token,
}

/// Why a credential is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denial {
    /// No or wrong credentials, or an account that is refused.
    Refused,
    /// The token can't be read.
    Malformed,
    /// The token lives for longer than an hour.
    LifeTooLong,
    /// The token was issued in the future.
    FromTheFuture,
    /// The token has expired.
    Expired,
}

impl Denial {
    /// The vendor's error code and message.
    pub(super) fn code(self) -> (u16, &'static str) {
        match self {
            Denial::Refused => (100, "Authorization failed."),
            Denial::Malformed => (447, "The JWT token format is invalid."),
            Denial::LifeTooLong => (454, "The JWT token lifetime is too long."),
            Denial::FromTheFuture => (455, "The JWT token is issued in the future."),
            Denial::Expired => (456, "The JWT token has expired."),
        }
    }
}

/// The service account's key.
struct Key {
    id: String,
    private: SecretString,
    public: DecodingKey,
}

/// The credentials that the sandbox takes.
pub(super) struct Access {
    key: RwLock<Arc<Key>>,
    api_key: SecretString,
    /// When each token was first seen, by its hash.
    seen: Mutex<HashMap<u64, Instant>>,
    /// How long a token is good for after it was first seen, whatever it says itself.
    life: Option<Duration>,
    /// Tokens that were first seen before this are good no longer.
    good_since: Mutex<Instant>,
    refuse: bool,
}

/// The claims of a token. The official clients disagree about the type of `iss`; any will do.
#[derive(Deserialize)]
struct Claims {
    iss: Value,
    iat: f64,
    exp: f64,
}

impl Access {
    pub(super) fn new(life: Option<Duration>, refuse: bool) -> Result<Self, rcgen::Error> {
        Ok(Self {
            key: RwLock::new(Arc::new(Key::generate()?)),
            api_key: SecretString::from(random_uuid()),
            seen: Mutex::default(),
            life,
            good_since: Mutex::new(Instant::now()),
            refuse,
        })
    }

    /// Puts a new key in the place of the old one, whose tokens are refused from now on.
    pub(super) fn rotate(&self) -> Result<(), rcgen::Error> {
        let key = Arc::new(Key::generate()?);
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = key;
        Ok(())
    }

    /// Takes all tokens that were seen so far for expired from now on.
    pub(super) fn expire(&self) {
        *self.good_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn key(&self) -> Arc<Key> {
        self.key.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The service account's file, as the vendor hands it out.
    pub(super) fn service_account(&self, account: &Account) -> String {
        let key = self.key();
        let file = json!({
            "account_email": account.email,
            "account_id": account.id,
            "key_id": key.id,
            "private_key": key.private.expose_secret(),
        });
        format!("{file:#}\n")
    }

    /// The account's API key.
    pub(super) fn api_key(&self) -> &str {
        self.api_key.expose_secret()
    }

    /// The account for which `authorization`, or else the parameters, speak, and the kind of
    /// credential.
    pub(super) fn check(
        &self,
        account: &Account,
        authorization: Option<&str>,
        parameter: impl Fn(&str) -> Option<String>,
    ) -> (Credential, Result<u64, Denial>) {
        if let Some(text) = authorization {
            let verdict = match text.split_once(' ') {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                    self.check_token(account, token.trim())
                }
                _ => Err(Denial::Malformed),
            };
            return (Credential::Bearer, self.unless_refused(verdict));
        }
        match parameter("api_key") {
            Some(key) => {
                let named = parameter("account_id") == Some(account.id.to_string())
                    || parameter("account_name").as_ref() == Some(&account.name)
                    || parameter("account_email").as_ref() == Some(&account.email);
                let good = named && key == self.api_key();
                let verdict = if good { Ok(account.id) } else { Err(Denial::Refused) };
                (Credential::ApiKey, self.unless_refused(verdict))
            }
            None => (Credential::None, Err(Denial::Refused)),
        }
    }

    fn unless_refused(&self, verdict: Result<u64, Denial>) -> Result<u64, Denial> {
        if self.refuse { Err(Denial::Refused) } else { verdict }
    }

    fn check_token(&self, account: &Account, token: &str) -> Result<u64, Denial> {
        let key = self.key();
        let claims = key.open(token)?;
        let issuer = match &claims.iss {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        };
        let issuer = issuer.filter(|id| account.ids().any(|own| own == *id));
        let issuer = issuer.ok_or(Denial::Refused)?;
        let now = Timestamp::now().as_duration().as_secs_f64();
        if claims.exp - claims.iat > LONGEST_LIFE {
            Err(Denial::LifeTooLong)
        } else if claims.iat > now {
            Err(Denial::FromTheFuture)
        } else if claims.exp <= now || self.outlived(token) {
            Err(Denial::Expired)
        } else {
            Ok(issuer)
        }
    }

    fn outlived(&self, token: &str) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *seen.entry(xxh3_64(token.as_bytes())).or_insert_with(Instant::now);
        let good_since = *self.good_since.lock().unwrap_or_else(PoisonError::into_inner);
        first < good_since || self.life.is_some_and(|life| first.elapsed() > life)
    }
}

impl Key {
    fn generate() -> Result<Self, rcgen::Error> {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
        let public = DecodingKey::from_rsa_pem(pair.public_key_pem().as_bytes())
            .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        Ok(Self { id: random_uuid(), private: pair.serialize_pem().into(), public })
    }

    /// The claims of a token that this key has signed.
    fn open(&self, token: &str) -> Result<Claims, Denial> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Denial::Malformed)?;
        if header.kid.as_ref() != Some(&self.id) {
            return Err(Denial::Refused);
        }
        let mut validation = Validation::new(Algorithm::RS256);
        // The times are checked by the caller: each has a code of its own.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        match jsonwebtoken::decode::<Claims>(token, &self.public, &validation) {
            Ok(data) => Ok(data.claims),
            Err(error) => match error.kind() {
                ErrorKind::InvalidSignature => Err(Denial::Refused),
                _ => Err(Denial::Malformed),
            },
        }
    }
}

/// A random UUID (RFC 9562, version 4).
fn random_uuid() -> String {
    let bits = rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-")
}
