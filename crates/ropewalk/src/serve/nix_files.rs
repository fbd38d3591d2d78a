//! The Nix store of this machine, as the doors read from it.

use async_trait::async_trait;
use ropewalk_core::port::{NixEntry, NixFiles, NixFound, StoreError};
use ropewalk_runner::nix::files::{Entry, FilesError, StoreFiles};
use std::os::unix::fs::FileExt;
use std::path::Path;

pub(super) struct OfThisMachine(StoreFiles);

impl OfThisMachine {
    pub(super) fn new(store: &Path) -> OfThisMachine {
        OfThisMachine(StoreFiles::new(store))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        path: &str,
        work: impl FnOnce(&StoreFiles, &str) -> Result<T, FilesError> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        let (files, path) = (self.0.clone(), path.to_owned());
        let unavailable =
            |reason: String| StoreError::Unavailable { tried: "read the Nix store".into(), reason };
        let done = tokio::task::spawn_blocking(move || work(&files, &path)).await;
        match done.map_err(|error| unavailable(error.to_string()))? {
            Ok(found) => Ok(Some(found)),
            Err(FilesError::System(path, error)) => Err(unavailable(format!("{path}: {error}"))),
            Err(FilesError::Missing(_) | FilesError::Outside(_) | FilesError::TooDeep(_)) => Ok(None),
        }
    }
}

#[async_trait]
impl NixFiles for OfThisMachine {
    async fn find(&self, path: &str) -> Result<Option<NixFound>, StoreError> {
        self.blocking(path, |files, path| {
            let found = files.open(path)?;
            let entry = match found.entry {
                Entry::File { size, .. } => NixEntry::File { size },
                Entry::Folder(names) => NixEntry::Folder(names),
            };
            Ok(NixFound { path: found.path, entry })
        })
        .await
    }

    async fn read(&self, path: &str, from: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let bytes = self.blocking(path, move |files, path| {
            let Entry::File { file, size } = files.open(path)?.entry else {
                return Err(FilesError::Missing(path.into()));
            };
            let left = usize::try_from(size.saturating_sub(from)).unwrap_or(usize::MAX);
            let mut bytes = vec![0; length.min(left)];
            file.read_exact_at(&mut bytes, from).map_err(|error| FilesError::System(path.into(), error))?;
            Ok(bytes)
        });
        Ok(bytes.await?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_read_in_parts_and_what_is_not_in_the_store_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().canonicalize().unwrap();
        let path = store.join("00000000000000000000000000000000-a");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("x"), "0123456789").unwrap();
        let files = OfThisMachine::new(&store);
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let found = files.find(&text(&path)).await.unwrap().unwrap();
        assert_eq!(found.entry, NixEntry::Folder(vec!["x".into()]));
        let file = text(&path.join("x"));
        assert_eq!(files.find(&file).await.unwrap().unwrap().entry, NixEntry::File { size: 10 });
        assert_eq!(files.read(&file, 7, 100).await.unwrap(), b"789");
        assert_eq!(files.read(&file, 70, 100).await.unwrap(), b"");
        for path in ["/etc/passwd".to_owned(), format!("{file}/../../../etc"), text(&store)] {
            assert_eq!(files.find(&path).await.unwrap(), None, "{path}");
        }
    }
}
