//! Which blobs exist, as the database knows it.

use crate::SqlStore;
use crate::db::{Tx, Write};
use ropewalk_core::port::{BlobRef, StoreError};
use ropewalk_model::time::Time;
use std::time::Duration;

const NOTE: Write = Write::durable("note a blob");
const FORGET: Write = Write::durable("forget a blob");

/// Whether blob `b` is older than `$1` and nothing refers to it.
const UNUSED: &str = "(b.created < $1 AND NOT EXISTS (SELECT 1 FROM attempt_logs l WHERE l.sha256 = b.sha256)
    AND NOT EXISTS (SELECT 1 FROM artifacts a WHERE a.sha256 = b.sha256)
    AND NOT EXISTS (SELECT 1 FROM arch_logs c WHERE c.sha256 = b.sha256)
    AND NOT EXISTS (SELECT 1 FROM arch_packages p WHERE p.sha256 = b.sha256)
    AND NOT EXISTS (SELECT 1 FROM arch_replaced r WHERE r.sha256 = b.sha256))";

/// A part of all blobs.
#[derive(Default)]
pub(super) struct Part {
    /// Those that may be removed.
    pub(super) unused: Vec<String>,
    /// The last of the part; empty at the end of all.
    pub(super) next: String,
}

impl SqlStore {
    /// Notes that a blob is about to exist. One that is known gets younger, so that whoever removes old ones that
    /// nothing refers to leaves it alone until it is referred to.
    pub(super) async fn note_blob(&self, blob: &BlobRef) -> Result<(), StoreError> {
        self.db.write(NOTE, (blob.clone(), self.now()), note).await
    }

    /// Of the next `limit` blobs after a name, those that nothing refers to and that are older than this.
    pub(super) async fn unused_blobs(
        &self,
        after: &str,
        unused_for: Duration,
        limit: u32,
    ) -> Result<Part, StoreError> {
        let sql = format!(
            "SELECT b.sha256, {UNUSED} AS unused FROM (SELECT sha256, created FROM blobs WHERE sha256 > $2
                ORDER BY sha256 LIMIT $3) b ORDER BY b.sha256"
        );
        let values = vec![self.before(unused_for).into(), after.into(), i64::from(limit).into()];
        let rows = self.db.query_all("look for unused blobs", &sql, values).await?;
        let is_last = rows.len() < usize::try_from(limit).unwrap_or(usize::MAX);
        let mut part = Part::default();
        for row in rows {
            let sha256: String = row.get("sha256")?;
            if row.get("unused")? {
                part.unused.push(sha256.clone());
            }
            part.next = if is_last { String::new() } else { sha256 };
        }
        Ok(part)
    }

    /// Whether nothing refers to a blob that is older than this.
    pub(super) async fn is_unused(&self, sha256: &str, unused_for: Duration) -> Result<bool, StoreError> {
        let sql = format!("SELECT {UNUSED} AS unused FROM blobs b WHERE b.sha256 = $2");
        let values = vec![self.before(unused_for).into(), sha256.into()];
        let row = self.db.query_one("look at a blob", &sql, values).await?;
        row.map_or(Ok(false), |row| row.get("unused"))
    }

    fn before(&self, ago: Duration) -> i64 {
        let ago = i64::try_from(ago.as_micros()).unwrap_or(i64::MAX);
        self.now().0.saturating_sub(ago)
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
