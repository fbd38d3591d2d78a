//! The files in the folder `nix-support` of an output, by which a build describes itself. A build may write anything
//! into them: what cannot be read is passed over, and what is too much is left out.

use ropewalk_model::nix::Metric;
use std::collections::BTreeMap;

/// Bytes that are read of one such file.
pub const FILE: u64 = 256 << 10;
/// Products of one build.
pub const PRODUCTS: usize = 500;
/// Metrics of one build.
pub const METRICS: usize = 1000;
/// Bytes of a word: a type, a name, a unit.
pub const WORD: usize = 255;
/// Bytes of a path.
pub const PATH: usize = 1024;

/// A line of `hydra-build-products`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductLine {
    /// First word.
    pub kind: String,
    /// Second word.
    pub subtype: String,
    /// As written, without quotation marks.
    pub path: String,
    /// File to show of a folder.
    pub default_path: Option<String>,
}

/// The lines of `hydra-build-products`: `TYPE SUBTYPE PATH [DEFAULTPATH]`.
#[must_use]
pub fn products(text: &str) -> Vec<ProductLine> {
    text.lines().filter_map(product).take(PRODUCTS).collect()
}

fn product(line: &str) -> Option<ProductLine> {
    let (kind, rest) = first_word(line)?;
    let (subtype, rest) = first_word(rest)?;
    let (path, rest) = match rest.trim_start().strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => first_word(rest)?,
    };
    let default_path = first_word(rest).map(|(word, _)| word);
    let is_good = is_word(kind, "_-")
        && is_word(subtype, "_-")
        && path.starts_with('/')
        && path.len() <= PATH
        && !path.contains(|c: char| c.is_control() || c == '"')
        && default_path.is_none_or(|path| path.len() <= PATH && !path.contains(char::is_control));
    is_good.then(|| ProductLine {
        kind: kind.into(),
        subtype: subtype.into(),
        path: path.into(),
        default_path: default_path.map(Into::into),
    })
}

/// The lines of `hydra-metrics`: `NAME VALUE [UNIT]`; the last one of a name counts.
#[must_use]
pub fn metrics(text: &str) -> BTreeMap<String, Metric> {
    let mut found = BTreeMap::new();
    for (name, metric) in text.lines().filter_map(metric) {
        if found.len() < METRICS || found.contains_key(&name) {
            found.insert(name, metric);
        }
    }
    found
}

fn metric(line: &str) -> Option<(String, Metric)> {
    let (name, rest) = first_word(line)?;
    let (value, rest) = first_word(rest)?;
    let unit = first_word(rest).map(|(word, _)| word);
    let is_number = value.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let value = value.parse::<f64>().ok().filter(|value| is_number && value.is_finite())?;
    let is_good = is_word(name, "._-") && unit.is_none_or(|unit| is_word(unit, "._%-"));
    is_good.then(|| (name.to_owned(), Metric { value, unit: unit.map(Into::into) }))
}

/// The one word of `hydra-release-name`.
#[must_use]
pub fn release_name(text: &str) -> Option<String> {
    let name = text.trim();
    is_word(name, ".@:_-").then(|| name.to_owned())
}

/// The first word and what comes after it.
fn first_word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(word, _)| !word.is_empty())
}

fn is_word(word: &str, more: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
    (1..=WORD).contains(&word.len()) && word.chars().all(is_good)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn line(kind: &str, subtype: &str, path: &str, default_path: Option<&str>) -> ProductLine {
        let default_path = default_path.map(Into::into);
        ProductLine { kind: kind.into(), subtype: subtype.into(), path: path.into(), default_path }
    }

    #[test]
    fn products_are_lines_of_three_or_four_words() {
        let text = "file iso /s/1-a/disk.iso\n  doc manual \"/s/1-a/my doc\" index.html\nfile - /s/1-a/x\n\
            file iso\nfi le/ /x\nfile iso relative\nfile is! /s/x\nfile iso \"/s/open\nfile iso /s/\u{1}\n";
        let expected = [
            line("file", "iso", "/s/1-a/disk.iso", None),
            line("doc", "manual", "/s/1-a/my doc", Some("index.html")),
            line("file", "-", "/s/1-a/x", None),
        ];
        assert_eq!(products(text), expected);
        assert_eq!(products(&"file iso /s/1-a\n".repeat(PRODUCTS + 5)).len(), PRODUCTS);
        assert_eq!(products(&format!("file iso /{}", "x".repeat(PATH))), []);
    }

    #[test]
    fn metrics_are_numbers_with_an_optional_unit_and_the_last_one_counts() {
        let found = metrics(
            "coverage 87.5 %\nsize 4096 B\ncount 7\ncount 8\nbad\nnan nan\ninf inf\nx 1e999\ny 1 a/b\nz! 1\nneg -2.5e3 ms\n",
        );
        let metric = |value, unit: Option<&str>| Metric { value, unit: unit.map(Into::into) };
        let expected = [
            ("count", metric(8.0, None)),
            ("coverage", metric(87.5, Some("%"))),
            ("neg", metric(-2500.0, Some("ms"))),
            ("size", metric(4096.0, Some("B"))),
        ];
        assert_eq!(found, expected.map(|(name, metric)| (name.to_owned(), metric)).into());
        let many: String = (0..METRICS + 10).map(|n| format!("m{n} 1\n")).collect();
        assert_eq!(metrics(&format!("{many}m0 2\n"))["m0"].value, 2.0);
        assert_eq!(metrics(&many).len(), METRICS);
    }

    #[test]
    fn a_release_name_is_one_word() {
        assert_eq!(release_name(" hello-1.0pre5\n").as_deref(), Some("hello-1.0pre5"));
        for bad in ["", " ", "two words", "a/b", "ü", &"x".repeat(WORD + 1)] {
            assert_eq!(release_name(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_build_writes_is_read(text in any::<String>()) {
            for product in products(&text) {
                prop_assert!(product.path.starts_with('/') && is_word(&product.kind, "_-"));
            }
            prop_assert!(metrics(&text).values().all(|metric| metric.value.is_finite()));
            let _ = release_name(&text);
        }

        #[test]
        fn a_line_is_read_as_it_is_written(kind in "[a-z0-9_-]{1,9}", sub in "[a-z0-9_-]{1,9}", path in "/[a-z0-9/. ]{0,30}") {
            let text = format!("{kind}\t{sub}  \"{path}\"");
            prop_assert_eq!(products(&text), [line(&kind, &sub, &path, None)]);
        }
    }
}
