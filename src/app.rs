//! Runs a command: the one place that builds the rooms, bottom-up, and takes them down again.
//!
//! One file a command. Only this room talks to the terminal.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::Command;
use problem::Problem;

mod all;
mod apps;
mod ask;
mod auth_header;
mod background;
mod cache;
mod check;
mod connect;
mod control;
mod demo;
mod doctor;
mod expiring;
mod find;
mod get;
mod init;
mod keeping;
mod list;
mod log;
mod mount;
mod openmetrics;
mod panics;
mod poll;
mod problem;
mod pulse;
mod sandbox;
mod service;
mod shown;
mod status;
mod terminal;
mod unmount;
mod voximplant;
mod warm;
mod whatconverts;
mod which;

/// Runs a command to its end. The exit code is 0, or 1 after an error was printed.
pub fn run(command: Command, verbose: u8) -> ExitCode {
    // A core dump would hold tokens and calls.
    if let Err(errno) = nix::sys::prctl::set_dumpable(false) {
        terminal::warn(&format!("core dumps stay possible: {errno}"));
    }
    let outcome = match command {
        Command::Mount(mount) => mount::run(*mount, verbose),
        Command::MountAll(all) => all::run(&all, verbose),
        Command::Unmount { which, lazy, all: true } => unmount::all(&which.word, lazy),
        Command::Unmount { which, lazy, all: false } => unmount::run(&which, lazy).map(done),
        Command::Alive { mountpoint } => Ok(pulse::tell(&mountpoint)),
        Command::Status(options) => status::run(&options).map(done),
        Command::Refresh { which } => status::refresh(which.as_ref()).map(done),
        Command::Generate { directory, files } => write(&directory, &files).map(done),
        Command::Doctor(doctor) => doctor::run(&doctor, verbose),
        Command::Init(init) => init::run(init).map(done),
        Command::CheckConfig(files) => Ok(check::run(&files)),
        Command::Demo { mountpoint } => demo::run(mountpoint, verbose).map(done),
        Command::Sandbox(settings) => sandbox::run(settings, verbose).map(done),
        Command::Apps(apps) => apps::run(&apps, verbose).map(done),
        Command::AuthHeader { credentials } => auth_header::run(credentials).map(done),
        Command::Get(get) => get::run(&get, verbose),
        Command::Warm(warm) => Ok(warm::run(&warm)),
        Command::Cache(task, options) => cache::run(task, &options, verbose).map(done),
        Command::Find(find) => find::run(&find, verbose),
        Command::Expiring(expiring) => expiring::run(&expiring, verbose).map(done),
    };
    outcome.unwrap_or_else(|problem| {
        terminal::error(&problem);
        ExitCode::FAILURE
    })
}

/// Writes files below a directory.
fn write(directory: &Path, files: &[(PathBuf, Vec<u8>)]) -> Result<(), Problem> {
    for (path, text) in files {
        let path = directory.join(path);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let written = made.and_then(|()| std::fs::write(&path, text));
        written.map_err(|error| Problem::file(&path, error))?;
    }
    Ok(())
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
