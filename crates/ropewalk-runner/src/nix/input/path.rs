//! A file or folder of this machine.

use super::local::Local;
use super::place::{Fetch, Known, tree_size};
use super::{Resolved, failed};
use crate::nix::overseer::Overseer;
use crate::nix::quote::text;
use crate::supervisor::Stop;
use jiff::Timestamp;
use ropewalk_model::nix::ResolvedInput;
use std::path::Path;

/// Copies it into the store under its own name. Its revision is when this content was first seen, as
/// `YYYYMMDDhhmmss`.
pub(super) fn fetch(
    overseer: &mut dyn Overseer,
    fetch: &mut Fetch<'_>,
    path: &str,
    free: bool,
) -> Result<Resolved, Stop> {
    overseer.say(&format_args!("Copying {path}"))?;
    let source = Path::new(path);
    if !source.is_absolute() {
        return Err(failed(format_args!("{path} is not absolute")));
    }
    let local = Local::find(source, free, fetch.opened)?;
    let most = fetch.limits.input;
    match tree_size(&local.path, most) {
        Ok(size) if size > most => {
            return Err(failed(format_args!("{path} is larger than {most} bytes")));
        }
        Ok(_) => {}
        Err(error) => return Err(failed(format_args!("cannot read {path}: {error}"))),
    }
    let store_path = fetch.add(overseer, &local.path, Some(&local))?;
    let lock = fetch.lock(overseer, "path", path)?;
    let revision = match lock.known("seen") {
        Some(known) if known.store_path == store_path => known.revision,
        _ => {
            let now = Timestamp::now().strftime("%Y%m%d%H%M%S").to_string();
            lock.remember("seen", &Known { store_path: store_path.clone(), revision: now.clone() })?;
            now
        }
    };
    let pairs = vec![("uri", text(path)), ("rev", text(&revision))];
    let input =
        ResolvedInput { uri: Some(path.into()), revision: Some(revision), ..ResolvedInput::default() };
    Ok(Resolved::in_store("path", &store_path, input, pairs))
}
