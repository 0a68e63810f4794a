//! The settings of a command, validated: what the rooms below are built from.
//!
//! It knows the forms in which people write sizes, durations and days (`forms`), and nothing of how
//! anything works.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use jiff::Span;
use jiff::civil::Date;
use url::Url;

use crate::http::TrustedHost;

pub use cache::{CacheOptions, CacheTask, DEFAULT_CACHE_SIZE, Expiring, Warm};
pub use find::{Find, FindFormat, Place};
pub use forms::{
    api_url, day, duration, duration_or_none, memory, poll, since, size, size_or_none, span,
    stand_in,
};
pub use profiles::{CheckedFile, CheckedProfile, Doctor, Init, MountAll, Patient, WhichMount};

mod cache;
pub mod environment;
pub mod file;
mod find;
mod forms;
mod profiles;
pub mod secret;

/// Bytes of blocks in memory when nothing else is said: 256 MiB.
pub const DEFAULT_MEMORY: ByteSize = ByteSize::mib(256);
/// Deadline of an operation when nothing else is said.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a mount asks for news when nothing else is said.
pub const DEFAULT_POLL: Duration = Duration::from_secs(60);
/// Life of a token when nothing else is said: the longest that Voximplant takes.
pub const DEFAULT_TOKEN_LIFE: Duration = Duration::from_secs(60 * 60);
/// Connections of a mount when nothing else is said.
pub const DEFAULT_CONNECTIONS: u16 = 16;
/// How far back a mount goes when nothing else is said: Voximplant keeps recordings that long.
pub const DEFAULT_SINCE: &str = "3months";

/// A command with its settings.
#[derive(Debug)]
pub enum Command {
    /// `reelfs mount`
    Mount(Box<Mount>),
    /// `reelfs mount --all`
    MountAll(MountAll),
    /// `reelfs unmount`
    Unmount {
        /// What; with `all` a directory.
        which: WhichMount,
        /// Also while it is in use.
        lazy: bool,
        /// All mounts in that directory.
        all: bool,
    },
    /// `reelfs alive`: whether a mount answers.
    Alive {
        /// Where it is.
        mountpoint: PathBuf,
    },
    /// `reelfs status`
    Status(StatusOptions),
    /// `reelfs refresh`
    Refresh {
        /// What to ask again for, or a path in it; none: every mount.
        which: Option<WhichMount>,
    },
    /// `reelfs generate`
    Generate {
        /// Where to write.
        directory: PathBuf,
        /// Paths below it, and what they hold.
        files: Vec<(PathBuf, Vec<u8>)>,
    },
    /// `reelfs doctor`
    Doctor(Doctor),
    /// `reelfs init`
    Init(Init),
    /// `reelfs config check`
    CheckConfig(Vec<CheckedFile>),
    /// `reelfs demo`
    Demo {
        /// Where; none: a directory of its own.
        mountpoint: Option<PathBuf>,
    },
    /// `reelfs apps`
    Apps(Box<Apps>),
    /// `reelfs auth-header`
    AuthHeader {
        /// The service account's credentials file.
        credentials: PathBuf,
    },
    /// `reelfs get`
    Get(Box<Get>),
    /// `reelfs sandbox`
    Sandbox(Sandbox),
    /// `reelfs warm`
    Warm(Warm),
    /// `reelfs cache`
    Cache(CacheTask, CacheOptions),
    /// `reelfs find`
    Find(Box<Find>),
    /// `reelfs expiring`
    Expiring(Expiring),
}

/// What to show or to change of an account's applications.
#[derive(Clone, Debug)]
pub struct Apps {
    /// What opens the account.
    pub key: VoximplantKey,
    /// Whether an application's files shall be secure, and its name or number.
    pub set: Option<(bool, String)>,
    /// Whether to change it without a question.
    pub yes: bool,
    /// How to ask.
    pub options: MountOptions,
}

/// What to download.
#[derive(Clone, Debug)]
pub struct Get {
    /// The links. Secret.
    pub links: Vec<String>,
    /// A file, or a directory; none: the current directory.
    pub output: Option<PathBuf>,
    /// What opens them.
    pub auth: Auth,
    /// How to ask.
    pub options: MountOptions,
}

/// What to mount, where and how.
#[derive(Clone, Debug)]
pub struct Mount {
    /// The profile that it is of.
    pub profile: Option<String>,
    /// Where.
    pub mountpoint: PathBuf,
    /// What.
    pub account: Account,
    /// How.
    pub options: MountOptions,
}

/// How recordings of WhatConverts are fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhatConvertsMedia {
    /// By lead, with token and secret.
    #[default]
    Basic,
    /// By the recording's link, with the token.
    Token,
}

/// Whose files.
#[derive(Clone, Debug)]
pub enum Account {
    /// A Voximplant account.
    Voximplant {
        /// What opens it.
        key: VoximplantKey,
        /// A child account to act for.
        child_account: Option<String>,
    },
    /// What a key of WhatConverts opens.
    WhatConverts {
        /// The key's file; none: token and secret come from the environment.
        key_file: Option<PathBuf>,
        /// How recordings are fetched.
        media: WhatConvertsMedia,
    },
    /// A list of links.
    List {
        /// The file.
        from: PathBuf,
        /// What opens the links.
        auth: Auth,
    },
}

/// What opens a Voximplant account.
#[derive(Clone, Debug)]
pub enum VoximplantKey {
    /// The service account's credentials file.
    ServiceAccount(PathBuf),
    /// An API key, which the vendor deprecates.
    ApiKey {
        /// Name and value of the field that says whose it is: `account_id`, `account_email` or
        /// `account_name`.
        account: (&'static str, String),
        /// The key's file; none: from the environment.
        file: Option<PathBuf>,
    },
}

/// What opens links.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Nothing is needed.
    None,
    /// A Voximplant account.
    Voximplant(VoximplantKey),
    /// The token of a WhatConverts key, in the query. The file, or from the environment.
    WhatConvertsToken(Option<PathBuf>),
    /// Token and secret of a WhatConverts key.
    WhatConvertsBasic(Option<PathBuf>),
}

impl VoximplantKey {
    fn file_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            VoximplantKey::ServiceAccount(path) => Some(path),
            VoximplantKey::ApiKey { file, .. } => file.as_mut(),
        }
    }
}

impl Auth {
    fn file_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Auth::None => None,
            Auth::Voximplant(key) => key.file_mut(),
            Auth::WhatConvertsToken(file) | Auth::WhatConvertsBasic(file) => file.as_mut(),
        }
    }
}

impl Account {
    /// The files that hold its secrets.
    pub fn secrets_mut(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Account::Voximplant { key, .. } => key.file_mut().into_iter().collect(),
            Account::List { auth, .. } => auth.file_mut().into_iter().collect(),
            Account::WhatConverts { key_file, .. } => key_file.iter_mut().collect(),
        }
    }

    /// The files that it names.
    pub fn files_mut(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Account::Voximplant { key, .. } => key.file_mut().into_iter().collect(),
            Account::List { from, auth } => auth.file_mut().into_iter().chain([from]).collect(),
            Account::WhatConverts { key_file, .. } => key_file.iter_mut().collect(),
        }
    }
}

/// The options that every kind of account takes.
#[derive(Clone, Debug)]
pub struct MountOptions {
    /// First day shown.
    pub since: Since,
    /// Last day shown; none: the current day, as it moves.
    pub until: Option<Date>,
    /// Bytes of blocks held in memory.
    pub memory: u64,
    /// Deadline of every operation.
    pub timeout: Duration,
    /// Connections for the whole mount.
    pub connections: u16,
    /// Another base address of the vendor's API.
    pub api_url: Option<Url>,
    /// Hosts that may get the credentials beside the vendor's own.
    pub trusted_hosts: Vec<TrustedHost>,
    /// Certificates that are trusted beside the system's.
    pub ca_certs: Vec<PathBuf>,
    /// How often to ask again for days that somebody looks at; zero: never.
    pub poll: Duration,
    /// Whether other users may read.
    pub allow_other: bool,
    /// Owner of the files; none: who mounts.
    pub uid: Option<u32>,
    /// Group of the files; none: who mounts.
    pub gid: Option<u32>,
    /// Whether to stay in the foreground.
    pub foreground: bool,
    /// Where a mount in the background logs to.
    pub log_file: Option<PathBuf>,
    /// How it logs.
    pub log_format: LogFormat,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// The most requests a day; none: what the vendor's plans have, where that is known.
    pub daily_requests: Option<u64>,
    /// The file that says who read what.
    pub audit: Option<PathBuf>,
    /// How long a token lives.
    pub token_life: Duration,
    /// The cache on disk.
    pub cache: CacheOptions,
}

impl Default for MountOptions {
    fn default() -> Self {
        Self {
            since: Since::Ago(Span::new().months(3)),
            until: None,
            memory: DEFAULT_MEMORY.as_u64(),
            timeout: DEFAULT_TIMEOUT,
            connections: DEFAULT_CONNECTIONS,
            api_url: None,
            trusted_hosts: Vec::new(),
            ca_certs: Vec::new(),
            poll: DEFAULT_POLL,
            allow_other: false,
            uid: None,
            gid: None,
            foreground: false,
            log_file: None,
            log_format: LogFormat::Text,
            metrics: None,
            daily_requests: None,
            audit: None,
            token_life: DEFAULT_TOKEN_LIFE,
            cache: CacheOptions::default(),
        }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// What `reelfs status` shows, and how.
#[derive(Clone, Debug)]
pub struct StatusOptions {
    /// Of which mount; none: each.
    pub which: Option<WhichMount>,
    /// As JSON.
    pub json: bool,
    /// Again and again.
    pub watch: bool,
}

/// The stand-in server alone.
#[derive(Clone, Debug)]
pub struct Sandbox {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Directory for the credentials that open it.
    pub write_credentials: Option<PathBuf>,
    /// Whether it speaks https.
    pub tls: bool,
    /// Seed of the account.
    pub seed: u64,
    /// Days of calls.
    pub days: u32,
    /// Calls on each of them.
    pub calls_per_day: u32,
    /// What it has, if not those.
    pub stand_in: StandIn,
    /// Whether it shows its files on plain pages, to everybody.
    pub pages: bool,
    /// Wait before the first byte of each answer.
    pub latency: Duration,
    /// Bytes a second of each connection.
    pub rate: Option<u64>,
    /// How long it accepts a token that it has seen.
    pub token_life: Option<Duration>,
}

/// What a stand-in server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandIn {
    /// Calls made up by seed, days and calls a day.
    Generated,
    /// What `scripts/bench` measures on.
    Bench,
    /// The same, with so many calls before that it keeps 1,000,000 objects.
    Million,
}

/// The first day of a mount.
#[derive(Clone, Copy, Debug)]
pub enum Since {
    /// That day.
    Day(Date),
    /// That long before the current day.
    Ago(Span),
}

impl Since {
    /// The first day, as of `today`.
    pub fn day(self, today: Date) -> Date {
        match self {
            Since::Day(date) => date,
            Since::Ago(span) => today.saturating_sub(span),
        }
    }
}
