//! What a mount tells of itself: `reelfs status`, metrics, logs; and asking the vendor again.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use reelfs::sandbox::{Action, Rule};
use serde_json::Value;

use super::{ground_with_one_call, recording, refusal, success};
use crate::ground::{
    Ground, Mount, REELFS, can_mount, days_ago, is_mounted, send_signal, slashed, wait_until,
};

/// Starts a mount whose socket is in a directory of its own.
fn mount(ground: &Ground, more: &[&str]) -> Mount {
    let mut command = ground.mount_command(more);
    command.env("XDG_RUNTIME_DIR", ground.dir.path().join("run"));
    ground.start(command)
}

/// `reelfs` of the same user.
fn reelfs(ground: &Ground, arguments: &[&str]) -> Command {
    let mut command = Command::new(REELFS);
    command.args(arguments).env("XDG_RUNTIME_DIR", ground.dir.path().join("run"));
    command
}

/// `reelfs status --json` of the mount.
fn status(ground: &Ground) -> Value {
    let at = ground.mountpoint();
    let told = success(&mut reelfs(ground, &["status", "--json", at.to_str().unwrap()]));
    serde_json::from_str(&told).unwrap()
}

#[test]
fn a_mount_tells_what_it_is_doing_and_only_its_owner() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let mount = mount(&ground, &[]);
    assert_eq!(fs::read(recording(&ground.mountpoint())).unwrap().len(), 1000);
    let told = status(&ground);
    assert_eq!(told["mountpoint"], ground.mountpoint().to_str().unwrap());
    assert!(told["source"].as_str().unwrap().starts_with("voximplant:"), "{told}");
    assert_eq!(told["pid"], mount.pid());
    let logged = ground.sandbox.requests().len() as u64;
    assert_eq!(told["requests"]["today"], logged);
    assert_eq!(told["requests"]["media"], ground.media_requests().len() as u64);
    assert_eq!(told["requests"]["left"], Value::Null, "there is no budget");
    assert_eq!(told["cache"]["disk"]["limit_bytes"], 10_u64 << 30);
    assert_eq!(told["news"]["queries"], 0);
    assert_eq!(told["bytes"]["served"], 1000);
    assert!(told["bytes"]["fetched"].as_u64() >= Some(1000), "{told}");
    assert!(told["token"]["expires"].as_str() > told["token"]["minted"].as_str(), "{told}");
    assert_eq!(told["errors"], Value::Array(Vec::new()));

    let run = ground.dir.path().join("run/reelfs");
    let sockets: Vec<_> = fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().path()).collect();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&run), mode(&sockets[0])), (0o700, 0o600));
    let words = success(&mut reelfs(&ground, &["status"]));
    assert!(words.contains("1000 B read") && words.contains("errors    none"), "{words}");
    assert_eq!(mount.end_with("TERM"), Some(0));
    assert!(!sockets[0].exists(), "the socket goes with the mount");
    let at = ground.mountpoint();
    refusal(&mut reelfs(&ground, &["status", at.to_str().unwrap()]), 1);
}

#[test]
fn the_last_errors_are_told_and_hold_no_secret() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let mount = mount(&ground, &[]);
    let file = recording(&ground.mountpoint());
    for typo in ["recordigns", ".find/sicne=7d", ".find/.git"] {
        fs::metadata(mount.path(typo)).unwrap_err();
    }
    assert_eq!(status(&ground)["failed_operations"], 0, "a typo is no error of the mount");
    ground.sandbox.faults().add(Rule::new(Action::Status {
        code: 403,
        body: String::new(),
        retry_after: None,
    }));
    fs::read(&file).unwrap_err();
    let told = status(&ground);
    assert_ne!(told["failed_operations"], 0);
    let error = told["errors"][0]["text"].as_str().unwrap();
    assert!(error.contains("403") && !error.contains("record_id"), "{error}");
    assert_ne!(told["requests"]["refused"], 0);
}

#[test]
fn metrics_are_served_as_open_metrics() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let address = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    let _mount = mount(&ground, &["--metrics", &address, "--daily-requests", "5000"]);
    fs::read(recording(&ground.mountpoint())).unwrap();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.contains("application/openmetrics-text; version=1.0.0"), "{page}");
    assert!(page.ends_with("# EOF\n"), "{page}");
    for line in [
        "# TYPE reelfs_served_bytes counter\n# UNIT reelfs_served_bytes bytes\n# HELP ",
        "reelfs_served_bytes_total 1000\n",
        "reelfs_requests_total{errand=\"media\"} 1\n",
        "reelfs_requests_in_flight 0\n",
        "\nreelfs_requests_left 4",
        "\nreelfs_disk_limit_bytes 10737418240\n",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
    // The dashboard asks for nothing that is not there.
    let dashboard = include_str!("../../../packaging/grafana/reelfs.json");
    let words = dashboard.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    for name in words.filter(|word| word.starts_with("reelfs_")) {
        assert!(page.contains(&format!("\n{name}")), "{name} is no metric");
    }
}

#[test]
fn a_hang_up_and_refresh_ask_the_vendor_again_at_once() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let mount = mount(&ground, &[]);
    recording(&ground.mountpoint());
    let asked = ground.listing_requests();
    recording(&ground.mountpoint());
    assert_eq!(ground.listing_requests(), asked, "the day is fresh");
    send_signal(mount.pid(), "HUP");
    wait_until("the vendor is asked again", || ground.listing_requests() == asked + 1);
    assert!(is_mounted(&ground.mountpoint()));

    let day = ground.mountpoint().join("recordings").join(slashed(days_ago(1)));
    let told = success(&mut reelfs(&ground, &["refresh", day.to_str().unwrap()]));
    assert!(told.contains("asked again (1 day)"), "{told}");
    assert_eq!(ground.listing_requests(), asked + 2);
    success(&mut reelfs(&ground, &["refresh"]));
    assert_eq!(ground.listing_requests(), asked + 3);
    let missing = refusal(&mut reelfs(&ground, &["refresh", &format!("{}x", day.display())]), 1);
    assert!(missing.contains("no such file"), "{missing}");
    refusal(&mut reelfs(&ground, &["refresh", "/"]), 1);
}

#[test]
fn log_lines_are_json_where_that_is_wanted_and_have_a_priority_in_the_journal() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let json = mount(&ground, &["-v", "--log-format", "json"]);
    wait_until("it is logged", || json.log().contains('\n'));
    let log = json.log();
    let line: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!((&line["level"], &line["fields"]["message"]), (&"INFO".into(), &"mounted".into()));
    assert_eq!(json.end_with("TERM"), Some(0));

    // Standard error is the journal where it is the file that the variable names.
    let log = ground.dir.path().join("daemon.log");
    fs::write(&log, "").unwrap();
    let file = fs::metadata(&log).unwrap();
    let mut command = ground.mount_command(&["-v"]);
    command.env("JOURNAL_STREAM", format!("{}:{}", file.dev(), file.ino()));
    let journal = ground.start(command);
    wait_until("it is logged", || journal.log().contains('\n'));
    assert!(journal.log().starts_with("<6>mounted "), "{}", journal.log());
}
