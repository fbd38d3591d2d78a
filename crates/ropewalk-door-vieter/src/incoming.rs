//! Bytes that arrive, on their way into the farm.

use axum::body::Body;
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

/// Takes a body of at most so many bytes.
pub(crate) async fn receive(body: Body, most: u64, folder: &Path) -> Result<Arrived, Error> {
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
        if size > most {
            return Err(too_large(most));
        }
        writer.write_all(&bytes).await.map_err(disk)?;
    }
    writer.flush().await.map_err(disk)?;
    Ok(Arrived { file })
}

pub(crate) fn too_large(most: u64) -> Error {
    Error::new(
        Kind::TooLarge,
        format!("the body is longer than {most} bytes (limits.upload, limits.log-step)"),
    )
}

fn disk(error: std::io::Error) -> Error {
    Error::new(Kind::Unavailable, "what arrives cannot be stored now: try again later").because(error)
}
