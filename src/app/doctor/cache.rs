//! What is kept on disk: where, how much, sealed or not, and whether there is room for more.

use std::path::Path;

use bytesize::ByteSize;
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::super::keeping::{self, told};
use super::super::problem::Problem;
use super::{Finding, Verdict};
use crate::config::CacheOptions;
use crate::store::{self, LEFT_FREE, Store, StoreError};

/// Without a cache all works, and asks for more.
const WITHOUT: &str = "without it nothing outlives a mount; --cache-dir DIR names another place";

/// All of it.
pub(super) fn findings(options: &CacheOptions) -> Vec<Finding> {
    if options.size == 0 {
        return vec![Finding::note("cache: none is wanted (--cache-size 0)").fix(WITHOUT)];
    }
    let settings = match keeping::settings(options) {
        Ok(settings) => settings,
        Err(problem) => return vec![Finding::problem(Verdict::Note, "cache", problem)],
    };
    let directory = settings.directory.as_path();
    let mut findings = Vec::new();
    // One that is there, or the one that it will be made in.
    let Some(ground) = directory.ancestors().find(|directory| directory.exists()) else {
        return findings;
    };
    let shown = directory.display();
    if access(ground, AccessFlags::W_OK | AccessFlags::X_OK).is_err() {
        let what = format!("cache: nothing can be written in {}", ground.display());
        return vec![Finding::note(what).fix(WITHOUT)];
    }
    // Nothing is made here that a mount has not made.
    if store::is_cache(directory) {
        match Store::open(&settings).and_then(|store| contents(&store, options.size)) {
            Ok(finding) => findings.push(finding),
            // A key that is wrong keeps a mount from starting, all else does not.
            Err(error) => {
                let is_bad = error.is_about_the_key();
                let verdict = if is_bad { Verdict::Bad } else { Verdict::Note };
                let problem: Problem = told(&settings, error);
                findings.push(Finding::problem(verdict, "cache", problem));
            }
        }
    } else if let Err(error) = store::check(directory) {
        findings.push(Finding::problem(Verdict::Note, "cache", told(&settings, error)));
    } else {
        let kept = if settings.key_file.is_some() { "sealed" } else { "in the clear" };
        findings.push(Finding::good(format!("cache: {shown} will be made, {kept}")));
    }
    findings.extend(room(ground));
    findings
}

fn contents(store: &Store, limit: u64) -> Result<Finding, StoreError> {
    let survey = store.survey()?;
    let kept = if survey.is_sealed { "sealed" } else { "in the clear" };
    let (bytes, limit) = (ByteSize::b(survey.bytes), ByteSize::b(limit));
    let shown = store.directory().display();
    let days = survey.days;
    Ok(Finding::good(format!("cache: {shown}, {kept}: {bytes} of {limit}, {days} days listed")))
}

/// Says where the disk is so full that nothing is kept.
fn room(ground: &Path) -> Option<Finding> {
    let disk = statvfs(ground).ok()?;
    let (free, size) = (disk.blocks_available(), disk.blocks());
    let bytes = ByteSize::b(free * disk.fragment_size());
    (free < size / LEFT_FREE).then(|| {
        Finding::note(format!("cache: the disk has {bytes} left, and nothing more is kept there"))
            .fix(format!("make room: a part in {LEFT_FREE} stays free; or give --cache-dir DIR"))
    })
}
