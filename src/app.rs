//! Runs a command: the one place that builds the rooms, bottom-up, and takes them down again.
//!
//! One file a command. Only this room talks to the terminal.

use std::process::ExitCode;

use crate::config::Command;
use crate::fuse::mountpoint;
use problem::Problem;

mod apps;
mod auth_header;
mod background;
mod connect;
mod demo;
mod get;
mod list;
mod log;
mod mount;
mod panics;
mod problem;
mod sandbox;
mod terminal;
mod voximplant;
mod whatconverts;

/// Runs a command to its end. The exit code is 0, or 1 after an error was printed.
pub fn run(command: Command, verbose: u8, warnings: &[String]) -> ExitCode {
    // A core dump would hold tokens and calls.
    if let Err(errno) = nix::sys::prctl::set_dumpable(false) {
        terminal::warn(&format!("core dumps stay possible: {errno}"));
    }
    // Where there is a parent, it has said so.
    if !background::is_child() {
        for warning in warnings {
            terminal::warn(warning);
        }
    }
    let outcome = match command {
        Command::Mount(mount) => mount::run(*mount, verbose),
        Command::Unmount { mountpoint, lazy } => {
            mountpoint::unmount(&mountpoint, lazy).map_err(Problem::from).map(done)
        }
        Command::Demo { mountpoint } => demo::run(mountpoint, verbose).map(done),
        Command::Sandbox(settings) => sandbox::run(settings, verbose).map(done),
        Command::Apps(apps) => apps::run(&apps, verbose).map(done),
        Command::AuthHeader { credentials } => auth_header::run(credentials).map(done),
        Command::Get(get) => get::run(&get, verbose),
    };
    outcome.unwrap_or_else(|problem| {
        terminal::error(&problem);
        ExitCode::FAILURE
    })
}

fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

/// A runtime for a daemon: enough threads to keep two cores and the network busy.
fn runtime() -> Result<tokio::runtime::Runtime, Problem> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("reelfs-worker")
        .build()
        .map_err(|error| Problem::new("cannot start threads", error))
}
