//! Secrets: with everything logged and everything going wrong, none of them shows anywhere, and
//! none goes to a host that may not have it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use reelfs::sandbox::{
    Account, Action, Content, Credential, Kind, NewRecord, NewSession, Options, Rule,
};
use serde_json::Value;
use walkdir::WalkDir;

use crate::ground::{Ground, at, can_mount, days_ago, output, send_signal, wait_until};

/// A plain HTTP server that keeps the heads of the requests that it gets.
struct Stranger {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Stranger {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&heads);
        thread::spawn(move || {
            for stream in listener.incoming() {
                kept.lock().unwrap().push(answer(stream.unwrap()));
            }
        });
        Self { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Reads a request's head and answers with a short recording.
fn answer(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    let headers = "content-type: audio/mpeg\r\ncontent-length: 5\r\nconnection: close";
    let _ = write!(stream, "HTTP/1.1 200 OK\r\n{headers}\r\n\r\nhello");
    String::from_utf8(head).unwrap()
}

/// Nine calls with a recording and a log each.
fn calls() -> Account {
    let mut account = Account::empty(5);
    for minute in 0..9 {
        let call = NewSession::at(at(days_ago(1), 9, minute, 0)).incoming("+15551230001");
        let record = NewRecord::new(Content::ramp(7, 5000));
        account.add(call.record(record).log(Content::bytes("09:00:00 Session started\n")));
    }
    account
}

/// What must show nowhere: the key's lines, the API key, every link and its token, all tokens.
fn needles(ground: &Ground) -> Vec<String> {
    let credentials: Value = serde_json::from_str(&ground.sandbox.credentials_json()).unwrap();
    let key = credentials["private_key"].as_str().unwrap();
    let mut needles: Vec<_> = key.lines().map(str::to_owned).collect();
    needles.push(ground.sandbox.api_key().to_owned());
    // What every token in the vendor's form begins with: `{"` in base64.
    needles.push("eyJ".to_owned());
    let account = ground.sandbox.account();
    for file in account.files() {
        let (path, _) = file.target.split_once('?').unwrap_or((&file.target, ""));
        let (_, segment) = path.rsplit_once('/').unwrap();
        let token = segment.split_once('.').map_or(segment, |(token, _)| token);
        assert!(token.len() > 10, "{token}");
        needles.extend([ground.sandbox.link(file), file.target.clone(), token.to_owned()]);
    }
    needles
}

/// Asserts that a text holds none of the needles, without printing either.
fn assert_clean(place: &str, text: &[u8], needles: &[String]) {
    let text = String::from_utf8_lossy(text);
    for (number, needle) in needles.iter().enumerate() {
        let found = text.lines().position(|line| line.contains(needle.as_str()));
        assert!(found.is_none(), "{place}, line {found:?} holds secret {number}");
    }
}

/// All names, contents, attributes and errors that a mount shows, as bytes.
fn all_that_shows(at: &Path) -> Vec<u8> {
    let mut shown = Vec::new();
    for entry in WalkDir::new(at) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                shown.extend(error.to_string().bytes());
                continue;
            }
        };
        shown.extend(entry.path().as_os_str().as_bytes());
        for name in xattr::list(entry.path()).into_iter().flatten() {
            let value = xattr::get(entry.path(), &name).unwrap().unwrap();
            shown.extend(name.as_bytes().iter().chain(&value));
        }
        shown.push(b'\n');
        if entry.file_type().is_file() {
            match fs::read(entry.path()) {
                Ok(bytes) => shown.extend(bytes),
                Err(error) => shown.extend(error.to_string().bytes()),
            }
        }
    }
    shown
}

/// The paths of the recordings, in order of their calls, without queries.
fn recording_paths(ground: &Ground) -> Vec<String> {
    let account = ground.sandbox.account();
    let files = account.files().into_iter().filter(|file| file.kind == Kind::Recording);
    files.map(|file| file.target.split('?').next().unwrap().to_owned()).collect()
}

/// Lets each recording but the last fail in a way of its own.
fn break_things(ground: &Ground, stranger: &Stranger) {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let status = |code| Action::Status { code, body: "no".to_owned(), retry_after: None };
    let actions = [
        status(401),
        status(403),
        status(404),
        status(500),
        Action::WrongRange { by: 1 },
        Action::Html,
        Action::Redirect { to: format!("http://{closed}/lost?record_id=1") },
        Action::Redirect { to: format!("http://{}/elsewhere", stranger.address) },
    ];
    for (path, action) in recording_paths(ground).iter().zip(actions) {
        ground.sandbox.faults().add(Rule::new(action).on_path(path));
    }
}

#[test]
fn no_secret_shows_anywhere_whatever_goes_wrong() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), calls());
    let stranger = Stranger::start();
    break_things(&ground, &stranger);
    let needles = needles(&ground);
    // The daemon inherits it from here, as from a user's shell.
    let audit = ground.dir.path().join("audit.jsonl");
    let mut command = ground.mount_command(&["-vvv", "--timeout", "5s", "--token-life", "2s"]);
    command.args(["--daily-requests", "100000"]).arg("--audit").arg(&audit);
    command.env("REELFS_LOG", "trace");
    let mounting = output(&mut command);
    assert!(mounting.status.success(), "{mounting:?}");
    let _end = crate::command_line::AtEnd(ground.mountpoint());
    let [daemon] = crate::command_line::daemons(&ground.mountpoint())[..] else { panic!() };

    let shown = all_that_shows(&ground.mountpoint());
    let log = ground.dir.path().join("state/reelfs/reelfs.log");
    let logged = || fs::read_to_string(&log).unwrap();
    fs::write(ground.credentials(), "{\"private_key\": \"eyJhbGciOi\"").unwrap();
    wait_until("the broken file is seen", || logged().contains("the old key stays"));
    for said in ["401", "403", "404", "500", "bad answer", "text/html", "no connection"] {
        assert!(logged().contains(said), "{said} was not provoked:\n{}", logged());
    }
    assert!(logged().contains("TRACE") || logged().contains("DEBUG"), "{}", logged());

    assert_clean("the mount", &shown, &needles);
    assert_clean("the log", logged().as_bytes(), &needles);
    assert_clean("the audit", &fs::read(&audit).unwrap(), &needles);
    let kept: Vec<_> = ["state", "cache"]
        .iter()
        .flat_map(|name| WalkDir::new(ground.dir.path().join(name)))
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.is_file())
        .collect();
    assert!(kept.len() >= 3, "the log, the count of requests, its lock: {kept:?}");
    assert!(kept.iter().any(|path| path.ends_with("catalog.db")), "{kept:?}");
    for path in kept {
        let name = path.as_os_str().as_bytes();
        assert_clean("a file that is kept", &[name, &fs::read(&path).unwrap()].concat(), &needles);
    }
    assert_clean("the output", &[mounting.stdout, mounting.stderr].concat(), &needles);
    for file in ["cmdline", "environ", "mounts", "comm", "status"] {
        let text = fs::read(format!("/proc/{daemon}/{file}")).unwrap();
        assert!(!text.is_empty(), "{file}");
        assert_clean(file, &text, &needles);
    }
    assert_no_credentials(&stranger.heads());
}

fn assert_no_credentials(heads: &[String]) {
    assert!(!heads.is_empty(), "nothing was asked");
    for head in heads {
        let lower = head.to_ascii_lowercase();
        for word in ["authorization", "cookie", "bearer", "referer", "eyj", "api_key"] {
            assert!(!lower.contains(word), "{word} was sent to another host");
        }
    }
}

#[test]
fn a_link_to_a_foreign_host_gets_no_credentials() {
    if !can_mount() {
        return;
    }
    let stranger = Stranger::start();
    let link_base = Some(format!("http://{}", stranger.address));
    let ground = Ground::new(Options { link_base, ..Options::default() }, calls());
    let mount = ground.mount(&["--since", "2d"]);
    let shown = all_that_shows(&mount.path("recordings"));
    assert!(String::from_utf8_lossy(&shown).contains("hello"), "{}", mount.log());
    assert_no_credentials(&stranger.heads());
    let credentials = ground.sandbox.requests().into_iter().map(|request| request.credential);
    let credentials: Vec<_> = credentials.collect();
    assert!(credentials.iter().all(|kind| *kind == Credential::Bearer), "the API got them");
}

#[test]
fn a_redirect_to_another_host_takes_no_credentials_and_no_query_along() {
    if !can_mount() {
        return;
    }
    let stranger = Stranger::start();
    let ground = Ground::new(Options::default(), calls());
    let to = format!("http://{}/elsewhere?own=1", stranger.address);
    ground.sandbox.faults().add(Rule::new(Action::Redirect { to }).on_file(Kind::Recording));
    let mount = ground.mount(&["--since", "2d"]);
    let shown = all_that_shows(&mount.path("recordings"));
    assert!(String::from_utf8_lossy(&shown).contains("hello"), "{}", mount.log());
    let heads = stranger.heads();
    assert_no_credentials(&heads);
    let lines: BTreeSet<_> = heads.iter().filter_map(|head| head.lines().next()).collect();
    assert_eq!(lines, BTreeSet::from(["GET /elsewhere?own=1 HTTP/1.1"]));

    drop(mount);
    ground.sandbox.faults().clear();
    let to = format!("http://{}/platform_api", stranger.address);
    ground.sandbox.faults().add(Rule::new(Action::Redirect { to }).on_api("GetCallHistory"));
    // Without a cache, which may hold days by now, with which a mount goes on.
    let refused = output(&mut ground.mount_command(&["-f", "--cache-size=0", "--timeout=2s"]));
    let said = crate::ground::text(&refused.stderr);
    assert!(!refused.status.success() && said.contains("redirect refused"), "{said}");
    assert_eq!(stranger.heads().len(), heads.len(), "an API's redirect was followed elsewhere");
}

/// A core dump would hold tokens and calls. A program that is killed alike beside it shows whether
/// this machine dumps at all.
#[test]
fn a_mount_that_crashes_leaves_no_core_dump() {
    if !can_mount() {
        return;
    }
    let aborted = |mut child: Child| {
        send_signal(child.id(), "ABRT");
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(libc::SIGABRT), "{status}");
        status.core_dumped()
    };
    let ground = Ground::new(Options::default(), calls());
    let dumping = |program: &Command| {
        let mut command = Command::new("bash");
        command.args(["-c", "ulimit -c unlimited; exec \"$@\"", "bash"]);
        command.arg(program.get_program()).args(program.get_args());
        command.current_dir(ground.dir.path()).stdin(Stdio::null()).stderr(Stdio::null());
        command
    };
    let mut sleep = Command::new("sleep");
    let other = dumping(sleep.arg("100")).spawn().unwrap();
    let path = format!("/proc/{}/comm", other.id());
    wait_until("it runs", || fs::read_to_string(&path).is_ok_and(|name| name == "sleep\n"));
    if !aborted(other) {
        eprintln!("SKIPPED: this machine dumps no cores");
        return;
    }
    let daemon = dumping(&ground.mount_command(&["--foreground"])).spawn().unwrap();
    let _end = crate::command_line::AtEnd(ground.mountpoint());
    wait_until("the mount answers", || crate::ground::is_mounted(&ground.mountpoint()));
    assert!(!aborted(daemon), "a core was dumped");
}

/// Nothing switches the check of certificates off; `--ca-cert` adds to what is trusted.
#[test]
fn a_server_whose_certificate_is_not_trusted_gets_no_credentials() {
    let options = Options { tls: true, ..Options::default() };
    let ground = Ground::new(options, calls());
    let mut without = Command::new(crate::ground::REELFS);
    fs::create_dir_all(ground.mountpoint()).unwrap();
    without.args(["mount", "voximplant"]).arg(ground.mountpoint());
    without.args(["-f", "--timeout", "5s", "--api-url", ground.sandbox.base_url()]);
    without.arg("--credentials").arg(ground.credentials());
    // What libraries and other programs take for such a switch.
    for name in
        ["SSL_NO_VERIFY", "CURL_INSECURE", "PYTHONHTTPSVERIFY", "NODE_TLS_REJECT_UNAUTHORIZED"]
    {
        without.env(name, "0");
    }
    let refused = output(&mut without);
    let said = crate::ground::text(&refused.stderr);
    assert!(!refused.status.success() && said.contains("certificate"), "{said}");
    assert!(ground.sandbox.requests().is_empty(), "it was asked");
    let help = output(Command::new(crate::ground::REELFS).args(["mount", "voximplant", "--help"]));
    let help = crate::ground::text(&help.stdout).to_lowercase();
    assert!(help.contains("--ca-cert") && !help.contains("insecure") && !help.contains("no-check"));
}
