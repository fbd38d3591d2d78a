//! Projects and jobsets.

use crate::port::StoreError;
use async_trait::async_trait;
use ropewalk_model::ids::UserId;
use ropewalk_model::time::Time;
use std::collections::BTreeMap;
use std::time::Duration;
use strum::{Display, EnumIter, EnumString};

/// Where a project's jobsets are written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declarative {
    /// Path of the file within the input.
    pub file: String,
    /// Kind of the input.
    pub kind: InputKind,
    /// The input's value.
    pub value: String,
}

/// What a person says about a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectFields {
    /// Never empty.
    pub display_name: String,
    /// May be empty.
    pub description: String,
    /// May be empty.
    pub homepage: String,
    /// Whether its jobsets are evaluated by time.
    pub is_enabled: bool,
    /// Not shown in lists for people.
    pub is_hidden: bool,
    /// Jobsets come from a file.
    pub declarative: Option<Declarative>,
}

/// Jobsets that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Never used again.
    pub id: i64,
    /// Unique.
    pub name: String,
    /// Whose it is.
    pub owner: UserId,
    /// That user's name.
    pub owner_name: String,
    /// Who else has the owner's rights.
    pub members: Vec<UserId>,
    /// What it is.
    pub fields: ProjectFields,
    /// Names of its jobsets, in order.
    pub jobsets: Vec<String>,
}

/// A project to be made.
#[derive(Clone, Debug)]
pub struct NewProject {
    /// Unique.
    pub name: String,
    /// Whose it is.
    pub owner: UserId,
    /// Who else has the owner's rights.
    pub members: Vec<UserId>,
    /// What it is.
    pub fields: ProjectFields,
}

/// A project's change.
#[derive(Clone, Debug)]
pub struct ProjectUpdate {
    /// Which.
    pub id: i64,
    /// The name from now on.
    pub name: String,
    /// Somebody else, from now on.
    pub owner: Option<UserId>,
    /// Others than before, from now on.
    pub members: Option<Vec<UserId>>,
    /// Replaces all.
    pub fields: ProjectFields,
}

/// When a jobset is evaluated by time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, EnumIter)]
pub enum Enabled {
    /// Never.
    #[default]
    Off,
    /// Every interval.
    On,
    /// Once; then it is [`Enabled::Off`].
    OneShot,
    /// Every interval, but not before the builds of its newest evaluation have ended.
    OneAtATime,
}

impl Enabled {
    /// Hydra's number.
    pub fn number(self) -> i64 {
        match self {
            Enabled::Off => 0,
            Enabled::On => 1,
            Enabled::OneShot => 2,
            Enabled::OneAtATime => 3,
        }
    }

    /// Of Hydra's number; none for one that it does not have.
    pub fn of_number(number: i64) -> Option<Enabled> {
        [Enabled::Off, Enabled::On, Enabled::OneShot, Enabled::OneAtATime]
            .into_iter()
            .find(|enabled| enabled.number() == number)
    }
}

/// What an input is. Hydra's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumIter, EnumString)]
#[strum(serialize_all = "lowercase")]
pub enum InputKind {
    /// `URI [BRANCH|COMMIT [DEEP] [timeout=SECONDS]]`.
    Git,
    /// An absolute path.
    Path,
    /// A text, taken as it stands.
    String,
    /// `true` or `false`.
    Boolean,
    /// A Nix expression.
    Nix,
    /// A build's number, or `[[PROJECT:]JOBSET:]JOB`.
    Build,
    /// An evaluation's number, `PROJECT:JOBSET` or `PROJECT:JOBSET:JOB`.
    Eval,
}

/// What an expression is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobsetInput {
    /// How the value is to be taken.
    pub kind: InputKind,
    /// In the words of its kind.
    pub value: String,
    /// Whether those who changed it hear of failures.
    pub tells_committers: bool,
}

/// What a person says about a jobset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobsetFields {
    /// May be empty.
    pub description: String,
    /// Name of the input that holds the expression.
    pub expression_input: String,
    /// Path of the expression within it.
    pub expression_path: String,
    /// When it is evaluated by time.
    pub enabled: Enabled,
    /// Not shown in lists for people.
    pub is_hidden: bool,
    /// Whether results are mailed.
    pub sends_mail: bool,
    /// Where they are mailed to; empty: to the maintainers.
    pub mail_to: String,
    /// Seconds; 0: only when it is asked for.
    pub check_interval: i64,
    /// Evaluations whose outputs are kept.
    pub keep: i64,
    /// Weight among other jobsets; positive.
    pub shares: i32,
    /// By name.
    pub inputs: BTreeMap<String, JobsetInput>,
}

/// How far a jobset's evaluation is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobsetProgress {
    /// It is to be evaluated, not before then; none: nobody asked.
    pub triggered: Option<Time>,
    /// It is to be evaluated although its inputs are the same.
    pub is_forced: bool,
    /// When it was last evaluated, or found to be the same.
    pub checked: Option<Time>,
    /// Since when it is evaluated; none while it is not.
    pub started: Option<Time>,
    /// What the last evaluation could not do; empty if all went well.
    pub error: String,
    /// When that was written.
    pub error_at: Option<Time>,
    /// Why its inputs could not be had.
    pub fetch_error: Option<String>,
}

/// An expression that is evaluated again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jobset {
    /// Never used again.
    pub id: i64,
    /// Number of its project.
    pub project: i64,
    /// Name of its project.
    pub project_name: String,
    /// Unique within the project.
    pub name: String,
    /// What it is.
    pub fields: JobsetFields,
    /// An administrator saved it: its inputs may lie anywhere on the runner's machine.
    pub is_trusted: bool,
    /// How far it is.
    pub progress: JobsetProgress,
}

/// A jobset to be made or replaced.
#[derive(Clone, Debug)]
pub struct JobsetSave {
    /// Number of its project.
    pub project: i64,
    /// The name until now; one that nothing has makes a jobset.
    pub known_as: String,
    /// The name from now on.
    pub name: String,
    /// Replaces all.
    pub fields: JobsetFields,
    /// Whether an administrator saves it.
    pub is_trusted: bool,
}

/// What became of a [`JobsetSave`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is new.
    Made,
    /// It was there.
    Replaced,
}

/// A wish that a jobset be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobsetTrigger {
    /// Which.
    pub jobset: i64,
    /// Also if its inputs are the same.
    pub is_forced: bool,
    /// How long it rests after its last evaluation.
    pub rest: Duration,
}

/// Port for projects and jobsets.
#[async_trait]
pub trait Projects: Send + Sync {
    /// All projects, at most `limit`: enabled ones first, then by name.
    async fn projects(&self, limit: u32) -> Result<Vec<Project>, StoreError>;
    /// A project by its name.
    async fn project(&self, name: &str) -> Result<Option<Project>, StoreError>;
    /// Makes a project, with the jobset `.jobsets` if it is declarative. [`StoreError::Conflict`] if the name is taken.
    async fn create_project(&self, new: NewProject) -> Result<Project, StoreError>;
    /// Changes a project. A file of jobsets makes the jobset `.jobsets`, its end removes it.
    /// [`StoreError::Conflict`] if the name is taken.
    async fn update_project(&self, update: ProjectUpdate) -> Result<(), StoreError>;
    /// Removes a project with its jobsets, and cancels what is evaluated and built for them. [`StoreError::Missing`] if there is none.
    async fn delete_project(&self, id: i64) -> Result<(), StoreError>;
    /// Jobsets of a project: hidden ones last, enabled ones first, then by name.
    async fn jobsets(&self, project: i64) -> Result<Vec<Jobset>, StoreError>;
    /// A jobset by the names of its project and its own.
    async fn jobset(&self, project: &str, name: &str) -> Result<Option<Jobset>, StoreError>;
    /// A jobset by its number.
    async fn jobset_numbered(&self, id: i64) -> Result<Option<Jobset>, StoreError>;
    /// The name now of a jobset that was once called so.
    async fn renamed_jobset(&self, project: &str, old: &str) -> Result<Option<String>, StoreError>;
    /// Makes or replaces a jobset. One that is enabled and looked at by time is triggered.
    /// [`StoreError::Conflict`] if the new name is taken.
    async fn save_jobset(&self, save: JobsetSave) -> Result<Saved, StoreError>;
    /// Removes a jobset, and cancels what is evaluated and built for it. [`StoreError::Missing`] if there is none.
    async fn delete_jobset(&self, id: i64) -> Result<(), StoreError>;
    /// Notes that jobsets are to be evaluated. Those that wait for it already are left as they are, but for the force.
    async fn trigger_jobsets(&self, triggers: Vec<JobsetTrigger>) -> Result<(), StoreError>;
    /// Enabled jobsets of enabled projects that have an input with this value, at most `limit`, by number.
    async fn jobsets_with_input(&self, value: &str, limit: u32) -> Result<Vec<Jobset>, StoreError>;
    /// Projects that are not hidden and whose name or texts hold this, in any case of letters, by name.
    async fn find_projects(&self, text: &str, limit: u32) -> Result<Vec<Project>, StoreError>;
    /// Jobsets that are not hidden, nor their project, and whose name or description holds this, in any case of
    /// letters, by name.
    async fn find_jobsets(&self, text: &str, limit: u32) -> Result<Vec<Jobset>, StoreError>;
}
