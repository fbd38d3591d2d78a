//! Making a spool: it is there whole or not at all.

use super::head::boot_id;
use super::{At, Head, Settings, Spool, SpoolError, control, write_whole};
use ropewalk_model::fault::{Point, spool_version, visit};
use ropewalk_model::ids::{AttemptId, Fence, JobId, WorkId};
use ropewalk_model::plan::SealedPlan;
use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Names beginning so are spools in the making or on their way out.
pub(super) const UNFINISHED: &str = ".new-";

/// Makes the spool `folder/ATTEMPT-FENCE`, durable when this returns. Run-time values are no part of it.
///
/// # Errors
/// When a file cannot be written; nothing is left then, or only what the next start removes.
pub fn create(
    folder: &Path,
    (work, attempt, fence): (WorkId, AttemptId, Fence),
    job: Option<JobId>,
    plan: &SealedPlan,
    settings: Settings,
) -> Result<Spool, SpoolError> {
    let name = format!("{attempt}-{}", fence.0);
    let unfinished = folder.join(format!("{UNFINISHED}{name}"));
    let path = folder.join(&name);
    let head = Head { version: spool_version(), boot: boot_id(), attempt, work, fence, job, settings };
    visit(Point::SpoolBeforeCreate);
    fill(&unfinished, &head, plan)
        .and_then(|()| {
            std::fs::rename(&unfinished, &path).at("rename to", &path)?;
            sync_folder(folder)
        })
        .inspect_err(|_| {
            let _ = crate::tree::remove(&unfinished);
        })?;
    visit(Point::SpoolAfterCreate);
    Spool::open(&path)
}

fn fill(path: &Path, head: &Head, plan: &SealedPlan) -> Result<(), SpoolError> {
    let json = |path: &Path, value: serde_json::Result<Vec<u8>>| {
        let bytes = value.map_err(|e| SpoolError::Malformed { path: path.into(), why: e.to_string() })?;
        write_whole(path, &bytes)
    };
    if path.exists() {
        crate::tree::remove(path).at("remove", path)?;
    }
    // Nobody else may reach a setuid file that the build leaves in its layer.
    std::fs::DirBuilder::new().mode(0o700).create(path).at("create", path)?;
    for folder in ["logs", "artifacts"] {
        let folder = path.join(folder);
        std::fs::create_dir(&folder).at("create", &folder)?;
    }
    for file in ["lock", "errors"] {
        let file = path.join(file);
        File::create(&file).at("create", &file)?;
    }
    control::make(path)?;
    super::events::reserve(path)?;
    let file = path.join("plan.json");
    json(&file, serde_json::to_vec(plan))?;
    let file = path.join("spool.json");
    json(&file, serde_json::to_vec(head))?;
    sync_folder(path)
}

fn sync_folder(path: &Path) -> Result<(), SpoolError> {
    File::open(path).and_then(|folder| folder.sync_all()).at("sync", path)
}
