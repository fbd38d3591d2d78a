//! Inputs of an evaluation: fetching them, and what the expression gets of them.

mod address;
mod clones;
mod git;
mod local;
mod path;
mod place;
mod value;

pub(crate) use clones::sweep;
pub(crate) use place::{Fetch, Rooted};
pub(crate) use value::Resolved;

use super::overseer::Overseer;
use crate::supervisor::Stop;
use ropewalk_model::nix::Input;
use ropewalk_model::status::Cause;
use std::collections::BTreeMap;

/// Fetches what has to be fetched; the error names the input.
pub(crate) fn resolve(
    overseer: &mut dyn Overseer,
    fetch: &mut Fetch<'_>,
    inputs: &BTreeMap<String, Input>,
) -> Result<BTreeMap<String, Resolved>, Stop> {
    let mut resolved = BTreeMap::new();
    for (name, input) in inputs {
        if !is_name(name) {
            let message = format_args!("an input cannot be called {name:?}: use letters, digits, - and _");
            return Err(Stop::new(Cause::SetupFailed, message));
        }
        let one = match input {
            Input::Git { .. } => git::fetch(overseer, fetch, name, input),
            Input::Path { path, free } => path::fetch(overseer, fetch, path, *free),
            Input::Build { path, .. } => fetch.valid(overseer, path).map(|()| Resolved::of(input)),
            other => Ok(Resolved::of(other)),
        };
        let one = one.map_err(|stop| match stop.cause {
            Cause::SourceFailed => {
                Stop::new(Cause::SourceFailed, format_args!("input {name}: {}", stop.message))
            }
            _ => stop,
        })?;
        if let (Some(path), Some(revision)) = (&one.input.store_path, &one.input.revision) {
            overseer.say(&format_args!("Input {name} is {revision} in {path}"))?;
        }
        resolved.insert(name.clone(), one);
    }
    Ok(resolved)
}

/// It becomes the name of an argument and a word before a `=`.
fn is_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit() || c == '-')
}

/// A source cannot be had.
fn failed(why: impl std::fmt::Display) -> Stop {
    Stop::new(Cause::SourceFailed, why)
}
