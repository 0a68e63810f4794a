//! Profiles: the config file in place of flags.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use super::{AtEnd, ground_with_one_call, recording, refusal, success, unmount};
use crate::ground::{
    Ground, REELFS, can_mount, days_ago, is_mounted, output, slashed, text, wait_until,
};

/// `reelfs`, with a home of its own.
pub(super) fn reelfs(ground: &Ground, arguments: &[&str]) -> Command {
    let mut command = Command::new(REELFS);
    command.args(arguments).env("HOME", ground.dir.path());
    for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "VOXIMPLANT_CREDENTIALS"] {
        command.env_remove(name);
    }
    command
}

/// Writes the config file of that home.
pub(super) fn configure(ground: &Ground, text: &str) -> PathBuf {
    let path = ground.dir.path().join(".config/reelfs/config.toml");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

/// A profile of the sandbox.
pub(super) fn profile(ground: &Ground, name: &str, more: &str) -> String {
    let url = ground.sandbox.base_url();
    let source = "source = \"voximplant\"\ncredentials = \"~/keys/voximplant.json\"";
    format!("[profiles.{name}]\n{source}\napi-url = \"{url}\"\n{more}\n")
}

#[test]
fn a_profile_mounts_and_what_is_typed_wins() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let (at, _end) = (ground.mountpoint(), AtEnd(ground.mountpoint()));
    fs::create_dir(&at).unwrap();
    let day = slashed(days_ago(1));
    let more = "since = \"2020-01-01\"\nmountpoint = \"calls\"\nallow-other = false";
    configure(&ground, &profile(&ground, "support", more));
    success(&mut reelfs(&ground, &["mount", "support", at.to_str().unwrap()]));
    assert!(at.join("logs/2020/01/01").is_dir());
    recording(&at);
    success(&mut unmount(&at, &[]));

    let since = days_ago(1).to_string();
    let typed = ["mount", "support", at.to_str().unwrap(), "--since", &since];
    success(&mut reelfs(&ground, &typed));
    assert!(at.join("logs").join(&day).is_dir() && !at.join("logs/2020").exists());
    success(&mut unmount(&at, &[]));
}

#[test]
fn all_profiles_are_mounted_and_one_that_fails_harms_none() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let at = ground.dir.path().join("all");
    let _ends = ["one", "two", "broken"].map(|name| AtEnd(at.join(name)));
    let broken =
        profile(&ground, "broken", "").replace(ground.sandbox.base_url(), "http://127.0.0.1:1");
    let text_of = [profile(&ground, "one", ""), broken, profile(&ground, "two", "")].concat();
    configure(&ground, &text_of);
    let told = refusal(&mut reelfs(&ground, &["mount", "--all", at.to_str().unwrap()]), 1);
    assert!(told.contains("error: profile broken: the API at 127.0.0.1 does not answer"), "{told}");
    assert!(told.contains("the profile broken is not mounted"), "{told}");
    for name in ["one", "two"] {
        recording(&at.join(name));
    }
    assert!(!is_mounted(&at.join("broken")));
    let mut told = String::new();
    wait_until("all are unmounted", || {
        let output = output(&mut unmount(&at, &["--all"]));
        told += &text(&output.stdout);
        output.status.success()
    });
    let mut lines: Vec<_> = told.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["one", "two"].map(|name| format!("unmounted {}", at.join(name).display())));
    assert!(!is_mounted(&at.join("one")) && !is_mounted(&at.join("two")));
    assert!(refusal(&mut unmount(&at, &["--all"]), 1).contains("is mounted nowhere in"));
}

#[test]
fn a_config_file_is_checked_to_line_and_column() {
    let ground = ground_with_one_call();
    let wrong = "sinse = \"3d\"\nconnections = 0\nforeground = \"yes\"\ntrust-host = [true]\n";
    let path = configure(&ground, &profile(&ground, "a", wrong));
    let told = output(&mut reelfs(&ground, &["config", "check"]));
    let lines = text(&told.stderr);
    assert_eq!(told.status.code(), Some(1), "{lines}");
    for expected in [
        ":5:1: `sinse` is no option of voximplant\nhint: did you mean `since`?",
        ":6:15: connections: 0 is not in",
        ":7:1: foreground: expected true or false",
        ":8:15: expected a text",
    ] {
        assert!(lines.contains(&format!("{}{expected}", path.display())), "{expected}: {lines}");
    }
    let mounting = refusal(&mut reelfs(&ground, &["mount", "b", "/none"]), 2);
    assert!(mounting.contains("8:15"), "a file that cannot be read is told: {mounting}");

    configure(&ground, &profile(&ground, "support", "since = 2026-08-01"));
    assert!(success(&mut reelfs(&ground, &["config", "check"])).contains("support (voximplant)"));
    let typo = refusal(&mut reelfs(&ground, &["mount", "suport", "/none"]), 2);
    assert!(typo.contains("did you mean support?"), "{typo}");
    configure(&ground, "[profiles.x]\nsource = \"list\"\n");
    let told = refusal(&mut reelfs(&ground, &["config", "check"]), 1);
    assert!(told.contains("1:11: ") && told.contains("--from"), "{told}");
}

#[test]
fn a_secret_that_others_can_read_is_refused_with_the_fix() {
    let ground = ground_with_one_call();
    configure(&ground, &profile(&ground, "a", ""));
    let key = ground.credentials();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    for arguments in [&["config", "check"][..], &["mount", "a", "/none"]] {
        let told = output(&mut reelfs(&ground, arguments));
        let lines = text(&told.stderr);
        assert!(!told.status.success() && lines.contains("can be read by others"), "{lines}");
        assert!(lines.contains(&format!("hint: chmod 600 {}", key.display())), "{lines}");
    }
}

/// `reelfs init`, which is given answers.
fn init(ground: &Ground, arguments: &[&str], answers: &str) -> Output {
    let mut command = reelfs(ground, &[&["init"], arguments].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who refuses a name has not read them.
    let _ = child.stdin.take().unwrap().write_all(answers.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn init_writes_what_config_check_takes_and_overwrites_nothing() {
    let ground = ground_with_one_call();
    let init = |name: &str, answers: &str| init(&ground, &[name], answers);
    let answers = format!("\n{}\n3d\n", ground.credentials().display());
    let written = init("support", &answers);
    assert!(written.status.success(), "{}", text(&written.stderr));
    let path = ground.dir.path().join(".config/reelfs/config.toml");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    success(&mut reelfs(&ground, &["config", "check"]));

    let before = fs::read_to_string(&path).unwrap();
    let again = init("support", &answers);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("is there already"), "{}", text(&again.stderr));
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    assert!(!init("cut", "\n").status.success(), "nobody answered");
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    assert!(init("other", &answers).status.success());
    let told = success(&mut reelfs(&ground, &["config", "check"]));
    assert!(told.contains("other (voximplant), support (voximplant)"), "{told}");
}

#[test]
fn what_init_offers_and_takes_can_be_mounted() {
    let ground = ground_with_one_call();
    let (key, home) = (ground.credentials(), ground.dir.path());
    // The kind that is offered, a source and the name that is offered, no file, a directory, the key.
    let answers = format!("\nlist\n\n\n{}\n{}\n3d\n", home.display(), key.display());
    let written = init(&ground, &[], &answers);
    let told = text(&written.stdout);
    assert!(written.status.success(), "{told}{}", text(&written.stderr));
    for part in [
        "Name of the profile [calls]: ",
        "`reelfs mount list` means something else: name it otherwise\n",
        "there is no file that is usually meant: name one\n",
        &format!("{} is a directory\n", home.display()),
        "reelfs mount calls ~/calls\n",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let again = text(&init(&ground, &[], "\n\n").stdout);
    assert!(again.contains("Name of the profile: "), "{again}");
    let answers = format!("\n{}\n3d\n", key.display());
    let told = text(&init(&ground, &["two words"], &answers).stdout);
    assert!(told.contains("reelfs mount 'two words' ~/calls\n"), "{told}");
    success(&mut reelfs(&ground, &["config", "check"]));

    for name in ["voximplant", "help"] {
        let refused = init(&ground, &[name], "\n");
        assert!(text(&refused.stderr).contains(&format!("`reelfs mount {name}` means")), "{name}");
        configure(&ground, &profile(&ground, name, ""));
        for command in [&["config", "check"][..], &["mount", "--all", "all"]] {
            let told = text(&output(&mut reelfs(&ground, command)).stderr);
            assert!(told.contains(&format!(":1:11: `{name}` is no name")), "{told}");
        }
    }
}
