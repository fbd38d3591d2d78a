//! Texts at random, near to manifests and far from them.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

proptest! {
    #[test]
    fn never_panics_and_decides_once(text in manifest_like()) {
        let report = check(&text);
        prop_assert_eq!(report.manifest.is_some(), report.errors.is_empty());
        let limits = ManifestLimits::default();
        prop_assert_eq!(parse(&text, &limits).ok(), report.manifest);
        for problem in report.errors.iter().chain(&report.warnings) {
            prop_assert!(problem.place.line >= 1 && problem.place.line <= text.matches(['\n', '\r']).count() + 1);
            prop_assert!(problem.place.column >= 1 && !problem.hint.is_empty());
        }
    }
}

proptest! {
    /// Another program's writer decides what to quote; texts must come back as texts, to the byte.
    #[test]
    fn texts_written_by_a_serializer_come_back(
        packages in proptest::collection::vec(tricky_text(), 0..6),
        values in proptest::collection::vec(tricky_text(), 0..6),
        scripts in proptest::collection::vec(tricky_text(), 1..4),
    ) {
        let environment: BTreeMap<String, String> =
            values.iter().enumerate().map(|(n, value)| (format!("V{n}"), value.clone())).collect();
        let tasks: Vec<BTreeMap<String, String>> = scripts
            .iter()
            .enumerate()
            .map(|(n, script)| BTreeMap::from([(format!("t{n}"), script.clone())]))
            .collect();
        let document = serde_json::json!({
            "image": "host", "packages": packages, "environment": environment, "tasks": tasks,
        });
        let text = serde_saphyr::to_string(&document).unwrap();
        let manifest = parse(&text, &ManifestLimits::default()).unwrap_or_else(|error| panic!("{text}\n{error}"));
        prop_assert_eq!(&manifest.packages, &packages, "{}", text);
        let read: Vec<_> = manifest.environment.into_iter().map(|(_, value)| value).collect();
        let written: Vec<_> = values.into_iter().map(EnvValue::Text).collect();
        prop_assert_eq!(read, written, "{}", text);
        let read: Vec<_> = manifest.tasks.into_iter().map(|task| task.script).collect();
        prop_assert_eq!(read, scripts, "{}", text);
    }
}

/// Text that a careless parser takes for something else.
fn tricky_text() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "yes",
            "no",
            "on",
            "off",
            "~",
            "",
            "null",
            "true",
            "010",
            "0x1f",
            "1e3",
            "1.",
            ".5",
            "-",
            "- a",
            "a: b",
            "# a",
            "a #b",
            "<<",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "|",
            ">",
            "'",
            "\"",
            "{",
            "[",
            "}",
            "]",
            ",",
            "?",
            "? a",
            ":",
            "---",
            "...",
            "2020-01-01",
            "1_000",
            "=",
            ".inf",
            ".nan",
            " a",
            "a ",
            "a\n",
            "a\n\nb\n",
            "\ta",
            "a\n  b\n c",
            "\n",
            "\r\n",
            "\u{85}",
            "\u{2028}",
            "\u{feff}",
            "\u{7f}",
            "\\",
            "a\\nb",
        ])
        .prop_map(str::to_owned),
        "[ -~\n]{0,24}",
        "[^\0]{0,12}",
    ]
}

/// Text that often comes near to a manifest.
fn manifest_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "image: a\n",
            "tasks:\n",
            "- a: b\n",
            "  - ",
            "shell: true\n",
            "environment:\n",
            "  A: ",
            "packages: [",
            "]",
            "{",
            "}",
            "&x ",
            "*x",
            "<<: ",
            "|\n",
            ">-\n",
            "'",
            "\"",
            "#",
            ": ",
            "- ",
            "\n",
            "  ",
            "\t",
            "---\n",
            "...\n",
            "!!str ",
            "? ",
            "triggers:\n",
            "- action: email\n",
            "sources:\n- ",
            "a::b#c",
            "%YAML 1.2\n",
            "\u{feff}",
            "\r\n",
            "\\x",
            "~",
            "010",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,6}",
        Just("\u{0}\u{7}\u{85}".to_owned()),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}
