//! `reelfs cache`: what the cache on disk holds, and whether it is right.

use bytesize::ByteSize;

use super::problem::Problem;
use super::{keeping, log, terminal};
use crate::config::{CacheOptions, CacheTask};
use crate::store::{self, Store, StoreError};

/// Does what was asked.
pub(super) fn run(task: CacheTask, options: &CacheOptions, verbose: u8) -> Result<(), Problem> {
    log::to_stderr(verbose);
    let directory = keeping::settings(options)?.directory;
    let shown = directory.display().to_string();
    let failed = |error: StoreError| Problem::new(&shown, error);
    match task {
        CacheTask::Info => info(&keeping::open_existing(options)?).map_err(failed),
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
            let failed = |error| Problem::file(&directory, error);
            if !store::destroy_key(&directory).map_err(failed)? {
                let message = format!("{shown}: the cache is not sealed, so it has no key");
                let hint = Some("`reelfs cache clear` removes it".to_owned());
                return Err(Problem { message, hint });
            }
            terminal::say("nobody can read the cache any more; `reelfs cache clear` removes it");
            Ok(())
        }
    }
}

fn info(store: &Store) -> Result<(), StoreError> {
    let survey = store.survey()?;
    let sealed = if survey.is_sealed { "sealed" } else { "in the clear" };
    for (name, value) in [
        ("directory", store.directory().display().to_string()),
        ("kept", sealed.to_owned()),
        ("days listed", survey.days.to_string()),
        ("objects known", survey.objects.to_string()),
        ("files of blocks", survey.files.to_string()),
        ("bytes of blocks", ByteSize::b(survey.bytes).to_string()),
        ("kept for good", survey.pinned.to_string()),
    ] {
        terminal::say(&format!("{name:<16} {value}"));
    }
    Ok(())
}

fn verify(store: &Store) -> Result<(), StoreError> {
    let verdict = store.verify()?;
    terminal::say(&format!(
        "{} blocks are right, {} were damaged and are forgotten, {} stray files were removed",
        verdict.good, verdict.damaged, verdict.strays
    ));
    Ok(())
}
