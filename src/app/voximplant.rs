//! Connects to a Voximplant account: its keys, and what their user should know.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use url::Url;

use super::connect::{
    Connection, Contents, Words, client, goes_on, limit, media, refused, untrusted,
};
use super::problem::Problem;
use super::{apps, expiring};
use crate::config::{MountOptions, VoximplantKey};
use crate::http::{Credentials, HostPolicy, Parameters};
use crate::input;
use crate::provider::voximplant::{
    API, ApiError, HOSTS, RETENTION, ServiceAccountFile, Voximplant,
};
use crate::source::Identity;
use crate::store::Store;
use crate::types::chain;

/// The variable that stands for a key file.
const API_KEY: &str = "VOXIMPLANT_API_KEY";

/// Where an API key comes from.
const API_KEY_FILE: &str = "give --api-key-file FILE, or set VOXIMPLANT_API_KEY";
/// What a credentials file is.
const KEY_FILE: &str =
    "give the key file of a service account, as Voximplant's control panel gave it";

/// What to say of an account that is refused.
pub(super) fn words(key: &VoximplantKey, child_account: Option<&str>) -> Words {
    let refused = match (key, child_account) {
        (VoximplantKey::ServiceAccount(_), None) => {
            "check in the control panel that the service account still exists and is active"
        }
        (VoximplantKey::ServiceAccount(_), Some(_)) => {
            "check in the control panel that the service account still exists, and that the account \
             of --child-account is one of its children"
        }
        (VoximplantKey::ApiKey { .. }, _) => {
            "check in the control panel that the API key is the one of this account"
        }
    };
    Words { vendor: "Voximplant", refused }
}

/// What the vendor says of API keys.
const DEPRECATED: &str = "Voximplant deprecates API keys: use the key file of a service account \
                          (--credentials) where you can";

/// Connects to an account.
pub(super) async fn connect(
    key: &VoximplantKey,
    child_account: Option<&str>,
    options: &MountOptions,
    store: Option<&Store>,
) -> Result<Connection, Problem> {
    let words = words(key, child_account);
    let key = self::key(key, child_account, options)?;
    let base = self::base(options)?;
    let policy = HostPolicy::new(&HOSTS).trust_origin(&base);
    if !policy.allows(&base) {
        return Err(untrusted(&base));
    }
    let kept = store.map(|store| store.account(&key.identity, base.as_str()));
    let client = client(policy, Some(key.credentials), options)?;
    limit(&client, options.daily_requests, &budget(&base, &key.name));
    let mut provider = Voximplant::new(client.clone(), &base);
    let mut warnings: Vec<_> = key.warning.map(str::to_owned).into_iter().collect();
    let mut answers = !options.cache.offline;
    if answers {
        match provider.check().await {
            Ok(()) => {}
            Err(error @ ApiError::RoleMissing) => warnings.push(chain(&error)),
            Err(error) => {
                let failure = error.into();
                let goes_on = goes_on(kept.as_ref(), &base, &failure);
                let refusal = || refused(&words, &key.name, &base, failure);
                warnings.push(goes_on.ok_or_else(refusal)?);
                answers = false;
            }
        }
    }
    if answers {
        // A role that may not see the applications may still list their calls.
        match provider.applications().await {
            Ok(applications) => {
                warnings.extend(apps::open_to_anyone(&applications));
                provider = provider.knowing(&applications);
            }
            Err(error) => tracing::info!(%error, "which applications are open is not known"),
        }
    }
    if let Some(kept) = &kept {
        expiring::note(kept, &RETENTION);
    }
    let name = format!("voximplant:{}", base.host_str().unwrap_or_default());
    Ok(Connection {
        media: Arc::new(media(client.clone(), kept.as_ref())),
        client,
        contents: Contents::One(Arc::new(provider)),
        source: name,
        warnings,
        kept,
        retention: &RETENTION,
    })
}

/// What a budget of requests is kept under, for a key of this name.
pub(super) fn budget(base: &Url, key: &str) -> SecretString {
    format!("voximplant {base} {key}").into()
}

/// The base of the API.
pub(super) fn base(options: &MountOptions) -> Result<Url, Problem> {
    match &options.api_url {
        Some(base) => Ok(base.clone()),
        None => Url::parse(API).map_err(|error| Problem::new("the address of the API", error)),
    }
}

/// A key that is ready to be used.
pub(super) struct Key {
    pub(super) credentials: Credentials,
    /// What an error calls it.
    pub(super) name: String,
    /// Which account it opens.
    pub(super) identity: Identity,
    pub(super) warning: Option<&'static str>,
}

/// Reads a key. Must be called within a tokio runtime.
pub(super) fn key(
    key: &VoximplantKey,
    child_account: Option<&str>,
    options: &MountOptions,
) -> Result<Key, Problem> {
    match key {
        VoximplantKey::ServiceAccount(path) => {
            let child = child_account.map(str::to_owned);
            let file = ServiceAccountFile::new(path.clone(), child);
            let wrong = |error| Problem::of(&error).hint(KEY_FILE);
            let (tokens, identity) = file.open(options.token_life).map_err(wrong)?;
            let (credentials, name) =
                (Credentials::ServiceAccount(tokens), path.display().to_string());
            Ok(Key { credentials, name, identity, warning: None })
        }
        VoximplantKey::ApiKey { .. } if child_account.is_some() => {
            let message = "--child-account: an API key opens no child account".to_owned();
            Err(Problem { message, hint: Some(KEY_FILE.to_owned()) })
        }
        VoximplantKey::ApiKey { account, file } => {
            let secret = api_key(file.as_deref())?;
            let (field, value) = account;
            let name = format!("voximplant {field} {value}").into();
            let identity = Identity { name, secret: secret.clone() };
            let parameters = Parameters::new([account.clone()], "api_key", secret);
            let name = file.as_ref().map_or(API_KEY.to_owned(), |file| file.display().to_string());
            let credentials = Credentials::Parameters(parameters);
            Ok(Key { credentials, name, identity, warning: Some(DEPRECATED) })
        }
    }
}

/// The API key: a line of a file, or of the environment.
fn api_key(file: Option<&Path>) -> Result<SecretString, Problem> {
    let (text, place) = match file {
        Some(path) => {
            let read = input::read(path, input::MOST_OF_A_KEY);
            let bytes = read.map_err(|error| Problem::words(path, &error).hint(API_KEY_FILE))?;
            // Other bytes than text are no key, as is told below.
            (String::from_utf8(bytes).unwrap_or_default(), path.display().to_string())
        }
        None => (std::env::var(API_KEY).unwrap_or_default(), API_KEY.to_owned()),
    };
    let key = SecretString::from(text.trim());
    let is_key = !text.trim().is_empty() && text.trim().bytes().all(|b| b.is_ascii_graphic());
    drop(SecretString::from(text));
    if is_key {
        return Ok(key);
    }
    let message = format!("{place}: holds no API key");
    Err(Problem { message, hint: Some(API_KEY_FILE.to_owned()) })
}
