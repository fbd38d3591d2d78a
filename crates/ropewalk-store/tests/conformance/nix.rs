//! The port for projects and jobsets.

use crate::env::Env;
use ropewalk_core::port::{
    Clock, Declarative, Enabled, Identity, InputKind, JobsetFields, JobsetInput, JobsetSave, JobsetTrigger,
    NewProject, NewUser, Project, ProjectFields, ProjectUpdate, Projects, Saved, StoreError,
};
use ropewalk_model::ids::UserId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

async fn user(env: &Env, name: &str) -> UserId {
    let new =
        NewUser { name: name.into(), email: String::new(), roles: BTreeSet::new(), password_hash: None };
    env.store.create_user(new).await.expect("a user").id
}

fn fields(display_name: &str) -> ProjectFields {
    ProjectFields { display_name: display_name.into(), is_enabled: true, ..ProjectFields::default() }
}

async fn project(env: &Env, owner: UserId, name: &str) -> Project {
    let new = NewProject { name: name.into(), owner, members: vec![], fields: fields(name) };
    env.store.create_project(new).await.expect("a project")
}

fn jobset_fields(value: &str) -> JobsetFields {
    let input = JobsetInput { kind: InputKind::Git, value: value.into(), tells_committers: true };
    JobsetFields {
        expression_input: "src".into(),
        expression_path: "release.nix".into(),
        enabled: Enabled::On,
        shares: 7,
        inputs: BTreeMap::from([("src".into(), input)]),
        ..JobsetFields::default()
    }
}

async fn save(
    env: &Env,
    project: &Project,
    from: &str,
    to: &str,
    fields: JobsetFields,
) -> Result<Saved, StoreError> {
    let save =
        JobsetSave { project: project.id, known_as: from.into(), name: to.into(), fields, is_trusted: false };
    env.store.save_jobset(save).await
}

pub async fn a_project_is_read_as_it_was_written(env: Env) {
    let (mary, bob) = (user(&env, "mary").await, user(&env, "bob").await);
    let made = project(&env, mary, "p").await;
    assert_eq!((made.owner, made.owner_name.as_str()), (mary, "mary"));
    let taken = NewProject { name: "p".into(), owner: bob, members: vec![], fields: fields("x") };
    assert!(matches!(env.store.create_project(taken).await, Err(StoreError::Conflict(_))));
    project(&env, mary, "q").await;
    let update = |name: &str, fields: ProjectFields| ProjectUpdate {
        id: made.id,
        name: name.into(),
        owner: Some(bob),
        members: Some(vec![mary]),
        fields,
    };
    assert!(matches!(env.store.update_project(update("q", fields("x"))).await, Err(StoreError::Conflict(_))));
    let hidden = ProjectFields { is_hidden: true, is_enabled: false, ..fields("new") };
    env.store.update_project(update("r", hidden.clone())).await.expect("renamed");
    assert_eq!(env.store.project("p").await.expect("an answer"), None);
    let read = env.store.project("r").await.expect("an answer").expect("the project");
    assert_eq!((read.id, read.owner, &read.members, &read.fields), (made.id, bob, &vec![mary], &hidden));
    let names = |list: Vec<Project>| list.into_iter().map(|project| project.name).collect::<Vec<_>>();
    project(&env, mary, "z").await;
    assert_eq!(names(env.store.projects(10).await.expect("projects")), ["q", "z", "r"]);
    assert_eq!(names(env.store.find_projects("Z", 10).await.expect("projects")), ["z"]);
    assert!(env.store.find_projects("new", 10).await.expect("projects").is_empty());
    env.store.delete_project(made.id).await.expect("removed");
    assert!(matches!(env.store.delete_project(made.id).await, Err(StoreError::Missing(_))));
}

pub async fn a_jobset_is_replaced_and_found_under_its_old_names(env: Env) {
    let mary = user(&env, "mary").await;
    let p = project(&env, mary, "p").await;
    let first = jobset_fields("https://example.org/a.git");
    assert_eq!(save(&env, &p, "a", "a", first.clone()).await.expect("made"), Saved::Made);
    assert_eq!(save(&env, &p, "a", "b", first.clone()).await.expect("renamed"), Saved::Replaced);
    let second = jobset_fields("https://example.org/b.git");
    assert_eq!(save(&env, &p, "b", "c", second.clone()).await.expect("renamed"), Saved::Replaced);
    let renamed = async |old: &str| env.store.renamed_jobset("p", old).await.expect("an answer");
    assert_eq!((renamed("a").await.as_deref(), renamed("b").await.as_deref()), (Some("c"), Some("c")));
    let read = env.store.jobset("p", "c").await.expect("an answer").expect("the jobset");
    assert_eq!((&read.fields, read.project_name.as_str()), (&second, "p"));
    assert_eq!(env.store.jobset_numbered(read.id).await.expect("an answer"), Some(read.clone()));
    assert_eq!(save(&env, &p, "a", "a", first.clone()).await.expect("made"), Saved::Made);
    assert_eq!(renamed("a").await, None);
    assert!(matches!(save(&env, &p, "a", "c", first).await, Err(StoreError::Conflict(_))));
    assert_eq!(env.store.project("p").await.unwrap().unwrap().jobsets, ["a", "c"]);
    let found = async |value: &str| {
        let found = env.store.jobsets_with_input(value, 10).await.expect("jobsets");
        found.into_iter().map(|jobset| jobset.name).collect::<Vec<_>>()
    };
    assert_eq!(found("https://example.org/b.git").await, ["c"]);
    let long = format!("https://example.org/{}", "é".repeat(9000));
    save(&env, &p, "long", "long", jobset_fields(&long)).await.expect("made");
    assert_eq!(found(&long).await, ["long"]);
    assert!(found(&long[..300]).await.is_empty());
    env.store.delete_jobset(read.id).await.expect("removed");
    assert_eq!((renamed("b").await, env.store.jobset("p", "c").await.unwrap()), (None, None));
    env.store.delete_project(p.id).await.expect("removed with its jobsets");
    assert_eq!(env.store.jobset("p", "a").await.unwrap(), None);
}

pub async fn a_jobset_is_triggered_when_it_changes_or_somebody_asks(env: Env) {
    let mary = user(&env, "mary").await;
    let p = project(&env, mary, "p").await;
    let timed = JobsetFields { check_interval: 60, ..jobset_fields("https://example.org/a.git") };
    let progress = async || env.store.jobset("p", "a").await.unwrap().unwrap().progress;
    save(&env, &p, "a", "a", timed.clone()).await.expect("made");
    let first = env.clock.now();
    assert_eq!(progress().await.triggered, Some(first));
    env.clock.advance(Duration::from_secs(1));
    save(&env, &p, "a", "a", timed.clone()).await.expect("replaced");
    assert_eq!(progress().await.triggered, Some(first), "it waits for that already");
    save(&env, &p, "a", "a", JobsetFields { enabled: Enabled::Off, ..timed }).await.expect("replaced");
    assert_eq!(progress().await.triggered, None);
    let id = env.store.jobset("p", "a").await.unwrap().unwrap().id;
    let trigger = |is_forced| vec![JobsetTrigger { jobset: id, is_forced, rest: Duration::from_secs(5) }];
    env.store.trigger_jobsets(trigger(false)).await.expect("triggered");
    assert_eq!((progress().await.triggered, progress().await.is_forced), (Some(env.clock.now()), false));
    env.store.trigger_jobsets(trigger(true)).await.expect("triggered");
    assert!(progress().await.is_forced);
    env.store
        .trigger_jobsets(vec![JobsetTrigger { jobset: id + 99, is_forced: true, rest: Duration::ZERO }])
        .await
        .expect("one that is gone");
}

pub async fn a_file_of_jobsets_has_a_jobset_of_its_own(env: Env) {
    let mary = user(&env, "mary").await;
    let p = project(&env, mary, "p").await;
    let declarative = Declarative {
        file: "spec.json".into(),
        kind: InputKind::Git,
        value: "https://example.org/p.git".into(),
    };
    let update = |declarative| ProjectUpdate {
        id: p.id,
        name: "p".into(),
        owner: None,
        members: None,
        fields: ProjectFields { declarative, ..fields("p") },
    };
    env.store.update_project(update(Some(declarative.clone()))).await.expect("changed");
    let project = env.store.project("p").await.unwrap().unwrap();
    assert_eq!((project.fields.declarative, project.jobsets), (Some(declarative), vec![".jobsets".into()]));
    let of_file = env.store.jobset("p", ".jobsets").await.unwrap().unwrap();
    assert_eq!(
        (of_file.fields.enabled, of_file.progress.triggered),
        (Enabled::Off, None),
        "nobody reads the file yet"
    );
    env.store.update_project(update(None)).await.expect("changed");
    assert_eq!(env.store.jobset("p", ".jobsets").await.unwrap(), None);
}
