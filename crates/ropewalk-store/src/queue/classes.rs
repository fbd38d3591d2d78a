//! Requirement classes, and which runners serve them.
//!
//! A new class and a runner with new labels must see each other, or a work would wait for ever: both changes take
//! the one row of `registry` first.

use crate::change::from_json;
use crate::db::Tx;
use ropewalk_core::port::StoreError;
use ropewalk_model::ids::{ClassId, RunnerId};
use ropewalk_model::work::{Labels, Requirement};

/// The class of a requirement; made if it is new.
pub(crate) async fn class_of(tx: &Tx, requirement: &Requirement) -> Result<ClassId, StoreError> {
    let text = requirement.class();
    if let Some(id) = find(tx, &text).await? {
        return Ok(id);
    }
    lock_registry(tx).await?;
    if let Some(id) = find(tx, &text).await? {
        return Ok(id);
    }
    let sql = "INSERT INTO classes (text) VALUES ($1) RETURNING id";
    let Some(row) = tx.query_one(sql, vec![text.into()]).await? else {
        return Err(StoreError::Corrupt("a requirement class that got no number".into()));
    };
    let id = ClassId(row.get("id")?);
    for row in tx.query_all("SELECT id, labels FROM runners ORDER BY id", vec![]).await? {
        if from_json::<Labels>(&row, "labels")?.serve(requirement) {
            serve(tx, RunnerId(row.get("id")?), id).await?;
        }
    }
    Ok(id)
}

/// Finds out anew which classes a runner serves.
pub(super) async fn match_runner(tx: &Tx, runner: RunnerId, labels: &Labels) -> Result<(), StoreError> {
    tx.execute("DELETE FROM runner_classes WHERE runner = $1", vec![runner.0.into()]).await?;
    for row in tx.query_all("SELECT id, text FROM classes ORDER BY id", vec![]).await? {
        if labels.serve(&requirement(&row.get::<String>("text")?)?) {
            serve(tx, runner, ClassId(row.get("id")?)).await?;
        }
    }
    Ok(())
}

/// Reads a class's text back.
pub(super) fn requirement(class: &str) -> Result<Requirement, StoreError> {
    Requirement::from_class(class)
        .ok_or_else(|| StoreError::Corrupt(format!("the requirement class \"{class}\"")))
}

/// Keeps classes and labels of runners as they are until the transaction ends.
pub(super) async fn lock_registry(tx: &Tx) -> Result<(), StoreError> {
    tx.execute("UPDATE registry SET revision = revision + 1 WHERE id = 1", vec![]).await.map(|_| ())
}

async fn find(tx: &Tx, text: &str) -> Result<Option<ClassId>, StoreError> {
    let row = tx.query_one("SELECT id FROM classes WHERE text = $1", vec![text.into()]).await?;
    row.map(|row| row.get("id").map(ClassId)).transpose()
}

async fn serve(tx: &Tx, runner: RunnerId, class: ClassId) -> Result<(), StoreError> {
    let sql = "INSERT INTO runner_classes (runner, class) VALUES ($1, $2)";
    tx.execute(sql, vec![runner.0.into(), class.0.into()]).await.map(|_| ())
}
