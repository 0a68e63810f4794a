//! Credentials as they are typed: files and names, never a secret itself.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Error, ValueEnum};

use super::wrong;
use crate::config::environment::variable;
use crate::config::{Auth, VoximplantKey};

/// The variable that the vendor's own clients look into, too.
const CREDENTIALS: &str = "VOXIMPLANT_CREDENTIALS";

/// A Voximplant key.
#[derive(Debug, Args)]
pub(super) struct TypedVoximplantKey {
    /// The service account's key file, as the vendor's control panel gave it [default: from
    /// `VOXIMPLANT_CREDENTIALS`]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["account", "api_key_file"])]
    credentials: Option<PathBuf>,
    /// The account of an API key (deprecated by the vendor), by its number
    #[arg(long, value_name = "ID", group = "account")]
    account_id: Option<String>,
    /// The same, by its e-mail address
    #[arg(long, value_name = "ADDRESS", group = "account")]
    account_email: Option<String>,
    /// The same, by its name
    #[arg(long, value_name = "NAME", group = "account")]
    account_name: Option<String>,
    /// The file that holds the API key [default: from `VOXIMPLANT_API_KEY`]
    #[arg(long, value_name = "FILE", requires = "account")]
    api_key_file: Option<PathBuf>,
}

impl TypedVoximplantKey {
    /// The key; `None` when none was named. An account that was typed wins over a credentials file
    /// that the environment may name for every command.
    pub(super) fn settings(self) -> Option<VoximplantKey> {
        let id = self.account_id.map(|id| ("account_id", id));
        let email = self.account_email.map(|email| ("account_email", email));
        let name = self.account_name.map(|name| ("account_name", name));
        match id.or(email).or(name) {
            Some(account) => Some(VoximplantKey::ApiKey { account, file: self.api_key_file }),
            None => self
                .credentials
                .or_else(|| variable(CREDENTIALS).map(PathBuf::from))
                .map(VoximplantKey::ServiceAccount),
        }
    }
}

/// A key is needed, and none was named.
pub(super) fn missing() -> Error {
    let message = "no key was named: give --credentials FILE, set VOXIMPLANT_CREDENTIALS, or give \
                   --account-id ID with --api-key-file FILE";
    wrong(ErrorKind::MissingRequiredArgument, message)
}

/// `on|off APP` as they are typed.
pub(super) fn switch(words: &[String]) -> Result<(bool, String), Error> {
    match words {
        [state, application] if state == "on" => Ok((true, application.clone())),
        [state, application] if state == "off" => Ok((false, application.clone())),
        _ => {
            let message = "--secure: expected on or off, then an application";
            Err(wrong(ErrorKind::InvalidValue, message))
        }
    }
}

/// How links are opened.
#[derive(Debug, Args)]
pub(super) struct TypedAuth {
    /// What opens the links [default: as the other options say, none without them]
    #[arg(long, value_enum)]
    auth: Option<TypedAuthKind>,
    #[command(flatten)]
    voximplant: TypedVoximplantKey,
    /// The API key of WhatConverts, as {"token": …, "secret": …} [default: from
    /// `WHATCONVERTS_TOKEN` and `WHATCONVERTS_SECRET`]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TypedAuthKind {
    None,
    Voximplant,
    #[value(name = "whatconverts-token")]
    WhatConvertsToken,
    #[value(name = "whatconverts-basic")]
    WhatConvertsBasic,
}

impl TypedAuth {
    /// What opens the links; an error where a key is needed and none was named.
    pub(super) fn settings(self) -> Result<Auth, Error> {
        Ok(match self.auth {
            Some(TypedAuthKind::None) => Auth::None,
            Some(TypedAuthKind::WhatConvertsToken) => Auth::WhatConvertsToken(self.key_file),
            Some(TypedAuthKind::WhatConvertsBasic) => Auth::WhatConvertsBasic(self.key_file),
            Some(TypedAuthKind::Voximplant) => {
                Auth::Voximplant(self.voximplant.settings().ok_or_else(missing)?)
            }
            None if self.key_file.is_some() => Auth::WhatConvertsToken(self.key_file),
            None => self.voximplant.settings().map_or(Auth::None, Auth::Voximplant),
        })
    }
}
