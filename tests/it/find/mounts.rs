//! Which mounts are asked: all of them, the one that shows the account of a profile, and what is told of one
//! that cannot answer.

use std::process::Stdio;

use super::*;
use crate::ground::{no_answer, send_signal};

/// A config file with the profile `calls`, of the ground's account.
fn profile(ground: &Ground) -> String {
    let config = ground.dir.path().join("config.toml");
    let (key, url) = (ground.credentials(), ground.sandbox.base_url());
    let text = format!(
        "[profiles.calls]\nsource = \"voximplant\"\ncredentials = \"{}\"\napi-url = \"{url}\"\n\
         since = \"50d\"\n",
        key.display()
    );
    fs::write(&config, text).unwrap();
    config.to_str().unwrap().to_owned()
}

/// What is found by a profile, as it is told.
fn found_by(config: &str, ground: &Ground, more: &[&str]) -> Vec<String> {
    let told = find_in(ground, &[&["calls", "--config", config][..], more].concat());
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    text(&told.stdout).lines().map(str::to_owned).collect()
}

/// A mount of the ground's account beside the usual one, with a cache of its own.
fn mount_beside(ground: &Ground) -> Mount {
    let at = ground.dir.path().join("beside");
    fs::create_dir_all(&at).unwrap();
    let mut command = Command::new(REELFS);
    command.args(["mount", "voximplant", "--since", "3d", "--cache-size", "0", "--poll", "0"]);
    command.arg(&at).arg("--credentials").arg(ground.credentials());
    command.args(["--api-url", ground.sandbox.base_url(), "--timeout", "1h"]);
    command.env("XDG_STATE_HOME", ground.dir.path().join("state"));
    command.env("XDG_RUNTIME_DIR", ground.dir.path().join("run"));
    ground.start_at(command, at)
}

#[test]
fn an_account_that_is_not_mounted_is_searched_by_its_profile() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account());
    let config = profile(&ground);
    let nothing = find(&ground, &["--app", "support"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(text(&nothing.stderr).contains("no mount of yours answers"), "{nothing:?}");
    let paths = found_by(&config, &ground, &["--app", "support"]);
    assert_eq!(paths.len(), 6);
    let known = ["--offline", "--app", "support", "--until", "yesterday"];
    assert_eq!(found_by(&config, &ground, &known), paths);
    let told = find_in(&ground, &["calls", "--config", &config, "--text", "refund"]);
    let warning = text(&told.stderr);
    assert!(warning.contains("`reelfs warm MOUNTPOINT/transcripts`"), "{warning}");
    let mount = mount(&ground, &["--since", "50d"]);
    assert!(paths.iter().all(|path| mount.path(path).is_file()), "{paths:?}");
}

#[test]
fn an_account_that_is_mounted_is_searched_by_its_profile_in_the_mount() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account());
    let config = profile(&ground);
    let (first, last) = (days_ago(2).to_string(), days_ago(1).to_string());
    let narrow = mount(&ground, &["--since", &first]);
    // What it does not show is found beside it, and what it shows has its path there.
    let paths = found_by(&config, &ground, &["--kind", "recordings"]);
    let is_there = |path: &String| PathBuf::from(path).is_file();
    assert_eq!(paths.iter().map(is_there).collect::<Vec<_>>(), [false, false, true, true]);
    assert!(paths[0].starts_with("recordings/"), "{paths:?}");
    let asked = ground.sandbox.requests().len();
    let dated = ["--kind", "recordings", "--since", &first, "--until", &last];
    let paths = found_by(&config, &ground, &dated);
    assert!(paths.len() == 2 && paths.iter().all(is_there), "{paths:?}");
    assert_eq!(ground.sandbox.requests().len(), asked, "the mount knows it all");
    drop(narrow);
    let _mount = mount(&ground, &["--since", "50d"]);
    let paths = found_by(&config, &ground, &["--app", "support"]);
    assert!(paths.len() == 6 && paths.iter().all(is_there), "{paths:?}");
    let told = find_in(&ground, &["calls", "--config", &config, "--text", "refund"]);
    let warning = text(&told.stderr);
    let place = ground.mountpoint().join("transcripts");
    assert!(warning.contains(&format!("`reelfs warm {}`", place.display())), "{warning}");
}

#[test]
fn a_mount_that_cannot_answer_spoils_no_others_and_is_told() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account());
    let _mount = mount(&ground, &["--since", "3d"]);
    let whole = find(&ground, &["--app", "support"]);
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    let beside = mount_beside(&ground);
    let place = ground.dir.path().join("beside");
    let place = place.to_str().unwrap();
    let spoiled = |told: &Output, why: &str| {
        let (out, err) = (text(&told.stdout), text(&told.stderr));
        assert!(text(&whole.stdout).lines().all(|path| out.contains(path)), "{out}{err}");
        let told_of = |line: &str| line.contains(place) && line.contains(why);
        assert!(err.lines().any(told_of), "{err}");
        assert_eq!(told.status.code(), Some(3), "{err}");
    };
    // It does not answer.
    send_signal(beside.pid(), "STOP");
    spoiled(&output(&mut find_anywhere(&ground, &["--app", "support"])), "does not answer");
    send_signal(beside.pid(), "CONT");
    // It dies while it searches.
    let asked = ground.listing_requests();
    ground.sandbox.faults().add(no_answer().on_api("GetCallHistory"));
    let mut search = find_anywhere(&ground, &["--app", "support"]);
    search.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let search = search.spawn().unwrap();
    wait_until("it searches", || ground.listing_requests() > asked);
    beside.end_with("KILL");
    spoiled(&search.wait_with_output().unwrap(), "broke off its answer");
    // It is dead.
    spoiled(&output(&mut find_anywhere(&ground, &["--app", "support"])), "is dead");
}
