//! Nix: what an evaluation and the build of a derivation ask of a runner, and what they answer.
//!
//! An evaluation answers with an [`EvaluationResult`] as JSON in the artifact [`RESULT`]; the build of a derivation with
//! a [`Realised`] as JSON in facts [`REALISED`], which are joined in their order.

use crate::work::Requirement;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the artifact that an evaluation leaves.
pub const RESULT: &str = "evaluation.json";
/// Name of the facts that the build of a derivation leaves.
pub const REALISED: &str = "nix.realised";

/// What a plan of the backend `nix` runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NixTask {
    /// Finds the jobs of a jobset.
    Evaluate(Box<Evaluation>),
    /// Builds one derivation whose inputs are valid.
    Realise(Realise),
}

/// One evaluation of a jobset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Evaluation {
    /// By name; each becomes an argument of the expression, and a search path entry if it is in the store.
    pub inputs: BTreeMap<String, Input>,
    /// The input that holds the expression.
    pub expression_input: String,
    /// Path of the expression within it: relative, without `..`.
    pub expression_path: String,
    /// [`EvaluationResult::hash`] of the jobset's newest evaluation: the same again and nothing is evaluated. None
    /// evaluates always.
    pub unless: Option<String>,
    /// Whether the expression may read what has to be built first.
    pub import_from_derivation: bool,
    /// What it may use.
    pub limits: EvaluationLimits,
}

/// What an evaluation may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EvaluationLimits {
    /// Seconds for all of it, inputs included.
    pub time: u64,
    /// Seconds for one attribute.
    pub attribute_time: u64,
    /// Bytes of memory of the evaluator.
    pub memory: u64,
    /// Jobs and errors of one evaluation.
    pub jobs: usize,
    /// Bytes of the text of one job's error.
    pub error: usize,
    /// Bytes of one fetched input.
    pub input: u64,
    /// Seconds for fetching one input, whatever it asks for itself.
    pub fetch_time: u64,
    /// Bytes that all programs of the evaluation may have written, whatever became of them.
    pub disk: u64,
    /// Bytes of all clones that the machine keeps.
    pub clones: u64,
    /// Seconds for which a clone is kept that no evaluation uses.
    pub clones_age: u64,
}

impl Default for EvaluationLimits {
    fn default() -> Self {
        EvaluationLimits {
            time: 3600,
            attribute_time: 300,
            memory: 4 << 30,
            jobs: 100_000,
            error: 16 << 10,
            input: 4 << 30,
            fetch_time: 1800,
            disk: 24 << 30,
            clones: 16 << 30,
            clones_age: 30 * 86_400,
        }
    }
}

/// An input with its value, after Hydra's kinds. What other builds made is looked up before the plan is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Input {
    /// A git repository.
    Git {
        /// Address, or an absolute path where [`Input::Git::local`] allows it.
        uri: String,
        /// Branch or commit; none means the remote's default.
        reference: Option<String>,
        /// With all history and `.git`.
        deep: bool,
        /// Seconds that fetching may take.
        timeout: u64,
        /// Whether it may be a path or `file:` address of the runner's machine.
        local: bool,
        /// Whether such a path may lie anywhere, as an administrator named it; else only below the folders that the
        /// runner's machine opens to everybody.
        #[serde(default)]
        free: bool,
    },
    /// A file or folder of the runner's machine, copied into the store.
    Path {
        /// Absolute.
        path: String,
        /// As of [`Input::Git`].
        #[serde(default)]
        free: bool,
    },
    /// A text.
    String {
        /// The text.
        value: String,
    },
    /// A truth value.
    Boolean {
        /// The value.
        value: bool,
    },
    /// A Nix expression.
    Nix {
        /// Its text.
        value: String,
    },
    /// What a build made.
    Build {
        /// The build's number.
        id: i64,
        /// Store path of its output.
        path: String,
        /// Derivation that made it.
        drv_path: String,
        /// Name of the output.
        output_name: String,
        /// The part of the build's name after its first dash that a digit follows.
        version: Option<String>,
    },
    /// What the builds of an evaluation made.
    Eval {
        /// The evaluation's number.
        id: i64,
        /// Job name to store path.
        jobs: BTreeMap<String, String>,
    },
}

/// What came of an evaluation that did not fail as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EvaluationResult {
    /// SHA-256 in hexadecimal of expression input and path and of all arguments.
    pub hash: String,
    /// What the inputs were resolved to, by name.
    pub inputs: BTreeMap<String, ResolvedInput>,
    /// Whole seconds that the inputs took.
    pub checkout_time: u64,
    /// Whole seconds that the evaluation took.
    pub evaluation_time: u64,
    /// None: the hash was [`Evaluation::unless`], and nothing was evaluated.
    pub found: Option<Found>,
    /// The feature by which runners with this store are known: nobody else has the derivations.
    #[serde(default)]
    pub store: Option<String>,
}

/// What an input was resolved to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ResolvedInput {
    /// Hydra's word for its kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it was fetched from.
    pub uri: Option<String>,
    /// Commit, or Hydra's time stamp of a path.
    pub revision: Option<String>,
    /// The value as text, where it has one.
    pub value: Option<String>,
    /// Number of the build or evaluation that it came from.
    pub dependency: Option<i64>,
    /// Where it lies in the store.
    pub store_path: Option<String>,
}

/// The jobs that were found, and what has to be built for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Found {
    /// In the order of their names.
    pub jobs: Vec<FoundJob>,
    /// Attributes that could not be evaluated: name and text.
    pub errors: Vec<(String, String)>,
    /// Every derivation that some job needs and that is not valid yet, by its path; the jobs' own always.
    pub derivations: BTreeMap<String, Derivation>,
}

/// A job of a jobset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct FoundJob {
    /// Attribute names joined by dots.
    pub name: String,
    /// The derivation's name.
    pub nix_name: String,
    /// Nix's word for the machine (`x86_64-linux`).
    pub system: String,
    /// Store path of the derivation, a key of [`Found::derivations`].
    pub drv_path: String,
    /// Output name to store path.
    pub outputs: BTreeMap<String, String>,
    /// `meta.description`.
    pub description: Option<String>,
    /// `meta.homepage`.
    pub homepage: Option<String>,
    /// Short names, joined by a comma and a blank.
    pub license: Option<String>,
    /// Addresses, joined likewise.
    pub maintainers: Option<String>,
    /// `meta.schedulingPriority`.
    pub priority: Option<i32>,
    /// Seconds, `meta.timeout`.
    pub timeout: Option<u64>,
    /// Seconds, `meta.maxSilent`.
    pub max_silent: Option<u64>,
    /// `meta.isChannel` or `meta.isHydraChannel`.
    pub is_channel: bool,
    /// Names of the jobs that an aggregate consists of; none if it is no aggregate.
    pub constituents: Option<Vec<String>>,
}

/// A derivation, as far as the queue has to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Derivation {
    /// Its name without `.drv`.
    pub name: String,
    /// Nix's word for the machine, or `builtin`.
    pub system: String,
    /// Derivations among [`Found::derivations`] that it needs.
    pub needs: Vec<String>,
    /// Output name to store path.
    pub outputs: BTreeMap<String, String>,
    /// `requiredSystemFeatures`.
    pub features: Vec<String>,
    /// Its output is fixed by a hash: a failure may be the network's.
    pub is_fixed: bool,
    /// What is in its outputs, if they are valid already: then it need not be built.
    pub realised: Option<Realised>,
}

/// The build of one derivation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Realise {
    /// Store path of the derivation.
    pub drv_path: String,
    /// Output name to store path.
    pub outputs: BTreeMap<String, String>,
    /// Seconds; none means the plan's `build-time`.
    pub timeout: Option<u64>,
    /// Seconds without output.
    pub max_silent: u64,
    /// Bytes of all outputs together; none means no limit.
    pub max_output: Option<u64>,
}

/// What lies in the valid outputs of a derivation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Realised {
    /// Bytes of the outputs as archives.
    pub size: u64,
    /// Bytes of everything that the outputs refer to, as archives.
    pub closure_size: u64,
    /// Files and folders that the build offers, numbered from 1 in this order.
    pub products: Vec<Product>,
    /// By name.
    pub metrics: BTreeMap<String, Metric>,
    /// `nix-support/hydra-release-name`.
    pub release_name: Option<String>,
    /// `nix-support/failed` is there: the build itself says that it failed.
    pub is_failed: bool,
    /// Something was built for them; else they were valid before.
    pub is_built: bool,
}

impl Eq for Realised {}

/// A file or folder that a build offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Product {
    /// First word of its line; `nix-build` for a whole output.
    #[serde(rename = "type")]
    pub kind: String,
    /// Second word of its line.
    pub subtype: String,
    /// Last part of its path; empty for a whole output.
    pub name: String,
    /// Absolute, in the store.
    pub path: String,
    /// File to show of a folder.
    pub default_path: Option<String>,
    /// Bytes of a plain file.
    pub size: Option<u64>,
    /// SHA-256 in hexadecimal of a plain file.
    pub sha256: Option<String>,
}

/// A number that a build measured. Finite.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// The number.
    pub value: f64,
    /// What it counts.
    pub unit: Option<String>,
}

/// The kind of works that runners with Nix take.
pub const KIND: &str = "nix";
/// What Nix calls derivations that it carries out itself, on any machine.
const ANYWHERE: &str = "builtin";

impl Derivation {
    /// What its build asks of a runner: the machine and the features that it names, in Nix's own words.
    pub fn requirement(&self) -> Requirement {
        let system = Some(&self.system).filter(|system| *system != ANYWHERE);
        let features = self.features.iter().chain(system).cloned().collect();
        Requirement { kind: KIND.into(), arch: None, image: None, features }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_derivation_asks_for_its_system_and_features() {
        let system = |system: &str, features: &[&str]| Derivation {
            system: system.into(),
            features: features.iter().map(ToString::to_string).collect(),
            ..Derivation::default()
        };
        assert_eq!(system("x86_64-linux", &["kvm"]).requirement().class(), "nix * * kvm,x86_64-linux");
        assert_eq!(system("builtin", &[]).requirement().class(), "nix * * ");
    }

    #[test]
    fn a_result_is_read_as_it_is_written() {
        let result = EvaluationResult {
            hash: "aa".into(),
            inputs: BTreeMap::from([("src".into(), ResolvedInput::default())]),
            checkout_time: 1,
            evaluation_time: 2,
            found: Some(Found {
                jobs: vec![FoundJob::default()],
                errors: vec![("a".into(), "b".into())],
                derivations: BTreeMap::from([(
                    "/nix/store/a.drv".into(),
                    Derivation { realised: Some(Realised::default()), ..Derivation::default() },
                )]),
            }),
            store: Some("store-1".into()),
        };
        let text = serde_json::to_string(&result).unwrap();
        assert_eq!(serde_json::from_str::<EvaluationResult>(&text).unwrap(), result);
    }
}
