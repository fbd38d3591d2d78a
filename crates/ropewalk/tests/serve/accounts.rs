//! Users, tokens and who may see what.

use crate::server::{Engine, Server, program};
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::json;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

const MANIFEST: &str = "image: host\ntasks:\n  - a: 'true'\n";

async fn idle() -> Server {
    Server::start_with(Engine::Sqlite, &["--no-runner"]).await
}

/// Makes a user and answers a token of theirs.
fn newcomer(server: &Server, name: &str, grants: &str) -> String {
    server.done(&["user", "create", name]);
    let printed = server.done(&["token", "create", "--user", name, "--grants", grants]);
    let token = printed.strip_suffix('\n').unwrap().to_string();
    assert!(
        token.len() >= 40 && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+/".contains(&b)),
        "{printed}"
    );
    token
}

#[tokio::test]
async fn the_first_start_makes_an_administrator_and_says_how_to_log_in() {
    let mut server = idle().await;
    for words in ["admin", "first-run.txt", "instance \"ropewalk\"", &format!("origin \"{}\"", server.origin)]
    {
        assert!(server.welcome.contains(words), "{words:?} in {}", server.welcome);
    }
    let secrets = server.data().join("first-run.txt");
    let client = server.home().join(".config/ropewalk/client.toml");
    for (path, mode) in [(&secrets, 0o600), (&client, 0o600), (&server.data().join("admin.sock"), 0o600)] {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
    }
    for (name, mode) in
        [("ropewalk.db", 0o600), ("ropewalk.db-wal", 0o600), ("logs", 0o700), ("blobs", 0o700)]
    {
        assert_eq!(server.data().join(name).metadata().unwrap().permissions().mode() & 0o777, mode, "{name}");
    }
    let text = std::fs::read_to_string(&secrets).unwrap();
    let password = text.lines().find_map(|line| line.strip_prefix("password ")).unwrap();
    assert!(!server.welcome.contains(password) && !server.words().contains(password));
    let body = json!({ "name": "admin", "password": password });
    let (status, login) = server.client().send("POST", "/api/n1/login", None, body).await;
    assert_eq!(status, 201, "{login}");
    let (status, user) = server.client().get("/api/n1/user", login["secret"].as_str()).await;
    assert_eq!((status, &user["name"], &user["roles"][0]), (200, &"admin".into(), &"admin".into()));
    let token = server.token();
    assert_eq!(server.client().get("/api/n1/users", Some(&token)).await.0, 200);

    server.terminate();
    server.start_again();
    assert!(!server.welcome.contains("first start"), "{}", server.welcome);
    assert_eq!(server.token(), token);
}

/// As if the server was killed after it made the user and before it said anything.
#[tokio::test]
async fn a_first_start_that_was_cut_short_is_made_up_for() {
    let mut server = idle().await;
    let untold = server.data().join("first-run.untold");
    assert!(!untold.exists());
    let before = server.token();
    let password = |server: &Server| {
        let text = std::fs::read_to_string(server.data().join("first-run.txt")).unwrap();
        text.lines().find_map(|line| line.strip_prefix("password ")).unwrap().to_string()
    };
    let lost = password(&server);
    server.terminate();
    std::fs::write(&untold, "").unwrap();
    server.start_again();
    assert!(server.welcome.contains("first start") && !untold.exists(), "{}", server.welcome);
    let client = server.client();
    let log_in = async |password: &str| {
        let body = json!({ "name": "admin", "password": password });
        client.send("POST", "/api/n1/login", None, body).await.0
    };
    assert_eq!((log_in(&password(&server)).await, log_in(&lost).await), (201, 401));
    assert_eq!(client.get("/api/n1/user", Some(&server.token())).await.0, 200);
    assert_eq!(client.get("/api/n1/user", Some(&before)).await.0, 401);
    server.terminate();
    server.start_again();
    assert!(!server.welcome.contains("first start"), "{}", server.welcome);
}

#[tokio::test]
async fn a_second_folder_says_how_its_server_is_asked() {
    let first = idle().await;
    let second = tempfile::tempdir().unwrap();
    let config = second.path().join(".config/ropewalk");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::copy(first.home().join(".config/ropewalk/client.toml"), config.join("client.toml")).unwrap();
    let data = second.path().join("d");
    let mut command = program(second.path());
    command.args(["serve", "--no-runner", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = vec![];
    for line in std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap())) {
        said.push(line.unwrap());
        if said.last().unwrap().starts_with("API ") {
            break;
        }
    }
    let said = said.join("\n");
    assert!(said.contains(&format!("go on asking {}", first.origin)), "{said}");
    let line = said.lines().find_map(|line| line.trim().strip_prefix("ropewalk list ")).unwrap();
    let run = |arguments: Vec<&str>| program(second.path()).arg("list").args(arguments).output().unwrap();
    let listed = run(line.split(' ').collect());
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    // The first server's token is not the second one's.
    let other = config.join("client.toml");
    let token = second.path().join("wrong");
    std::fs::write(&token, first.token()).unwrap();
    let server = line.split(' ').nth(1).unwrap();
    let refused = run(vec!["--server", server, "--token-file", token.to_str().unwrap()]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(4), "{words}");
    for part in [server, token.to_str().unwrap(), "--token-file", "--server"] {
        assert!(words.contains(part), "{part} in {words}");
    }
    drop(first);
    let gone = String::from_utf8_lossy(&run(vec![]).stderr).into_owned();
    assert!(gone.contains(other.to_str().unwrap()) && gone.contains("--server"), "{gone}");
    crate::server::signal(child.id(), rustix::process::Signal::TERM);
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn what_was_made_is_valid_on_the_next_request() {
    let server = idle().await;
    let token = newcomer(&server, "ann", "");
    let (status, user) = server.client().get("/api/n1/user", Some(&token)).await;
    assert_eq!((status, &user["name"]), (200, &"ann".into()));
    let tokens = server.json(&["token", "list", "--user", "ann", "--json"]);
    let number = tokens[0]["id"].to_string();
    server.done(&["token", "revoke", &number, "--user", "ann"]);
    assert_eq!(server.client().get("/api/n1/user", Some(&token)).await.0, 401);
    assert_eq!(server.run(&["user", "create", "ann"]).status.code(), Some(1));
    assert_eq!(server.run(&["user", "create", "Not A Name"]).status.code(), Some(1));
    assert_eq!(server.run(&["token", "create", "--user", "../x"]).status.code(), Some(1));
    assert_eq!(server.run(&["token", "create", "--user", "ann", "--grants", "CATS"]).status.code(), Some(1));
}

#[test]
fn users_are_made_without_a_server_too() {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], input: &str| {
        let mut command = program(home.path());
        command.env("ROPEWALK_DATA", home.path().join("d")).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    assert!(
        run(&["user", "create", "ann", "--admin", "--password-stdin"], "correct horse\n").status.success()
    );
    assert!(run(&["user", "password", "ann"], "battery staple\n").status.success());
    assert!(!run(&["user", "password", "bob"], "battery staple\n").status.success());
    let token = run(&["token", "create", "--user", "ann"], "");
    assert!(token.status.success() && token.stdout.len() > 40);
    let users: serde_json::Value =
        serde_json::from_slice(&run(&["user", "list", "--json"], "").stdout).unwrap();
    assert_eq!(users.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_private_job_is_missing_to_everybody_else() {
    let server = idle().await;
    let (ann, bob) = (newcomer(&server, "ann", ""), newcomer(&server, "bob", ""));
    let client = server.client();
    let number = |visibility: &'static str, token: String| {
        let client = server.client();
        async move {
            let body = json!({ "manifest": MANIFEST, "visibility": visibility });
            let (status, job) = client.send("POST", "/api/n1/jobs", Some(&token), body).await;
            assert_eq!(status, 201, "{job}");
            job["id"].as_i64().unwrap()
        }
    };
    let private = number("private", ann.clone()).await;
    let unlisted = number("unlisted", ann.clone()).await;
    let public = number("public", ann.clone()).await;
    let (_, missing) = client.get("/api/n1/jobs/999", Some(&bob)).await;
    for path in [
        "",
        "/steps",
        "/events",
        "/logs/setup",
        "/logs/0/live",
        "/live",
        "/artifacts",
        "/manifest",
        "/attempts",
    ] {
        for token in [Some(bob.as_str()), None] {
            let (status, hidden) = client.get(&format!("/api/n1/jobs/{private}{path}"), token).await;
            assert_eq!(
                (status, hidden.to_string()),
                (404, missing.to_string().replace("999", &private.to_string()))
            );
        }
    }
    let (status, hidden) =
        client.send("POST", &format!("/api/n1/jobs/{private}/cancel"), Some(&bob), json!({})).await;
    assert_eq!((status, &hidden["kind"]), (404, &"missing".into()));
    let (status, _) =
        client.send("POST", &format!("/api/n1/jobs/{unlisted}/cancel"), Some(&bob), json!({})).await;
    assert_eq!(status, 403);
    // A user whose jobs one may not see, and none at all.
    server.done(&["user", "create", "eve"]);
    for token in [Some(bob.as_str()), None] {
        let known = client.get("/api/n1/jobs?owner=eve", token).await;
        for nobody in ["nobody", "No%20Name"] {
            assert_eq!(client.get(&format!("/api/n1/jobs?owner={nobody}"), token).await, known, "{nobody}");
        }
        assert_eq!(known.0, 200);
    }
    assert_eq!(client.get("/api/n1/jobs?owner=nobody", Some(&server.token())).await.0, 404);
    let list = async |token: Option<&str>| -> Vec<i64> {
        let (_, page) = client.get("/api/n1/jobs", token).await;
        page["items"].as_array().unwrap().iter().map(|job| job["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(list(Some(&ann)).await, [public, unlisted, private]);
    assert_eq!(list(Some(&bob)).await, [public]);
    assert_eq!(list(None).await, [public]);
    assert_eq!(list(Some(&server.token())).await, [public, unlisted, private]);
    assert_eq!(client.get(&format!("/api/n1/jobs/{unlisted}"), None).await.0, 200);
}

#[tokio::test]
async fn a_token_does_what_its_grants_say_and_no_more() {
    let server = idle().await;
    let client = server.client();
    let reader = newcomer(&server, "ann", "JOBS:RO");
    let submit = json!({ "manifest": MANIFEST });
    assert_eq!(client.get("/api/n1/jobs", Some(&reader)).await.0, 200);
    assert_eq!(client.send("POST", "/api/n1/jobs", Some(&reader), submit.clone()).await.0, 403);
    assert_eq!(client.send("POST", "/api/n1/jobs", None, submit.clone()).await.0, 401);
    let (_, job) = client.send("POST", "/api/n1/jobs", Some(&server.token()), submit).await;
    assert_eq!(client.get(&format!("/api/n1/jobs/{}/logs/setup", job["id"]), Some(&reader)).await.0, 403);
    // Not an administrator, and no stronger token can be had with a weak one.
    for path in ["/api/n1/users", "/api/n1/users/admin", "/api/n1/users/nobody", "/api/n1/users/admin/tokens"]
    {
        assert_eq!(client.get(path, Some(&reader)).await.0, 403, "{path}");
    }
    let more = json!({ "grants": "" });
    assert_eq!(client.send("POST", "/api/n1/users/ann/tokens", Some(&reader), more).await.0, 403);
    // A build gets no token that is stronger than the one that submitted it.
    let own = newcomer(&server, "bob", "JOBS:RW SECRETS:RO");
    let oauth = json!({ "manifest": format!("oauth: builds.sr.ht/PROFILE:RW\n{MANIFEST}") });
    let (status, refusal) = client.send("POST", "/api/n1/jobs", Some(&own), oauth).await;
    assert_eq!((status, &refusal["field"]), (403, &"manifest".into()));
}

#[tokio::test]
async fn guessing_passwords_is_slow() {
    let server = idle().await;
    let client = server.client();
    let mut answers = vec![];
    for n in 0..12 {
        let name = if n % 2 == 0 { "admin" } else { "nobody" };
        let body = json!({ "name": name, "password": format!("guess number {n}") });
        answers.push(client.send("POST", "/api/n1/login", None, body).await);
    }
    let (refused, limited): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(status, _)| *status == 401);
    assert_eq!(refused.len(), 10, "limits.logins");
    assert!(
        refused.iter().all(|(_, body)| body == &refused[0].1),
        "a known name is told from an unknown one"
    );
    assert!(limited.iter().all(|(status, _)| *status == 429));
    // One of ten a minute is given back every six seconds.
    let body = json!({ "name": "admin", "password": "one more guess" });
    let refused = client.request("POST", "/api/n1/login", None).json(&body).send().await.unwrap();
    let wait = refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap();
    assert_eq!((refused.status().as_u16(), (2..=6).contains(&wait)), (429, true), "{wait} s");
}

/// The tables are locked, so that whatever asks for a row of them gets no answer.
#[tokio::test]
async fn what_is_guessed_too_often_is_refused_without_a_query() {
    let limits = [("ROPEWALK_LIMITS__REQUESTS_ANONYMOUS", "2"), ("ROPEWALK_LIMITS__LOGINS", "1")];
    let server = Server::start_on(Engine::Postgres, &["--no-runner"], &limits).await;
    let (client, token) = (server.client(), server.token());
    assert_eq!(client.get("/api/n1/jobs", Some(&token)).await.0, 200);
    let database = server.connect().await;
    let locked = database.begin().await.unwrap();
    locked.execute_unprepared("LOCK TABLE users, tokens, sessions IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let (mut answers, mut asked) = (tokio::task::JoinSet::new(), 0);
    for n in 0..30 {
        let wrong = client.request("GET", "/api/n1/jobs", Some(&format!("{n:044}")));
        let session = client.request("GET", "/api/n1/jobs", None);
        let session = session.header("cookie", format!("hydra_session={n:040}"));
        let body = json!({ "name": "admin", "password": format!("guess number {n}") });
        let password = client.request("POST", "/api/n1/login", None).json(&body);
        for request in [wrong, session, password] {
            asked += 1;
            answers.spawn(async move { request.send().await.unwrap().status().as_u16() });
        }
    }
    // What came within the limits waits for the lock; it is let in by the second.
    let mut refused = 0;
    while refused < asked / 2 {
        let answer = tokio::time::timeout(Duration::from_secs(20), answers.join_next()).await;
        assert_eq!(answer.expect("an answer without a query").unwrap().unwrap(), 429);
        refused += 1;
    }
    answers.shutdown().await;
    locked.rollback().await.unwrap();
    assert_eq!(client.get("/api/n1/jobs", Some(&token)).await.0, 200, "it is known to be valid");
}

#[tokio::test]
async fn a_user_has_so_many_open_jobs_and_no_more() {
    let server =
        Server::start_with_variables(&["--no-runner"], &[("ROPEWALK_LIMITS__QUEUED_PER_USER", "2")]).await;
    let (client, token) = (server.client(), server.token());
    let mut answers = vec![];
    for _ in 0..3 {
        answers
            .push(client.send("POST", "/api/n1/jobs", Some(&token), json!({ "manifest": MANIFEST })).await);
    }
    let kinds: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(kinds, [201, 201, 429], "{answers:?}");
    server.done(&["cancel", "1"]);
    assert_eq!(
        client.send("POST", "/api/n1/jobs", Some(&token), json!({ "manifest": MANIFEST })).await.0,
        201
    );
}

#[tokio::test]
async fn a_tokens_requests_are_counted() {
    let server =
        Server::start_with_variables(&["--no-runner"], &[("ROPEWALK_LIMITS__REQUESTS_TOKEN", "5")]).await;
    let (client, token) = (server.client(), server.token());
    let mut refused = 0;
    for _ in 0..50 {
        refused += u32::from(client.get("/api/n1/jobs", Some(&token)).await.0 == 429);
    }
    assert!(refused > 0, "limits.requests-token");
}
