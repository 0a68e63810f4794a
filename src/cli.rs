//! What is typed: the only room that names `clap`. It turns arguments into settings.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory as _, Error, Parser, Subcommand};

use crate::config::environment;
use crate::config::file::own_place;
use crate::config::{Apps, Command, Get, Init, StatusOptions};
use mount::TypedMount;
use options::TypedNetwork;
#[doc(hidden)]
pub use profile::decode as decode_config;
use sandbox::TypedSandbox;

mod cache;
mod find;
mod generate;
mod key;
mod mount;
mod mount8;
mod options;
mod profile;
mod sandbox;

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
    /// Mount an account, a list of links, or a profile
    Mount(Box<TypedMount>),
    /// Unmount what `reelfs mount` mounted
    #[command(alias = "umount")]
    Unmount {
        /// Where it is mounted, or its profile
        #[arg(value_name = "MOUNTPOINT|PROFILE")]
        word: PathBuf,
        /// Also while files in it are open
        #[arg(long)]
        lazy: bool,
        /// Every mount that stands in the directory, as `reelfs mount --all` made them, and any other
        #[arg(long)]
        all: bool,
    },
    /// Tell by the exit code whether a mount answers
    #[command(hide = true)]
    Alive {
        /// Where it is
        mountpoint: PathBuf,
    },
    /// Ask what is needed and write a profile
    Init {
        /// Its name
        #[arg(value_name = "PROFILE")]
        name: Option<String>,
        /// The config file [default: reelfs/config.toml in ~/.config]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Write man pages and completions
    #[command(hide = true)]
    Generate {
        /// A new or existing directory
        directory: PathBuf,
    },
    /// Show what mounts are doing
    Status {
        /// Where it is mounted, or its profile [default: all of yours]
        #[arg(value_name = "MOUNTPOINT|PROFILE")]
        word: Option<PathBuf>,
        /// As JSON: an object for the one that is named, else a list of them
        #[arg(long)]
        json: bool,
        /// Go on showing it; Ctrl-C ends that
        #[arg(long)]
        watch: bool,
    },
    /// Ask the vendor again at once, instead of when a listing is due
    Refresh {
        /// A day or anything else in a mount, or all of it [default: all mounts of yours]
        #[arg(value_name = "PATH|PROFILE")]
        word: Option<PathBuf>,
    },
    /// Look whether everything is there that a mount needs, and say what to do
    #[command(after_help = "  reelfs doctor\n  reelfs doctor PROFILE\n  \
                            reelfs doctor voximplant --credentials key.json")]
    Doctor {
        /// The config file [default: ~/.config/reelfs/config.toml, then /etc/reelfs/config.toml]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// A profile, where it is mounted, or a source with its options [default: every profile]
        #[arg(
            value_name = "PROFILE|MOUNTPOINT|SOURCE",
            trailing_var_arg = true,
            allow_hyphen_values = true
        )]
        account: Vec<OsString>,
    },
    /// Look after the config file
    #[command(subcommand, arg_required_else_help = true)]
    Config(TypedConfig),
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
        /// The file to write, or a directory, as for several links; DIR/ is made if it is not there
        /// [default: the current directory]
        #[arg(short, long, value_name = "FILE|DIR")]
        output: Option<PathBuf>,
        #[command(flatten)]
        auth: key::TypedAuth,
        #[command(flatten)]
        network: TypedNetwork,
    },
    /// Find the files of calls by number, time, length and words
    Find(Box<find::TypedFind>),
    /// Fetch files ahead, so that they are in the cache
    Warm(cache::TypedWarm),
    /// Look after the cache on disk
    #[command(subcommand, arg_required_else_help = true)]
    Cache(cache::TypedTask),
    /// List files that the vendor will soon delete and that are not cached whole
    Expiring(cache::TypedExpiring),
}

#[derive(Debug, Subcommand)]
enum TypedConfig {
    /// Tell what is wrong with it, with line and column
    Check {
        /// The config file [default: ~/.config/reelfs/config.toml and /etc/reelfs/config.toml]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// What was asked for.
#[derive(Debug)]
pub struct Invocation {
    /// The command.
    pub command: Command,
    /// How many `-v`.
    pub verbose: u8,
}

/// Reads this process's arguments. Prints usage and exits where they are wrong (2) or ask for
/// help (0).
pub fn read() -> Invocation {
    let words: Vec<_> = std::env::args_os().collect();
    let parsed = |words: Vec<OsString>| {
        let typed = Arguments::try_parse_from(&words).map_err(|error| mount::ahead(&words, error));
        typed.and_then(settings)
    };
    if !mount8::is_called(&words) {
        return parsed(words).unwrap_or_else(|error| error.exit());
    }
    let refused =
        |message: &str| Error::raw(ErrorKind::InvalidValue, format!("{message}\n")).exit();
    match mount8::arguments(words) {
        Ok(Some(words)) => parsed(words)
            .unwrap_or_else(|error| refused(&mount8::in_its_words(&error.render().to_string()))),
        Ok(None) => std::process::exit(0),
        Err(message) => refused(&message),
    }
}

fn settings(Arguments { verbose, command }: Arguments) -> Result<Invocation, Error> {
    let command = match command {
        Typed::Mount(mount) => mount.settings()?,
        Typed::Unmount { word, lazy, all } => {
            Command::Unmount { which: profile::which(word), lazy, all }
        }
        Typed::Generate { directory } => {
            let files = generate::files(Arguments::command())?;
            Command::Generate { directory, files }
        }
        Typed::Alive { mountpoint } => Command::Alive { mountpoint },
        Typed::Status { word, json, watch } => {
            Command::Status(StatusOptions { which: word.map(profile::which), json, watch })
        }
        Typed::Refresh { word } => Command::Refresh { which: word.map(profile::which) },
        Typed::Doctor { config, account } => {
            Command::Doctor(profile::patients(account, config.as_deref())?)
        }
        Typed::Init { name, config } => {
            let config = config.or_else(|| own_place(environment::variable));
            Command::Init(Init { name, config, reserved: profile::reserved() })
        }
        Typed::Config(TypedConfig::Check { config }) => {
            Command::CheckConfig(profile::checked(config.as_deref())?)
        }
        Typed::Demo { mountpoint } => Command::Demo { mountpoint },
        Typed::Sandbox(sandbox) => Command::Sandbox(sandbox.settings()),
        Typed::Apps { secure, yes, key, network } => {
            let key = key.settings().ok_or_else(key::missing)?;
            let set = secure.map(|words| key::switch(&words)).transpose()?;
            Command::Apps(Box::new(Apps { key, set, yes, options: network.settings() }))
        }
        Typed::AuthHeader { credentials } => Command::AuthHeader { credentials },
        Typed::Get { links, output, auth, network } => {
            let auth = auth.settings()?;
            Command::Get(Box::new(Get { links, output, auth, options: network.settings() }))
        }
        Typed::Find(find) => find.command()?,
        Typed::Warm(warm) => warm.command(),
        Typed::Cache(task) => task.command(),
        Typed::Expiring(expiring) => expiring.command(),
    };
    Ok(Invocation { command, verbose })
}

/// Whether a directory is meant rather than the name of a profile. A word is looked for among the names in the
/// working directory: a look at a mount itself waits for its daemon, which may hang or be gone.
fn is_directory(word: &Path) -> bool {
    let Some(name) = word.file_name().filter(|_| word.components().count() == 1) else {
        return true;
    };
    let entries = std::fs::read_dir(".").into_iter().flatten().flatten();
    let found = entries.into_iter().find(|entry| entry.file_name() == name);
    found.is_some_and(|entry| match entry.file_type() {
        Ok(kind) if kind.is_symlink() => word.is_dir(),
        Ok(kind) => kind.is_dir(),
        Err(_) => true,
    })
}

/// An error of usage.
fn wrong(kind: ErrorKind, message: &str) -> Error {
    Arguments::command().error(kind, message)
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
        let Typed::Mount(mount) = Arguments::parse_from(typed).command else { panic!("a mount") };
        let typed = mount.mount().unwrap().options;
        let default = crate::config::MountOptions::default();
        assert_eq!(format!("{typed:?}"), format!("{default:?}"));
    }
}
