//! `reelfs mount` as it is typed: the kinds of account and what each needs, a profile, or all of
//! them.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory as _, Error, Subcommand, ValueEnum};

use super::options::TypedOptions;
use super::{Arguments, key, profile, wrong};
use crate::config::{Account, Command, Mount, WhatConvertsMedia};

/// `reelfs mount`.
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    override_usage = "reelfs mount SOURCE|PROFILE MOUNTPOINT [OPTIONS]\n       \
                      reelfs mount --all [DIR [OPTIONS]]",
    subcommand_value_name = "SOURCE|PROFILE",
    subcommand_help_heading = "Sources",
    after_help = "A PROFILE of the config file stands for a source and its options; options that \
                  are typed\nwin. `reelfs init` writes one."
)]
pub(super) struct TypedMount {
    /// Mount every profile, each in a directory of its own below DIR [default: where each says]
    #[arg(long)]
    all: bool,
    /// The config file [default: ~/.config/reelfs/config.toml, then /etc/reelfs/config.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    source: Option<TypedSource>,
}

#[derive(Debug, Subcommand)]
enum TypedSource {
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
        /// The list, - for standard input; a file is read again when it changes, and shows all its
        /// days
        #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().map(named))]
        from: PathBuf,
        #[command(flatten)]
        auth: key::TypedAuth,
        #[command(flatten)]
        options: TypedOptions,
    },
    /// A profile, a mountpoint, and options; or with `--all` a directory, and options.
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum TypedMedia {
    #[default]
    Basic,
    Token,
}

/// The file that was named; `-` names what comes in.
fn named(name: OsString) -> PathBuf {
    if name == "-" { "/dev/stdin".into() } else { name.into() }
}

/// What is told of an option of a source's that stands ahead of the source or profile.
pub(super) fn ahead(words: &[OsString], error: Error) -> Error {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let is_ahead = words.windows(2).any(|pair| {
        let begins = pair[1].to_str().and_then(|word| word.split('=').next());
        pair[0] == "mount" && begins == Some(option)
    });
    let whole = Arguments::command();
    let mount = whole.find_subcommand("mount").into_iter();
    let mut options =
        mount.flat_map(clap::Command::get_subcommands).flat_map(clap::Command::get_arguments);
    let is_theirs = options.any(|argument| {
        let long = argument.get_long().map(|long| format!("--{long}"));
        let short = argument.get_short().map(|short| format!("-{short}"));
        long.as_ref() == Some(option) || short.as_ref() == Some(option)
    });
    if error.kind() != ErrorKind::UnknownArgument || !is_ahead || !is_theirs {
        return error;
    }
    let message = format!("{option} stands ahead of what it is an option of");
    let hint = format!("reelfs mount SOURCE|PROFILE MOUNTPOINT {option} …");
    profile::told(ErrorKind::UnknownArgument, &[(message, Some(hint))])
}

impl TypedMount {
    /// The command that was typed.
    pub(super) fn settings(self) -> Result<Command, Error> {
        let mut words = match self.source {
            Some(TypedSource::Other(words)) => words,
            None => Vec::new(),
            Some(_) if self.all => {
                let message = "--all mounts profiles: give a directory alone";
                return Err(wrong(ErrorKind::ArgumentConflict, message));
            }
            Some(source) => return Ok(Command::Mount(Box::new(source.settings()?))),
        };
        let config = profile::take_config(&mut words).or(self.config);
        let before = words.len();
        words.retain(|word| word != "--all");
        if self.all || words.len() < before {
            return profile::all(words, config.as_deref()).map(Command::MountAll);
        }
        let mount = profile::mount(&words, config.as_deref())?;
        Ok(Command::Mount(Box::new(mount)))
    }

    /// The mount that was typed, of a source.
    pub(super) fn mount(self) -> Result<Mount, Error> {
        self.source.unwrap_or(TypedSource::Other(Vec::new())).settings()
    }
}

impl TypedSource {
    fn settings(self) -> Result<Mount, Error> {
        let (mountpoint, account, options) = match self {
            Self::Other(words) => return profile::mount(&words, None),
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
        Ok(Mount { profile: None, mountpoint, account, options: options.settings() })
    }
}
