//! The domain's nouns as this API writes them.

use ropewalk_core::identity::PASSWORD_MIN;
use ropewalk_core::jobs::Waiter;
use ropewalk_core::port::{Artifact, AttemptSummary, RunnerRow, Token, User, Waiting};
use ropewalk_model::event::{Event, Fact};
use ropewalk_model::job::{Job, Step};
use ropewalk_model::time::Time;
use serde::Serialize;
use utoipa::ToSchema;

fn at(time: Time) -> String {
    time.to_string()
}

fn maybe(time: Option<Time>) -> Option<String> {
    time.map(at)
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobView {
    /// Its number.
    id: i64,
    /// `srht`, `hydra-build`, `hydra-evaluation` or `vieter`.
    kind: String,
    /// Name of its owner.
    owner: String,
    /// Address of its page.
    url: String,
    /// Group that it belongs to.
    group: Option<i64>,
    /// From 1; raised when it is reopened.
    round: i32,
    /// `pending`, `queued`, `running`, `success`, `failed`, `timeout` or `cancelled`.
    pub(crate) status: String,
    /// Why it did not succeed.
    cause: Option<String>,
    /// `public`, `unlisted` or `private`.
    visibility: String,
    /// Free text, markdown.
    note: Option<String>,
    /// In the order given.
    tags: Vec<String>,
    /// Name of its image.
    image: Option<String>,
    /// Runner of its last attempt.
    runner: Option<String>,
    /// Time of submission.
    created: String,
    /// Time of the last change.
    updated: String,
    /// When this round began to wait.
    queued: Option<String>,
    /// When a runner took it.
    started: Option<String>,
    /// When it ended.
    ended: Option<String>,
}

impl JobView {
    pub(crate) fn new(job: Job, url: String) -> JobView {
        JobView {
            id: job.id.0,
            kind: job.kind.to_string(),
            owner: job.owner_name,
            url,
            group: job.group.map(|group| group.0),
            round: job.round,
            status: job.status.to_string(),
            cause: job.cause.map(|cause| cause.to_string()),
            visibility: job.visibility.to_string(),
            note: job.note,
            tags: job.tags,
            image: job.image,
            runner: job.runner,
            created: at(job.created),
            updated: at(job.updated),
            queued: maybe(job.queued),
            started: maybe(job.started),
            ended: maybe(job.ended),
        }
    }
}

/// A job with what belongs to it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobDetail {
    #[serde(flatten)]
    pub(crate) job: JobView,
    /// What its last attempt said about its end.
    pub(crate) message: Option<String>,
    /// Why it waits, while it does.
    pub(crate) waiting: Option<WaitingView>,
    /// In the order of the manifest.
    pub(crate) steps: Vec<StepView>,
    /// Published files.
    pub(crate) artifacts: Vec<ArtifactView>,
}

/// A step of a job, as it went in the last attempt.
#[derive(Debug, Serialize, ToSchema, PartialEq, Eq, Clone)]
pub(crate) struct StepView {
    /// From 0.
    pub(crate) position: i32,
    /// Its name.
    name: String,
    /// `pending`, `running`, `success`, `failed` or `skipped`.
    pub(crate) status: String,
    /// Exit code, or 128 + signal.
    exit: Option<i32>,
    /// When its script was started.
    started: Option<String>,
    /// When its script ended.
    ended: Option<String>,
    /// Bytes of its log.
    log_bytes: i64,
}

impl From<Step> for StepView {
    fn from(step: Step) -> Self {
        StepView {
            position: step.position,
            name: step.name,
            status: step.status.to_string(),
            exit: step.exit,
            started: maybe(step.started),
            ended: maybe(step.ended),
            log_bytes: step.log_bytes,
        }
    }
}

/// One try at a job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttemptView {
    /// Its number over all.
    id: i64,
    /// From 1 within the job.
    number: i32,
    /// Runner that held it.
    runner: String,
    /// When it was handed out.
    leased: String,
    /// When it ended.
    ended: Option<String>,
    /// Why it did not succeed.
    cause: Option<String>,
    /// What it said about that.
    message: Option<String>,
    /// Facts that were found out while it ran: image digest, source commits, versions.
    facts: Vec<FactView>,
}

/// A fact that an attempt found out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FactView {
    /// Dotted name.
    key: String,
    /// Its value.
    value: String,
}

impl From<AttemptSummary> for AttemptView {
    fn from(attempt: AttemptSummary) -> Self {
        AttemptView {
            id: attempt.id.0,
            number: attempt.number,
            runner: attempt.runner,
            leased: at(attempt.leased),
            ended: maybe(attempt.ended),
            cause: attempt.cause.map(|cause| cause.to_string()),
            message: attempt.message,
            facts: attempt.facts.into_iter().map(|(key, value)| FactView { key, value }).collect(),
        }
    }
}

/// Something that happened to a job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventView {
    /// From 1 without gaps, per job.
    pub(crate) number: i64,
    /// When.
    at: String,
    /// `created`, `status`, `step`, `lost`, `artifact` or `updated`, with what belongs to it.
    #[schema(value_type = Object)]
    fact: Fact,
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        EventView { number: event.number, at: at(event.at), fact: event.fact }
    }
}

/// A published file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ArtifactView {
    /// Its number.
    id: i64,
    /// As the manifest names it.
    path: String,
    /// Bytes.
    size: u64,
    /// In hexadecimal.
    sha256: String,
}

impl From<Artifact> for ArtifactView {
    fn from(artifact: Artifact) -> Self {
        let Artifact { id, path, size, sha256, .. } = artifact;
        ArtifactView { id: id.0, path, size, sha256 }
    }
}

/// Why something waits.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitingView {
    /// `held`, `needs`, `no-runner` or `busy`.
    reason: &'static str,
    /// The same as a sentence.
    text: String,
}

impl WaitingView {
    pub(crate) fn new(waiting: Waiting) -> Option<WaitingView> {
        let (reason, text) = match waiting {
            Waiting::No => return None,
            Waiting::Held { until: None } => ("held", "it was not started".into()),
            Waiting::Held { until: Some(until) } => ("held", format!("it is to start at {until}")),
            Waiting::Needs { count } => {
                ("needs", format!("{count} works that it needs have not succeeded yet"))
            }
            Waiting::NoRunner { requirement } => {
                ("no-runner", format!("no runner serves what it asks for: {}", requirement.class()))
            }
            Waiting::Busy { ready, runners } => {
                ("busy", format!("{ready} works like it wait for these runners: {}", runners.join(", ")))
            }
        };
        Some(WaitingView { reason, text })
    }
}

/// A job that waits.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaiterView {
    /// The job.
    job: JobView,
    /// Why; none if it was taken just now.
    waiting: Option<WaitingView>,
}

impl WaiterView {
    pub(crate) fn new(waiter: Waiter, url: String) -> WaiterView {
        WaiterView { job: JobView::new(waiter.job, url), waiting: WaitingView::new(waiter.waiting) }
    }
}

/// A runner.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunnerView {
    /// Its name.
    name: String,
    /// Backends that it can run.
    kinds: Vec<String>,
    /// Architectures that it can run.
    archs: Vec<String>,
    /// Images that it is limited to; empty: any.
    images: Vec<String>,
    /// Further labels.
    features: Vec<String>,
    /// Builds at the same time.
    slots: u32,
    /// When it was heard of.
    seen: String,
}

impl From<RunnerRow> for RunnerView {
    fn from(row: RunnerRow) -> Self {
        let words = |set: std::collections::BTreeSet<String>| set.into_iter().collect();
        RunnerView {
            name: row.name,
            kinds: words(row.labels.kinds),
            archs: words(row.labels.archs),
            images: words(row.labels.images),
            features: words(row.labels.features),
            slots: row.slots,
            seen: at(row.seen),
        }
    }
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserView {
    /// Without `~`.
    name: String,
    /// May be empty.
    email: String,
    /// What they may do.
    roles: Vec<String>,
    /// Time of creation.
    created: String,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        UserView {
            name: user.name,
            email: user.email,
            roles: user.roles.iter().map(ToString::to_string).collect(),
            created: at(user.created),
        }
    }
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenView {
    /// Its number.
    pub(crate) id: i64,
    /// What it allows; empty: all that its user may do.
    grants: String,
    /// What it is for.
    comment: Option<String>,
    /// Time of creation.
    created: String,
    /// Not valid from then on.
    expires: Option<String>,
    /// Last time it was seen, to the minute.
    last_used: Option<String>,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        TokenView {
            id: token.id.0,
            grants: token.grants.to_string(),
            comment: token.comment,
            created: at(token.created),
            expires: maybe(token.expires),
            last_used: maybe(token.last_used),
        }
    }
}

/// A new token. The secret is shown here and never again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewTokenView {
    /// At least 40 characters of `[0-9a-zA-Z_+/]`.
    pub(crate) secret: String,
    /// Whose it is.
    pub(crate) user: String,
    /// What is stored of it.
    pub(crate) token: TokenView,
}

/// One part of a list. Give `next` as `before` for the next part.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PageView<T> {
    /// In the list's order.
    pub(crate) items: Vec<T>,
    /// None at the end.
    pub(crate) next: Option<i64>,
}

/// Kept beside the field's documentation in the API's description.
const _: () = assert!(PASSWORD_MIN == 8, "the description of new passwords says 8");
