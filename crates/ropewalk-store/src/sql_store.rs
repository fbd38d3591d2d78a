//! The implementor of the core's ports.

use crate::db::Database;
use ropewalk_core::port::{Clock, StoreError};
use ropewalk_model::time::Time;
use std::sync::Arc;

/// All storage ports over one database. A clone is another handle of the same one.
#[derive(Clone)]
pub struct SqlStore {
    pub(crate) db: Database,
    clock: Arc<dyn Clock>,
}

impl SqlStore {
    /// Opens the database at `url` (see [`Database::open`]) and brings its tables up to date.
    pub async fn open(url: &str, clock: Arc<dyn Clock>) -> Result<SqlStore, StoreError> {
        let db = Database::open(url).await?;
        crate::migration::up(&db).await?;
        Ok(SqlStore { db, clock })
    }

    /// The engine below, for backups and for looking at rows.
    pub fn database(&self) -> &Database {
        &self.db
    }

    /// Now, by the clock that was plugged in.
    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }
}
