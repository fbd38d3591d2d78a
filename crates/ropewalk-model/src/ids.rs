//! Numbers that name rows. Each is a type of its own, so that one is never taken for another.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map($name)
            }
        }
    )*};
}

id! {
    /// A person or service that owns things.
    UserId;
    /// An access token; the secret itself is never stored.
    TokenId;
    /// A job, over all kinds and all times. Positive, ascending, never used again.
    JobId;
    /// A builds.sr.ht job group.
    GroupId;
    /// A unit of execution.
    WorkId;
    /// One try at a work.
    AttemptId;
    /// A step of a job; positions ascend with ids.
    StepId;
    /// A runner that has registered.
    RunnerId;
    /// A requirement class: what a work asks of a runner, normalised.
    ClassId;
    /// A share group: who pays for the time a work takes.
    ShareGroupId;
    /// An outgoing message.
    DeliveryId;
    /// A published file.
    ArtifactId;
}

/// Fencing number of a lease. A higher one replaces all lower ones of the same work for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub i64);
