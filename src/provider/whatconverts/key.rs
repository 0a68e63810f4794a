//! The API key: a token and its secret, from a file or from the environment.
//!
//! The token alone opens recordings, so it is a secret like the other. Errors quote neither.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde_json::{Map, Value};
use thiserror::Error;
use url::Url;

use super::api;
use crate::http::{Basic, Credentials, Parameters};
use crate::input::{self, InputError};
use crate::provider::fields::Fields;
use crate::source::Identity;
use crate::types::chain;

/// A key file that cannot be used.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
pub struct KeyError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a key.
#[derive(Debug, Error)]
pub enum Problem {
    /// The file is not there, may not be read, or is none that could hold a key.
    #[error(transparent)]
    Input(#[from] InputError),
    /// It is not a JSON object.
    #[error("is not a JSON object with `token` and `secret`")]
    NotAnObject,
    /// A part is missing or empty.
    #[error("`{0}` is missing or empty")]
    Missing(&'static str),
    /// A part could not stand in a header.
    #[error("`{0}` holds characters that no key has")]
    Impossible(&'static str),
}

/// An API key.
#[derive(Clone)]
pub struct KeyPair {
    token: SecretString,
    secret: SecretString,
}

impl KeyPair {
    /// Of a token and its secret.
    pub fn new(token: SecretString, secret: SecretString) -> Result<Self, Problem> {
        for (name, part) in [("token", &token), ("secret", &secret)] {
            let part = part.expose_secret();
            if part.is_empty() {
                return Err(Problem::Missing(name));
            }
            if !part.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
                return Err(Problem::Impossible(name));
            }
        }
        Ok(Self { token, secret })
    }

    /// Of a file `{"token": …, "secret": …}`. Blocks on the disk.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        read(path).map_err(|problem| KeyError { path: path.to_owned(), problem })
    }

    /// Which account it opens, as far as a key tells.
    pub fn identity(&self) -> Identity {
        let name = format!("whatconverts {}", self.token.expose_secret());
        Identity { name: SecretString::from(name), secret: self.secret.clone() }
    }

    /// The credentials for an API at `base`: token and secret for the API, the token alone, in the
    /// query, for links.
    pub fn credentials(&self, base: &Url) -> Credentials {
        Credentials::ByPath {
            prefix: api::root(base).into(),
            below: Box::new(Credentials::Basic(Basic::new(&self.token, &self.secret))),
            elsewhere: Box::new(self.for_links()),
        }
    }

    /// The token alone, in the query.
    pub fn for_links(&self) -> Credentials {
        Credentials::Parameters(Parameters::new([], "token", self.token.clone()))
    }

    /// Token and secret everywhere.
    pub fn basic(&self) -> Credentials {
        Credentials::Basic(Basic::new(&self.token, &self.secret))
    }
}

fn read(path: &Path) -> Result<KeyPair, Problem> {
    let bytes = SecretSlice::from(input::read(path, input::MOST_OF_A_KEY)?);
    parse(bytes.expose_secret())
}

fn parse(text: &[u8]) -> Result<KeyPair, Problem> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let map: Map<String, Value> = serde_json::from_slice(text).map_err(|_| Problem::NotAnObject)?;
    let part = |name: &'static str| -> Result<SecretString, Problem> {
        let text = Fields(&map).text(name).ok_or(Problem::Missing(name))?;
        Ok(SecretString::from(text))
    };
    KeyPair::new(part("token")?, part("secret")?)
}

/// The refusal of a key file with these bytes, for fuzzers.
#[doc(hidden)]
pub fn decode_key(bytes: &[u8]) -> Option<String> {
    parse(bytes).err().map(|problem| chain(&problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn errors_name_the_part_and_quote_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.json");
        for (text, told) in [
            ("[1]", "is not a JSON object"),
            ("hush", "is not a JSON object"),
            (r#"{"secret": "hush"}"#, "`token` is missing"),
            (r#"{"token": "hush"}"#, "`secret` is missing"),
            (r#"{"token": "hush", "secret": " "}"#, "`secret` is missing"),
            (r#"{"token": "hu:sh", "secret": "x"}"#, "`token` holds characters"),
            ("{\"token\": \"a\", \"secret\": \"hush\\n\\nx\"}", "`secret` holds characters"),
        ] {
            fs::write(&path, text).unwrap();
            let Err(error) = KeyPair::load(&path) else { panic!("{text}") };
            let error = error.to_string();
            assert!(error.contains(told) && !error.contains("hush"), "{error}");
        }
        fs::write(&path, "\u{feff}{\"token\": \"2201-ab\", \"secret\": \"x\"}").unwrap();
        assert!(KeyPair::load(&path).is_ok());
    }
}
