//! A fresh database for each test.

use ropewalk_store::{SqlStore, db::Database};
use ropewalk_testkit::clock::FakeClock;
use ropewalk_testkit::postgres::TestDatabase;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The store under test, and what keeps its database there.
pub struct Env {
    pub store: SqlStore,
    pub clock: Arc<FakeClock>,
    url: String,
    _place: Place,
}

#[allow(dead_code, reason = "held until the end of the test")]
enum Place {
    Folder(tempfile::TempDir),
    Server(Box<TestDatabase>),
}

impl Env {
    pub async fn sqlite() -> Env {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("ropewalk.db").display());
        Env::open(url, Place::Folder(folder)).await
    }

    pub async fn postgres() -> Env {
        let database = TestDatabase::create().await;
        Env::open(database.url().to_owned(), Place::Server(Box::new(database))).await
    }

    async fn open(url: String, place: Place) -> Env {
        let clock = Arc::new(FakeClock::default());
        let store = SqlStore::open(&url, clock.clone()).await.expect("a store");
        Env { store, clock, url, _place: place }
    }

    pub fn db(&self) -> &Database {
        self.store.database()
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Closes the store and opens it anew, as the next start of the program would.
    pub async fn reopen(&mut self) {
        self.db().close().await;
        self.store = SqlStore::open(&self.url, self.clock.clone()).await.expect("the store again");
    }

    /// One more handle on the same database, as another server would have; on SQLite the same one.
    pub async fn second_server(&self) -> Database {
        match self.db().engine() {
            ropewalk_store::db::Engine::Sqlite => self.db().clone(),
            ropewalk_store::db::Engine::Postgres => Database::open(&self.url).await.expect("another handle"),
        }
    }
}

/// Where the rows are that fill the tables of a migration.
pub fn filled(step: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/rows").join(step).with_extension("sql")
}

/// Waits until a condition holds; fails the test after 10 s.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "waited 10 s for: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
