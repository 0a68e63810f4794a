//! The service account's file, as the vendor's `CreateKey` gives it out.
//!
//! Errors name the field and never quote the file: it holds the private key.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::http::jwt::{Issuer, KeyError, KeySource, SigningKey, Tokens};
use crate::provider::fields::Fields;
use crate::source::Identity;
use crate::types::chain;

/// The largest file that is read: one is about 2 KiB.
const MOST_BYTES: u64 = 1 << 20;

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
    /// It is not there, or may not be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// It is a directory.
    #[error("is a directory, not a credentials file")]
    Directory,
    /// It is larger than 1 MiB.
    #[error("is larger than 1 MiB, so it is no credentials file")]
    TooLarge,
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

    /// Which account it opens. Blocks on the disk.
    pub fn identity(&self) -> Result<Identity, CredentialsError> {
        let problem = |problem| CredentialsError { path: self.path.clone(), problem };
        let bytes = read(&self.path).map_err(problem)?;
        let fields = Credential::of(bytes.expose_secret()).map_err(problem)?;
        let child = self.child_account.as_deref().unwrap_or_default();
        let name = SecretString::from(format!("voximplant {} {child}", fields.account));
        Ok(Identity { name, secret: fields.private_key })
    }

    /// Reads the file and starts to mint tokens with its key, each good for `life`. Later changes
    /// of the file are taken up. Must be called within a tokio runtime.
    pub fn tokens(&self, life: Duration) -> Result<Tokens, CredentialsError> {
        let again = self.clone();
        // Before the file is read, so that no change after that goes unseen.
        let source = KeySource::new(self.path.clone(), move || Ok(again.load()?));
        let key = self.load()?;
        Tokens::start(key, source, life).map_err(|error| CredentialsError {
            path: self.path.clone(),
            problem: Problem::Key(error),
        })
    }
}

fn read(path: &Path) -> Result<SecretSlice<u8>, Problem> {
    let file = File::open(path).map_err(Problem::Unreadable)?;
    if file.metadata().map_err(Problem::Unreadable)?.is_dir() {
        return Err(Problem::Directory);
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(Problem::Unreadable)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Problem::TooLarge);
    }
    Ok(SecretSlice::from(bytes))
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
}

fn parse(bytes: &[u8], child_account: Option<&str>) -> Result<SigningKey, Problem> {
    let Credential { account, key_id, private_key } = Credential::of(bytes)?;
    let issuer = Issuer::from_text(child_account.unwrap_or(&account));
    SigningKey::from_pem(&key_id, issuer, &private_key).map_err(Problem::Key)
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
        assert!(load(directory.path()).ends_with("is a directory, not a credentials file"));
        let path = directory.path().join("key.json");
        let missing = load(&path);
        assert!(missing.contains("key.json: cannot be read: No such file"), "{missing}");
        std::fs::write(&path, vec![b' '; 1_100_000]).unwrap();
        assert!(load(&path).contains("larger than 1 MiB"));
    }
}
