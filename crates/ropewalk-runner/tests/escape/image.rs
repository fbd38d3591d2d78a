//! The images that scenarios run in.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Path of a test image's tar, made if need be.
pub(crate) fn tar(name: &str) -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/images/make.sh");
    let made = Command::new(&script).arg(name).output().map_err(|e| e.to_string())?;
    if !made.status.success() {
        return Err(format!("{}: {}", script.display(), String::from_utf8_lossy(&made.stderr)));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&made.stdout).trim()))
}

/// The variable that tells a scenario where an image's tar is.
pub(crate) fn variable(name: &str) -> String {
    format!("ROPEWALK_TEST_IMAGE_{}", name.to_uppercase())
}
