//! Targets.

use super::{Farm, GIT, on_both_engines};
use crate::server::Engine;
use serde_json::{Value, json};

on_both_engines! {
    vieter_03_a_target_is_made_without_a_body
    vieter_04_a_target_is_shown_with_its_architectures_as_objects
    vieter_05_a_target_lacks_something_or_has_a_wrong_kind
    vieter_06_a_comma_list_makes_two_architectures
    vieter_07_lists_are_narrowed_and_cut
    vieter_08_a_patch_changes_what_it_names
    vieter_09_a_quote_round_trips
    vieter_10_a_patch_replaces_the_architectures
    vieter_11_a_bad_schedule_stores_nothing
    vieter_12_a_target_is_removed_twice
    vieter_24_the_cron_table_through_the_schedule_of_a_target
}

async fn vieter_03_a_target_is_made_without_a_body(engine: Engine) {
    let farm = Farm::start(engine).await;
    let answer = farm.post("/api/v1/targets?kind=git&url=U&repo=r").await;
    assert_eq!(answer.text(), r#"{"message":"","data":1}"#);
    assert_eq!(farm.target("kind=url&url=U&repo=r").await, 2);
}

async fn vieter_04_a_target_is_shown_with_its_architectures_as_objects(engine: Engine) {
    let farm = Farm::start(engine).await;
    let id = farm.target("kind=git&url=U&repo=r").await;
    let answer = farm.get(&format!("/api/v1/targets/{id}")).await;
    let expected = format!(
        r#"{{"message":"","data":{{"id":{id},"kind":"git","url":"U","branch":"","repo":"r","schedule":"","path":"","arch":[{{"id":1,"target_id":{id},"value":"x86_64"}}]}}}}"#
    );
    assert_eq!(answer.text(), expected);
    farm.get("/api/v1/targets/99").await.is_bare(404);
    farm.get("/api/v1/targets/x").await.is_bare(404);
}

async fn vieter_05_a_target_lacks_something_or_has_a_wrong_kind(engine: Engine) {
    let farm = Farm::start(engine).await;
    for (query, message) in [
        ("", "Missing parameter: kind."),
        ("kind=git&repo=r", "Missing parameter: url."),
        ("kind=git&url=&repo=r", "Missing parameter: url."),
        ("kind=git&url=U", "Missing parameter: repo."),
        ("kind=svn&url=U&repo=r", "Invalid kind."),
        ("kind=svn&repo=r", "Missing parameter: url."),
        ("kind=git&url=U&repo=api", "'api' is a reserved keyword & cannot be used as a repository name."),
    ] {
        farm.post(&format!("/api/v1/targets?{query}")).await.is_refused(400, message);
    }
    for query in
        ["repo=..", "repo=a/b", "repo=r&branch=a;id", "repo=r&branch=-x", "repo=r&arch=a/b", "repo=r&url=%0a"]
    {
        let answer = farm.post(&format!("/api/v1/targets?kind=git&url=U&{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
    }
    assert_eq!(farm.get("/api/v1/targets?limit=0").await.data(), json!([]));
}

async fn vieter_06_a_comma_list_makes_two_architectures(engine: Engine) {
    let farm = Farm::start(engine).await;
    let id = farm.target("kind=git&url=U&repo=r&arch=x86_64,aarch64").await;
    let target = farm.get(&format!("/api/v1/targets/{id}")).await.data();
    let archs = target["arch"].as_array().unwrap();
    assert_eq!(archs.len(), 2);
    assert_eq!((&archs[0]["value"], &archs[1]["value"]), (&json!("x86_64"), &json!("aarch64")));
    assert_ne!(archs[0]["id"], archs[1]["id"]);
    assert!(archs.iter().all(|arch| arch["target_id"] == id));
}

async fn vieter_07_lists_are_narrowed_and_cut(engine: Engine) {
    let farm = Farm::start(engine).await;
    for n in 0..60 {
        let arch = if n % 3 == 0 { "aarch64" } else { "x86_64" };
        let repo = if n < 7 { "few" } else { "many" };
        farm.target(&format!("kind=git&url=https://u/{n}&repo={repo}&arch={arch}&path=Dir{n}&branch=b{n}"))
            .await;
    }
    for (query, count) in [
        ("", 25),
        ("?limit=0", 60),
        ("?limit=0&offset=50", 10),
        ("?offset=50", 10),
        ("?limit=25&offset=60", 0),
        ("?limit=0&arch=aarch64", 20),
        ("?limit=0&arch=riscv", 0),
        ("?limit=0&repo=few", 7),
        ("?limit=0&repo=fe", 0),
        ("?limit=0&query=Dir5", 11),
        ("?limit=0&query=dir5", 0),
        ("?limit=0&query=/59", 1),
        ("?limit=0&query=b42", 1),
        ("?limit=0&query=%25", 0),
        ("?limit=0&repo=&query=&arch=", 60),
        ("?limit=0&repo=few&arch=aarch64&query=Dir", 3),
    ] {
        let list = farm.get(&format!("/api/v1/targets{query}")).await.data();
        let ids: Vec<i64> =
            list.as_array().unwrap().iter().map(|target| target["id"].as_i64().unwrap()).collect();
        assert_eq!(ids.len(), count, "{query}");
        assert!(ids.is_sorted(), "{query}: {ids:?}");
    }
    assert_eq!(farm.get("/api/v1/targets?limit=x").await.status, 400);
}

async fn vieter_08_a_patch_changes_what_it_names(engine: Engine) {
    let farm = Farm::start(engine).await;
    let id = farm.target(&format!("{GIT}&schedule=0+1&path=p&branch=main")).await;
    let before = farm.get(&format!("/api/v1/targets/{id}")).await.data();
    let after = farm.ask("PATCH", &format!("/api/v1/targets/{id}?branch=dev&schedule=")).await.data();
    let mut expected = before;
    expected["branch"] = "dev".into();
    expected["schedule"] = "".into();
    assert_eq!(after, expected);
    assert_eq!(farm.ask("PATCH", &format!("/api/v1/targets/{id}")).await.data(), expected);
    farm.ask("PATCH", &format!("/api/v1/targets/{id}?kind=svn")).await.is_refused(400, "Invalid kind.");
    farm.ask("PATCH", "/api/v1/targets/99?branch=dev").await.is_bare(404);
    assert_eq!(farm.get(&format!("/api/v1/targets/{id}")).await.data(), expected);
}

async fn vieter_09_a_quote_round_trips(engine: Engine) {
    let farm = Farm::start(engine).await;
    let id = farm.target(GIT).await;
    let shown = farm.ask("PATCH", &format!("/api/v1/targets/{id}?url=it%27s+x&path=a%22b%3B--")).await.data();
    assert_eq!((&shown["url"], &shown["path"]), (&json!("it's x"), &json!("a\"b;--")));
    assert_eq!(farm.get(&format!("/api/v1/targets/{id}")).await.data(), shown);
    let found = farm.get("/api/v1/targets?query=it%27s").await.data();
    assert_eq!(found, json!([shown]));
}

async fn vieter_10_a_patch_replaces_the_architectures(engine: Engine) {
    let farm = Farm::start(engine).await;
    let id = farm.target(&format!("{GIT}&arch=x86_64,riscv64")).await;
    let shown = farm.ask("PATCH", &format!("/api/v1/targets/{id}?arch=aarch64")).await.data();
    let values: Vec<&Value> = shown["arch"].as_array().unwrap().iter().map(|arch| &arch["value"]).collect();
    assert_eq!(values, ["aarch64"]);
}

async fn vieter_11_a_bad_schedule_stores_nothing(engine: Engine) {
    let mut farm = Farm::start(engine).await;
    let id = farm.target(&format!("{GIT}&schedule=0+1")).await;
    let refused = farm.ask("PATCH", &format!("/api/v1/targets/{id}?schedule=nonsense&branch=x")).await;
    refused.is_refused(400, "Invalid schedule \"nonsense\": Not enough parts.");
    assert_eq!(farm.post(&format!("/api/v1/targets?{GIT}&schedule=0+0+30+2")).await.status, 400);
    farm.server.kill();
    farm.server.start_again();
    let list = farm.get("/api/v1/targets?limit=0").await.data();
    let target = &list.as_array().unwrap()[0];
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!((&target["schedule"], &target["branch"]), (&json!("0 1"), &json!("")));
}

async fn vieter_12_a_target_is_removed_twice(engine: Engine) {
    let farm = Farm::start(engine).await;
    let id = farm.target(GIT).await;
    farm.ask("DELETE", &format!("/api/v1/targets/{id}")).await.is_bare(200);
    farm.ask("DELETE", &format!("/api/v1/targets/{id}")).await.is_bare(200);
    farm.ask("DELETE", "/api/v1/targets/x").await.is_bare(200);
    farm.get(&format!("/api/v1/targets/{id}")).await.is_bare(404);
}

async fn vieter_24_the_cron_table_through_the_schedule_of_a_target(engine: Engine) {
    let farm = Farm::start(engine).await;
    let id = farm.target(GIT).await;
    let asked = |schedule: &str| {
        let schedule: String = form_urlencoded::byte_serialize(schedule.as_bytes()).collect();
        [
            ("PATCH", format!("/api/v1/targets/{id}?schedule={schedule}")),
            ("POST", format!("/api/v1/targets?{GIT}&schedule={schedule}")),
        ]
    };
    let legal =
        ["0 3", "0 1 2 3 ", "5 5 *", "5 5 * *", "* *", " */15   * ", "0 3-7/4,7-19", "0 0 */7", "0 0 29 2"];
    for schedule in legal {
        for (method, path) in asked(schedule) {
            assert_eq!(farm.ask(method, &path).await.status, 200, "{method} {schedule:?}");
        }
    }
    let illegal = [
        "4 *-7",
        "4 *-7/4",
        "4 7/*",
        "0 0 30 2",
        "0 /5",
        "0",
        "0  ",
        " ",
        "1 2 3 4~9",
        "1 1-3-5",
        "0 5/2-5",
        "1 1/2/3",
        "*5 8",
        "x 8",
        "1 2 3 4 5",
        "*/0 1",
        "*/60 1",
        "0 9-3",
        "60 1",
        "0 24",
        "0 0 0",
        "@daily",
    ];
    for schedule in illegal {
        for (method, path) in asked(schedule) {
            let answer = farm.ask(method, &path).await;
            assert_eq!(answer.status, 400, "{method} {schedule:?}: {}", answer.text());
        }
    }
    assert_eq!(farm.get("/api/v1/targets?limit=0").await.data().as_array().unwrap().len(), 1 + legal.len());
}
