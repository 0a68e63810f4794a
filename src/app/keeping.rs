//! Opens the cache on disk, for those who mount and those who look after it.

use std::io::ErrorKind;

use super::problem::Problem;
use crate::config::{CacheOptions, environment};
use crate::store::{self, Settings, Store, StoreError};

/// The cache of a mount. Where it cannot be used, the mount goes on without, and there is a warning;
/// but never where a key is at fault, since bytes would then lie elsewhere than they should.
pub(super) fn open(options: &CacheOptions) -> Result<(Option<Store>, Option<String>), Problem> {
    if options.size == 0 {
        return Ok((None, None));
    }
    let settings = match settings(options) {
        Ok(settings) => settings,
        Err(problem) => return Ok((None, Some(without(&problem.message)))),
    };
    match Store::open(&settings) {
        Ok(store) => Ok((Some(store), None)),
        Err(error) if error.is_about_the_key() => Err(told(&settings, error)),
        Err(error) => Ok((None, Some(without(&told(&settings, error).message)))),
    }
}

/// The cache, for a command that is about nothing else.
pub(super) fn open_existing(options: &CacheOptions) -> Result<Store, Problem> {
    let settings = existing(options)?;
    Store::open(&settings).map_err(|error| told(&settings, error))
}

/// How a cache is kept that has to be there.
pub(super) fn existing(options: &CacheOptions) -> Result<Settings, Problem> {
    let settings = settings(options)?;
    let directory = &settings.directory;
    if store::is_cache(directory) {
        return Ok(settings);
    }
    match std::fs::read_dir(directory) {
        // It may be one: who may not look does not know.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(Problem::file(directory, error))
        }
        _ => {
            let message = format!("{}: there is no cache", directory.display());
            Err(Problem { message, hint: Some("give another --cache-dir".to_owned()) })
        }
    }
}

/// How the cache is kept.
pub(super) fn settings(options: &CacheOptions) -> Result<Settings, Problem> {
    let directory = options.directory.clone().or_else(environment::cache);
    let nowhere = || Problem {
        message: "there is no home directory for the cache".to_owned(),
        hint: Some("give --cache-dir DIR".to_owned()),
    };
    Ok(Settings {
        directory: directory.ok_or_else(nowhere)?,
        limit: options.size,
        key_file: options.key_file.clone(),
    })
}

pub(super) fn told(settings: &Settings, error: StoreError) -> Problem {
    let hint = error.hint(&settings.directory);
    Problem { hint, ..Problem::new(&settings.directory.display().to_string(), error) }
}

fn without(why: &str) -> String {
    format!("nothing is kept on disk: {why}")
}
