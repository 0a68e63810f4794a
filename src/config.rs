//! The settings of a command, validated: what the rooms below are built from.
//!
//! It knows the forms in which people write sizes, durations and days, and nothing of how anything
//! works.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use jiff::civil::Date;
use jiff::{SignedDuration, Span};
use url::Url;

use crate::http::TrustedHost;

/// Bytes of blocks in memory when nothing else is said: 256 MiB.
pub const DEFAULT_MEMORY: ByteSize = ByteSize::mib(256);
/// Deadline of an operation when nothing else is said.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
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
    /// `reelfs unmount`
    Unmount {
        /// Where.
        mountpoint: PathBuf,
        /// Also while it is in use.
        lazy: bool,
    },
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
    /// The most requests a day; none: what the vendor's plans have, where that is known.
    pub daily_requests: Option<u64>,
    /// The file that says who read what.
    pub audit: Option<PathBuf>,
    /// How long a token lives.
    pub token_life: Duration,
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
            allow_other: false,
            uid: None,
            gid: None,
            foreground: false,
            log_file: None,
            daily_requests: None,
            audit: None,
            token_life: DEFAULT_TOKEN_LIFE,
        }
    }
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

/// Reads `2026-08-21`, `3months`, `90d`, `2 weeks`, `1y`.
pub fn since(text: &str) -> Result<Since, String> {
    if let Ok(date) = text.parse() {
        return Ok(Since::Day(date));
    }
    match text.parse::<Span>() {
        Ok(span) if span.is_positive() && span.get_years() <= 100 => Ok(Since::Ago(span)),
        _ => Err("expected a day such as 2026-08-21, or a span such as 3months, 90d, 1y".into()),
    }
}

/// Reads `generated` or `bench`.
pub fn stand_in(text: &str) -> Result<StandIn, String> {
    match text {
        "generated" => Ok(StandIn::Generated),
        "bench" => Ok(StandIn::Bench),
        _ => Err("expected generated or bench".into()),
    }
}

/// Reads a day.
pub fn day(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "expected a day such as 2026-08-21".into())
}

/// Reads `10s`, `500ms`, `2min`, or a number of seconds; more than nothing.
pub fn duration(text: &str) -> Result<Duration, String> {
    match duration_or_none(text) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("expected a duration such as 10s, 500ms or 60 (seconds)".into()),
    }
}

/// Reads a duration that may be 0.
pub fn duration_or_none(text: &str) -> Result<Duration, String> {
    let seconds = || text.parse().ok().and_then(|n| Duration::try_from_secs_f64(n).ok());
    let friendly = || Duration::try_from(text.parse::<SignedDuration>().ok()?).ok();
    let expected = "expected a duration such as 50ms, 10s or 60 (seconds)";
    seconds().or_else(friendly).ok_or_else(|| expected.into())
}

/// Reads `256MiB`, `20MB`, `1G`, or a number of bytes; at least 1.
pub fn size(text: &str) -> Result<u64, String> {
    match text.parse::<ByteSize>() {
        Ok(size) if size.as_u64() > 0 => Ok(size.as_u64()),
        _ => Err("expected a size such as 256MiB, 20MB or 1048576 (bytes)".into()),
    }
}

/// Reads a size for the cache in memory: at least 16 MiB, so that a few reads fit side by side.
pub fn memory(text: &str) -> Result<ByteSize, String> {
    match size(text)? {
        bytes if bytes >= ByteSize::mib(16).as_u64() => Ok(ByteSize::b(bytes)),
        _ => Err("expected at least 16MiB".into()),
    }
}

/// Reads the base address of an API.
pub fn api_url(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err("expected an address such as https://api.example.com".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn days_are_given_as_such_or_as_spans() {
        let today = date(2026, 11, 22);
        assert_eq!(since("2026-08-01").unwrap().day(today), date(2026, 8, 1));
        assert_eq!(since("3months").unwrap().day(today), date(2026, 8, 22));
        assert_eq!(since("90d").unwrap().day(today), date(2026, 8, 24));
        assert_eq!(since("1y").unwrap().day(today), date(2025, 11, 22));
        for wrong in ["", "yesterday", "-3months", "0d", "2026-13-01"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_and_sizes_are_read_as_people_write_them() {
        assert_eq!(duration("10s").unwrap(), Duration::from_secs(10));
        assert_eq!(duration("60").unwrap(), Duration::from_secs(60));
        assert_eq!(duration("50ms").unwrap(), Duration::from_millis(50));
        assert_eq!(size("256MiB").unwrap(), 256 << 20);
        assert_eq!(size("20MB").unwrap(), 20_000_000);
        for wrong in ["", "0", "-1s", "soon", "1e400", "NaN"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(size("0").is_err() && size("much").is_err());
    }
}
