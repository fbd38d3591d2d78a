//! What a manifest says, once it was read.

use crate::plan::{EnvValue, PlanStep, Source};
use crate::status::JobStatus;
use serde::Serialize;
use std::collections::BTreeMap;
use strum::{Display, EnumString};

/// A manifest that a server accepts. Its text is kept beside it: this holds what was meant, not how it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// Name of the image; whether there is such an image is asked when the build starts.
    pub image: String,
    /// Architecture; none means the image's own.
    pub arch: Option<String>,
    /// Packages to install.
    pub packages: Vec<String>,
    /// Extra package repositories, in the image family's syntax.
    pub repositories: BTreeMap<String, String>,
    /// Repositories to clone, in order.
    pub sources: Vec<Source>,
    /// Environment, in order; names as written.
    pub environment: Vec<(String, EnvValue)>,
    /// UUIDs or names of secrets.
    pub secrets: Vec<String>,
    /// Grants of the token that the build gets, as written; never empty.
    pub oauth: Option<String>,
    /// Keep the build open after its tasks.
    pub shell: bool,
    /// Files to publish.
    pub artifacts: Vec<String>,
    /// The scripts, in order.
    pub tasks: Vec<PlanStep>,
    /// What to do after the end.
    pub triggers: Vec<Trigger>,
    /// Rules for integrations that submit manifests; nothing to a build.
    pub submitter: Option<Value>,
}

/// Something to do after a job's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trigger {
    /// When.
    pub condition: Condition,
    /// What.
    #[serde(flatten)]
    pub action: Action,
}

/// Which ends of a job a trigger is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Display, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Condition {
    /// Every end.
    Always,
    /// Success.
    Success,
    /// Every other end: failed, timeout, cancelled.
    Failure,
}

impl Condition {
    /// Whether a job that ended so meets the condition; a job that has not ended meets none.
    pub fn is_met(self, status: JobStatus) -> bool {
        let success = status == JobStatus::Success;
        status.is_final()
            && match self {
                Condition::Always => true,
                Condition::Success => success,
                Condition::Failure => !success,
            }
    }
}

/// What a trigger does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum Action {
    /// Sends a mail; at least one of `to` and `cc` is there.
    Email {
        /// Address list.
        to: Option<String>,
        /// Address list.
        cc: Option<String>,
        /// Message id.
        in_reply_to: Option<String>,
    },
    /// Posts the job.
    Webhook {
        /// Where to.
        url: String,
    },
}

/// A piece of YAML that is kept without being understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number as written, or a text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(BTreeMap<String, Value>),
}
