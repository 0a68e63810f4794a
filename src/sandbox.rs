//! A stand-in for Voximplant and WhatConverts: their APIs and their links over HTTP or HTTPS, for
//! `reelfs sandbox`, `reelfs demo`, the tests and the benchmarks.
//!
//! It is a server and knows nothing of reelfs, so that what holds against it was not bent to fit.
//! Tokens are really verified, ranges really resolved. Beyond the vendor it has faults on demand
//! ([`Faults`]), a log of all requests ([`Sandbox::requests`]) and the ground truth of what it serves
//! ([`Account::files`]). It is not safe for real data: it listens for whoever connects.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

mod account;
mod api;
mod bench;
mod content;
mod crowd;
mod faults;
mod generate;
mod history;
mod listener;
mod listing;
mod log;
mod media;
mod options;
mod pages;
mod range;
mod reply;
mod server;
mod session;
mod text;
mod tls;
mod token;
pub mod whatconverts;

pub use account::{Account, Application, File, Kind};
pub use content::{Content, Media};
pub use faults::{Action, Faults, Rule, Target};
pub use generate::Plan;
pub use log::LoggedRequest;
pub use options::{Options, Ranges};
pub use session::{Leg, NewRecord, NewSession, Record, Session, Transcript};
pub use text::{KEYWORD_ERROR, KEYWORD_SESSION};
pub use token::Credential;

use crowd::Crowd;
use listener::{Door, Peer};
use server::Server;
use tls::Tls;
use token::Access;
use whatconverts::{Agency, Desk};

/// Why the sandbox can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address can't be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A key or a certificate can't be made.
    #[error("cannot make a key or certificate")]
    Certificate(#[from] rcgen::Error),
    /// TLS can't be set up.
    #[error("cannot set up TLS")]
    Tls(#[from] tokio_rustls::rustls::Error),
    /// The credentials can't be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A running sandbox. It ends, with all its connections, when it is dropped.
pub struct Sandbox {
    server: Arc<Server>,
    desk: Arc<Desk>,
    address: SocketAddr,
    ca_pem: Option<String>,
    online: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Sandbox {
    /// Starts with an account generated as the options say.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let plan = Plan {
            seed: options.seed,
            days: options.days,
            calls_per_day: options.calls_per_day,
            now: Timestamp::now(),
            ramps: options.ramps,
        };
        Self::start_both(options, Account::generate(plan), Agency::generate(plan)).await
    }

    /// Starts with this account, and without leads.
    pub async fn start_with(options: Options, account: Account) -> Result<Self, Error> {
        let agency = Agency::empty(options.seed);
        Self::start_both(options, account, agency).await
    }

    /// Starts with this account and this agency.
    pub async fn start_both(
        options: Options,
        account: Account,
        agency: Agency,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let tls = if options.tls { Some(Tls::generate()?) } else { None };
        let (acceptor, ca_pem) = tls.map(|tls| (tls.acceptor, tls.ca_pem)).unzip();
        let (online, watched) = watch::channel(true);
        let door = Door::open(listener, acceptor, watched).map_err(failed)?;

        let scheme = if options.tls { "https" } else { "http" };
        let server = Arc::new(Server {
            base_url: format!("{scheme}://{address}"),
            account: RwLock::new(Arc::new(account)),
            access: Access::new(options.token_life, options.refuse_account)?,
            faults: Faults::default(),
            log: log::Log::default(),
            crowd: options.crowd.then(|| Crowd::before(Timestamp::now())),
            options,
        });
        let desk = Desk::new(server.clone(), agency);
        let router = server::router(server.clone()).merge(whatconverts::router(desk.clone()));
        let service = router.into_make_service_with_connect_info::<Peer>();
        let task = tokio::spawn(async move {
            // It ends only by being aborted.
            let _ = axum::serve(door, service).await;
        });
        let sandbox = Self { server, desk, address, ca_pem, online, task };
        sandbox.write_credentials()?;
        Ok(sandbox)
    }

    /// Scheme, host and port, without a slash at the end: what `--api-url` takes.
    pub fn base_url(&self) -> &str {
        &self.server.base_url
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of the authority that has signed the server's, with TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The service account's file. Secret.
    pub fn credentials_json(&self) -> String {
        self.server.access.service_account(&self.account())
    }

    /// The API key. Secret.
    pub fn api_key(&self) -> &str {
        self.server.access.api_key()
    }

    /// Puts a new key in the place of the service account's, whose tokens are refused from now on,
    /// and writes the credentials again where the options say so.
    pub fn rotate_key(&self) -> Result<(), Error> {
        self.server.access.rotate()?;
        self.write_credentials()
    }

    /// Takes all tokens that came so far for expired from now on, whatever they say themselves.
    pub fn expire_tokens(&self) {
        self.server.access.expire();
    }

    /// The account as it is now. Later changes do not show in it.
    pub fn account(&self) -> Arc<Account> {
        self.server.account()
    }

    /// Changes the account while requests go on: each request sees it before or after the change.
    pub fn change<T>(&self, change: impl FnOnce(&mut Account) -> T) -> T {
        let mut account = self.server.account.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut account))
    }

    /// WhatConverts' side as it is now. Later changes do not show in it.
    pub fn agency(&self) -> Arc<Agency> {
        self.desk.agency()
    }

    /// Changes WhatConverts' side while requests go on.
    pub fn change_agency<T>(&self, change: impl FnOnce(&mut Agency) -> T) -> T {
        self.desk.change(change)
    }

    /// The link of a file, as listings give it to those who came by [`Sandbox::base_url`]. Secret.
    pub fn link(&self, file: &File) -> String {
        let base = self.server.options.link_base.as_deref().unwrap_or(self.base_url());
        format!("{base}{}", file.target)
    }

    /// The requests so far, oldest first: the last 100,000.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.server.log.snapshot()
    }

    /// Forgets the requests.
    pub fn clear_requests(&self) {
        self.server.log.clear();
    }

    /// The rules by which requests go wrong.
    pub fn faults(&self) -> &Faults {
        &self.server.faults
    }

    /// Takes the server off the net, so that connections are reset, those that are open too, or
    /// back on it.
    pub fn set_online(&self, online: bool) {
        self.online.send_replace(online);
    }

    fn write_credentials(&self) -> Result<(), Error> {
        let Some(directory) = &self.server.options.write_credentials else {
            return Ok(());
        };
        fs::create_dir_all(directory)
            .map_err(|source| Error::Write { path: directory.clone(), source })?;
        write_private(&directory.join("voximplant.json"), &self.credentials_json())?;
        let keys = self.desk.keys();
        write_private(&directory.join("whatconverts.json"), &keys.profile_json())?;
        write_private(&directory.join("whatconverts-master.json"), &keys.master_json())?;
        match &self.ca_pem {
            Some(pem) => write_private(&directory.join("ca.pem"), pem),
            None => Ok(()),
        }
    }
}

/// Writes a file that only its owner can read, in one step, so that a reader sees the old or the new.
fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    let part = path.with_extension("part");
    let write = || {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&part, path)
    };
    write().map_err(|source| Error::Write { path: path.to_owned(), source })
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("base_url", &self.base_url()).finish_non_exhaustive()
    }
}
