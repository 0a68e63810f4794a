//! The sandbox over real HTTP: what every other test relies on has to be right itself.

mod access;
mod account;
mod faults;
mod history;
mod media;
mod pages;

use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reelfs::sandbox::{
    Account, Action, Content, Credential, File, Kind, NewRecord, NewSession, Options, Plan, Ranges,
    Rule, Sandbox, Target,
};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

/// A client of a sandbox, with its service account's key.
struct Caller {
    sandbox: Sandbox,
    client: Client,
    key_id: String,
    key: EncodingKey,
}

impl Caller {
    async fn start(options: Options, account: Account) -> Self {
        let sandbox = Sandbox::start_with(options, account).await.unwrap();
        let mut client = Client::builder().redirect(reqwest::redirect::Policy::none());
        if let Some(pem) = sandbox.ca_pem() {
            let authority = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
            client = client.tls_certs_only([authority]);
        }
        let file: Value = serde_json::from_str(&sandbox.credentials_json()).unwrap();
        let key = file["private_key"].as_str().unwrap();
        Self {
            client: client.build().unwrap(),
            key_id: file["key_id"].as_str().unwrap().to_owned(),
            key: EncodingKey::from_rsa_pem(key.as_bytes()).unwrap(),
            sandbox,
        }
    }

    /// A generated account over plain HTTP.
    async fn generated() -> Self {
        Self::start(Options::default(), generate(7)).await
    }

    /// An account with one session: a ramp of `len` bytes, and a log.
    async fn with_ramp(options: Options, len: u64) -> Self {
        let mut account = Account::empty(1);
        account.add(
            NewSession::at(noon())
                .incoming("+15550001111")
                .record(NewRecord::new(Content::ramp(3, len)))
                .log(Content::bytes("2026-11-01 12:00:00.000 Session started\n")),
        );
        Self::start(options, account).await
    }

    fn token(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.key_id.clone());
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }

    fn good_token(&self) -> String {
        let now = Timestamp::now().as_second();
        self.token(&json!({"iss": "4714487", "iat": now - 5, "exp": now + 60}))
    }

    fn get(&self, file: &File) -> RequestBuilder {
        self.client.get(self.sandbox.link(file)).bearer_auth(self.good_token())
    }

    async fn api(&self, method: &str, parameters: &[(&str, &str)]) -> Value {
        let url = format!("{}/platform_api/{method}/", self.sandbox.base_url());
        let request = self.client.post(url).bearer_auth(self.good_token()).form(parameters);
        request.send().await.unwrap().text().await.map(|text| parse(&text)).unwrap()
    }

    fn recording(&self) -> File {
        self.of_kind(Kind::Recording)
    }

    fn of_kind(&self, kind: Kind) -> File {
        self.sandbox.account().files().into_iter().find(|file| file.kind == kind).unwrap().clone()
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn noon() -> Timestamp {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

fn generate(seed: u64) -> Account {
    let now = noon();
    Account::generate(Plan { seed, days: 4, calls_per_day: 12, now, ramps: seed % 2 == 1 })
}

fn header(response: &Response, name: &str) -> Option<String> {
    Some(response.headers().get(name)?.to_str().unwrap().to_owned())
}

const WHOLE_TIME: [(&str, &str); 5] = [
    ("from_date", "2026-01-01 00:00:00"),
    ("to_date", "2026-12-31 23:59:59"),
    ("timezone", "Etc/GMT"),
    ("with_calls", "true"),
    ("with_records", "True"),
];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    WHOLE_TIME.iter().chain(more).copied().collect()
}
