//! What images are called and where they come from: what an administrator may configure.

use super::names;
use super::{ImageError, ImageName, Limits, Pace, Source};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where images may be fetched from, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origins {
    /// A build whose image is not here fetches it.
    pub fetch: bool,
    /// Entries over the built-in table of names.
    pub names: Vec<Named>,
    /// Registries, `host[:port]`, that are spoken to without TLS. Those on this machine always are.
    pub insecure: Vec<String>,
    /// Private networks that registries may lead to.
    pub allow: Vec<IpNet>,
    /// A file with credentials for registries (containers-auth.json(5)).
    pub credentials: Option<PathBuf>,
    /// What an image may unpack to; its parts may not be longer on the way either.
    pub limits: Limits,
    /// How fast a registry's answers must come.
    pub pace: Pace,
}

impl Default for Origins {
    fn default() -> Origins {
        Origins {
            fetch: true,
            names: vec![],
            insecure: vec![],
            allow: vec![],
            credentials: None,
            limits: Limits::default(),
            pace: Pace::default(),
        }
    }
}

/// One name and its source: `NAME=docker://…` or `NAME=bootstrap:SUITE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Named {
    /// What manifests call it.
    pub name: ImageName,
    /// Where it comes from.
    pub source: Source,
}

impl Origins {
    /// Where the image of this name comes from, if anybody said so.
    #[must_use]
    pub fn source(&self, name: &ImageName) -> Option<Source> {
        let own = self.names.iter().find(|named| named.name == *name).map(|named| named.source.clone());
        own.or_else(|| names::source(name.as_str()))
    }

    /// All names that have a source, with it.
    #[must_use]
    pub fn known(&self) -> Vec<Named> {
        let mut known = self.names.clone();
        for named in names::all() {
            if !known.iter().any(|own| own.name == named.name) {
                known.push(named);
            }
        }
        known.sort_by(|a, b| a.name.cmp(&b.name));
        known
    }
}

impl TryFrom<String> for Named {
    type Error = String;

    fn try_from(text: String) -> Result<Named, String> {
        let (name, source) =
            text.split_once('=').ok_or_else(|| format!("`{text}` is not written as NAME=SOURCE"))?;
        let name = ImageName::parse(name.trim()).map_err(|e: ImageError| e.to_string())?;
        if name.as_str() == super::host::NAME {
            return Err(ImageError::Reserved.to_string());
        }
        Ok(Named { name, source: source.trim().parse::<Source>().map_err(|e| e.to_string())? })
    }
}

impl From<Named> for String {
    fn from(named: Named) -> String {
        format!("{}={}", named.name, named.source)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_an_administrator_names_comes_before_the_table() {
        let named = |text: &str| Named::try_from(text.to_owned()).unwrap();
        let own = [named("alpine/edge=docker://r.example/a:b"), named("mine=bootstrap:sid")];
        let origins = Origins { names: own.to_vec(), ..Origins::default() };
        let source = |name: &str| origins.source(&ImageName::parse(name).unwrap()).map(|s| s.to_string());
        assert_eq!(source("alpine/edge").as_deref(), Some("docker://r.example/a:b"));
        assert_eq!(source("mine").as_deref(), Some("bootstrap:sid"));
        assert_eq!(source("alpine/latest").as_deref(), Some("docker://docker.io/library/alpine:latest"));
        assert_eq!(source("nobody/knows"), None);
        let known = origins.known();
        assert_eq!(known.iter().filter(|named| named.name.as_str() == "alpine/edge").count(), 1);
        let text = serde_json::to_string(&origins).unwrap();
        assert_eq!(serde_json::from_str::<Origins>(&text).unwrap(), origins);
    }

    #[test]
    fn an_entry_that_says_nothing_is_refused() {
        for text in ["x", "x=y", "=docker://a", "../x=docker://a", "host=docker://a", "x=docker://a b"] {
            assert!(Named::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
