//! Mounts of an ordinary user, through `fusermount3`, and grounds on which nothing can be mounted.
//!
//! The user's mounts are made in a mount namespace of their own, in which `/dev/fuse` is open to
//! all, as udev leaves it; some machines that run tests keep it for root.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{Running, daemons, ground_with_one_call, is_root, refusal, success, unmounted};
use crate::ground::{
    Ground, REELFS, can_mount, days_ago, output, send_signal, slashed, text, wait_until,
};

/// `nobody`.
const USER: u32 = 65534;

/// Opens `/dev/fuse` to all; `$1` is a directory for the node.
const OPEN_DEVICE: &str = "mount -t tmpfs none $1 && mknod $1/fuse c 10 229 && chmod 666 $1/fuse \
                           && mount --bind $1/fuse /dev/fuse";

/// A user's own place on the ground: a copy of the program and of the key, a mountpoint, and a
/// mount namespace.
struct Place {
    ground: Ground,
    home: PathBuf,
    /// Holds the namespace.
    holder: Running,
}

impl Place {
    /// `None`, and SKIPPED, where there are no mounts, other users or namespaces.
    fn new(setup: &str) -> Option<Self> {
        if !can_mount() || !is_root() {
            return None;
        }
        let ground = ground_with_one_call();
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(ground.dir.path(), open).unwrap();
        let home = ground.dir.path().join("home");
        for directory in ["calls", "node"] {
            fs::create_dir_all(home.join(directory)).unwrap();
        }
        fs::copy(REELFS, home.join("reelfs")).unwrap();
        fs::copy(ground.credentials(), home.join("key.json")).unwrap();
        for own in ["", "calls", "key.json"] {
            chown(home.join(own), Some(USER), Some(USER)).unwrap();
        }
        let mut unshare = Command::new("unshare");
        let script = format!("{setup} && echo ready && exec sleep 600");
        unshare.args(["--mount", "bash", "-c", &script, "bash"]).arg(home.join("node"));
        let mut holder = Running::start(unshare.stdout(Stdio::piped()));
        let mut word = String::new();
        BufReader::new(holder.0.stdout.take().unwrap()).read_line(&mut word).unwrap();
        if word.trim() != "ready" {
            eprintln!("SKIPPED: no mount namespaces here");
            return None;
        }
        Some(Self { ground, home, holder })
    }

    fn at(&self) -> PathBuf {
        self.home.join("calls")
    }

    /// A command in the namespace, as root.
    fn root(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.0.id())).args(arguments);
        command.env("HOME", &self.home).env_remove("XDG_STATE_HOME").env_remove("XDG_CACHE_HOME");
        command
    }

    /// A command in the namespace, as the user.
    fn user(&self, arguments: &[&str]) -> Command {
        let mut command = self.root(&["setpriv", "--reuid=65534", "--regid=65534"]);
        command.arg("--clear-groups").args(arguments);
        command
    }

    /// The rest of a command that ends in `env` or in its assignments: a mount.
    fn mount(&self, mut command: Command, more: &[&str]) -> Command {
        command.arg(self.home.join("reelfs")).args(["mount", "voximplant"]).arg(self.at());
        command.arg("--credentials").arg(self.home.join("key.json"));
        command.args(["--api-url", self.ground.sandbox.base_url()]).args(more);
        command
    }

    fn mount_as_user(&self, more: &[&str]) -> Command {
        self.mount(self.user(&[]), more)
    }

    fn unmount(&self, mut command: Command) -> Command {
        command.arg(self.home.join("reelfs")).arg("unmount").arg(self.at());
        command
    }

    fn daemon(&self) -> u32 {
        let found = daemons(&self.at());
        assert_eq!(found.len(), 1, "{found:?}");
        found[0]
    }

    fn is_mounted(&self) -> bool {
        let table = success(&mut self.root(&["cat", "/proc/self/mountinfo"]));
        table.contains(self.at().to_str().unwrap())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for daemon in daemons(&self.at()) {
            send_signal(daemon, "KILL");
        }
    }
}

#[test]
fn an_ordinary_user_mounts_reads_and_unmounts() {
    let Some(place) = Place::new(OPEN_DEVICE) else { return };
    let at = place.at();
    success(&mut place.mount_as_user(&[]));
    let day = at.join("recordings").join(slashed(days_ago(1)));
    let read = "stat --format='%u %a' *.mp3 && cat *.mp3 | wc -c";
    let script = format!("cd {} && {read}", day.display());
    assert_eq!(success(&mut place.user(&["bash", "-c", &script])), "65534 400\n1000\n");
    // Not even root enters another user's mount, and nobody but root sees what the daemon holds.
    let root = output(&mut place.root(&["ls", at.to_str().unwrap()]));
    assert!(text(&root.stderr).contains("Permission denied"), "{root:?}");
    let private = fs::metadata(format!("/proc/{}/environ", place.daemon())).unwrap();
    assert_eq!(private.uid(), 0, "the process can be dumped");
    let log = fs::metadata(place.home.join(".local/state/reelfs/reelfs.log")).unwrap();
    assert_eq!((log.uid(), log.mode() & 0o777), (USER, 0o600));
    unmounted(&mut place.unmount(place.user(&[])));
    wait_until("the daemon ends", || daemons(&at).is_empty());
    assert!(!place.is_mounted());
}

#[test]
fn an_ordinary_users_dead_mount_is_cleared_and_root_unmounts_for_everybody() {
    let Some(place) = Place::new(OPEN_DEVICE) else { return };
    let at = place.at();
    success(&mut place.mount_as_user(&[]));
    for mut clear in [place.mount_as_user(&[]), place.unmount(place.user(&[]))] {
        send_signal(place.daemon(), "KILL");
        let mut ask = place.user(&["stat", "--file-system", at.to_str().unwrap()]);
        wait_until("the mount is dead", || !output(&mut ask).status.success());
        success(&mut clear);
    }
    assert!(!place.is_mounted());
    success(&mut place.mount_as_user(&[]));
    unmounted(&mut place.unmount(place.root(&[])));
    assert!(!place.is_mounted());
    wait_until("the daemon ends", || daemons(&at).is_empty());
}

#[test]
fn what_keeps_an_ordinary_user_from_mounting_is_told_with_its_fix() {
    let setup = format!("{OPEN_DEVICE} && mount --bind /dev/null /etc/fuse.conf");
    let Some(place) = Place::new(&setup) else { return };
    let refused = |mut command: Command, parts: [&str; 2]| {
        let told = refusal(&mut command, 1);
        assert!(parts.iter().all(|part| told.contains(part)), "{told}");
        assert!(!place.is_mounted() && daemons(&place.at()).is_empty());
    };
    for foreground in [&["-f"][..], &[]] {
        let without_path = place.mount(place.user(&["env", "PATH="]), foreground);
        refused(without_path, ["fusermount3 was not found", "hint: apt install fuse3"]);
    }
    let others = place.mount_as_user(&["--allow-other"]);
    refused(others, ["--allow-other is not permitted", "add a line `user_allow_other`"]);
    chown(place.at(), Some(0), Some(0)).unwrap();
    refused(place.mount_as_user(&[]), ["fusermount3: user has no write access", "calls\n"]);
    fs::set_permissions(place.home.join("key.json"), fs::Permissions::from_mode(0o000)).unwrap();
    refused(place.mount_as_user(&[]), ["key.json: cannot be read: Permission denied", "hint: "]);
}

#[test]
fn a_device_that_is_closed_or_missing_is_told_with_its_fix() {
    let Some(place) = Place::new(&format!("{OPEN_DEVICE} && chmod 600 /dev/fuse")) else { return };
    let told = refusal(&mut place.mount_as_user(&[]), 1);
    assert!(told.contains("/dev/fuse cannot be opened: Permission denied"), "{told}");
    assert!(told.contains("hint: ") && told.contains("chmod 666 /dev/fuse"), "{told}");
    let Some(place) = Place::new("mount -t tmpfs none /dev && touch /dev/null") else { return };
    let told = refusal(&mut place.mount(place.root(&[]), &["-f"]), 1);
    assert!(told.contains("/dev/fuse does not exist"), "{told}");
    assert!(told.contains("hint: ") && told.contains("modprobe fuse"), "{told}");
}
