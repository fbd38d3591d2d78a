//! `hut builds cancel`, `update`, `resubmit`.

use crate::forge::{FAILS, Forge, HELLO, LONG};
use crate::on_both_databases;
use crate::server::Engine;
use serde_json::json;

on_both_databases! {
    srht_26_cancel_a_running_job
    srht_27_cancel_finished
    srht_28_update_visibility_and_tags
    srht_29_update_the_job_of_another
    srht_30_resubmit
}

async fn srht_26_cancel_a_running_job(engine: Engine) {
    let forge = Forge::start(engine).await;
    let id = forge.submit(LONG, &[]);
    forge.wait_for_log(id, "begun").await;
    let said = forge.hut(&["builds", "cancel", &id.to_string()]).succeeds();
    assert!(format!("{}{}", said.out, said.errors).contains(&format!("{id} is cancelled")), "{said:?}");
    let job = forge.wait_for(id, "CANCELLED").await;
    assert_eq!(job["tasks"], json!([{ "name": "a", "status": "FAILED" }]));
}

async fn srht_27_cancel_finished(engine: Engine) {
    let forge = Forge::start(engine).await;
    let id = forge.submit(HELLO, &[]);
    forge.wait_for(id, "SUCCESS").await;
    let said = forge.hut(&["builds", "cancel", &id.to_string()]).fails("has ended");
    assert_eq!(said.errors.lines().count(), 1, "{said:?}");
    assert_eq!(forge.job(id).await["status"], "SUCCESS");
}

async fn srht_28_update_visibility_and_tags(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let id = forge.submit(HELLO, &["-t", "a"]);
    let updated = format!("Updated job {id}");
    let said = forge.hut(&["builds", "update", &id.to_string(), "-v", "public"]).succeeds();
    assert!(format!("{}{}", said.out, said.errors).contains(&updated), "{said:?}");
    let job = forge.job(id).await;
    assert_eq!((&job["visibility"], &job["tags"]), (&json!("PUBLIC"), &json!(["a"])));
    let said = forge.hut(&["builds", "update", &id.to_string(), "-t", "x/y"]).succeeds();
    assert!(format!("{}{}", said.out, said.errors).contains(&updated), "{said:?}");
    let job = forge.job(id).await;
    assert_eq!((&job["visibility"], &job["tags"]), (&json!("PUBLIC"), &json!(["x", "y"])));
}

async fn srht_29_update_the_job_of_another(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let said = forge.hut_of_bob(&["builds", "submit", &forge.file("m.yml", HELLO)]).succeeds();
    let id = forge.job_of(said.out.trim_end(), "bob");
    let said = forge.hut(&["builds", "update", &id.to_string(), "-v", "public"]).fails("");
    assert_eq!(said.errors.lines().count(), 1, "{said:?}");
    assert_eq!(forge.job(id).await["visibility"], "UNLISTED");
}

async fn srht_30_resubmit(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let id = forge.submit(FAILS, &["-t", "a/b", "-v", "private"]);
    let said = forge.hut(&["builds", "resubmit", &id.to_string()]).succeeds();
    let new = forge.job_of(said.out.trim_end(), "alice");
    assert_ne!(new, id);
    let job = forge.job(new).await;
    assert_eq!((&job["manifest"], &job["tags"]), (&json!(FAILS), &json!(["a", "b"])));
    assert_eq!(job["visibility"], "PRIVATE");
    assert_eq!(job["note"], format!("Resubmission of build [#{id}](/~alice/job/{id})"));
}
