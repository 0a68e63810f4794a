//! Options that several commands share: how to mount, and how to reach the vendor's servers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use jiff::civil::Date;
use url::Url;

use super::cache::TypedCache;
use crate::config::{self, LogFormat, MountOptions, Since};
use crate::http::TrustedHost;

#[derive(Debug, Args)]
pub(super) struct TypedOptions {
    /// Stay in the foreground; Ctrl-C unmounts
    #[arg(short, long)]
    foreground: bool,
    /// First day: a date, or how long ago
    #[arg(long, value_name = "DATE|SPAN", default_value = config::DEFAULT_SINCE,
          value_parser = config::since)]
    since: Since,
    /// Last day [default: today]
    #[arg(long, value_name = "DATE", value_parser = config::day)]
    until: Option<Date>,
    /// Let other users read
    #[arg(long)]
    allow_other: bool,
    /// Owner of the files [default: you]
    #[arg(long, value_name = "NUMBER")]
    uid: Option<u32>,
    /// Group of the files [default: yours]
    #[arg(long, value_name = "NUMBER")]
    gid: Option<u32>,
    /// Memory for cached blocks
    #[arg(long, value_name = "SIZE", default_value = "256MiB",
          value_parser = config::memory)]
    memory: ByteSize,
    /// How often to ask for news of days that somebody looks at; 0: never
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = config::poll)]
    poll: Duration,
    #[command(flatten)]
    network: TypedNetwork,
    /// The most requests a day (UTC), counted across mounts [default: 1000 for a WhatConverts
    /// Profile key, else no limit]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    daily_requests: Option<u64>,
    /// Append a JSON line to this file for each open of a file: who, what, how much
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// Where a mount in the background logs to [default: reelfs/reelfs.log in ~/.local/state]
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
    #[command(flatten)]
    cache: TypedCache,
    /// How to log: for people, or a JSON object a line
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    log_format: TypedLogFormat,
    /// Serve metrics at this address, under /metrics, for Prometheus and its like
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,
    /// Life of a token; for tests
    #[arg(long, hide = true, value_name = "DURATION", default_value = "1h",
          value_parser = config::duration)]
    token_life: Duration,
}

#[derive(Debug, Args)]
pub(super) struct TypedNetwork {
    /// Connections to the vendor's servers
    #[arg(long, value_name = "NUMBER", default_value_t = config::DEFAULT_CONNECTIONS,
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
    /// How long an operation may take
    #[arg(long, value_name = "DURATION", default_value = "60s",
          value_parser = config::duration)]
    timeout: Duration,
    /// Another base address of the vendor's API; its host gets the credentials
    #[arg(long, value_name = "URL", value_parser = config::api_url)]
    api_url: Option<Url>,
    /// Another host that may get the credentials (repeatable; https only, except for loopback)
    #[arg(long, value_name = "HOST[:PORT]")]
    trust_host: Vec<TrustedHost>,
    /// Certificates to trust beside the system's, in PEM form (repeatable)
    #[arg(long, value_name = "FILE")]
    ca_cert: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum TypedLogFormat {
    #[default]
    Text,
    Json,
}

impl TypedOptions {
    pub(super) fn settings(self) -> MountOptions {
        MountOptions {
            since: self.since,
            until: self.until,
            memory: self.memory.as_u64(),
            poll: self.poll,
            allow_other: self.allow_other,
            uid: self.uid,
            gid: self.gid,
            foreground: self.foreground,
            log_file: self.log_file,
            log_format: match self.log_format {
                TypedLogFormat::Text => LogFormat::Text,
                TypedLogFormat::Json => LogFormat::Json,
            },
            metrics: self.metrics,
            daily_requests: self.daily_requests,
            audit: self.audit,
            token_life: self.token_life,
            cache: self.cache.settings(),
            ..self.network.settings()
        }
    }
}

impl TypedNetwork {
    pub(super) fn settings(self) -> MountOptions {
        MountOptions {
            timeout: self.timeout,
            connections: self.connections,
            api_url: self.api_url,
            trusted_hosts: self.trust_host,
            ca_certs: self.ca_cert,
            ..MountOptions::default()
        }
    }
}
