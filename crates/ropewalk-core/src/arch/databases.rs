//! Databases of repositories as they were last read.

use super::package::end_of_database;
use crate::error::Error;
use crate::farm::Farm;
use crate::port::DatabaseRow;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Bytes of databases that are kept in memory.
const KEPT: u64 = 256 << 20;
/// What one takes beside its bytes, more or less.
const OVERHEAD: u64 = 512;
/// Databases that are put together at the same time.
const MADE_AT_ONCE: usize = 2;

/// Which one: repository, architecture, whether it has lists of files, and the revision that was asked for.
type Key = (i64, String, bool, i64);

/// One moment of a database, never changed.
type Snapshot = (DatabaseRow, Arc<Vec<u8>>);

#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<Key, Snapshot> for Bytes {
    fn weight(&self, key: &Key, (_, bytes): &Snapshot) -> u64 {
        OVERHEAD + key.1.len() as u64 + bytes.len() as u64
    }
}

/// Databases in memory; those that are asked for least go first.
#[derive(Debug)]
pub(crate) struct Databases {
    kept: Cache<Key, Snapshot, Bytes>,
    making: Semaphore,
}

impl Default for Databases {
    fn default() -> Self {
        Databases { kept: cache(KEPT), making: Semaphore::new(MADE_AT_ONCE) }
    }
}

fn cache(bytes: u64) -> Cache<Key, Snapshot, Bytes> {
    // In one piece: a part of it would be too small for a large database.
    let options =
        OptionsBuilder::new().shards(1).estimated_items_capacity(1024).weight_capacity(bytes).build();
    match options {
        Ok(options) => {
            let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
            Cache::with_options(options, Bytes, hasher, lifecycle)
        }
        Err(_) => Cache::with_weighter(1024, bytes, Bytes),
    }
}

impl Farm {
    /// A database as it is now, or was a moment ago. However many ask for it, it is put together once.
    pub(super) async fn database_bytes(
        &self,
        row: DatabaseRow,
        arch: &str,
        with_files: bool,
    ) -> Result<Snapshot, Error> {
        if row.revision == 0 {
            // Nothing was ever published there: nothing is worth keeping, whatever words are asked for.
            return Ok((row, Arc::new(end_of_database().map_err(Error::internal)?)));
        }
        let key = (row.repo, arch.to_string(), with_files, row.revision);
        let make = async {
            let _seat = self.databases.making.acquire().await.map_err(Error::internal)?;
            let (row, mut bytes) = self.store.database_parts(row.repo, arch, with_files).await?;
            bytes.extend(end_of_database().map_err(Error::internal)?);
            Ok((row, Arc::new(bytes)))
        };
        self.databases.kept.get_or_insert_async(&key, make).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(bytes: usize) -> Snapshot {
        (DatabaseRow { repo: 1, revision: 1, modified: 1 }, Arc::new(vec![0; bytes]))
    }

    #[test]
    fn what_is_kept_stays_below_its_bound() {
        let kept = cache(64 << 10);
        for number in 0..10_000 {
            kept.insert((number, "x86_64".into(), false, 1), snapshot(10));
        }
        assert!(kept.weight() <= 64 << 10 && kept.len() <= 128, "{} of {}", kept.weight(), kept.len());
        kept.insert((1, "large".into(), false, 1), snapshot(100 << 10));
        assert!(kept.get(&(1, "large".to_string(), false, 1)).is_none(), "it alone is more than may be kept");
        kept.insert((1, "half".into(), false, 1), snapshot(40 << 10));
        assert!(kept.get(&(1, "half".to_string(), false, 1)).is_some());
    }
}
