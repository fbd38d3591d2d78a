//! Every scenario in `tests/scenarios`, on both engines.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use ropewalk_store::SqlStore;
use ropewalk_testkit::clock::FakeClock;
use ropewalk_testkit::postgres::TestDatabase;
use ropewalk_testkit::scenario::{self, Expectation, Scenario, Trouble};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the scenarios")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| {
            path.extension().is_some_and(|e| e == "yml") && !path.to_string_lossy().contains(".expect.")
        })
        .collect();
    files.sort();
    assert!(files.len() >= 5, "the scenarios were not found");
    files
}

async fn carry_out(path: &Path, url: &str) -> Result<(), Trouble> {
    let scenario: Scenario = scenario::read(path)?;
    let expected: Expectation = scenario::read(&path.with_extension("expect.yml"))?;
    let clock = Arc::new(FakeClock::default());
    let store = SqlStore::open(url, clock.clone()).await.expect("a store");
    let world = scenario::run(&scenario, store, clock).await?;
    if !expected.unfinished {
        world.nobody_waits().await?;
    }
    world.events_tell_a_story().await?;
    world.compare(&expected).await
}

/// Carries all of them out and tells what went wrong in each.
async fn all(url_of: impl AsyncFn(usize) -> (String, Box<dyn std::any::Any>)) {
    let mut wrong = Vec::new();
    for (at, path) in files().iter().enumerate() {
        let (url, _place) = url_of(at).await;
        let began = std::time::Instant::now();
        match carry_out(path, &url).await {
            Ok(()) => println!("{}: {:?}", path.file_stem().unwrap().display(), began.elapsed()),
            Err(trouble) => wrong.push(format!("{}:\n{trouble}", path.display())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenarios_come_out_as_expected_on_sqlite() {
    all(async |_| {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("ropewalk.db").display());
        (url, Box::new(folder) as Box<dyn std::any::Any>)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenarios_come_out_as_expected_on_postgres() {
    all(async |_| {
        let database = TestDatabase::create().await;
        (database.url().to_owned(), Box::new(database) as Box<dyn std::any::Any>)
    })
    .await;
}
