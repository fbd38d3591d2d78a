//! `hut builds list`.

use crate::forge::{FAILS, Forge, HELLO};
use crate::on_both_databases;
use crate::server::Engine;

on_both_databases! {
    srht_19_list_the_newest
    srht_20_list_more_than_a_page
    srht_21_list_the_jobs_of_another
    srht_22_list_the_jobs_of_nobody
    srht_23_list_by_status_and_tag
}

/// Submits that many jobs; the number of the first.
async fn many(forge: &Forge, count: usize) -> i64 {
    let mutation = "mutation($manifest: String!) { submit(manifest: $manifest) { id } }";
    let mut first = None;
    for _ in 0..count {
        let made = forge.query(mutation, serde_json::json!({ "manifest": HELLO })).await;
        first = first.or(made["submit"]["id"].as_i64());
    }
    first.unwrap()
}

/// The numbers of the jobs that a list names, in its order.
fn numbers(list: &str) -> Vec<i64> {
    let number = |line: &str| line.strip_prefix('#')?.split([' ', ':']).next()?.parse().ok();
    list.lines().filter_map(number).collect()
}

async fn srht_19_list_the_newest(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let first = many(&forge, 30).await;
    let said = forge.hut(&["builds", "list"]).succeeds();
    assert_eq!(numbers(&said.out), (first + 5..first + 30).rev().collect::<Vec<i64>>(), "{said:?}");
}

async fn srht_20_list_more_than_a_page(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let first = many(&forge, 32).await;
    let said = forge.hut(&["--debug", "builds", "list", "--count", "30"]).succeeds();
    assert_eq!(numbers(&said.out), (first + 2..first + 32).rev().collect::<Vec<i64>>(), "{said:?}");
    // What hut sent: the first page, and the one that its cursor leads to.
    let cursors: Vec<&str> =
        said.errors.split("\"cursor\":").skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
    assert!(cursors.len() == 2 && cursors[0] == "null" && cursors[1].starts_with('"'), "{said:?}");
}

async fn srht_21_list_the_jobs_of_another(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let path = forge.file("m.yml", HELLO);
    let mut public = 0;
    for visibility in ["unlisted", "public", "private"] {
        let said = forge.hut_of_bob(&["builds", "submit", &path, "-v", visibility]).succeeds();
        let id = forge.job_of(said.out.trim_end(), "bob");
        if visibility == "public" {
            public = id;
        }
    }
    forge.submit(HELLO, &["-v", "public"]);
    let said = forge.hut(&["builds", "list", "~bob"]).succeeds();
    assert_eq!(numbers(&said.out), [public], "{said:?}");
}

async fn srht_22_list_the_jobs_of_nobody(engine: Engine) {
    let forge = Forge::idle(engine).await;
    forge.hut(&["builds", "list", "~nobody"]).fails("no such user");
}

async fn srht_23_list_by_status_and_tag(engine: Engine) {
    let forge = Forge::start(engine).await;
    let wanted = forge.submit(FAILS, &["-t", "a/b"]);
    let other = forge.submit(FAILS, &["-t", "b"]);
    let fine = forge.submit(HELLO, &["-t", "a"]);
    forge.wait_for(wanted, "FAILED").await;
    forge.wait_for(other, "FAILED").await;
    forge.wait_for(fine, "SUCCESS").await;
    let said = forge.hut(&["builds", "list", "-s", "failed", "-t", "a"]).succeeds();
    assert_eq!(numbers(&said.out), [wanted], "{said:?}");
}
