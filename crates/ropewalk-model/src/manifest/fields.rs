//! The rules of each key.

use super::grants;
use super::image_name::{IMAGE_MAX, IMAGE_RULE, is_image_name};
use super::keys::Key;
use super::problem::Place;
use super::read::Reader;
use super::scalar::Scalar;
use super::tree::{Kind, Node};
use super::types::Value;
use crate::limits::BuildLimits;
use crate::plan::{EnvValue, PlanStep, Source};
use std::collections::{BTreeMap, HashMap};

/// Characters of a task's name.
const TASK_NAME_MAX: usize = 128;
/// Characters of a secret's UUID or name.
const SECRET_LENGTH: std::ops::RangeInclusive<usize> = 4..=511;
/// Variables that the runner sets after those of the manifest.
pub(super) const OVERRIDDEN: [&str; 3] = ["CI_NAME", "JOB_ID", "JOB_URL"];

pub(super) fn image(reader: &mut Reader<'_>, _: &Key, node: &Node) {
    let Some(name) = reader.text("`image`", node) else { return };
    reader.places.image = Some(node.place);
    let problem = if name.is_empty() {
        Some(("image is required".into(), "name one, such as `debian/stable`"))
    } else if !is_image_name(name) {
        let shown: String = name.chars().take(IMAGE_MAX).collect();
        Some((format!("`{shown}` cannot name an image"), IMAGE_RULE))
    } else {
        None
    };
    if let Some((message, hint)) = problem {
        return reader.problems.error(node.place, message, hint);
    }
    reader.manifest.image = name.into();
}

pub(super) fn arch(reader: &mut Reader<'_>, _: &Key, node: &Node) {
    let arch = reader.text("`arch`", node).filter(|arch| !arch.is_empty());
    reader.manifest.arch = arch.map(Into::into);
}

pub(super) fn packages(reader: &mut Reader<'_>, key: &Key, node: &Node) {
    reader.manifest.packages = reader.texts(key, node).into_iter().map(|(_, text)| text.into()).collect();
}

pub(super) fn repositories(reader: &mut Reader<'_>, key: &Key, node: &Node) {
    reader.manifest.repositories = reader.text_map(key, node);
}

pub(super) fn sources(reader: &mut Reader<'_>, key: &Key, node: &Node) {
    let mut folders: HashMap<String, Place> = HashMap::new();
    for (place, text) in reader.texts(key, node) {
        let source = match Source::parse(text) {
            Ok(source) => source,
            Err(error) => {
                reader.problems.error(place, error.to_string(), error.hint());
                continue;
            }
        };
        if text.matches('#').count() > 1 {
            let message = "with two `#` none of them marks a reference: all of it is the URL";
            reader.problems.warn(place, message, "write `%23` for the one that belongs to the URL");
        }
        if let Some(first) = folders.insert(source.directory.clone(), place) {
            reader.problems.warn(
                place,
                format!("the folder `{}` is taken by the source on line {}", source.directory, first.line),
                "name another folder: other::URL",
            );
        }
        reader.places.sources.push(place);
        reader.manifest.sources.push(source);
    }
}

pub(super) fn environment(reader: &mut Reader<'_>, key: &Key, node: &Node) {
    for entry in reader.map(key, node) {
        let name = &entry.key;
        if !is_variable_name(name) {
            let message = format!("bash cannot set a variable `{name}`, its own error will be in the log");
            reader.problems.warn(entry.place, message, "use letters, digits and `_`, no digit first");
        }
        if OVERRIDDEN.contains(&name.as_str()) {
            let message = format!("the build gets a `{name}` of its own");
            reader.problems.warn(entry.place, message, "use another name");
        }
        let value = match &entry.value.kind {
            Kind::Scalar(scalar) => env_scalar(scalar),
            Kind::List(items) => EnvValue::List(env_list(reader, name, items)),
            Kind::Map(_) => {
                reader.problems.error(
                    entry.value.place,
                    format!("`{name}` in `environment` must not be a map"),
                    "write one variable a line; quote a value that contains `: `",
                );
                continue;
            }
        };
        reader.manifest.environment.push((name.clone(), value));
    }
}

fn env_scalar(scalar: &Scalar) -> EnvValue {
    match scalar {
        Scalar::Null => EnvValue::Null,
        Scalar::Bool(value) => EnvValue::Bare(value.to_string()),
        Scalar::Number(text) => EnvValue::Bare(text.clone()),
        Scalar::Text(text) => EnvValue::Text(text.clone()),
    }
}

/// Upstream drops whatever is no text from such a list.
fn env_list(reader: &mut Reader<'_>, name: &str, items: &[Node]) -> Vec<String> {
    let mut texts = Vec::new();
    for item in items {
        match &item.kind {
            Kind::Scalar(Scalar::Text(text)) => texts.push(text.clone()),
            _ => reader.problems.warn(
                item.place,
                format!("{} in the list `{name}` is left out, only text stays", item.name()),
                "quote it",
            ),
        }
    }
    texts
}

/// Whether bash takes it as the name of a variable.
pub(super) fn is_variable_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

pub(super) fn secrets(reader: &mut Reader<'_>, key: &Key, node: &Node) {
    for (place, text) in reader.texts(key, node) {
        let length = text.chars().count();
        if !SECRET_LENGTH.contains(&length) || text.contains(char::is_control) {
            let (from, to) = (SECRET_LENGTH.start(), SECRET_LENGTH.end());
            let message = format!("a secret is named by its UUID or by a name of {from} to {to} characters");
            reader.problems.error(place, message, format!("this has {length}: see the list of your secrets"));
            continue;
        }
        reader.manifest.secrets.push(text.into());
    }
}

pub(super) fn oauth(reader: &mut Reader<'_>, _: &Key, node: &Node) {
    let Some(text) = reader.text("`oauth`", node) else { return };
    if text.trim().is_empty() {
        let message = "an empty `oauth` gives the build no token";
        return reader.problems.warn(node.place, message, "name its grants, such as builds.sr.ht/JOBS:RO");
    }
    if let Err((message, hint)) = grants::check(text) {
        return reader.problems.error(node.place, message, hint);
    }
    for service in grants::foreign(text) {
        let message = format!("the build's token is of this server and opens nothing at {service}");
        reader.problems.warn(node.place, message, "put a token of that service into a secret");
    }
    reader.manifest.oauth = Some(text.into());
}

pub(super) fn shell(reader: &mut Reader<'_>, _: &Key, node: &Node) {
    reader.manifest.shell = reader.bool("`shell`", node).unwrap_or_default();
}

pub(super) fn artifacts(reader: &mut Reader<'_>, key: &Key, node: &Node) {
    let mut names: HashMap<&str, &str> = HashMap::new();
    for (place, path) in reader.texts(key, node) {
        let name = path.rsplit('/').next().unwrap_or(path);
        if matches!(name, "" | "." | "..") || path.contains(char::is_control) {
            let message = format!("`{path}` names no file");
            reader.problems.error(place, message, "write the path of one file, without a slash at its end");
            continue;
        }
        match names.insert(name, path) {
            Some(first) if first == path => {
                reader.problems.error(place, format!("duplicate artifact {path}"), "keep one of them");
            }
            Some(first) => {
                let message = format!("duplicate artifact {name}: `{first}` has the same file name");
                reader.problems.error(place, message, "rename one of the files in a task");
            }
            None => reader.manifest.artifacts.push(path.into()),
        }
        if path.starts_with('~') {
            let message = "`~` is not expanded here";
            reader.problems.warn(place, message, "paths are relative to the home folder: leave `~/` out");
        }
    }
    let most = BuildLimits::default().artifacts;
    if reader.manifest.artifacts.len() > most as usize {
        let message = format!("with more than {most} artifacts none is published");
        reader.problems.warn(node.place, message, "pack files into an archive in a task");
    }
}

pub(super) fn tasks(reader: &mut Reader<'_>, key: &Key, node: &Node) {
    const HINT: &str = "write `- name: script`, with long scripts indented below `- name: |`";
    let mut names: HashMap<String, Place> = HashMap::new();
    for item in reader.list(key, node) {
        let entry = match &item.kind {
            Kind::Map(entries) => match entries.as_slice() {
                [entry] => entry,
                _ => {
                    let message = format!(
                        "a task must be `<name>: <script>` exactly once, here {} times",
                        entries.len()
                    );
                    reader.problems.error(item.place, message, "begin each task with a dash of its own");
                    continue;
                }
            },
            _ => {
                let message = format!("a task must be `<name>: <script>`, this is {}", item.name());
                reader.problems.error(item.place, message, HINT);
                continue;
            }
        };
        let name = &entry.key;
        if !is_task_name(name) {
            let message = format!("invalid task name `{name}`");
            let hint = format!("use a-z, 0-9, `_` and `-`, at most {TASK_NAME_MAX} characters");
            reader.problems.error(entry.place, message, hint);
        }
        if let Some(first) = names.insert(name.clone(), entry.place) {
            let message = format!("duplicate task {name}");
            reader.problems.error(entry.place, message, format!("the first is on line {}", first.line));
        }
        let Some(script) = reader.text(&format!("the script of `{name}`"), &entry.value) else { continue };
        reader.manifest.tasks.push(PlanStep { name: name.clone(), script: script.into() });
    }
}

fn is_task_name(name: &str) -> bool {
    (1..=TASK_NAME_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
}

pub(super) fn submitter(reader: &mut Reader<'_>, key: &Key, node: &Node) {
    let entries = reader.map(key, node);
    let map: BTreeMap<_, _> = entries.iter().map(|entry| (entry.key.clone(), opaque(&entry.value))).collect();
    reader.manifest.submitter = Some(Value::Map(map));
}

fn opaque(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar(Scalar::Null) => Value::Null,
        Kind::Scalar(Scalar::Bool(value)) => Value::Bool(*value),
        Kind::Scalar(Scalar::Number(text) | Scalar::Text(text)) => Value::Text(text.clone()),
        Kind::List(items) => Value::List(items.iter().map(opaque).collect()),
        Kind::Map(entries) => {
            Value::Map(entries.iter().map(|entry| (entry.key.clone(), opaque(&entry.value))).collect())
        }
    }
}
