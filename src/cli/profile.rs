//! Profiles: flags that are written down. A profile becomes the arguments that would be typed, and
//! goes the same way, so that every flag is a key and there is one truth about both.
//!
//! What is typed wins: a key whose flag is typed, too, is left out.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Command, CommandFactory as _, Error, Parser as _};

use super::{Arguments, Typed, is_directory};
use crate::config::environment::variable;
use crate::config::file::{self, ConfigFile, Fault, Given, Profile};
use crate::config::{CheckedFile, CheckedProfile, Doctor, Mount, MountAll, Patient, WhichMount};
use crate::types::one_line;
use kind::Kind;
use usage::{lacking, lacks, misplaced};

mod kind;
mod usage;

/// The key that says what kind of account it is.
const SOURCE: &str = "source";
/// The key that says where it is mounted unless that is typed.
const MOUNTPOINT: &str = "mountpoint";
/// How alike a key and what was written must be for a question back, of 1.
const ALIKE: f64 = 0.75;

/// The mount that a profile and what was typed beside it make. `words` are its name and the rest.
pub(super) fn mount(words: &[OsString], config: Option<&Path>) -> Result<Mount, Error> {
    let Some((name, rest)) = words.split_first() else {
        return Err(super::wrong(ErrorKind::MissingRequiredArgument, "name a source or a profile"));
    };
    let name = name.to_string_lossy();
    let (file, at) =
        find(&name, config).map_err(|error| misplaced(words, config).unwrap_or(error))?;
    let profile = &file.profiles[at];
    let (mut arguments, mut faults) = (Vec::new(), file.faults.clone());
    match source(profile) {
        Ok(source) => {
            let kind = Kind::new(source);
            let typed = kind.typed(rest);
            faults.extend(kind.faults(profile, &file.path, &typed));
            let begin = ["reelfs", "mount", source].map(OsString::from);
            arguments.extend(begin.into_iter().chain(kind.arguments(profile, &file.path, &typed)));
        }
        Err(fault) => faults.push(fault),
    }
    if !faults.is_empty() {
        return Err(refusal(&file.path, &faults));
    }
    let parsed = Arguments::try_parse_from(arguments.iter().chain(rest));
    let mount = parsed.and_then(|typed| match typed.command {
        Typed::Mount(typed) => typed.mount(),
        _ => Err(Error::raw(ErrorKind::InvalidSubcommand, "a profile is for mounts alone\n")),
    });
    let mount = mount.map_err(|error| match error.kind() {
        ErrorKind::MissingRequiredArgument => refusal(&file.path, &[lacking(profile, &error)]),
        _ => error,
    })?;
    Ok(Mount { profile: Some(name.into()), ..mount })
}

/// Every profile of the config file. `words` are a directory, without which each profile has to have
/// one, and what each of them is to be given.
pub(super) fn all(words: Vec<OsString>, config: Option<&Path>) -> Result<MountAll, Error> {
    let Some(file) = files(config)?.into_iter().next() else {
        let hint = Some("`reelfs init` writes one".to_owned());
        return Err(told(ErrorKind::Io, &[("there is no config file".to_owned(), hint)]));
    };
    if !file.faults.is_empty() {
        return Err(refusal(&file.path, &file.faults));
    }
    // A word behind the directory may be the value of a flag, but not the first.
    let is_profile = |word: &&OsString| {
        word.to_str().is_some_and(|name| file.profile(name).is_some()) && !Path::new(word).is_dir()
    };
    if let Some(word) = words.iter().take(2).find(is_profile) {
        let name = word.display();
        let message = format!("--all mounts every profile, and `{name}` is one");
        let hint = Some(format!("reelfs mount {name} DIR"));
        return Err(told(ErrorKind::ArgumentConflict, &[(message, hint)]));
    }
    let mut words = words.into_iter();
    let directory = words.next().map(PathBuf::from);
    let (mut profiles, mut faults) = (Vec::new(), Vec::new());
    for profile in &file.profiles {
        faults.extend(misnamed(profile));
        let own = || mountpoint(profile, &file.path);
        if let Some(at) = directory.as_ref().map(|all| all.join(&profile.name)).or_else(own) {
            profiles.push((profile.name.clone(), at));
        } else {
            faults.push(lacks(profile, MOUNTPOINT).hint(format!(
                "add a line `{MOUNTPOINT} = …`, or give a directory for all: reelfs mount --all DIR"
            )));
        }
    }
    if !faults.is_empty() {
        faults.sort_by_key(|fault| fault.at);
        return Err(refusal(&file.path, &faults));
    }
    let (foreground, words): (Vec<_>, Vec<_>) =
        words.partition(|word| word == "-f" || word == "--foreground");
    Ok(MountAll { config: file.path, profiles, words, foreground: !foreground.is_empty() })
}

/// The accounts to be looked at: the one that is named, or every profile.
pub(super) fn patients(mut words: Vec<OsString>, config: Option<&Path>) -> Result<Doctor, Error> {
    let typed = take_config(&mut words);
    let config = typed.as_deref().or(config);
    let Some(word) = words.first().cloned() else {
        return Ok(Doctor { patients: every_patient(config)?, at: None });
    };
    let name = word.to_string_lossy().into_owned();
    let is_kind = kinds().contains(&name);
    if words.len() == 1
        && !is_kind
        && is_directory(Path::new(&word))
        && find(&name, config).is_err()
    {
        return Ok(Doctor { patients: every_patient(config)?, at: Some(word.into()) });
    }
    // Anything is taken for a mountpoint: nothing is mounted.
    words.insert(1, "/".into());
    let mount = if is_kind {
        let typed = ["reelfs", "mount"].map(OsString::from).into_iter().chain(words);
        match Arguments::try_parse_from(typed)?.command {
            Typed::Mount(typed) => typed.mount()?,
            _ => return Err(Error::raw(ErrorKind::InvalidSubcommand, "no account\n")),
        }
    } else {
        mount(&words, config)?
    };
    let patients = vec![Patient::Mount { name, mount: Box::new(mount) }];
    Ok(Doctor { patients, at: None })
}

/// Every profile, as one to be looked at.
fn every_patient(config: Option<&Path>) -> Result<Vec<Patient>, Error> {
    let mut patients = Vec::new();
    for file in files(config)? {
        for profile in file.profiles {
            let anywhere = mountpoint(&profile, &file.path).is_none().then(|| "/".into());
            let words: Vec<_> = [(&profile.name).into()].into_iter().chain(anywhere).collect();
            let name = profile.name;
            patients.push(match mount(&words, Some(&file.path)) {
                Ok(mount) => Patient::Mount { name, mount: Box::new(mount) },
                Err(error) => Patient::Refused { name, why: error.render().to_string() },
            });
        }
    }
    Ok(patients)
}

/// The mount that a word means, as far as the config files tell.
pub(super) fn which(word: PathBuf) -> WhichMount {
    let found = word.to_str().and_then(|name| find(name, None).ok());
    let mountpoint =
        found.as_ref().and_then(|(file, at)| mountpoint(&file.profiles[*at], &file.path));
    let near = if found.is_none() { near(&word) } else { None };
    WhichMount { is_profile: found.is_some(), mountpoint, near, word }
}

/// The profile that was perhaps meant by a word that is the name of none.
fn near(word: &Path) -> Option<String> {
    let files = files(None).ok()?;
    let profiles = files.iter().flat_map(|file| &file.profiles);
    nearest(word.to_str()?, profiles.map(|profile| profile.name.as_str()))
}

/// Where a profile is mounted if nothing else is typed.
fn mountpoint(profile: &Profile, file: &Path) -> Option<PathBuf> {
    let setting = profile.settings.iter().find(|setting| setting.key == MOUNTPOINT)?;
    let Given::Texts(texts) = &setting.value else { return None };
    file::expand(&texts.first()?.0, file, variable).ok()
}

/// The config files that are there, and all that is wrong with them.
pub(super) fn checked(config: Option<&Path>) -> Result<Vec<CheckedFile>, Error> {
    let checked = |file: ConfigFile| {
        let described = |profile: &Profile| CheckedProfile {
            name: profile.name.clone(),
            source: source(profile).unwrap_or_default().to_owned(),
        };
        let profiles = file.profiles.iter().map(described).collect();
        CheckedFile { faults: check(&file), profiles, path: file.path }
    };
    Ok(files(config)?.into_iter().map(checked).collect())
}

/// What is told of a config file at `path` with these bytes, for fuzzers.
#[doc(hidden)]
pub fn decode(path: &Path, bytes: &[u8]) -> Option<String> {
    let file = ConfigFile::of(path, std::str::from_utf8(bytes).ok()?);
    let faults = check(&file);
    (!faults.is_empty()).then(|| refusal(path, &faults).render().to_string())
}

/// All that is wrong with a config file.
fn check(file: &ConfigFile) -> Vec<Fault> {
    let mut faults = file.faults.clone();
    for profile in &file.profiles {
        let found = match source(profile) {
            Ok(source) => Kind::new(source).check(profile, &file.path),
            Err(fault) => vec![fault],
        };
        faults.extend(found.into_iter().chain(misnamed(profile)));
    }
    faults.sort_by_key(|fault| fault.at);
    faults
}

/// The config file, and the place of a profile in it: the user's own file comes before the machine's.
fn find(name: &str, config: Option<&Path>) -> Result<(ConfigFile, usize), Error> {
    let mut known = Vec::new();
    let mut looked_at = Vec::new();
    for file in files(config)? {
        if let Some(at) = file.profiles.iter().position(|profile| profile.name == name) {
            return Ok((file, at));
        }
        if !file.faults.is_empty() {
            return Err(refusal(&file.path, &file.faults));
        }
        known.extend(file.profiles.into_iter().map(|profile| profile.name));
        looked_at.push(file.path.display().to_string());
    }
    let kinds = kinds();
    let hint = match nearest(name, known.iter().chain(&kinds).map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => {
            format!("`reelfs init` writes a profile; {} need none", kinds.join(", "))
        }
        None => format!("there is {}", known.join(", ")),
    };
    let message = match &looked_at[..] {
        [] => format!("no profile `{name}`: there is no config file"),
        files => format!("no profile `{name}` in {}", files.join(" and ")),
    };
    Err(told(ErrorKind::InvalidSubcommand, &[(message, Some(hint))]))
}

/// The config files that are there: the one that was named, or the usual ones.
fn files(config: Option<&Path>) -> Result<Vec<ConfigFile>, Error> {
    if let Some(path) = config {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        return ConfigFile::read(&absolute)
            .map(|file| vec![file])
            .map_err(|e| unreadable(path, &e));
    }
    let mut found = Vec::new();
    for path in file::places(variable) {
        match ConfigFile::read(&path) {
            Ok(file) => found.push(file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            // Another user's home, as under sudo, is none of ours.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(unreadable(&path, &error)),
        }
    }
    Ok(found)
}

/// Takes `--config FILE` out of what stands behind a profile's name.
pub(super) fn take_config(words: &mut Vec<OsString>) -> Option<PathBuf> {
    let is_it =
        |word: &OsString| word == "--config" || word.to_string_lossy().starts_with("--config=");
    let at = words.iter().position(is_it)?;
    let word = words.remove(at);
    match word.to_string_lossy().strip_prefix("--config=") {
        Some(path) => Some(path.into()),
        None => (at < words.len()).then(|| words.remove(at).into()),
    }
}

/// The kinds of account.
fn kinds() -> Vec<String> {
    let whole = Arguments::command();
    let mount = whole.find_subcommand("mount");
    let kinds = mount.into_iter().flat_map(Command::get_subcommands);
    kinds.map(|kind| kind.get_name().to_owned()).collect()
}

/// Words that `reelfs mount` takes for something else than a profile.
pub(super) fn reserved() -> Vec<String> {
    kinds().into_iter().chain(["help".to_owned()]).collect()
}

/// What is wrong with the name of a profile that cannot be mounted by it.
fn misnamed(profile: &Profile) -> Option<Fault> {
    let name = &profile.name;
    let message = format!("`{name}` is no name for a profile: `reelfs mount {name}` is taken");
    let fault = Fault { at: profile.at, message, hint: None };
    reserved().contains(name).then(|| fault.hint("give it another name"))
}

/// The kind of account that a profile names.
fn source(profile: &Profile) -> Result<&str, Fault> {
    let kinds = kinds();
    let hint = || format!("source is one of {}", kinds.join(", "));
    let Some(setting) = profile.settings.iter().find(|setting| setting.key == SOURCE) else {
        let name = file::quoted(&profile.name);
        let message = format!("the profile {name} has no `{SOURCE}`");
        return Err(Fault { at: profile.at, message, hint: Some(hint()) });
    };
    match &setting.value {
        Given::Texts(texts) if texts.len() == 1 && kinds.contains(&texts[0].0) => Ok(&texts[0].0),
        _ => {
            let message = format!("{SOURCE}: expected the kind of an account");
            Err(Fault { at: setting.at, message, hint: Some(hint()) })
        }
    }
}

/// What `written` may have been meant to be.
fn nearest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let alike = names.map(|name| (strsim::jaro_winkler(written, name), name));
    let (likeness, name) = alike.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (likeness >= ALIKE).then(|| name.to_owned())
}

/// What clap says, without what stands around it.
fn plain(error: &Error) -> String {
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    let joined = lines.collect::<Vec<_>>().join(" ");
    joined.strip_prefix("error: ").unwrap_or(&joined).to_owned()
}

/// The error that faults of a file are.
fn refusal(path: &Path, faults: &[Fault]) -> Error {
    let line = |fault: &Fault| {
        (format!("{}:{}: {}", path.display(), fault.at, fault.message), fault.hint.clone())
    };
    told(ErrorKind::ValueValidation, &faults.iter().map(line).collect::<Vec<_>>())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    told(ErrorKind::Io, &[(format!("{}: {error}", path.display()), None)])
}

/// An error, with one thing more to do.
pub(super) fn hinted(error: &Error, hint: &str) -> Error {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    Error::raw(error.kind(), format!("{text}hint: {}\n", one_line(hint)))
}

/// An error of these lines, each with what to do. What a file holds is only shown.
pub(super) fn told(kind: ErrorKind, lines: &[(String, Option<String>)]) -> Error {
    let mut text = String::new();
    for (index, (message, hint)) in lines.iter().enumerate() {
        text += if index == 0 { "" } else { "error: " };
        text += &one_line(message);
        text.push('\n');
        if let Some(hint) = hint {
            text += "hint: ";
            text += &one_line(hint);
            text.push('\n');
        }
    }
    Error::raw(kind, text)
}
