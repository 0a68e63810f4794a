//! Fills an agency with leads, the same for the same seed: calls with recordings, voicemails and
//! transcripts, and what people wrote.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::agency::{Agency, LeadKind, NewLead};
use crate::sandbox::content::{Content, Media};
use crate::sandbox::generate::Plan;

const TRANSCRIPT: &str = "Agent: Thank you for calling.\nCaller: I would like to pay my invoice.\n";

impl Agency {
    /// An agency as `plan` says; one lead in six is no call.
    pub fn generate(plan: Plan) -> Self {
        let mut agency = Self::empty(plan.seed);
        let today = plan.now.to_zoned(TimeZone::UTC).date();
        for back in (0..i64::from(plan.days.max(1))).rev() {
            if let Ok(day) = today.checked_sub(back.days()) {
                fill_day(&mut agency, plan, day);
            }
        }
        agency
    }
}

fn fill_day(agency: &mut Agency, plan: Plan, day: Date) {
    let Ok(midnight) = day.to_zoned(TimeZone::UTC).map(|day| day.timestamp()) else {
        return;
    };
    let mut rng = StdRng::seed_from_u64(!plan.seed ^ midnight.as_second().unsigned_abs());
    for _ in 0..plan.calls_per_day {
        let start = midnight + SignedDuration::from_secs(rng.random_range(0..86_400));
        let lead = lead(&mut rng, plan, NewLead::call(start));
        let lead = lead.profile(rng.random_range(0..agency.profiles().len()));
        // Made in any case, so that the leads after it do not depend on the time of day.
        if start + SignedDuration::from_mins(30) <= plan.now {
            agency.add(lead);
        }
    }
}

fn lead(rng: &mut StdRng, plan: Plan, call: NewLead) -> NewLead {
    let caller = format!("+1555{:07}", rng.random_range(0..10_000_000_u32));
    let start = call.lead.created;
    let speech = Media::speech();
    let (content, seconds) = if plan.ramps {
        let len = rng.random_range(100_000..1_000_000_u32);
        (Content::ramp(rng.random_range(0..=250), len.into()), len / 4_000)
    } else {
        (speech.titled(&format!("{start}{caller}")), speech.seconds)
    };
    let call = call.from(&caller).lasting(seconds);
    match rng.random_range(0..12) {
        0 => NewLead::new(LeadKind::Chat, start).from(&caller).message("Are you open today?"),
        1 => NewLead::new(LeadKind::WebForm, start).from(&caller).message("Please call me back."),
        2 => call.lasting(0),
        3 | 4 => call.voicemail(content, Some("Please call me back.\n")),
        5..8 => call.recording(content).transcript(TRANSCRIPT),
        _ => call.recording(content),
    }
}
