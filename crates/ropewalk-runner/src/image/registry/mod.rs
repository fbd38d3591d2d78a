//! Images from OCI registries: the parts come into the cache of blobs, each verified by its digest and no longer than
//! the image says, and are unpacked from there.

mod blobs;
mod client;
mod credentials;
mod error;
mod pace;
mod rules;

pub(super) use blobs::{Blobs, sweep};
pub use error::RegistryError;
pub use pace::Pace;
pub(crate) use rules::is_public_address;

use super::oci::{self, Found};
use super::progress::{Progress, megabytes};
use super::{Limits, Origins};
use blobs::Wanted;
use client::{Client, header_values};
use oci_spec::distribution::Reference;
use oci_spec::image::Descriptor;
use std::collections::BTreeSet;
use std::time::Duration;

/// The registry that names without a host belong to.
const HUB: &str = "docker.io";
/// Longest index, manifest or configuration in bytes.
const MAX_DOCUMENT: u64 = 4 << 20;
/// Tries at one part without any progress.
const TRIES: u32 = 5;
/// Before the second try; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// An image whose parts are all in the cache.
#[derive(Debug)]
pub(super) struct Pulled {
    /// Digest of the manifest for this machine.
    pub(super) manifest: String,
    /// All its parts by digest, the manifest among them.
    pub(super) blobs: BTreeSet<String>,
}

/// Fetches what is not here yet.
pub(super) fn pull(
    reference: &Reference,
    origins: &Origins,
    blobs: &Blobs,
    limits: Limits,
    progress: &mut Progress<'_>,
) -> Result<Pulled, RegistryError> {
    let mut client = Client::new(reference, origins)?;
    progress.say(format_args!("asking {} for {}", reference.registry(), reference.repository()));
    let (manifest, parts) = manifest(&mut client, reference, blobs, progress)?;
    let parts = wanted(&parts, limits)?;
    let count = parts.len() - 1;
    let total: u64 = parts.iter().map(|part| part.size).sum();
    progress.say(format_args!("{manifest}: {count} layers, {}", megabytes(total)));
    for part in &parts {
        blobs.fetch(&mut client, part, progress)?;
    }
    let digests = parts.into_iter().map(|part| part.digest).chain([manifest.clone()]).collect();
    Ok(Pulled { manifest, blobs: digests })
}

/// The manifest for this machine, kept; what it names.
fn manifest(
    client: &mut Client,
    reference: &Reference,
    blobs: &Blobs,
    progress: &mut Progress<'_>,
) -> Result<(String, Vec<Descriptor>), RegistryError> {
    let mut name = reference.digest().or(reference.tag()).unwrap_or("latest").to_owned();
    for _ in 0..oci::MAX_NESTING {
        let (bytes, digest) = document(client, &name, progress)?;
        let malformed = |why: String| RegistryError::Malformed { what: digest.clone(), why };
        match oci::look(&bytes).map_err(malformed)? {
            // One that nobody here can verify is refused.
            Found::Index(chosen) => name = oci::digest(&chosen).map_err(malformed)?,
            Found::Manifest(parts) => {
                blobs.keep(&digest, &bytes)?;
                return Ok((digest, parts));
            }
        }
    }
    let why = "index within index within index".into();
    Err(RegistryError::Malformed { what: reference.to_string(), why })
}

/// A manifest or index by tag or digest, and its digest.
fn document(
    client: &mut Client,
    name: &str,
    progress: &mut Progress<'_>,
) -> Result<(Vec<u8>, String), RegistryError> {
    let mut tries = 0;
    let (bytes, promised) = loop {
        let asked = client.get(&format!("manifests/{name}"), MANIFESTS, 0);
        let taken = asked.and_then(|answer| {
            let promised = header_values(&answer.response, "docker-content-digest").pop();
            Ok((answer.bounded(MAX_DOCUMENT, &format!("the manifest {name}"))?, promised))
        });
        match taken {
            Ok(taken) => break taken,
            Err(error) => {
                tries += 1;
                if tries >= TRIES || !error.may_pass() {
                    return Err(error);
                }
                progress.say(format_args!("trying again: {error}"));
                pause(tries);
            }
        }
    };
    let found = oci::sha256(&bytes);
    // What was asked for by a digest has a SHA-256 one; what a registry promises about a tag may have another.
    let promised = promised.filter(|promised| promised.starts_with("sha256:"));
    let wanted = if name.contains(':') { Some(name.to_owned()) } else { promised };
    match wanted.filter(|wanted| *wanted != found) {
        Some(wanted) => Err(RegistryError::Digest { what: wanted, found }),
        None => Ok((bytes, found)),
    }
}

/// The configuration and the layers, within the limits.
fn wanted(parts: &[Descriptor], limits: Limits) -> Result<Vec<Wanted>, RegistryError> {
    let mut left = limits.bytes;
    let count = parts.len().saturating_sub(1);
    let mut wanted = vec![];
    for (at, part) in parts.iter().enumerate() {
        let digest =
            oci::digest(part).map_err(|why| RegistryError::Malformed { what: "the manifest".into(), why })?;
        let (title, limit) = match at {
            0 => ("configuration".to_owned(), MAX_DOCUMENT),
            at => (format!("layer {at} of {count}"), left),
        };
        if part.size() > limit {
            let what = match at {
                0 => format!("{title}, {digest},"),
                _ => format!("{title}, {digest}, with those before it (limits.image)"),
            };
            return Err(RegistryError::TooLong { what, limit });
        }
        if at > 0 {
            left -= part.size();
        }
        wanted.push(Wanted { digest, size: part.size(), title });
    }
    Ok(wanted)
}

fn pause(tries: u32) {
    std::thread::sleep(FIRST_PAUSE * 2_u32.pow(tries.saturating_sub(1).min(6)));
}
