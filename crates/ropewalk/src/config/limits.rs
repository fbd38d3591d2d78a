//! `[limits]`: what requests may ask for and what builds may use, in one table.

use ropewalk_model::limits::{BuildLimits, RequestLimits};
use ropewalk_runner::image::{self, Pace};
use serde::{Deserialize, Serialize};

/// All kinds of limits. Their keys are disjoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "toml::Table", into = "toml::Table")]
pub(crate) struct Limits {
    pub(crate) requests: RequestLimits,
    pub(crate) builds: BuildLimits,
    pub(crate) images: ImageLimits,
}

/// What an image may unpack to, and how fast it must come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ImageLimits {
    image: u64,
    image_files: u64,
    image_rate: u64,
}

impl ImageLimits {
    /// How fast a registry's answers must come.
    pub(crate) fn pace(&self) -> Pace {
        Pace { rate: self.image_rate, ..Pace::default() }
    }
}

impl Default for ImageLimits {
    fn default() -> ImageLimits {
        let image::Limits { bytes, entries } = image::Limits::default();
        ImageLimits { image: bytes, image_files: entries, image_rate: Pace::default().rate }
    }
}

impl From<ImageLimits> for image::Limits {
    fn from(limits: ImageLimits) -> image::Limits {
        image::Limits { bytes: limits.image, entries: limits.image_files }
    }
}

impl TryFrom<toml::Table> for Limits {
    type Error = toml::de::Error;
    fn try_from(table: toml::Table) -> Result<Self, Self::Error> {
        let (of_builds, of_images) = (table_of(&BuildLimits::default()), table_of(&ImageLimits::default()));
        let (builds, rest): (toml::Table, toml::Table) =
            table.into_iter().partition(|(key, _)| of_builds.contains_key(key));
        let (images, requests) = rest.into_iter().partition(|(key, _)| of_images.contains_key(key));
        Ok(Limits {
            requests: toml::Value::Table(requests).try_into()?,
            builds: toml::Value::Table(builds).try_into()?,
            images: toml::Value::Table(images).try_into()?,
        })
    }
}

impl From<Limits> for toml::Table {
    fn from(limits: Limits) -> Self {
        let of_runners = table_of(&limits.builds).into_iter().chain(table_of(&limits.images));
        table_of(&limits.requests).into_iter().chain(of_runners).collect()
    }
}

/// Limits are numbers within TOML's range; one that is not would be left out and be refused by the keys' test.
fn table_of(limits: &impl Serialize) -> toml::Table {
    toml::Table::try_from(limits).unwrap_or_default()
}
