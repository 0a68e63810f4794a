//! A session of the stand-in account as it is kept ([`Session`]) and as a caller adds it
//! ([`NewSession`], a builder with sensible beginnings).
//!
//! Ids and links are not chosen here: [`Account::add`](super::account::Account::add) gives them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::content::{Content, Media};

/// One call of a session.
#[derive(Clone, Debug)]
pub struct Leg {
    /// Whether they called us.
    pub incoming: bool,
    /// `remote_number`. May hold anything.
    pub remote: String,
    /// `local_number`.
    pub local: String,
}

/// A session that the account has.
#[derive(Clone, Debug)]
pub struct Session {
    /// `call_session_history_id`.
    pub id: u64,
    /// `account_id`: the parent's, or a child's.
    pub account: u64,
    /// Index of its application in [`Account::applications`](super::account::Account::applications).
    pub application: usize,
    /// `start_date`.
    pub start: Timestamp,
    /// `duration` in seconds; `None` while it goes on.
    pub duration: Option<u32>,
    /// `calls`.
    pub legs: Vec<Leg>,
    /// `custom_data`.
    pub custom_data: Option<String>,
    /// `records`.
    pub records: Vec<Record>,
    /// Path of its log, without the query.
    pub log: Option<Arc<str>>,
}

impl Session {
    /// When it ended, or when it began while it goes on.
    pub fn end(&self) -> Timestamp {
        self.start + SignedDuration::from_secs(i64::from(self.duration.unwrap_or(0)))
    }
}

/// A record of a session.
#[derive(Clone, Debug)]
pub struct Record {
    /// `record_id`.
    pub id: u64,
    /// `start_time`.
    pub start: Timestamp,
    /// `duration` in seconds.
    pub duration: u32,
    /// `file_size` in bytes, where the listing claims one.
    pub claimed_size: Option<u64>,
    /// Path of its file, without the query.
    pub path: Arc<str>,
    /// Its transcript.
    pub transcript: Transcript<Arc<str>>,
}

/// `transcription_status`, with what is there once it is complete: the content of a record that is
/// to be added, the path (without the query) of one that was.
#[derive(Clone, Debug)]
pub enum Transcript<T> {
    /// None was asked for.
    NotRequired,
    /// It is being written.
    InProgress,
    /// It is there.
    Complete(T),
}

/// A session to be added.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub(super) account: Option<u64>,
    pub(super) application: String,
    pub(super) secure: bool,
    pub(super) start: Timestamp,
    pub(super) duration: Option<u32>,
    pub(super) legs: Vec<Leg>,
    pub(super) custom_data: Option<String>,
    pub(super) records: Vec<NewRecord>,
    pub(super) log: Option<Content>,
}

impl NewSession {
    /// A finished session of a minute, of the secure application `support`, without calls and files.
    pub fn at(start: Timestamp) -> Self {
        Self {
            account: None,
            application: "support.acme.voximplant.com".to_owned(),
            secure: true,
            start,
            duration: Some(60),
            legs: Vec::new(),
            custom_data: None,
            records: Vec::new(),
            log: None,
        }
    }

    /// Of a child account.
    #[must_use]
    pub fn account(mut self, id: u64) -> Self {
        self.account = Some(id);
        self
    }

    /// Of the application with this whole name.
    #[must_use]
    pub fn application(mut self, name: &str) -> Self {
        name.clone_into(&mut self.application);
        self
    }

    /// Its links open without authorization.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.secure = false;
        self
    }

    /// It lasted so many seconds.
    #[must_use]
    pub fn lasting(mut self, seconds: u32) -> Self {
        self.duration = Some(seconds);
        self
    }

    /// It goes on.
    #[must_use]
    pub fn in_progress(mut self) -> Self {
        self.duration = None;
        self
    }

    /// With a call from `remote`.
    #[must_use]
    pub fn incoming(self, remote: &str) -> Self {
        self.leg(true, remote)
    }

    /// With a call to `remote`.
    #[must_use]
    pub fn outgoing(self, remote: &str) -> Self {
        self.leg(false, remote)
    }

    fn leg(mut self, incoming: bool, remote: &str) -> Self {
        let local = "+15550100100".to_owned();
        self.legs.push(Leg { incoming, remote: remote.to_owned(), local });
        self
    }

    /// With `custom_data`.
    #[must_use]
    pub fn custom_data(mut self, text: &str) -> Self {
        self.custom_data = Some(text.to_owned());
        self
    }

    /// With a record.
    #[must_use]
    pub fn record(mut self, record: NewRecord) -> Self {
        self.records.push(record);
        self
    }

    /// With a log.
    #[must_use]
    pub fn log(mut self, content: Content) -> Self {
        self.log = Some(content);
        self
    }
}

/// A record to be added.
#[derive(Clone, Debug)]
pub struct NewRecord {
    pub(super) content: Content,
    pub(super) content_type: &'static str,
    pub(super) extension: Option<&'static str>,
    pub(super) duration: u32,
    pub(super) begins: u32,
    pub(super) claimed_size: Option<u64>,
    pub(super) transcript: Transcript<Content>,
}

impl NewRecord {
    /// An mp3, as far as its link and content type go, with these bytes.
    pub fn new(content: Content) -> Self {
        Self {
            content,
            content_type: "audio/mpeg",
            extension: Some("mp3"),
            duration: 60,
            begins: 0,
            claimed_size: None,
            transcript: Transcript::NotRequired,
        }
    }

    /// A media file as it is.
    pub fn media(media: &Media) -> Self {
        let mut record = Self::new(media.content()).lasting(media.seconds);
        record.content_type = media.content_type;
        record.extension = Some(media.extension);
        record
    }

    /// Its link has no extension.
    #[must_use]
    pub fn without_extension(mut self) -> Self {
        self.extension = None;
        self
    }

    /// It lasts so many seconds.
    #[must_use]
    pub fn lasting(mut self, seconds: u32) -> Self {
        self.duration = seconds;
        self
    }

    /// It begins so many seconds after its session.
    #[must_use]
    pub fn beginning(mut self, seconds: u32) -> Self {
        self.begins = seconds;
        self
    }

    /// The listing says that it has so many bytes, right or wrong.
    #[must_use]
    pub fn claiming(mut self, bytes: u64) -> Self {
        self.claimed_size = Some(bytes);
        self
    }

    /// With a transcript.
    #[must_use]
    pub fn transcript(mut self, transcript: Transcript<Content>) -> Self {
        self.transcript = transcript;
        self
    }
}
