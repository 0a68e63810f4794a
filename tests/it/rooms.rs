//! Keeps the picture of `docs/DESIGN.md` true: a room names only rooms below it, and a library that
//! one room is there to hide appears in that room alone. Size and opening lines of files, too.
//!
//! It reads the sources as tokens and compiles nothing, so a path that a macro puts together, or a
//! re-export of another room's word, escapes it.

mod paths;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use self::paths::{Mention, mentions};

/// Which rooms each room may name, top to bottom. A room is the first part of a module's path:
/// `src/fuse.rs` and `src/fuse/errno.rs` are `fuse`.
const ROOMS: [(&str, &[&str]); 18] = [
    ("main", &["cli", "app"]),
    // `http` for the form of a host that is trusted, which people type.
    ("cli", &["config", "http", "types"]),
    (
        "app",
        &[
            "config", "fuse", "fs", "tree", "reader", "cache", "catalog", "store", "provider",
            "http", "sandbox", "metrics", "input", "source", "types",
        ],
    ),
    ("config", &["http", "input", "types"]),
    ("fuse", &["fs", "tree", "source", "types"]),
    ("fs", &["tree", "reader", "cache", "catalog", "metrics", "source", "types"]),
    ("tree", &["catalog", "source", "types"]),
    ("reader", &["cache", "source", "types"]),
    ("cache", &["store", "metrics", "source", "types"]),
    ("catalog", &["store", "source", "types"]),
    ("store", &["input", "source", "types"]),
    ("provider", &["http", "input", "source", "types"]),
    ("http", &["metrics", "source", "types"]),
    ("metrics", &["types"]),
    ("sandbox", &["types"]),
    ("input", &[]),
    ("source", &["types"]),
    ("types", &[]),
];

/// Libraries, and the modules outside of which nothing may name them.
const LIBRARIES: [(&str, &[&str]); 11] = [
    ("fuser", &["fuse"]),
    ("libc", &["fuse"]),
    ("nix", &["fuse", "app", "store", "http/quota", "input"]),
    ("rusqlite", &["store"]),
    ("reqwest", &["http"]),
    ("jsonwebtoken", &["http/jwt", "sandbox"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("toml", &["config"]),
    ("sd_notify", &["app"]),
];

/// Past this many lines a file is two.
const MOST_LINES: usize = 450;

/// A Rust file of the project.
struct Source {
    /// From the package's root.
    path: String,
    text: String,
}

impl Source {
    /// The module's path: `fuse/errno` for `src/fuse/errno.rs`.
    fn module(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inside.strip_suffix(".rs").unwrap_or(inside)
    }

    fn room(&self) -> &str {
        self.module().split('/').next().unwrap_or_default()
    }

    /// How many modules the file's own is below the crate's root.
    fn depth(&self) -> usize {
        match self.module() {
            "lib" | "main" => 0,
            module => module.split('/').count(),
        }
    }

    fn mentions(&self) -> Vec<Mention> {
        mentions(&self.text, self.depth()).unwrap_or_else(|error| panic!("{}: {error}", self.path))
    }
}

/// All Rust files below `directory`, in order.
fn sources(directory: &str) -> Vec<Source> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let path = path.strip_prefix(&root).unwrap_or(path).to_string_lossy().into_owned();
        Source { path, text }
    };
    let found: Vec<Source> = WalkDir::new(root.join(directory))
        .sort_by_file_name()
        .into_iter()
        .map(|entry| entry.unwrap_or_else(|e| panic!("{e}")).into_path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| read(&path))
        .collect();
    assert!(!found.is_empty(), "no Rust file below {directory}");
    found
}

fn may_name(room: &str) -> Option<&'static [&'static str]> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, rooms)| *rooms)
}

/// What `source` names that its room may not name.
fn forbidden_rooms(source: &Source) -> Vec<String> {
    // The root declares the rooms and names them in no path.
    let room = source.room();
    let Some(allowed) = may_name(room).or((room == "lib").then_some(&[])) else {
        return vec![format!("{}:1: `{room}` has no row in ROOMS", source.path)];
    };
    let complain = |line, named: &str| {
        let rule = match (may_name(named), allowed) {
            (None, _) => "which has no row in ROOMS".to_owned(),
            (_, []) => format!("`{room}` may name no other room"),
            _ => format!("`{room}` may name {} alone", allowed.join(", ")),
        };
        format!("{}:{line}: names the room `{named}`: {rule}", source.path)
    };
    let mut complaints = Vec::new();
    for mention in source.mentions() {
        if let Mention::Room { line, name } = mention
            && name != room
            && !allowed.contains(&name.as_str())
        {
            complaints.push(complain(line, &name));
        }
    }
    // The braces of one `use` may name a room many times.
    complaints.dedup();
    complaints
}

/// What `source` names of libraries that another room is there to hide.
fn forbidden_libraries(source: &Source) -> Vec<String> {
    let module = source.module();
    let within = |home: &&str| {
        module.strip_prefix(*home).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut complaints = Vec::new();
    for mention in source.mentions() {
        let Mention::Library { line, name } = mention else {
            continue;
        };
        let Some((_, homes)) = LIBRARIES.iter().find(|(library, _)| *library == name) else {
            continue;
        };
        if !homes.iter().any(within) {
            let homes = homes.join(", ");
            complaints.push(format!("{}:{line}: names `{name}`: only {homes} may", source.path));
        }
    }
    complaints.dedup();
    complaints
}

/// Fails with one complaint a line.
#[track_caller]
fn assert_none(complaints: &[String]) {
    let mut text = String::new();
    for complaint in complaints {
        let _ = writeln!(text, "{complaint}");
    }
    assert!(complaints.is_empty(), "\n{text}");
}

#[test]
fn a_room_names_only_rooms_below_it() {
    let complaints: Vec<String> = sources("src").iter().flat_map(forbidden_rooms).collect();
    assert_none(&complaints);
}

#[test]
fn a_library_appears_only_in_its_room() {
    let complaints: Vec<String> = sources("src").iter().flat_map(forbidden_libraries).collect();
    assert_none(&complaints);
}

#[test]
fn the_table_of_rooms_points_only_down() {
    for (at, (room, allowed)) in ROOMS.iter().enumerate() {
        for name in *allowed {
            let below = ROOMS[at + 1..].iter().any(|(lower, _)| lower == name);
            assert!(below, "ROOMS: `{name}` does not stand below `{room}`");
        }
    }
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let silent: Vec<String> = ["src", "tests", "benches"]
        .into_iter()
        .flat_map(sources)
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| format!("{}:1: does not open with `//!`", source.path))
        .collect();
    assert_none(&silent);
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = ["src", "tests", "benches"]
        .into_iter()
        .flat_map(sources)
        .filter(|source| source.text.lines().count() > MOST_LINES)
        .map(|source| format!("{}:{MOST_LINES}: goes on past {MOST_LINES} lines", source.path))
        .collect();
    assert_none(&long);
}

/// The complaints about a file that holds `text`.
fn complaints_about(path: &str, text: &str) -> Vec<String> {
    let source = Source { path: path.to_owned(), text: text.to_owned() };
    [forbidden_rooms(&source), forbidden_libraries(&source)].concat()
}

#[test]
fn a_forbidden_name_is_found_in_every_spelling() {
    for text in [
        "use crate::cache::Block;",
        "use crate::{types::Area, cache::{Block, Store}};",
        "pub(crate) fn f() -> crate::cache::Block { todo() }",
        "fn f() { tracing::debug!(size = crate::cache::SIZE); }",
        "use super::super::cache::Block;",
        "mod inner { use super::super::super::cache::Block; }",
        "use crate::attic::Thing;",
        "use libc;",
        "use ::libc::EIO;",
        "extern crate libc;",
        "#[derive(clap::Parser)] struct Arguments;",
        "fn f() -> Option<libc::c_int> { None }",
    ] {
        let found = complaints_about("src/catalog/windows.rs", text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with("src/catalog/windows.rs:1: names "), "{}", found[0]);
    }
}

#[test]
fn comments_texts_tests_and_permitted_names_do_not_count() {
    let text = r##"
        //! Stands above [`crate::cache`].
        use crate::types::Area;
        use crate::source::Provider;
        use crate::catalog::windows::Grow;
        use self::windows::Grow as _;
        /// Not `libc::EIO`. [`crate::fuse::Errno`]
        fn f<'libc>(libc: u8) -> &'libc str { /* crate::fuse */ r#"crate::fuse::X libc::X"# }
        #[cfg(test)]
        mod tests { use crate::fuse::Errno; use libc::EIO; }
    "##;
    assert_none(&complaints_about("src/catalog.rs", text));
}

#[test]
fn a_complaint_names_file_line_and_rule() {
    let found = complaints_about("src/tree/names.rs", "//! Names.\n\nuse crate::cache::Block;\n");
    let wanted = "src/tree/names.rs:3: names the room `cache`: \
                  `tree` may name catalog, source, types alone";
    assert_eq!(found, [wanted]);
}

#[test]
fn a_module_is_not_taken_for_its_namesake() {
    // `http/jwt` is a home of jsonwebtoken, `http/jwts` is not.
    let text = "use jsonwebtoken::encode;";
    assert_none(&complaints_about("src/http/jwt.rs", text));
    assert_none(&complaints_about("src/http/jwt/key.rs", text));
    assert_eq!(complaints_about("src/http/jwts.rs", text).len(), 1);
}
