//! Fills an account with calls, the same for the same seed: what a small company's account looks
//! like, and the odd cases that a client must survive.
//!
//! A day's calls depend on the seed and the day only; of today's, those that have ended by `now`
//! are there, and logs leave after a month. So an account grows during a day and never shows a call
//! of the future.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::account::Account;
use super::content::{Content, Media};
use super::session::{NewRecord, NewSession, Transcript};
use super::text::{Scene, session_log, transcript};

/// What to generate.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Same seed, same account.
    pub seed: u64,
    /// How many days, up to and including today (UTC). At least 1.
    pub days: u32,
    /// How many calls a day has, give or take a third. The odd cases come on top.
    pub calls_per_day: u32,
    /// The end of the last call at the latest.
    pub now: Timestamp,
    /// Whether recordings are ramps, most of 100 kB to 3 MB, which a test can check to the
    /// byte, rather than speech, which a person can listen to.
    pub ramps: bool,
}

/// How long the vendor keeps logs: a month (vendor's documentation).
const LOGS_ARE_KEPT: SignedDuration = SignedDuration::from_hours(31 * 24);

const APPLICATIONS: [&str; 4] = ["support", "sales", "ivr", "reception"];

impl Account {
    /// An account as `plan` says. The odd cases stand on yesterday, and one call is in progress.
    pub fn generate(plan: Plan) -> Self {
        let mut account = Self::empty(plan.seed);
        let today = plan.now.to_zoned(TimeZone::UTC).date();
        for back in (0..i64::from(plan.days.max(1))).rev() {
            let Ok(day) = today.checked_sub(back.days()) else {
                continue;
            };
            fill_day(&mut account, plan, day);
        }
        if let Some(day) = today.yesterday().ok().and_then(midnight) {
            add_odd_cases(&mut account, day, plan.ramps);
        }
        let ringing = NewSession::at(plan.now - SignedDuration::from_secs(45))
            .incoming("+15550009999")
            .in_progress();
        account.add(ringing);
        account
    }
}

fn midnight(day: Date) -> Option<Timestamp> {
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn fill_day(account: &mut Account, plan: Plan, day: Date) {
    let Some(midnight) = midnight(day) else {
        return;
    };
    let mut rng = StdRng::seed_from_u64(plan.seed ^ midnight.as_second().unsigned_abs());
    let third = plan.calls_per_day / 3;
    let calls = plan.calls_per_day - third + rng.random_range(0..=2 * third);
    let mut starts: Vec<i64> = (0..calls).map(|_| office_second(&mut rng)).collect();
    starts.sort_unstable();
    for second in starts {
        let mut session =
            ordinary(&mut rng, midnight + SignedDuration::from_secs(second), plan.ramps);
        if session.start + LOGS_ARE_KEPT < plan.now {
            session.log = None;
        }
        // Made in any case, so that the calls after it do not depend on the time of day.
        if session.start + SignedDuration::from_mins(30) <= plan.now {
            account.add(session);
        }
    }
}

/// A second of the day: nine calls in ten come between 8 and 18 o'clock.
fn office_second(rng: &mut StdRng) -> i64 {
    let hours = if rng.random_ratio(9, 10) { 8..18 } else { 0..23 };
    rng.random_range(hours.start * 3600..hours.end * 3600)
}

/// A call as they mostly are: one recording, a log, now and then a transcript.
fn ordinary(rng: &mut StdRng, start: Timestamp, ramps: bool) -> NewSession {
    let application =
        format!("{}.acme.voximplant.com", APPLICATIONS[rng.random_range(0..APPLICATIONS.len())]);
    let remote = format!("+1555{:07}", rng.random_range(0..10_000_000u32));
    let incoming = rng.random_ratio(3, 5);
    let speech = if rng.random_ratio(1, 6) { Media::stereo() } else { Media::speech() };
    let (content, seconds) = if ramps {
        let len = rng.random_range(100_000..3_000_000u32);
        (Content::ramp(rng.random_range(0..=250), len.into()), len / 4_000)
    } else {
        (speech.titled(&format!("{start}{remote}")), speech.seconds)
    };
    let wait = rng.random_range(2..20u32);
    let scene = Scene {
        start,
        seconds: wait + seconds,
        application: &application,
        remote: &remote,
        incoming,
    };

    let mut record = NewRecord::new(content).lasting(seconds).beginning(wait);
    if rng.random_ratio(1, 5) {
        record = record.transcript(Transcript::Complete(Content::bytes(transcript(scene))));
    }
    let mut session = NewSession::at(start)
        .application(&application)
        .lasting(scene.seconds)
        .log(Content::bytes(session_log(rng, scene)));
    session = if incoming { session.incoming(&remote) } else { session.outgoing(&remote) };
    if rng.random_ratio(1, 10) {
        session = session.outgoing(&format!("+1555{:07}", rng.random_range(0..10_000_000u32)));
    }
    if rng.random_ratio(1, 4) {
        session = session.custom_data(&format!("ticket {}", rng.random_range(1_000..9_999u32)));
    }
    // One in nine was missed, and nothing was recorded.
    if rng.random_ratio(8, 9) { session.record(record) } else { session }
}

/// What breaks clients, one of each, from 10 o'clock on, a minute apart.
fn add_odd_cases(account: &mut Account, midnight: Timestamp, ramps: bool) {
    let child = account.children.first().copied().unwrap_or(account.id);
    let mut cases = formats();
    cases.extend(shapes(child, ramps));
    cases.extend(hostile(ramps));
    let mut start = midnight + SignedDuration::from_hours(10);
    for mut case in cases {
        case.start = start;
        if case.log.is_none() && case.secure {
            case = case
                .log(Content::bytes(format!("{} Session started\n", start.strftime("%F %T.000"))));
        }
        account.add(case);
        start += SignedDuration::from_mins(1);
    }
    // Two calls with the same number within the same second.
    for seed in [9, 10] {
        let twin = NewSession::at(start).incoming("+15550002222");
        account.add(twin.record(audio(ramps, seed, 4_321)));
    }
}

fn session() -> NewSession {
    NewSession::at(Timestamp::UNIX_EPOCH)
}

/// A record of one of the odd cases: a ramp of `len` bytes, or speech.
fn audio(ramps: bool, seed: u8, len: u64) -> NewRecord {
    let speech = Media::speech();
    if ramps {
        NewRecord::new(Content::ramp(seed, len))
    } else {
        NewRecord::new(speech.titled(&format!("odd-case-{seed}"))).lasting(speech.seconds)
    }
}

/// Every form of media.
fn formats() -> Vec<NewSession> {
    let [stereo, flac, video] = [Media::stereo(), Media::flac(), Media::video()];
    let size = video.content().len();
    vec![
        session().incoming("+15550001001").record(NewRecord::media(&stereo)),
        session().outgoing("+15550001002").record(NewRecord::media(&flac)),
        session().incoming("+15550001003").record(NewRecord::media(&video).claiming(size)),
        session()
            .incoming("+15550001004")
            .record(NewRecord::media(&Media::speech()).without_extension()),
        session().open().incoming("+15550001005").record(NewRecord::media(&Media::speech())),
    ]
}

/// Every shape of a session: nothing recorded, nothing said, several records, a child's call.
fn shapes(child: u64, ramps: bool) -> Vec<NewSession> {
    let several =
        (0..3u8).map(|n| audio(ramps, n, 50_000 + u64::from(n)).beginning(u32::from(n) * 20));
    let untold = audio(ramps, 8, 8_000).transcript(Transcript::InProgress);
    vec![
        session().incoming("+15550001013").record(untold),
        session().incoming("+15550001006").record(NewRecord::new(Content::bytes("")).lasting(0)),
        session().incoming("+15550001007").lasting(0),
        several.fold(session().incoming("+15550001008"), NewSession::record),
        session().record(audio(ramps, 5, 131_072)),
        // A claim that is wrong: the vendor's file_size counts for video only.
        session().incoming("+15550001009").record(audio(ramps, 6, 20_000).claiming(123)),
        session().account(child).incoming("+15550001010").record(audio(ramps, 7, 9_999)),
    ]
}

/// Text that no file name may hold as it is.
fn hostile(ramps: bool) -> Vec<NewSession> {
    let long = "9".repeat(300);
    let names = [
        "../../etc/passwd",
        "..",
        "a/b\\c:d*e",
        "line\nbreak\r\ttab",
        "\u{1b}[31mred\u{7}",
        "\u{202e}txt.exe",
        "звонок 📞 ☎️",
        "",
        " lead and trail ",
        &long,
    ];
    let mut sessions: Vec<NewSession> = names
        .iter()
        .zip(11..)
        .map(|(name, seed)| {
            session().incoming(name).custom_data(name).record(audio(ramps, seed, 1_000))
        })
        .collect();
    sessions.push(
        session().application("../ev\u{0}il\n/📞.acme.voximplant.com").incoming("+15550001011"),
    );
    sessions.push(session().application(&"x".repeat(300)).incoming("+15550001012"));
    sessions
}
