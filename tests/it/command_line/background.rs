//! Mounts in the background, and their end by `reelfs unmount`.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::{
    AtEnd, daemons, ground_with_one_call, recording, refusal, success, unmount, unmounted,
};
use crate::ground::{Ground, REELFS, can_mount, is_mounted, output, send_signal, text, wait_until};

/// The session and the terminal of a process: `proc_pid_stat(5)`, counted after its name.
fn session_and_terminal(pid: &str) -> (u32, i32) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, facts) = stat.rsplit_once(')').unwrap();
    let mut facts = facts.split_whitespace();
    (facts.nth(3).unwrap().parse().unwrap(), facts.next().unwrap().parse().unwrap())
}

/// A `reelfs mount` of the sandbox that is typed in `directory`, with paths below it.
fn typed_in(ground: &Ground, directory: &Path, mountpoint: &str, credentials: &[&str]) -> Command {
    let mut command = Command::new(REELFS);
    command
        .current_dir(directory)
        .args(["mount", "voximplant", mountpoint, "--api-url", ground.sandbox.base_url()])
        .args(credentials)
        .env("XDG_STATE_HOME", directory.join("state"))
        .env("XDG_CACHE_HOME", directory.join("cache"))
        .env_remove("VOXIMPLANT_CREDENTIALS");
    command
}

#[test]
fn a_mount_in_the_background_answers_and_keeps_no_terminal() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let at = ground.mountpoint();
    let _end = AtEnd(at.clone());
    let typed = ground.mount_command(&["-v"]);
    let words = std::iter::once(typed.get_program()).chain(typed.get_args());
    let line: Vec<_> = words.map(|word| quoted(word.to_str().unwrap())).collect();
    // It gives the command a terminal of its own, and hangs that up at the end.
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &line.join(" "), "/dev/null"]);
    terminal.env("XDG_STATE_HOME", ground.dir.path().join("state"));
    let shown = success(terminal.env("XDG_CACHE_HOME", ground.dir.path().join("cache")));
    assert_eq!(shown.trim(), "", "it has nothing to say");
    assert_eq!(fs::read(recording(&at)).unwrap().len(), 1000);
    let [daemon] = daemons(&at)[..] else { panic!("{:?}", daemons(&at)) };
    assert_eq!(session_and_terminal(&daemon.to_string()), (daemon, 0));
    for stream in ["0", "1", "2"] {
        let open = fs::read_link(format!("/proc/{daemon}/fd/{stream}")).unwrap();
        assert_eq!(open, Path::new("/dev/null"));
    }
    assert_eq!(fs::read_link(format!("/proc/{daemon}/cwd")).unwrap(), Path::new("/"));

    let log = ground.dir.path().join("state/reelfs/reelfs.log");
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&log).unwrap().contains("mounted"));

    unmounted(&mut unmount(&at, &[]));
    assert!(!is_mounted(&at));
    wait_until("the daemon ends", || daemons(&at).is_empty());
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[test]
fn relative_paths_work_and_so_do_spaces_and_other_letters() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let names = ["my calls", "звонки\u{1f4de}", r"back\slash, comma", "-dash"];
    for name in names {
        let directory = ground.dir.path().join(name);
        fs::create_dir_all(directory.join(name)).unwrap();
        let _end = AtEnd(directory.join(name));
        fs::copy(ground.credentials(), directory.join("my key.json")).unwrap();
        let typed = format!("./{name}");
        let mut mount = typed_in(&ground, &directory, &typed, &["--credentials", "my key.json"]);
        success(&mut mount);
        assert!(is_mounted(&directory.join(name)), "{name}");
        recording(&directory.join(name));
        let again = refusal(&mut mount, 1);
        assert!(again.contains("already mounted"), "{again}");
        let mut unmount = Command::new(REELFS);
        unmounted(unmount.current_dir(&directory).args(["unmount", &typed]));
        assert!(!is_mounted(&directory.join(name)), "{name}");
    }
}

#[test]
fn the_variable_names_the_credentials_where_the_flag_does_not() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let at = ground.mountpoint();
    let _end = AtEnd(at.clone());
    fs::create_dir(&at).unwrap();
    let mount = || typed_in(&ground, ground.dir.path(), "calls", &[]);
    success(mount().env("VOXIMPLANT_CREDENTIALS", "keys/voximplant.json"));
    recording(&at);
    unmounted(&mut unmount(&at, &[]));
    let flag = ["--credentials", "keys/voximplant.json"];
    let mut both = typed_in(&ground, ground.dir.path(), "calls", &flag);
    success(both.env("VOXIMPLANT_CREDENTIALS", "nothing.json"));
    unmounted(&mut unmount(&at, &[]));
    let neither = refusal(&mut mount(), 2);
    assert!(neither.contains("--credentials"), "{neither}");
}

#[test]
fn a_dead_mount_is_cleared_by_the_next_one_and_by_unmount() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let at = ground.mountpoint();
    let _end = AtEnd(at.clone());
    let kill = || {
        let [daemon] = daemons(&at)[..] else { panic!("{:?}", daemons(&at)) };
        send_signal(daemon, "KILL");
        wait_until("the mount is dead", || fs::read_dir(&at).is_err());
    };
    success(&mut ground.mount_command(&[]));
    kill();
    success(&mut ground.mount_command(&[]));
    recording(&at);
    kill();
    unmounted(&mut unmount(&at, &[]));
    assert!(!is_mounted(&at) && fs::read_dir(&at).unwrap().next().is_none());
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!table.contains(at.to_str().unwrap()), "a mount is left below another");
}

#[test]
fn unmount_says_what_it_cannot_unmount() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let at = ground.mountpoint();
    let _end = AtEnd(at.clone());
    fs::create_dir(&at).unwrap();
    for other in [at.as_path(), Path::new("/proc")] {
        let error = refusal(&mut unmount(other, &[]), 1);
        assert!(error.contains("is not mounted at") && error.contains(other.to_str().unwrap()));
    }
    let missing = refusal(&mut unmount(&at.join("no\nthing"), &[]), 1);
    assert!(missing.contains("nothing") || missing.contains(r"no\nthing"), "{missing}");
    assert!(!missing.contains("hint:"), "{missing}");

    success(&mut ground.mount_command(&[]));
    let open = File::open(recording(&at)).unwrap();
    let busy = refusal(&mut unmount(&at, &[]), 1);
    assert!(busy.contains("is in use") && busy.contains("--lazy"), "{busy}");
    assert!(is_mounted(&at));
    success(&mut unmount(&at, &["--lazy"]));
    assert!(!is_mounted(&at));
    drop(open);
    wait_until("the daemon ends", || daemons(&at).is_empty());
}

#[test]
fn what_is_wrong_with_the_arguments_is_warned_of_once() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let _end = AtEnd(ground.mountpoint());
    let output = output(ground.mount_command(&[]).env("REELFS_LOG", "a=b=c"));
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("warning: REELFS_LOG is not used").count(), 1, "{said}");
    unmounted(&mut unmount(&ground.mountpoint(), &[]));
}

#[test]
fn a_log_that_goes_to_no_terminal_has_no_colors() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let mount = ground.mount(&["-vv"]);
    wait_until("it logs", || mount.log().contains("INFO"));
    assert!(!mount.log().contains('\u{1b}'), "{}", mount.log());
}

#[test]
fn a_log_that_cannot_be_kept_is_warned_of_unless_it_was_asked_for() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let _end = AtEnd(ground.mountpoint());
    let file = ground.credentials().join("below");
    let told = refusal(ground.mount_command(&[]).arg("--log-file").arg(&file), 1);
    assert!(told.contains("voximplant.json/below: "), "{told}");
    let output = output(ground.mount_command(&[]).env("XDG_STATE_HOME", &file));
    let said = text(&output.stderr);
    assert!(output.status.success() && said.starts_with("warning: no log is kept: "), "{said}");
    recording(&ground.mountpoint());
    unmounted(&mut unmount(&ground.mountpoint(), &[]));
}
