//! The one module that decides who may do what. Doors and use cases only ask it.
//!
//! Whoever may not know that a thing exists gets the very answer for a missing thing.

use crate::error::{Error, Kind};
use crate::port::{Project, Role, User};
use ropewalk_model::grant::{Grants, Mode, Scope};
use ropewalk_model::ids::UserId;
use ropewalk_model::job::{Job, Visibility};
use ropewalk_model::time::Time;

/// Who asks, and with what right.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Nobody in particular.
    Anonymous,
    /// Somebody who holds the server's own socket or data folder: an administrator without an account.
    Local,
    /// Somebody with a token, a session or a password.
    User {
        /// Who.
        user: Box<User>,
        /// What the token allows; [`Grants::All`] for sessions.
        grants: Grants,
        /// When that ends; none for a token that does not expire.
        expires: Option<Time>,
        /// Digest of the token, to ask again whether it is valid; none where there was none.
        token: Option<String>,
    },
}

impl Caller {
    /// The account, if there is one.
    pub fn user(&self) -> Option<&User> {
        match self {
            Caller::User { user, .. } => Some(user),
            Caller::Anonymous | Caller::Local => None,
        }
    }

    fn id(&self) -> Option<UserId> {
        self.user().map(|user| user.id)
    }

    /// Whether administrators' rights apply: the role, not narrowed by the token's grants.
    fn is_admin(&self) -> bool {
        match self {
            Caller::Anonymous => false,
            Caller::Local => true,
            Caller::User { user, .. } => user.roles.contains(&Role::Admin),
        }
    }
}

/// Passes if the caller's token contains the grant. Anonymous callers pass reads: what they may see is decided
/// thing by thing.
pub fn holds(caller: &Caller, scope: Scope, mode: Mode) -> Result<(), Error> {
    match caller {
        Caller::Local => Ok(()),
        Caller::Anonymous if mode == Mode::Ro => Ok(()),
        Caller::Anonymous => Err(log_in()),
        Caller::User { grants, .. } if grants.allow(scope, mode) => Ok(()),
        Caller::User { .. } => {
            let mode = if mode == Mode::Rw { "RW" } else { "RO" };
            Err(Error::new(
                Kind::Forbidden,
                format!(
                    "this token does not grant {scope}:{mode}: make one that does with `ropewalk token create`"
                ),
            ))
        }
    }
}

/// The account that a thing is to belong to.
pub fn owner(caller: &Caller) -> Result<&User, Error> {
    match caller {
        Caller::User { user, .. } => Ok(user),
        Caller::Anonymous => Err(log_in()),
        Caller::Local => Err(Error::new(
            Kind::Forbidden,
            "the administrator's socket has no account: send this with a user's token",
        )),
    }
}

/// Passes whoever has an account.
pub fn member(caller: &Caller) -> Result<(), Error> {
    match caller {
        Caller::Anonymous => Err(log_in()),
        Caller::Local | Caller::User { .. } => Ok(()),
    }
}

/// Whether a list may tell a user who does not exist from one whose things the caller may not see.
pub fn may_know_users(caller: &Caller) -> bool {
    administer(caller).is_ok()
}

/// Passes tokens that name the grant of runners. One that grants everything is a person's.
pub fn work(caller: &Caller) -> Result<(), Error> {
    let refused = || Error::new(Kind::Forbidden, "only a token that names the grant RUNNER may do this");
    match caller {
        Caller::User { grants: Grants::Some(some), .. } if some.contains_key(&Scope::Runner) => Ok(()),
        Caller::Anonymous => Err(log_in()),
        Caller::User { .. } | Caller::Local => Err(refused()),
    }
}

/// Passes whoever may look at targets and logs of package builds, or ask for something there.
pub fn packages(caller: &Caller, mode: Mode) -> Result<(), Error> {
    member(caller)?;
    holds(caller, Scope::Repos, mode)
}

/// Whether somebody may change targets and repositories of others.
pub fn administers_packages(caller: &Caller) -> bool {
    caller.is_admin()
}

/// Passes administrators, for what belongs to nobody any more.
pub fn administer_packages(caller: &Caller) -> Result<(), Error> {
    packages(caller, Mode::Rw)?;
    match caller.is_admin() {
        true => Ok(()),
        false => Err(Error::new(Kind::Forbidden, "only an administrator may do this, with REPOS:RW")),
    }
}

/// Passes whoever may change a target or a repository: its owner, and administrators.
pub fn change_packages(caller: &Caller, owner: UserId) -> Result<(), Error> {
    packages(caller, Mode::Rw)?;
    if owns(caller, owner) {
        return Ok(());
    }
    Err(Error::new(Kind::Forbidden, "this belongs to somebody else: only they may change it"))
}

/// Passes agents that build packages: their key needs no more than `AGENT:RW`.
pub fn build_packages(caller: &Caller) -> Result<(), Error> {
    if is_key_of_agent(caller) { Ok(()) } else { packages(caller, Mode::Rw) }
}

/// Whether it is the key of an agent, which may build packages and nothing else.
pub fn is_key_of_agent(caller: &Caller) -> bool {
    let is = |scope| holds(caller, scope, Mode::Rw).is_ok();
    member(caller).is_ok() && is(Scope::Agent) && !is(Scope::Repos)
}

/// Whether it is a person's token that nothing narrows: more than any agent should hold.
pub fn is_whole_account(caller: &Caller) -> bool {
    matches!(caller, Caller::User { grants: Grants::All, token: Some(_), .. })
}

/// Whether it is the token of a package build, which may publish and nothing else.
pub fn is_key_of_build(caller: &Caller) -> bool {
    let is = |scope| holds(caller, scope, Mode::Rw).is_ok();
    member(caller).is_ok() && is(Scope::Publish) && !is(Scope::Repos)
}

/// Passes whoever may publish packages somewhere.
pub fn publishes(caller: &Caller) -> Result<(), Error> {
    if is_key_of_build(caller) { Ok(()) } else { build_packages(caller) }
}

/// Passes the token of a package build whose account may publish into this owner's repository.
pub fn publish(caller: &Caller, owner: UserId) -> Result<(), Error> {
    holds(caller, Scope::Publish, Mode::Rw)?;
    if owns(caller, owner) {
        return Ok(());
    }
    Err(Error::new(Kind::Forbidden, "the repository belongs to somebody else: only they may publish into it"))
}

/// Passes whoever may look at projects and what belongs to them, or ask for something there.
pub fn projects(caller: &Caller, mode: Mode) -> Result<(), Error> {
    holds(caller, Scope::Projects, mode)
}

/// Passes whoever may make projects, and says whose they become.
pub fn create_project(caller: &Caller) -> Result<&User, Error> {
    projects(caller, Mode::Rw)?;
    let user = owner(caller)?;
    match caller.is_admin() || user.roles.contains(&Role::CreateProjects) {
        true => Ok(user),
        false => Err(Error::new(Kind::Forbidden, "only holders of the role create-projects make projects")),
    }
}

/// Whether somebody may give projects away.
pub fn administers_projects(caller: &Caller) -> bool {
    caller.is_admin()
}

/// Passes whoever may change a project and its jobsets: its owner, its members, and administrators.
pub fn change_project(caller: &Caller, project: &Project) -> Result<(), Error> {
    projects(caller, Mode::Rw)?;
    let is_member = caller.id().is_some_and(|id| id == project.owner || project.members.contains(&id));
    match is_member || caller.is_admin() {
        true => Ok(()),
        false => Err(Error::new(
            Kind::Forbidden,
            format!("the project {} belongs to {}: only they may do this", project.name, project.owner_name),
        )),
    }
}

/// Passes whoever may remove a jobset: administrators. Its builds go with it.
pub fn delete_jobset(caller: &Caller) -> Result<(), Error> {
    projects(caller, Mode::Rw)?;
    match caller.is_admin() {
        true => Ok(()),
        false => Err(Error::new(Kind::Forbidden, "only an administrator removes a jobset: hide it instead")),
    }
}

/// Passes whoever may let jobsets read files of the runner's machine.
pub fn local_inputs(caller: &Caller) -> Result<(), Error> {
    match caller.is_admin() {
        true => Ok(()),
        false => Err(Error::new(
            Kind::Forbidden,
            "inputs on the runner's own machine are for administrators: ask one to add the folder to `nix.local-inputs`",
        )),
    }
}

/// Passes whoever may do to a project's evaluations and builds what a role allows: those who may change the project, and
/// holders of the role.
pub fn operate(caller: &Caller, project: &Project, role: Role) -> Result<(), Error> {
    projects(caller, Mode::Rw)?;
    match caller.user().is_some_and(|user| user.roles.contains(&role)) {
        true => Ok(()),
        false => change_project(caller, project),
    }
}

/// Passes whoever may say that a repository has changed: everybody, but for tokens that were made for something else.
pub fn push(caller: &Caller) -> Result<(), Error> {
    match caller {
        Caller::Anonymous => Ok(()),
        Caller::Local | Caller::User { .. } => projects(caller, Mode::Rw),
    }
}

/// Passes whoever holds the server's own socket.
pub fn inside(caller: &Caller) -> Result<(), Error> {
    match caller {
        Caller::Local => Ok(()),
        Caller::Anonymous => Err(log_in()),
        Caller::User { .. } => Err(Error::new(Kind::Forbidden, "only the server itself may do this")),
    }
}

/// Whether somebody may see what belongs to a thing's owner alone: secrets of a job, mail addresses of a group.
pub fn owns(caller: &Caller, owner: UserId) -> bool {
    caller.is_admin() || caller.id() == Some(owner)
}

/// Passes administrators of the farm whose token is not narrowed.
pub fn administer(caller: &Caller) -> Result<(), Error> {
    match caller {
        Caller::Local => Ok(()),
        Caller::Anonymous => Err(log_in()),
        Caller::User { grants: Grants::All, .. } if caller.is_admin() => Ok(()),
        Caller::User { .. } => Err(Error::new(
            Kind::Forbidden,
            "only an administrator may do this, with a token whose grants are not narrowed",
        )),
    }
}

/// Passes whoever may know that the job exists.
pub fn see(caller: &Caller, job: Option<Job>, number: impl std::fmt::Display) -> Result<Job, Error> {
    holds(caller, Scope::Jobs, Mode::Ro)?;
    job.filter(|job| knows(caller, job)).ok_or_else(|| Error::missing(format_args!("job {number}")))
}

/// Passes whoever may know that this job exists.
pub fn seen(caller: &Caller, job: &Job) -> Result<(), Error> {
    holds(caller, Scope::Jobs, Mode::Ro)?;
    match knows(caller, job) {
        true => Ok(()),
        false => Err(Error::missing(format_args!("job {}", job.id))),
    }
}

/// Passes whoever may read the logs of a job that they may know of. Its files come with the job.
pub fn read(caller: &Caller) -> Result<(), Error> {
    holds(caller, Scope::Logs, Mode::Ro)
}

/// Passes whoever may change a job: its owner, and administrators.
pub fn change(caller: &Caller, job: &Job) -> Result<(), Error> {
    holds(caller, Scope::Jobs, Mode::Rw)?;
    owned(caller, job, "change it")
}

/// Passes whoever may cancel a job: whoever may change it, and holders of the role `cancel-build`.
pub fn cancel(caller: &Caller, job: &Job) -> Result<(), Error> {
    holds(caller, Scope::Jobs, Mode::Rw)?;
    if caller.user().is_some_and(|user| user.roles.contains(&Role::CancelBuild)) {
        return Ok(());
    }
    owned(caller, job, "cancel it")
}

/// What a list of jobs is narrowed to; none means everything.
pub fn seen_by(caller: &Caller) -> Option<Option<UserId>> {
    if caller.is_admin() { None } else { Some(caller.id()) }
}

/// Passes whoever may see a user's tokens and details: that user, and administrators.
pub fn manage_user(caller: &Caller, user: &User) -> Result<(), Error> {
    match caller.id() {
        Some(id) if id == user.id => holds(caller, Scope::Profile, Mode::Rw),
        _ => administer(caller),
    }
}

/// Passes whoever may replace a user's password. A password opens everything, so a token that was narrowed may not
/// set one, not even its own user's.
pub fn set_password(caller: &Caller, user: &User) -> Result<(), Error> {
    manage_user(caller, user)?;
    hand_out(caller, &Grants::All)
}

/// Passes a token that is no stronger than the caller's own.
pub fn hand_out(caller: &Caller, grants: &Grants) -> Result<(), Error> {
    match caller {
        Caller::Local => Ok(()),
        Caller::User { grants: own, .. } if own.contain(grants) => Ok(()),
        Caller::User { .. } => Err(Error::new(
            Kind::Forbidden,
            "a token cannot hand out more than it grants itself: ask for fewer grants",
        )
        .about("grants")),
        Caller::Anonymous => Err(log_in()),
    }
}

/// Passes whoever may hand out a token that ends then. A narrowed token hands out none that outlives it; who has logged
/// in is the user, for as long as they like.
pub fn hand_out_until(caller: &Caller, until: Option<Time>) -> Result<(), Error> {
    match caller {
        Caller::User { grants: Grants::Some(_), expires: Some(own), .. }
            if until.is_none_or(|until| until > *own) =>
        {
            let message =
                format!("a token cannot hand out one that outlives it: ask for one that ends by {own}");
            Err(Error::new(Kind::Forbidden, message).about("lifetime"))
        }
        _ => Ok(()),
    }
}

fn knows(caller: &Caller, job: &Job) -> bool {
    job.visibility != Visibility::Private || caller.is_admin() || caller.id() == Some(job.owner)
}

fn owned(caller: &Caller, job: &Job, what: &str) -> Result<(), Error> {
    if caller.is_admin() || caller.id() == Some(job.owner) {
        return Ok(());
    }
    let (number, owner) = (job.id, &job.owner_name);
    Err(Error::new(Kind::Forbidden, format!("job {number} belongs to ~{owner}: only they may {what}")))
}

fn log_in() -> Error {
    Error::new(Kind::Unauthenticated, "this needs a token: send it as `Authorization: Bearer TOKEN`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ropewalk_model::ids::JobId;
    use ropewalk_model::job::JobKind;
    use ropewalk_model::status::JobStatus;
    use ropewalk_model::time::Time;

    fn user(id: i64, roles: &[Role]) -> User {
        User {
            id: UserId(id),
            name: format!("u{id}"),
            email: String::new(),
            full_name: None,
            url: None,
            location: None,
            bio: None,
            roles: roles.iter().copied().collect(),
            created: Time(0),
            updated: Time(0),
        }
    }

    fn caller(id: i64, roles: &[Role], grants: &str) -> Caller {
        Caller::User {
            user: Box::new(user(id, roles)),
            grants: Grants::parse(grants).unwrap(),
            expires: None,
            token: None,
        }
    }

    fn job(owner: i64, visibility: Visibility) -> Job {
        Job {
            id: JobId(7),
            kind: JobKind::Srht,
            owner: UserId(owner),
            owner_name: format!("u{owner}"),
            group: None,
            round: 1,
            status: JobStatus::Queued,
            cause: None,
            visibility,
            note: None,
            tags: vec![],
            image: None,
            secrets: false,
            runner: None,
            created: Time(0),
            updated: Time(0),
            queued: None,
            started: None,
            ended: None,
        }
    }

    #[test]
    fn a_private_job_of_others_is_as_missing_as_no_job() {
        let strangers = [Caller::Anonymous, caller(2, &[], ""), caller(2, &[Role::CancelBuild], "")];
        for stranger in strangers {
            let hidden = see(&stranger, Some(job(1, Visibility::Private)), 7).unwrap_err();
            let none = see(&stranger, None, 7).unwrap_err();
            assert_eq!((hidden.kind, hidden.message), (none.kind, none.message));
        }
        for insider in [caller(1, &[], ""), caller(2, &[Role::Admin], ""), Caller::Local] {
            assert!(see(&insider, Some(job(1, Visibility::Private)), 7).is_ok());
        }
    }

    #[test]
    fn unlisted_jobs_are_known_to_whoever_has_the_number() {
        assert!(see(&Caller::Anonymous, Some(job(1, Visibility::Unlisted)), 7).is_ok());
        assert_eq!(seen_by(&caller(2, &[], "")), Some(Some(UserId(2))));
        assert_eq!(seen_by(&Caller::Anonymous), Some(None));
        assert_eq!(seen_by(&caller(2, &[Role::Admin], "")), None);
    }

    #[test]
    fn only_owners_and_administrators_change_a_job() {
        let job = job(1, Visibility::Public);
        assert!(change(&caller(1, &[], "JOBS:RW"), &job).is_ok());
        assert!(change(&caller(2, &[Role::Admin], ""), &job).is_ok());
        for (other, kind) in [
            (Caller::Anonymous, Kind::Unauthenticated),
            (caller(2, &[], ""), Kind::Forbidden),
            (caller(1, &[], "JOBS:RO"), Kind::Forbidden),
            (caller(2, &[Role::CancelBuild], ""), Kind::Forbidden),
        ] {
            assert_eq!(change(&other, &job).unwrap_err().kind, kind);
        }
        assert!(cancel(&caller(2, &[Role::CancelBuild], ""), &job).is_ok());
    }

    #[test]
    fn an_administrators_narrow_token_does_not_administer() {
        assert!(administer(&caller(1, &[Role::Admin], "")).is_ok());
        assert!(administer(&caller(1, &[Role::Admin], "PROFILE:RW JOBS:RW")).is_err());
        assert!(administer(&caller(1, &[], "")).is_err());
        assert!(administer(&Caller::Anonymous).is_err());
    }

    #[test]
    fn only_tokens_that_name_the_grant_are_runners() {
        assert!(work(&caller(1, &[], "RUNNER")).is_ok());
        for other in
            [caller(1, &[Role::Admin], ""), caller(1, &[], "JOBS:RW"), Caller::Local, Caller::Anonymous]
        {
            assert!(work(&other).is_err());
        }
        assert!(inside(&Caller::Local).is_ok() && inside(&caller(1, &[Role::Admin], "")).is_err());
    }

    #[test]
    fn a_narrowed_token_sets_no_password() {
        let own = user(1, &[]);
        assert!(manage_user(&caller(1, &[], "PROFILE:RW"), &own).is_ok());
        assert!(set_password(&caller(1, &[], "PROFILE:RW"), &own).is_err());
        assert!(set_password(&caller(2, &[], ""), &own).is_err());
        for may in [caller(1, &[], ""), caller(2, &[Role::Admin], ""), Caller::Local] {
            assert!(set_password(&may, &own).is_ok());
        }
    }

    #[test]
    fn nobody_hands_out_more_than_they_hold() {
        let narrow = caller(1, &[], "JOBS:RW PROFILE:RW");
        assert!(hand_out(&narrow, &Grants::parse("JOBS:RO").unwrap()).is_ok());
        assert!(hand_out(&narrow, &Grants::parse("LOGS").unwrap()).is_err());
        assert!(hand_out(&narrow, &Grants::All).is_err());
        assert!(hand_out(&caller(1, &[], ""), &Grants::All).is_ok());
    }

    #[test]
    fn a_narrow_token_hands_out_none_that_outlives_it() {
        let grants = Grants::parse("JOBS:RW").unwrap();
        let Caller::User { user, .. } = caller(1, &[], "") else { panic!("a user") };
        let ends = |grants: &Grants| Caller::User {
            user: user.clone(),
            grants: grants.clone(),
            expires: Some(Time(5)),
            token: None,
        };
        assert!(hand_out_until(&ends(&grants), Some(Time(5))).is_ok());
        assert!(hand_out_until(&ends(&grants), Some(Time(6))).is_err());
        assert!(hand_out_until(&ends(&grants), None).is_err());
        assert!(hand_out_until(&ends(&Grants::All), None).is_ok());
    }
}
