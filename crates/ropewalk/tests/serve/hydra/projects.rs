//! Projects.

use super::{Farm, good_jobset, on_both_engines};
use crate::server::Engine;
use serde_json::{Value, json};

on_both_engines! {
    hydra_12_who_makes_projects
    hydra_13_who_replaces_a_project
    hydra_14_a_name_alone_makes_a_project_that_is_off_and_hidden
    hydra_15_what_says_no_is_off
    hydra_16_what_cannot_be_a_project_leaves_nothing
    hydra_17_a_project_gets_another_name
    hydra_18_a_project_is_shown
    hydra_26_a_project_goes_with_its_jobsets
    members_have_the_rights_of_the_owner
}

async fn hydra_12_who_makes_projects(engine: Engine) {
    let farm = Farm::start(engine).await;
    let body = || json!({ "displayname": "X", "enabled": true, "visible": true });
    farm.put("", "/project/x", body()).await.is_refused(403);
    farm.put(&farm.carol, "/project/x", body()).await.is_refused(403);
    let made = farm.put(&farm.bob, "/project/x", body()).await;
    let uri = format!("{}/project/x", farm.origin());
    assert_eq!((made.status, made.header("location")), (201, uri.as_str()));
    assert_eq!(made.json(), json!({ "uri": uri, "redirect": uri, "name": "x", "type": "project" }));
}

async fn hydra_13_who_replaces_a_project(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.project("x").await;
    let body = || json!({ "displayname": "Y", "visible": true });
    let replaced = farm.put(&farm.bob, "/project/x", body()).await.data();
    assert_eq!(replaced, json!({ "redirect": format!("{}/project/x#tabs-configuration", farm.origin()) }));
    for stranger in [&farm.carol, ""] {
        farm.put(stranger, "/project/x", json!({ "displayname": "Z" })).await.is_refused(403);
    }
    let project = farm.get("/project/x").await.data();
    assert_eq!((&project["displayname"], &project["enabled"]), (&json!("Y"), &json!(false)));
}

fn switches(project: &Value) -> (&Value, &Value) {
    (&project["enabled"], &project["hidden"])
}

async fn hydra_14_a_name_alone_makes_a_project_that_is_off_and_hidden(engine: Engine) {
    let farm = Farm::start(engine).await;
    assert_eq!(farm.put(&farm.bob, "/project/x", json!({ "displayname": "X" })).await.status, 201);
    assert_eq!(switches(&farm.get("/project/x").await.data()), (&json!(false), &json!(true)));
    // It is listed for programs all the same.
    assert_eq!(farm.get("/").await.data()[0]["name"], "x");
}

async fn hydra_15_what_says_no_is_off(engine: Engine) {
    let farm = Farm::start(engine).await;
    for (name, no) in [("a", json!(false)), ("b", json!(0)), ("c", json!(null))] {
        let body = json!({ "displayname": "X", "enabled": no, "visible": no });
        assert_eq!(farm.put(&farm.bob, &format!("/project/{name}"), body).await.status, 201);
        let project = farm.get(&format!("/project/{name}")).await.data();
        assert_eq!(switches(&project), (&json!(false), &json!(true)), "{no}");
    }
    let body = json!({ "displayname": "X", "enabled": 1, "hidden": false });
    assert_eq!(farm.put(&farm.bob, "/project/a", body).await.status, 200);
    assert_eq!(switches(&farm.get("/project/a").await.data()), (&json!(true), &json!(false)));
}

async fn hydra_16_what_cannot_be_a_project_leaves_nothing(engine: Engine) {
    let farm = Farm::start(engine).await;
    let good = json!({ "displayname": "X" });
    for (name, body) in [
        ("x", json!({ "displayname": "" })),
        ("x", json!({ "displayname": "  " })),
        ("x", json!({})),
        ("x", json!({ "displayname": ["X"] })),
        ("x", json!({ "displayname": "X\u{0}" })),
        ("x", json!({ "displayname": "X".repeat(5000) })),
        ("x", json!({ "displayname": "X", "owner": "nobody" })),
        ("x", json!({ "displayname": "X", "name": "9bad" })),
        ("x", json!({ "displayname": "X", "enable_dynamic_run_command": true })),
        ("x", json!({ "displayname": "X", "declarative": { "file": "../x", "type": "git", "value": "u" } })),
        ("9bad", good.clone()),
        ("a.b", good.clone()),
        ("%C3%A9", good),
    ] {
        farm.put(&farm.alice, &format!("/project/{name}"), body).await.is_refused(400);
    }
    assert_eq!(farm.get("/").await.data(), json!([]));
    farm.project("x").await;
    let before = farm.get("/project/x").await.data();
    farm.put(&farm.bob, "/project/x", json!({ "displayname": "" })).await.is_refused(400);
    assert_eq!(farm.get("/project/x").await.data(), before);
}

async fn hydra_17_a_project_gets_another_name(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.project("old").await;
    farm.project("taken").await;
    assert_eq!(farm.jobset("old", "j", good_jobset()).await.status, 201);
    let rename = |name: &str| json!({ "name": name, "displayname": "X", "visible": true });
    farm.put(&farm.bob, "/project/old", rename("taken")).await.is_refused(400);
    let renamed = farm.put(&farm.bob, "/project/old", rename("new")).await.data();
    assert_eq!(renamed["redirect"], format!("{}/project/new#tabs-configuration", farm.origin()));
    farm.get("/project/old").await.is_refused(404);
    assert_eq!(farm.get("/project/new").await.data()["jobsets"], json!(["j"]));
    assert_eq!(farm.get("/jobset/new/j").await.data()["project"], "new");
}

async fn hydra_18_a_project_is_shown(engine: Engine) {
    let farm = Farm::start(engine).await;
    let body = json!({
        "displayname": " P ", "description": "d", "homepage": "https://example.org", "enabled": true, "visible": true,
    });
    assert_eq!(farm.put(&farm.bob, "/project/p", body).await.status, 201);
    assert_eq!(farm.jobset("p", "j", good_jobset()).await.status, 201);
    let shown = json!({
        "name": "p", "displayname": "P", "description": "d", "homepage": "https://example.org", "owner": "bob",
        "enabled": true, "hidden": false, "enable_dynamic_run_command": false, "jobsets": ["j"],
    });
    assert_eq!(farm.get("/project/p").await.data(), shown);
    assert_eq!(farm.get("/").await.data(), json!([shown]));
    // An administrator gives it away, and says where its jobsets are written down.
    let file = json!({ "file": "spec.json", "type": "git", "value": "https://example.org/p.git" });
    let body = json!({ "displayname": "P", "owner": "carol", "declarative": file });
    assert_eq!(farm.put(&farm.alice, "/project/p", body).await.status, 200);
    let shown = farm.get("/project/p").await.data();
    assert_eq!((&shown["owner"], &shown["declarative"]), (&json!("carol"), &file));
    assert_eq!(shown["jobsets"], json!([".jobsets", "j"]));
    farm.jobset("p", "j", good_jobset()).await.is_refused(403);
}

async fn hydra_26_a_project_goes_with_its_jobsets(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.project("p").await;
    assert_eq!(farm.jobset("p", "j", good_jobset()).await.status, 201);
    for stranger in ["", farm.carol.as_str()] {
        farm.ask(stranger, "DELETE", "/project/p").await.is_refused(403);
    }
    let gone = farm.ask(&farm.bob, "DELETE", "/project/p").await;
    let to = format!("{}/", farm.origin());
    assert_eq!((gone.header("location"), gone.data()), (to.as_str(), json!({ "redirect": to })));
    farm.get("/project/p").await.is_refused(404);
    farm.get("/jobset/p/j").await.is_refused(404);
    farm.ask(&farm.bob, "DELETE", "/project/p").await.is_refused(404);
}

async fn members_have_the_rights_of_the_owner(engine: Engine) {
    let farm = Farm::start(engine).await;
    let body = |members: Value| json!({ "displayname": "P", "members": members });
    assert_eq!(farm.put(&farm.bob, "/project/p", body(json!(["carol"]))).await.status, 201);
    assert_eq!(farm.put(&farm.carol, "/project/p", json!({ "displayname": "Q" })).await.status, 200);
    let jobset = farm.put(&farm.carol, "/jobset/p/j", good_jobset()).await;
    assert_eq!(jobset.status, 201, "{}", jobset.text());
    farm.put(&farm.bob, "/project/p", body(json!(["nobody"]))).await.is_refused(400);
    assert_eq!(farm.put(&farm.bob, "/project/p", body(json!([]))).await.status, 200);
    farm.put(&farm.carol, "/project/p", json!({ "displayname": "Q" })).await.is_refused(403);
}
