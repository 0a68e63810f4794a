//! What the sandbox's scenarios wrote and what its callers said: session logs in the manner of
//! `VoxEngine`, and transcripts.
//!
//! A log is made from a random number generator that the caller has seeded: same seed, same text.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, RngExt};

/// Stands once in every log of a session.
pub const KEYWORD_SESSION: &str = "Session started";
/// Stands in about one log in four, up to three times.
pub const KEYWORD_ERROR: &str = "ERROR";

/// What happens in a call's log, over and over.
const EVENTS: [&str; 10] = [
    "Call.PlaybackStarted {url: https://cdn.example.com/prompts/greeting.mp3}",
    "Call.PlaybackFinished",
    "Call.ToneReceived {tone: 1}",
    "ASR.Result {confidence: 87, text: I would like to pay my invoice}",
    "Net.httpRequestAsync https://crm.example.com/api/contacts",
    "Net.HttpRequestResult {code: 200}",
    "Logger.write: customer found, tariff standard",
    "Call.AudioStarted",
    "Logger.write: payment link sent",
    "Call.OnHold",
];

/// The words of `media/speech.mp3`, as the platform writes them down.
const SPEECH: &str = include_str!("media/transcript.txt");

/// The facts of a call that its log names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    /// When the session began.
    pub(super) start: Timestamp,
    /// How long it lasted, in seconds.
    pub(super) seconds: u32,
    /// The application.
    pub(super) application: &'a str,
    /// The caller's or callee's number.
    pub(super) remote: &'a str,
    /// Whether they called us.
    pub(super) incoming: bool,
}

/// A session log: lines `YYYY-MM-DD HH:MM:SS.mmm message`, a few kB.
pub(super) fn session_log(rng: &mut impl Rng, scene: Scene<'_>) -> String {
    let mut log = String::with_capacity(4096);
    let mut now = scene.start;
    let lines = rng.random_range(20..60u32);
    // The lines are spread evenly, the jitter comes on top, and so the end is about right.
    let pace = scene.seconds * 1000 / lines;
    let errors = if rng.random_ratio(1, 4) { rng.random_range(1..=3u32) } else { 0 };

    line(&mut log, now, &format!("{KEYWORD_SESSION} {}", scene.application));
    let direction = if scene.incoming { "AppEvents.CallAlerting" } else { "VoxEngine.callPSTN" };
    line(&mut log, now, &format!("{direction} {{number: {}}}", scene.remote));
    line(&mut log, now, "Call.Connected");
    for n in 0..lines {
        now += SignedDuration::from_millis(i64::from(pace + rng.random_range(0..=pace / 8 + 1)));
        if n % 8 == 7 && n / 8 < errors {
            line(&mut log, now, &format!("{KEYWORD_ERROR} Net.HttpRequestResult {{code: 503}}"));
        } else {
            line(&mut log, now, EVENTS[rng.random_range(0..EVENTS.len())]);
        }
    }
    line(&mut log, now, "Call.Disconnected {reason: Normal termination}");
    line(&mut log, now, "Session terminated");
    log
}

fn line(log: &mut String, at: Timestamp, message: &str) {
    let stamp = at.strftime("%Y-%m-%d %H:%M:%S.%3f");
    // Writing to a String can't fail.
    let _ = writeln!(log, "{stamp} {message}");
}

/// The transcript of the recorded speech: lines `Left 00:00:03 - 00:00:05 : Hello`, the first of
/// which names the call, so that no two transcripts are the same.
pub(super) fn transcript(scene: Scene<'_>) -> String {
    let Scene { start, remote, .. } = scene;
    format!("Left 00:00:00 - 00:00:00 : Call with {remote} at {start}\n{SPEECH}")
}
