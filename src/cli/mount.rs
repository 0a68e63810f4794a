//! `reelfs mount` as it is typed: the kinds of account, and what each needs.

use std::path::PathBuf;

use clap::{Error, Subcommand, ValueEnum};

use super::key;
use super::options::TypedOptions;
use crate::config::{Account, Mount, WhatConvertsMedia};

#[derive(Debug, Subcommand)]
pub(super) enum TypedMount {
    /// Mount a Voximplant account
    Voximplant {
        /// An empty directory
        mountpoint: PathBuf,
        #[command(flatten)]
        key: key::TypedVoximplantKey,
        /// Act for this child account
        #[arg(long, value_name = "ID")]
        child_account: Option<String>,
        #[command(flatten)]
        options: TypedOptions,
    },
    /// Mount what a key of WhatConverts opens: a profile, or with a Master key an agency
    #[command(name = "whatconverts")]
    WhatConverts {
        /// An empty directory
        mountpoint: PathBuf,
        /// The API key, as {"token": …, "secret": …} [default: from `WHATCONVERTS_TOKEN` and
        /// `WHATCONVERTS_SECRET`]
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
        /// Fetch recordings by lead with token and secret, or by their links with the token
        #[arg(long, value_enum, default_value_t)]
        media: TypedMedia,
        #[command(flatten)]
        options: TypedOptions,
    },
    /// Mount a list of links: a CSV, such as a lead export, JSON lines, or one link a line
    List {
        /// An empty directory
        mountpoint: PathBuf,
        /// The list; it is read again when it changes, and shows all its days
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        #[command(flatten)]
        auth: key::TypedAuth,
        #[command(flatten)]
        options: TypedOptions,
    },
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum TypedMedia {
    #[default]
    Basic,
    Token,
}

impl TypedMount {
    pub(super) fn settings(self, warnings: &mut Vec<String>) -> Result<Mount, Error> {
        let (mountpoint, account, options) = match self {
            Self::Voximplant { mountpoint, key, child_account, options } => {
                let key = key.settings().ok_or_else(key::missing)?;
                (mountpoint, Account::Voximplant { key, child_account }, options)
            }
            Self::List { mountpoint, from, auth, options } => {
                let auth = auth.settings()?;
                (mountpoint, Account::List { from, auth }, options)
            }
            Self::WhatConverts { mountpoint, key_file, media, options } => {
                let media = match media {
                    TypedMedia::Basic => WhatConvertsMedia::Basic,
                    TypedMedia::Token => WhatConvertsMedia::Token,
                };
                (mountpoint, Account::WhatConverts { key_file, media }, options)
            }
        };
        Ok(Mount { mountpoint, account, options: options.settings(warnings) })
    }
}
