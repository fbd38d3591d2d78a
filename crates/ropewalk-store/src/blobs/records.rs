//! Which blobs exist, as the database knows it.

use crate::SqlStore;
use crate::db::{Tx, Write};
use ropewalk_core::port::{BlobRef, StoreError};
use ropewalk_model::time::Time;

const NOTE: Write = Write::durable("note a blob");
const FORGET: Write = Write::durable("forget a blob");

impl SqlStore {
    /// Notes that a blob is about to exist. One that is known gets younger, so that whoever removes old ones that
    /// nothing refers to leaves it alone until it is referred to.
    pub(super) async fn note_blob(&self, blob: &BlobRef) -> Result<(), StoreError> {
        self.db.write(NOTE, (blob.clone(), self.now()), note).await
    }

    pub(super) async fn forget_blob(&self, sha256: &str) -> Result<(), StoreError> {
        self.db.write(FORGET, (sha256.to_owned(),), forget).await
    }
}

async fn note(tx: &Tx, (blob, now): &(BlobRef, Time)) -> Result<(), StoreError> {
    let size = i64::try_from(blob.size).map_err(|_| StoreError::Refused("a blob of that size".into()))?;
    let sql = "INSERT INTO blobs (sha256, size, created) VALUES ($1, $2, $3)
        ON CONFLICT (sha256) DO UPDATE SET created = excluded.created";
    tx.execute(sql, vec![blob.sha256.as_str().into(), size.into(), now.0.into()]).await.map(|_| ())
}

async fn forget(tx: &Tx, (sha256,): &(String,)) -> Result<(), StoreError> {
    tx.execute("DELETE FROM blobs WHERE sha256 = $1", vec![sha256.as_str().into()]).await.map(|_| ())
}
