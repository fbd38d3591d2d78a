//! Who gets JSON and who a page.

use super::{Farm, answer, on_both_engines};
use crate::server::Engine;
use serde_json::json;

on_both_engines! {
    hydra_02_the_type_of_a_request_without_a_body_counts
    hydra_03_whoever_takes_everything_gets_a_page
    hydra_04_the_query_says_the_type
    hydra_05_what_is_not_there_is_missing_in_json
    wrong_methods_and_bodies_are_refused_in_json
}

async fn hydra_02_the_type_of_a_request_without_a_body_counts(engine: Engine) {
    let farm = Farm::start(engine).await;
    let request = farm.request("GET", "/").header("Content-Type", "application/json").header("Accept", "*/*");
    assert_eq!(answer(request).await.data(), json!([]));
}

async fn hydra_03_whoever_takes_everything_gets_a_page(engine: Engine) {
    let farm = Farm::start(engine).await;
    for accept in ["*/*", "text/html,application/xhtml+xml,*/*;q=0.8", "text/plain"] {
        let page = answer(farm.request("GET", "/").header("Accept", accept)).await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "{accept}");
        assert!(page.header("vary").contains("Accept"), "{:?}", page.headers);
    }
    let both = farm.request("GET", "/").header("Accept", "text/html;q=0.2, application/json;q=0.9");
    assert_eq!(answer(both).await.data(), json!([]));
}

async fn hydra_04_the_query_says_the_type(engine: Engine) {
    let farm = Farm::start(engine).await;
    let answer = answer(farm.request("GET", "/?content-type=application/json")).await;
    assert_eq!(answer.data(), json!([]));
}

async fn hydra_05_what_is_not_there_is_missing_in_json(engine: Engine) {
    let farm = Farm::start(engine).await;
    for path in
        ["/project/nosuch", "/project/9bad", "/jobset/nosuch/j", "/jobset/nosuch/j/errors", "/project/p/x/y"]
    {
        farm.get(path).await.is_refused(404);
    }
    farm.project("p").await;
    farm.get("/jobset/p/nosuch").await.is_refused(404);
    farm.get("/nosuch").await;
    let nothing = farm.get("/nosuch").await;
    assert_eq!(nothing.status, 404);
    assert!(nothing.json()["error"].as_str().is_some_and(|error| !error.is_empty()));
    let page = answer(farm.request("GET", "/project/nosuch").header("Accept", "text/html")).await;
    assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"));
}

async fn wrong_methods_and_bodies_are_refused_in_json(engine: Engine) {
    let farm = Farm::start(engine).await;
    let wrong = farm.ask(&farm.bob, "PATCH", "/project/p").await;
    wrong.is_refused(405);
    for method in ["GET", "PUT", "DELETE"] {
        assert!(wrong.header("allow").contains(method), "{:?}", wrong.headers);
    }
    farm.ask("", "GET", "/api/push").await.is_refused(405);
    for body in ["{", "[]", "\"x\""] {
        let request = farm.by(&farm.bob, "PUT", "/project/p").header("Content-Type", "application/json");
        answer(request.body(body)).await.is_refused(400);
    }
    assert_eq!(farm.get("/").await.data(), json!([]));
}
