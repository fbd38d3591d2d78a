//! What Nix knows of valid store paths: how large they are and what they refer to.

use super::Tools;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Paths that one question names; a command line takes no more.
pub const AT_ONCE: usize = 1000;
/// Bytes of one answer.
pub const ANSWER: usize = 128 << 20;

/// Valid paths with everything that they refer to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    paths: BTreeMap<String, Path>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Path {
    /// Nix before 2.19 gives a list of these.
    #[serde(default)]
    path: String,
    #[serde(default)]
    nar_size: u64,
    #[serde(default)]
    references: Vec<String>,
}

/// Nix's answer in its two forms.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    List(Vec<Path>),
    Map(BTreeMap<String, Option<Path>>),
}

impl Sizes {
    /// The question about at most [`AT_ONCE`] paths and everything that they refer to. It fails when one is not valid.
    #[must_use]
    pub fn question<'a>(tools: &Tools, paths: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = tools.command("nix");
        command.args(["--extra-experimental-features", "nix-command", "path-info", "--json", "--recursive"]);
        command.args(paths);
        command
    }

    /// Adds what Nix answered.
    ///
    /// # Errors
    /// When the answer cannot be read.
    pub fn add(&mut self, tools: &Tools, answer: &[u8]) -> Result<(), serde_json::Error> {
        let store = tools.store.display();
        let whole = |path: String| if path.starts_with('/') { path } else { format!("{store}/{path}") };
        let pairs: Vec<(String, Path)> = match serde_json::from_slice(answer)? {
            Answer::List(paths) => paths.into_iter().map(|path| (path.path.clone(), path)).collect(),
            Answer::Map(paths) => paths.into_iter().filter_map(|(name, path)| Some((name, path?))).collect(),
        };
        for (name, path) in pairs {
            let references = path.references.into_iter().map(whole).collect();
            self.paths.insert(whole(name), Path { path: String::new(), references, ..path });
        }
        Ok(())
    }

    /// Bytes of these paths as archives.
    #[must_use]
    pub fn size<'a>(&self, paths: impl IntoIterator<Item = &'a str>) -> u64 {
        let sizes = paths.into_iter().filter_map(|path| self.paths.get(path)).map(|path| path.nar_size);
        sizes.fold(0, u64::saturating_add)
    }

    /// These paths and everything that they refer to.
    #[must_use]
    pub fn closure<'a>(&'a self, paths: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let (mut ahead, mut found): (Vec<&str>, _) = (paths.into_iter().collect(), BTreeSet::new());
        while let Some(path) = ahead.pop() {
            if let Some((path, facts)) = self.paths.get_key_value(path)
                && found.insert(path.as_str())
            {
                ahead.extend(facts.references.iter().map(String::as_str));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn tools() -> Tools {
        Tools::at("/s".into())
    }

    #[test]
    fn both_forms_of_the_answer_are_read() {
        let old = r#"[{"path":"/s/a","narSize":5,"references":["/s/a","/s/b"],"valid":true},{"path":"/s/b","narSize":7,"references":[]}]"#;
        let new =
            r#"{"/s/a":{"narSize":5,"references":["a","b"]},"b":{"narSize":7,"references":[]},"/s/c":null}"#;
        for text in [old, new] {
            let mut sizes = Sizes::default();
            sizes.add(&tools(), text.as_bytes()).unwrap();
            assert_eq!(sizes.size(["/s/a", "/s/nothing"]), 5);
            assert_eq!(sizes.closure(["/s/a"]), BTreeSet::from(["/s/a", "/s/b"]));
            assert_eq!(sizes.size(sizes.closure(["/s/a", "/s/b"])), 12);
        }
        assert!(Sizes::default().add(&tools(), b"7").is_err());
    }
}
