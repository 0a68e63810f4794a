//! The contract in `docs/SEMANTICS.md` says what the code does.

use nix::errno::Errno;
use reelfs::fuse::errno::TABLE;

const CONTRACT: &str = include_str!("../../docs/SEMANTICS.md");

#[test]
fn every_cause_has_the_errno_that_the_contract_names() {
    let section = CONTRACT.split("## Errors").nth(1).unwrap().split("\n## ").next().unwrap();
    let promised: Vec<(String, String)> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .map(|row| row.split(" | ").map(str::to_owned).collect::<Vec<_>>())
        .filter(|cells| !cells[0].starts_with("cause") && !cells[0].starts_with('-'))
        .map(|cells| (cells[0].clone(), cells[1].clone()))
        .collect();
    let built: Vec<(String, String)> = TABLE
        .iter()
        .map(|(cause, errno)| (format!("{cause:?}"), format!("{:?}", Errno::from_raw(*errno))))
        .collect();
    assert_eq!(promised, built);
}

#[test]
fn every_module_that_the_contract_names_exists() {
    for word in CONTRACT.split('[').skip(1).filter_map(|rest| rest.split(']').next()) {
        for module in word.split(", ").filter_map(|m| m.strip_prefix('`')?.strip_suffix('`')) {
            let path = module.replace("::", "/");
            let root = env!("CARGO_MANIFEST_DIR");
            let files = [format!("{root}/tests/it/{path}.rs"), format!("{root}/src/{path}.rs")];
            assert!(files.iter().any(|file| std::path::Path::new(file).exists()), "{module}");
        }
    }
}
