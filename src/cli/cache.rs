//! The cache on disk as it is typed, and the commands that look after it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Span;

use crate::config::environment::variable;
use crate::config::{self, CacheOptions, CacheTask, Command, Expiring, Warm};

/// The name under which a service manager hands over the key.
const CREDENTIAL: &str = "reelfs-cache-key";

/// Where the cache is.
#[derive(Debug, Args)]
pub(super) struct TypedPlace {
    /// Directory of the cache on disk [default: reelfs in ~/.cache]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// File with a key under which everything in the cache is sealed [default: the systemd
    /// credential reelfs-cache-key, else in the clear]
    #[arg(long, value_name = "FILE")]
    cache_key_file: Option<PathBuf>,
}

/// The cache of a mount.
#[derive(Debug, Args)]
pub(super) struct TypedCache {
    #[command(flatten)]
    place: TypedPlace,
    /// Most bytes that the cache on disk may take; 0 keeps none
    #[arg(long, value_name = "SIZE", default_value = "10GiB",
          value_parser = config::size_or_none)]
    cache_size: u64,
    /// Ask the vendor for nothing: what is cached and known goes on
    #[arg(long)]
    offline: bool,
    /// Go on showing cached files that the vendor has deleted
    #[arg(long, value_name = "true|false", default_value_t = true, num_args = 0..=1,
          default_missing_value = "true", action = clap::ArgAction::Set)]
    keep_gone: bool,
}

impl TypedPlace {
    fn settings(self) -> CacheOptions {
        let key_file = self.cache_key_file.or_else(|| {
            let credentials = variable("CREDENTIALS_DIRECTORY").map(PathBuf::from)?;
            Some(credentials.join(CREDENTIAL)).filter(|file| file.exists())
        });
        CacheOptions { directory: self.cache_dir, key_file, ..CacheOptions::default() }
    }
}

impl TypedCache {
    pub(super) fn settings(self) -> CacheOptions {
        let Self { place, cache_size: size, offline, keep_gone } = self;
        CacheOptions { size, offline, keep_gone, ..place.settings() }
    }
}

/// `reelfs cache`
#[derive(Debug, Subcommand)]
pub(super) enum TypedTask {
    /// Tell what it holds
    Info(TypedPlace),
    /// Read all of it, and forget what is damaged
    Verify(TypedPlace),
    /// Let go of what was used least recently
    Prune {
        /// Until no more than this is left
        #[arg(long, value_name = "SIZE", value_parser = config::size_or_none)]
        to: u64,
        #[command(flatten)]
        place: TypedPlace,
    },
    /// Remove all of it
    Clear(TypedPlace),
    /// Make a sealed cache unreadable for good, whoever has the key file
    DestroyKey(TypedPlace),
}

impl TypedTask {
    pub(super) fn command(self) -> Command {
        let (task, place) = match self {
            Self::Info(place) => (CacheTask::Info, place),
            Self::Verify(place) => (CacheTask::Verify, place),
            Self::Prune { to, place } => (CacheTask::Prune(to), place),
            Self::Clear(place) => (CacheTask::Clear, place),
            Self::DestroyKey(place) => (CacheTask::DestroyKey, place),
        };
        Command::Cache(task, place.settings())
    }
}

/// `reelfs warm`
#[derive(Debug, Args)]
pub(super) struct TypedWarm {
    /// Files and directories in a mount
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Keep them in the cache for good
    #[arg(long)]
    keep: bool,
    /// Files at once
    #[arg(short, long, value_name = "NUMBER", default_value_t = 16,
          value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
}

impl TypedWarm {
    pub(super) fn command(self) -> Command {
        Command::Warm(Warm { paths: self.paths, keep: self.keep, jobs: self.jobs })
    }
}

/// `reelfs expiring`
#[derive(Debug, Args)]
pub(super) struct TypedExpiring {
    /// A mount, or a directory in it [default: all that mounts with this cache have listed]
    #[arg(value_name = "PATH", conflicts_with_all = ["cache_dir", "cache_key_file"])]
    path: Option<PathBuf>,
    /// How soon the vendor deletes them
    #[arg(long, value_name = "SPAN", default_value = "7d", value_parser = config::span)]
    within: Span,
    #[command(flatten)]
    place: TypedPlace,
}

impl TypedExpiring {
    pub(super) fn command(self) -> Command {
        let Self { path, within, place } = self;
        Command::Expiring(Expiring { within, path, cache: place.settings() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_size_is_the_default() {
        assert_eq!(config::size_or_none("10GiB").unwrap(), config::DEFAULT_CACHE_SIZE.as_u64());
    }
}
