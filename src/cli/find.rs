//! `reelfs find` as it is typed.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Error};

use super::{is_directory, profile, wrong};
use crate::config::{Command, Find, FindFormat, Place};

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
    /// A number of the call, or a part of one; with + the beginning of one
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
        Find::check(&terms)
            .map_err(|error| wrong(ErrorKind::ValueValidation, &error.to_string()))?;
        let format = match (self.null, self.json) {
            (true, _) => FindFormat::Null,
            (false, true) => FindFormat::Json,
            (false, false) => FindFormat::Lines,
        };
        let place = match self.place {
            None => Place::Mounts,
            Some(path) if is_directory(&path) => Place::Below(path),
            Some(name) => {
                // Anything is taken for a mountpoint: nothing is mounted.
                let words = [name.into_os_string(), "/".into()];
                let mount = profile::mount(&words, self.config.as_deref())?;
                Place::Account(Box::new(mount))
            }
        };
        let find = Find { terms, place, offline: self.offline, format };
        Ok(Command::Find(Box::new(find)))
    }
}
