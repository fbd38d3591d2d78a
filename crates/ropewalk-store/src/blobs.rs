//! Finished bytes on disk, under the name of their content.
//!
//! A blob lies in `FOLDER/ab/<the other 62 digits of its SHA-256>`, compressed (see [`format`]). It is written under
//! another name, made durable, noted in the database and only then given its name: a name that exists holds all of
//! its bytes, and the database knows every one that exists.

pub(crate) mod format;
mod records;

use crate::SqlStore;
use crate::files;
use async_trait::async_trait;
use format::{Reader, Writer};
use ropewalk_core::port::{BlobRef, Blobs, Landmark, Seek, StoreError};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::RwLock;

/// Blobs in a folder of this machine.
#[derive(Clone)]
pub struct DiskBlobs {
    folder: Arc<Path>,
    store: SqlStore,
    /// Read by whoever notes a blob and gives it its name, written by whoever removes one.
    naming: Arc<RwLock<()>>,
    /// The last blob that was looked at for removal; empty before the first.
    collected_to: Arc<Mutex<String>>,
}

/// Blobs that one call looks at for removal.
const PART: u32 = 1000;

impl DiskBlobs {
    /// Opens the folder, made if it is missing, and clears what an earlier run did not finish.
    pub async fn open(folder: &Path, store: SqlStore) -> Result<DiskBlobs, StoreError> {
        let blobs =
            DiskBlobs { folder: folder.into(), store, naming: Arc::default(), collected_to: Arc::default() };
        let unfinished = blobs.unfinished();
        files::blocking(move || {
            match std::fs::remove_dir_all(&unfinished) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(files::failed("clear", &unfinished)(e));
                }
                _ => {}
            }
            files::create_folder(&unfinished)
        })
        .await?;
        Ok(blobs)
    }

    fn unfinished(&self) -> PathBuf {
        self.folder.join("unfinished")
    }

    fn path(&self, sha256: &str) -> Result<PathBuf, StoreError> {
        // Names come from the database and from addresses: nothing but a hash becomes a path.
        let good = sha256.len() == 64 && sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match sha256.split_at_checked(2) {
            Some((first, rest)) if good => Ok(self.folder.join(first).join(rest)),
            _ => Err(StoreError::Missing(format!("blob {sha256:?}: that is no SHA-256 in hexadecimal"))),
        }
    }
}

#[async_trait]
impl Blobs for DiskBlobs {
    async fn put_file(&self, path: &Path) -> Result<BlobRef, StoreError> {
        let (source, unfinished) = (path.to_owned(), self.unfinished());
        let (blob, written) = files::blocking(move || compress(&source, &unfinished)).await?;
        let _naming = self.naming.read().await;
        self.store.note_blob(&blob).await?;
        let named = self.path(&blob.sha256)?;
        files::blocking(move || {
            if let Some(folder) = named.parent() {
                files::create_folder(folder)?;
            }
            written.persist(&named).map_err(|e| files::failed("give its name to", &named)(e.error))?;
            files::sync_parent(&named)
        })
        .await?;
        Ok(blob)
    }

    async fn read(&self, blob: &BlobRef, from: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let (path, blob) = (self.path(&blob.sha256)?, blob.clone());
        files::blocking(move || read(&path, &blob, from, length)).await
    }

    async fn landmark(&self, blob: &BlobRef, seek: Seek) -> Result<Landmark, StoreError> {
        let (path, blob) = (self.path(&blob.sha256)?, blob.clone());
        files::blocking(move || landmark(&path, &blob, seek)).await
    }

    async fn renew(&self, blob: &BlobRef) -> Result<bool, StoreError> {
        let path = self.path(&blob.sha256)?;
        let _naming = self.naming.read().await;
        let (wanted, is_there) = (blob.clone(), path.clone());
        if !files::blocking(move || Ok(is_there.exists())).await? {
            return Ok(false);
        }
        files::blocking(move || read(&path, &wanted, wanted.size, 0)).await?;
        self.store.note_blob(blob).await?;
        Ok(true)
    }

    async fn collect(&self, unused_for: Duration) -> Result<usize, StoreError> {
        let after = self.collected_to.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let part = self.store.unused_blobs(&after, unused_for, PART).await?;
        let mut gone = 0;
        for sha256 in &part.unused {
            gone += usize::from(self.remove_unused(sha256, unused_for).await?);
        }
        *self.collected_to.lock().unwrap_or_else(PoisonError::into_inner) = part.next;
        Ok(gone)
    }
}

impl DiskBlobs {
    /// Removes a blob if it is still unused. Nobody gives a blob its name meanwhile, so that none that was just put
    /// loses its file.
    async fn remove_unused(&self, sha256: &str, unused_for: Duration) -> Result<bool, StoreError> {
        let path = self.path(sha256)?;
        let _alone = self.naming.write().await;
        if !self.store.is_unused(sha256, unused_for).await? {
            return Ok(false);
        }
        files::blocking(move || match std::fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(files::failed("remove", &path)(e)),
            _ => files::sync_parent(&path),
        })
        .await?;
        // Last, so that a blob whose removal was cut short is still known, and removed by the next try.
        self.store.forget_blob(sha256).await?;
        Ok(true)
    }
}

/// Writes the compressed form, durable when this returns. It vanishes unless it is given a name.
fn compress(source: &Path, unfinished: &Path) -> Result<(BlobRef, tempfile::NamedTempFile), StoreError> {
    let mut raw = File::open(source).map_err(files::failed("read", source))?;
    let written =
        tempfile::NamedTempFile::new_in(unfinished).map_err(files::failed("write to", unfinished))?;
    let failed_write = || files::failed("write", written.path());
    let mut writer = Writer::new(written.as_file()).map_err(failed_write())?;
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut frame = Vec::with_capacity(format::FRAME);
    loop {
        frame.clear();
        (&mut raw)
            .take(format::FRAME as u64)
            .read_to_end(&mut frame)
            .map_err(files::failed("read", source))?;
        if frame.is_empty() {
            break;
        }
        hash.update(&frame);
        size += frame.len() as u64;
        writer.frame(&frame).map_err(failed_write())?;
    }
    writer.finish().map_err(failed_write())?;
    written.as_file().sync_all().map_err(failed_write())?;
    let sha256 = hex::encode(hash.finalize());
    Ok((BlobRef { sha256, size }, written))
}

fn read(path: &Path, blob: &BlobRef, from: u64, length: usize) -> Result<Vec<u8>, StoreError> {
    open(path, blob)?.read(from, length).map_err(|e| damaged(path, &e.to_string()))
}

fn landmark(path: &Path, blob: &BlobRef, seek: Seek) -> Result<Landmark, StoreError> {
    open(path, blob)?.landmark(seek).map_err(|e| damaged(path, &e.to_string()))
}

fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::Corrupt(format!("blob {}: {what}", path.display()))
}

fn open(path: &Path, blob: &BlobRef) -> Result<Reader, StoreError> {
    let file = match File::open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Err(damaged(path, "its file is missing")),
        other => other.map_err(files::failed("read", path))?,
    };
    let reader = Reader::open(file).map_err(|e| damaged(path, &e.to_string()))?;
    if reader.size() != blob.size {
        return Err(damaged(path, &format!("it holds {} bytes instead of {}", reader.size(), blob.size)));
    }
    Ok(reader)
}
