//! What is typed: the only room that names `clap`. It turns arguments into settings.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;
use url::Url;

use crate::config::{
    self, Account, Apps, Command, Get, Mount, MountOptions, Sandbox, Since, StandIn,
    WhatConvertsMedia,
};
use crate::http::TrustedHost;

mod key;

/// Mounts the call recordings and logs of an account as read-only files.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Try it without an account:  reelfs demo")]
struct Arguments {
    /// More log lines (-v: what it does, -vv: every request)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Typed,
}

#[derive(Debug, Subcommand)]
enum Typed {
    /// Mount an account, or a list of links
    #[command(
        subcommand,
        arg_required_else_help = true,
        subcommand_value_name = "SOURCE",
        subcommand_help_heading = "Sources"
    )]
    Mount(Box<TypedMount>),
    /// Unmount what `reelfs mount` mounted
    Unmount {
        /// Where it is mounted
        mountpoint: PathBuf,
        /// Also while files in it are open
        #[arg(long)]
        lazy: bool,
    },
    /// Mount a made-up account of each vendor: nothing to sign up for
    Demo {
        /// An empty or new directory [default: one in the temporary directory]
        mountpoint: Option<PathBuf>,
    },
    /// Run the stand-in for the vendor's servers alone
    Sandbox(TypedSandbox),
    /// List Voximplant's applications, and whether their recordings and logs are secure
    Apps {
        /// Make new recordings and logs of an application secure, or open
        #[arg(long, value_names = ["on|off", "APP"], num_args = 2)]
        secure: Option<Vec<String>>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        key: key::TypedVoximplantKey,
        #[command(flatten)]
        network: TypedNetwork,
    },
    /// Print the header that opens Voximplant's secure links, for curl -H
    AuthHeader {
        /// The service account's key file
        #[arg(long, value_name = "FILE", env = "VOXIMPLANT_CREDENTIALS")]
        credentials: PathBuf,
    },
    /// Download links; a part that is there is resumed
    Get {
        /// The links
        #[arg(value_name = "LINK", required = true)]
        links: Vec<String>,
        /// The file, or the directory, to write [default: the current directory]
        #[arg(short, long, value_name = "FILE|DIR")]
        output: Option<PathBuf>,
        #[command(flatten)]
        auth: key::TypedAuth,
        #[command(flatten)]
        network: TypedNetwork,
    },
}

#[derive(Debug, Subcommand)]
enum TypedMount {
    /// Mount a Voximplant account
    Voximplant {
        /// An empty directory
        mountpoint: PathBuf,
        #[command(flatten)]
        key: key::TypedVoximplantKey,
        /// Act for this child account
        #[arg(long, value_name = "ID")]
        child_account: Option<String>,
        #[command(flatten)]
        options: TypedOptions,
    },
    /// Mount what a key of WhatConverts opens: a profile, or with a Master key an agency
    #[command(name = "whatconverts")]
    WhatConverts {
        /// An empty directory
        mountpoint: PathBuf,
        /// The API key, as {"token": …, "secret": …} [default: from `WHATCONVERTS_TOKEN` and
        /// `WHATCONVERTS_SECRET`]
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
        /// Fetch recordings by lead with token and secret, or by their links with the token
        #[arg(long, value_enum, default_value_t)]
        media: TypedMedia,
        #[command(flatten)]
        options: TypedOptions,
    },
    /// Mount a list of links: a CSV, such as a lead export, JSON lines, or one link a line
    List {
        /// An empty directory
        mountpoint: PathBuf,
        /// The list; it is read again when it changes, and shows all its days
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        #[command(flatten)]
        auth: key::TypedAuth,
        #[command(flatten)]
        options: TypedOptions,
    },
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum TypedMedia {
    #[default]
    Basic,
    Token,
}

#[derive(Debug, Args)]
struct TypedOptions {
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
    /// Directory of the cache on disk (this version keeps none yet)
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Size of the cache on disk (this version keeps none yet)
    #[arg(long, value_name = "SIZE", value_parser = config::size)]
    cache_size: Option<u64>,
    /// Life of a token; for tests
    #[arg(long, hide = true, value_name = "DURATION", default_value = "1h",
          value_parser = config::duration)]
    token_life: Duration,
}

#[derive(Debug, Args)]
struct TypedNetwork {
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

#[derive(Debug, Args)]
struct TypedSandbox {
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
    /// What it has: generated, as the options above say; or bench, what scripts/bench measures on
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

/// What was asked for.
#[derive(Debug)]
pub struct Invocation {
    /// The command.
    pub command: Command,
    /// How many `-v`.
    pub verbose: u8,
    /// What the user should know of the arguments themselves.
    pub warnings: Vec<String>,
}

/// Reads this process's arguments. Prints usage and exits where they are wrong (2) or ask for
/// help (0).
pub fn read() -> Invocation {
    let Arguments { verbose, command } = Arguments::parse();
    let mut warnings = Vec::new();
    let command = match command {
        Typed::Mount(source) => Command::Mount(Box::new(source.settings(&mut warnings))),
        Typed::Unmount { mountpoint, lazy } => Command::Unmount { mountpoint, lazy },
        Typed::Demo { mountpoint } => Command::Demo { mountpoint },
        Typed::Sandbox(sandbox) => Command::Sandbox(sandbox.settings()),
        Typed::Apps { secure, yes, key, network } => {
            let key = key.settings().unwrap_or_else(|| key::missing(&Arguments::command()));
            let set = secure.and_then(|words| key::switch(&words, &Arguments::command()));
            Command::Apps(Box::new(Apps { key, set, yes, options: network.settings() }))
        }
        Typed::AuthHeader { credentials } => Command::AuthHeader { credentials },
        Typed::Get { links, output, auth, network } => {
            let auth = auth.settings(&Arguments::command());
            Command::Get(Box::new(Get { links, output, auth, options: network.settings() }))
        }
    };
    Invocation { command, verbose, warnings }
}

impl TypedMount {
    fn settings(self, warnings: &mut Vec<String>) -> Mount {
        let (mountpoint, account, options) = match self {
            Self::Voximplant { mountpoint, key, child_account, options } => {
                let key = key.settings().unwrap_or_else(|| key::missing(&Arguments::command()));
                (mountpoint, Account::Voximplant { key, child_account }, options)
            }
            Self::List { mountpoint, from, auth, options } => {
                let auth = auth.settings(&Arguments::command());
                (mountpoint, Account::List { from, auth }, options)
            }
            Self::WhatConverts { mountpoint, key_file, media, options } => {
                let media = match media {
                    TypedMedia::Basic => WhatConvertsMedia::Basic,
                    TypedMedia::Token => WhatConvertsMedia::Token,
                };
                (mountpoint, Account::WhatConverts { key_file, media }, options)
            }
        };
        Mount { mountpoint, account, options: options.settings(warnings) }
    }
}

impl TypedOptions {
    fn settings(self, warnings: &mut Vec<String>) -> MountOptions {
        if self.cache_dir.is_some() || self.cache_size.is_some() {
            warnings.push(
                "this version keeps no cache on disk: --cache-dir and --cache-size do nothing"
                    .to_owned(),
            );
        }
        MountOptions {
            since: self.since,
            until: self.until,
            memory: self.memory.as_u64(),
            allow_other: self.allow_other,
            uid: self.uid,
            gid: self.gid,
            foreground: self.foreground,
            log_file: self.log_file,
            daily_requests: self.daily_requests,
            audit: self.audit,
            token_life: self.token_life,
            ..self.network.settings()
        }
    }
}

impl TypedNetwork {
    fn settings(self) -> MountOptions {
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

impl TypedSandbox {
    fn settings(self) -> Sandbox {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_arguments_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_is_not_typed_is_what_the_settings_say() {
        let typed = ["reelfs", "mount", "list", "calls", "--from", "leads.csv"];
        let Typed::Mount(source) = Arguments::parse_from(typed).command else { panic!("a mount") };
        let (typed, default) = (source.settings(&mut Vec::new()).options, MountOptions::default());
        assert_eq!(format!("{typed:?}"), format!("{default:?}"));
    }
}
