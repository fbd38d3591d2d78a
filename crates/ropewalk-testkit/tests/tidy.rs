//! Rules of the house that no compiler checks.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which of our crates a crate may import outside its tests. See ARCHITECTURE.md.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("ropewalk-model", &[]),
    ("ropewalk-core", &["ropewalk-model"]),
    ("ropewalk-store", &["ropewalk-core", "ropewalk-model"]),
    ("ropewalk-runner", &["ropewalk-model"]),
    ("ropewalk-http", &["ropewalk-core", "ropewalk-model"]),
    ("ropewalk-door-hydra", &["ropewalk-core", "ropewalk-http", "ropewalk-model"]),
    ("ropewalk-door-srht", &["ropewalk-core", "ropewalk-http", "ropewalk-model"]),
    ("ropewalk-door-srht-rest", &["ropewalk-core", "ropewalk-http", "ropewalk-model"]),
    ("ropewalk-door-vieter", &["ropewalk-core", "ropewalk-http", "ropewalk-model"]),
    ("ropewalk-door-web", &["ropewalk-core", "ropewalk-http", "ropewalk-model"]),
];

/// Lines of a source file outside tests.
const LONGEST_FILE: usize = 600;

/// Words that name nothing.
const EMPTY_NAMES: &[&str] = &["Manager", "Service", "Helper", "Utils", "Common", "State"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every Rust file of the repository, by its path from the root: what git knows of, whatever folder it lies in.
fn sources() -> Vec<(PathBuf, String)> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z", "*.rs"])
        .current_dir(root())
        .output();
    let listed = listed.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    let paths: Vec<PathBuf> = match listed {
        Some(names) => {
            let names = String::from_utf8(names).unwrap();
            names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect()
        }
        None => below(Path::new("")),
    };
    // What is listed may have been removed since.
    let read = |path: PathBuf| std::fs::read_to_string(root().join(&path)).ok().map(|text| (path, text));
    let found: Vec<_> = paths.into_iter().filter_map(read).collect();
    assert!(found.len() > 200, "the sources were not found");
    for part in
        ["crates/ropewalk-runner/sudo", "crates/ropewalk-runner/build.rs", "fuzz", "crates/ropewalk/tests"]
    {
        assert!(found.iter().any(|(path, _)| path.starts_with(part)), "{part} was not found");
    }
    found
}

/// The same where the sources lie without a repository.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(root().join(folder)).unwrap().flatten() {
        let path = folder.join(entry.file_name());
        let hidden = entry.file_name().to_str().is_none_or(|name| name.starts_with('.') || name == "target");
        if entry.file_type().unwrap().is_dir() {
            if !hidden {
                found.extend(below(&path));
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// Whether a file holds tests and nothing else.
fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs")
}

/// The words of a name in any of the spellings that Rust has: `FooBar`, `foo_bar`, `FOO_BAR`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        if !c.is_alphanumeric() || c.is_uppercase() && before.is_lowercase() {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().unwrap().extend(c.to_lowercase());
        }
        before = c;
    }
    words
}

/// The first of a name's words that says nothing.
fn empty_word(name: &str) -> Option<&'static str> {
    let words = words(name);
    EMPTY_NAMES.iter().copied().find(|empty| words.contains(&empty.to_lowercase()))
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
    for (path, text) in sources().iter().filter(|(path, _)| !is_test(path)) {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines: divide it by what it does", path.display());
    }
}

#[test]
fn a_name_says_what_a_thing_is() {
    let mut found = vec![];
    for (path, text) in sources() {
        for part in path.iter().map(|part| part.to_str().unwrap()) {
            if let Some(empty) = empty_word(part.trim_end_matches(".rs")) {
                found.push(format!("{}: {empty}", path.display()));
            }
        }
        for line in text.lines().map(str::trim_start).filter(|line| !line.starts_with("//")) {
            let mut before = "";
            for word in line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
            {
                let names = ["struct", "enum", "trait", "type", "union", "mod"].contains(&before);
                if names && let Some(empty) = empty_word(word) {
                    found.push(format!("{}: {empty} in {line}", path.display()));
                }
                before = word;
            }
        }
    }
    assert!(found.is_empty(), "names that say nothing: {found:#?}");
}

#[test]
fn empty_names_are_recognised_in_every_spelling() {
    assert_eq!(words("FooBar"), ["foo", "bar"]);
    for name in ["JobState", "state", "job_state", "JOB_STATE", "StateOfJob", "net_utils", "Manager"] {
        assert!(empty_word(name).is_some(), "{name}");
    }
    for name in ["Statement", "Estate", "Status", "Stated", "uncommon"] {
        assert_eq!(empty_word(name), None, "{name}");
    }
}

#[test]
fn a_lib_is_a_table_of_contents() {
    for (path, text) in sources().iter().filter(|(p, _)| p.ends_with("src/lib.rs")) {
        let functions = text.lines().filter(|l| l.trim_start().starts_with("fn ")).count();
        assert_eq!(functions, 0, "{}: functions belong in modules", path.display());
    }
}
