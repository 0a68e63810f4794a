//! Lists on real mounts: of either vendor, with and without dates, changed while they are mounted.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reelfs::sandbox::whatconverts::{Agency, NewLead};
use reelfs::sandbox::{Account, Content, Credential, NewRecord, NewSession, Options};
use walkdir::WalkDir;

use crate::ground::{
    Ground, Mount, at, can_mount, days_ago, is_object, output, sh, slashed, text, wait_until,
};

fn write(ground: &Ground, text: &str) -> PathBuf {
    let path = ground.dir.path().join("list.csv");
    fs::write(&path, text).unwrap();
    path
}

fn mount(ground: &Ground, list: &Path, more: &[&str]) -> Mount {
    let mut command = ground.mount_command_of("list", more);
    command.arg("--from").arg(list);
    ground.start(command)
}

fn files(below: &Path) -> Vec<PathBuf> {
    let files = WalkDir::new(below).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file() && is_object(entry.path()));
    files.map(walkdir::DirEntry::into_path).collect()
}

/// A secure recording of a Voximplant account, and its link.
fn voximplant() -> (Ground, String) {
    let mut account = Account::empty(1);
    let record = NewRecord::new(Content::ramp(7, 200_000));
    account.add(NewSession::at(at(days_ago(1), 9, 0, 0)).incoming("1").record(record));
    let ground = Ground::new(Options::default(), account);
    let link = ground.sandbox.link(ground.sandbox.account().files()[0]);
    (ground, link)
}

#[test]
fn a_lead_export_is_mounted_with_the_token_of_its_key() {
    if !can_mount() {
        return;
    }
    let mut agency = Agency::empty(1);
    for n in 0..3 {
        let call = NewLead::call(at(days_ago(2), 9, n, 0)).recording(Content::ramp(7, 1_000));
        agency.add(call);
    }
    let ground = Ground::agency(Options::default(), agency);
    let mut list = "\u{feff}\"Lead ID\";\"Date\";\"Phone Number\";\"Recording\"\r\n".to_owned();
    for lead in ground.sandbox.agency().leads() {
        let id = &lead.recording.as_ref().unwrap().id;
        let base = ground.sandbox.base_url();
        let day = days_ago(2);
        writeln!(list, "{};{day} 09:00:00;+1555;{base}/recording/{id}/play\r", lead.id).unwrap();
    }
    let list = write(&ground, &list);
    let key = ground.dir.path().join("keys/whatconverts.json");
    let key = ["--auth", "whatconverts-token", "--key-file", key.to_str().unwrap()];
    let mount = mount(&ground, &list, &key);
    let directory = mount.path("recordings").join(slashed(days_ago(2)));
    let names = sh(&format!("ls {}", directory.display()));
    assert_eq!(names.lines().next(), Some("090000-+1555-153928000.mp3"));
    for path in files(&directory) {
        assert!(fs::read(path).unwrap() == Content::ramp(7, 1_000).to_bytes());
    }
    for empty in ["logs", "transcripts"].map(|area| mount.path(area)) {
        let day = empty.join(slashed(days_ago(2)));
        assert!(day.is_dir() && files(&empty).is_empty(), "{}", empty.display());
    }
    let requests = ground.media_requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request.credential == Credential::Token));
}

/// Mounts a list of one link, which has to bring `bytes` with one kind of credential.
fn opens(ground: &Ground, list: &str, auth: &[&str], bytes: &Content, credential: Credential) {
    ground.sandbox.clear_requests();
    let list = write(ground, list);
    let mount = mount(ground, &list, &[auth, &["--cache-size", "0"]].concat());
    let found = files(&mount.path("recordings"));
    assert_eq!(found.len(), 1, "{auth:?}");
    assert_eq!(fs::metadata(&found[0]).unwrap().len(), bytes.len(), "{auth:?}");
    assert!(fs::read(&found[0]).unwrap() == bytes.to_bytes(), "{auth:?}");
    let requests = ground.media_requests();
    assert!(!requests.is_empty());
    assert!(requests.iter().all(|request| request.credential == credential), "{requests:?}");
}

#[test]
fn every_form_of_a_list_opens_its_links_by_every_key() {
    if !can_mount() {
        return;
    }
    let (ground, link) = voximplant();
    let bytes = Content::ramp(7, 200_000);
    let (key, api_key) = (ground.credentials(), ground.dir.path().join("api-key.txt"));
    fs::write(&api_key, ground.sandbox.api_key()).unwrap();
    let id = ground.sandbox.account().id.to_string();
    let service = ["--credentials", key.to_str().unwrap()];
    let api = ["--auth=voximplant", "--account-id", &id, "--api-key-file"];
    let api = [&api[..], &[api_key.to_str().unwrap()]].concat();
    for list in [
        format!("{link}\n"),
        format!("{{\"url\": \"{link}\", \"name\": \"a.mp3\"}}\n{{}}\n"),
        format!("\u{feff}Name\tLINK\r\na.mp3\t{link}\r\n"),
        format!("Note,Size,Anything\n\"two\nlines\",5,{link}\n"),
    ] {
        opens(&ground, &list, &service, &bytes, Credential::Bearer);
        opens(&ground, &list, &api, &bytes, Credential::ApiKey);
    }

    let mut account = Account::empty(1);
    let record = NewRecord::new(bytes.clone());
    account.add(NewSession::at(at(days_ago(1), 9, 0, 0)).open().incoming("1").record(record));
    let ground = Ground::new(Options::default(), account);
    let link = ground.sandbox.link(ground.sandbox.account().files()[0]);
    opens(&ground, &link, &["--auth=none"], &bytes, Credential::None);

    let mut agency = Agency::empty(1);
    agency.add(NewLead::call(at(days_ago(1), 9, 0, 0)).recording(bytes.clone()));
    let ground = Ground::agency(Options::default(), agency);
    let lead = ground.sandbox.agency().leads()[0].id;
    let link = format!("{}/api/v1/recording?lead_id={lead}", ground.sandbox.base_url());
    let key = ground.dir.path().join("keys/whatconverts.json");
    let basic = ["--auth=whatconverts-basic", "--key-file", key.to_str().unwrap()];
    opens(&ground, &format!("URL\n{link}\n"), &basic, &bytes, Credential::Basic);
}

#[test]
fn links_without_dates_stand_flat_under_their_names() {
    if !can_mount() {
        return;
    }
    let (ground, link) = voximplant();
    let list = write(&ground, &format!("url\tname\n{link}\tfirst.mp3\n"));
    let key = ground.credentials();
    let key = ["--auth", "voximplant", "--credentials", key.to_str().unwrap()];
    let mount = mount(&ground, &list, &key);
    assert_eq!(files(&mount.path("recordings")), [mount.path("recordings/first.mp3")]);
    let bytes = fs::read(mount.path("recordings/first.mp3")).unwrap();
    assert!(bytes == Content::ramp(7, 200_000).to_bytes());
    let index = fs::read_to_string(mount.path("index/undated.jsonl")).unwrap();
    assert!(index.contains("\"files\":[\"recordings/first.mp3\"]") && !index.contains("http"));
}

#[test]
fn a_list_that_changes_is_read_again() {
    if !can_mount() {
        return;
    }
    let (ground, link) = voximplant();
    let list = write(&ground, &format!("url,name\n{link},first.mp3\n"));
    let key = ground.credentials();
    let mount = mount(&ground, &list, &["--credentials", key.to_str().unwrap()]);
    let first = mount.path("recordings/first.mp3");
    assert!(first.exists());
    write(&ground, &format!("url,name,date\n{link},second.mp3,2026-01-02\n"));
    let second = mount.path("recordings/2026/01/02/second.mp3");
    wait_until("the new list shows", || second.exists());
    assert_eq!(fs::read(&second).unwrap().len(), 200_000);
    // One that is no list leaves what was there.
    write(&ground, "");
    wait_until("the log tells", || {
        let _ = fs::read_dir(mount.path("recordings"));
        mount.log().contains("what was read before stays")
    });
    assert!(second.exists());
}

#[test]
fn a_hundred_thousand_lines_mount_in_a_moment() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), Account::empty(1));
    let mut list = "Recording,Date\n".to_owned();
    for n in 0..100_000 {
        let day = days_ago(n % 300);
        writeln!(list, "https://media.example/recording/RE{n}/play,{day} 10:00:00").unwrap();
    }
    let list = write(&ground, &list);
    let mount = mount(&ground, &list, &[]);
    // Of its own time, which others on the machine do not take: a hundred times what it needs when it
    // is optimised, which it is not here, and far less than if a line cost more the more there are.
    let took = mount.cpu_seconds();
    assert!(took < 40, "{took} s");
    let count = sh(&format!("find {} -name '*.mp3' | wc -l", mount.path("recordings").display()));
    assert_eq!(count.trim(), "100000");
    assert!(ground.sandbox.requests().is_empty());
}

#[test]
fn what_is_wrong_with_a_list_is_told() {
    if !can_mount() {
        return;
    }
    let (ground, link) = voximplant();
    let run = |list: &str, more: &[&str]| {
        let list = write(&ground, list);
        let mut command = ground.mount_command_of("list", more);
        let output = output(command.arg("--from").arg(list));
        let _ = Command::new("umount").arg(ground.mountpoint()).output();
        (output.status.code(), text(&output.stderr))
    };
    let (code, told) = run("Name,Date\na,b\n", &[]);
    assert_eq!(code, Some(1));
    assert!(told.contains("error: ") && told.contains("list.csv: holds no link"), "{told}");
    assert!(told.contains("hint: "), "{told}");
    let key = ground.credentials();
    let key = ["--credentials", key.to_str().unwrap()];
    let cut = format!("url,name\n{link},a\nhttps://elsewhere.example/x.mp3,b\nhttps://ap");
    let (code, told) = run(&cut, &key);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("1 of 3 lines that cannot be used (line 4: fewer columns"), "{told}");
    assert!(told.contains("1 of 2 links do not lead to the vendor's hosts"), "{told}");
    assert!(!told.contains("://"), "a link was told: {told}");
}

#[test]
fn a_strange_host_gets_no_credentials() {
    if !can_mount() {
        return;
    }
    let (ground, link) = voximplant();
    // The same server under a name that is not trusted.
    let strange = link.replace("127.0.0.1", "localhost");
    let list = write(&ground, &strange);
    let key = ground.credentials();
    let mount = mount(&ground, &list, &["--credentials", key.to_str().unwrap()]);
    let path = files(&mount.path("recordings")).remove(0);
    assert_eq!(fs::read(path).unwrap_err().raw_os_error(), Some(libc::EACCES));
    let requests = ground.media_requests();
    assert!(!requests.is_empty());
    assert!(requests.iter().all(|request| request.credential == Credential::None));
}

#[test]
fn an_api_key_lists_and_reads_and_its_user_is_warned() {
    if !can_mount() {
        return;
    }
    let (ground, _) = voximplant();
    let key = ground.dir.path().join("api-key.txt");
    fs::write(&key, format!("{}\n", ground.sandbox.api_key())).unwrap();
    let account = ground.sandbox.account();
    for (name, value) in [
        ("--account-id", account.id.to_string()),
        ("--account-email", account.email.clone()),
        ("--account-name", account.name.clone()),
    ] {
        let mut command = ground.mount_command_of("voximplant", &[name, &value]);
        let mount = ground.start({
            command.arg("--api-key-file").arg(&key);
            command
        });
        let directory = mount.path("recordings").join(slashed(days_ago(1)));
        let path = files(&directory).remove(0);
        assert!(fs::read(path).unwrap() == Content::ramp(7, 200_000).to_bytes());
        let warning = "warning: Voximplant deprecates API keys";
        wait_until("the warning", || mount.log().contains(warning));
        assert!(!mount.log().contains(ground.sandbox.api_key()));
    }
    let requests = ground.sandbox.requests();
    assert!(requests.iter().all(|request| request.credential == Credential::ApiKey));
    let mut command = ground.mount_command_of("voximplant", &["--account-id", "1"]);
    let refused = output(&mut command);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("VOXIMPLANT_API_KEY: holds no API key"));
    fs::write(&key, "another-key\n").unwrap();
    let id = account.id.to_string();
    let mut command = ground.mount_command_of("voximplant", &["--account-id", &id]);
    let refused = text(&output(command.arg("--api-key-file").arg(&key)).stderr);
    assert!(refused.contains("api-key.txt: the account or key was refused"), "{refused}");
    assert!(refused.contains("hint: check in the control panel that the API key is"), "{refused}");
}

#[test]
fn a_line_that_is_gone_takes_its_name_along_by_itself() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(1);
    for n in 0..2 {
        let record = NewRecord::new(Content::ramp(n, 1_000));
        account.add(NewSession::at(at(days_ago(1), 9, 0, 0)).open().record(record));
    }
    let ground = Ground::new(Options::default(), account);
    let account = ground.sandbox.account();
    let links: Vec<_> = account.files().into_iter().map(|f| ground.sandbox.link(f)).collect();
    let list = write(&ground, &links.join("\n"));
    let more = ["--auth", "none", "--poll", "1s", "--keep-gone=false"];
    let mount = mount(&ground, &list, &more);
    let recordings = mount.path("recordings");
    let before = files(&recordings);
    assert_eq!(before.len(), 2);
    // By their names alone: whoever lists the directory would see it anyway.
    let here = || before.iter().filter(|path| path.exists()).count();
    assert_eq!(here(), 2);
    write(&ground, &links[0]);
    wait_until("one name is gone", || here() == 1);
    assert_eq!(files(&recordings).len(), 1);
}
