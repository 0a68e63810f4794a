//! The ground that tests on real mounts stand on: a sandbox in this process, the real program as a
//! child, and limits on everything that could hang.
//!
//! Without `/dev/fuse` a test says SKIPPED; with `REQUIRE_FUSE=1`, which CI sets, it fails.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use reelfs::sandbox::whatconverts::Agency;
use reelfs::sandbox::{Account, Action, LoggedRequest, Options, Rule, Sandbox, Target};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The program under test.
pub(crate) const REELFS: &str = env!("CARGO_BIN_EXE_reelfs");
/// No test's mount lives longer: a test that hangs in it gets an error instead.
const LONGEST_TEST: Duration = Duration::from_secs(480);
/// No other program that a test runs takes longer, however slow the machine is.
const LONGEST_COMMAND: Duration = Duration::from_secs(180);

/// Whether mounts work here. Prints SKIPPED, or fails where CI requires them.
pub(crate) fn can_mount() -> bool {
    let can = Path::new("/dev/fuse").exists();
    let required = std::env::var_os("REQUIRE_FUSE").is_some_and(|value| value == "1");
    assert!(can || !required, "REQUIRE_FUSE=1, and /dev/fuse does not exist");
    if !can {
        eprintln!("SKIPPED: /dev/fuse does not exist");
    }
    can
}

/// A server that does not answer within any of the limits above: what ends at all has not waited for
/// it, which a test thus proves without a look at the clock.
pub(crate) fn no_answer() -> Rule {
    Rule::new(Action::Delay { millis: 3_600_000 })
}

/// A sandbox, and a directory for mounts and keys.
pub(crate) struct Ground {
    pub(crate) sandbox: Sandbox,
    pub(crate) dir: TempDir,
    /// Carries the sandbox.
    runtime: Runtime,
    options: Options,
}

impl Ground {
    /// A sandbox that serves `account`.
    pub(crate) fn new(options: Options, account: Account) -> Self {
        let agency = Agency::empty(options.seed);
        Self::both(options, account, agency)
    }

    /// A sandbox that serves `agency`, by WhatConverts' rules.
    pub(crate) fn agency(options: Options, agency: Agency) -> Self {
        Self::both(options, Account::empty(1), agency)
    }

    fn both(options: Options, account: Account, agency: Agency) -> Self {
        let dir = tempfile::Builder::new().prefix("reelfs-test-").tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.unwrap();
        let options = Options { write_credentials: Some(dir.path().join("keys")), ..options };
        let sandbox = runtime.block_on(Sandbox::start_both(options.clone(), account, agency));
        Self { sandbox: sandbox.unwrap(), dir, runtime, options }
    }

    /// Ends the sandbox: its port is closed.
    pub(crate) fn stop(&mut self) {
        let address = self.sandbox.addr();
        let account = (*self.sandbox.account()).clone();
        // A placeholder, on another port.
        let empty = Sandbox::start_with(Options::default(), account);
        self.sandbox = self.runtime.block_on(empty).unwrap();
        self.options.listen = address;
        wait_until("the port is closed", || std::net::TcpStream::connect(address).is_err());
        wait_until("its connections are cut", || !serves_anybody(address.port()));
    }

    /// Starts it again where it was, with the same account and a new key.
    pub(crate) fn restart(&mut self) {
        let account = (*self.sandbox.account()).clone();
        let again = Sandbox::start_with(self.options.clone(), account);
        self.sandbox = self.runtime.block_on(again).unwrap();
    }

    /// The service account's file.
    pub(crate) fn credentials(&self) -> PathBuf {
        self.dir.path().join("keys/voximplant.json")
    }

    /// Where `mount` mounts.
    pub(crate) fn mountpoint(&self) -> PathBuf {
        self.dir.path().join("calls")
    }

    /// `reelfs mount voximplant` of the sandbox, with more arguments; not started yet.
    pub(crate) fn mount_command(&self, more: &[&str]) -> Command {
        let mut command = self.mount_command_of("voximplant", more);
        command.arg("--credentials").arg(self.credentials());
        command
    }

    /// `reelfs mount` of another kind, without its credentials; not started yet.
    pub(crate) fn mount_command_of(&self, kind: &str, more: &[&str]) -> Command {
        // A dead mount is there, too, though nobody can look at it.
        match fs::create_dir(self.mountpoint()) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => panic!("{error}"),
            _ => {}
        }
        let mut command = Command::new(REELFS);
        command
            .args(["mount", kind])
            .arg(self.mountpoint())
            .args(["--api-url", self.sandbox.base_url()])
            .env("XDG_STATE_HOME", self.dir.path().join("state"))
            .env("XDG_CACHE_HOME", self.dir.path().join("cache"))
            .args(more);
        if !more.contains(&"--poll") {
            // A test that counts requests may take longer than it is between two polls.
            command.args(["--poll", "0"]);
        }
        for name in ["VOXIMPLANT_CREDENTIALS", "VOXIMPLANT_API_KEY", "WHATCONVERTS_TOKEN"] {
            command.env_remove(name);
        }
        if self.sandbox.ca_pem().is_some() {
            command.arg("--ca-cert").arg(self.dir.path().join("keys/ca.pem"));
        }
        command
    }

    /// Mounts the sandbox in the foreground of a child process, and waits until it answers.
    pub(crate) fn mount(&self, more: &[&str]) -> Mount {
        self.start(self.mount_command(more))
    }

    /// The same of the WhatConverts side, with the Profile or the Master key's file.
    pub(crate) fn mount_whatconverts(&self, key: &str, more: &[&str]) -> Mount {
        let mut command = self.mount_command_of("whatconverts", more);
        command.arg("--key-file").arg(self.dir.path().join("keys").join(key));
        self.start(command)
    }

    /// Starts a mount in the foreground of a child process, and waits until it answers.
    pub(crate) fn start(&self, command: Command) -> Mount {
        self.start_at(command, self.mountpoint())
    }

    /// The same, of a mount at another place.
    pub(crate) fn start_at(&self, mut command: Command, mountpoint: PathBuf) -> Mount {
        let log = self.dir.path().join("daemon.log");
        let file = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let daemon = command.arg("--foreground").stdin(Stdio::null()).stderr(file).spawn().unwrap();
        let mount = Mount::watch(daemon, mountpoint, log);
        wait_until("the mount answers", || mount.is_mounted() || mount.has_ended());
        assert!(mount.is_mounted(), "the mount ended: {}", mount.log());
        mount
    }

    /// The requests so far that went for files rather than for listings.
    pub(crate) fn media_requests(&self) -> Vec<LoggedRequest> {
        let requests = self.sandbox.requests().into_iter();
        requests.filter(|request| matches!(request.target, Target::File(_))).collect()
    }

    /// How many requests went for listings.
    pub(crate) fn listing_requests(&self) -> usize {
        self.sandbox.requests().len() - self.media_requests().len()
    }
}

/// A mount by a child process; unmounted and ended when dropped.
pub(crate) struct Mount {
    daemon: Mutex<Child>,
    at: PathBuf,
    log: PathBuf,
    over: Arc<AtomicBool>,
}

impl Mount {
    fn watch(daemon: Child, at: PathBuf, log: PathBuf) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (pid, watched) = (daemon.id(), Arc::clone(&over));
        thread::spawn(move || {
            let begun = Instant::now();
            while begun.elapsed() < LONGEST_TEST {
                thread::sleep(Duration::from_millis(200));
                if watched.load(Ordering::Relaxed) {
                    return;
                }
            }
            // Without its daemon a mount answers every waiting call with an error.
            send_signal(pid, "KILL");
        });
        Self { daemon: daemon.into(), at, log, over }
    }

    /// A path in the mount.
    pub(crate) fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.at.join(below)
    }

    fn daemon(&self) -> MutexGuard<'_, Child> {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The daemon's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.daemon().id()
    }

    /// How much time on a processor the daemon has had: `proc_pid_stat(5)`, counted after its name.
    pub(crate) fn cpu_seconds(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let (_, facts) = stat.rsplit_once(')').unwrap();
        let ticks = facts.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().unwrap());
        // `USER_HZ` is 100 wherever Linux runs today.
        ticks.sum::<u64>() / 100
    }

    /// What the daemon has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether the mountpoint is another device than the directory above it.
    pub(crate) fn is_mounted(&self) -> bool {
        is_mounted(&self.at)
    }

    fn has_ended(&self) -> bool {
        self.daemon().try_wait().unwrap().is_some()
    }

    /// Sends a signal to the daemon, waits for its end, and gives its exit code.
    pub(crate) fn end_with(&self, signal: &str) -> Option<i32> {
        send_signal(self.pid(), signal);
        wait_until("the daemon ends", || self.has_ended());
        self.daemon().wait().unwrap().code()
    }

    /// Waits for the daemon's end and gives its exit code.
    pub(crate) fn wait(&self) -> Option<i32> {
        wait_until("the daemon ends", || self.has_ended());
        self.daemon().wait().unwrap().code()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if !self.has_ended() {
            send_signal(self.pid(), "TERM");
            let begun = Instant::now();
            while !self.has_ended() && begun.elapsed() < Duration::from_secs(10) {
                thread::sleep(Duration::from_millis(20));
            }
            let _ = self.daemon().kill();
            let _ = self.daemon().wait();
        }
        if is_mounted(&self.at) {
            let _ = Command::new("umount").arg("-l").arg(&self.at).status();
        }
        if thread::panicking() {
            show(&self.log());
        }
    }
}

fn show(log: &str) {
    eprintln!("--- the daemon's log\n{log}---");
}

/// Whether something is mounted at a directory, dead or alive.
pub(crate) fn is_mounted(at: &Path) -> bool {
    match (fs::metadata(at), fs::metadata(at.join(".."))) {
        (Ok(here), Ok(above)) => here.dev() != above.dev(),
        (Err(error), _) => error.raw_os_error() == Some(107),
        _ => false,
    }
}

/// Sends a signal to a process that this test started.
pub(crate) fn send_signal(pid: u32, signal: &str) {
    let _ = Command::new("kill").args(["-s", signal, &pid.to_string()]).status();
}

/// Waits for something that is bound to come.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < LONGEST_COMMAND, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Runs a command with a limit, and gives all that it printed.
pub(crate) fn output(command: &mut Command) -> Output {
    let shown = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let (pid, over) = (child.id(), Arc::new(AtomicBool::new(false)));
    let watched = Arc::clone(&over);
    let guard = thread::spawn(move || {
        let begun = Instant::now();
        while !watched.load(Ordering::Relaxed) {
            if begun.elapsed() > LONGEST_COMMAND {
                return send_signal(pid, "KILL");
            }
            thread::sleep(Duration::from_millis(10));
        }
    });
    let output = child.wait_with_output().unwrap();
    over.store(true, Ordering::Relaxed);
    guard.join().unwrap();
    output
}

/// Runs a shell command that has to succeed, with a limit, and gives what it printed.
pub(crate) fn sh(script: &str) -> String {
    let output = output(Command::new("bash").args(["-euo", "pipefail", "-c", script]));
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{script}\n{out}{err}");
    out
}

/// Whether there is a connection to a port of this machine that is answered: `proc_net_tcp(5)`.
fn serves_anybody(port: u16) -> bool {
    const ESTABLISHED: &str = "01";
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().skip(1).any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, state) = (fields.next().unwrap(), fields.nth(1).unwrap());
        local.ends_with(&format!(":{port:04X}")) && state == ESTABLISHED
    })
}

/// The names in a directory, in order.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Whether a path is that of a vendor's file, rather than of the playlist beside it.
pub(crate) fn is_object(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name != "playlist.m3u8")
}

/// Bytes as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A day that lies so many days back, and whose calls are all over.
pub(crate) fn days_ago(days: i64) -> Date {
    today().checked_sub(days.days()).unwrap()
}

/// The current day (UTC): one for all tests of a run, also if the run goes on past midnight.
pub(crate) fn today() -> Date {
    now().to_zoned(TimeZone::UTC).date()
}

/// The moment at which the tests began.
pub(crate) fn now() -> Timestamp {
    static BEGAN: LazyLock<Timestamp> = LazyLock::new(Timestamp::now);
    *BEGAN
}

/// A moment on a day.
pub(crate) fn at(day: Date, hour: i8, minute: i8, second: i8) -> Timestamp {
    day.at(hour, minute, second, 0).to_zoned(TimeZone::UTC).unwrap().timestamp()
}

/// `YYYY/MM/DD`.
pub(crate) fn slashed(day: Date) -> String {
    day.strftime("%Y/%m/%d").to_string()
}
