//! A server that answers byte by byte what a test tells it to, and remembers what it was asked. For
//! faults that no well-behaved HTTP library would commit.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use reelfs::http::jwt::{MAX_LIFE, Tokens};
use reelfs::http::{Client, Credentials, HostPolicy, Settings};
use reelfs::provider::voximplant::ServiceAccountFile;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// One request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// How many came before it.
    pub(crate) number: usize,
    /// Path and query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
    /// The fields of the form.
    pub(crate) form: HashMap<String, String>,
}

impl Asked {
    /// A header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// First and last byte of `Range`.
    pub(crate) fn range(&self) -> (usize, usize) {
        let (first, last) =
            self.header("range").strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        (first.parse().unwrap(), last.parse().unwrap_or(usize::MAX))
    }
}

/// What to send, and what to do then.
pub(crate) struct Answer {
    bytes: Vec<u8>,
    then: Then,
}

#[derive(Clone, Copy)]
enum Then {
    Keep,
    Close,
    Stall,
}

impl Answer {
    /// Status line and headers separated by newlines, and a body. `content-length` is not added.
    pub(crate) fn new(head: &str, body: &[u8]) -> Self {
        let head = head.replace('\n', "\r\n");
        let mut bytes = format!("HTTP/1.1 {head}\r\n\r\n").into_bytes();
        bytes.extend_from_slice(body);
        Self { bytes, then: Then::Keep }
    }

    /// These bytes, and the end.
    pub(crate) fn raw(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), then: Then::Close }
    }

    /// The same with the `content-length` of `body`.
    pub(crate) fn whole(head: &str, body: &[u8]) -> Self {
        Self::new(&format!("{head}\ncontent-length: {}", body.len()), body)
    }

    /// 206 for what `asked` asks of `object`, or 416.
    pub(crate) fn part(object: &[u8], asked: &Asked) -> Self {
        let (first, last) = asked.range();
        let total = object.len();
        if first >= total {
            return Self::whole(&format!("416 no\ncontent-range: bytes */{total}"), b"");
        }
        let last = last.min(total - 1);
        let head = format!("206 ok\ncontent-range: bytes {first}-{last}/{total}\netag: \"v1\"");
        Self::whole(&head, &object[first..=last])
    }

    /// Only the first bytes of it, then the connection is closed.
    pub(crate) fn cut_by(mut self, bytes: usize) -> Self {
        self.bytes.truncate(self.bytes.len() - bytes);
        self.then = Then::Close;
        self
    }

    /// Only the first bytes of it, then nothing comes any more.
    pub(crate) fn stalled_by(mut self, bytes: usize) -> Self {
        self.bytes.truncate(self.bytes.len() - bytes);
        self.then = Then::Stall;
        self
    }

    /// The connection is closed after it.
    pub(crate) fn closed(mut self) -> Self {
        self.then = Then::Close;
        self
    }
}

type Script = dyn Fn(&Asked) -> Answer + Send + Sync;

/// A running server. It ends with the test's runtime.
pub(crate) struct Server {
    /// Its address, with a slash at the end.
    pub(crate) base: Url,
    log: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Starts a server that answers as `script` says.
    pub(crate) async fn start(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let (log, connections) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let server = Self { base, log: Arc::clone(&log), connections: Arc::clone(&connections) };
        let script: Arc<Script> = Arc::new(script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        server
    }

    /// All requests so far.
    pub(crate) fn log(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn serve(stream: TcpStream, script: Arc<Script>, log: Arc<Mutex<Vec<Asked>>>) {
    let mut stream = BufReader::new(stream);
    while let Some(mut asked) = read(&mut stream).await {
        let answer = {
            let mut log = log.lock().unwrap();
            asked.number = log.len();
            log.push(asked.clone());
            script(&asked)
        };
        if stream.write_all(&answer.bytes).await.is_err() {
            return;
        }
        match answer.then {
            Then::Keep => {}
            Then::Close => return,
            Then::Stall => tokio::time::sleep(Duration::from_secs(600)).await,
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut asked = Asked { path: line.split(' ').nth(1)?.to_owned(), ..Asked::default() };
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        asked.headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; asked.header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    asked.form = url::form_urlencoded::parse(&body).into_owned().collect();
    Some(asked)
}

/// Tokens of a service account with a key of this run.
pub(crate) fn tokens() -> Tokens {
    static KEY: LazyLock<String> = LazyLock::new(|| {
        KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap().serialize_pem()
    });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.json");
    let json = serde_json::json!({"result": {
        "account_email": "a@b", "account_id": "12", "key_id": "k", "private_key": *KEY,
    }});
    std::fs::write(&path, format!("\u{feff}{json:#}")).unwrap();
    ServiceAccountFile::new(path, None).open(MAX_LIFE).unwrap().0
}

/// The deadline of an operation that has to succeed, or to fail before it: no machine is so slow.
pub(crate) const PATIENT: Duration = Duration::from_secs(30);
/// The deadline of one that has to fail by it.
pub(crate) const HASTY: Duration = Duration::from_secs(3);

/// A client with tokens for `trusted` only.
pub(crate) fn client(trusted: &Server, timeout: Duration) -> Client {
    Client::new(Settings {
        connections: 4,
        timeout,
        policy: HostPolicy::default().trust_origin(&trusted.base),
        credentials: Some(Credentials::ServiceAccount(tokens())),
        ca_certs: Vec::new(),
        user_agent: "reelfs-test".to_owned(),
    })
    .unwrap()
}
