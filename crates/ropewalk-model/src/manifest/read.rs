//! Reads a manifest: the document, its keys, and typed access to the nodes below them.

use super::keys::{KEYS, Key, KeyType, nearest};
use super::limits::ManifestLimits;
use super::problem::{ManifestError, Place, Problem, Problems};
use super::scalar::Scalar;
use super::tree::{self, Entry, Kind, Node};
use super::types::Manifest;
use std::collections::BTreeMap;

/// What was found in a manifest's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The manifest, when there are no errors.
    pub manifest: Option<Manifest>,
    /// Why a server refuses it, in the order of the text.
    pub errors: Vec<Problem>,
    /// What a server accepts though it is probably not meant so, in the order of the text.
    pub warnings: Vec<Problem>,
    /// Where what the text does not decide by itself is written, for warnings of others.
    pub places: Places,
}

/// Where things stand whose truth lies outside the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The image's name.
    pub image: Option<Place>,
    /// Each source, as in [`Manifest::sources`].
    pub sources: Vec<Place>,
}

/// Reads a manifest that is to be run; warnings are left out.
///
/// ```
/// use ropewalk_model::manifest::{ManifestLimits, parse};
/// let text = "image: host\ntasks:\n- hello: echo hello\n";
/// assert_eq!(parse(text, &ManifestLimits::default()).unwrap().image, "host");
/// ```
pub fn parse(text: &str, limits: &ManifestLimits) -> Result<Manifest, ManifestError> {
    let Report { manifest, errors, .. } = check_with(text, limits);
    manifest.ok_or(ManifestError { problems: errors })
}

/// Reads a manifest for the one who writes it, with the default limits. There is a manifest exactly when there are
/// no errors, and then a server accepts it.
pub fn check(text: &str) -> Report {
    check_with(text, &ManifestLimits::default())
}

/// [`check`] with other limits.
pub fn check_with(text: &str, limits: &ManifestLimits) -> Report {
    let mut problems = Problems::default();
    let mut manifest = Manifest::default();
    let mut places = Places::default();
    if text.len() >= limits.bytes {
        problems.error(
            Place::START,
            format!("Manifest must be less than {} bytes", limits.bytes),
            format!("it has {}: move long scripts into a repository", text.len()),
        );
    } else if let Some(root) = tree::read(text, limits, &mut problems) {
        Reader { problems: &mut problems, manifest: &mut manifest, places: &mut places }.document(&root);
    }
    problems.sort();
    let Problems { errors, warnings } = problems;
    Report { manifest: errors.is_empty().then_some(manifest), errors, warnings, places }
}

/// Fills a manifest from the tree, noting what is wrong.
pub(super) struct Reader<'a> {
    pub(super) problems: &'a mut Problems,
    pub(super) manifest: &'a mut Manifest,
    pub(super) places: &'a mut Places,
}

impl Reader<'_> {
    fn document(&mut self, root: &Node) {
        let Kind::Map(entries) = &root.kind else {
            return self.problems.error(
                root.place,
                format!("a manifest is a map, this is {}", root.name()),
                "begin with `image: NAME`",
            );
        };
        for entry in entries {
            match KEYS.iter().find(|key| key.name == entry.key) {
                // A key without a value says nothing.
                Some(_) if entry.value.is_null() => {}
                Some(key) => (key.read)(self, key, &entry.value),
                None => self.unknown_key(entry, KEYS.iter().map(|key| key.name)),
            }
        }
        self.require(entries);
    }

    /// A key that was there and wrong has its own error.
    fn require(&mut self, entries: &[Entry]) {
        let given = |name: &str| entries.iter().find(|entry| entry.key == name && !entry.value.is_null());
        if given("image").is_none() {
            self.problems.error(
                Place::START,
                "image is required",
                "name one, such as `image: debian/stable`",
            );
        }
        let tasks = given("tasks");
        let none_given = tasks.is_none_or(|entry| entry.value.kind == Kind::List(Vec::new()));
        if none_given && !self.manifest.shell {
            self.problems.error(
                tasks.map_or(Place::START, |entry| entry.place),
                "list of tasks is required",
                "write `tasks:` and below it `- build: make`, or `shell: true`",
            );
        }
    }

    /// An unknown key is ignored, as upstream does, but rarely meant.
    pub(super) fn unknown_key(&mut self, entry: &Entry, known: impl Iterator<Item = &'static str>) {
        let hint = match nearest(&entry.key, known) {
            Some(word) => format!("did you mean `{word}`?"),
            None => "remove it, or write it as a comment".into(),
        };
        self.problems.warn(entry.place, format!("the key `{}` is unknown and ignored", entry.key), hint);
    }

    pub(super) fn mismatch(&mut self, what: &str, takes: impl std::fmt::Display, found: &Node) {
        let hint = match &found.kind {
            Kind::Scalar(Scalar::Number(text)) => format!("if text is meant, quote it: \"{text}\""),
            Kind::Scalar(Scalar::Bool(value)) => format!("if text is meant, quote it: \"{value}\""),
            Kind::Scalar(Scalar::Null) => "write a value, or remove the line".into(),
            Kind::Map(_) => "quote a value that contains `: `".into(),
            Kind::List(_) => "remove the dash or the brackets".into(),
            Kind::Scalar(Scalar::Text(_)) => format!("write it as {takes}"),
        };
        self.problems.error(found.place, format!("{what} must be {takes}, this is {}", found.name()), hint);
    }

    pub(super) fn text<'n>(&mut self, what: &str, node: &'n Node) -> Option<&'n str> {
        match &node.kind {
            Kind::Scalar(Scalar::Text(text)) => Some(text),
            _ => {
                self.mismatch(what, KeyType::Text, node);
                None
            }
        }
    }

    pub(super) fn bool(&mut self, what: &str, node: &Node) -> Option<bool> {
        match &node.kind {
            Kind::Scalar(Scalar::Bool(value)) => Some(*value),
            _ => {
                let message = format!("{what} must be {}, this is {}", KeyType::Bool, node.name());
                self.problems.error(node.place, message, "write the word `true` or `false`, without quotes");
                None
            }
        }
    }

    pub(super) fn list<'n>(&mut self, key: &Key, node: &'n Node) -> &'n [Node] {
        match &node.kind {
            Kind::List(items) => items,
            _ => {
                let message = format!("`{}` must be {}, this is {}", key.name, key.takes, node.name());
                self.problems.error(node.place, message, format!("write `{}: {}`", key.name, key.example));
                &[]
            }
        }
    }

    pub(super) fn map<'n>(&mut self, key: &Key, node: &'n Node) -> &'n [Entry] {
        match &node.kind {
            Kind::Map(entries) => entries,
            _ => {
                let message = format!("`{}` must be {}, this is {}", key.name, key.takes, node.name());
                self.problems.error(node.place, message, format!("write `{}: {}`", key.name, key.example));
                &[]
            }
        }
    }

    /// The texts of a list, each with its node's place; whatever is no text is an error.
    pub(super) fn texts<'n>(&mut self, key: &Key, node: &'n Node) -> Vec<(Place, &'n str)> {
        let what = format!("an entry of `{}`", key.name);
        let mut texts = Vec::new();
        for item in self.list(key, node) {
            texts.extend(self.text(&what, item).map(|text| (item.place, text)));
        }
        texts
    }

    /// The texts of a map; whatever is no text is an error.
    pub(super) fn text_map(&mut self, key: &Key, node: &Node) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for entry in self.map(key, node) {
            let what = format!("`{}` in `{}`", entry.key, key.name);
            if let Some(text) = self.text(&what, &entry.value) {
                texts.insert(entry.key.clone(), text.to_owned());
            }
        }
        texts
    }
}
