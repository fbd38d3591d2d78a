//! The format of a scenario. Times and durations are whole seconds, times counted from its beginning.

use ropewalk_core::port::Trigger;
use ropewalk_model::job::JobKind;
use ropewalk_model::status::Cause;
use serde::Deserialize;

/// One scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// What it is about.
    pub about: String,
    /// How long a lease holds.
    #[serde(default = "ten_minutes")]
    pub lease: u64,
    /// It ends then; else when nothing is left to happen.
    #[serde(default)]
    pub until: Option<u64>,
    /// The database is audited after so many steps.
    #[serde(default = "one")]
    pub audit_every: u64,
    /// What is refused because of a job's status, or comes before its job, is skipped; for scenarios that were thrown
    /// by dice.
    #[serde(default)]
    pub lenient: bool,
    /// Who runs works.
    pub runners: Vec<RunnerSpec>,
    /// What people do.
    pub timeline: Vec<TimedAct>,
}

/// Runners of one kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RunnerSpec {
    /// Their name; with a number behind it if there are several.
    pub name: String,
    /// How many there are.
    #[serde(default = "one")]
    pub count: u64,
    /// Works at the same time.
    #[serde(default = "one")]
    pub slots: u64,
    /// What they can run.
    #[serde(default = "sandbox")]
    pub kind: String,
    /// They renew their leases and report steps; stock Vieter agents do neither.
    #[serde(default = "yes")]
    pub reports: bool,
    /// They take what they can and are never heard of again.
    #[serde(default)]
    pub vanishes: bool,
}

/// Something that happens at some time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TimedAct {
    /// When.
    pub at: u64,
    /// What.
    #[serde(rename = "do")]
    pub act: Act,
}

/// What people do.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Submit works and jobs.
    Submit(SubmitSpec),
    /// Make a group.
    Group(GroupSpec),
    /// Start a group.
    StartGroup(String),
    /// Start a job.
    Start(String),
    /// Cancel a job.
    Cancel(String),
    /// Restart a job.
    Restart(String),
    /// Put the work of a job in front.
    Bump(String),
    /// Set a flag that scripts need.
    Set(String),
}

impl Act {
    /// The job that it is about.
    pub fn job(&self) -> Option<&str> {
        match self {
            Act::Start(job) | Act::Cancel(job) | Act::Restart(job) | Act::Bump(job) => Some(job),
            Act::Submit(_) | Act::Group(_) | Act::StartGroup(_) | Act::Set(_) => None,
        }
    }
}

/// One submission, or several that differ in a number behind every name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SubmitSpec {
    /// How often; names get `-1`, `-2`, … if it is given.
    #[serde(default)]
    pub repeat: Option<u64>,
    /// In the order in which they need each other.
    pub works: Vec<WorkSpec>,
    /// Jobs that need them.
    pub jobs: Vec<JobSpec>,
}

/// A work.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WorkSpec {
    /// Its name; also what its runs are counted under.
    pub name: String,
    /// It is shared by its name with other submissions.
    #[serde(default)]
    pub shared: bool,
    /// Names of works of the same submission.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Who pays.
    #[serde(default)]
    pub share: Share,
    /// What it asks of a runner.
    #[serde(default = "sandbox")]
    pub kind: String,
    /// Higher first.
    #[serde(default)]
    pub priority: i32,
    /// Seconds after its submission before which it is held.
    #[serde(default)]
    pub after: Option<u64>,
    /// Scripts of its steps, for the dummy.
    #[serde(default = "ten_seconds")]
    pub steps: Vec<String>,
    /// Attempts that may be lost.
    #[serde(default = "three")]
    pub attempts: u32,
    /// Why it fails when they are.
    #[serde(default = "runner_lost")]
    pub lost: Cause,
}

/// A share group.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Share {
    /// Its name.
    pub group: String,
    /// Its weight.
    pub shares: i32,
}

impl Default for Share {
    fn default() -> Share {
        Share { group: "everybody".into(), shares: 100 }
    }
}

/// A job.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JobSpec {
    /// Its name.
    pub name: String,
    /// What it is.
    #[serde(default = "srht")]
    pub kind: JobKind,
    /// Whose it is.
    #[serde(default = "mary")]
    pub owner: String,
    /// Name of the work that decides it.
    pub root: String,
    /// False: it stays pending until it is started.
    #[serde(default = "yes")]
    pub execute: bool,
    /// What is done at its end.
    #[serde(default)]
    pub triggers: Vec<Trigger>,
}

/// A group.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GroupSpec {
    /// Its name.
    pub name: String,
    /// Whose it is.
    #[serde(default = "mary")]
    pub owner: String,
    /// Names of its jobs.
    pub jobs: Vec<String>,
    /// What is done when all have ended.
    #[serde(default)]
    pub triggers: Vec<Trigger>,
    /// Start them at once.
    pub execute: bool,
}

fn ten_minutes() -> u64 {
    600
}

fn one() -> u64 {
    1
}

fn three() -> u32 {
    3
}

fn yes() -> bool {
    true
}

fn sandbox() -> String {
    "sandbox".into()
}

fn mary() -> String {
    "mary".into()
}

fn srht() -> JobKind {
    JobKind::Srht
}

fn runner_lost() -> Cause {
    Cause::RunnerLost
}

fn ten_seconds() -> Vec<String> {
    vec!["sleep 10".into()]
}
