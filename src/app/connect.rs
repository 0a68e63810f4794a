//! The way to an account: its key, its client, its provider, and why there may be none.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use url::Url;

use super::problem::Problem;
use super::{list, voximplant, whatconverts};
use crate::config::{Account, MountOptions, environment};
use crate::http::{Client, Credentials, HostPolicy, HttpSource, Quota, Settings};
use crate::input;
use crate::source::{Offline, Provider, RangeSource, Scope};
use crate::store::{self, Store};
use crate::types::{Area, Cause, Failure};

/// The largest file of certificates, in bytes: those of all authorities are a quarter of a MiB.
const MOST_OF_CERTIFICATES: u64 = 16 << 20;

/// An account that was seen to answer.
pub(super) struct Connection {
    /// Its files' bytes.
    pub(super) media: Arc<dyn RangeSource>,
    /// Its calls.
    pub(super) contents: Contents,
    /// What asks for both; it counts.
    pub(super) client: Client,
    /// The name that the mount table shows.
    pub(super) source: String,
    /// What the user should know.
    pub(super) warnings: Vec<String>,
    /// What is kept of it on disk.
    pub(super) kept: Option<store::Account>,
    /// For how long the vendor keeps the files of an area, where that is known.
    pub(super) retention: Retention,
}

/// Areas, each with a span of time.
pub(super) type Retention = &'static [(Area, &'static str)];

/// One listing of calls, or one for each profile of an agency.
pub(super) enum Contents {
    One(Arc<dyn Provider>),
    Scopes(Vec<Scope>),
}

/// Connects to an account, and sees that it answers.
pub(super) async fn connect(
    account: &Account,
    options: &MountOptions,
    store: Option<&Store>,
) -> Result<Connection, Problem> {
    let connection = match account {
        Account::Voximplant { key, child_account } => {
            voximplant::connect(key, child_account.as_deref(), options, store).await
        }
        Account::List { from, auth } => list::connect(from, auth, options, store),
        Account::WhatConverts { key_file, media } => {
            whatconverts::connect(key_file.as_deref(), *media, options, store).await
        }
    }?;
    Ok(if options.cache.offline { connection.offline() } else { connection })
}

impl Connection {
    /// The same account, of which nothing is asked. A list is at hand and stays.
    fn offline(self) -> Self {
        let away = |provider: Arc<dyn Provider>| match provider.span() {
            Some(_) => provider,
            None => Arc::new(Offline),
        };
        let contents = match self.contents {
            Contents::One(provider) => Contents::One(away(provider)),
            Contents::Scopes(scopes) => {
                let scopes = scopes.into_iter();
                let away = |scope: Scope| Scope { provider: away(scope.provider), ..scope };
                Contents::Scopes(scopes.map(away).collect())
            }
        };
        Self { media: Arc::new(Offline), contents, ..self }
    }
}

/// Whether a mount can go on with what is kept although its vendor did not answer; says so.
pub(super) fn goes_on(
    kept: Option<&store::Account>,
    base: &Url,
    failure: &Failure,
) -> Option<String> {
    // A gateway's page, or a connection that breaks, is no answer either.
    let is_away = failure.cause != Cause::Denied;
    let knows = kept.is_some_and(store::Account::has_days);
    let host = base.host_str().unwrap_or_default();
    (is_away && knows).then(|| {
        format!("the API at {host} does not answer ({failure}): what is known and cached is shown")
    })
}

/// The kind of note that names a host that refuses ranges.
const REFUSES_RANGES: &str = "refuses-ranges";

/// The bytes behind a client. What hosts prove unable to do is kept.
pub(super) fn media(client: Client, kept: Option<&store::Account>) -> HttpSource {
    let source = HttpSource::new(client);
    let Some(kept) = kept.cloned() else { return source };
    let known = kept.notes(REFUSES_RANGES);
    source.remembering(known, move |host| kept.keep_note(REFUSES_RANGES, host))
}

/// Why an API is not even asked.
pub(super) fn untrusted(base: &Url) -> Problem {
    let host = base.host_str().unwrap_or_default();
    let (why, fix) = if base.scheme() == "http" {
        ("plain http", "give an https address; plain http is for this machine alone (127.0.0.1)")
    } else {
        ("a user name in the address", "give the address without it")
    };
    let message = format!("--api-url: no credentials go to {host} with {why}");
    Problem { message, hint: None }.hint(fix)
}

/// The words of a vendor for an account that cannot be mounted.
pub(super) struct Words {
    /// The vendor's name.
    pub(super) vendor: &'static str,
    /// What to do where its key is refused.
    pub(super) refused: &'static str,
}

/// Why an account that was asked once, with `key`, cannot be mounted.
pub(super) fn refused(words: &Words, key: &str, base: &Url, failure: Failure) -> Problem {
    let host = base.host_str().unwrap_or_default();
    let said = failure.to_string();
    let (untrusted, no_tls) = (said.contains("certificate"), said.contains("speaks no TLS"));
    match failure.cause {
        Cause::Denied => Problem::new(key, failure).hint(words.refused),
        Cause::Unreachable if untrusted => {
            Problem::new(&format!("the API at {host} cannot be trusted"), failure)
                .hint("trust the authority that signed its certificate with --ca-cert FILE")
        }
        Cause::Unreachable if no_tls => {
            Problem::new(&format!("the API at {host}"), failure).hint(format!(
                "check the port in --api-url {base}: another server answers there, or it is http://"
            ))
        }
        Cause::Unreachable | Cause::TimedOut => {
            Problem::new(&format!("the API at {host} does not answer"), failure)
                .hint("check the network, or give another address with --api-url")
        }
        Cause::BadAnswer => Problem::new(&format!("the API at {host}"), failure).hint(format!(
            "check that this is the address of {}'s API (--api-url gives another)",
            words.vendor
        )),
        _ => Problem::new(&format!("the API at {host}"), failure),
    }
}

/// Bounds the requests a day that are made with a key.
pub(super) fn limit(client: &Client, daily: Option<u64>, key: &SecretString) {
    let Some(daily) = daily else { return };
    client.limit(Quota { daily, ledger: ledger(key) });
}

/// Counts the requests of a command that is no mount where mounts with the same key have a budget: it
/// is refused none, and they have so many less.
pub(super) fn count(client: &Client, key: &SecretString) {
    if let Some(ledger) = ledger(key).filter(|ledger| ledger.exists()) {
        client.limit(Quota { daily: u64::MAX, ledger: Some(ledger) });
    }
}

fn ledger(key: &SecretString) -> Option<PathBuf> {
    environment::state().map(|directory| Quota::ledger_for(key, &directory))
}

/// A client that keeps to what the options say.
pub(super) fn client(
    mut policy: HostPolicy,
    credentials: Option<Credentials>,
    options: &MountOptions,
) -> Result<Client, Problem> {
    for host in &options.trusted_hosts {
        policy = policy.trust(host.clone());
    }
    let read = |path: &PathBuf| {
        let read = input::read(path, MOST_OF_CERTIFICATES);
        read.map_err(|error| Problem::file(path, error).hint("give --ca-cert a file in PEM form"))
    };
    let ca_certs = options.ca_certs.iter().map(read).collect::<Result<_, _>>()?;
    Client::new(Settings {
        connections: options.connections.into(),
        // A little less than who waits has, so that he is told what went wrong and not only that
        // his time ran out.
        timeout: options.timeout / 10 * 9,
        policy,
        credentials,
        ca_certs,
        user_agent: concat!("reelfs/", env!("CARGO_PKG_VERSION")).to_owned(),
    })
    .map_err(|error| {
        let files: Vec<_> =
            options.ca_certs.iter().map(|path| path.display().to_string()).collect();
        if files.is_empty() { Problem::of(&error) } else { Problem::new(&files.join(", "), error) }
    })
}
