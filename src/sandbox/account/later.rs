//! What happens to a session after it was added: it goes on, ends, gets more files, or is deleted.

use jiff::SignedDuration;

use super::{Account, Kind};
use crate::sandbox::content::Content;
use crate::sandbox::session::{NewRecord, Session, Transcript};

impl Account {
    /// Adds a record to a session, as the vendor does when it is done with one; gives its id.
    pub fn add_record_to(&mut self, session: u64, record: NewRecord) -> Option<u64> {
        let owner = self.session(session)?.clone();
        let record = self.add_record(&owner, self.is_secure(&owner), record);
        let id = record.id;
        self.session_mut(session)?.records.push(record);
        Some(id)
    }

    /// Completes the transcript of a record.
    pub fn transcribe(&mut self, session: u64, record: u64, content: Content) {
        let Some(owner) = self.session(session).cloned() else { return };
        let secure = self.is_secure(&owner);
        let path = self.path(&owner, Kind::Transcript, secure, record, ".txt");
        let target = format!("{path}?record_id={record}");
        let path = self.store(&owner, secure, Kind::Transcript, Some(record), target, content);
        let records = self.session_mut(session).into_iter().flat_map(|s| &mut s.records);
        for known in records.filter(|known| known.id == record) {
            known.transcript = Transcript::Complete(path.clone());
        }
    }

    /// Appends to the log of a session; it says then that it was modified a second later.
    pub fn append_to_log(&mut self, session: u64, text: &str) {
        let path = self.session(session).and_then(|session| session.log.clone());
        if let Some(file) = path.and_then(|path| self.files.get_mut(&path)) {
            let more = Content::bytes(text.to_owned());
            file.content = Content::joined([file.content.clone(), more]);
            file.modified += SignedDuration::from_secs(1);
        }
    }

    /// Ends a session that goes on, after so many seconds.
    pub fn finish(&mut self, session: u64, seconds: u32) {
        if let Some(session) = self.session_mut(session) {
            session.duration = Some(seconds);
        }
    }

    /// Deletes a session with its files.
    pub fn remove(&mut self, session: u64) {
        self.sessions.retain(|known| known.id != session);
        self.files.retain(|_, file| file.session != session);
    }

    fn session(&self, id: u64) -> Option<&Session> {
        self.sessions.iter().find(|session| session.id == id)
    }

    fn session_mut(&mut self, id: u64) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.id == id)
    }

    fn is_secure(&self, session: &Session) -> bool {
        self.applications.get(session.application).is_some_and(|application| application.secure)
    }
}
