//! PostgreSQL for tests: a private cluster that all test processes of a run share, and a fresh database a test.
//!
//! The cluster lies below `target/`, listens on a unix socket only, never runs as root, and ends by itself some
//! seconds after the last test process is gone. `ROPEWALK_TEST_POSTGRES=postgres://…` names a server to use instead;
//! its user must be allowed to make databases.

mod cluster;
mod secured;

use cluster::Cluster;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{ConnectOptions, Connection, Executor, PgConnection};
pub use secured::Secured;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names a server to use instead of a private cluster.
pub const VARIABLE: &str = "ROPEWALK_TEST_POSTGRES";

/// Why there is no PostgreSQL for tests here.
#[derive(Clone, Debug, thiserror::Error)]
#[error("NOT RUN here: PostgreSQL: {0}")]
pub struct NotHere(String);

/// A fresh database. Dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    name: String,
    server: PgConnectOptions,
}

impl TestDatabase {
    /// Makes a database.
    ///
    /// # Panics
    /// With the text `NOT RUN here: PostgreSQL: …`, also printed, if there is no server: a test that could not run
    /// never counts as passed. `make test` leaves such tests out on machines without PostgreSQL and says so.
    #[allow(clippy::panic, clippy::print_stdout, reason = "for tests: one that cannot run must not pass")]
    pub async fn create() -> TestDatabase {
        match TestDatabase::try_create().await {
            Ok(database) => database,
            Err(not_here) => {
                println!("{not_here}");
                panic!("{not_here}");
            }
        }
    }

    /// Makes a database, or says why there is none.
    pub async fn try_create() -> Result<TestDatabase, NotHere> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let server = server().await?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{}_{number}", std::process::id(), moment());
        run(&server, format!("CREATE DATABASE {name}")).await?;
        let url = server.clone().database(&name).to_url_lossy().to_string();
        Ok(TestDatabase { url, name, server })
    }

    /// `postgres://…`, for [`ropewalk_store`] and for a `serve` under test.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, sql) = (self.server.clone(), format!("DROP DATABASE {} WITH (FORCE)", self.name));
        // A destructor cannot wait for the runtime that it runs on.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            // What stays behind goes with the next start of the cluster.
            let _ = runtime.map(|runtime| runtime.block_on(run(&server, sql)));
        });
        let _ = dropping.join();
    }
}

async fn server() -> Result<PgConnectOptions, NotHere> {
    if let Ok(url) = std::env::var(VARIABLE) {
        return url.parse().map_err(|e| NotHere(format!("{VARIABLE} is no address of a server: {e}")));
    }
    let joined = tokio::task::spawn_blocking(|| Cluster::join().map(|cluster| cluster.socket_folder()));
    let folder = joined.await.map_err(|e| NotHere(e.to_string()))??;
    let folder = folder.display().to_string();
    Ok(PgConnectOptions::new_without_pgpass().socket(folder).username(cluster::USER).database("postgres"))
}

async fn run(server: &PgConnectOptions, sql: String) -> Result<(), NotHere> {
    let failed =
        |e: sea_orm::SqlxError| NotHere(format!("the server for tests could not run \"{sql}\": {e}"));
    let mut connection = PgConnection::connect_with(server).await.map_err(failed)?;
    connection.execute(sea_orm::sqlx::AssertSqlSafe(sql.clone())).await.map_err(failed)?;
    connection.close().await.map_err(failed)
}

/// Tells apart processes that got the same number one after another.
fn moment() -> u128 {
    std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_micros())
}
