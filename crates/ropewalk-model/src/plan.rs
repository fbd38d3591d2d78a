//! What a work will run, exactly. Sealed at submission, never changed, kept for ever.
//!
//! A plan holds no job number, URL, token or secret value: those are [run-time values](crate::link::RunValues).

use crate::limits::BuildLimits;
use crate::nix::{NixTask, RESULT};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Version that this program writes; it reads this one and the one before.
pub const PLAN_VERSION: u32 = 1;

/// One unit of execution, ready to be carried out by any runner of its requirement class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`PLAN_VERSION`] of the program that sealed it.
    pub version: u32,
    /// How it is isolated.
    pub backend: Backend,
    /// Image name as the manifest gives it (`debian/stable`, `host`).
    pub image: String,
    /// Machine architecture as the manifest gives it; none means the image's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// Packages to install, in the image's own package names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Extra package repositories: name to value in the image family's syntax.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub repositories: BTreeMap<String, String>,
    /// Repositories to fetch into the home folder, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Environment of the steps, in the order of the manifest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<(String, EnvValue)>,
    /// Names or ids of secrets to inject.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Grants of the token that the build gets, as a grant string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<String>,
    /// Keep the sandbox after the steps until the deadline.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shell: bool,
    /// Scripts to run, in order.
    pub steps: Vec<PlanStep>,
    /// Paths of files to publish, relative to the home folder or absolute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<String>,
    /// What the backend `nix` runs; that backend has no steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nix: Option<NixTask>,
    /// What it may use.
    pub limits: BuildLimits,
}

/// How a plan is isolated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// Linux namespaces; see the runner's `sandbox`.
    Sandbox,
    /// Nix, which isolates builds itself; see the runner's `nix`.
    Nix,
}

/// A repository to fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Which program fetches it.
    pub scm: Scm,
    /// What that program is told to clone.
    pub url: String,
    /// Branch, tag or commit; none means the remote's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Folder name below the home folder.
    pub directory: String,
}

/// A source control program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scm {
    /// git
    Git,
    /// Mercurial
    Hg,
}

/// A value of the manifest's `environment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvValue {
    /// Exported, quoted where the shell needs it.
    Text(String),
    /// Exported as it stands: a number or a boolean, in the manifest's own writing.
    Bare(String),
    /// Exported as the empty text.
    Null,
    /// A bash array; not exported, for bash cannot.
    List(Vec<String>),
}

/// A script and its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanStep {
    /// Matches `[a-z0-9_-]+`, at most 128 characters, unique in the plan.
    pub name: String,
    /// The script's own text, without preamble.
    pub script: String,
}

/// A plan as it is stored and sent: its JSON and the SHA-256 of it in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedPlan {
    /// 64 hexadecimal digits.
    pub hash: String,
    /// The plan's JSON text, exactly as hashed.
    pub json: String,
}

/// Why a sealed plan could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The text is not what was sealed.
    #[error(
        "the plan's text does not have the hash {expected} under which it was sealed: restore it from a backup or submit the job again"
    )]
    Altered {
        /// Hash that came with it.
        expected: String,
    },
    /// Another program's version.
    #[error("the plan has version {found}, this program reads up to {PLAN_VERSION}: update the runner")]
    Version {
        /// Version in the text.
        found: u32,
    },
    /// Not a plan.
    #[error("the plan cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
}

impl Plan {
    /// Steps in an image, and nothing beside them.
    pub fn of_steps(image: impl Into<String>, steps: Vec<PlanStep>, limits: BuildLimits) -> Plan {
        Plan {
            version: PLAN_VERSION,
            backend: Backend::Sandbox,
            image: image.into(),
            arch: None,
            packages: vec![],
            repositories: BTreeMap::new(),
            sources: vec![],
            environment: vec![],
            secrets: vec![],
            oauth: None,
            shell: false,
            steps,
            artifacts: vec![],
            nix: None,
            limits,
        }
    }

    /// A task of the backend `nix`, which has no image and no steps.
    pub fn of_nix(task: NixTask, limits: BuildLimits) -> Plan {
        let artifacts = match task {
            NixTask::Evaluate(_) => vec![RESULT.into()],
            NixTask::Realise(_) => vec![],
        };
        let nothing = Plan::of_steps("nix", vec![], limits);
        Plan { backend: Backend::Nix, artifacts, nix: Some(task), ..nothing }
    }

    /// Fixes the plan's text and hash. Equal plans seal to equal text.
    pub fn seal(&self) -> Result<SealedPlan, PlanError> {
        let json = serde_json::to_string(self)?;
        Ok(SealedPlan { hash: hash(&json), json })
    }
}

impl SealedPlan {
    /// Reads the plan back, after making sure that nothing changed it.
    pub fn open(&self) -> Result<Plan, PlanError> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        if hash(&self.json) != self.hash {
            return Err(PlanError::Altered { expected: self.hash.clone() });
        }
        let Head { version } = serde_json::from_str(&self.json)?;
        if version > PLAN_VERSION {
            return Err(PlanError::Version { found: version });
        }
        Ok(serde_json::from_str(&self.json)?)
    }
}

fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let steps = vec![PlanStep { name: "a".into(), script: "true".into() }];
        let environment = vec![("A".into(), EnvValue::Null)];
        Plan { environment, ..Plan::of_steps("host", steps, BuildLimits::default()) }
    }

    #[test]
    fn opens_what_was_sealed() {
        let sealed = plan().seal().unwrap();
        assert_eq!(sealed.open().unwrap(), plan());
        assert_eq!(sealed, plan().seal().unwrap());
    }

    #[test]
    fn refuses_what_was_altered() {
        let mut sealed = plan().seal().unwrap();
        sealed.json = sealed.json.replace("true", "false");
        assert!(matches!(sealed.open(), Err(PlanError::Altered { .. })));
    }

    #[test]
    fn refuses_a_newer_version_by_its_number() {
        let json = r#"{"version":99,"something":"new"}"#.to_string();
        let sealed = SealedPlan { hash: hash(&json), json };
        assert!(matches!(sealed.open(), Err(PlanError::Version { found: 99 })));
    }
}
