//! The version of the interface, and what clients must know of the server.

use super::scalars::Time;
use crate::query::Asked;
use async_graphql::{Context, Object, Result};
use std::fmt::Write;

pub(crate) struct Version;

#[Object]
impl Version {
    async fn major(&self) -> i32 {
        0
    }

    async fn minor(&self) -> i32 {
        0
    }

    async fn patch(&self) -> i32 {
        0
    }

    /// Date after which this API version stops working, or null.
    async fn deprecation_date(&self) -> Option<Time> {
        None
    }

    async fn settings(&self) -> Settings {
        Settings
    }
}

pub(crate) struct Settings;

#[Object]
impl Settings {
    /// Account to reach a runner's shell with.
    async fn ssh_user(&self) -> &str {
        "builds"
    }

    /// How long a build may take, such as `45m`.
    async fn build_timeout(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(duration(ctx.data::<Asked>()?.farm.settings().builds.build_time))
    }
}

/// Seconds as Go writes durations, without parts that are nothing.
fn duration(seconds: u64) -> String {
    let mut text = String::new();
    for (unit, count) in [("h", seconds / 3600), ("m", seconds / 60 % 60), ("s", seconds % 60)] {
        if count > 0 {
            let _ = write!(text, "{count}{unit}");
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_are_short() {
        for (seconds, text) in [(2700, "45m"), (3600, "1h"), (90, "1m30s"), (86_401, "24h1s"), (0, "0s")] {
            assert_eq!(duration(seconds), text);
        }
    }
}
