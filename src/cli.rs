//! What is typed: the only room that names `clap`. It turns arguments into settings.

use std::path::PathBuf;

use clap::{ArgAction, CommandFactory as _, Error, Parser, Subcommand};

use crate::config::{Apps, Command, Get};
use mount::TypedMount;
use options::TypedNetwork;
use sandbox::TypedSandbox;

mod key;
mod mount;
mod options;
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
    settings(Arguments::parse()).unwrap_or_else(|error| error.exit())
}

fn settings(Arguments { verbose, command }: Arguments) -> Result<Invocation, Error> {
    let mut warnings = Vec::new();
    let command = match command {
        Typed::Mount(source) => Command::Mount(Box::new(source.settings(&mut warnings)?)),
        Typed::Unmount { mountpoint, lazy } => Command::Unmount { mountpoint, lazy },
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
    };
    Ok(Invocation { command, verbose, warnings })
}

/// An error of usage.
fn wrong(kind: clap::error::ErrorKind, message: &str) -> Error {
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
        let Typed::Mount(source) = Arguments::parse_from(typed).command else { panic!("a mount") };
        let typed = source.settings(&mut Vec::new()).unwrap().options;
        let default = crate::config::MountOptions::default();
        assert_eq!(format!("{typed:?}"), format!("{default:?}"));
    }
}
