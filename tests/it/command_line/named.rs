//! How people name a mount to the commands that look after it: by its directory or by its profile,
//! and what they are told who named it wrong.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::profiles::{self, configure, profile};
use super::{AtEnd, ground_with_one_call, recording, refusal, success, unmounted};
use crate::ground::{Ground, can_mount, is_mounted, output, text, wait_until};

/// `reelfs` with a home and sockets of its own. Root sees those of other tests, too, so that names of
/// profiles are this file's own.
fn reelfs(ground: &Ground, arguments: &[&str]) -> Command {
    let mut command = profiles::reelfs(ground, arguments);
    command.env("XDG_RUNTIME_DIR", ground.dir.path().join("run")).current_dir(ground.dir.path());
    command
}

#[test]
fn a_mount_is_named_by_its_directory_or_its_profile() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let at = |name: &str| ground.dir.path().join(name);
    let _ends = ["calls", "more", "usual"].map(|name| AtEnd(at(name)));
    for name in ["calls", "more", "usual"] {
        fs::create_dir(at(name)).unwrap();
    }
    let usual = profile(&ground, "south", "mountpoint = \"~/usual\"");
    configure(&ground, &[profile(&ground, "north", ""), usual].concat());
    let run = |arguments: &[&str]| success(&mut reelfs(&ground, arguments));
    let refused = |arguments: &[&str], code| refusal(&mut reelfs(&ground, arguments), code);
    run(&["mount", "north", "calls"]);
    run(&["mount", "south"]);

    for word in ["north", "calls", "./calls", "calls/logs"] {
        let told: Value = serde_json::from_str(&run(&["status", "--json", word])).unwrap();
        assert_eq!(
            (&told["mountpoint"], &told["profile"]),
            (&at("calls").to_str().into(), &"north".into())
        );
        assert!(
            run(&["refresh", word]).contains(&format!("{}: asked again", at("calls").display()))
        );
    }
    assert!(run(&["status", "south"]).contains("usual  south  voximplant:127.0.0.1"));
    for word in ["calls", "calls/recordings", "usual"] {
        let told = text(&output(&mut reelfs(&ground, &["doctor", word])).stdout);
        let profile = if word == "usual" { "south" } else { "north" };
        assert!(told.contains(&format!("\n{profile}\n  ok    key: ")), "{told}");
        assert_eq!(told.matches("account: ").count(), 1, "{told}");
    }
    assert!(refused(&["doctor", "keys"], 1).contains("no mount of yours answers for keys"));

    let told = refused(&["unmount", "calls/logs"], 1);
    assert!(told.contains(&format!("hint: reelfs unmount {}\n", at("calls").display())), "{told}");
    assert!(refused(&["unmount", "."], 1).contains("hint: reelfs unmount --all .\n"));
    assert!(refused(&["unmount", "--all", "calls"], 1).contains("hint: reelfs unmount /"));

    run(&["mount", "north", "more"]);
    let told = refused(&["unmount", "north"], 1);
    assert!(["north may be any of ", "/calls, ", "/more\n"].iter().all(|part| told.contains(part)));
    unmounted(&mut reelfs(&ground, &["unmount", "more"]));
    unmounted(&mut reelfs(&ground, &["unmount", "north"]));
    assert!(!is_mounted(&at("calls")) && is_mounted(&at("usual")));
    for command in ["unmount", "status", "refresh"] {
        let told = refused(&[command, "north"], 1);
        let hint = "the profile north is not mounted\nhint: reelfs mount north DIR";
        assert!(told.contains(hint), "{command}: {told}");
    }
    recording(&at("usual"));
    unmounted(&mut reelfs(&ground, &["unmount", "south"]));
    assert!(refused(&["unmount", "south"], 1).contains("hint: reelfs mount south"));
}

#[test]
fn all_profiles_are_mounted_where_they_say_and_once() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let at = |name: &str| ground.dir.path().join(name);
    let places = ["first", "all/east", "all/west"].map(at);
    let _ends = places.clone().map(AtEnd);
    let east = profile(&ground, "east", "mountpoint = \"~/first\"");
    configure(&ground, &[east.clone(), profile(&ground, "west", "")].concat());
    let run = |arguments: &[&str]| success(&mut reelfs(&ground, arguments));
    let refused = |arguments: &[&str]| refusal(&mut reelfs(&ground, arguments), 2);
    let told = refused(&["mount", "--all"]);
    assert!(told.contains(":6:11: the profile `west` has no `mountpoint`\nhint: "), "{told}");
    assert!(told.contains("`mountpoint = …`") && told.contains("--all DIR"), "{told}");
    for words in [&["mount", "--all", "west"][..], &["mount", "all", "--all", "west"]] {
        assert!(refused(words).contains("`west` is one\nhint: reelfs mount west DIR\n"));
    }

    assert_eq!(run(&["mount", "all", "--all"]), "");
    let again = run(&["mount", "--all", "all", "--since", "3d"]);
    let line = |name| format!("{name} is already mounted at {}\n", at("all").join(name).display());
    assert_eq!(again, line("east") + &line("west"));
    // What stands there and is of no profile, or of another, is in the way.
    unmounted(&mut reelfs(&ground, &["unmount", "all/east"]));
    run(&["mount", "west", "all/east"]);
    let told = output(&mut reelfs(&ground, &["mount", "--all", "all"]));
    let (out, err) = (text(&told.stdout), text(&told.stderr));
    assert_eq!((told.status.code(), out), (Some(1), line("west")));
    assert!(err.contains("error: profile east: reelfs is already mounted at "), "{err}");

    configure(&ground, &east);
    assert_eq!(run(&["mount", "--all"]), "");
    for at in &places {
        recording(at);
        unmounted(&mut reelfs(&ground, &["unmount", at.to_str().unwrap()]));
    }
}

#[test]
fn who_types_a_mount_wrong_is_told_what_to_type() {
    let ground = ground_with_one_call();
    let text = [
        profile(&ground, "north", ""),
        profile(&ground, "south", "mountpoint = \"~/usual\""),
        "[profiles.links]\nsource = \"list\"\n".to_owned(),
    ];
    let path = configure(&ground, &text.concat());
    let refused = |arguments: &[&str]| refusal(&mut reelfs(&ground, arguments), 2);
    let at = |line, message: &str| format!("{}:{line}:11: {message}", path.display());
    let usual = ground.dir.path().join("usual");
    for (typed, message, hint) in [
        (
            &["mount", "north"][..],
            at(1, "the profile `north` has no `mountpoint`"),
            "reelfs mount north DIR, or a line `mountpoint = …` there",
        ),
        (
            &["mount", "links", "keys"],
            at(11, "the profile `links` has no `from`"),
            "a line `from = …` there, or --from",
        ),
        (
            &["mount", "keys", "--since", "7d", "north"],
            "keys is no profile: the directory comes second".to_owned(),
            "reelfs mount north keys --since 7d",
        ),
        (
            &["mount", "./my keys", "voximplant", "--credentials", "key.json"],
            "'./my keys' is no profile: the directory comes second".to_owned(),
            "reelfs mount voximplant './my keys' --credentials key.json",
        ),
        (
            &["mount", "--allow-other", "north", "keys"],
            "--allow-other stands ahead of what it is an option of".to_owned(),
            "reelfs mount SOURCE|PROFILE MOUNTPOINT --allow-other …",
        ),
        (
            &["mount", usual.to_str().unwrap()],
            format!("{} is where a profile is mounted: give its name", usual.display()),
            "reelfs mount south",
        ),
    ] {
        assert_eq!(refused(typed), format!("error: {message}\nhint: {hint}\n"));
    }
    assert!(
        refused(&["mount", "--config", path.to_str().unwrap()])
            .contains("name a source or a profile")
    );
}

#[test]
fn who_types_a_profile_wrong_is_asked_whether_it_was_meant() {
    let ground = ground_with_one_call();
    configure(&ground, &profile(&ground, "support", ""));
    let refused = |arguments: &[&str]| refusal(&mut reelfs(&ground, arguments), 1);
    for command in ["unmount", "status", "refresh"] {
        let told = "error: suport is no mount and no profile\nhint: did you mean support?\n";
        assert_eq!(refused(&[command, "suport"]), told, "{command}");
        let other = refused(&[command, "elsewhere"]);
        assert!(!other.contains("did you mean"), "{command}: {other}");
        // What is there is a directory that was meant.
        let key = refused(&[command, "keys"]);
        assert!(!key.contains("profile"), "{command}: {key}");
    }
}

#[test]
fn a_mount_that_died_is_named_to_who_asks_for_its_profile() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let at = ground.dir.path().join("away");
    fs::create_dir(&at).unwrap();
    let _end = AtEnd(at.clone());
    configure(&ground, &profile(&ground, "gone", "mountpoint = \"~/usual\""));
    let mount = ground.start_at(reelfs(&ground, &["mount", "gone", "away"]), at.clone());
    assert_eq!(mount.end_with("KILL"), None);
    wait_until("the mount is dead", || fs::read_dir(&at).is_err());
    for command in ["unmount", "status", "refresh"] {
        let told = refusal(&mut reelfs(&ground, &[command, "gone"]), 1);
        let hint =
            "the profile gone is not mounted\nhint: reelfs mount gone; if it is one that does";
        assert!(told.contains(hint), "{command}: {told}");
        let mend = format!("reelfs unmount {}", at.display());
        assert!(told.contains(&mend), "{command}: {told}");
    }
    success(&mut reelfs(&ground, &["unmount", "away"]));
}
