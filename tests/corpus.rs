//! Runs every fuzz seed through its target on the stable toolchain, whole and cut off at each byte.
//! How to fuzz, and how to add a target: fuzz/Cargo.toml.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use onemcp::{base, client, config, fetch, filter, http1, hub, json, mcp, oauth, route};

type Target = fn(&[u8]);

const TARGETS: &[(&str, Target)] = &[
    ("config", config::fuzzing::config),
    ("edit", config::fuzzing::edit),
    ("envelope", json::fuzzing::envelope),
    ("fetch", fetch::fuzzing::fetch),
    ("filter", filter::fuzzing::filter),
    ("filter_query", filter::fuzzing::filter_query),
    ("header", mcp::fuzzing::header),
    ("http_body", http1::fuzzing::http_body),
    ("http_head", http1::fuzzing::http_head),
    ("http_response", http1::fuzzing::http_response),
    ("hub", hub::fuzzing::hub),
    ("meta", mcp::fuzzing::meta),
    ("newline", json::fuzzing::newline),
    ("oauth_challenge", oauth::client::fuzzing::challenge),
    ("oauth_document", oauth::client::fuzzing::document),
    ("presets", config::presets::fuzzing::presets),
    ("registration", oauth::fuzzing::registration),
    ("seal", route::fuzzing::seal),
    ("session_id", client::fuzzing::session_id),
    ("sse", http1::fuzzing::sse),
    ("token", oauth::fuzzing::token),
    ("url", base::fuzzing::url),
];

/// Longer seeds are not cut: that would take seconds and show little.
const CUT_BYTES_MAX: usize = 1000;

fn fuzz_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names_in(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn every_seed_keeps_the_promises_of_its_target() {
    for (name, target) in TARGETS {
        let dir = fuzz_dir().join("seeds").join(name);
        let seeds = names_in(&dir);
        assert!(!seeds.is_empty(), "{name} has seeds");
        for seed in seeds {
            // Shown only when the test fails: the last line names the seed.
            println!("fuzz/seeds/{name}/{seed}");
            let data = fs::read(dir.join(&seed)).unwrap();
            target(&data);
            if data.len() <= CUT_BYTES_MAX {
                (0..data.len()).for_each(|end| target(&data[..end]));
            }
        }
    }
}

#[test]
fn every_target_has_its_seeds_its_file_and_its_place_in_the_manifest() {
    let table: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names_in(&fuzz_dir().join("seeds")), table);
    let files = table.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names_in(&fuzz_dir().join("fuzz_targets")), files);
    let manifest = fs::read_to_string(fuzz_dir().join("Cargo.toml")).unwrap();
    let bins = manifest
        .split("\n[[bin]]\nname = \"")
        .skip(1)
        .filter_map(|bin| bin.split('"').next().map(str::to_owned))
        .collect::<BTreeSet<_>>();
    assert_eq!(bins, table);
}

/// How many edits each settings file gets.
const EDITS_EACH: u64 = 150;

/// Files as applications write them and as people change them by hand: every edit means the same on
/// the tree, touches nothing else, and goes without a trace.
#[test]
fn every_edit_of_a_settings_file_keeps_what_it_does_not_touch() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/settings");
    let names = names_in(&dir);
    assert!(names.len() >= 15, "the files are there");
    for name in names {
        let unix = fs::read_to_string(dir.join(&name)).unwrap();
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        for text in [
            unix.clone(),
            unix.replace('\n', "\r\n"),
            unix.replace('\n', "\r"),
        ] {
            for _ in 0..EDITS_EACH {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                println!("{name} {state:016x}");
                config::fuzzing::edit(&[&state.to_le_bytes(), text.as_bytes()].concat());
            }
        }
    }
}
