//! Projects, their jobsets, and what is found and built for them.

mod builds;
mod evaluations;
mod files;
mod projects;
mod roots;

pub use builds::{
    BriefBuild, Build, BuildFilter, BuildProgress, Builds, Counts, DerivationAttempt, EndedBuild,
    EvaluationRow, FailedDerivation, Failure, MeasuredBuild,
};
pub use evaluations::{
    DueJobset, EndedEvaluation, Evaluated, EvaluatedJobset, Evaluations, NewBuild as NewNixBuild,
    NewDerivation, NewEvaluation, NewMember, Resolved, ResolvedBuild, RetriedBuild, Retry, TakeOver, Taken,
    Wanted,
};
pub use files::{NixEntry, NixFiles, NixFound};
pub use projects::{
    Declarative, Enabled, InputKind, Jobset, JobsetFields, JobsetInput, JobsetProgress, JobsetSave,
    JobsetTrigger, NewProject, Project, ProjectFields, ProjectUpdate, Projects, Saved,
};
pub use roots::NixRoots;
