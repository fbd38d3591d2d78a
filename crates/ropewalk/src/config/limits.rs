//! `[limits]`: what requests may ask for and what builds may use, in one table.

use ropewalk_model::limits::{BuildLimits, RequestLimits};
use serde::{Deserialize, Serialize};

/// Both kinds of limits. Their keys are disjoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "toml::Table", into = "toml::Table")]
pub(crate) struct Limits {
    pub(crate) requests: RequestLimits,
    pub(crate) builds: BuildLimits,
}

impl TryFrom<toml::Table> for Limits {
    type Error = toml::de::Error;
    fn try_from(table: toml::Table) -> Result<Self, Self::Error> {
        let of_builds = table_of(&BuildLimits::default());
        let (builds, requests) = table.into_iter().partition(|(key, _)| of_builds.contains_key(key));
        Ok(Limits {
            requests: toml::Value::Table(requests).try_into()?,
            builds: toml::Value::Table(builds).try_into()?,
        })
    }
}

impl From<Limits> for toml::Table {
    fn from(limits: Limits) -> Self {
        table_of(&limits.requests).into_iter().chain(table_of(&limits.builds)).collect()
    }
}

/// Limits are numbers within TOML's range; one that is not would be left out and be refused by the keys' test.
fn table_of(limits: &impl Serialize) -> toml::Table {
    toml::Table::try_from(limits).unwrap_or_default()
}
