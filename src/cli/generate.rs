//! Man pages and completions, made from the definition of the arguments, so that they are true.

use std::path::PathBuf;

use clap::Command;
use clap_complete::{Shell, generate};
use clap_mangen::Man;

/// The shells, and where the files of each belong below what is generated.
const SHELLS: [(Shell, &str); 3] = [
    (Shell::Bash, "completions/reelfs.bash"),
    (Shell::Zsh, "completions/_reelfs"),
    (Shell::Fish, "completions/reelfs.fish"),
];

/// All files, by path.
pub(super) fn files(command: Command) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut command = command.disable_help_subcommand(true);
    let mut files = Vec::new();
    for (shell, path) in SHELLS {
        let mut text = Vec::new();
        generate(shell, &mut command.clone(), "reelfs", &mut text);
        files.push((path.into(), text));
    }
    command.build();
    pages(&command, &mut files)?;
    Ok(files)
}

/// The page of a command, and those of its own commands.
fn pages(command: &Command, files: &mut Vec<(PathBuf, Vec<u8>)>) -> std::io::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let man = Man::new(command.clone()).title(&name).manual("reelfs").date("");
    let mut text = Vec::new();
    man.render(&mut text)?;
    files.push((format!("man/{name}.1").into(), text));
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages(below, files)?;
    }
    Ok(())
}
