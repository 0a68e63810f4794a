//! The table of faults, as `docs/SEMANTICS.md` has it.

use nix::errno::Errno;

const CONTRACT: &str = include_str!("../../../docs/SEMANTICS.md");

/// What one operation may give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// The right bytes, size or names.
    Right,
    /// The size that the server told.
    AsTold,
    /// An error.
    Errno(Errno),
    /// The signal that a mapped page ends in which cannot be read.
    Sigbus,
}

/// A fault, and what each operation may give under it. An operation that it cannot meet may give
/// nothing.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) number: usize,
    pub(super) fault: String,
    pub(super) opening: Vec<Given>,
    pub(super) whole: Vec<Given>,
    pub(super) random: Vec<Given>,
    pub(super) mapped: Vec<Given>,
    pub(super) listing: Vec<Given>,
}

fn cell(text: &str) -> Vec<Given> {
    let given = |word: &str| match word {
        "right" => Given::Right,
        "as told" => Given::AsTold,
        "SIGBUS" => Given::Sigbus,
        name => {
            let known = (1..134).map(Errno::from_raw).find(|errno| format!("{errno:?}") == name);
            Given::Errno(known.unwrap_or_else(|| panic!("{name} is no errno")))
        }
    };
    if text == "-" { Vec::new() } else { text.split(" or ").map(given).collect() }
}

/// All rows, in their order.
pub(super) fn rows() -> Vec<Row> {
    let section = CONTRACT.split("## When a server misbehaves").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let lines = section.lines().filter_map(|line| line.strip_prefix("| ")).skip(2);
    lines
        .enumerate()
        .map(|(number, line)| {
            let cells: Vec<_> = line.trim_end_matches(" |").split(" | ").map(str::trim).collect();
            let [fault, opening, whole, random, mapped, listing] = cells[..] else {
                panic!("six cells: {line}")
            };
            Row {
                number,
                fault: fault.to_owned(),
                opening: cell(opening),
                whole: cell(whole),
                random: cell(random),
                mapped: cell(mapped),
                listing: cell(listing),
            }
        })
        .collect()
}
