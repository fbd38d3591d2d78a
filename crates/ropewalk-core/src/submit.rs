//! Submission of a manifest: text in, a durable job out.

pub(crate) mod labels;

use crate::access::{self, Caller};
use crate::error::{Error, Kind};
use crate::farm::Farm;
use crate::port::{
    Loss, NewJob, NewWork, StoreError, Submission, Trigger, TriggerAction, TriggerCondition, WorkRef,
};
use ropewalk_model::grant::{Grants, Mode, Scope};
use ropewalk_model::job::{Job, JobKind, Visibility};
use ropewalk_model::manifest::{
    self, Action, Condition, Manifest, ManifestError, ManifestLimits, PlanOptions, plan,
};
use ropewalk_model::status::Cause;
use ropewalk_model::work::Requirement;
use std::collections::BTreeSet;

/// Weight of a user among users.
const USER_SHARES: i32 = 100;

/// A manifest and what was said beside it.
#[derive(Clone, Debug)]
pub struct Request {
    /// What the person wrote; kept byte for byte.
    pub manifest: String,
    /// Free text, markdown. Empty is none.
    pub note: Option<String>,
    /// A tag with slashes is several; empty ones are dropped.
    pub tags: Vec<String>,
    /// Who may know of the job.
    pub visibility: Visibility,
    /// Whether secrets and `oauth` of the manifest are honoured; none: if the token allows it.
    pub secrets: Option<bool>,
    /// False: it stays pending until it is started.
    pub execute: bool,
}

impl Farm {
    /// Makes a job of a manifest.
    pub async fn submit(&self, by: &Caller, request: Request) -> Result<Job, Error> {
        access::holds(by, Scope::Jobs, Mode::Rw)?;
        let owner = access::owner(by)?;
        let limits = &self.settings.requests;
        let note = labels::note(request.note, limits)?;
        let tags = labels::tags(request.tags, limits)?;
        let limits = ManifestLimits { bytes: limits.manifest, ..ManifestLimits::default() };
        let manifest = manifest::parse(&request.manifest, &limits).map_err(refused)?;
        labels::texts(&request.manifest, &manifest)?;
        let secrets = injects_secrets(by, &manifest, request.secrets)?;
        let plan = plan(&manifest, &PlanOptions { secrets, limits: self.settings.builds.clone() });
        check_oauth(by, plan.oauth.as_deref())?;

        let work = NewWork {
            key: None,
            plan: plan.seal().map_err(Error::internal)?,
            requirement: requirement(&manifest),
            share_group: (format!("user:{}", owner.id), USER_SHARES),
            priority: 0,
            not_before: None,
            needs: vec![],
            loss: Loss { attempts: self.settings.requests.attempts.max(1), cause: Cause::RunnerLost },
            ended: None,
        };
        let job = NewJob {
            kind: JobKind::Srht,
            owner: owner.id,
            visibility: request.visibility,
            manifest: request.manifest,
            note,
            tags,
            image: Some(manifest.image),
            secrets,
            steps: manifest.tasks.into_iter().map(|task| task.name).collect(),
            triggers: manifest.triggers.into_iter().filter_map(trigger).collect(),
            root: WorkRef::New(0),
            execute: request.execute,
        };
        self.store_job(work, job).await
    }

    async fn store_job(&self, work: NewWork, job: NewJob) -> Result<Job, Error> {
        let open_jobs_limit = Some(self.settings.requests.queued_per_user);
        let submission = Submission { works: vec![work], jobs: vec![job], open_jobs_limit };
        let made = self.store.submit(submission).await.map_err(|error| match error {
            StoreError::Refused(_) => Error::new(Kind::TooMany, error.to_string()),
            error => error.into(),
        })?;
        let number = *made.jobs.first().ok_or_else(|| Error::internal("a submission made no job"))?;
        let job = self.store.job(number).await?;
        job.ok_or_else(|| Error::internal(format_args!("job {number} vanished after its submission")))
    }
}

fn refused(error: ManifestError) -> Error {
    let error_text = error.to_string();
    Error { problems: error.problems, ..Error::malformed(error_text).about("manifest") }
}

/// What the `secrets` argument of a submission means for this manifest and this token.
fn injects_secrets(by: &Caller, manifest: &Manifest, asked: Option<bool>) -> Result<bool, Error> {
    let wants = !manifest.secrets.is_empty() || manifest.oauth.is_some();
    match asked {
        Some(false) => Ok(false),
        Some(true) => access::holds(by, Scope::Secrets, Mode::Ro).map(|()| true),
        None => Ok(wants && access::holds(by, Scope::Secrets, Mode::Ro).is_ok()),
    }
}

/// A build gets no token that is stronger than the one that submitted it.
fn check_oauth(by: &Caller, oauth: Option<&str>) -> Result<(), Error> {
    let Some(oauth) = oauth else { return Ok(()) };
    let grants =
        Grants::parse(oauth).map_err(|error| Error::malformed(error.to_string()).about("manifest"))?;
    access::hand_out(by, &grants).map_err(|_| {
        Error::new(
            Kind::Forbidden,
            "cannot submit build with requested OAuth permissions: this token does not hold what the manifest's `oauth` asks for",
        )
        .about("manifest")
    })
}

/// An architecture that no machine has is left to the runner, which says which ones its image offers.
fn requirement(manifest: &Manifest) -> Requirement {
    let arch = manifest.arch.as_deref().and_then(|arch| match arch {
        "x86_64" | "amd64" => Some("x86_64"),
        "aarch64" | "arm64" => Some("aarch64"),
        "riscv64" => Some("riscv64"),
        "ppc64le" | "ppc64el" => Some("powerpc64le"),
        _ => None,
    });
    Requirement {
        kind: "sandbox".into(),
        arch: arch.map(String::from),
        image: None,
        features: BTreeSet::new(),
    }
}

/// A mail with nobody to go to is accepted, as upstream does, and never sent.
fn trigger(trigger: manifest::Trigger) -> Option<Trigger> {
    let condition = match trigger.condition {
        Condition::Always => TriggerCondition::Always,
        Condition::Success => TriggerCondition::Success,
        Condition::Failure => TriggerCondition::Failure,
    };
    let action = match trigger.action {
        Action::Email { to, cc, in_reply_to } => TriggerAction::Email { to: to?, cc, in_reply_to },
        Action::Webhook { url } => TriggerAction::Webhook { url },
    };
    Some(Trigger { condition, action })
}
