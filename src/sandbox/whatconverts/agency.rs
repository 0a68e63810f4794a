//! The stand-in agency: its profiles, its leads, and the audio behind their links.
//!
//! It is the ground truth that tests compare with, and knows nothing of HTTP.

use jiff::{SignedDuration, Timestamp};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::sandbox::content::Content;

/// A profile of a client account.
#[derive(Clone, Debug)]
pub struct Profile {
    /// `account_id`.
    pub account_id: u64,
    /// `account`.
    pub account: String,
    /// `profile_id`.
    pub id: u64,
    /// `profile`.
    pub name: String,
    /// Whether the account has HIPAA compliance: no API key opens its recordings.
    pub hipaa: bool,
}

/// What a lead is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeadKind {
    /// `phone_call`
    PhoneCall,
    /// `chat`
    Chat,
    /// `web_form`
    WebForm,
    /// `text_message`
    TextMessage,
    /// `email`
    Email,
}

impl LeadKind {
    /// As answers name it.
    pub fn title(self) -> &'static str {
        match self {
            LeadKind::PhoneCall => "Phone Call",
            LeadKind::Chat => "Chat",
            LeadKind::WebForm => "Web Form",
            LeadKind::TextMessage => "Text Message",
            LeadKind::Email => "Email",
        }
    }
}

/// Audio of a lead.
#[derive(Clone, Debug)]
pub struct Audio {
    /// The opaque id in its links.
    pub id: String,
    /// Its bytes.
    pub content: Content,
}

/// A lead.
#[derive(Clone, Debug)]
pub struct Lead {
    /// `lead_id`.
    pub id: u64,
    /// Index of its profile in [`Agency::profiles`].
    pub profile: usize,
    /// `lead_type`.
    pub kind: LeadKind,
    /// `date_created`, whole seconds.
    pub created: Timestamp,
    /// `call_duration_seconds`; `None` while the call goes on.
    pub duration: Option<u32>,
    /// `caller_number`. May hold anything.
    pub caller: String,
    /// `recording` and `play_recording`.
    pub recording: Option<Audio>,
    /// `voicemail` and `play_voicemail`.
    pub voicemail: Option<Audio>,
    /// `call_transcription`.
    pub transcript: Option<String>,
    /// `voicemail_transcription`.
    pub voicemail_transcript: Option<String>,
    /// The words of a chat, form, message or mail.
    pub message: String,
}

/// A lead to be added.
#[derive(Clone, Debug)]
pub struct NewLead {
    pub(super) lead: Lead,
    pub(super) recording: Option<Content>,
    pub(super) voicemail: Option<Content>,
}

impl NewLead {
    /// A lead of the first profile: a finished call of a minute, or something written.
    pub fn new(kind: LeadKind, created: Timestamp) -> Self {
        let lead = Lead {
            id: 0,
            profile: 0,
            kind,
            created,
            duration: Some(60),
            caller: "+15551230001".to_owned(),
            recording: None,
            voicemail: None,
            transcript: None,
            voicemail_transcript: None,
            message: String::new(),
        };
        Self { lead, recording: None, voicemail: None }
    }

    /// A finished call of a minute.
    pub fn call(created: Timestamp) -> Self {
        Self::new(LeadKind::PhoneCall, created)
    }

    /// Of another profile, by its index.
    #[must_use]
    pub fn profile(mut self, index: usize) -> Self {
        self.lead.profile = index;
        self
    }

    /// From this number.
    #[must_use]
    pub fn from(mut self, caller: &str) -> Self {
        caller.clone_into(&mut self.lead.caller);
        self
    }

    /// It lasted so many seconds.
    #[must_use]
    pub fn lasting(mut self, seconds: u32) -> Self {
        self.lead.duration = Some(seconds);
        self
    }

    /// It goes on.
    #[must_use]
    pub fn in_progress(mut self) -> Self {
        self.lead.duration = None;
        self
    }

    /// With a recording.
    #[must_use]
    pub fn recording(mut self, content: Content) -> Self {
        self.recording = Some(content);
        self
    }

    /// With a voicemail.
    #[must_use]
    pub fn voicemail(mut self, content: Content, transcript: Option<&str>) -> Self {
        self.voicemail = Some(content);
        self.lead.voicemail_transcript = transcript.map(str::to_owned);
        self
    }

    /// With what was said.
    #[must_use]
    pub fn transcript(mut self, text: &str) -> Self {
        self.lead.transcript = Some(text.to_owned());
        self
    }

    /// With words.
    #[must_use]
    pub fn message(mut self, text: &str) -> Self {
        text.clone_into(&mut self.lead.message);
        self
    }
}

/// All that an agency has.
#[derive(Clone, Debug)]
pub struct Agency {
    profiles: Vec<Profile>,
    /// In order of creation, then id.
    leads: Vec<Lead>,
    seed: u64,
    next_lead: u64,
}

impl Agency {
    /// Two accounts with three profiles and no leads. The Profile key belongs to the first profile.
    pub fn empty(seed: u64) -> Self {
        let profile = |account_id, account: &str, id, name: &str| Profile {
            account_id,
            account: account.to_owned(),
            id,
            name: name.to_owned(),
            hipaa: false,
        };
        Self {
            profiles: vec![
                profile(51_001, "Acme Plumbing", 62_001, "acme.example"),
                profile(51_001, "Acme Plumbing", 62_002, "Spring / Summer"),
                profile(51_002, "Dr. Müller", 62_003, "Praxis"),
            ],
            leads: Vec::new(),
            seed,
            next_lead: 153_928_000,
        }
    }

    /// Its profiles.
    pub fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    /// The same, to change them.
    pub fn profiles_mut(&mut self) -> &mut Vec<Profile> {
        &mut self.profiles
    }

    /// Its leads, in order of creation.
    pub fn leads(&self) -> &[Lead] {
        &self.leads
    }

    /// The lead and the audio of a link's id.
    pub(super) fn audio(&self, id: &str) -> Option<(&Lead, &Audio)> {
        self.leads.iter().find_map(|lead| {
            let mut audio = lead.recording.iter().chain(&lead.voicemail);
            audio.find(|audio| audio.id == id).map(|audio| (lead, audio))
        })
    }

    /// Adds a lead and returns its id.
    pub fn add(&mut self, new: NewLead) -> u64 {
        let id = self.next_lead;
        self.next_lead += 1;
        let audio = |content: Option<Content>, salt| {
            content.map(|content| Audio { id: self.audio_id(id, salt), content })
        };
        let lead = Lead {
            id,
            recording: audio(new.recording, "recording"),
            voicemail: audio(new.voicemail, "voicemail"),
            ..new.lead
        };
        let key = (lead.created, lead.id);
        let at = self.leads.partition_point(|other| (other.created, other.id) < key);
        self.leads.insert(at, lead);
        id
    }

    /// Gives a lead its recording, and what was said, as the vendor does when it is done with them.
    pub fn complete(&mut self, lead: u64, recording: Content, transcript: &str) {
        let id = self.audio_id(lead, "recording");
        if let Some(lead) = self.leads.iter_mut().find(|known| known.id == lead) {
            lead.recording = Some(Audio { id, content: recording });
            lead.transcript = Some(transcript.to_owned());
        }
    }

    /// An id in one of the three shapes that were seen.
    fn audio_id(&self, lead: u64, salt: &str) -> String {
        let hash = xxh3_128_with_seed(format!("{salt}/{lead}").as_bytes(), self.seed);
        let hex = format!("{hash:032x}");
        match lead % 3 {
            0 => format!("RE{}", &hex[..31]),
            1 => format!(
                "r-{}-{}-{}-{}-{}-{}",
                &hex[..8],
                &hex[..8],
                &hex[8..12],
                &hex[12..16],
                &hex[16..20],
                &hex[20..]
            ),
            _ => (hash % 10_000_000_000_000_000).to_string(),
        }
    }
}

impl Lead {
    /// When it ended, or when it began while it goes on.
    pub fn end(&self) -> Timestamp {
        let spoken = self.duration.filter(|_| self.kind == LeadKind::PhoneCall).unwrap_or(0);
        self.created + SignedDuration::from_secs(i64::from(spoken))
    }
}
