//! The sandbox against the vendor's own Python client: what holds for that client holds for the
//! vendor, as far as anybody can tell without an account.

use std::process::Command;

use reelfs::sandbox::{Account, Options, Plan, Sandbox};
use serde_json::Value;

/// Names a Python interpreter that has the package `voximplant-apiclient`.
const PYTHON: &str = "REELFS_VENDOR_CLIENT_PYTHON";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vendors_client_lists_and_downloads_unchanged() {
    let Ok(python) = std::env::var(PYTHON) else {
        return skip(&format!("the vendor's client: {PYTHON} is not set"));
    };
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        tls: true,
        write_credentials: Some(directory.path().to_owned()),
        ..Options::default()
    };
    let now = "2026-11-01T12:00:00Z".parse().unwrap();
    let plan = Plan { seed: 8, days: 5, calls_per_day: 20, now, ramps: false };
    let sandbox = Sandbox::start_with(options, Account::generate(plan)).await.unwrap();

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/vendor_client.py");
    let download = directory.path().join("recording");
    let output = Command::new(python)
        .arg(script)
        .arg(sandbox.addr().to_string())
        .arg(directory.path().join("voximplant.json"))
        .arg(&download)
        .env("REQUESTS_CA_BUNDLE", directory.path().join("ca.pem"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();

    let account = sandbox.account();
    let own = account.sessions().iter().filter(|session| session.account == account.id).count();
    assert_eq!(seen["sessions"], own);
    assert_eq!(seen["dates_read"], true);
    let link = seen["link"].as_str().unwrap();
    let files = account.files();
    let file = files.iter().find(|file| sandbox.link(file) == link).unwrap();
    assert!(std::fs::read(download).unwrap() == file.content.to_bytes());
}

#[expect(clippy::print_stdout, reason = "scripts/test counts these lines")]
fn skip(what: &str) {
    println!("SKIPPED {what}");
}
