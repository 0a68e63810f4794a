//! What is told of a profile that says too little, and of words that name none: what to type.

use std::ffi::OsString;
use std::path::Path;

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{MOUNTPOINT, files, kinds, mountpoint, plain, told};
use crate::config::file::{self, ConfigFile, Fault, Profile};
use crate::types::shell_word;

/// What is told of a profile that stands for too little.
pub(super) fn lacking(profile: &Profile, error: &Error) -> Fault {
    let key = |argument: &str| match argument.strip_prefix("--") {
        Some(flag) => flag.split(' ').next().map(str::to_owned),
        None => (argument == "<MOUNTPOINT>").then(|| MOUNTPOINT.to_owned()),
    };
    let key = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(arguments)) => arguments.first().and_then(|first| key(first)),
        _ => None,
    };
    let name = &profile.name;
    match key.as_deref() {
        Some(MOUNTPOINT) => lacks(profile, MOUNTPOINT)
            .hint(format!("reelfs mount {name} DIR, or a line `{MOUNTPOINT} = …` there")),
        Some(key) => lacks(profile, key).hint(format!("a line `{key} = …` there, or --{key}")),
        None => {
            let message = format!("the profile {}: {}", file::quoted(name), plain(error));
            Fault { at: profile.at, message, hint: None }
        }
    }
}

/// The fault of a profile that does not have a key.
pub(super) fn lacks(profile: &Profile, key: &str) -> Fault {
    let message = format!("the profile {} has no `{key}`", file::quoted(&profile.name));
    Fault { at: profile.at, message, hint: None }
}

/// What is told where a directory stands in the place of a source or a profile.
pub(super) fn misplaced(words: &[OsString], config: Option<&Path>) -> Option<Error> {
    let (first, rest) = words.split_first()?;
    let (files, kinds) = (files(config).ok()?, kinds());
    let is_name = |word: &OsString| {
        let is_profile = |name: &str| files.iter().any(|file| file.profile(name).is_some());
        word.to_str().is_some_and(|name| kinds.iter().any(|kind| kind == name) || is_profile(name))
    };
    let say = |message: &str, words: Vec<&OsString>| {
        let words: Vec<_> = words.into_iter().map(|word| shell_word(Path::new(word))).collect();
        let message = format!("{} {message}", shell_word(Path::new(first)));
        let hint = Some(format!("reelfs mount {}", words.join(" ")));
        told(ErrorKind::InvalidSubcommand, &[(message, hint)])
    };
    if let Some(at) = rest.iter().position(is_name) {
        let others = rest[..at].iter().chain(&rest[at + 1..]);
        let right = [&rest[at], first].into_iter().chain(others).collect();
        return Some(say("is no profile: the directory comes second", right));
    }
    let is_there = |file: &ConfigFile, profile: &Profile| {
        let usual = mountpoint(profile, &file.path);
        usual.is_some() && usual == std::path::absolute(first).ok()
    };
    let profiles = files.iter().flat_map(|file| file.profiles.iter().map(move |it| (file, it)));
    let found = profiles.into_iter().find(|(file, profile)| is_there(file, profile));
    let name = OsString::from(&found?.1.name);
    let right = [&name].into_iter().chain(rest).collect();
    Some(say("is where a profile is mounted: give its name", right))
}
