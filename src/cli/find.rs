//! `reelfs find` as it is typed.

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Args, Error};

use super::{is_directory, profile};
use crate::config::{Command, Find, FindFormat, Mount, Place};

/// `reelfs find`
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "All that is typed must hold; of the same option given twice, one is enough (words \
                  must all be\nthere). Exit code: 0 found, 1 nothing found, 3 not all could be \
                  searched; stderr says what.\n\n  \
                  reelfs find --number +1555 --since 7d --text refund\n  \
                  reelfs find -0 --app sales --min-duration 10m | xargs -0 cp -t evidence/\n  \
                  ls ~/calls/.find/number=+1555,since=7d/"
)]
pub(super) struct TypedFind {
    /// A mount or a directory in it, or a profile, which need not be mounted [default: all mounts
    /// of yours]
    #[arg(value_name = "MOUNTPOINT|PROFILE")]
    place: Option<PathBuf>,
    /// What to look for stands behind a flag
    #[arg(hide = true)]
    more: Vec<String>,
    /// A number of the call, or a part of one; with + the beginning of one; with letters a part of an address
    #[arg(long, value_name = "NUMBER")]
    number: Vec<String>,
    /// The application
    #[arg(long, value_name = "NAME")]
    app: Vec<String>,
    /// Who called whom
    #[arg(long, value_name = "in|out")]
    direction: Option<String>,
    /// Calls that began then or later: a day, a time (UTC), or how long ago, such as 7d
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Calls that began then or earlier
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Calls that lasted so long or longer
    #[arg(long, value_name = "DURATION")]
    min_duration: Option<String>,
    /// Calls that lasted so long or shorter
    #[arg(long, value_name = "DURATION")]
    max_duration: Option<String>,
    /// Words in transcripts and facts; "a phrase" in quotes, beginnings with an asterisk: refund*
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    text: Vec<String>,
    /// Files of this kind: recordings, logs or transcripts
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// A zero byte behind each path, for xargs -0
    #[arg(short = '0', long)]
    null: bool,
    /// A JSON object a line: the path, and all facts of the call
    #[arg(long, conflicts_with = "null")]
    json: bool,
    /// Ask the vendor for nothing, also not for days that were never listed
    #[arg(long)]
    offline: bool,
    /// The config file [default: ~/.config/reelfs/config.toml, then /etc/reelfs/config.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl TypedFind {
    pub(super) fn command(self) -> Result<Command, Error> {
        let terms = [
            ("number", self.number),
            ("app", self.app),
            ("direction", self.direction.into_iter().collect()),
            ("since", self.since.into_iter().collect()),
            ("until", self.until.into_iter().collect()),
            ("min-duration", self.min_duration.into_iter().collect()),
            ("max-duration", self.max_duration.into_iter().collect()),
            ("text", self.text),
            ("kind", self.kind),
        ];
        let terms = terms.into_iter().flat_map(|(name, values)| {
            values.into_iter().map(move |value| (name.to_owned(), value))
        });
        let terms: Vec<_> = terms.collect();
        let format = match (self.null, self.json) {
            (true, _) => FindFormat::Null,
            (false, true) => FindFormat::Json,
            (false, false) => FindFormat::Lines,
        };
        let place_word = self.place.as_ref().and_then(|place| place.to_str());
        let is_term = |word: &&str| Find::is_term(word) && !is_directory(Path::new(word));
        let more = self.more.first().map(String::as_str);
        if let Some(word) = place_word.filter(is_term).or(more) {
            return Err(without_flag(word));
        }
        let place = match self.place {
            None => Place::Mounts,
            Some(path) if is_directory(&path) => Place::Below(path),
            Some(name) => Place::Account(Box::new(account(name, self.config.as_deref())?)),
        };
        if terms.is_empty() {
            let hint = format!("say what with one or more of {}", Find::flags());
            let line = ("nothing is looked for".to_owned(), Some(hint));
            return Err(profile::told(ErrorKind::MissingRequiredArgument, &[line]));
        }
        Find::check(&terms).map_err(|error| {
            profile::told(ErrorKind::ValueValidation, &[(error.to_string(), None)])
        })?;
        let find = Find { terms, place, offline: self.offline, format };
        Ok(Command::Find(Box::new(find)))
    }
}

/// The account of a profile.
fn account(name: PathBuf, config: Option<&Path>) -> Result<Mount, Error> {
    let word = name.to_string_lossy().into_owned();
    // Anything is taken for a mountpoint: nothing is mounted.
    let words = [name.into_os_string(), "/".into()];
    profile::mount(&words, config).map_err(|error| match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let hint = format!("`{}` looks for it in calls", Find::flag_for(&word));
            profile::hinted(&error, &hint)
        }
        _ => error,
    })
}

/// What a word lacks that says what to look for.
fn without_flag(word: &str) -> Error {
    let message = format!("{word} is no mount and no profile");
    let hint = format!("`{}` looks for it", Find::flag_for(word));
    profile::told(ErrorKind::UnknownArgument, &[(message, Some(hint))])
}
