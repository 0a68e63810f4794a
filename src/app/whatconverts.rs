//! Connects to WhatConverts: the key, what it opens, and why it may not.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use url::Url;

use super::connect::{
    self, Connection, Contents, Words, client, goes_on, limit, refused, untrusted,
};
use super::problem::Problem;
use crate::config::{MountOptions, WhatConvertsMedia};
use crate::http::HostPolicy;
use crate::provider::whatconverts::WhatConverts;
use crate::provider::whatconverts::{API, HOSTS, KeyPair, Media, Opened, Refusals};
use crate::source::Scope;
use crate::store::{self, Store};
use crate::types::Label;

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
    store: Option<&Store>,
) -> Result<Connection, Problem> {
    let key = key(key_file)?;
    let base = base(options)?;
    let policy = HostPolicy::new(&HOSTS).trust_origin(&base);
    if !policy.allows(&base) {
        return Err(untrusted(&base));
    }
    let identity = key.identity();
    let kept = store.map(|store| store.account(&identity, base.as_str()));
    let client = client(policy, Some(key.credentials(&base)), options)?;
    let how = match media {
        WhatConvertsMedia::Basic => Media::Basic,
        WhatConvertsMedia::Token => Media::Token,
    };
    let known = || kept.as_ref().map_or_else(Vec::new, known_scopes);
    let recalled = || WhatConverts::recalled(client.clone(), &base, how, known());
    let mut warnings = Vec::new();
    let opened = if options.cache.offline {
        recalled()
    } else {
        match WhatConverts::open(client.clone(), &base, how).await {
            Ok(opened) => opened,
            Err(error) => {
                let failure = error.into();
                let goes_on = goes_on(kept.as_ref(), &base, &failure);
                let refusal = || refused(&WORDS, "the API key", &base, failure);
                warnings.push(goes_on.ok_or_else(refusal)?);
                recalled()
            }
        }
    };
    let contents = match opened {
        Opened::Profile(provider) => Contents::One(Arc::new(provider)),
        Opened::Agency(scopes) => {
            if let Some(kept) = &kept {
                for scope in &scopes {
                    keep_scope(kept, scope);
                }
            }
            Contents::Scopes(scopes)
        }
    };
    // An agency's plan has more, and nobody tells how much.
    let usual = matches!(contents, Contents::One(_)).then_some(PROFILE_REQUESTS);
    limit(&client, options.daily_requests.or(usual), &identity.name);
    Ok(Connection {
        media: Arc::new(Refusals::new(connect::media(client.clone(), kept.as_ref()))),
        client,
        contents,
        source: format!("whatconverts:{}", base.host_str().unwrap_or_default()),
        warnings,
        kept,
        retention: &[],
    })
}

/// The kind of note that names a profile of an agency, so that it is known where nobody can be asked.
const SCOPE: &str = "profile";

fn keep_scope(kept: &store::Account, Scope { account, profile, .. }: &Scope) {
    let parts = [&account.id, &account.name, &profile.id, &profile.name];
    kept.keep_note(SCOPE, &serde_json::json!(parts).to_string());
}

/// Accounts and profiles of an agency, as they were seen last.
fn known_scopes(kept: &store::Account) -> Vec<(Label, Label)> {
    let read = |note: String| {
        let [account, name, profile, profile_name]: [String; 4] =
            serde_json::from_str(&note).ok()?;
        let profile = Label { id: profile, name: profile_name };
        Some((Label { id: account, name }, profile))
    };
    kept.notes(SCOPE).into_iter().filter_map(read).collect()
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
