//! `reelfs config check`: what is wrong with the config file, and where.

use std::process::ExitCode;

use super::problem::Problem;
use super::terminal;
use crate::config::CheckedFile;

/// Tells all faults, or what is there. Fails where anything is wrong, or nothing is there.
pub(super) fn run(files: &[CheckedFile]) -> ExitCode {
    let mut all_right = true;
    for file in files {
        for fault in &file.faults {
            let message = format!("{}:{}: {}", file.path.display(), fault.at, fault.message);
            terminal::error(&Problem { message, hint: fault.hint.clone() });
            all_right = false;
        }
        if file.faults.is_empty() {
            let named = |p: &crate::config::CheckedProfile| format!("{} ({})", p.name, p.source);
            let profiles: Vec<_> = file.profiles.iter().map(named).collect();
            let profiles =
                if profiles.is_empty() { "no profile".into() } else { profiles.join(", ") };
            terminal::say(&format!("{}: {profiles}", file.path.display()));
        }
    }
    if files.is_empty() {
        let message = "there is no config file".to_owned();
        terminal::error(&Problem { message, hint: Some("`reelfs init` writes one".to_owned()) });
        all_right = false;
    }
    if all_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
