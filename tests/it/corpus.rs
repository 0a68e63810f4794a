//! Hostile input: every file of `fuzz/corpus` goes through the decoder that it was found for. New ones
//! come from the fuzz targets, which `fuzz/README.md` runs.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

#[path = "../../fuzz/decoders.rs"]
mod decoders;

type Decoder = fn(&[u8]);

const DECODERS: [(&str, Decoder); 10] = [
    ("answer", decoders::answer),
    ("cache", decoders::cache),
    ("config", decoders::config),
    ("keys", decoders::keys),
    ("list", decoders::list),
    ("record", decoders::record),
    ("rows", decoders::rows),
    ("typed", decoders::typed),
    ("voximplant", decoders::voximplant),
    ("whatconverts", decoders::whatconverts),
];

fn names(directory: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_input_that_was_ever_found_is_decoded_without_harm() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let found: Vec<_> =
        names(&corpus).iter().map(|at| at.file_name().unwrap().to_owned()).collect();
    assert_eq!(found, DECODERS.map(|(name, _)| name), "a decoder, a folder");
    for (name, decode) in DECODERS {
        let files = names(&corpus.join(name));
        assert!(files.len() > 3, "{name} has hardly any corpus");
        for file in files {
            decode(&fs::read(&file).unwrap());
        }
    }
}

/// A little of what the fuzzers do, at every run: corpus files with some bytes replaced, cut, doubled.
#[test]
fn inputs_that_are_like_those_are_decoded_without_harm() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, decode) in DECODERS {
        // Those that open a directory each time get fewer.
        let cases = if ["cache", "rows"].contains(&name) { 50 } else { 300 };
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let files: Vec<Vec<u8>> =
            names(&corpus.join(name)).iter().map(|file| fs::read(file).unwrap()).collect();
        let change = (any::<prop::sample::Index>(), any::<u8>(), 0_u8..4);
        let inputs = (prop::sample::select(files), prop::collection::vec(change, 0..8));
        let run = TestRunner::new(config).run(&inputs, |(mut bytes, changes)| {
            for (place, byte, kind) in changes {
                if bytes.is_empty() {
                    break;
                }
                let at = place.index(bytes.len());
                match kind {
                    0 => bytes[at] = byte,
                    1 => bytes.truncate(at),
                    2 => bytes.insert(at, byte),
                    _ => bytes.extend_from_within(at..bytes.len().min(at + usize::from(byte))),
                }
            }
            decode(&bytes);
            Ok(())
        });
        run.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
