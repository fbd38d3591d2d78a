//! Bytes that arrive, on their way into the farm.

use axum::body::Body;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use ropewalk_core::error::{Error, Kind};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use tokio::io::AsyncWriteExt;

/// A body that has arrived whole, in a file without a name: nothing is left of it, whatever ends this program.
pub(crate) struct Arrived {
    file: File,
}

impl Arrived {
    /// A name under which this program finds the file.
    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }

    /// The file anew, from its beginning.
    pub(crate) fn open(&self) -> Result<File, Error> {
        File::open(self.path()).map_err(disk)
    }
}

/// How many bytes may come, by the key that says so.
#[derive(Clone, Copy)]
pub(crate) struct Most {
    pub(crate) bytes: u64,
    pub(crate) key: &'static str,
}

impl Most {
    /// Passes what announces no more.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Error> {
        if announced(headers).is_some_and(|length| length > self.bytes) {
            Err(self.exceeded())
        } else {
            Ok(())
        }
    }

    fn exceeded(&self) -> Error {
        let Most { bytes, key } = self;
        Error::new(Kind::TooLarge, format!("the body is longer than {bytes} bytes ({key})"))
    }
}

/// The length that a request says its body has.
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Takes a body of at most so many bytes.
pub(crate) async fn receive(body: Body, most: Most, folder: &Path) -> Result<Arrived, Error> {
    let folder = folder.to_owned();
    let made = tokio::task::spawn_blocking(move || tempfile::tempfile_in(folder)).await;
    let file = made.map_err(Error::internal)?.map_err(disk)?;
    let mut writer = tokio::fs::File::from_std(file.try_clone().map_err(disk)?);
    let (mut body, mut size) = (body, 0_u64);
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| Error::malformed(format!("the body did not arrive whole: {error}")))?;
        let Ok(bytes) = frame.into_data() else { continue };
        size = size.saturating_add(bytes.len() as u64);
        if size > most.bytes {
            return Err(most.exceeded());
        }
        writer.write_all(&bytes).await.map_err(disk)?;
    }
    writer.flush().await.map_err(disk)?;
    Ok(Arrived { file })
}

fn disk(error: std::io::Error) -> Error {
    Error::new(Kind::Unavailable, "what arrives cannot be stored now: try again later").because(error)
}
