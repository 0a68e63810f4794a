//! Who read what: a JSON line for each open file when it is closed.
//!
//! It is written by a thread of its own and keeps no reader waiting; a line that cannot be written is
//! lost, and the log says so once. Lines hold the call's numbers and no other of its facts, and no
//! link.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::types::{Object, json_line};

/// A process that asks for something.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Its user.
    pub uid: u32,
    /// Its process or thread; 0 for one that this namespace does not see.
    pub pid: u32,
}

/// The audit of a mount.
pub struct Audit {
    lines: mpsc::Sender<Message>,
}

enum Message {
    Line(String),
    /// Told when everything before it is written.
    Flush(mpsc::Sender<()>),
}

/// What an open file leaves: its line is written when it is dropped.
pub(super) struct Trail {
    line: Map<String, Value>,
    bytes: AtomicU64,
    lines: mpsc::Sender<Message>,
}

impl Audit {
    /// Appends to a file, which only its owner can read when it is new. Fails when it cannot be
    /// opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = Paper::open(path)?;
        let (lines, received) = mpsc::channel();
        let body = move || {
            for message in received {
                match message {
                    Message::Line(line) => file.write(&line),
                    // Whoever asked may have stopped waiting.
                    Message::Flush(done) => drop(done.send(())),
                }
            }
        };
        thread::Builder::new().name("reelfs-audit".to_owned()).spawn(body)?;
        Ok(Self { lines })
    }

    /// `caller` opened `name` of `day`, which is `object` where it is a vendor's.
    pub(super) fn opened(
        &self,
        caller: Caller,
        name: &str,
        day: &str,
        object: Option<&Object>,
    ) -> Trail {
        let pid = process_of(caller.pid);
        let program = |what: &str| format!("/proc/{pid}/{what}");
        let mut line = Map::new();
        let mut set = |key: &str, value: Value| drop(line.insert(key.to_owned(), value));
        set("time", Timestamp::now().to_string().into());
        set("uid", caller.uid.into());
        set("pid", pid.into());
        if let Ok(name) = fs::read_to_string(program("comm")) {
            set("program", name.trim_end().into());
        }
        if let Ok(path) = fs::read_link(program("exe")) {
            set("executable", path.to_string_lossy().into());
        }
        set("day", day.into());
        set("file", name.into());
        if let Some(object) = object {
            set("object", object.id.as_str().into());
            for (key, value) in object.attributes.iter().filter(|(key, _)| key.ends_with("_id")) {
                set(key, value.into());
            }
        }
        Trail { line, bytes: AtomicU64::new(0), lines: self.lines.clone() }
    }

    /// Waits until all lines so far are written, at most for a while.
    pub(super) fn flush(&self, patience: Duration) {
        let (done, told) = mpsc::channel();
        if self.lines.send(Message::Flush(done)).is_ok() {
            let _ = told.recv_timeout(patience);
        }
    }
}

impl Trail {
    /// So many bytes were read.
    pub(super) fn read(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        line.insert("bytes".to_owned(), self.bytes.load(Ordering::Relaxed).into());
        line.insert("closed".to_owned(), Timestamp::now().to_string().into());
        let _ = self.lines.send(Message::Line(format!("{}\n", json_line(&Value::Object(line)))));
    }
}

/// The file that is written to. One that was set aside, as log rotation does, is opened anew.
struct Paper {
    path: PathBuf,
    file: File,
    is_failing: bool,
}

impl Paper {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: append(path)?, is_failing: false })
    }

    fn write(&mut self, line: &str) {
        match self.try_write(line) {
            Ok(()) => self.is_failing = false,
            // Once, however long the disk stays full.
            Err(_) if self.is_failing => {}
            Err(error) => {
                self.is_failing = true;
                let path = self.path.display();
                tracing::warn!("{path}: who reads what is not written down: {error}");
            }
        }
    }

    fn try_write(&mut self, line: &str) -> io::Result<()> {
        let name = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let is_here = fs::metadata(&self.path).ok().map(name) == Some(name(self.file.metadata()?));
        if !is_here {
            self.file = append(&self.path)?;
        }
        // In one piece, so that lines of two mounts never mix.
        self.file.write_all(line.as_bytes())
    }
}

/// The process that a thread belongs to: the kernel names the thread that asks.
fn process_of(thread: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    let process = status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok());
    process.unwrap_or(thread)
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}
