//! Whose agents build what: an agent's key can be read by whatever it builds.

use crate::arch::{World, world, world_with};
use crate::env::Env;
use ropewalk_core::access::Caller;
use ropewalk_core::arch::{ArchSettings, TargetWish, Uploaded};
use ropewalk_core::error::{Error, Kind};
use ropewalk_core::identity::Newcomer;
use ropewalk_core::port::{TargetFields, TargetKind, Window};
use ropewalk_model::grant::Grants;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

impl World {
    async fn bob(&self) -> Caller {
        let newcomer = Newcomer { name: "bob".into(), ..Newcomer::default() };
        let user = self.farm.create_user(&Caller::Local, newcomer).await.expect("a user");
        Caller::User { user: Box::new(user), grants: Grants::All, expires: None, token: None }
    }

    async fn target_of(&self, by: &Caller, repo: &str, archs: &str, schedule: &str) -> i64 {
        let fields = TargetFields {
            kind: TargetKind::Git,
            url: "https://example.org/p.git".into(),
            branch: String::new(),
            repo: repo.into(),
            schedule: schedule.into(),
            path: String::new(),
        };
        let wish = TargetWish { fields, archs: archs.into() };
        self.farm.create_target(by, wish).await.expect("a target").id
    }

    async fn poll_by(&self, by: &Caller) -> Vec<i64> {
        let builds = self.farm.poll_builds(by, "x86_64", 9).await.expect("a poll");
        builds.iter().map(|build| build.target_id).collect()
    }
}

fn narrowed(by: &Caller, grants: &str) -> Caller {
    let Caller::User { user, .. } = by else { panic!("no account") };
    let grants = Grants::parse(grants).expect("grants");
    Caller::User { user: user.clone(), grants, expires: None, token: Some("digest".into()) }
}

fn kind<T: std::fmt::Debug>(answer: Result<T, Error>) -> Kind {
    answer.expect_err("it must be refused").kind
}

pub async fn agents_are_given_what_their_own_account_wrote(env: Env) {
    let world = world(env).await;
    let bob = world.bob().await;
    let (hers, his) = (world.target("").await, world.target_of(&bob, "bob", "x86_64", "").await);
    for (by, id) in [(&world.admin, hers), (&bob, his)] {
        world.farm.queue_build(by, id, "x86_64", false).await.expect("queued");
    }
    // Bob's PKGBUILD would read the administrator's key.
    assert_eq!(world.poll_by(&world.admin).await, [hers]);
    assert_eq!(world.poll_by(&bob).await, [his]);
    assert_eq!(world.poll_by(&bob).await, [0_i64; 0]);
    // By their schedules as by hand.
    let (hers, his) = (world.target("* *").await, world.target_of(&bob, "bob", "x86_64", "* *").await);
    world.env.clock.advance(MINUTE);
    assert_eq!(world.poll_by(&bob).await, [his]);
    assert_eq!(world.poll_by(&world.admin).await, [hers]);
    world.is_sound().await;
}

pub async fn an_agents_key_builds_and_does_nothing_else(env: Env) {
    let world = world(env).await;
    let bob = world.bob().await;
    let agent = narrowed(&bob, "AGENT:RW");
    let (hers, his) = (world.target("").await, world.target_of(&bob, "bob", "x86_64", "").await);
    world.farm.queue_build(&bob, his, "x86_64", false).await.expect("queued");
    assert_eq!(world.poll_by(&agent).await, [his]);
    let log = |target| {
        let at = world.now().0 / 1_000_000;
        Uploaded { target, start: at, end: at, arch: "x86_64".into(), exit: 0 }
    };
    world.farm.check_build_log(&agent, &log(his)).await.expect("his log");
    assert_eq!(kind(world.farm.check_build_log(&agent, &log(hers)).await), Kind::Forbidden);
    world.farm.check_publish(&agent, "bob").await.expect("his repository");
    for repo in ["r", "new"] {
        assert_eq!(kind(world.farm.check_publish(&agent, repo).await), Kind::Forbidden, "{repo}");
    }
    // The administrators' agent is no exception.
    let agents = narrowed(&world.admin, "AGENT:RW");
    world.farm.check_publish(&agents, "r").await.expect("hers");
    assert_eq!(kind(world.farm.check_publish(&agents, "bob").await), Kind::Forbidden);
    assert_eq!(kind(world.farm.check_build_log(&agents, &log(his)).await), Kind::Forbidden);
    for agent in [&agent, &agents] {
        let window = Window { limit: 0, offset: 0 };
        let filter = Default::default();
        assert_eq!(kind(world.farm.targets(agent, &filter, window).await), Kind::Forbidden);
        assert_eq!(kind(world.farm.delete_target(agent, his).await), Kind::Forbidden);
        assert_eq!(kind(world.farm.queue_build(agent, his, "x86_64", false).await), Kind::Forbidden);
        assert_eq!(kind(world.farm.unpublish(agent, "bob", None, None).await), Kind::Forbidden);
        assert_eq!(kind(world.farm.build_logs(agent, &Default::default(), window).await), Kind::Forbidden);
    }
    // What polls without being made for it is refused as before.
    assert_eq!(kind(world.farm.poll_builds(&narrowed(&bob, "REPOS:RO"), "x86_64", 1).await), Kind::Forbidden);
    assert_eq!(kind(world.farm.poll_builds(&Caller::Anonymous, "x86_64", 1).await), Kind::Unauthenticated);
}

pub async fn shared_agents_build_for_everybody(env: Env) {
    let world = world_with(env, ArchSettings { shared_agents: true, ..ArchSettings::default() }).await;
    let bob = world.bob().await;
    let his = world.target_of(&bob, "bob", "x86_64", "").await;
    world.farm.queue_build(&bob, his, "x86_64", false).await.expect("queued");
    assert_eq!(kind(world.farm.poll_builds(&bob, "x86_64", 1).await), Kind::Forbidden);
    assert_eq!(world.poll_by(&world.admin).await, [his]);
    world.farm.check_publish(&narrowed(&world.admin, "AGENT:RW"), "bob").await.expect("what it builds");
}

pub async fn targets_of_one_account_are_built_for_so_many_architectures(env: Env) {
    let world = world_with(env, ArchSettings { archs_per_user: 2, ..ArchSettings::default() }).await;
    let bob = world.bob().await;
    let his = world.target_of(&bob, "bob", "x86_64", "").await;
    for arch in ["x86_64", "aarch64", "x86_64"] {
        world.farm.queue_build(&bob, his, arch, false).await.expect("queued");
    }
    let refused = world.farm.queue_build(&bob, his, "third", false).await.expect_err("one too many");
    assert!(refused.message.contains("arch.architectures-per-user"), "{refused}");
    // A schedule for it is stopped, and keeps none of the others.
    world.target_of(&bob, "bob", "third", "* *").await;
    let other = world.target_of(&bob, "bob", "x86_64", "* *").await;
    world.env.clock.advance(MINUTE);
    assert_eq!(world.poll_by(&bob).await, [his, his, other]);
    let sql = "SELECT value FROM arch_target_archs WHERE next_at IS NULL";
    let stopped = world.env.db().query_all("look", sql, vec![]).await.expect("rows");
    assert_eq!(stopped.len(), 1);
    // Others have their own.
    let hers = world.target("").await;
    world.farm.queue_build(&world.admin, hers, "third", false).await.expect("queued");
}
