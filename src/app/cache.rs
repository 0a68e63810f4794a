//! `reelfs cache`: what the cache on disk holds, and whether it is right.

use bytesize::ByteSize;

use super::problem::Problem;
use super::{keeping, log, terminal};
use crate::config::{CacheOptions, CacheTask};
use crate::store::{self, Destroyed, Store, StoreError};
use crate::types::shell_word;

/// Does what was asked.
pub(super) fn run(task: CacheTask, options: &CacheOptions, verbose: u8) -> Result<(), Problem> {
    log::to_stderr(verbose);
    let directory = keeping::settings(options)?.directory;
    let shown = directory.display().to_string();
    let failed = |error: StoreError| Problem::new(&shown, error);
    match task {
        CacheTask::Info => info(options),
        CacheTask::Verify => verify(&keeping::open_existing(options)?).map_err(failed),
        CacheTask::Prune(to) => {
            let store = keeping::open_existing(options)?;
            let gone = store.prune(to).map_err(failed)?;
            terminal::say(&format!("{} were let go", ByteSize::b(gone)));
            Ok(())
        }
        CacheTask::Clear => {
            let found =
                store::clear(&directory).map_err(|error| Problem::file(&directory, error))?;
            terminal::say(if found { "the cache is empty" } else { "there was nothing" });
            Ok(())
        }
        CacheTask::DestroyKey => {
            keeping::existing(options)?;
            let failed = |error| Problem::file(&directory, error);
            let clear = format!("`reelfs cache clear --cache-dir {}`", shell_word(&directory));
            match store::destroy_key(&directory).map_err(failed)? {
                Destroyed::NoKey => {
                    let message = format!("{shown}: the cache is not sealed, so it has no key");
                    return Err(Problem { message, hint: Some(format!("{clear} removes it")) });
                }
                Destroyed::Everywhere => {
                    terminal::say(&format!(
                        "nobody can read the cache any more; {clear} removes it"
                    ));
                }
                Destroyed::ButInUse => {
                    terminal::say("nobody can open the cache any more");
                    terminal::warn("a mount uses it, and can read it until it is unmounted");
                }
            }
            Ok(())
        }
    }
}

fn info(options: &CacheOptions) -> Result<(), Problem> {
    let settings = keeping::existing(options)?;
    let shown = settings.directory.display().to_string();
    let survey = match Store::open(&settings).and_then(|store| store.survey()) {
        Ok(survey) => survey,
        Err(StoreError::KeyDestroyed) => {
            line("directory", &shown);
            line("kept", "sealed, and the key was destroyed: nobody can read it");
            return Ok(());
        }
        Err(error) => return Err(keeping::told(&settings, error)),
    };
    let sealed = if survey.is_sealed { "sealed" } else { "in the clear" };
    for (name, value) in [
        ("directory", shown),
        ("kept", sealed.to_owned()),
        ("days listed", survey.days.to_string()),
        ("objects known", survey.objects.to_string()),
        ("files of blocks", survey.files.to_string()),
        ("bytes of blocks", ByteSize::b(survey.bytes).to_string()),
        ("kept for good", survey.pinned.to_string()),
    ] {
        line(name, &value);
    }
    Ok(())
}

fn line(name: &str, value: &str) {
    terminal::say(&format!("{name:<16} {value}"));
}

fn verify(store: &Store) -> Result<(), StoreError> {
    let verdict = store.verify()?;
    terminal::say(&format!(
        "{} blocks are right, {} were damaged and are forgotten, {} stray files were removed",
        verdict.good, verdict.damaged, verdict.strays
    ));
    Ok(())
}
