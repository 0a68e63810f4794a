//! `reelfs init`: asks what a profile needs, and writes it. What is there is never overwritten.

use std::fs;
use std::io::{BufRead as _, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::problem::Problem;
use super::terminal;
use crate::config::file::{self, ConfigFile};
use crate::config::{self, Init, environment, secret};
use crate::types::shell_word;

/// The kinds of account, and the key of each that names a file.
const KINDS: [(&str, &str, &str); 3] = [
    ("voximplant", "credentials", "The service account's key file"),
    ("whatconverts", "key-file", "The API key's file, {\"token\": …, \"secret\": …}"),
    ("list", "from", "The list of links: CSV, JSON lines, or a link a line"),
];

/// The name that is offered, as that of the directory in the examples.
const NAME: &str = "calls";

/// Asks, and writes.
pub(super) fn run(init: Init) -> Result<(), Problem> {
    let Some(path) = init.config else {
        let message = "there is no home directory to keep a config file in".to_owned();
        return Err(Problem { message, hint: Some("give --config FILE".to_owned()) });
    };
    let before = match ConfigFile::read(&path) {
        Ok(file) => Some(file),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(Problem::file(&path, error)),
    };
    if let Some(fault) = before.as_ref().and_then(|file| file.faults.first()) {
        let message = format!("{}:{}: {}", path.display(), fault.at, fault.message);
        return Err(Problem { message, hint: fault.hint.clone() });
    }
    let kind =
        ask("Kind of account (voximplant, whatconverts, list)", Some("voximplant"), |text| {
            KINDS
                .iter()
                .find(|(kind, ..)| *kind == text)
                .copied()
                .ok_or("one of the three".to_owned())
        })?;
    let is_free = |name: &str| free(name, before.as_ref(), &init.reserved);
    let name = if let Some(name) = init.name {
        is_free(&name).map(|()| name).map_err(refused)?
    } else {
        let default = Some(NAME).filter(|name| is_free(name).is_ok());
        ask("Name of the profile", default, |text| is_free(text).map(|()| text.to_owned()))?
    };
    let (kind, key, question) = kind;
    let named = ask(question, None, |text| absolute(text, &path))?;
    if key != "from" {
        protect(Path::new(&named))?;
    }
    let since = match kind {
        "list" => None,
        _ => Some(ask("First day shown: a date, or how long ago", Some("3months"), |text| {
            config::since(text).map(|_| text.to_owned())
        })?),
    };
    let mut settings = vec![("source", kind), (key, named.as_str())];
    settings.extend(since.as_deref().map(|since| ("since", since)));
    write(&path, &file::written(&name, &settings), before.is_some())?;
    terminal::say(&format!(
        "\nWritten to {}. Mount it on an empty directory:\n\n  mkdir -p ~/calls && reelfs mount {} ~/calls",
        path.display(),
        shell_word(Path::new(&name))
    ));
    Ok(())
}

/// Whether a name can be a new profile's.
fn free(name: &str, before: Option<&ConfigFile>, reserved: &[String]) -> Result<(), String> {
    if reserved.iter().any(|word| word == name) {
        return Err(format!("`reelfs mount {name}` means something else: name it otherwise"));
    }
    if before.is_some_and(|file| file.profile(name).is_some()) {
        return Err(format!("the profile {name} is there already, and is left as it is"));
    }
    let tried = ConfigFile::of(Path::new("/"), &file::written(name, &[]));
    tried.faults.first().map_or(Ok(()), |fault| Err(fault.message.clone()))
}

fn refused(message: String) -> Problem {
    Problem { message, hint: None }
}

/// The absolute form of a file that is there.
fn absolute(text: &str, config: &Path) -> Result<String, String> {
    if text.is_empty() {
        return Err("there is no file that is usually meant: name one".to_owned());
    }
    let here = if text.starts_with(['~', '$']) {
        file::expand(text, config, environment::variable)?
    } else {
        std::path::absolute(text).map_err(|error| error.to_string())?
    };
    match fs::File::open(&here).and_then(|file| file.metadata()) {
        Ok(file) if file.is_dir() => Err(format!("{} is a directory", here.display())),
        Ok(_) => Ok(here.display().to_string()),
        Err(error) => Err(format!("{}: {error}", here.display())),
    }
}

/// Makes a secret its owner's alone, where he agrees.
fn protect(path: &Path) -> Result<(), Problem> {
    let Some(exposed) = secret::exposed(path) else { return Ok(()) };
    let agreed = ask(
        &format!("{}. Run `{}`", exposed.message, exposed.fix),
        Some("yes"),
        |text| match text {
            "yes" | "y" => Ok(true),
            "no" | "n" => Ok(false),
            _ => Err("yes or no".to_owned()),
        },
    )?;
    if agreed {
        let permissions = fs::Permissions::from_mode(0o600);
        fs::set_permissions(path, permissions).map_err(|error| Problem::file(path, error))?;
    }
    Ok(())
}

/// Asks until the answer is taken.
fn ask<T>(
    question: &str,
    default: Option<&str>,
    taken: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Problem> {
    let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
    loop {
        terminal::ask(&format!("{question}{shown}: "));
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        if read.map_err(|error| Problem::new("no answer", error))? == 0 {
            terminal::say("");
            let message = "the questions were not answered: nothing was written".to_owned();
            return Err(Problem { message, hint: None });
        }
        let answer = match (answer.trim(), default) {
            ("", Some(default)) => default,
            (answer, _) => answer,
        };
        match taken(answer) {
            Ok(value) => return Ok(value),
            Err(why) => terminal::say(&format!("  {why}")),
        }
    }
}

/// Writes a new file, its owner's alone, or adds to the one that is there.
fn write(path: &Path, text: &str, is_there: bool) -> Result<(), Problem> {
    let failed = |error| Problem::file(path, error);
    if let Some(directory) = path.parent() {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(failed)?;
    }
    let mut options = fs::OpenOptions::new();
    let mut file = if is_there {
        options.append(true).open(path).map_err(failed)?
    } else {
        options.write(true).create_new(true).mode(0o600).open(path).map_err(failed)?
    };
    let text = if is_there { format!("\n{text}") } else { text.to_owned() };
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}
