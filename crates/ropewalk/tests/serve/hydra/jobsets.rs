//! Jobsets, and the wish that they be evaluated.

use super::{Farm, good_jobset, on_both_engines};
use crate::server::Engine;
use serde_json::{Value, json};

on_both_engines! {
    hydra_21_a_jobset_is_shown_as_all_versions_show_it
    hydra_22_what_cannot_be_a_jobset_leaves_the_old_one
    hydra_23_what_is_left_out_of_a_jobset
    hydra_24_an_old_name_leads_to_the_new_one
    hydra_25_only_administrators_remove_a_jobset
    hydra_28_who_triggers_where_a_login_is_required
    hydra_29_what_is_not_there_or_off_is_not_triggered
    inputs_of_the_runners_machine_are_for_administrators
    a_push_finds_jobsets_by_their_inputs
    rights_follow_the_project
}

/// The good jobset with some members replaced.
fn with(changes: Value) -> Value {
    let mut body = good_jobset();
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn with_input(kind: &str, value: Value) -> Value {
    let mut body = good_jobset();
    body["inputs"]["x"] = json!({ "type": kind, "value": value });
    body
}

async fn hydra_21_a_jobset_is_shown_as_all_versions_show_it(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.project("p").await;
    let body = with(json!({
        "description": "d", "checkinterval": 300, "keepnr": 3, "schedulingshares": 7, "enableemail": true,
        "emailoverride": "a@example.org",
    }));
    let made = farm.jobset("p", "j", body).await;
    let uri = format!("{}/jobset/p/j", farm.origin());
    assert_eq!((made.status, made.header("location")), (201, uri.as_str()));
    assert_eq!(made.json(), json!({ "uri": uri, "redirect": uri, "name": "j", "type": "jobset" }));
    let mut shown = farm.get("/jobset/p/j").await.data();
    assert!(shown["triggertime"].as_i64().is_some_and(|at| (at - now()).abs() < 600), "{shown}");
    shown["triggertime"] = json!(null);
    let value = "https://example.org/p.git main";
    let expected = json!({
        "name": "j", "project": "p", "description": "d", "type": 0, "flake": "", "nixexprinput": "src",
        "nixexprpath": "release.nix", "enabled": 1, "visible": true, "enableemail": true,
        "enable_dynamic_run_command": false, "emailoverride": "a@example.org", "checkinterval": 300, "keepnr": 3,
        "schedulingshares": 7, "triggertime": null, "lastcheckedtime": null, "starttime": null, "errortime": null,
        "errormsg": "", "fetcherrormsg": "",
        "inputs": { "src": { "name": "src", "type": "git", "value": value, "emailresponsible": false } },
        "jobsetinputs": { "src": { "jobsetinputalts": [value] } },
    });
    assert_eq!(shown, expected);
    assert_eq!(farm.get("/jobset/p/j/errors").await.data()["errormsg"], "");
    // What the seed sends instead of a value.
    let old = with(json!({ "inputs": { "src": { "type": "string", "jobsetinputalts": ["v"] } } }));
    let replaced = farm.jobset("p", "j", old).await.data();
    assert_eq!(replaced, json!({ "redirect": format!("{uri}#tabs-configuration") }));
    assert_eq!(farm.get("/jobset/p/j").await.data()["inputs"]["src"]["value"], "v");
}

async fn hydra_22_what_cannot_be_a_jobset_leaves_the_old_one(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.project("p").await;
    assert_eq!(farm.jobset("p", "j", good_jobset()).await.status, 201);
    let before = farm.get("/jobset/p/j").await.data();
    for body in [
        with(json!({ "enabled": 7 })),
        with(json!({ "enabled": -1 })),
        with(json!({ "schedulingshares": 0 })),
        with(json!({ "schedulingshares": 1_000_000 })),
        with(json!({ "type": 2 })),
        with(json!({ "type": 1, "flake": "github:a/b" })),
        with(json!({ "nixexprpath": "../x" })),
        with(json!({ "nixexprpath": "a/../x" })),
        with(json!({ "nixexprpath": "/etc/passwd" })),
        with(json!({ "nixexprpath": "" })),
        with(json!({ "nixexprinput": "9" })),
        with(json!({ "checkinterval": -1 })),
        with(json!({ "keepnr": "x" })),
        with(json!({ "name": "9bad" })),
        with(json!({ "name": ".jobsets" })),
        with(json!({ "inputs": { "9": { "type": "string", "value": "" } } })),
        with_input("zzz", json!("")),
        with_input("hg", json!("https://example.org/x")),
        with_input("boolean", json!("yes")),
        with_input("eval", json!("a b")),
        with_input("git", json!("")),
        with_input("git", json!("ext::sh -c true")),
        with_input("git", json!("--upload-pack=true")),
        with_input("path", json!("x")),
        with_input("string", json!("x".repeat(17_000))),
        with_input("string", json!(["x"])),
    ] {
        farm.jobset("p", "j", body).await.is_refused(400);
        assert_eq!(farm.get("/jobset/p/j").await.data(), before);
    }
    farm.jobset("p", "9bad", good_jobset()).await.is_refused(400);
    farm.jobset("nosuch", "j", good_jobset()).await.is_refused(404);
    assert_eq!(farm.get("/project/p").await.data()["jobsets"], json!(["j"]));
}

async fn hydra_23_what_is_left_out_of_a_jobset(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.project("p").await;
    let body = json!({ "nixexprinput": "src", "nixexprpath": "release.nix" });
    assert_eq!(farm.jobset("p", "j", body).await.status, 201);
    let shown = farm.get("/jobset/p/j").await.data();
    for (name, value) in [
        ("keepnr", json!(0)),
        ("checkinterval", json!(0)),
        ("schedulingshares", json!(1)),
        ("enabled", json!(0)),
        ("visible", json!(false)),
        ("inputs", json!({})),
        ("triggertime", json!(null)),
    ] {
        assert_eq!(shown[name], value, "{name}");
    }
}

async fn hydra_24_an_old_name_leads_to_the_new_one(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.project("p").await;
    assert_eq!(farm.jobset("p", "old", good_jobset()).await.status, 201);
    assert_eq!(farm.jobset("p", "old", with(json!({ "name": "new.1" }))).await.status, 200);
    for below in ["", "/errors", "/errors?a=b"] {
        let moved = farm.get(&format!("/jobset/p/old{below}")).await;
        let to = moved.header("location").replace("%2E", ".");
        assert_eq!((moved.status, to), (301, format!("{}/jobset/p/new.1{below}", farm.origin())));
    }
    assert_eq!(farm.get("/jobset/p/new.1").await.data()["name"], "new.1");
    // Whoever takes the old name has it.
    assert_eq!(farm.jobset("p", "old", good_jobset()).await.status, 201);
    assert_eq!(farm.get("/jobset/p/old").await.data()["name"], "old");
    farm.jobset("p", "old", with(json!({ "name": "new.1" }))).await.is_refused(400);
}

async fn hydra_25_only_administrators_remove_a_jobset(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.project("p").await;
    assert_eq!(farm.jobset("p", "j", good_jobset()).await.status, 201);
    for not in ["", farm.carol.as_str(), farm.bob.as_str()] {
        farm.ask(not, "DELETE", "/jobset/p/j").await.is_refused(403);
    }
    let gone = farm.ask(&farm.alice, "DELETE", "/jobset/p/j").await.data();
    assert_eq!(gone, json!({ "redirect": format!("{}/project/p", farm.origin()) }));
    farm.get("/jobset/p/j").await.is_refused(404);
    farm.ask(&farm.alice, "DELETE", "/jobset/p/j").await.is_refused(404);
}

async fn hydra_28_who_triggers_where_a_login_is_required(engine: Engine) {
    let farm =
        Farm::start_with(engine, &["--no-runner"], &[("ROPEWALK_NIX__PUSH_REQUIRES_LOGIN", "true")]).await;
    let dora = farm.person("dora", &["eval-jobset"]).await;
    farm.project("p").await;
    assert_eq!(farm.jobset("p", "j", good_jobset()).await.status, 201);
    let push = "/api/push?jobsets=p:j";
    for not in ["", farm.carol.as_str()] {
        farm.ask(not, "PUT", push).await.is_refused(403);
    }
    assert_eq!(farm.get("/jobset/p/j").await.data()["triggertime"], json!(null));
    for may in [&dora, &farm.bob, &farm.alice] {
        let pushed = farm.ask(may, "POST", push).await.data();
        assert_eq!(pushed, json!({ "jobsetsTriggered": ["p:j"] }));
    }
    let page = farm.by(&dora, "POST", push).header("Origin", "https://evil.example");
    super::answer(page).await.is_refused(403);
}

async fn hydra_29_what_is_not_there_or_off_is_not_triggered(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.project("p").await;
    assert_eq!(farm.jobset("p", "on", good_jobset()).await.status, 201);
    assert_eq!(farm.jobset("p", "off", with(json!({ "enabled": 0 }))).await.status, 201);
    let pushed = farm.ask("", "PUT", "/api/push?jobsets=p:nosuch,nosuch:j,p:off,p:on,p:on").await.data();
    assert_eq!(pushed, json!({ "jobsetsTriggered": ["p:on"] }));
    let forced = "/api/push?jobsets=p:nosuch,p:off&force=1";
    for not in ["", farm.carol.as_str()] {
        farm.ask(not, "PUT", forced).await.is_refused(403);
    }
    let pushed = farm.ask(&farm.bob, "POST", forced).await.data();
    assert_eq!(pushed, json!({ "jobsetsTriggered": ["p:off"] }));
    assert_ne!(farm.get("/jobset/p/off").await.data()["triggertime"], json!(null));
    for bad in ["p", "p:j:x", ":j", "p:", "a,b"] {
        farm.ask("", "PUT", &format!("/api/push?jobsets={bad}")).await.is_refused(400);
    }
    let many = vec!["p:on"; 101].join(",");
    farm.ask("", "PUT", &format!("/api/push?jobsets={many}")).await.is_refused(400);
    let nothing = farm.ask("", "PUT", "/api/push").await.data();
    assert_eq!(nothing, json!({ "jobsetsTriggered": [] }));
    // A post of nobody says whence it comes.
    farm.ask("", "POST", "/api/push?jobsets=p:on").await.is_refused(403);
}

async fn inputs_of_the_runners_machine_are_for_administrators(engine: Engine) {
    let farm =
        Farm::start_with(engine, &["--no-runner"], &[("ROPEWALK_NIX__LOCAL_INPUTS", "/srv/git,/srv/more")])
            .await;
    farm.project("p").await;
    let put = async |session: &str, kind: &str, value: &str| {
        farm.put(session, "/jobset/p/j", with_input(kind, json!(value))).await
    };
    for (kind, value) in [
        ("path", "/etc"),
        ("path", "/srv/git/../x"),
        ("git", "/srv/gitx main"),
        ("git", "file:///etc"),
        ("git", "../x"),
    ] {
        put(&farm.bob, kind, value).await.is_refused(403);
    }
    for (kind, value) in [("path", "/srv/git/a"), ("git", "file:///srv/more/a.git main")] {
        let put = put(&farm.bob, kind, value).await;
        assert!(put.status < 300, "{kind} {value}: {}", put.text());
    }
    assert_eq!(put(&farm.alice, "path", "/etc").await.status, 200);
    let file = json!({ "file": "spec.json", "type": "path", "value": "/etc" });
    farm.put(&farm.bob, "/project/p", json!({ "displayname": "P", "declarative": file }))
        .await
        .is_refused(403);
}

async fn a_push_finds_jobsets_by_their_inputs(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.project("p").await;
    assert_eq!(farm.jobset("p", "on", good_jobset()).await.status, 201);
    assert_eq!(farm.jobset("p", "off", with(json!({ "enabled": 0 }))).await.status, 201);
    assert_eq!(farm.jobset("p", "slow", with(json!({ "enabled": 3 }))).await.status, 201);
    let pushed = farm.ask("", "PUT", "/api/push?repos=https://example.org/p.git%20main").await.data();
    assert_eq!(pushed, json!({ "jobsetsTriggered": ["p:on"] }));
    let pushed = farm.ask("", "PUT", "/api/push?repos=https://example.org/p.git").await.data();
    assert_eq!(pushed, json!({ "jobsetsTriggered": [] }));
}

async fn rights_follow_the_project(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.project("p").await;
    for not in ["", farm.carol.as_str()] {
        farm.put(not, "/jobset/p/j", good_jobset()).await.is_refused(403);
    }
    let made = farm.put(&farm.bob, "/jobset/p/j", good_jobset()).await;
    assert_eq!(made.status, 201, "{}", made.text());
}

fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}
