//! The same verdict as upstream's two validators over real manifests, which lie beside the repository.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use ropewalk_model::manifest::{Report, check};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where our verdict differs from a validator's on purpose: file, column of the index, reason in `docs/quirks.md`.
/// A difference that is not here fails the test, and so does an entry that differs no more.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("hrbrmstr__sourcehut__build__1173567.yml", "oracle_python", TWICE),
    ("hrbrmstr__sourcehut__build__1173567.yml", "go_rules", TWICE),
    ("hrbrmstr__sourcehut__build__bdfbbbb.yml", "oracle_python", TWICE),
    ("hrbrmstr__sourcehut__build__bdfbbbb.yml", "go_rules", TWICE),
    ("pwsafe__pwsafe__core__35532d9.yml", "oracle_python", TWICE),
    ("pwsafe__pwsafe__core__35532d9.yml", "go_rules", TWICE),
];

/// The index was made with a YAML parser that lets the last of equal keys win.
const TWICE: &str = "M1: a key that is written twice is refused";

const VALIDATORS: [&str; 2] = ["oracle_python", "go_rules"];

fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let folder = std::env::var_os("ROPEWALK_CORPORA").map_or_else(beside, PathBuf::from).join("manifests");
    folder.join("INDEX.tsv").is_file().then_some(folder)
}

/// The rows of the index, each by the names of its columns.
fn index(folder: &Path) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(folder.join("INDEX.tsv")).unwrap();
    let mut lines = text.lines().map(|line| line.split('\t').map(str::to_owned));
    let head: Vec<String> = lines.next().unwrap().collect();
    lines.map(|line| head.iter().cloned().zip(line).collect()).collect()
}

#[test]
fn decides_as_upstream_over_the_corpus() {
    let Some(folder) = corpus() else {
        println!(
            "NOT RUN here: manifest corpus: no ../shared/corpora beside the repository, and no ROPEWALK_CORPORA"
        );
        return;
    };
    let rows = index(&folder);
    assert!(!rows.is_empty());
    let mut differences = Vec::new();
    for row in &rows {
        let file = &row["file"];
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let Report { manifest, errors, .. } = check(&text);
        let ours = if manifest.is_some() { "accept" } else { "reject" };
        for column in VALIDATORS {
            let theirs = row[column].split(':').next().unwrap();
            if ours != theirs {
                differences.push((
                    file.clone(),
                    column,
                    format!("{ours}, upstream {theirs}: {:?}", errors.first().map(|error| &error.message)),
                ));
            }
        }
    }
    let found: Vec<_> = differences.iter().map(|(file, column, _)| (file.as_str(), *column)).collect();
    let listed: Vec<_> = DIFFERENCES.iter().map(|(file, column, _)| (*file, *column)).collect();
    assert_eq!(found, listed, "{differences:#?}");
    assert!(differences.iter().all(|(_, _, why)| why.contains("is written twice")), "{differences:#?}");
    println!("manifest corpus: {} manifests, {} listed differences", rows.len(), listed.len());
}
