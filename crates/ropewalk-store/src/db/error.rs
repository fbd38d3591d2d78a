//! What the engines say, in the words of the port.

use ropewalk_core::port::StoreError;
use sea_orm::{DbErr, RuntimeErr, SqlErr, SqlxError};

/// The port's error for an engine's. `tried` completes the sentence "the store could not …". Names of tables and
/// constraints do not get to callers.
pub(super) fn store(tried: &str, error: DbErr) -> StoreError {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(what)) => {
            tracing::debug!("could not {tried}: {what}");
            StoreError::Conflict(format!("could not {tried}: it exists already"))
        }
        Some(SqlErr::ForeignKeyConstraintViolation(what)) => {
            tracing::debug!("could not {tried}: {what}");
            StoreError::Missing(format!("row that this refers to: could not {tried}"))
        }
        _ => StoreError::Unavailable { tried: tried.into(), reason: error.to_string() },
    }
}

/// Whether PostgreSQL asks to run the transaction again: a serialisation failure or a deadlock.
pub(super) fn asks_for_retry(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    match &**error {
        SqlxError::Database(error) => matches!(error.code().as_deref(), Some("40001" | "40P01")),
        _ => false,
    }
}
