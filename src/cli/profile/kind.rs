//! The keys of one kind of account: the flags of its subcommand, and what a profile says of them.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::builder::ValueHint;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory as _, Parser as _};

use super::usage::lacking;
use super::{MOUNTPOINT, SOURCE, nearest, plain};
use crate::cli::{Arguments, Typed};
use crate::config::environment::variable;
use crate::config::file::{self, Fault, Given, Position, Profile, Setting};
use crate::config::secret;

/// Keys whose files hold secrets.
const SECRETS: [&str; 4] = ["credentials", "key-file", "api-key-file", "cache-key-file"];
/// Keys whose files are read.
const INPUTS: [&str; 5] = ["credentials", "key-file", "api-key-file", "from", "ca-cert"];
/// Flags that say what opens a Voximplant account: one that is typed stands for all of a profile's.
const ACCOUNTS: [&str; 4] = ["credentials", "account-id", "account-email", "account-name"];
/// What belongs to them.
const API_KEY: &str = "api-key-file";

/// A kind of account, as it is typed.
pub(super) struct Kind {
    name: String,
    /// Its own part of the command line.
    command: Command,
    /// The whole of it, in which nothing is required.
    relaxed: Command,
}

impl Kind {
    pub(super) fn new(name: &str) -> Self {
        let whole = Arguments::command();
        let found = whole.find_subcommand("mount").and_then(|mount| mount.find_subcommand(name));
        let command = found.cloned().unwrap_or_default();
        let relaxed = whole.mut_subcommand("mount", |mount| {
            mount.mut_subcommand(name, |kind| kind.mut_args(|arg| arg.required(false)))
        });
        Self { name: name.to_owned(), command, relaxed }
    }

    /// The argument of a key.
    fn argument(&self, key: &str) -> Option<&Arg> {
        self.command.get_arguments().find(|arg| arg.get_long() == Some(key))
    }

    /// The names of the arguments that are typed.
    pub(super) fn typed(&self, rest: &[OsString]) -> Vec<String> {
        let words = ["reelfs", "mount", &self.name].into_iter().map(OsStr::new);
        let command = self.relaxed.clone().ignore_errors(true);
        let Ok(whole) =
            command.try_get_matches_from(words.chain(rest.iter().map(OsString::as_os_str)))
        else {
            return Vec::new();
        };
        let kind = whole.subcommand().and_then(|(_, mount)| mount.subcommand());
        let Some((_, matches)) = kind else { return Vec::new() };
        let is_typed = |arg: &&Arg| {
            let source = matches.value_source(arg.get_id().as_str());
            source == Some(clap::parser::ValueSource::CommandLine)
        };
        let name = |arg: &Arg| arg.get_long().unwrap_or(arg.get_id().as_str()).to_owned();
        self.command.get_arguments().filter(is_typed).map(name).collect()
    }

    /// What the profile says beside what is typed.
    fn wanted<'a>(profile: &'a Profile, typed: &[String]) -> impl Iterator<Item = &'a Setting> {
        let is = |key: &str| typed.iter().any(|typed| typed == key);
        let account_is_typed = ACCOUNTS.iter().any(|key| is(key));
        let typed = typed.to_vec();
        profile.settings.iter().filter(move |setting| {
            let key = setting.key.as_str();
            let belongs = ACCOUNTS.contains(&key) || key == API_KEY;
            key != SOURCE
                && !typed.iter().any(|typed| typed == key)
                && !(account_is_typed && belongs)
        })
    }

    /// The arguments that the profile stands for, each one word.
    pub(super) fn arguments(
        &self,
        profile: &Profile,
        file: &Path,
        typed: &[String],
    ) -> Vec<OsString> {
        Self::wanted(profile, typed).flat_map(|setting| self.words(setting, file)).collect()
    }

    fn words(&self, setting: &Setting, file: &Path) -> Vec<OsString> {
        let key = &setting.key;
        match &setting.value {
            Given::Switch(on) => on.then(|| format!("--{key}").into()).into_iter().collect(),
            Given::Texts(texts) if key == MOUNTPOINT => {
                let expanded =
                    |(text, _): &(String, Position)| file::expand(text, file, variable).ok();
                texts.iter().filter_map(expanded).map(Into::into).collect()
            }
            Given::Texts(texts) => {
                let is_path = self.argument(key).is_some_and(is_path);
                let word = |(text, _): &(String, Position)| {
                    let mut word = OsString::from(format!("--{key}="));
                    match file::expand(text, file, variable) {
                        Ok(path) if is_path => word.push(path),
                        _ => word.push(text),
                    }
                    word
                };
                texts.iter().map(word).collect()
            }
        }
    }

    /// What is wrong with the keys that count.
    pub(super) fn faults(&self, profile: &Profile, file: &Path, typed: &[String]) -> Vec<Fault> {
        Self::wanted(profile, typed).filter_map(|setting| self.fault(setting, file)).collect()
    }

    /// All that is wrong with a profile, whether or not it is mounted.
    pub(super) fn check(&self, profile: &Profile, file: &Path) -> Vec<Fault> {
        let faults = self.faults(profile, file, &[]);
        if !faults.is_empty() {
            return faults;
        }
        let mut words = ["reelfs", "mount", &self.name].map(OsString::from).to_vec();
        words.extend(self.arguments(profile, file, &[]));
        if !profile.settings.iter().any(|setting| setting.key == MOUNTPOINT) {
            words.push("/".into());
        }
        let settings = Arguments::try_parse_from(words).and_then(|typed| match typed.command {
            Typed::Mount(typed) => typed.mount().map(drop),
            _ => Ok(()),
        });
        settings.map_err(|error| lacking(profile, &error)).err().into_iter().collect()
    }

    fn fault(&self, setting: &Setting, file: &Path) -> Option<Fault> {
        let key = setting.key.as_str();
        let at = setting.at;
        let wrong = |message: String| Some(Fault { at, message, hint: None });
        let (arg, texts) = match (self.argument(key), &setting.value) {
            (None, Given::Texts(texts)) if key == MOUNTPOINT && texts.len() == 1 => return None,
            (None, _) => return Some(self.unknown(setting)),
            (Some(arg), Given::Switch(_)) if arg.get_action().takes_values() => {
                return wrong(format!("{key}: expected a text, not true or false"));
            }
            (Some(_), Given::Switch(_)) => return None,
            (Some(arg), Given::Texts(_)) if !arg.get_action().takes_values() => {
                return wrong(format!("{key}: expected true or false"));
            }
            (Some(arg), Given::Texts(texts)) => (arg, texts),
        };
        let many = matches!(arg.get_action(), clap::ArgAction::Append);
        if texts.len() != 1 && !many {
            return wrong(format!("{key}: expected one value"));
        }
        texts.iter().find_map(|(text, at)| {
            let fault = |message: String| Fault {
                at: *at,
                message: format!("{key}: {message}"),
                hint: None,
            };
            if is_path(arg) {
                return match file::expand(text, file, variable) {
                    Err(unset) => Some(fault(unset)),
                    Ok(path) if INPUTS.contains(&key) && !path.exists() => {
                        Some(fault(format!("{} does not exist", path.display())))
                    }
                    Ok(path) if SECRETS.contains(&key) => {
                        let exposed = secret::exposed(&path)?;
                        Some(fault(exposed.message).hint(exposed.fix))
                    }
                    Ok(_) => None,
                };
            }
            self.refused(key, text).map(fault)
        })
    }

    fn unknown(&self, setting: &Setting) -> Fault {
        let keys = self.command.get_arguments().filter(|arg| !arg.is_hide_set());
        let keys = keys.filter_map(Arg::get_long).chain([SOURCE, MOUNTPOINT]);
        let written = setting.key.replace('_', "-");
        let message = format!("{} is no option of {}", file::quoted(&setting.key), self.name);
        let fault = Fault { at: setting.at, message, hint: None };
        match nearest(&written, keys) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault.hint(format!("`reelfs mount {} --help` lists them", self.name)),
        }
    }

    /// Why a value is not taken.
    fn refused(&self, key: &str, text: &str) -> Option<String> {
        let words = ["reelfs".into(), "mount".into(), self.name.clone(), format!("--{key}={text}")];
        let error = self.relaxed.clone().try_get_matches_from(words).err()?;
        match error.kind() {
            ErrorKind::ValueValidation => {
                std::error::Error::source(&error).map(ToString::to_string).or(Some(plain(&error)))
            }
            ErrorKind::InvalidValue => match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(valid)) => {
                    Some(format!("expected {}", valid.join(" or ")))
                }
                _ => Some(plain(&error)),
            },
            // What is missing beside this key is not its fault.
            _ => None,
        }
    }
}

fn is_path(arg: &Arg) -> bool {
    matches!(arg.get_value_hint(), ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath)
}
