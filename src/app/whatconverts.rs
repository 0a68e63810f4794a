//! Connects to WhatConverts: the key, what it opens, and why it may not.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use url::Url;

use super::connect::{Connection, Contents, Words, client, limit, refused, untrusted};
use super::problem::Problem;
use crate::config::{MountOptions, WhatConvertsMedia};
use crate::http::{HostPolicy, HttpSource};
use crate::provider::whatconverts::WhatConverts;
use crate::provider::whatconverts::{API, HOSTS, KeyPair, Media, Opened, Refusals};

/// Variables that stand for a key file.
const TOKEN: &str = "WHATCONVERTS_TOKEN";
const SECRET: &str = "WHATCONVERTS_SECRET";

/// What to say of a key that is refused.
const WORDS: Words = Words {
    vendor: "WhatConverts",
    refused: "check token and secret, and that the key was not deleted",
};

/// Requests a day that a plan with one profile has at the least.
const PROFILE_REQUESTS: u64 = 1_000;

/// What a key is.
const KEY: &str =
    "a key file holds {\"token\": …, \"secret\": …}, from Integrations, API Keys in WhatConverts";

/// Opens what the key opens.
pub(super) async fn connect(
    key_file: Option<&Path>,
    media: WhatConvertsMedia,
    options: &MountOptions,
) -> Result<Connection, Problem> {
    let key = key(key_file)?;
    let base = base(options)?;
    let policy = HostPolicy::new(&HOSTS).trust_origin(&base);
    if !policy.allows(&base) {
        return Err(untrusted(&base));
    }
    let client = client(policy, Some(key.credentials(&base)), options)?;
    let media = match media {
        WhatConvertsMedia::Basic => Media::Basic,
        WhatConvertsMedia::Token => Media::Token,
    };
    let opened = WhatConverts::open(client.clone(), &base, media).await;
    let contents =
        match opened.map_err(|error| refused(&WORDS, "the API key", &base, error.into()))? {
            Opened::Profile(provider) => Contents::One(Arc::new(provider)),
            Opened::Agency(scopes) => Contents::Scopes(scopes),
        };
    // An agency's plan has more, and nobody tells how much.
    let usual = matches!(contents, Contents::One(_)).then_some(PROFILE_REQUESTS);
    limit(&client, options.daily_requests.or(usual), &key.identity());
    Ok(Connection {
        media: Arc::new(Refusals::new(HttpSource::new(client))),
        contents,
        source: format!("whatconverts:{}", base.host_str().unwrap_or_default()),
        warnings: Vec::new(),
    })
}

/// The key, from its file or from the environment.
pub(super) fn key(file: Option<&Path>) -> Result<KeyPair, Problem> {
    if let Some(path) = file {
        return KeyPair::load(path).map_err(|error| Problem::of(&error).hint(KEY));
    }
    let part = |name: &str| {
        let value = std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        value.map(|value| SecretString::from(value.trim()))
    };
    let missing = |what: String| Problem { message: what, hint: None };
    match (part(TOKEN), part(SECRET)) {
        (Some(token), Some(secret)) => KeyPair::new(token, secret)
            .map_err(|error| Problem::new(&format!("{TOKEN} and {SECRET}"), error)),
        (Some(_), None) => {
            Err(missing(format!("{TOKEN} is set and {SECRET} is not: a key has both")))
        }
        (None, Some(_)) => {
            Err(missing(format!("{SECRET} is set and {TOKEN} is not: a key has both")))
        }
        (None, None) => Err(missing("no key: give --key-file FILE".to_owned())
            .hint(format!("or set {TOKEN} and {SECRET}; {KEY}"))),
    }
}

/// The base of the API.
pub(super) fn base(options: &MountOptions) -> Result<Url, Problem> {
    match &options.api_url {
        Some(base) => Ok(base.clone()),
        None => Url::parse(API).map_err(|error| Problem::new("the address of the API", error)),
    }
}
