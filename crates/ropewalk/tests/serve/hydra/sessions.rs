//! Logging in and out, and where it must come from.

use super::{Farm, PASSWORD, answer, cookie, on_both_engines};
use crate::server::Engine;
use serde_json::json;

on_both_engines! {
    hydra_06_a_login_that_says_not_whence_is_refused
    hydra_07_a_login_from_another_host_is_refused
    hydra_08_a_login_hands_out_the_session
    hydra_09_a_login_by_origin_and_as_a_form
    hydra_10_wrong_and_empty_logins
    hydra_11_who_asks_until_they_have_logged_out
    a_token_does_what_it_grants
}

fn credentials() -> serde_json::Value {
    json!({ "username": "alice", "password": PASSWORD })
}

async fn hydra_06_a_login_that_says_not_whence_is_refused(engine: Engine) {
    let farm = Farm::start(engine).await;
    let refused = answer(farm.request("POST", "/login").json(&credentials())).await;
    refused.is_refused(403);
    assert_eq!(refused.header("set-cookie"), "");
}

async fn hydra_07_a_login_from_another_host_is_refused(engine: Engine) {
    let farm = Farm::start(engine).await;
    let (near, below) = (format!("{}0/", farm.origin()), format!("https://evil.example/?{}", farm.origin()));
    for whence in ["https://evil.example/", "null", near.as_str(), below.as_str()] {
        let request =
            farm.request("POST", "/login").header("Referer", whence).header("Origin", farm.origin());
        answer(request.json(&credentials())).await.is_refused(403);
    }
}

async fn hydra_08_a_login_hands_out_the_session(engine: Engine) {
    let farm = Farm::start(engine).await;
    let request = farm.request("POST", "/login").header("Referer", farm.origin());
    let answer = answer(request.json(&credentials())).await;
    let user = json!({
        "username": "alice", "fullname": null, "emailaddress": "alice@example.org", "userroles": ["admin"],
    });
    assert_eq!(answer.data(), user);
    let session = cookie(&answer);
    let secret = session.strip_prefix("hydra_session=").unwrap();
    assert!(secret.len() == 40 && secret.bytes().all(|byte| byte.is_ascii_hexdigit()), "{session}");
    // The same session opens our own pages.
    let page = super::answer(farm.request("GET", "/-/tokens").header("Cookie", &session)).await;
    assert_eq!(page.status, 200);
}

async fn hydra_09_a_login_by_origin_and_as_a_form(engine: Engine) {
    let farm = Farm::start(engine).await;
    let request = || farm.request("POST", "/login").header("Origin", farm.origin());
    assert_eq!(answer(request().json(&credentials())).await.data()["username"], "alice");
    let form = [("username", "alice"), ("password", PASSWORD)];
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = request().header("Content-Type", "application/x-www-form-urlencoded").body(body);
    let answer = answer(request).await;
    assert_eq!(answer.data()["username"], "alice");
    cookie(&answer);
}

async fn hydra_10_wrong_and_empty_logins(engine: Engine) {
    let farm = Farm::start(engine).await;
    for (body, status) in [
        (json!({ "username": "alice", "password": "wrong horse" }), 403),
        (json!({ "username": "nobody", "password": PASSWORD }), 403),
        (json!({ "username": "A\u{0}", "password": PASSWORD }), 403),
        (json!({ "username": "", "password": PASSWORD }), 400),
        (json!({ "username": "alice", "password": "" }), 400),
        (json!({ "username": "alice" }), 400),
        (json!({ "username": ["alice"], "password": PASSWORD }), 400),
        (json!({}), 400),
    ] {
        let request = farm.request("POST", "/login").header("Referer", farm.origin()).json(&body);
        let refused = answer(request).await;
        refused.is_refused(status);
        assert_eq!(refused.header("set-cookie"), "", "{body}");
    }
}

async fn hydra_11_who_asks_until_they_have_logged_out(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.get("/current-user").await.is_refused(403);
    let user = farm.ask(&farm.bob, "GET", "/current-user").await.data();
    assert_eq!((&user["username"], &user["userroles"]), (&json!("bob"), &json!(["create-projects"])));
    assert_eq!(farm.ask(&farm.bob, "POST", "/logout").await.status, 204);
    farm.ask(&farm.bob, "GET", "/current-user").await.is_refused(403);
    assert_eq!(farm.ask(&farm.alice, "GET", "/current-user").await.status, 200);
}

async fn a_token_does_what_it_grants(engine: Engine) {
    let farm = Farm::start(engine).await;
    let token = |grants: &str| {
        let made = farm.server.done(&["token", "create", "--user", "bob", "--grants", grants]);
        made.trim().to_string()
    };
    let put = async |token: String, name: &str| {
        let body = json!({ "displayname": "x" });
        answer(farm.request("PUT", &format!("/project/{name}")).bearer_auth(token).json(&body)).await
    };
    assert_eq!(put(token("PROJECTS:RW"), "a").await.status, 201);
    put(token("PROJECTS:RO"), "b").await.is_refused(403);
    put(token("JOBS:RW"), "c").await.is_refused(403);
    let blind = answer(
        farm.request("GET", "/project/a").header("Accept", "application/json").bearer_auth(token("JOBS:RW")),
    );
    blind.await.is_refused(403);
    put("A".repeat(43), "d").await.is_refused(401);
}
