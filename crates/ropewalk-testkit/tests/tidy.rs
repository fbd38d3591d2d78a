//! Rules of the house that no compiler checks.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Which of our crates a crate may import outside its tests. See ARCHITECTURE.md.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("ropewalk-model", &[]),
    ("ropewalk-core", &["ropewalk-model"]),
    ("ropewalk-store", &["ropewalk-core", "ropewalk-model"]),
    ("ropewalk-runner", &["ropewalk-model"]),
    ("ropewalk-http", &["ropewalk-core", "ropewalk-model"]),
    ("ropewalk-door-web", &["ropewalk-core", "ropewalk-http", "ropewalk-model"]),
];

/// Lines of a source file outside tests.
const LONGEST_FILE: usize = 600;

/// Words that name nothing.
const EMPTY_NAMES: &[&str] = &["Manager", "Service", "Helper", "Utils", "Common"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = vec![];
    for entry in std::fs::read_dir(root().join("crates")).unwrap() {
        walk(&entry.unwrap().path().join("src"), &mut found);
    }
    assert!(found.len() > 20, "the sources were not found");
    found
}

#[test]
fn a_crate_imports_only_what_it_may_know() {
    for (name, allowed) in MAY_IMPORT {
        let path = root().join("crates").join(name).join("Cargo.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let dependencies = text.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        let ours: BTreeSet<_> = dependencies
            .lines()
            .filter_map(|line| line.split(['.', ' ', '=']).next())
            .filter(|word| word.starts_with("ropewalk-"))
            .collect();
        for used in ours {
            assert!(
                allowed.contains(&used),
                "{name} must not import {used}: see ARCHITECTURE.md, \"Crates\""
            );
        }
    }
}

#[test]
fn a_file_fits_in_a_head() {
    for (path, text) in sources() {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines: divide it by what it does", path.display());
    }
}

#[test]
fn a_name_says_what_a_thing_is() {
    for (path, text) in sources() {
        for line in
            text.lines().filter(|l| l.contains("struct ") || l.contains("trait ") || l.contains("enum "))
        {
            let words = line.split(|c: char| !c.is_alphanumeric());
            for word in words {
                let empty = EMPTY_NAMES.iter().find(|name| word.ends_with(*name));
                assert!(empty.is_none(), "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn a_lib_is_a_table_of_contents() {
    for (path, text) in sources().iter().filter(|(p, _)| p.ends_with("src/lib.rs")) {
        let functions = text.lines().filter(|l| l.trim_start().starts_with("fn ")).count();
        assert_eq!(functions, 0, "{}: functions belong in modules", path.display());
    }
}
