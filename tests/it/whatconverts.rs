//! WhatConverts on real mounts: its listing with all its traps, both keys, recordings from a server
//! that offers nothing beyond the bytes. Requests are counted: a key may have 1,000 a day.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use jiff::SignedDuration;
use reelfs::sandbox::whatconverts::{Agency, Behaviour, LeadKind, NewLead};
use reelfs::sandbox::{Action, Content, Credential, LoggedRequest, Options, Rule};
use walkdir::WalkDir;

use crate::ground::{Ground, at, can_mount, days_ago, is_object, now, output, sh, slashed, text};

const MIB: u64 = 1024 * 1024;
const PROFILE: &str = "whatconverts.json";
const MASTER: &str = "whatconverts-master.json";

fn options(whatconverts: Behaviour) -> Options {
    Options { whatconverts, ..Options::default() }
}

/// An agency whose only lead is a call with a recording.
fn one_call(size: u64) -> Agency {
    let mut agency = Agency::empty(1);
    let call = NewLead::call(at(days_ago(1), 9, 0, 0)).recording(Content::ramp(7, size));
    agency.add(call);
    agency
}

fn files(below: &Path) -> Vec<PathBuf> {
    let files = WalkDir::new(below).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file() && is_object(entry.path()));
    files.map(walkdir::DirEntry::into_path).collect()
}

fn names(below: &Path) -> Vec<String> {
    let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    files(below).into_iter().map(name).collect()
}

fn errno(outcome: std::io::Result<Vec<u8>>) -> Option<i32> {
    outcome.err().and_then(|error| error.raw_os_error())
}

#[test]
fn every_file_of_a_profile_is_there_once_byte_for_byte() {
    if !can_mount() {
        return;
    }
    for media in ["basic", "token"] {
        let plan =
            reelfs::sandbox::Plan { seed: 3, days: 3, calls_per_day: 30, now: now(), ramps: true };
        let ground = Ground::agency(options(Behaviour::default()), Agency::generate(plan));
        let mount = ground.mount_whatconverts(PROFILE, &["--media", media]);
        let agency = ground.sandbox.agency();
        let own = || agency.leads().iter().filter(|lead| lead.profile == 0);
        let mut seen = BTreeSet::new();
        for lead in own() {
            let day = slashed(lead.created.to_zoned(jiff::tz::TimeZone::UTC).date());
            let clock = lead.created.strftime("%H%M%S");
            let stem = format!("{clock}-{}-{}", lead.caller, lead.id);
            for (audio, suffix) in [(&lead.recording, ""), (&lead.voicemail, "-voicemail")] {
                let Some(audio) = audio else { continue };
                let path = mount.path("recordings").join(&day).join(format!("{stem}{suffix}.mp3"));
                assert!(fs::read(&path).unwrap() == audio.content.to_bytes(), "{}", path.display());
                let size = fs::metadata(&path).unwrap().len();
                assert_eq!(size, audio.content.len());
                seen.insert(path);
            }
            for (text, suffix) in
                [(&lead.transcript, ""), (&lead.voicemail_transcript, "-voicemail")]
            {
                let Some(text) = text else { continue };
                let path = mount.path("transcripts").join(&day).join(format!("{stem}{suffix}.txt"));
                assert_eq!(fs::read_to_string(&path).unwrap().trim(), text.trim());
            }
        }
        assert!(seen.len() > 5);
        assert_eq!(files(&mount.path("recordings")).len(), seen.len());
        let logs = mount.path("logs");
        assert!(logs.join(slashed(days_ago(1))).is_dir() && files(&logs).is_empty());
        assert_eq!(ground.media_requests().len(), seen.len(), "one request a recording");
        let lines = sh(&format!("find {} -type f | xargs cat", mount.path("index").display()));
        assert_eq!(lines.lines().count(), own().count());
        assert!(!lines.contains("http"), "a link stands in the index");
    }
}

#[test]
fn chats_forms_and_mails_stand_in_the_index_alone() {
    if !can_mount() {
        return;
    }
    let mut agency = Agency::empty(1);
    for (kind, hour) in [
        (LeadKind::Chat, 1),
        (LeadKind::WebForm, 2),
        (LeadKind::TextMessage, 3),
        (LeadKind::Email, 4),
    ] {
        agency.add(NewLead::new(kind, at(days_ago(1), hour, 0, 0)).message("Are you open?"));
    }
    let running = NewLead::call(at(days_ago(1), 5, 0, 0)).in_progress();
    agency.add(running.recording(Content::ramp(1, 9)));
    let ground = Ground::agency(options(Behaviour::default()), agency);
    let mount = ground.mount_whatconverts(PROFILE, &[]);
    assert_eq!(names(&mount.path("recordings")), Vec::<String>::new());
    let path = mount.path("index").join(format!("{}.jsonl", slashed(days_ago(1))));
    let index = fs::read_to_string(path).unwrap();
    let leads: Vec<serde_json::Value> =
        index.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = leads.iter().map(|lead| lead["lead_type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Chat", "Web Form", "Text Message", "Email", "Phone Call"]);
    assert_eq!(leads[0]["message"], "Are you open?");
}

#[test]
fn a_walk_over_a_thousand_days_costs_tens_of_queries() {
    if !can_mount() {
        return;
    }
    let mut agency = Agency::empty(1);
    for day in (1..=1000).step_by(10) {
        agency.add(
            NewLead::call(at(days_ago(day), 0, 0, 0))
                .transcript("x")
                .recording(Content::ramp(1, 10)),
        );
    }
    let ground = Ground::agency(options(Behaviour::default()), agency);
    // Not the current day, whose listing is soon asked for again.
    let (first, last) = (days_ago(1000).to_string(), days_ago(1).to_string());
    let mount = ground.mount_whatconverts(PROFILE, &["--since", &first, "--until", &last]);
    ground.sandbox.clear_requests();
    assert_eq!(names(&mount.path("recordings")).len(), 100);
    let queries = ground.sandbox.requests().len();
    assert!(queries <= 20, "{queries} queries for a thousand days");
    assert_eq!(ground.media_requests().len(), 0);
    for path in files(&mount.path("transcripts")) {
        assert_eq!(fs::read_to_string(path).unwrap(), "x\n");
    }
    assert_eq!(ground.sandbox.requests().len(), queries, "a transcript cost a request");
}

#[test]
fn leads_that_shift_between_pages_are_there_once() {
    if !can_mount() {
        return;
    }
    let mut agency = Agency::empty(1);
    for n in 0..6_000 {
        let start = at(days_ago(1), 0, 0, 0) + SignedDuration::from_secs(n * 14);
        agency.add(NewLead::call(start).recording(Content::ramp(1, 10)));
    }
    let behaviour = Behaviour { shifting_pages: true, ..Behaviour::default() };
    let ground = Ground::agency(options(behaviour), agency);
    let mount = ground.mount_whatconverts(PROFILE, &["--since", &days_ago(1).to_string()]);
    ground.sandbox.clear_requests();
    let day = mount.path("recordings").join(slashed(days_ago(1)));
    assert_eq!(names(&day).len(), 6_000);
    assert_eq!(ground.sandbox.requests().len(), 3, "three pages of 2,500");
}

#[test]
fn a_master_key_shows_accounts_and_their_profiles() {
    if !can_mount() {
        return;
    }
    let mut agency = Agency::empty(1);
    for (profile, seed) in [(0, 1), (1, 2), (2, 3)] {
        let call = NewLead::call(at(days_ago(1), 9, 0, 0)).profile(profile);
        agency.add(call.recording(Content::ramp(seed, 1_000)));
    }
    let ground = Ground::agency(options(Behaviour::default()), agency);
    let listing = || {
        let (first, last) = (days_ago(2).to_string(), days_ago(0).to_string());
        let mount = ground.mount_whatconverts(MASTER, &["--since", &first, "--until", &last]);
        let tree = sh(&format!("find {} -printf '%P %i %n %s\\n'", mount.path("").display()));
        for (directory, seed) in [
            ("Acme_Plumbing-51001/acme.example-62001", 1),
            ("Acme_Plumbing-51001/Spring___Summer-62002", 2),
            ("Dr._M_ller-51002/Praxis-62003", 3),
        ] {
            let found = files(&mount.path(directory).join("recordings"));
            assert_eq!(found.len(), 1, "{directory}");
            assert!(fs::read(&found[0]).unwrap() == Content::ramp(seed, 1_000).to_bytes());
            for area in ["index", "logs", "transcripts"] {
                assert!(mount.path(directory).join(area).is_dir());
            }
        }
        let above = sh(&format!("cd {}/*02 && ls .. && ls ../..", mount.path("").display()));
        assert!(above.contains("Acme_Plumbing-51001"), "{above}");
        assert_eq!(fs::read_dir(mount.path("")).unwrap().count(), 2);
        tree
    };
    let first = listing();
    assert_eq!(first, listing(), "names and inodes are the same after a remount");
    let inodes: BTreeSet<_> = first.lines().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(inodes.len(), first.lines().count(), "an inode number stands twice:\n{first}");
}

#[test]
fn five_readers_at_once_fetch_a_recording_once_and_a_second_read_fetches_nothing() {
    if !can_mount() {
        return;
    }
    let size = 5 * MIB + 321;
    for refuse_ranges in [false, true] {
        let behaviour = Behaviour { refuse_ranges, ..Behaviour::default() };
        let ground = Ground::agency(options(behaviour), one_call(size));
        let mount = ground.mount_whatconverts(PROFILE, &[]);
        let path = files(&mount.path("recordings")).remove(0);
        let start = Barrier::new(5);
        thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| {
                    start.wait();
                    assert!(fs::read(&path).unwrap() == Content::ramp(7, size).to_bytes());
                });
            }
        });
        let served = |request: &LoggedRequest| request.status == 200;
        assert_eq!(ground.media_requests().iter().filter(|r| served(r)).count(), 1);
        let before = ground.sandbox.requests().len();
        assert_eq!(fs::metadata(&path).unwrap().len(), size);
        assert!(fs::read(&path).unwrap() == Content::ramp(7, size).to_bytes());
        assert_eq!(ground.sandbox.requests().len(), before, "the second read made a request");
    }
}

#[test]
fn a_host_that_refuses_ranges_is_asked_for_one_once() {
    if !can_mount() {
        return;
    }
    let mut agency = Agency::empty(1);
    for n in 0..20 {
        let call = NewLead::call(at(days_ago(1), 9, n, 0)).recording(Content::ramp(7, 1_000));
        agency.add(call);
    }
    let behaviour = Behaviour { refuse_ranges: true, ..Behaviour::default() };
    let ground = Ground::agency(options(behaviour), agency);
    let mount = ground.mount_whatconverts(PROFILE, &[]);
    let paths = files(&mount.path("recordings"));
    fs::read(&paths[0]).unwrap();
    assert_eq!(ground.media_requests().len(), 2);
    for path in &paths {
        assert_eq!(fs::read(path).unwrap().len(), 1_000);
    }
    assert_eq!(ground.media_requests().len(), 21);
}

#[test]
fn ranges_and_validators_are_used_where_they_work() {
    if !can_mount() {
        return;
    }
    let behaviour =
        Behaviour { ranges: true, validators: true, send_length: true, ..Behaviour::default() };
    let ground = Ground::agency(options(behaviour), one_call(20 * MIB));
    let mount = ground.mount_whatconverts(PROFILE, &[]);
    let path = files(&mount.path("recordings")).remove(0);
    assert_eq!(fs::metadata(&path).unwrap().len(), 20 * MIB);
    let sent: u64 = ground.media_requests().iter().map(|request| request.sent).sum();
    assert!(sent < MIB, "{sent} bytes for a stat");
    assert!(fs::read(&path).unwrap() == Content::ramp(7, 20 * MIB).to_bytes());
}

#[test]
fn a_redirect_to_another_host_carries_no_credential() {
    if !can_mount() {
        return;
    }
    let behaviour =
        Behaviour { storage_host: Some("localhost".to_owned()), ..Behaviour::default() };
    for media in ["basic", "token"] {
        let ground = Ground::agency(options(behaviour.clone()), one_call(10_000));
        let mount = ground.mount_whatconverts(PROFILE, &["--media", media]);
        let path = files(&mount.path("recordings")).remove(0);
        // The storage refuses whoever brings a credential, in a header or in the query.
        assert!(fs::read(&path).unwrap() == Content::ramp(7, 10_000).to_bytes(), "{media}");
        let requests = ground.media_requests();
        let kinds: Vec<_> = requests.iter().map(|request| request.credential).collect();
        let first = if media == "basic" { Credential::Basic } else { Credential::Token };
        assert_eq!(kinds, [first, Credential::None]);
    }
}

#[test]
fn what_is_not_audio_is_never_data() {
    if !can_mount() {
        return;
    }
    let ground = Ground::agency(options(Behaviour::default()), one_call(10_000));
    let mount = ground.mount_whatconverts(PROFILE, &[]);
    let path = files(&mount.path("recordings")).remove(0);
    let plain = Action::Status { code: 200, body: "Sign in".to_owned(), retry_after: None };
    for action in [Action::Html, Action::ErrorObject { code: 1 }, plain] {
        ground.sandbox.faults().add(Rule::new(action.clone()).on_path("/recording"));
        assert_eq!(errno(fs::read(&path)), Some(libc::EACCES), "{action:?}");
        ground.sandbox.faults().clear();
    }
    assert!(mount.log().contains("200 with text/html"), "{}", mount.log());
    assert_eq!(fs::read(&path).unwrap().len(), 10_000);
}

#[test]
fn a_hipaa_account_is_refused_and_the_log_says_why_once() {
    if !can_mount() {
        return;
    }
    let mut agency = one_call(10_000);
    agency.add(NewLead::call(at(days_ago(1), 10, 0, 0)).recording(Content::ramp(1, 10)));
    agency.profiles_mut()[0].hipaa = true;
    let ground = Ground::agency(options(Behaviour::default()), agency);
    let mount = ground.mount_whatconverts(PROFILE, &[]);
    for path in files(&mount.path("recordings")) {
        assert_eq!(errno(fs::read(path)), Some(libc::EACCES));
    }
    assert_eq!(mount.log().matches("HIPAA accounts").count(), 1, "{}", mount.log());
}

#[test]
fn a_used_up_quota_is_an_error_that_passes() {
    if !can_mount() {
        return;
    }
    let behaviour = Behaviour { daily_quota: Some(3), ..Behaviour::default() };
    let ground = Ground::agency(options(behaviour), one_call(10_000));
    let mount = ground.mount_whatconverts(PROFILE, &["--timeout", "3s"]);
    // Two at the mount, one for the listing: none is left.
    let day = mount.path("recordings").join(slashed(days_ago(1)));
    let path = fs::read_dir(day).unwrap().next().unwrap().unwrap().path();
    assert_eq!(errno(fs::read(&path)), Some(libc::EBUSY));
}

#[test]
fn a_key_that_is_none_is_told_in_one_line() {
    if !can_mount() {
        return;
    }
    let ground = Ground::agency(options(Behaviour::default()), one_call(10));
    let run = |token: Option<&str>, secret: Option<&str>| {
        let mut command = ground.mount_command_of("whatconverts", &[]);
        command.env_remove("WHATCONVERTS_SECRET");
        command.envs(token.map(|token| ("WHATCONVERTS_TOKEN", token)));
        let output = output(command.envs(secret.map(|secret| ("WHATCONVERTS_SECRET", secret))));
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert_eq!(told.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{told}");
        assert!(!told.contains("hush"), "{told}");
        told
    };
    assert!(run(Some("hush"), None).contains("WHATCONVERTS_SECRET is not: a key has both"));
    assert!(run(None, Some("hush")).contains("WHATCONVERTS_TOKEN is not: a key has both"));
    assert!(run(None, None).contains("give --key-file FILE"));
    let refused = run(Some("1-hush"), Some("hush"));
    assert!(refused.contains("(status 401): Authentication failed."), "{refused}");
    assert!(refused.contains("hint: check token and secret"), "{refused}");
}

#[test]
fn a_key_from_the_environment_opens_the_account_and_shows_nowhere() {
    if !can_mount() {
        return;
    }
    let ground = Ground::agency(options(Behaviour::default()), one_call(10));
    let key = fs::read_to_string(ground.dir.path().join("keys").join(PROFILE)).unwrap();
    let key: serde_json::Value = serde_json::from_str(&key).unwrap();
    let part = |name: &str| key[name].as_str().unwrap().to_owned();
    let mut command = ground.mount_command_of("whatconverts", &["-vvv", "--media", "token"]);
    command.env("WHATCONVERTS_TOKEN", part("token"));
    command.env("WHATCONVERTS_SECRET", part("secret"));
    let mount = ground.start(command);
    let path = files(&mount.path("recordings")).remove(0);
    assert_eq!(fs::read(&path).unwrap().len(), 10);
    ground.sandbox.faults().add(Rule::new(Action::Html).on_path("/recording"));
    let index = sh(&format!("cat $(find {} -name '*.jsonl')", mount.path("index").display()));
    let attributes = sh(&format!("getfattr -d {} 2>&1 || true", path.display()));
    for name in ["token", "secret"] {
        for text in [mount.log(), index.clone(), attributes.clone()] {
            assert!(!text.contains(&part(name)), "{name}");
        }
    }
}
