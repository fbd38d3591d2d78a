//! Defaults, file, environment and flags, one over the other.

use super::Config;
use super::keys::{KEYS, nearest, variable};
use crate::exit::Failure;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Variables that are no keys of the configuration.
const OTHER_VARIABLES: &[&str] = &[
    "ROPEWALK_DATA",
    "ROPEWALK_CONFIG",
    "ROPEWALK_SERVER",
    "ROPEWALK_TOKEN",
    ropewalk_model::fault::VARIABLE,
];

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File(PathBuf),
    Environment(String),
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => path.display().fmt(f),
            Origin::Environment(name) => f.write_str(name),
            Origin::Flag => f.write_str("command line"),
        }
    }
}

/// One key as it is in effect.
#[derive(Clone, Debug)]
pub(crate) struct Effective {
    pub(crate) key: &'static str,
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

impl Effective {
    /// The value as it may be shown: without a password in an address.
    pub(crate) fn shown(&self) -> String {
        match &self.value {
            Value::String(text) => super::without_password(text),
            value => value.to_string(),
        }
    }
}

/// Values by key, each with its origin.
pub(super) struct Layers {
    values: BTreeMap<String, (Value, Origin)>,
}

impl Layers {
    pub(super) fn new() -> anyhow::Result<Layers> {
        let mut values = BTreeMap::new();
        flatten("", Table::try_from(Config::default())?, &mut |key, value| {
            values.insert(key, (value, Origin::Default));
        });
        Ok(Layers { values })
    }

    pub(super) fn add_file(&mut self, path: &Path, text: &str) -> anyhow::Result<()> {
        let table: Table = text.parse().map_err(|error| {
            Failure::usage(format_args!("cannot read the configuration {}: {error}", path.display()))
        })?;
        let mut read = vec![];
        flatten("", table, &mut |key, value| read.push((key, value)));
        for (key, value) in read {
            self.set(&key, value, Origin::File(path.into()))?;
        }
        Ok(())
    }

    /// Takes what is a key's variable. Answers the names that begin like one and are none.
    pub(super) fn add_environment(
        &mut self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> anyhow::Result<Vec<String>> {
        let keys: BTreeMap<String, &str> = KEYS.iter().map(|(key, _)| (variable(key), *key)).collect();
        let mut strange = vec![];
        for (name, text) in variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with("ROPEWALK_")) else { continue };
            let Some(key) = keys.get(name) else {
                if !OTHER_VARIABLES.contains(&name) && !name.starts_with("ROPEWALK_TEST_") {
                    strange.push(name.to_string());
                }
                continue;
            };
            let text = text
                .to_str()
                .ok_or_else(|| Failure::usage(format_args!("the variable {name} is not UTF-8")))?;
            self.add_text(key, text, Origin::Environment(name.into()))?;
        }
        Ok(strange)
    }

    /// Takes a value as text: a text stands for itself, all else is TOML; a list may be words divided by commas.
    pub(super) fn add_text(&mut self, key: &str, text: &str, origin: Origin) -> anyhow::Result<()> {
        let words = || {
            Value::Array(text.split(',').map(str::trim).filter(|w| !w.is_empty()).map(Value::from).collect())
        };
        let value = match self.values.get(key) {
            Some((Value::String(_), _)) => Value::String(text.into()),
            Some((Value::Array(_), _)) if !text.trim_start().starts_with('[') => words(),
            _ => format!("x = {text}")
                .parse::<Table>()
                .ok()
                .and_then(|mut table| table.remove("x"))
                .unwrap_or_else(|| Value::String(text.into())),
        };
        self.set(key, value, origin)
    }

    fn set(&mut self, key: &str, value: Value, origin: Origin) -> anyhow::Result<()> {
        let Some((held, _)) = self.values.get(key) else {
            let hint = match nearest(key) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`ropewalk doctor` lists all keys".into(),
            };
            return Err(Failure::usage(format_args!("{origin}: there is no key `{key}`: {hint}")));
        };
        if held.type_str() != value.type_str() {
            let (wanted, found) = (held.type_str(), value.type_str());
            return Err(Failure::usage(format_args!(
                "{origin}: `{key}` must be a TOML {wanted}, not a {found}"
            )));
        }
        self.values.insert(key.into(), (value, origin));
        Ok(())
    }

    /// The configuration, and each key's value.
    pub(super) fn finish(self) -> anyhow::Result<(Config, Vec<Effective>)> {
        let mut effective = vec![];
        for (key, _) in KEYS {
            if let Some((value, origin)) = self.values.get(*key) {
                check(key, value, origin)?;
                effective.push(Effective { key, value: value.clone(), origin: origin.clone() });
            }
        }
        let config = nest(self.values.into_iter().map(|(key, (value, _))| (key, value)));
        let config = Value::Table(config).try_into();
        Ok((
            config
                .map_err(|error| Failure::usage(format_args!("the configuration cannot be used: {error}")))?,
            effective,
        ))
    }
}

/// Tries one value alone, so that the error can name it.
fn check(key: &str, value: &Value, origin: &Origin) -> anyhow::Result<()> {
    let alone = nest(std::iter::once((key.to_string(), value.clone())));
    let tried: Result<Config, _> = Value::Table(alone).try_into();
    tried.map(drop).map_err(|error| {
        let words = error.message();
        let hint = if key == "listen" { ": write ADDRESS:PORT, with a port from 0 to 65535" } else { "" };
        Failure::usage(format_args!("{origin}: `{key}` = {value} cannot be used: {words}{hint}"))
    })
}

fn flatten(prefix: &str, table: Table, found: &mut impl FnMut(String, Value)) {
    for (key, value) in table {
        let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(table) => flatten(&key, table, found),
            value => found(key, value),
        }
    }
}

fn nest(values: impl Iterator<Item = (String, Value)>) -> Table {
    let mut root = Table::new();
    for (key, value) in values {
        match key.split_once('.') {
            None => drop(root.insert(key, value)),
            Some((table, rest)) => {
                let table = root.entry(table).or_insert_with(|| Value::Table(Table::new()));
                if let Value::Table(table) = table {
                    table.insert(rest.into(), value);
                }
            }
        }
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> anyhow::Result<Config> {
        let mut layers = Layers::new()?;
        layers.add_file(Path::new("f.toml"), text)?;
        Ok(layers.finish()?.0)
    }

    #[test]
    fn every_field_is_a_documented_key() {
        let keys: Vec<String> = Layers::new().unwrap().values.into_keys().collect();
        let mut documented: Vec<String> = KEYS.iter().map(|(key, _)| key.to_string()).collect();
        documented.sort();
        assert_eq!(keys, documented);
    }

    /// The manual's table, between its two marks.
    fn table() -> String {
        let layers = Layers::new().unwrap();
        let row = |(key, meaning): &(&str, &str)| {
            let value = layers.values[*key].0.to_string();
            format!("| `{key}` | `{value}` | {} |\n", meaning.replace('|', "\\|"))
        };
        let rows: String = KEYS.iter().map(row).collect();
        format!("| key | default | |\n|---|---|---|\n{rows}")
    }

    #[test]
    fn the_manual_lists_every_key() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/run/configure.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once("<!-- keys -->\n").unwrap();
        let (_, after) = rest.split_once("<!-- end of keys -->").unwrap();
        let right = format!("{before}<!-- keys -->\n{}<!-- end of keys -->{after}", table());
        if std::env::var_os("UPDATE_MANUAL").is_some() {
            std::fs::write(&path, &right).unwrap();
        }
        assert!(text == right, "run this test with UPDATE_MANUAL=1 and look at what it changed");
    }

    #[test]
    fn the_default_is_the_empty_file() {
        assert_eq!(file("").unwrap(), Config::default());
    }

    #[test]
    fn flags_win_over_environment_over_file() {
        let mut layers = Layers::new().unwrap();
        layers
            .add_file(Path::new("f"), "listen = '127.0.0.1:1'\nlimits.memory = 5\nrunner.slots = 3")
            .unwrap();
        let variables =
            [("ROPEWALK_LISTEN", "127.0.0.1:2"), ("ROPEWALK_RUNNER__SLOTS", "4"), ("ROPEWALK_LISTNE", "")];
        let variables = variables.into_iter().map(|(name, text)| (name.into(), text.into()));
        assert_eq!(layers.add_environment(variables).unwrap(), ["ROPEWALK_LISTNE"]);
        layers.add_text("listen", "127.0.0.1:3", Origin::Flag).unwrap();
        let (config, effective) = layers.finish().unwrap();
        assert_eq!((config.listen.port(), config.runner.slots, config.limits.builds.memory), (3, 4, 5));
        let origin = |key: &str| effective.iter().find(|e| e.key == key).unwrap().origin.to_string();
        assert_eq!(origin("listen"), "command line");
        assert_eq!(origin("runner.slots"), "ROPEWALK_RUNNER__SLOTS");
        assert_eq!(origin("limits.memory"), "f");
        assert_eq!(origin("log"), "default");
    }

    #[test]
    fn unknown_keys_are_refused_with_a_hint() {
        let error = file("[limits]\nbuildtime = 5").unwrap_err().to_string();
        assert_eq!(error, "f.toml: there is no key `limits.buildtime`: did you mean `limits.build-time`?");
        assert!(file("[nothing.of.this]\nsort = 1").unwrap_err().to_string().contains("doctor"));
    }

    #[test]
    fn wrong_values_are_named() {
        for (text, key) in [
            ("listen = 5", "listen"),
            ("listen = 'here'", "listen"),
            ("runner.slots = -1", "runner.slots"),
            ("sandbox.network = 'nta'", "sandbox.network"),
            ("sandbox.allow = ['10.0.0.0/99']", "sandbox.allow"),
            ("limits.memory = '4G'", "limits.memory"),
        ] {
            let error = file(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("f.toml: `{key}`")), "{text}: {error}");
        }
    }

    #[test]
    fn lists_are_written_with_commas_in_variables() {
        let mut layers = Layers::new().unwrap();
        layers.add_text("sandbox.allow", "10.0.0.0/8, 192.168.1.0/24", Origin::Flag).unwrap();
        assert_eq!(layers.finish().unwrap().0.sandbox.allow.len(), 2);
    }
}
