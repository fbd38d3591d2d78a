//! How a build ended, in Hydra's numbers.

use ropewalk_model::nix::Realised;
use ropewalk_model::status::{Cause, JobStatus};

/// Hydra's number for what became of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildStatus(pub i64);

impl BuildStatus {
    /// All that it asked for is there.
    pub const SUCCEEDED: BuildStatus = BuildStatus(0);
    /// Its builder failed.
    pub const FAILED: BuildStatus = BuildStatus(1);
    /// Something that it needs failed.
    pub const DEPENDENCY_FAILED: BuildStatus = BuildStatus(2);
    /// The farm failed, not the build.
    pub const ABORTED: BuildStatus = BuildStatus(3);
    /// Somebody ended it.
    pub const CANCELLED: BuildStatus = BuildStatus(4);
    /// It succeeded and says itself that it failed.
    pub const FAILED_WITH_OUTPUT: BuildStatus = BuildStatus(6);
    /// It, or its next word, took too long.
    pub const TIMED_OUT: BuildStatus = BuildStatus(7);
    /// No machine is of its kind.
    pub const UNSUPPORTED: BuildStatus = BuildStatus(9);
    /// It printed too much.
    pub const LOG_LIMIT: BuildStatus = BuildStatus(10);
    /// It made too much.
    pub const OUTPUT_LIMIT: BuildStatus = BuildStatus(11);
    /// It made something else the second time.
    pub const NOT_DETERMINISTIC: BuildStatus = BuildStatus(12);

    /// Of a build whose own derivation ended so.
    pub fn of(cause: Cause) -> BuildStatus {
        match cause {
            Cause::StepFailed
            | Cause::ArtifactMissing
            | Cause::MemoryLimit
            | Cause::CachedFailure
            | Cause::OutputMissing
            | Cause::HashMismatch => BuildStatus::FAILED,
            Cause::DependencyFailed => BuildStatus::DEPENDENCY_FAILED,
            Cause::SetupFailed
            | Cause::SourceFailed
            | Cause::ImageMissing
            | Cause::ImageFailed
            | Cause::RunnerLost
            | Cause::NoReport
            | Cause::Infrastructure => BuildStatus::ABORTED,
            Cause::Cancelled | Cause::Superseded => BuildStatus::CANCELLED,
            Cause::Timeout | Cause::Silence => BuildStatus::TIMED_OUT,
            Cause::UnsupportedSystem => BuildStatus::UNSUPPORTED,
            Cause::LogLimit => BuildStatus::LOG_LIMIT,
            Cause::ArtifactLimit | Cause::DiskLimit => BuildStatus::OUTPUT_LIMIT,
            Cause::NotDeterministic => BuildStatus::NOT_DETERMINISTIC,
        }
    }

    /// Of a build that needs a derivation which ended so.
    pub fn of_needed(cause: Cause) -> BuildStatus {
        match BuildStatus::of(cause) {
            BuildStatus::FAILED => BuildStatus::DEPENDENCY_FAILED,
            other => other,
        }
    }
}

/// What a build's number is derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending<'a> {
    /// How its job ended.
    pub status: JobStatus,
    /// Why.
    pub cause: Option<Cause>,
    /// Why the derivation failed that it needs, where that is the cause.
    pub culprit: Option<Cause>,
    /// What lies in its outputs.
    pub realised: Option<&'a Realised>,
}

/// How a build ended.
pub fn build_status(ending: Ending<'_>) -> BuildStatus {
    match (ending.cause, ending.culprit) {
        (Some(Cause::DependencyFailed), Some(culprit)) => BuildStatus::of_needed(culprit),
        (Some(cause), _) => BuildStatus::of(cause),
        (None, _) if ending.status != JobStatus::Success => BuildStatus::ABORTED,
        (None, _) if ending.realised.is_some_and(|realised| realised.is_failed) => {
            BuildStatus::FAILED_WITH_OUTPUT
        }
        (None, _) => BuildStatus::SUCCEEDED,
    }
}

/// Whether the same derivation will fail again: then its failure is remembered. Failures that hang on limits, on the
/// network or on somebody's wish are not.
pub fn is_permanent(cause: Cause, is_fixed: bool) -> bool {
    !is_fixed && matches!(cause, Cause::StepFailed | Cause::OutputMissing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::IntoEnumIterator;

    #[test]
    fn every_cause_has_a_number_of_hydras_own_and_none_is_a_success() {
        let known = [1, 2, 3, 4, 6, 7, 9, 10, 11, 12];
        for cause in Cause::iter() {
            assert!(known.contains(&BuildStatus::of(cause).0), "{cause}");
            let needed = BuildStatus::of_needed(cause);
            assert!(known.contains(&needed.0) && needed != BuildStatus::FAILED, "{cause}");
        }
    }

    #[test]
    fn hydra_36_a_failed_dependency_passes_on_all_but_plain_failure() {
        let number = |cause, culprit| {
            let status = JobStatus::Failed;
            build_status(Ending { status, cause: Some(cause), culprit, realised: None }).0
        };
        assert_eq!(number(Cause::StepFailed, None), 1);
        assert_eq!(number(Cause::DependencyFailed, Some(Cause::StepFailed)), 2);
        assert_eq!(number(Cause::DependencyFailed, Some(Cause::CachedFailure)), 2);
        for (cause, passed_on) in
            [(Cause::Timeout, 7), (Cause::Silence, 7), (Cause::LogLimit, 10), (Cause::UnsupportedSystem, 9)]
        {
            assert_eq!(number(Cause::DependencyFailed, Some(cause)), passed_on);
            assert_eq!(number(cause, None), passed_on);
        }
    }

    #[test]
    fn a_success_that_says_that_it_failed_is_a_six() {
        let says = |is_failed| {
            let realised = Realised { is_failed, ..Realised::default() };
            let ending =
                Ending { status: JobStatus::Success, cause: None, culprit: None, realised: Some(&realised) };
            build_status(ending).0
        };
        assert_eq!((says(false), says(true)), (0, 6));
    }

    #[test]
    fn only_what_will_fail_again_is_remembered() {
        let permanent: Vec<_> = Cause::iter().filter(|cause| is_permanent(*cause, false)).collect();
        assert_eq!(permanent, [Cause::StepFailed, Cause::OutputMissing]);
        assert!(Cause::iter().all(|cause| !is_permanent(cause, true)));
    }
}
