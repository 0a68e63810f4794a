//! The stand-in account: its applications, its sessions, and the files behind their links.
//!
//! It is the ground truth that tests compare with: [`Account::files`] names every object with its
//! bytes. It knows nothing of HTTP; a link is a path here, and gets its host when it is served.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::content::Content;
use super::session::{NewRecord, NewSession, Record, Session, Transcript};

mod later;

/// What a link leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Audio or video.
    Recording,
    /// A session's log.
    Log,
    /// A recording's transcript.
    Transcript,
}

impl Kind {
    /// The bucket's name in a link: the part before `-secure`.
    fn bucket(self) -> &'static str {
        match self {
            Kind::Recording => "voximplant-records",
            Kind::Log => "voximplant-logs",
            Kind::Transcript => "voximplant-transcripts",
        }
    }

    /// The first part of a link's path, with the slash before it.
    pub(super) fn folder(self, secure: bool) -> String {
        let secure = if secure { "-secure" } else { "" };
        format!("/{}{secure}", self.bucket())
    }
}

/// A file behind a link.
#[derive(Clone, Debug)]
pub struct File {
    /// What it is.
    pub kind: Kind,
    /// Whose it is: the parent account's or a child account's id.
    pub account: u64,
    /// `call_session_history_id`.
    pub session: u64,
    /// `record_id`, of a recording or a transcript.
    pub record: Option<u64>,
    /// The link without scheme and host: path and query.
    pub target: String,
    /// Whether the link asks for authorization.
    pub secure: bool,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its bytes.
    pub content: Content,
    /// Its `Last-Modified`, whole seconds.
    pub modified: Timestamp,
    /// Whether it has expired: listed, but answered with 410.
    pub gone: bool,
}

/// An application of the account.
#[derive(Clone, Debug)]
pub struct Application {
    /// `application_id`.
    pub id: u64,
    /// `application_name`, whole: `support.acme.voximplant.com`.
    pub name: String,
    /// `secure_record_storage`.
    pub secure: bool,
}

/// An account with all that it keeps.
#[derive(Clone, Debug)]
pub struct Account {
    /// `account_id`.
    pub id: u64,
    /// `account_name`.
    pub name: String,
    /// `account_email`.
    pub email: String,
    /// Ids of its child accounts.
    pub children: Vec<u64>,
    applications: Vec<Application>,
    /// In order of start, then id.
    sessions: Vec<Session>,
    /// By path, without the query.
    files: HashMap<Arc<str>, File>,
    seed: u64,
    next_session: u64,
    next_record: u64,
}

impl Account {
    /// An account without calls. Links and ids depend on the seed.
    pub fn empty(seed: u64) -> Self {
        Self {
            id: 4_714_487,
            name: "acme".to_owned(),
            email: "calls@acme.example".to_owned(),
            children: vec![4_714_901, 4_714_902],
            applications: Vec::new(),
            sessions: Vec::new(),
            files: HashMap::new(),
            seed,
            next_session: 8_123_400_000,
            next_record: 30_000,
        }
    }

    /// The account's own id and those of its children.
    pub fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        std::iter::once(self.id).chain(self.children.iter().copied())
    }

    /// Its applications, in the order in which they came.
    pub fn applications(&self) -> &[Application] {
        &self.applications
    }

    /// The same, to change them.
    pub fn applications_mut(&mut self) -> &mut [Application] {
        &mut self.applications
    }

    /// Its sessions, in order of start.
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// Every file, in order of session, kind and record.
    pub fn files(&self) -> Vec<&File> {
        let mut files: Vec<&File> = self.files.values().collect();
        files.sort_by_key(|file| (file.session, file.kind, file.record));
        files
    }

    /// The paths of all files, without their queries, in no order.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(AsRef::as_ref)
    }

    /// The file behind `path` (a query is ignored).
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.get(bare(path))
    }

    /// The same, to change it: its content, its `modified`, or that it is gone.
    pub fn file_mut(&mut self, path: &str) -> Option<&mut File> {
        self.files.get_mut(bare(path))
    }

    /// Takes a session's log out of the listing and off the server, as the vendor does after a month.
    pub fn expire_log(&mut self, session: u64) {
        if let Some(found) = self.sessions.iter_mut().find(|s| s.id == session)
            && let Some(path) = found.log.take()
        {
            self.files.remove(&path);
        }
    }

    /// Adds a session, with an application where its name is new, and returns the session's id.
    pub fn add(&mut self, new: NewSession) -> u64 {
        let session = self.make(new);
        let key = (session.start, session.id);
        let at = self.sessions.partition_point(|other| (other.start, other.id) < key);
        self.sessions.insert(at, session);
        key.1
    }

    /// Adds many sessions, whose ids, and those of their records, count from these numbers on. What is
    /// added afterwards has ids as if they were not there.
    pub(super) fn add_all(
        &mut self,
        first_session: u64,
        first_record: u64,
        all: impl Iterator<Item = NewSession>,
    ) {
        let next = (self.next_session, self.next_record);
        (self.next_session, self.next_record) = (first_session, first_record);
        for new in all {
            let session = self.make(new);
            self.sessions.push(session);
        }
        self.sessions.sort_by_key(|session| (session.start, session.id));
        (self.next_session, self.next_record) = next;
    }

    fn make(&mut self, new: NewSession) -> Session {
        let id = self.next_session;
        self.next_session += 1;
        let mut session = Session {
            id,
            account: new.account.unwrap_or(self.id),
            application: self.application(&new.application, new.secure),
            start: new.start,
            duration: new.duration,
            legs: new.legs,
            custom_data: new.custom_data,
            records: Vec::new(),
            log: None,
        };
        if let Some(content) = new.log {
            let path = self.path(&session, Kind::Log, new.secure, 0, "");
            let target = format!("{path}?sessionid={id}");
            session.log = Some(self.store(&session, new.secure, Kind::Log, None, target, content));
        }
        for record in new.records {
            let record = self.add_record(&session, new.secure, record);
            session.records.push(record);
        }
        session
    }

    fn add_record(&mut self, session: &Session, secure: bool, new: NewRecord) -> Record {
        let id = self.next_record;
        self.next_record += 1;
        let extension = new.extension.map(|text| format!(".{text}")).unwrap_or_default();
        let path = self.path(session, Kind::Recording, secure, id, &extension);
        let target = format!("{path}?record_id={id}");
        let path = self.store(session, secure, Kind::Recording, Some(id), target, new.content);
        if let Some(file) = self.files.get_mut(&path) {
            file.content_type = new.content_type;
        }
        let transcript = match new.transcript {
            Transcript::NotRequired => Transcript::NotRequired,
            Transcript::InProgress => Transcript::InProgress,
            Transcript::Complete(content) => {
                let path = self.path(session, Kind::Transcript, secure, id, ".txt");
                let target = format!("{path}?record_id={id}");
                let kind = Kind::Transcript;
                Transcript::Complete(self.store(session, secure, kind, Some(id), target, content))
            }
        };
        let start = session.start + SignedDuration::from_secs(i64::from(new.begins));
        Record {
            id,
            start,
            duration: new.duration,
            claimed_size: new.claimed_size,
            path,
            transcript,
        }
    }

    /// The path of a new file: bucket, day, and a token that can't be guessed from the ids alone.
    fn path(
        &self,
        session: &Session,
        kind: Kind,
        secure: bool,
        record: u64,
        extension: &str,
    ) -> String {
        let bucket = kind.bucket();
        let folder = kind.folder(secure);
        let day = session.start.strftime("%Y/%m/%d");
        let token =
            xxh3_128_with_seed(format!("{bucket}/{}/{record}", session.id).as_bytes(), self.seed);
        format!("{folder}/{day}/{token:032x}{extension}")
    }

    fn store(
        &mut self,
        session: &Session,
        secure: bool,
        kind: Kind,
        record: Option<u64>,
        target: String,
        content: Content,
    ) -> Arc<str> {
        let path: Arc<str> = Arc::from(bare(&target));
        let file = File {
            kind,
            account: session.account,
            session: session.id,
            record,
            target,
            secure,
            content_type: "text/plain; charset=utf-8",
            content,
            modified: session.end(),
            gone: false,
        };
        self.files.insert(path.clone(), file);
        path
    }

    /// The index of the application with this name; it is made where there is none.
    fn application(&mut self, name: &str, secure: bool) -> usize {
        if let Some(at) = self.applications.iter().position(|app| app.name == name) {
            return at;
        }
        let at = self.applications.len();
        let id = 10_733_200 + at as u64;
        self.applications.push(Application { id, name: name.to_owned(), secure });
        at
    }
}

fn bare(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}
