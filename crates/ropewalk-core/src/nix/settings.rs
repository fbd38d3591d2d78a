//! What an administrator decides about evaluations and builds.

use ropewalk_model::nix::EvaluationLimits;
use std::path::PathBuf;
use std::time::Duration;

/// What an administrator decides about evaluations and builds.
#[derive(Clone, Debug)]
pub struct NixSettings {
    /// Nobody starts an evaluation without an account.
    pub push_requires_login: bool,
    /// Folders of the runner's machine that jobsets of everybody may read.
    pub local_inputs: Vec<PathBuf>,
    /// Evaluations of a jobset that found nothing new, or failed, whose jobs are kept.
    pub looks_kept: u32,
    /// Evaluations that run at once.
    pub max_evaluations: u32,
    /// What one evaluation may use.
    pub evaluation: EvaluationLimits,
    /// Whether expressions may read what has to be built first.
    pub import_from_derivation: bool,
    /// Bytes of the result of an evaluation.
    pub max_result: u64,
    /// Seconds for a derivation that names none.
    pub timeout: u64,
    /// Seconds that a derivation can ask for.
    pub timeout_max: u64,
    /// Seconds without output for a derivation that names none.
    pub max_silent: u64,
    /// Seconds without output that a derivation can ask for.
    pub max_silent_max: u64,
    /// Bytes of all outputs of a derivation; none means no limit.
    pub max_output: Option<u64>,
    /// How long the failure of a derivation is remembered.
    pub failure_memory: Duration,
    /// How long a derivation waits for a runner of its system.
    pub unsupported_after: Duration,
    /// How long outputs stay that nothing asks for any more.
    pub roots_grace: Duration,
}

impl Default for NixSettings {
    fn default() -> Self {
        NixSettings {
            push_requires_login: false,
            local_inputs: vec![],
            looks_kept: 10,
            max_evaluations: 4,
            evaluation: EvaluationLimits::default(),
            import_from_derivation: false,
            max_result: 256 << 20,
            timeout: 36_000,
            timeout_max: 7 * 24 * 3600,
            max_silent: 7200,
            max_silent_max: 24 * 3600,
            max_output: None,
            failure_memory: Duration::from_secs(7 * 24 * 3600),
            unsupported_after: Duration::from_secs(120),
            roots_grace: Duration::from_secs(24 * 3600),
        }
    }
}
