//! The images that scenarios run in.

use std::hash::{DefaultHasher, Hash, Hasher};
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

/// The variable that tells a scenario where an image's tar, or a compiled program, is.
pub(crate) fn variable(name: &str) -> String {
    format!("ROPEWALK_TEST_IMAGE_{}", name.replace('.', "_").to_uppercase())
}

/// Compiles `NAME.c` into a folder, with the compiler that links Rust programs: it is always there.
pub(crate) fn program(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/escape/{name}.c"));
    let mut hasher = DefaultHasher::new();
    std::fs::read(&source).map_err(|e| format!("{}: {e}", source.display()))?.hash(&mut hasher);
    // By what it was made from: the folder stays, and a checkout may make a source older than what is there.
    let program = folder.join(format!("{name}-{:016x}", hasher.finish()));
    // Once for all processes: a program that is replaced while a sandbox opens cannot be bound any more.
    let lock = std::fs::File::create(folder.join(format!("{name}.lock"))).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    if program.exists() {
        return Ok(program);
    }
    let new = folder.join(format!("{name}-{}-{:?}", std::process::id(), std::thread::current().id()));
    let made = Command::new("cc").args(["-static", "-w", "-pthread", "-o"]).arg(&new).arg(&source).output();
    let made = made.map_err(|e| format!("cc: {e}: install a C compiler and the static C library"))?;
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).into_owned());
    }
    std::fs::rename(&new, &program).map_err(|e| e.to_string())?;
    Ok(program)
}
