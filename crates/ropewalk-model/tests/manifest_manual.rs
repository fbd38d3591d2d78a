//! The manual's table of keys is the parser's. `ROPEWALK_WRITE=1 cargo test -p ropewalk-model --test manifest_manual`
//! writes it anew.
#![allow(clippy::unwrap_used, reason = "tests")]

use ropewalk_model::manifest::{check, markdown};
use std::path::PathBuf;

const BEGIN: &str = "manifest/keys.rs -->\n";
const END: &str = "<!-- /keys -->";

fn manual() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/use/manifest.md")
}

#[test]
fn the_manual_has_the_table_of_the_parser() {
    let text = std::fs::read_to_string(manual()).unwrap();
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (table, tail) = rest.split_once(END).unwrap();
    if std::env::var_os("ROPEWALK_WRITE").is_some() {
        std::fs::write(manual(), format!("{head}{BEGIN}{}{END}{tail}", markdown())).unwrap();
        return;
    }
    assert_eq!(table, markdown(), "write the manual anew, as the head of this file says");
}

#[test]
fn the_manual_shows_a_manifest_without_problems() {
    let text = std::fs::read_to_string(manual()).unwrap();
    let (_, rest) = text.split_once("```yaml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let report = check(example);
    assert_eq!((report.errors, report.warnings), (vec![], vec![]));
}
