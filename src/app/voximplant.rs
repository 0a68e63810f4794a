//! Connects to a Voximplant account: its keys, and what their user should know.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use url::Url;

use super::apps;
use super::connect::{Connection, Contents, Words, client, limit, refused, untrusted};
use super::problem::Problem;
use crate::config::{MountOptions, VoximplantKey};
use crate::http::{Credentials, HostPolicy, HttpSource, Parameters};
use crate::provider::voximplant::{API, ApiError, HOSTS, ServiceAccountFile, Voximplant};
use crate::types::chain;

/// The variable that stands for a key file.
const API_KEY: &str = "VOXIMPLANT_API_KEY";

/// What a credentials file is.
const KEY_FILE: &str =
    "give the key file of a service account, as Voximplant's control panel gave it";

/// What to say of an account that is refused.
const WORDS: Words = Words {
    vendor: "Voximplant",
    refused: "check in the control panel that the service account still exists and is active",
};

/// What the vendor says of API keys.
const DEPRECATED: &str = "Voximplant deprecates API keys: use the key file of a service account \
                          (--credentials) where you can";

/// Connects to an account.
pub(super) async fn connect(
    key: &VoximplantKey,
    child_account: Option<&str>,
    options: &MountOptions,
) -> Result<Connection, Problem> {
    let key = self::key(key, child_account, options)?;
    let base = self::base(options)?;
    let policy = HostPolicy::new(&HOSTS).trust_origin(&base);
    if !policy.allows(&base) {
        return Err(untrusted(&base));
    }
    let client = client(policy, Some(key.credentials), options)?;
    limit(&client, options.daily_requests, &format!("voximplant {base} {}", key.name).into());
    let provider = Voximplant::new(client.clone(), &base);
    let mut warnings: Vec<_> = key.warning.map(str::to_owned).into_iter().collect();
    match provider.check().await {
        Ok(()) => {}
        Err(error @ ApiError::RoleMissing) => warnings.push(chain(&error)),
        Err(error) => return Err(refused(&WORDS, &key.name, &base, error.into())),
    }
    // A role that may not see the applications may still list their calls.
    let provider = match provider.applications().await {
        Ok(applications) => {
            warnings.extend(apps::open_to_anyone(&applications));
            provider.knowing(&applications)
        }
        Err(error) => {
            tracing::info!(%error, "which applications are open is not known");
            provider
        }
    };
    let name = format!("voximplant:{}", base.host_str().unwrap_or_default());
    Ok(Connection {
        media: Arc::new(HttpSource::new(client)),
        contents: Contents::One(Arc::new(provider)),
        source: name,
        warnings,
    })
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
            let tokens = ServiceAccountFile::new(path.clone(), child)
                .tokens(options.token_life)
                .map_err(|error| Problem::of(&error).hint(KEY_FILE))?;
            let name = path.display().to_string();
            Ok(Key { credentials: Credentials::ServiceAccount(tokens), name, warning: None })
        }
        VoximplantKey::ApiKey { .. } if child_account.is_some() => {
            let message = "--child-account: an API key opens no child account".to_owned();
            Err(Problem { message, hint: Some(KEY_FILE.to_owned()) })
        }
        VoximplantKey::ApiKey { account, file } => {
            let secret = api_key(file.as_deref())?;
            let parameters = Parameters::new([account.clone()], "api_key", secret);
            let name = file.as_ref().map_or(API_KEY.to_owned(), |file| file.display().to_string());
            let credentials = Credentials::Parameters(parameters);
            Ok(Key { credentials, name, warning: Some(DEPRECATED) })
        }
    }
}

/// The API key: a line of a file, or of the environment.
fn api_key(file: Option<&Path>) -> Result<SecretString, Problem> {
    let (text, place) = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| Problem::file(path, error))?;
            (text, path.display().to_string())
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
    Err(Problem { message, hint: Some(format!("give --api-key-file FILE, or set {API_KEY}")) })
}
