//! `reelfs doctor`: whether everything is there that a mount needs, each thing a line, with what to
//! do where it is not.
//!
//! It changes nothing, and asks each account a handful of requests.

use std::path::Path;
use std::process::ExitCode;

use super::problem::Problem;
use super::status::{absolute, around, mounts, nobody};
use super::{log, terminal};
use crate::config::{CacheOptions, Doctor, Patient};

mod account;
mod cache;
mod machine;

/// What was found out about one thing.
struct Finding {
    verdict: Verdict,
    what: String,
    /// What to do.
    fix: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    /// It works, and could be better or is worth knowing.
    Note,
    Bad,
}

impl Finding {
    fn good(what: impl Into<String>) -> Self {
        Self { verdict: Verdict::Good, what: what.into(), fix: None }
    }

    fn note(what: impl Into<String>) -> Self {
        Self { verdict: Verdict::Note, what: what.into(), fix: None }
    }

    fn bad(what: impl Into<String>) -> Self {
        Self { verdict: Verdict::Bad, what: what.into(), fix: None }
    }

    fn problem(verdict: Verdict, what: &str, problem: Problem) -> Self {
        Self { verdict, what: format!("{what}: {}", problem.message), fix: problem.hint }
    }

    fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }
}

/// Looks at everything. Fails where something keeps a mount from working.
pub(super) fn run(doctor: &Doctor, verbose: u8) -> Result<ExitCode, Problem> {
    log::to_stderr(verbose);
    let patients: Vec<_> = match &doctor.at {
        None => doctor.patients.iter().collect(),
        Some(at) => vec![mounted_at(at, &doctor.patients)?],
    };
    let mut healthy = true;
    terminal::say("This machine");
    healthy &= show(machine::findings());
    for patient in &patients {
        match patient {
            Patient::Mount { name, mount } => {
                terminal::say(&format!("\n{name}"));
                let findings = super::runtime()?.block_on(account::findings(mount));
                healthy &= show(findings);
            }
            Patient::Refused { name, why } => {
                terminal::say(&format!("\n{name}"));
                healthy &= show(refused(why));
            }
        }
    }
    if patients.is_empty() {
        healthy &= show(cache::findings(&CacheOptions::default()));
        terminal::say("\nNo account was looked at: name a profile, or a source with its options.");
    }
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The profile that is mounted at a directory, or would be.
fn mounted_at<'a>(at: &Path, patients: &'a [Patient]) -> Result<&'a Patient, Problem> {
    let path = absolute(at);
    let mounted = around(&path, mounts()).map(|(_, status)| status);
    let profile = mounted.as_ref().and_then(|status| status.profile.as_deref());
    let is_meant = |patient: &&Patient| match patient {
        Patient::Mount { name, .. } | Patient::Refused { name, .. } if mounted.is_some() => {
            Some(name.as_str()) == profile
        }
        Patient::Mount { mount, .. } => absolute(&mount.mountpoint) == path,
        Patient::Refused { .. } => false,
    };
    patients.iter().find(is_meant).ok_or_else(|| match (&mounted, profile) {
        (None, _) => nobody(at),
        (Some(status), None) => {
            let message = format!("what is mounted at {} is of no profile", path.display());
            let source = typed(&status.source);
            let hint = format!("name its source, with its options: reelfs doctor {source}");
            Problem { message, hint: Some(hint) }
        }
        (Some(_), Some(name)) => {
            let message =
                format!("{} is of the profile {name}, which is not there", path.display());
            Problem { message, hint: Some(format!("reelfs doctor {name} --config FILE")) }
        }
    })
}

/// The source of a mount as it is typed, with what opens it.
fn typed(source: &str) -> &'static str {
    match source.split(':').next() {
        Some("whatconverts") => "whatconverts --key-file FILE",
        Some("list") => "list --from FILE",
        _ => "voximplant --credentials FILE",
    }
}

/// The lines of an error of the command line, each with its hint.
fn refused(why: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for line in why.lines().filter(|line| !line.trim().is_empty()) {
        match (line.strip_prefix("hint: "), findings.last_mut()) {
            (Some(hint), Some(last)) => last.fix = Some(hint.to_owned()),
            _ => findings.push(Finding::bad(line.strip_prefix("error: ").unwrap_or(line))),
        }
    }
    findings
}

/// Shows findings; whether none of them is bad.
fn show(findings: Vec<Finding>) -> bool {
    let mut healthy = true;
    for Finding { verdict, what, fix } in findings {
        let mark = match verdict {
            Verdict::Good => "ok  ",
            Verdict::Note => "note",
            Verdict::Bad => "FAIL",
        };
        healthy &= verdict != Verdict::Bad;
        terminal::say(&terminal::one_line(&format!("  {mark}  {what}")));
        if let Some(fix) = fix {
            terminal::say(&terminal::one_line(&format!("        -> {fix}")));
        }
    }
    healthy
}
