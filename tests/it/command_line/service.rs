//! As a service: what the service manager is told, a line in fstab, a crash.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::profiles::{configure, profile, reelfs};
use super::{AtEnd, Running, daemons, ground_with_one_call, recording, refusal, success, unmount};
use crate::ground::{Ground, REELFS, can_mount, is_mounted, send_signal, wait_until};

/// A service manager's socket.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new(directory: &Path) -> Self {
        let path = directory.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { socket, path }
    }

    /// The next message.
    fn told(&self) -> String {
        let mut bytes = [0; 256];
        let len = self.socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..len]).trim().to_owned()
    }
}

fn service(ground: &Ground, manager: &Manager) -> Command {
    let mut command = ground.mount_command(&["--foreground"]);
    command.env("NOTIFY_SOCKET", &manager.path).env_remove("WATCHDOG_PID").stderr(Stdio::null());
    command
}

#[test]
fn a_service_is_ready_when_it_answers_and_keeps_the_watchdog_quiet() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let (manager, _end) = (Manager::new(ground.dir.path()), AtEnd(ground.mountpoint()));
    let mut command = service(&ground, &manager);
    let mut daemon = Running::start(command.env("WATCHDOG_USEC", "200000"));
    assert_eq!(manager.told(), "READY=1");
    recording(&ground.mountpoint());
    for _ in 0..3 {
        assert_eq!(manager.told(), "WATCHDOG=1");
    }
    send_signal(daemon.0.id(), "TERM");
    assert_eq!(daemon.code(), Some(0));
    let mut last = manager.told();
    while last == "WATCHDOG=1" {
        last = manager.told();
    }
    assert_eq!(last, "STOPPING=1");
}

#[test]
fn a_service_of_all_profiles_tells_the_watchdog_of_those_that_live() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let at = ground.dir.path().join("all");
    let (manager, _ends) =
        (Manager::new(ground.dir.path()), ["one", "two"].map(|n| AtEnd(at.join(n))));
    configure(&ground, &(profile(&ground, "one", "") + &profile(&ground, "two", "")));
    let mut command = reelfs(&ground, &["mount", "--all", at.to_str().unwrap(), "-f"]);
    command.env("NOTIFY_SOCKET", &manager.path).env_remove("WATCHDOG_PID");
    let mut all = Running::start(command.env("WATCHDOG_USEC", "200000").stderr(Stdio::null()));
    assert_eq!(manager.told(), "READY=1");
    assert_eq!(manager.told(), "WATCHDOG=1");
    for daemon in daemons(&at.join("one")) {
        send_signal(daemon, "KILL");
    }
    wait_until("it is gone", || daemons(&at.join("one")).is_empty());
    for _ in 0..10 {
        assert_eq!(manager.told(), "WATCHDOG=1");
    }
    recording(&at.join("two"));
    send_signal(all.0.id(), "TERM");
    assert_eq!(all.code(), Some(0));
    assert!(!is_mounted(&at.join("two")));
}

#[test]
fn a_service_starts_again_where_a_crash_left_a_dead_mount() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let (manager, _end) = (Manager::new(ground.dir.path()), AtEnd(ground.mountpoint()));
    let mut killed = Running::start(&mut service(&ground, &manager));
    assert_eq!(manager.told(), "READY=1");
    send_signal(killed.0.id(), "KILL");
    assert_eq!(killed.code(), None);
    assert!(is_mounted(&ground.mountpoint()), "the mount is dead, and there");
    let _again = Running::start(&mut service(&ground, &manager));
    assert_eq!(manager.told(), "READY=1");
    recording(&ground.mountpoint());
    success(&mut unmount(&ground.mountpoint(), &["--lazy"]));
}

/// `mount.reelfs`, as a package installs it.
fn helper(ground: &Ground) -> Command {
    let link = ground.dir.path().join("mount.reelfs");
    let _ = symlink(REELFS, &link);
    let mut command = Command::new(link);
    command
        .env("HOME", ground.dir.path())
        .env_remove("XDG_STATE_HOME")
        .env_remove("XDG_CACHE_HOME");
    command
}

#[test]
fn the_helper_of_mount_takes_a_line_of_fstab() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let (at, _end) = (ground.mountpoint(), AtEnd(ground.mountpoint()));
    fs::create_dir(&at).unwrap();
    let config = ground.dir.path().join("config.toml");
    let text = format!(
        "[profiles.support]\nsource = \"voximplant\"\ncredentials = \"keys/voximplant.json\"\n\
         api-url = \"{}\"\n",
        ground.sandbox.base_url()
    );
    fs::write(&config, text).unwrap();
    let options = format!(
        "rw,noauto,_netdev,nofail,x-systemd.automount,allow_other,config={},since=3d",
        config.display()
    );
    let line = ["support", at.to_str().unwrap(), "-o", &options, "-n"];
    if nix::unistd::geteuid().is_root() {
        success(helper(&ground).args(line));
        recording(&at);
        let table = fs::read_to_string("/proc/self/mounts").unwrap();
        let ours = table.lines().find(|line| line.contains(at.to_str().unwrap())).unwrap();
        assert!(ours.contains("allow_other") && ours.contains(" ro,"), "{ours}");
        success(&mut unmount(&at, &[]));
    }
    success(helper(&ground).args(["support", "/none", "-f"]));
}

#[test]
fn the_helper_of_mount_tells_of_options_and_refuses_a_remount() {
    let ground = ground_with_one_call();
    configure(&ground, &profile(&ground, "support", ""));
    let refused =
        |options| refusal(helper(&ground).args(["support", "/srv/calls", "-o", options]), 2);
    let misspelled = refused("rw,noauto,sinse=3d");
    let told = "error: unexpected argument '-o sinse' found\nhint: a similar argument exists: '-o since'\n";
    assert_eq!(misspelled, told);
    let value = refused("since=never");
    assert!(value.starts_with("error: invalid value 'never' for '-o since=<"), "{value}");
    assert!(!value.contains("--"), "{value}");
    let remount = refused("rw,remount,since=3d");
    for part in
        ["-o remount: ", "`umount /srv/calls && mount /srv/calls`", "`reelfs refresh /srv/calls`"]
    {
        assert!(remount.contains(part), "{part}: {remount}");
    }
}
