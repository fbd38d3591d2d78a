//! The port for users and tokens.

use crate::env::{Env, until};
use ropewalk_core::port::{Clock, Identity, NewSession, NewToken, NewUser, Role, StoreError, User};
use ropewalk_model::grant::{Grants, Mode, Scope};
use ropewalk_model::ids::{TokenId, UserId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn new_user(name: &str) -> NewUser {
    NewUser {
        name: name.into(),
        email: format!("{name}@example.org"),
        roles: BTreeSet::from([Role::Admin, Role::BumpToFront]),
        password_hash: Some("$argon2id$first".into()),
    }
}

fn new_token(user: &User, hash: &str) -> NewToken {
    let grants = Grants::Some(BTreeMap::from([(Scope::Jobs, Mode::Rw), (Scope::Logs, Mode::Ro)]));
    NewToken { user: user.id, hash: hash.into(), grants, comment: Some("for a test".into()), expires: None }
}

async fn user(env: &Env, name: &str) -> User {
    env.store.create_user(new_user(name)).await.expect("a user")
}

pub async fn a_user_is_found_by_number_and_by_name(env: Env) {
    let made = user(&env, "mary").await;
    assert_eq!((made.name.as_str(), made.created), ("mary", env.clock.now()));
    assert_eq!(made.roles, BTreeSet::from([Role::Admin, Role::BumpToFront]));
    assert_eq!(env.store.user(made.id).await.expect("an answer"), Some(made.clone()));
    assert_eq!(env.store.user_named("mary").await.expect("an answer"), Some(made));
    assert_eq!(env.store.user_named("Mary").await.expect("an answer"), None);
    assert_eq!(env.store.user(UserId(4711)).await.expect("an answer"), None);
}

pub async fn a_name_is_given_once(env: Env) {
    let all = (0..20).map(|_| env.store.create_user(new_user("mary")));
    let results = futures_util::future::join_all(all).await;
    let (made, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (1, 19));
    for refusal in refused {
        assert!(matches!(refusal, Err(StoreError::Conflict(_))), "{refusal:?}");
    }
}

pub async fn users_are_listed_by_name_in_parts(env: Env) {
    for name in ["pat", "alex", "kim", "zoe", "bo"] {
        user(&env, name).await;
    }
    let names = |users: Vec<User>| users.into_iter().map(|user| user.name).collect::<Vec<_>>();
    assert_eq!(names(env.store.users(None, 3).await.expect("users")), ["alex", "bo", "kim"]);
    assert_eq!(names(env.store.users(Some("kim"), 3).await.expect("users")), ["pat", "zoe"]);
}

pub async fn a_password_is_replaced(env: Env) {
    let mary = user(&env, "mary").await;
    assert_eq!(env.store.password_hash(mary.id).await.expect("a hash").as_deref(), Some("$argon2id$first"));
    env.clock.advance(Duration::from_secs(5));
    env.store.set_password_hash(mary.id, "$argon2id$second".into()).await.expect("a change");
    assert_eq!(env.store.password_hash(mary.id).await.expect("a hash").as_deref(), Some("$argon2id$second"));
    assert_eq!(env.store.user(mary.id).await.expect("mary").expect("mary").updated, env.clock.now());
    let nobody = env.store.set_password_hash(UserId(4711), "x".into()).await;
    assert!(matches!(nobody, Err(StoreError::Missing(_))), "{nobody:?}");
    assert_eq!(env.store.password_hash(UserId(4711)).await.expect("an answer"), None);
}

pub async fn a_token_opens_until_it_is_revoked_or_expires(env: Env) {
    let (mary, john) = (user(&env, "mary").await, user(&env, "john").await);
    let first = env.store.create_token(new_token(&mary, "aa")).await.expect("a token");
    let again = env.store.create_token(new_token(&john, "aa")).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    let nobodys = NewToken { user: UserId(4711), ..new_token(&mary, "bb") };
    let nobodys = env.store.create_token(nobodys).await;
    assert!(matches!(nobodys, Err(StoreError::Missing(_))), "{nobodys:?}");

    let (token, owner) = env.store.token_by_hash("aa").await.expect("an answer").expect("the token");
    assert_eq!((token.id, owner), (first.id, mary.clone()));
    assert_eq!(env.store.token_by_hash("ab").await.expect("an answer"), None);

    let expires = Some(env.clock.now().plus(Duration::from_secs(60)));
    let short = NewToken { expires, ..new_token(&mary, "cc") };
    let short = env.store.create_token(short).await.expect("a token");
    assert_eq!(env.store.tokens(mary.id).await.expect("tokens").len(), 2);
    env.clock.advance(Duration::from_secs(59));
    assert!(env.store.token_by_hash("cc").await.expect("an answer").is_some());
    env.clock.advance(Duration::from_secs(1));
    assert_eq!(env.store.token_by_hash("cc").await.expect("an answer"), None);
    assert_eq!(env.store.tokens(mary.id).await.expect("tokens").len(), 1);

    let stolen = env.store.revoke_token(john.id, first.id).await;
    assert!(matches!(stolen, Err(StoreError::Missing(_))), "{stolen:?}");
    env.store.revoke_token(mary.id, first.id).await.expect("revoked");
    assert_eq!(env.store.token_by_hash("aa").await.expect("an answer"), None);
    let later = env.store.create_token(new_token(&mary, "dd")).await.expect("a token");
    assert!(later.id > short.id && later.id > first.id, "numbers never come again");
}

pub async fn the_use_of_a_token_is_noted_once_a_minute(env: Env) {
    async fn stored(env: &Env, id: TokenId, user: UserId) -> Option<ropewalk_model::time::Time> {
        let tokens = env.store.tokens(user).await.expect("tokens");
        tokens.into_iter().find(|token| token.id == id).expect("the token").last_used
    }
    let mary = user(&env, "mary").await;
    let token = env.store.create_token(new_token(&mary, "aa")).await.expect("a token");
    assert_eq!(stored(&env, token.id, mary.id).await, None);
    let first = env.clock.now();
    env.store.token_by_hash("aa").await.expect("an answer").expect("the token");
    until("the first use to be noted", || async { stored(&env, token.id, mary.id).await == Some(first) })
        .await;
    env.clock.advance(Duration::from_secs(59));
    let (seen, _) = env.store.token_by_hash("aa").await.expect("an answer").expect("the token");
    assert_eq!(seen.last_used, Some(first));
    env.clock.advance(Duration::from_secs(1));
    let second = env.clock.now();
    env.store.token_by_hash("aa").await.expect("an answer").expect("the token");
    until("the second use to be noted", || async { stored(&env, token.id, mary.id).await == Some(second) })
        .await;
}

pub async fn no_grants_and_all_grants_stay_different(env: Env) {
    let mary = user(&env, "mary").await;
    for (hash, grants) in [("aa", Grants::All), ("bb", Grants::Some(BTreeMap::new()))] {
        let new = NewToken { grants: grants.clone(), ..new_token(&mary, hash) };
        env.store.create_token(new).await.expect("a token");
        let (token, _) = env.store.token_by_hash(hash).await.expect("an answer").expect("the token");
        assert_eq!(token.grants, grants);
    }
}

async fn session(env: &Env, user: &User, hash: &str, seconds: u64) {
    let expires = env.clock.now().plus(Duration::from_secs(seconds));
    env.store
        .create_session(NewSession { user: user.id, hash: hash.into(), expires })
        .await
        .expect("a session");
}

async fn who(env: &Env, hash: &str) -> Option<String> {
    env.store.session_by_hash(hash).await.expect("an answer").map(|user| user.name)
}

pub async fn a_session_opens_until_it_is_ended_or_expires(env: Env) {
    let mary = user(&env, "mary").await;
    session(&env, &mary, "aa", 60).await;
    session(&env, &mary, "bb", 600).await;
    assert_eq!(who(&env, "aa").await.as_deref(), Some("mary"));
    assert_eq!(who(&env, "ab").await, None);
    env.clock.advance(Duration::from_secs(60));
    assert_eq!(who(&env, "aa").await, None);
    assert_eq!(who(&env, "bb").await.as_deref(), Some("mary"));
    // The expired one is forgotten, so that its name is free.
    session(&env, &mary, "aa", 60).await;
    env.store.end_session("bb").await.expect("ended");
    env.store.end_session("bb").await.expect("ended before");
    assert_eq!(who(&env, "bb").await, None);
    assert_eq!(who(&env, "aa").await.as_deref(), Some("mary"));
}

pub async fn a_new_password_ends_the_sessions_of_its_user(env: Env) {
    let (mary, john) = (user(&env, "mary").await, user(&env, "john").await);
    session(&env, &mary, "aa", 60).await;
    session(&env, &john, "bb", 60).await;
    env.store.set_password_hash(mary.id, "$argon2id$second".into()).await.expect("a change");
    assert_eq!((who(&env, "aa").await, who(&env, "bb").await.as_deref()), (None, Some("john")));
}
