//! The config file: profiles by name, each a set of keys with their values as they would be typed.
//!
//! It knows TOML, and where in the file something stands. Which keys there are is not its business:
//! they are the names of the flags, which `cli` knows.

use std::fmt::{self, Display};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue, Error as TomlError};
use toml::{Spanned, Value};

use crate::input::{self, InputError};

/// The table that holds the profiles.
const PROFILES: &str = "profiles";
/// The file's place below the directories of `places`.
const NAME: &str = "reelfs/config.toml";
/// The largest file that is read, in bytes.
const MOST_BYTES: u64 = 1 << 20;
/// The file of the whole machine.
const SYSTEM: &str = "/etc/reelfs/config.toml";

/// A config file, as far as it could be read.
#[derive(Debug)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its profiles, by name.
    pub profiles: Vec<Profile>,
    /// What is wrong with it beside the profiles' keys and values.
    pub faults: Vec<Fault>,
}

/// What is typed for a mount, kept under a name.
#[derive(Debug)]
pub struct Profile {
    /// The name.
    pub name: String,
    /// Where it begins.
    pub at: Position,
    /// Its keys.
    pub settings: Vec<Setting>,
}

/// A key of a profile.
#[derive(Debug)]
pub struct Setting {
    /// The key: a flag without its hyphens.
    pub key: String,
    /// Where it stands.
    pub at: Position,
    /// What it is set to.
    pub value: Given,
}

/// What a key is set to.
#[derive(Debug)]
pub enum Given {
    /// A flag without a value is typed, or is not.
    Switch(bool),
    /// Each as it would be typed.
    Texts(Vec<(String, Position)>),
}

/// A place in a file, as editors count: from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// Something wrong at a place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub at: Position,
    /// What.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// The files that are looked at, in this order: the user's own, and the machine's.
pub fn places(variable: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    own_place(variable).into_iter().chain([PathBuf::from(SYSTEM)]).collect()
}

/// The user's own file; none for a user without a home.
pub fn own_place(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let config = variable("XDG_CONFIG_HOME").map(PathBuf::from).and_then(absolute);
    let home = || Some(absolute(PathBuf::from(variable("HOME")?))?.join(".config"));
    Some(config.or_else(home)?.join(NAME))
}

/// A path as a profile has it: `~/` is the home directory, `$CREDENTIALS_DIRECTORY/` where systemd
/// puts a service's credentials; else it is relative to the directory of the config file.
pub fn expand(
    text: &str,
    config: &Path,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<PathBuf, String> {
    let forms = [
        ("~/", "HOME"),
        ("$HOME/", "HOME"),
        ("$CREDENTIALS_DIRECTORY/", "CREDENTIALS_DIRECTORY"),
        ("${CREDENTIALS_DIRECTORY}/", "CREDENTIALS_DIRECTORY"),
    ];
    for (form, name) in forms {
        if let Some(rest) = text.strip_prefix(form) {
            let directory = variable(name).ok_or_else(|| format!("{name} is not set"))?;
            return Ok(Path::new(&directory).join(rest));
        }
    }
    Ok(config.parent().unwrap_or(Path::new("/")).join(text))
}

/// A name as it is told. One that looks like none may be a setting with its value, after a quote that
/// was left open.
pub fn quoted(name: &str) -> String {
    let is_name = name.len() <= 64 && !name.contains(['=', '"', '\n']);
    if is_name { format!("`{name}`") } else { "what stands here".to_owned() }
}

/// A profile as the text of a config file: keys with values that are texts or `true`.
pub fn written(name: &str, settings: &[(&str, &str)]) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let name = if name.chars().all(plain) { name.to_owned() } else { quoted(name) };
    let lines = settings.iter().map(|(key, value)| match *value {
        "true" => format!("{key} = true\n"),
        value => format!("{key} = {}\n", quoted(value)),
    });
    format!("[{PROFILES}.{name}]\n{}", lines.collect::<String>())
}

impl ConfigFile {
    /// Reads a file.
    pub fn read(path: &Path) -> io::Result<Self> {
        // A mount in the background is a second process, which reads it, too.
        if !path.metadata()?.is_file() {
            return Err(io::Error::other("is no file"));
        }
        let bytes = input::read(path, MOST_BYTES).map_err(|error| match error {
            InputError::Unreadable(error) => error,
            other => io::Error::other(other),
        })?;
        let text = String::from_utf8(bytes).map_err(|_| io::Error::other("is no text in UTF-8"))?;
        Ok(Self::of(path, &text))
    }

    /// What `text` says.
    pub fn of(path: &Path, text: &str) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let reader = Reader { text };
        let mut file = Self { path: path.to_owned(), profiles: Vec::new(), faults: Vec::new() };
        file.faults.extend(errors.iter().map(|error| reader.unreadable(error)));
        for (key, value) in root.get_ref() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                (PROFILES, DeValue::Table(profiles)) => {
                    for (name, profile) in profiles {
                        file.take(&reader, name, profile);
                    }
                }
                (other, _) => {
                    let message = format!("{} is none of the file's tables", quoted(other));
                    let fault = reader.fault(&key.span(), message);
                    file.faults.push(fault.hint("profiles are tables: [profiles.NAME]"));
                }
            }
        }
        file
    }

    fn take<K: AsRef<str>>(
        &mut self,
        reader: &Reader<'_>,
        name: &Spanned<K>,
        profile: &Spanned<DeValue<'_>>,
    ) {
        let (at, name) = (reader.position(name.span().start), name.get_ref().as_ref());
        let DeValue::Table(keys) = profile.get_ref() else {
            let message = format!("{} is no profile", quoted(name));
            let fault = Fault { at, message, hint: None };
            self.faults.push(fault.hint("profiles are tables: [profiles.NAME]"));
            return;
        };
        let is_odd = |c: char| c == '/' || c.is_control();
        if name.is_empty() || name.starts_with(['.', '-']) || name.contains(is_odd) {
            let message = format!("{} is no name for a profile", quoted(name));
            let fault = Fault { at, message, hint: None };
            self.faults
                .push(fault.hint("it has to be the name of a directory: letters and digits"));
            return;
        }
        let mut settings = Vec::new();
        for (key, value) in keys {
            match reader.given(value) {
                Ok(value) => settings.push(Setting {
                    key: key.get_ref().to_string(),
                    at: reader.position(key.span().start),
                    value,
                }),
                Err(fault) => self.faults.push(fault),
            }
        }
        settings.sort_by_key(|setting| setting.at);
        self.profiles.push(Profile { name: name.to_owned(), at, settings });
    }

    /// The profile of a name.
    pub fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.name == name)
    }
}

/// Turns what the parser says into our own words.
struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn position(&self, offset: usize) -> Position {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: 1 + before.matches('\n').count(),
            column: 1 + before[line_start..].chars().count(),
        }
    }

    fn fault(&self, span: &Range<usize>, message: String) -> Fault {
        Fault { at: self.position(span.start), message, hint: None }
    }

    fn unreadable(&self, error: &TomlError) -> Fault {
        // A message may quote what stands there: at the most a line of the file.
        let message = error.message().lines().collect::<Vec<_>>().join(": ");
        self.fault(&error.span().unwrap_or(0..0), message)
    }

    fn given(&self, value: &Spanned<DeValue<'_>>) -> Result<Given, Fault> {
        Ok(match value.get_ref() {
            DeValue::Boolean(on) => Given::Switch(*on),
            DeValue::Array(items) => {
                Given::Texts(items.iter().map(|item| self.text(item)).collect::<Result<_, _>>()?)
            }
            _ => Given::Texts(vec![self.text(value)?]),
        })
    }

    fn text(&self, value: &Spanned<DeValue<'_>>) -> Result<(String, Position), Fault> {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Datetime(date) => date.to_string(),
            other => {
                let message = format!("expected a text, not a value of type {}", other.type_str());
                return Err(self.fault(&value.span(), message));
            }
        };
        Ok((text, self.position(value.span().start)))
    }
}

impl Fault {
    /// With what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ConfigFile {
        ConfigFile::of(Path::new("/home/u/.config/reelfs/config.toml"), text)
    }

    #[test]
    fn a_profile_is_what_would_be_typed_and_knows_where_it_stands() {
        let file = read(
            "# mine\n[profiles.support]\nsource = \"voximplant\"\nsince = 2026-08-01\n\
             connections = 8\nallow-other = true\ntrust-host = [\"a.example\", \"b.example\"]\n",
        );
        assert_eq!(file.faults, []);
        let profile = file.profile("support").unwrap();
        assert_eq!(profile.at, Position { line: 2, column: 11 });
        let texts = |key: &str| {
            let setting = profile.settings.iter().find(|s| s.key == key).unwrap();
            match &setting.value {
                Given::Switch(on) => vec![on.to_string()],
                Given::Texts(texts) => texts.iter().map(|(text, _)| text.clone()).collect(),
            }
        };
        assert_eq!(texts("since"), ["2026-08-01"]);
        assert_eq!(texts("connections"), ["8"]);
        assert_eq!(texts("allow-other"), ["true"]);
        assert_eq!(texts("trust-host"), ["a.example", "b.example"]);
        assert_eq!(profile.settings[1].at, Position { line: 4, column: 1 });
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let file = read("profile = 1\n[profiles.a]\nsince = {}\nuntil = \n");
        let places: Vec<_> =
            file.faults.iter().map(|fault| (fault.at.line, fault.at.column)).collect();
        assert!(places.contains(&(1, 1)) && places.contains(&(3, 9)), "{:?}", file.faults);
        assert!(places.iter().any(|(line, _)| *line == 4), "{:?}", file.faults);
        assert_eq!(read("[profiles]\na = 1\n").faults[0].at, Position { line: 2, column: 1 });
    }

    #[test]
    fn a_setting_that_became_a_name_is_not_quoted() {
        for text in ["[\"key = hush\"]\n", "[profiles]\n\"key = hush\" = 1\n"] {
            let message = &read(text).faults[0].message;
            assert!(message.starts_with("what stands here is no"), "{message}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let written = written("two words", &[("key-file", "/a \"b\"\\c"), ("allow-other", "true")]);
        let file = read(&written);
        assert_eq!(file.faults, [], "{written}");
        let profile = file.profile("two words").unwrap();
        assert!(matches!(&profile.settings[0].value,
            Given::Texts(texts) if texts[0].0 == "/a \"b\"\\c"));
        assert!(matches!(profile.settings[1].value, Given::Switch(true)));
    }

    #[test]
    fn paths_are_relative_to_the_file_or_to_what_they_name() {
        let config = Path::new("/etc/reelfs/config.toml");
        let variable = |name: &str| (name == "HOME").then(|| "/home/u".to_owned());
        let expanded = |text| expand(text, config, variable);
        assert_eq!(expanded("key.json").unwrap(), Path::new("/etc/reelfs/key.json"));
        assert_eq!(expanded("/key.json").unwrap(), Path::new("/key.json"));
        assert_eq!(expanded("~/key.json").unwrap(), Path::new("/home/u/key.json"));
        assert!(expanded("$CREDENTIALS_DIRECTORY/key").unwrap_err().contains("is not set"));
        assert_eq!(own_place(variable).unwrap(), Path::new("/home/u/.config/reelfs/config.toml"));
    }
}
