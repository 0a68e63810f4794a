//! `reelfs doctor`: a line for each thing, and what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use reelfs::sandbox::Options;
use reelfs::sandbox::whatconverts::Agency;

use super::{ground_with_one_call, refusal};
use crate::ground::{Ground, REELFS, can_mount, output, text};

/// `reelfs doctor` of a home without a config file; what it printed, and its exit code.
fn doctor(ground: &Ground, arguments: &[&str]) -> (String, Option<i32>) {
    let mut command = Command::new(REELFS);
    command.arg("doctor").args(arguments).env("HOME", ground.dir.path());
    command.env_remove("XDG_CONFIG_HOME").env_remove("VOXIMPLANT_CREDENTIALS");
    command.env("XDG_CACHE_HOME", ground.dir.path().join("cache"));
    let output = output(&mut command);
    (text(&output.stdout), output.status.code())
}

#[test]
fn an_account_that_works_is_told_thing_by_thing() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let key = ground.credentials();
    let url = ground.sandbox.base_url();
    let typed = ["voximplant", "--credentials", key.to_str().unwrap(), "--api-url", url];
    let (told, _) = doctor(&ground, &typed);
    for line in [
        "ok    FUSE: ",
        "ok    key: ",
        "ok    account: voximplant:127.0.0.1 answers and takes the key",
        "ok    clock: agrees",
        "ok    listing: 1 call in 7 days",
        "ok    cache: ",
        "ok    recordings: 127.0.0.1 serves ranges, tells sizes, versions (ETag), HEAD with sizes",
        "ok    logs: 127.0.0.1 serves ranges",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let asked: Vec<_> = ground.media_requests().into_iter().map(|asked| asked.method).collect();
    assert_eq!(asked, ["HEAD", "GET", "HEAD", "GET"], "two a kind of file");

    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (told, _) = doctor(&ground, &typed);
    assert!(told.contains(&format!("-> chmod 600 {}", key.display())), "{told}");
}

#[test]
fn the_cache_is_told_with_where_it_is_and_what_keeps_it_from_working() {
    let ground = ground_with_one_call();
    let key = ground.credentials();
    let url = ground.sandbox.base_url();
    let typed = ["voximplant", "--credentials", key.to_str().unwrap(), "--api-url", url];
    let told = |more: &[&str]| doctor(&ground, &[&typed[..], more].concat()).0;
    let place = ground.dir.path().join("cache/reelfs");
    let (place, shown) = (place.to_str().unwrap(), place.display());
    assert!(told(&[]).contains(&format!("ok    cache: {shown} will be made, in the clear")));
    assert!(!ground.dir.path().join("cache").exists(), "it was made");
    assert!(told(&["--cache-size", "0"]).contains("note  cache: none is wanted"));
    let settings = reelfs::store::Settings { directory: place.into(), limit: 1, key_file: None };
    drop(reelfs::store::Store::open(&settings).unwrap());
    let line = format!("ok    cache: {shown}, in the clear: 0 B of 10.0 GiB, 0 days listed");
    let now = told(&[]);
    assert!(now.contains(&line), "{now}");
    let wrong = told(&["--cache-key-file", key.to_str().unwrap()]);
    assert!(wrong.contains("FAIL  cache: ") && wrong.contains("-> empty it with"), "{wrong}");
}

#[test]
fn what_keeps_an_account_from_working_fails_and_says_what_to_do() {
    let ground = ground_with_one_call();
    let key = ground.credentials();
    let dead = ["voximplant", "--api-url", "http://127.0.0.1:1", "--timeout", "1s"];
    let (told, code) =
        doctor(&ground, &[&dead[..], &["--credentials", key.to_str().unwrap()]].concat());
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("FAIL  account: the API at 127.0.0.1 does not answer"), "{told}");
    assert!(told.contains("-> check the network"), "{told}");

    let config = ground.dir.path().join(".config/reelfs/config.toml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, "[profiles.a]\nsource = \"voximplant\"\nsinse = 1\n").unwrap();
    let (told, code) = doctor(&ground, &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("FAIL  ") && told.contains("-> did you mean `since`?"), "{told}");
}

#[test]
fn a_list_is_looked_at_whole_whatever_its_dates_are() {
    let ground = ground_with_one_call();
    let link = ground.sandbox.link(ground.sandbox.account().files()[0]);
    let (list, key) = (ground.dir.path().join("links.csv"), ground.credentials());
    let opened = ["--auth", "voximplant", "--credentials", key.to_str().unwrap()];
    let typed = [&["list", "--from", list.to_str().unwrap()][..], &opened].concat();
    for (text, listing) in [
        (format!("{link}\n"), "1 call without a date"),
        (format!("url,date\n{link},2020-02-03\n"), "1 call from 2020-02-03 to 2020-02-03"),
        (
            format!("url,date\n{link}?1,2020-02-03\n{link},2021-01-01\n{link}?2,\n"),
            "2 calls from 2020-02-03 to 2021-01-01, and 1 without a date",
        ),
    ] {
        fs::write(&list, &text).unwrap();
        let (told, _) =
            doctor(&ground, &[&typed[..], &["--api-url", ground.sandbox.base_url()]].concat());
        assert!(told.contains(&format!("ok    listing: {listing}\n")), "{told}");
        assert!(told.contains("ok    recordings: 127.0.0.1 serves ranges"), "{told}");
    }
}

#[test]
fn a_key_that_is_not_there_is_no_good_one() {
    let ground = ground_with_one_call();
    let missing = ground.dir.path().join("none.json");
    let (told, code) = doctor(&ground, &["whatconverts", "--key-file", missing.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("FAIL  account: ") && told.contains("No such file"), "{told}");
    assert!(!told.contains("ok    key: "), "{told}");
}

#[test]
fn a_mount_of_no_profile_is_looked_at_by_its_own_source() {
    if !can_mount() {
        return;
    }
    let ground = Ground::agency(Options::default(), Agency::empty(1));
    let mount = ground.mount_whatconverts("whatconverts.json", &[]);
    let mut command = Command::new(REELFS);
    command.env("HOME", ground.dir.path()).env_remove("XDG_CONFIG_HOME");
    let told = refusal(command.arg("doctor").arg(ground.mountpoint()), 1);
    assert!(told.contains(" is of no profile\n"), "{told}");
    assert!(told.contains("reelfs doctor whatconverts --key-file FILE\n"), "{told}");
    drop(mount);
}
