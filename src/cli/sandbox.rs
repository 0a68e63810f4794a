//! `reelfs sandbox` as it is typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::{self, Sandbox, StandIn};

#[derive(Debug, Args)]
pub(super) struct TypedSandbox {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
    /// Leave voximplant.json, whatconverts.json, whatconverts-master.json and, with --tls, ca.pem
    /// in this directory
    #[arg(long, value_name = "DIR")]
    write_credentials: Option<PathBuf>,
    /// Speak https, with a certificate made at the start
    #[arg(long)]
    tls: bool,
    /// Seed of the account: the same seed gives the same calls
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Days of calls up to today
    #[arg(long, value_name = "NUMBER", default_value_t = 7)]
    days: u32,
    /// Calls on each day
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    calls_per_day: u32,
    /// What it has: generated, as the options above say; bench, what scripts/bench measures on; or
    /// million, the same with 1,000,000 objects
    #[arg(long, value_name = "NAME", default_value = "generated",
          value_parser = config::stand_in)]
    account: StandIn,
    /// Show the files on plain HTML pages under /files/, too, without authorization
    #[arg(long)]
    pages: bool,
    /// Wait before the first byte of each answer
    #[arg(long, value_name = "DURATION", default_value = "0s",
          value_parser = config::duration_or_none)]
    latency: Duration,
    /// Bytes a second of each connection [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = config::size)]
    rate: Option<u64>,
    /// Take a token for expired this long after it was first seen
    #[arg(long, value_name = "DURATION", value_parser = config::duration)]
    token_life: Option<Duration>,
}

impl TypedSandbox {
    pub(super) fn settings(self) -> Sandbox {
        Sandbox {
            listen: self.listen,
            write_credentials: self.write_credentials,
            tls: self.tls,
            seed: self.seed,
            days: self.days,
            calls_per_day: self.calls_per_day,
            stand_in: self.account,
            pages: self.pages,
            latency: self.latency,
            rate: self.rate,
            token_life: self.token_life,
        }
    }
}
