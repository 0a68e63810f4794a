//! The command line, as it is typed: the real program, its exit codes, what it prints, and what it
//! leaves behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use reelfs::sandbox::{Account, Content, NewRecord, NewSession, Options};

use crate::ground::{
    Ground, REELFS, at, days_ago, is_mounted, is_object, output, slashed, text, wait_until,
};

mod background;
mod bad_input;
mod doctor;
mod forged;
mod inputs;
mod lost;
mod named;
mod packaging;
mod profiles;
mod read_only;
mod roles;
mod service;
mod signals;
mod stand_in;
mod status;
mod users;

/// An account with one call, whose recording is a ramp of so many bytes.
fn one_call(bytes: u64) -> Account {
    let mut account = Account::empty(1);
    let call = NewSession::at(at(days_ago(1), 9, 0, 0)).incoming("+15551230001");
    let record = NewRecord::new(Content::ramp(7, bytes));
    account.add(call.record(record).log(Content::bytes("09:00:00 Session started\n")));
    account
}

/// A sandbox of a day with one call.
fn ground_with_one_call() -> Ground {
    Ground::new(Options::default(), one_call(1000))
}

/// The only recording of `one_call` in a mount.
fn recording(at: &Path) -> PathBuf {
    let day = at.join("recordings").join(slashed(days_ago(1)));
    let mut paths = fs::read_dir(day).unwrap().map(|entry| entry.unwrap().path());
    paths.find(|path| is_object(path)).unwrap()
}

/// Runs a command that has to succeed, and gives what it printed.
fn success(command: &mut Command) -> String {
    let output = output(command);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}{err}");
    out
}

/// Runs a command that has to fail with this code and one `error:` line, and gives what it printed.
fn refusal(command: &mut Command, code: i32) -> String {
    let output = output(command);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{command:?}\n{out}{err}");
    let errors = err.lines().filter(|line| line.starts_with("error:")).count();
    assert_eq!(errors, 1, "{command:?}\n{err}");
    assert!(!err.contains("panicked") && out.is_empty(), "{command:?}\n{out}{err}");
    err
}

/// `reelfs unmount`, with more arguments.
fn unmount(at: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(REELFS);
    command.arg("unmount").arg(at).args(more);
    command
}

/// Unmounts what nobody uses any more. It may still look used for a moment: a child that another test
/// is starting holds copies of all open files until it becomes the other program.
fn unmounted(unmount: &mut Command) {
    wait_until("it is unmounted", || {
        let output = output(unmount);
        let said = text(&output.stderr);
        assert!(output.status.success() || said.contains("is in use"), "{said}");
        output.status.success()
    });
}

/// The process ids of the programs that were told to mount at `at`, this test's children included.
pub(crate) fn daemons(at: &Path) -> Vec<u32> {
    let wanted = at.as_os_str().as_encoded_bytes();
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id: &u32| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let mut arguments = line.split(|byte| *byte == 0);
        arguments.next().is_some_and(|program| program.ends_with(b"reelfs"))
            && arguments.any(|argument| argument == wanted)
    })
    .collect()
}

/// Takes a mount down when a test is over, however it ends.
pub(crate) struct AtEnd(pub(crate) PathBuf);

impl Drop for AtEnd {
    fn drop(&mut self) {
        if is_mounted(&self.0) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }
}

/// A child that is killed when a test is over, if it still runs then.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    /// Waits for its end and gives its exit code.
    fn code(&mut self) -> Option<i32> {
        wait_until("the program ends", || self.0.try_wait().unwrap().is_some());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether this is root, who can act as another user; says SKIPPED where it is not.
fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: only root can act as another user");
    }
    root
}
