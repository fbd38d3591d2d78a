//! Package repositories: what they may hold, and what a new architecture begins with.

use crate::env::Env;
use ropewalk_core::port::{
    Arch, BlobRef, Identity, NewPackage, NewUser, Packages, RepoLimits, StoreError, TargetFields, TargetKind,
};
use ropewalk_model::ids::UserId;
use ropewalk_model::time::Time;
use std::time::Duration;

const LIMITS: RepoLimits = RepoLimits { archs: 3, bytes: 1000 };

fn package(owner: UserId, name: &str, version: &str, arch: &str) -> NewPackage {
    NewPackage {
        repo: "r".into(),
        owner,
        any_repo: false,
        default_arch: "x86_64".into(),
        name: name.into(),
        entry: format!("{name}-{version}"),
        arch: arch.into(),
        file: format!("{name}-{version}-{arch}.pkg.tar.zst"),
        blob: BlobRef { sha256: format!("{name}{version}{arch}"), size: 1 },
        description: name.into(),
        in_db: format!("{name}-{version};").into_bytes(),
        in_files: vec![b'f'; 100],
        keep_replaced: Duration::ZERO,
        limits: LIMITS,
    }
}

async fn user(env: &Env, name: &str) -> UserId {
    let (email, roles) = (String::new(), Default::default());
    let new = NewUser { name: name.into(), email, roles, password_hash: None };
    env.store.create_user(new).await.expect("a user").id
}

async fn entries(env: &Env, arch: &str) -> String {
    let row = env.store.repo_database("r", arch).await.expect("a row").expect("a database");
    let (_, bytes) = env.store.database_parts(row.repo, arch, false).await.expect("parts");
    String::from_utf8(bytes).expect("text")
}

pub async fn a_new_architecture_gets_the_newest_package_of_each_name_for_any(env: Env) {
    let ann = user(&env, "ann").await;
    for (name, version, arch) in
        [("a", "1", "any"), ("b", "1", "any"), ("a", "2", "any"), ("c", "1", "aarch64"), ("b", "2", "x86_64")]
    {
        env.store.publish(package(ann, name, version, arch)).await.expect("published");
    }
    assert_eq!(entries(&env, "x86_64").await, "a-2;b-2;");
    // It came when aarch64 was there already: the one for any is still there.
    assert_eq!(entries(&env, "aarch64").await, "a-2;b-1;c-1;");
    env.store.publish(package(ann, "d", "1", "riscv64")).await.expect("published");
    assert_eq!(entries(&env, "riscv64").await, "a-2;b-1;d-1;");
}

pub async fn a_repository_grows_no_further_than_its_limits(env: Env) {
    let ann = user(&env, "ann").await;
    let full = |answer: Result<Vec<String>, StoreError>, key: &str| match answer {
        Err(StoreError::Full(why)) => assert!(why.contains(key), "{why}"),
        other => panic!("{other:?}"),
    };
    for arch in ["one", "two", "three"] {
        env.store.publish(package(ann, "p", "1", arch)).await.expect("published");
    }
    full(env.store.publish(package(ann, "p", "1", "four")).await, "arch.architectures");
    assert!(env.store.repo_database("r", "four").await.expect("asked").is_none(), "nothing stays of it");
    assert!(env.store.unpublish("r", Some("two"), None).await.expect("removed"));
    env.store.publish(package(ann, "p", "1", "four")).await.expect("there is room again");
    for number in 0..9 {
        env.store.publish(package(ann, &format!("q{number}"), "1", "one")).await.expect("published");
    }
    full(env.store.publish(package(ann, "z", "1", "one")).await, "arch.database");
    // Another version of what is there needs no more room; what is removed makes some.
    env.store.publish(package(ann, "q1", "2", "one")).await.expect("published");
    assert!(env.store.unpublish("r", Some("one"), Some("q2")).await.expect("removed"));
    env.store.publish(package(ann, "z", "1", "one")).await.expect("there is room again");
    assert!(!entries(&env, "one").await.contains("q2-"));
    let sql =
        "SELECT d.arch FROM arch_databases d WHERE d.bytes <> (SELECT COALESCE(SUM(LENGTH(p.in_files)), 0)
        FROM arch_packages p WHERE p.repo = d.repo AND p.arch = d.arch)";
    assert!(
        env.db().query_all("count", sql, vec![]).await.expect("rows").is_empty(),
        "they are counted right"
    );
}

pub async fn a_database_in_pages_is_whole(env: Env) {
    let ann = user(&env, "ann").await;
    let mut expected = String::new();
    for number in 0..600 {
        let mut one = package(ann, &format!("p{number:03}"), "1", "x86_64");
        one.limits.bytes = 1 << 20;
        env.store.publish(one).await.expect("published");
        expected.push_str(&format!("p{number:03}-1;"));
    }
    assert_eq!(entries(&env, "x86_64").await, expected);
}

pub async fn nobody_owns_the_name_of_a_repository_that_is_gone(env: Env) {
    let (ann, bob) = (user(&env, "ann").await, user(&env, "bob").await);
    let fields = TargetFields {
        kind: TargetKind::Git,
        url: "u".into(),
        branch: String::new(),
        repo: "r".into(),
        schedule: String::new(),
        path: String::new(),
    };
    let target = env
        .store
        .create_target(ann, false, fields.clone(), vec!["x86_64".into()], Time(0))
        .await
        .expect("a target");
    env.store.publish(package(ann, "p", "1", "x86_64")).await.expect("published");
    let taken = |answer| matches!(answer, Err(StoreError::Refused(_)));
    assert!(taken(env.store.publish(package(bob, "p", "1", "x86_64")).await));
    assert!(env.store.unpublish("r", None, None).await.expect("removed"));
    assert_eq!(env.store.repository_owner("r").await.expect("asked"), Some(ann), "her target still names it");
    assert!(taken(env.store.publish(package(bob, "p", "1", "x86_64")).await));
    let before = env.store.repo_database("r", "x86_64").await.expect("asked").expect("it is named");
    env.store.delete_target(target.id).await.expect("removed");
    assert_eq!(env.store.repository_owner("r").await.expect("asked"), None);
    env.store.create_target(bob, false, fields, vec!["x86_64".into()], Time(0)).await.expect("it is his now");
    env.store.publish(package(bob, "p", "1", "x86_64")).await.expect("published");
    assert_eq!(env.store.repository_owner("r").await.expect("asked"), Some(bob));
    let after = env.store.repo_database("r", "x86_64").await.expect("asked").expect("it is there");
    assert!(after.modified > before.modified, "nobody's copy of the old one is taken for the new one");
}
