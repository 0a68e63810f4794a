//! What the sandbox can be told: where it listens, what it has, how well it behaves.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::account::Kind;
use super::whatconverts::Behaviour;

/// How the sandbox is to be.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches that have nothing to do with each other"
)]
pub struct Options {
    /// Where it listens. Port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Whether it speaks HTTPS, with a certificate of an authority of its own.
    pub tls: bool,
    /// Decides the account that [`Sandbox::start`](super::Sandbox::start) generates.
    pub seed: u64,
    /// How many days that account has, up to today.
    pub days: u32,
    /// How many calls a day it has, about.
    pub calls_per_day: u32,
    /// Whether its recordings are ramps rather than speech: see [`Plan::ramps`](super::Plan::ramps).
    pub ramps: bool,
    /// Whether it also has the calls of a busy quarter, so many that an account of the benchmark keeps
    /// 1,000,000 objects. They are listed and served, and no page shows them.
    pub crowd: bool,
    /// How long each answer is held back.
    pub latency: Duration,
    /// The most bytes a second of each body.
    pub rate: Option<u64>,
    /// Whether the files are on plain pages under `/files/`, too, open to everybody.
    pub pages: bool,
    /// The directory that gets `voximplant.json` and, with TLS, `ca.pem`.
    pub write_credentials: Option<PathBuf>,
    /// How long after it was first seen a token counts as expired, whatever it says itself.
    pub token_life: Option<Duration>,
    /// Which files honour `Range`.
    pub ranges: Ranges,
    /// Whether a whole file comes with its `Content-Length`; otherwise it is chunked.
    pub send_length: bool,
    /// Whether files have an `ETag`.
    pub send_etag: bool,
    /// Whether files have a `Last-Modified`.
    pub send_last_modified: bool,
    /// Whether files answer to HEAD; otherwise 405.
    pub head: bool,
    /// Whether the key has a role that may see the history and the logs.
    pub log_roles: bool,
    /// Whether all credentials are refused, as those of a blocked account.
    pub refuse_account: bool,
    /// The longest window that the history answers, in days; a longer one gives code 569.
    pub max_window_days: Option<u32>,
    /// How many hours the account's own zone, which counts where a request names none, is ahead of
    /// UTC: -12 to 14.
    pub default_zone_hours: i8,
    /// Scheme, host and port of the links in listings; those of the request where absent.
    pub link_base: Option<String>,
    /// How the other vendor behaves.
    pub whatconverts: Behaviour,
}

impl Default for Options {
    /// Plain HTTP on any free port of the loopback, 30 days of 40 calls, and nothing in the way.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: false,
            seed: 1,
            days: 30,
            calls_per_day: 40,
            ramps: false,
            crowd: false,
            latency: Duration::ZERO,
            rate: None,
            pages: false,
            write_credentials: None,
            token_life: None,
            ranges: Ranges::default(),
            send_length: true,
            send_etag: true,
            send_last_modified: true,
            head: true,
            log_roles: true,
            refuse_account: false,
            max_window_days: None,
            default_zone_hours: 0,
            link_base: None,
            whatconverts: Behaviour::default(),
        }
    }
}

/// Which files honour `Range`. By default all do; the vendor promises it for recordings only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// Recordings.
    pub recordings: bool,
    /// Logs.
    pub logs: bool,
    /// Transcripts.
    pub transcripts: bool,
}

impl Default for Ranges {
    fn default() -> Self {
        Self { recordings: true, logs: true, transcripts: true }
    }
}

impl Ranges {
    /// None do.
    pub const NONE: Self = Self { recordings: false, logs: false, transcripts: false };

    pub(super) fn honours(self, kind: Kind) -> bool {
        match kind {
            Kind::Recording => self.recordings,
            Kind::Log => self.logs,
            Kind::Transcript => self.transcripts,
        }
    }
}
