//! The service account's file, as the vendor's `CreateKey` gives it out.
//!
//! Errors name the field and never quote the file: it holds the private key.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::http::jwt::{Issuer, KeyError, KeySource, SigningKey, Tokens};
use crate::input::{self, InputError};
use crate::provider::fields::Fields;
use crate::source::Identity;
use crate::types::chain;

/// A credentials file that cannot be used.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
pub struct CredentialsError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a credentials file.
#[derive(Debug, Error)]
pub enum Problem {
    /// It is not there, may not be read, or is no file that could hold a key.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A pipe was read once, and that was that.
    #[error("was a pipe, which is read once")]
    Once,
    /// It holds nothing.
    #[error("is empty")]
    Empty,
    /// It is not JSON.
    #[error("is not JSON (line {line}, column {column})")]
    NotJson {
        /// Counts from 1.
        line: usize,
        /// Counts from 1.
        column: usize,
    },
    /// It is JSON, but no object.
    #[error("is not a JSON object with `account_id`, `key_id` and `private_key`")]
    NotAnObject,
    /// A field is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field is null or empty.
    #[error("`{0}` is empty")]
    EmptyField(&'static str),
    /// A field is neither a string nor, where that makes sense, a whole number.
    #[error("`{0}` is not what it should be: {1}")]
    WrongKind(&'static str, &'static str),
    /// The private key is none.
    #[error("`private_key` cannot be used: {0}")]
    Key(KeyError),
}

/// A service account's file, and for whom its key signs.
#[derive(Clone, Debug)]
pub struct ServiceAccountFile {
    path: PathBuf,
    child_account: Option<String>,
}

impl ServiceAccountFile {
    /// A file in any of its forms: flat, or below `result`; with the id as a number or a string;
    /// with the key as PKCS#8 or PKCS#1. With a `child_account`, tokens are issued for that account
    /// and signed by its parent, whose file this is.
    pub fn new(path: PathBuf, child_account: Option<String>) -> Self {
        Self { path, child_account }
    }

    /// Reads and checks the file. Blocks on the disk.
    pub fn load(&self) -> Result<SigningKey, CredentialsError> {
        let problem = |problem| CredentialsError { path: self.path.clone(), problem };
        let bytes = read(&self.path).map_err(problem)?;
        parse(bytes.expose_secret(), self.child_account.as_deref()).map_err(problem)
    }

    /// Reads the file and starts to mint tokens with its key, each good for `life`; tells also which
    /// account it opens. Later changes of the file are taken up, while a pipe is read this once. Must
    /// be called within a tokio runtime.
    pub fn open(&self, life: Duration) -> Result<(Tokens, Identity), CredentialsError> {
        let problem = |problem| CredentialsError { path: self.path.clone(), problem };
        let (again, can_be) = (self.clone(), input::can_be_read_again(&self.path));
        // Before the file is read, so that no change after that goes unseen.
        let source = KeySource::new(self.path.clone(), move || {
            if can_be { Ok(again.load()?) } else { Err(Problem::Once.into()) }
        });
        let bytes = read(&self.path).map_err(problem)?;
        let fields = Credential::of(bytes.expose_secret()).map_err(problem)?;
        let child = self.child_account.as_deref();
        let key = fields.key(child).map_err(problem)?;
        let name = format!("voximplant {} {}", fields.account, child.unwrap_or_default());
        let identity = Identity { name: name.into(), secret: fields.private_key };
        let tokens = Tokens::start(key, source, life).map_err(|e| problem(Problem::Key(e)))?;
        Ok((tokens, identity))
    }
}

fn read(path: &Path) -> Result<SecretSlice<u8>, Problem> {
    Ok(SecretSlice::from(input::read(path, input::MOST_OF_A_KEY)?))
}

/// The fields of a file.
struct Credential {
    account: String,
    key_id: String,
    private_key: SecretString,
}

impl Credential {
    fn of(bytes: &[u8]) -> Result<Self, Problem> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if bytes.trim_ascii().is_empty() {
            return Err(Problem::Empty);
        }
        let json: Value = serde_json::from_slice(bytes)
            .map_err(|error| Problem::NotJson { line: error.line(), column: error.column() })?;
        let mut object = json.as_object().ok_or(Problem::NotAnObject)?;
        if let Some(result) = object.get("result").and_then(Value::as_object) {
            object = result;
        }
        let account = field(object, "account_id", "a number or a string")?;
        let key_id = field(object, "key_id", "a string")?;
        if !object.get("private_key").is_none_or(|key| key.is_string() || key.is_null()) {
            return Err(Problem::WrongKind("private_key", "a string"));
        }
        let private_key = SecretString::from(field(object, "private_key", "a string")?);
        Ok(Self { account, key_id, private_key })
    }

    fn key(&self, child_account: Option<&str>) -> Result<SigningKey, Problem> {
        let issuer = Issuer::from_text(child_account.unwrap_or(&self.account));
        SigningKey::from_pem(&self.key_id, issuer, &self.private_key).map_err(Problem::Key)
    }
}

fn parse(bytes: &[u8], child_account: Option<&str>) -> Result<SigningKey, Problem> {
    Credential::of(bytes)?.key(child_account)
}

/// The refusal of a key file with these bytes, for fuzzers.
#[doc(hidden)]
pub fn decode_key(bytes: &[u8]) -> Option<String> {
    parse(bytes, None).err().map(|problem| chain(&problem))
}

fn field(
    object: &Map<String, Value>,
    name: &'static str,
    kind: &'static str,
) -> Result<String, Problem> {
    let value = object.get(name).ok_or(Problem::Missing(name))?;
    if Fields(object).get(name).is_none() {
        return Err(Problem::EmptyField(name));
    }
    if value.is_f64() || value.is_i64() && !value.is_u64() {
        return Err(Problem::WrongKind(name, kind));
    }
    Fields(object).text(name).ok_or(Problem::WrongKind(name, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str) -> String {
        parse(json.as_bytes(), None).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_field_and_quote_nothing() {
        for (json, message) in [
            (" \n", "is empty"),
            ("\u{feff}{\r\n\"a\": hush}", "is not JSON (line 2, column 6)"),
            ("[1]", "is not a JSON object"),
            ("{}", "`account_id` is missing"),
            (r#"{"account_id": "", "key_id": "k"}"#, "`account_id` is empty"),
            (r#"{"account_id": 1.5, "key_id": "k"}"#, "`account_id` is not what it should be"),
            (r#"{"account_id": 1}"#, "`key_id` is missing"),
            (r#"{"result": {"account_id": "1", "key_id": null}}"#, "`key_id` is empty"),
            (r#"{"account_id": 1, "key_id": "k"}"#, "`private_key` is missing"),
            (
                r#"{"account_id": 1, "key_id": "k", "private_key": 7}"#,
                "`private_key` is not what it should be: a string",
            ),
            (
                r#"{"account_id": 1, "key_id": "k", "private_key": "hush"}"#,
                "`private_key` cannot be used: it is not an RSA private key in PEM form",
            ),
        ] {
            let refusal = refusal(json);
            assert!(refusal.starts_with(message), "{refusal}");
            assert!(!refusal.contains("hush"), "{refusal}");
        }
    }

    #[test]
    fn a_child_account_is_signed_for_with_its_parents_key() {
        let size = rcgen::RsaKeySize::_2048;
        let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size).unwrap();
        let pem = pair.serialize_pem();
        let json = serde_json::json!({"account_id": "12", "key_id": "k", "private_key": pem});
        let issuer = |child| {
            let key = parse(json.to_string().as_bytes(), child).unwrap();
            key.issuer().clone()
        };
        assert_eq!(issuer(None), Issuer::Number(12));
        assert_eq!(issuer(Some("34")), Issuer::Number(34));
    }

    #[test]
    fn what_is_no_file_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let load = |path: &Path| {
            let error = ServiceAccountFile::new(path.to_owned(), None).load().unwrap_err();
            error.to_string()
        };
        assert!(load(directory.path()).ends_with("is a directory, not a file"));
        let path = directory.path().join("key.json");
        let missing = load(&path);
        assert!(missing.contains("key.json: cannot be read: No such file"), "{missing}");
        std::fs::write(&path, vec![b' '; 1_100_000]).unwrap();
        assert!(load(&path).contains("is larger than 1.0 MiB"));
    }
}
