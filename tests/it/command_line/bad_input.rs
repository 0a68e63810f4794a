//! Bad input: one `error:` line that names the thing, a `hint:` where there is a fix, and nothing
//! left mounted; the same with and without `--foreground`.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use reelfs::sandbox::{Account, Action, Options, Rule};
use serde_json::{Value, json};

use super::{AtEnd, daemons, ground_with_one_call, refusal, success};
use crate::ground::{Ground, REELFS, can_mount, is_mounted, no_answer};

/// A `reelfs mount voximplant` that is going to be refused.
struct Typed {
    mountpoint: PathBuf,
    credentials: PathBuf,
    api_url: String,
    more: Vec<String>,
    state: PathBuf,
}

impl Typed {
    fn new(ground: &Ground) -> Self {
        fs::create_dir_all(ground.mountpoint()).unwrap();
        Self {
            mountpoint: ground.mountpoint(),
            credentials: ground.credentials(),
            api_url: ground.sandbox.base_url().to_owned(),
            more: Vec::new(),
            state: ground.dir.path().join("state"),
        }
    }

    fn with(mut self, more: &[&str]) -> Self {
        self.more.extend(more.iter().map(|&argument| argument.to_owned()));
        self
    }

    fn command(&self, foreground: bool) -> Command {
        let mut command = Command::new(REELFS);
        command.args(["mount", "voximplant"]).arg(&self.mountpoint);
        command.arg("--credentials").arg(&self.credentials).args(["--api-url", &self.api_url]);
        command.args(&self.more).args(foreground.then_some("-f"));
        command.env("XDG_STATE_HOME", &self.state).env("XDG_CACHE_HOME", self.state.join("cache"));
        command
    }

    /// Asserts that it is refused both ways, and that what is said holds all of these.
    fn says(&self, parts: &[&str]) {
        let was_mounted = is_mounted(&self.mountpoint);
        for foreground in [true, false] {
            let told = refusal(&mut self.command(foreground), 1);
            for part in parts {
                assert!(told.contains(part), "{part:?} is not in:\n{told}");
            }
        }
        assert_eq!(is_mounted(&self.mountpoint), was_mounted);
        assert_eq!(daemons(&self.mountpoint).len(), usize::from(was_mounted));
    }
}

#[test]
fn a_wrong_credentials_file_is_named_with_what_is_wrong() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), Account::empty(1));
    let good: Value = serde_json::from_str(&ground.sandbox.credentials_json()).unwrap();
    let path = ground.dir.path().join("my key.json");
    let typed = Typed { credentials: path.clone(), ..Typed::new(&ground) };
    let says = |problem: &str| typed.says(&["my key.json", problem, "hint: "]);
    says("No such file");
    fs::create_dir(&path).unwrap();
    says("is a directory");
    fs::remove_dir(&path).unwrap();
    for (text, problem) in [
        ("", "is empty"),
        ("{\"account_id\": 1,\n oops", "is not JSON (line 2"),
        ("[1, 2]", "is not a JSON object"),
    ] {
        fs::write(&path, text).unwrap();
        says(problem);
    }
    for field in ["account_id", "key_id", "private_key"] {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(field);
        fs::write(&path, without.to_string()).unwrap();
        says(&format!("`{field}` is missing"));
    }
    let key = good["private_key"].as_str().unwrap();
    let middle = key.len() / 2;
    let damaged = format!("{}AAAAAAAA{}", &key[..middle], &key[middle + 8..]);
    for broken in [&damaged, &key[..middle], "secret words"] {
        let mut with = good.clone();
        with["private_key"] = json!(broken);
        fs::write(&path, with.to_string()).unwrap();
        says("`private_key` cannot be used");
    }
}

#[test]
fn a_refused_account_and_an_unknown_key_are_named() {
    if !can_mount() {
        return;
    }
    let options = Options { refuse_account: true, ..Options::default() };
    let refused = Ground::new(options, Account::empty(1));
    let said = ["voximplant.json", "the account or key was refused (code 100)", "hint: "];
    Typed::new(&refused).says(&said);
    let other = Ground::new(Options::default(), Account::empty(1));
    let api_url = other.sandbox.base_url().to_owned();
    Typed { api_url, ..Typed::new(&refused) }.says(&said);
    let child = Typed::new(&other).with(&["--child-account", "99"]);
    child.says(&[said[0], said[1], "hint: ", "one of its children"]);
}

#[test]
fn a_wrong_mountpoint_is_named() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let below = |name: &str| ground.dir.path().join(name);
    let at = |mountpoint: PathBuf| Typed { mountpoint, ..Typed::new(&ground) };
    fs::write(below("a file"), "").unwrap();
    fs::create_dir_all(below("full/of things")).unwrap();
    at(below("no thing")).says(&["no thing\" does not exist", "hint: mkdir -p '", "no thing'"]);
    at(below("no\nthing")).says(&["no\\nthing", "hint: "]);
    at(below("a file")).says(&["a file\" is not a directory", "hint: "]);
    at(below("a file/below")).says(&["a file/below"]);
    at(below("full")).says(&["full\" is not empty", "hint: "]);

    let _end = AtEnd(ground.mountpoint());
    success(&mut ground.mount_command(&[]));
    at(ground.mountpoint()).says(&["already mounted", "hint: reelfs unmount"]);
}

#[test]
fn an_api_that_is_none_is_told_long_before_the_deadline_and_a_silent_one_at_it() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), Account::empty(1));
    // No test lasts as long as this timeout.
    let patient = ["--timeout", "1h"];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let api_url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let unreachable = Typed { api_url, ..Typed::new(&ground) };
    unreachable.with(&patient).says(&[
        "the API at 127.0.0.1",
        "does not answer",
        "refused",
        "hint: ",
    ]);

    ground.sandbox.faults().add(Rule::new(Action::Html));
    let typed = || Typed::new(&ground).with(&["--timeout", "5s"]);
    typed().says(&["the API at 127.0.0.1", "text/html", "hint: "]);
    let api_url = format!("{}/elsewhere", ground.sandbox.base_url());
    Typed { api_url, ..typed() }.says(&["the API at 127.0.0.1", "hint: ", "--api-url"]);
    ground.sandbox.faults().clear();
    ground.sandbox.faults().add(no_answer());
    let hasty = Typed::new(&ground).with(&["--timeout", "1s"]);
    hasty.says(&["the API at 127.0.0.1", "no answer in time", "hint: "]);
}

#[test]
fn a_wrong_certificate_is_told() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options { tls: true, ..Options::default() }, Account::empty(1));
    // It is not asked again: the first answer is final.
    let said = ["POST 127.0.0.1:", ": the server's certificate is not trusted: ", "--ca-cert"];
    Typed::new(&ground).says(&said);
    let told = refusal(&mut Typed::new(&ground).command(true), 1);
    assert!(!told.contains("attempt"), "{told}");
    let ca_cert = |path: &Path| Typed::new(&ground).with(&["--ca-cert", path.to_str().unwrap()]);
    let missing = ground.dir.path().join("missing.pem");
    ca_cert(&missing).says(&["missing.pem", "No such file"]);
    let wrong = ground.credentials();
    ca_cert(&wrong).says(&["voximplant.json", "no certificate in PEM form"]);
    let broken = ground.dir.path().join("broken.pem");
    fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    ca_cert(&broken).says(&["broken.pem"]);
}

#[test]
fn no_credentials_go_over_plain_http_to_another_machine() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), Account::empty(1));
    // It leads to this machine, but is none of its loopback addresses.
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let api_url = format!("http://{}", listener.local_addr().unwrap());
    let said = ["--api-url", "no credentials go to 0.0.0.0 with plain http", "hint: ", "https"];
    Typed { api_url, ..Typed::new(&ground) }.says(&said);
    let asked = listener.accept().map(drop);
    assert_eq!(asked.unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "it was asked");
}

#[test]
fn days_that_make_no_window_are_refused() {
    let ground = Ground::new(Options::default(), Account::empty(1));
    let typed = |more: &[&str]| Typed::new(&ground).with(more);
    let since = "--since: 2026-03-02 is later than the last day, 2026-03-01";
    typed(&["--since=2026-03-02", "--until=2026-03-01"]).says(&[since]);
    typed(&["--since=2999-01-01"]).says(&["--since: 2999-01-01 is later than the last day, "]);
    assert!(ground.sandbox.requests().is_empty());
}

#[test]
fn wrong_values_are_usage_errors() {
    let ground = Ground::new(Options::default(), Account::empty(1));
    for (option, value) in [
        ("--since", "yesterday"),
        ("--since", "-3months"),
        ("--until", "2026-13-01"),
        ("--memory", "much"),
        ("--memory", "1KB"),
        ("--timeout", "0"),
        ("--timeout", "soon"),
        ("--trust-host", "https://example.com"),
        ("--trust-host", "host:99999"),
        ("--connections", "0"),
        ("--connections", "many"),
        ("--api-url", "nonsense"),
        ("--api-url", "ftp://example.com"),
        ("--uid", "-1"),
        ("--no-such-option", "1"),
    ] {
        let typed = format!("{option}={value}");
        let said = refusal(&mut Typed::new(&ground).with(&[&typed]).command(false), 2);
        assert!(said.contains(option), "{typed}: {said}");
    }
    for arguments in [&["mount", "elsewhere", "/tmp"][..], &["remount"], &["unmount"]] {
        refusal(Command::new(REELFS).args(arguments), 2);
    }
}
