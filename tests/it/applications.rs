//! Applications that are open: what `reelfs apps` shows and switches, what a mount says of them, and
//! that their links get no credentials.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use reelfs::sandbox::{Account, Content, Credential, NewRecord, NewSession, Options};
use walkdir::WalkDir;

use crate::ground::{
    Ground, REELFS, at, can_mount, days_ago, is_object, output, slashed, text, wait_until,
};

/// An open application with an open and a secure recording, and a secure one.
fn ground() -> Ground {
    let mut account = Account::empty(1);
    let call = |minute, application: &str| {
        NewSession::at(at(days_ago(1), 9, minute, 0))
            .application(&format!("{application}.acme.voximplant.com"))
            .incoming("1")
            .record(NewRecord::new(Content::ramp(7, 1_000)))
    };
    account.add(call(0, "sales").open());
    account.add(call(1, "sales"));
    account.add(call(2, "support"));
    Ground::new(Options::default(), account)
}

fn apps(ground: &Ground, more: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(REELFS);
    command.arg("apps").args(more).arg("--credentials").arg(ground.credentials());
    let output = output(command.args(["--api-url", ground.sandbox.base_url()]));
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn open_links_get_no_credentials_unless_the_server_asks() {
    if !can_mount() {
        return;
    }
    let ground = ground();
    let mount = ground.mount(&[]);
    let warning = "anyone who has a link can open recordings and logs of: sales (";
    wait_until("the warning", || mount.log().contains(warning));
    let day = mount.path("recordings").join(slashed(days_ago(1)));
    let files = WalkDir::new(day).sort_by_file_name().into_iter().map(Result::unwrap);
    let is_file =
        |entry: &walkdir::DirEntry| entry.file_type().is_file() && is_object(entry.path());
    for file in files.filter(is_file) {
        assert_eq!(fs::read(file.path()).unwrap().len(), 1_000);
    }
    let mut asked: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for request in ground.media_requests() {
        asked.entry(request.record).or_default().push(request.credential);
    }
    let (none, bearer) = (Credential::None, Credential::Bearer);
    let asked: Vec<_> = asked.into_values().collect();
    // Open; secure in an application that is open; secure.
    assert_eq!(asked, [vec![none], vec![none, bearer], vec![bearer]]);
}

#[test]
fn applications_are_listed_and_switched() {
    let ground = ground();
    let (code, listed, _) = apps(&ground, &[]);
    assert_eq!(code, Some(0));
    let lines: Vec<Vec<&str>> =
        listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["10733200", "open", "sales.acme.voximplant.com"]);
    assert_eq!(lines[1][1], "secure");
    let (code, _, told) = apps(&ground, &["--secure", "on", "sales"]);
    assert_eq!(code, Some(1));
    assert!(told.contains("hint: add --yes"), "{told}");
    assert!(!ground.sandbox.account().applications()[0].secure);
    let (code, told, _) = apps(&ground, &["--secure", "on", "sales", "--yes"]);
    assert_eq!(code, Some(0));
    assert!(told.contains("secure"), "{told}");
    assert!(ground.sandbox.account().applications()[0].secure);
    let (code, _, told) = apps(&ground, &["--secure", "off", "nobody", "--yes"]);
    assert_eq!((code, told.contains("no application is called nobody")), (Some(1), true));
    assert_eq!(apps(&ground, &["--secure", "maybe", "sales"]).0, Some(2));
    for (elsewhere, said, hint) in [
        ("http://0.0.0.0:1", "no credentials go to 0.0.0.0 with plain http", "hint: give an https"),
        ("http://127.0.0.1:1", "the API at 127.0.0.1 does not answer", "hint: check the network"),
    ] {
        let mut command = Command::new(REELFS);
        command.args(["apps", "--api-url", elsewhere, "--credentials"]);
        let told = text(&output(command.arg(ground.credentials())).stderr);
        assert!(
            told.starts_with("error: ") && told.contains(said) && told.contains(hint),
            "{told}"
        );
    }
}
