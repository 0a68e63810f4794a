//! `reelfs get`, and the vendor's own curl sample with `reelfs auth-header`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use reelfs::sandbox::whatconverts::{Agency, NewLead};
use reelfs::sandbox::{
    Account, Action, Content, Credential, Kind, NewRecord, NewSession, Options, Rule,
};

use crate::ground::{Ground, REELFS, at, can_mount, days_ago, output, sh, text, wait_until};

const MIB: u64 = 1024 * 1024;

/// An account with one recording of each size, and their links.
fn ground(sizes: &[u64]) -> (Ground, Vec<String>) {
    let mut account = Account::empty(1);
    for (&size, n) in sizes.iter().zip(0..) {
        let record = NewRecord::new(Content::ramp(7, size));
        account.add(NewSession::at(at(days_ago(1), 9, n, 0)).incoming("1").record(record));
    }
    let ground = Ground::new(Options::default(), account);
    let account = ground.sandbox.account();
    let links = account.files().iter().map(|file| ground.sandbox.link(file)).collect();
    (ground, links)
}

/// `reelfs get` with the account's key, in a directory of its own.
fn get(ground: &Ground, more: &[&str]) -> Command {
    let mut command = Command::new(REELFS);
    fs::create_dir_all(here(ground)).unwrap();
    command.current_dir(here(ground)).arg("get").args(more);
    command.arg("--credentials").arg(ground.credentials());
    command.args(["--api-url", ground.sandbox.base_url()]);
    command
}

fn here(ground: &Ground) -> PathBuf {
    ground.dir.path().join("here")
}

fn names(ground: &Ground) -> Vec<String> {
    let entries = fs::read_dir(here(ground)).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn several_links_are_downloaded_under_their_names() {
    let (ground, links) = ground(&[3 * MIB + 7, 0, 1_000]);
    let links: Vec<&str> = links.iter().map(String::as_str).collect();
    let done = output(&mut get(&ground, &links));
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(names(&ground), ["30000.mp3", "30001.mp3", "30002.mp3"]);
    let first = fs::read(here(&ground).join("30000.mp3")).unwrap();
    assert!(first == Content::ramp(7, 3 * MIB + 7).to_bytes());
    assert!(fs::read(here(&ground).join("30001.mp3")).unwrap().is_empty());
    assert_eq!(ground.media_requests().len(), 3);
}

#[test]
fn the_directory_is_made_and_goes_again_if_nothing_came() {
    let (ground, links) = ground(&[1_000, 1_000]);
    let [first, second] = [&*links[0], &*links[1]];
    let into = |to: &str, links: &[&str]| output(&mut get(&ground, &[links, &["-o", to]].concat()));
    let done = into("one/", &[first]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(here(&ground).join("one/30000.mp3").is_file());
    assert_eq!(fs::metadata(here(&ground).join("one")).unwrap().mode() & 0o777, 0o700);
    assert!(into("several/", &[first, second]).status.success());
    assert!(here(&ground).join("several/30001.mp3").is_file());
    fs::write(here(&ground).join("file"), "").unwrap();
    for (to, links, told) in [
        (
            "above/below/",
            &[first][..],
            "above/below/: No such file or directory (os error 2)\nhint: mkdir -p above/below/",
        ),
        ("file/", &[first], "file/: File exists (os error 17)\nhint: it is no directory"),
        ("file", &[first, second], "-o file: several links go to a directory\nhint: -o DIR/"),
        ("one.mp3", &[first, second], "-o one.mp3: several links go to a directory\n"),
        ("none/", &["nonsense://"], "link 1 is none"),
    ] {
        let failed = into(to, links);
        assert_eq!(failed.status.code(), Some(1), "{to}");
        assert!(text(&failed.stderr).contains(told), "{to}: {}", text(&failed.stderr));
    }
    ground.sandbox.change(|account| {
        let target = account.files()[0].target.clone();
        account.file_mut(&target).unwrap().gone = true;
    });
    assert_eq!(into("empty/", &[first]).status.code(), Some(1));
    assert_eq!(names(&ground), ["file", "one", "several"]);
}

#[test]
fn an_api_key_downloads_too() {
    let (ground, links) = ground(&[1_000]);
    let (key, to) = (ground.dir.path().join("key"), ground.dir.path().join("a.mp3"));
    fs::write(&key, ground.sandbox.api_key()).unwrap();
    let id = ground.sandbox.account().id.to_string();
    let mut command = Command::new(REELFS);
    command.args(["get", &links[0], "--api-url", ground.sandbox.base_url(), "-o"]).arg(&to);
    let done = output(command.args(["--account-id", &id, "--api-key-file"]).arg(&key));
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(fs::read(to).unwrap() == Content::ramp(7, 1_000).to_bytes());
    assert_eq!(ground.media_requests()[0].credential, Credential::ApiKey);
}

#[test]
fn a_link_can_be_given_a_name() {
    let (ground, links) = ground(&[1_000]);
    let done = output(&mut get(&ground, &[&links[0], "-o", "my_recording.mp3"]));
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(names(&ground), ["my_recording.mp3"]);
}

#[test]
fn a_part_is_resumed_and_never_glued_to_another_version() {
    for changes in [false, true] {
        let (ground, links) = ground(&[4 * MIB]);
        // The body breaks off, and the rest is refused.
        let refused = Action::Status { code: 403, body: String::new(), retry_after: None };
        for rule in [Rule::new(Action::Short { after: MIB }).times(1), Rule::new(refused)] {
            ground.sandbox.faults().add(rule.on_file(Kind::Recording));
        }
        let broken = output(&mut get(&ground, &[&links[0], "-o", "a.mp3"]));
        assert_eq!(broken.status.code(), Some(1));
        let told = text(&broken.stderr);
        assert!(told.starts_with("error: a.mp3: ") && !told.contains("://"), "{told}");
        assert_eq!(names(&ground), [".a.mp3.part", ".a.mp3.part.json"]);
        ground.sandbox.faults().clear();
        ground.sandbox.clear_requests();
        let mut wanted = Content::ramp(7, 4 * MIB);
        if changes {
            wanted = Content::ramp(99, 4 * MIB);
            ground.sandbox.change(|account| {
                let target = account.files()[0].target.clone();
                account.file_mut(&target).unwrap().content = wanted.clone();
            });
        }
        let done = output(&mut get(&ground, &[&links[0], "-o", "a.mp3"]));
        assert!(done.status.success(), "{}", text(&done.stderr));
        assert!(fs::read(here(&ground).join("a.mp3")).unwrap() == wanted.to_bytes());
        assert_eq!(names(&ground), ["a.mp3"]);
        if !changes {
            let requests = ground.media_requests();
            assert_eq!(requests.len(), 1);
            assert_eq!(requests[0].status, 206);
            assert!(requests[0].sent <= 3 * MIB, "{} bytes", requests[0].sent);
        }
    }
}

#[test]
fn a_dead_link_is_an_error_and_leaves_nothing() {
    let (ground, links) = ground(&[1_000, 1_000]);
    ground.sandbox.change(|account| {
        let target = account.files()[0].target.clone();
        account.file_mut(&target).unwrap().gone = true;
    });
    let failed = output(&mut get(&ground, &[&links[0], &links[1], "nonsense://"]));
    assert_eq!(failed.status.code(), Some(1));
    let told = "error: link 3 is none\nhint: a link begins with https://\n";
    assert_eq!(text(&failed.stderr), told);
    let failed = output(&mut get(&ground, &[&links[0], &links[1]]));
    assert_eq!(failed.status.code(), Some(1));
    assert!(text(&failed.stderr).contains("30000.mp3: GET"), "{}", text(&failed.stderr));
    assert_eq!(names(&ground), ["30001.mp3"]);
}

#[test]
fn what_is_no_link_is_named_unless_it_may_be_secret() {
    let (ground, _) = ground(&[]);
    fs::create_dir_all(here(&ground)).unwrap();
    fs::write(here(&ground).join("my links.txt"), "").unwrap();
    let plain = "a link begins with https://";
    for (word, named, hint) in [
        ("hello", "hello is no link", plain),
        ("he\x1bllo", r"'he\u{1b}llo' is no link", plain),
        (".", ". is no link", plain),
        (
            "my links.txt",
            "'my links.txt' is no link",
            "if it holds links: xargs reelfs get < 'my links.txt'",
        ),
        ("example.com/0a1b2c3d", "link 1 is none", plain),
        ("a.mp3?token=hush", "link 1 is none", plain),
        ("https://?token=hush", "link 1 is none", plain),
        ("0123456789abcdef0123456789abcdef", "link 1 is none", plain),
    ] {
        let failed = output(&mut get(&ground, &[word]));
        assert_eq!(failed.status.code(), Some(1), "{word}");
        assert_eq!(text(&failed.stderr), format!("error: {named}\nhint: {hint}\n"));
    }
    if !can_mount() {
        return;
    }
    let mount = ground.mount(&[]);
    let file = mount.path("recordings/a.mp3");
    let failed = output(&mut get(&ground, &[file.to_str().unwrap()]));
    let (file, at) = (file.display(), ground.mountpoint());
    let hint = format!("it is in the mount at {}, as any file: cp {file} .", at.display());
    let told = format!("error: {file} is no link\nhint: {hint}\n");
    assert_eq!(text(&failed.stderr), told);
}

#[test]
fn two_downloads_into_one_file_do_not_mix() {
    let (ground, links) = ground(&[MIB]);
    let rule = Rule::new(Action::Stall { after: 300_000 }).on_file(Kind::Recording);
    ground.sandbox.faults().add(rule);
    let mut first = get(&ground, &[&links[0], "-o", "a.mp3", "--timeout", "1h"]);
    let mut first = first.stdin(Stdio::null()).spawn().unwrap();
    let part = here(&ground).join(".a.mp3.part");
    wait_until("the first has begun", || fs::metadata(&part).is_ok_and(|part| part.len() > 0));
    let second = output(&mut get(&ground, &[&links[0], "-o", "a.mp3"]));
    let _ = first.kill();
    let _ = first.wait();
    ground.sandbox.faults().clear();
    assert_eq!(second.status.code(), Some(1));
    assert_eq!(text(&second.stderr), "error: a.mp3: another download is writing it\n");
    assert!(output(&mut get(&ground, &[&links[0], "-o", "a.mp3"])).status.success());
    assert!(fs::read(here(&ground).join("a.mp3")).unwrap() == Content::ramp(7, MIB).to_bytes());
    assert_eq!(names(&ground), ["a.mp3"]);
}

#[test]
fn what_is_no_file_is_never_replaced_by_one() {
    let (ground, links) = ground(&[1_000]);
    fs::create_dir_all(here(&ground)).unwrap();
    sh(&format!("cd {} && mkfifo pipe && ln -s pipe to-pipe", here(&ground).display()));
    for (to, said) in [
        ("pipe", "pipe: is there, and is no file"),
        ("to-pipe", "to-pipe: is there, and is no file"),
        ("-", "-o -: standard output cannot be resumed"),
    ] {
        let failed = output(&mut get(&ground, &[&links[0], "-o", to]));
        assert_eq!(failed.status.code(), Some(1), "{to}");
        assert!(text(&failed.stderr).starts_with(&format!("error: {said}\nhint: ")), "{to}");
    }
    assert_eq!(names(&ground), ["pipe", "to-pipe"]);
    assert!(ground.sandbox.requests().is_empty());
    // A link to a file stays one.
    sh(&format!("cd {} && touch file && ln -s file to-file", here(&ground).display()));
    assert!(output(&mut get(&ground, &[&links[0], "-o", "to-file"])).status.success());
    assert!(here(&ground).join("to-file").is_symlink());
    assert_eq!(fs::read(here(&ground).join("file")).unwrap().len(), 1_000);
}

#[test]
fn a_link_that_asks_for_a_key_says_so_where_none_was_given() {
    let (ground, links) = ground(&[1_000]);
    let mut command = Command::new(REELFS);
    command.current_dir(ground.dir.path()).args(["get", &links[0]]);
    command.env_remove("VOXIMPLANT_CREDENTIALS");
    let failed = output(&mut command);
    assert_eq!(failed.status.code(), Some(1));
    let told = text(&failed.stderr);
    assert!(told.contains("401: the host asks for credentials, and there are none"), "{told}");
    assert!(told.contains("hint: name the key"), "{told}");
}

#[test]
fn the_other_vendors_recordings_are_downloaded_with_their_key() {
    let mut agency = Agency::empty(1);
    let lead = NewLead::call(at(days_ago(1), 9, 0, 0)).recording(Content::ramp(7, 300_000));
    agency.add(lead);
    let ground = Ground::agency(Options::default(), agency);
    let agency = ground.sandbox.agency();
    let id = &agency.leads()[0].recording.as_ref().unwrap().id;
    let link = format!("{}/recording/{id}/play", ground.sandbox.base_url());
    let to = ground.dir.path().join("a.mp3");
    let mut command = Command::new(REELFS);
    command.arg("get").arg(link).arg("-o").arg(&to);
    command.arg("--key-file").arg(ground.dir.path().join("keys/whatconverts.json"));
    command.args(["--api-url", ground.sandbox.base_url()]);
    let done = output(&mut command);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(fs::read(&to).unwrap() == Content::ramp(7, 300_000).to_bytes());
    assert_eq!(ground.media_requests()[0].credential, Credential::Token);
    let lead = agency.leads()[0].id;
    let link = format!("{}/api/v1/recording?lead_id={lead}", ground.sandbox.base_url());
    let mut command = Command::new(REELFS);
    command.args(["get", &link, "--auth", "whatconverts-basic", "-o"]).arg(&to);
    command.arg("--key-file").arg(ground.dir.path().join("keys/whatconverts.json"));
    let done = output(command.args(["--api-url", ground.sandbox.base_url()]));
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(ground.media_requests()[1].credential, Credential::Basic);
}

#[test]
fn the_vendors_curl_sample_works() {
    let (ground, links) = ground(&[200_000]);
    let to = ground.dir.path().join("my_recording.mp3");
    let (key, link, out) = (ground.credentials(), &links[0], to.display());
    sh(&format!(
        "curl -sS --fail -H \"$({REELFS} auth-header --credentials {})\" '{link}' -o {out}",
        key.display()
    ));
    assert!(fs::read(to).unwrap() == Content::ramp(7, 200_000).to_bytes());
}
