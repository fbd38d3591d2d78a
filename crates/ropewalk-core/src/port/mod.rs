//! What the core asks of the outside, as whole use-case transactions in plain data types.
//!
//! Each method is one transaction: it happened durably, or not at all. Methods that change the state of a job, step
//! or work go through [`ropewalk_model::status`] and write the events and deliveries of the change in the same
//! transaction. Exceptions to durability are named where they stand.

mod arch;
mod blobs;
mod clock;
mod deliveries;
mod error;
mod identity;
mod jobs;
mod logs;
mod nix;
mod packages;
mod queue;

pub use arch::{
    Arch, BuildLog, DueBuild, LogFilter, Native, NewBuild, NewLog, Poll, Pool, Target, TargetArch,
    TargetBuild, TargetFields, TargetFilter, TargetKind, TargetRuns, Window,
};
pub use blobs::{BlobRef, Blobs, LANDMARKS_EVERY, Landmark, Seek};
pub use clock::{Clock, SystemClock};
pub use deliveries::{Deliveries, Delivery, NewDelivery, Trigger, TriggerAction, TriggerCondition};
pub use error::StoreError;
pub use identity::{Identity, NewSession, NewToken, NewUser, Role, Token, User};
pub use jobs::{
    Artifact, AttemptSummary, Culprit, Group, JobFilter, Jobs, Loss, NewGroup, NewJob, NewWork, Page,
    Submission, Submitted, WorkRef,
};
pub use logs::{LogRef, LogSlice, LogTime, Logs};
pub use nix::{
    BriefBuild, Build, BuildFilter, BuildProgress, Builds, Counts, Declarative, DerivationAttempt, DueJobset,
    Enabled, EndedBuild, EndedEvaluation, Evaluated, EvaluatedJobset, EvaluationRow, Evaluations,
    FailedDerivation, Failure, InputKind, Jobset, JobsetFields, JobsetInput, JobsetProgress, JobsetSave,
    JobsetTrigger, MeasuredBuild, NewDerivation, NewEvaluation, NewMember, NewNixBuild, NewProject, NixRoots,
    Project, ProjectFields, ProjectUpdate, Projects, Resolved, ResolvedBuild, RetriedBuild, Retry, Saved,
    TakeOver, Taken, Wanted,
};
pub use nix::{NixEntry, NixFiles, NixFound};
pub use packages::{DatabaseRow, EntryText, NewPackage, PackageRow, Packages, RepoLimits, Repository};
pub use queue::{Expired, Finish, Finished, Lease, Queue, Renewal, RunnerRow, Standing, Waiting};

/// All that a database does for the core.
pub trait Store:
    Identity + Jobs + Queue + Deliveries + Arch + Packages + Projects + Evaluations + Builds
{
}
impl<T: Identity + Jobs + Queue + Deliveries + Arch + Packages + Projects + Evaluations + Builds> Store
    for T
{
}
