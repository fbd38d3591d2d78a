//! Logging in and out, and who may send a form in whose name.

use super::idle;
use super::visitor::{Visitor, set_password};

#[tokio::test]
async fn a_person_logs_in_and_out() {
    let server = idle().await;
    let visitor = Visitor::admin(&server).await;
    let cookie = visitor.cookie.clone().unwrap();
    assert!(cookie.starts_with("hydra_session=") && cookie.len() == "hydra_session=".len() + 40, "{cookie}");
    visitor.get("/").await.holds(&["Health", "admin", "Log out"]);
    let out = visitor.submit("/", "/session/end", &[]).await;
    assert_eq!((out.status, out.header("location")), (303, "/"));
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{}", out.header("set-cookie"));
    // The old cookie opens nothing any more.
    visitor.get("/").await.holds_not(&["Log out"]);
    assert_eq!(visitor.get("/-/tokens").await.header("location"), "/login?next=%2F-%2Ftokens");
}

#[tokio::test]
async fn a_session_survives_a_restart_and_ends_with_the_password() {
    let mut server = idle().await;
    server.done(&["user", "create", "ann"]);
    set_password(&server, "ann", "correct horse");
    let visitor = Visitor::user(&server, "ann", "correct horse").await;
    server.kill();
    server.start_again();
    visitor.get("/").await.holds(&["Log out", "ann"]);
    set_password(&server, "ann", "battery staple");
    visitor.get("/").await.holds_not(&["Log out"]);
}

#[tokio::test]
async fn a_wrong_password_says_nothing_more_and_tries_are_counted() {
    let server = idle().await;
    let visitor = Visitor::stranger(&server);
    let mut statuses = vec![];
    for n in 0..12 {
        let name = if n % 2 == 0 { "admin" } else { "nobody" };
        let page = visitor.post("/session", &[("name", name), ("password", "not the password")]).await;
        if page.status == 401 {
            page.holds(&["Name and password do not match."]);
            assert_eq!(page.header("set-cookie"), "");
        }
        statuses.push(page.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 10, "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429));
}

#[tokio::test]
async fn a_login_leads_back_to_where_it_was_asked_for_and_nowhere_else() {
    let server = idle().await;
    let text = std::fs::read_to_string(server.data().join("first-run.txt")).unwrap();
    let password = text.lines().find_map(|line| line.strip_prefix("password ")).unwrap();
    let visitor = Visitor::stranger(&server);
    for (next, to) in [("/-/tokens", "/-/tokens"), ("//evil.example", "/"), ("https://evil.example/", "/")] {
        let fields = [("name", "admin"), ("password", password), ("next", next)];
        let page = visitor.post("/session", &fields).await;
        assert_eq!((page.status, page.header("location")), (303, to), "{next}");
    }
}

#[tokio::test]
async fn a_second_login_of_a_browser_ends_the_first() {
    let server = idle().await;
    server.done(&["user", "create", "ann"]);
    set_password(&server, "ann", "correct horse");
    let first = Visitor::user(&server, "ann", "correct horse").await;
    let again = first.post("/session", &[("name", "ann"), ("password", "correct horse")]).await;
    assert_eq!(again.status, 303);
    first.get("/").await.holds_not(&["Log out"]);
}

#[tokio::test]
async fn no_other_site_sends_a_form_in_somebodys_name() {
    let server = idle().await;
    let visitor = Visitor::admin(&server).await;
    let key = visitor.get("/").await.key();
    // Without the key, with another one, from another site though with the key.
    assert_eq!(visitor.post("/-/tokens", &[("JOBS", "RO")]).await.status, 403);
    assert_eq!(visitor.post("/-/tokens", &[("key", "x"), ("JOBS", "RO")]).await.status, 403);
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let body = format!("key={key}&JOBS=RO");
        let request = visitor.request("POST", "/-/tokens").header(name, value).body(body);
        let page = visitor.send(request.header("content-type", "application/x-www-form-urlencoded")).await;
        assert_eq!(page.status, 403, "{name}: {value}");
    }
    let from_here = visitor
        .request("POST", "/-/tokens")
        .header("origin", &visitor.origin)
        .body(format!("key={key}&JOBS=RO"));
    let page = visitor.send(from_here.header("content-type", "application/x-www-form-urlencoded")).await;
    assert_eq!(page.status, 201, "{}", page.text);
    // The API takes no cookie from another site either.
    let body = serde_json::json!({ "manifest": "image: host\ntasks: [{a: 'true'}]" });
    let request =
        visitor.request("POST", "/api/n1/jobs").header("origin", "https://evil.example").json(&body);
    assert_eq!(visitor.send(request).await.status, 403);
}
