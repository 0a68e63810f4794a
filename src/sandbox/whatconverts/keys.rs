//! The stand-in's two WhatConverts keys: that of its first profile, and the Master key of the agency.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

/// For whom a key speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// The first profile.
    Profile,
    /// The whole agency.
    Master,
}

/// A token with its secret.
struct Key {
    token: SecretString,
    secret: SecretString,
}

/// Both keys.
pub(in crate::sandbox) struct Keys {
    profile: Key,
    master: Key,
}

impl Key {
    fn generate(number: u32) -> Self {
        let token = format!("{number}-{:016x}", rand::random::<u64>());
        let secret = format!("{:032x}", rand::random::<u128>());
        Self { token: token.into(), secret: secret.into() }
    }

    fn json(&self) -> String {
        let (token, secret) = (self.token.expose_secret(), self.secret.expose_secret());
        format!("{:#}\n", json!({"token": token, "secret": secret}))
    }
}

impl Keys {
    pub(super) fn generate() -> Self {
        Self { profile: Key::generate(2201), master: Key::generate(77) }
    }

    /// The file of the Profile key. Secret.
    pub(in crate::sandbox) fn profile_json(&self) -> String {
        self.profile.json()
    }

    /// The file of the Master key. Secret.
    pub(in crate::sandbox) fn master_json(&self) -> String {
        self.master.json()
    }

    fn find(&self, is_it: impl Fn(&Key) -> bool) -> Option<Caller> {
        if is_it(&self.profile) {
            Some(Caller::Profile)
        } else {
            is_it(&self.master).then_some(Caller::Master)
        }
    }

    /// Who sends this `Authorization`.
    pub(super) fn basic(&self, value: &str) -> Option<Caller> {
        let (scheme, code) = value.split_once(' ')?;
        let code = Some(code.trim()).filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
        let text = String::from_utf8(STANDARD.decode(code).ok()?).ok()?;
        let (token, secret) = text.split_once(':')?;
        self.find(|key| key.token.expose_secret() == token && key.secret.expose_secret() == secret)
    }

    /// Whose token this is.
    pub(super) fn token(&self, token: &str) -> Option<Caller> {
        self.find(|key| key.token.expose_secret() == token)
    }
}
