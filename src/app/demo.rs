//! `reelfs demo`: a sandbox and a mount of each of its vendors in one process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::mount::{self, Mounted};
use super::problem::Problem;
use super::{log, terminal};
use crate::config::{
    self, Account, CacheOptions, Mount, MountOptions, Since, StandIn, VoximplantKey,
    WhatConvertsMedia,
};

mod left;

/// The directories of the two accounts.
const VOXIMPLANT: &str = "voximplant";
const WHATCONVERTS: &str = "whatconverts";

/// Days and calls of the demo's account.
const DAYS: u32 = 7;
const CALLS_PER_DAY: u32 = 20;

/// Runs until a signal ends it or somebody unmounts it. Directories that it made are removed, and
/// those that one that was killed has left.
pub(super) fn run(mountpoint: Option<PathBuf>, verbose: u8) -> Result<(), Problem> {
    log::to_stderr(verbose);
    left::clear(&std::env::temp_dir());
    let failed = |error| Problem::new("cannot make a temporary directory", error);
    let private = tempfile::Builder::new().prefix(left::PREFIX).tempdir().map_err(failed)?;
    let _claim = left::claim(private.path()).map_err(failed)?;
    let keys = private.path().join("keys");
    let at = match mountpoint {
        Some(at) => std::path::absolute(&at).map_err(|error| Problem::file(&at, error))?,
        None => private.path().join(left::CALLS),
    };
    let mut made = Vec::new();
    for directory in [at.clone(), at.join(VOXIMPLANT), at.join(WHATCONVERTS)] {
        if make_directory(&directory)? {
            made.push(directory);
        } else if directory == at {
            refuse_if_used(&at)?;
        }
    }
    let outcome = mount::until_unmounted(open(&at, &keys), |_| {
        explain(&at);
        Ok(())
    });
    for directory in made.iter().rev() {
        // Left alone where somebody put something into it meanwhile.
        let _ = std::fs::remove_dir(directory);
    }
    outcome
}

/// Makes a directory if it is not there; true if it did.
fn make_directory(at: &Path) -> Result<bool, Problem> {
    match std::fs::create_dir(at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Problem::file(at, error)),
    }
}

/// Refuses a directory that holds anything but what a demo that was killed left there.
fn refuse_if_used(at: &Path) -> Result<(), Problem> {
    let failed = |error| Problem::file(at, error);
    for entry in std::fs::read_dir(at).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if name != VOXIMPLANT && name != WHATCONVERTS {
            let message = format!("{}: is not empty", at.display());
            return Err(Problem { message, hint: None }.hint("give an empty or a new directory"));
        }
    }
    Ok(())
}

async fn open(at: &Path, keys: &Path) -> Result<Mounted, Problem> {
    let sandbox = super::sandbox::start(config::Sandbox {
        listen: ([127, 0, 0, 1], 0).into(),
        write_credentials: Some(keys.to_owned()),
        tls: false,
        seed: 1,
        days: DAYS,
        calls_per_day: CALLS_PER_DAY,
        stand_in: StandIn::Generated,
        pages: false,
        latency: Duration::ZERO,
        rate: None,
        token_life: None,
    })
    .await?;
    let api_url = config::api_url(sandbox.base_url());
    let options = MountOptions {
        api_url: Some(api_url.map_err(|error| Problem { message: error, hint: None })?),
        since: Since::Ago(jiff::Span::new().days(i64::from(DAYS) - 1)),
        cache: CacheOptions { directory: Some(keys.join("cache")), ..CacheOptions::default() },
        ..MountOptions::default()
    };
    let key = VoximplantKey::ServiceAccount(keys.join("voximplant.json"));
    let first = Mount {
        profile: None,
        mountpoint: at.join(VOXIMPLANT),
        account: Account::Voximplant { key, child_account: None },
        options: options.clone(),
    };
    let key_file = Some(keys.join("whatconverts.json"));
    let second = Mount {
        profile: None,
        mountpoint: at.join(WHATCONVERTS),
        account: Account::WhatConverts { key_file, media: WhatConvertsMedia::default() },
        options,
    };
    let mut mounted = mount::open(&first).await?;
    mounted.beside = Some(Box::new(mount::open(&second).await?));
    mounted.sandbox = Some(sandbox);
    Ok(mounted)
}

fn explain(at: &Path) {
    let day = crate::catalog::today().yesterday().map(|d| d.strftime("%Y/%m/%d").to_string());
    let (at, day) = (at.display(), day.unwrap_or_default());
    terminal::say(&format!("Made-up accounts of Voximplant and WhatConverts are mounted at {at}"));
    terminal::say(&format!(
        "\nIn another terminal, try:
  ls {at}/voximplant/recordings/{day}
  mpv {at}/voximplant/recordings/{day}/*.mp3
  grep -rc ERROR {at}/voximplant/logs/{day}
  getfattr -d {at}/voximplant/recordings/{day}/*.mp3
  cat {at}/whatconverts/transcripts/{day}/*.txt
  head -n 1 {at}/whatconverts/index/{day}.jsonl

Ctrl-C ends it and leaves nothing behind."
    ));
}
