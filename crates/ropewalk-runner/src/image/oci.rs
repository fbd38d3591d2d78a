//! Reading OCI layouts and docker-save archives: which layers make up the root, and the
//! configuration's environment.

use super::ImageError;
use super::archive::Parts;
use super::source::hex_of;
use oci_spec::image::{Arch, Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType, Os};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::path::Path;

/// Most layers of an image.
const MAX_LAYERS: usize = 512;
/// How deep an index may point to other indexes.
pub(super) const MAX_NESTING: usize = 4;

/// What an image is made of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    /// `sha256:` and the hex digest of the configuration.
    pub(super) digest: String,
    /// Layers from the lowest up.
    pub(super) layers: Vec<Layer>,
    /// Environment of the configuration.
    pub(super) env: Vec<(String, String)>,
}

/// One layer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layer {
    /// Name of the part that holds it.
    pub(super) part: String,
    /// Digest of the plain tar, as the configuration says.
    pub(super) diff_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    layers: Vec<String>,
}

/// What a registry has under a name.
pub(super) enum Found {
    /// An index, and what of it is for this machine.
    Index(Box<Descriptor>),
    /// A manifest: its configuration, then its layers from the lowest up.
    Manifest(Vec<Descriptor>),
}

/// Whether a document is an index or a manifest.
pub(super) fn look(bytes: &[u8]) -> Result<Found, String> {
    #[derive(Deserialize)]
    struct Kind {
        manifests: Option<serde::de::IgnoredAny>,
    }
    let kind: Kind = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    if kind.manifests.is_some() {
        let index = ImageIndex::from_reader(bytes).map_err(|e| e.to_string())?;
        return Ok(Found::Index(Box::new(choose(index.manifests())?.clone())));
    }
    let manifest = ImageManifest::from_reader(bytes).map_err(|e| e.to_string())?;
    if manifest.layers().len() > MAX_LAYERS {
        return Err(format!("it has more than {MAX_LAYERS} layers"));
    }
    Ok(Found::Manifest([manifest.config()].into_iter().chain(manifest.layers()).cloned().collect()))
}

/// The recipe of an image; `None` when the parts are those of a plain root. Where the parts are those of many images,
/// `manifest` says whose are meant.
pub(super) fn read(path: &Path, parts: &Parts, manifest: Option<&str>) -> Result<Option<Recipe>, ImageError> {
    let recipe = if let Some(digest) = manifest {
        from_manifest(parts, digest)
    } else if parts.has("index.json") && parts.has("oci-layout") {
        from_layout(parts)
    } else if parts.has("manifest.json") {
        from_saved(parts)
    } else {
        return Ok(None);
    };
    recipe.map(Some).map_err(|why| ImageError::NotAnImage { path: path.to_owned(), why })
}

fn from_layout(parts: &Parts) -> Result<Recipe, String> {
    let index = parts.document("index.json").map_err(|e| e.to_string())?;
    let mut index = ImageIndex::from_reader(index.as_slice()).map_err(|e| format!("index.json: {e}"))?;
    for _ in 0..MAX_NESTING {
        let chosen = choose(index.manifests())?;
        let bytes = verified(parts, chosen)?;
        if *chosen.media_type() == MediaType::ImageIndex || is_docker_list(chosen) {
            index = ImageIndex::from_reader(bytes.as_slice()).map_err(|e| e.to_string())?;
            continue;
        }
        return of_manifest(parts, &bytes);
    }
    Err("index within index within index".into())
}

fn from_manifest(parts: &Parts, digest: &str) -> Result<Recipe, String> {
    let hex = hex_of(digest).ok_or_else(|| format!("{digest} is not a SHA-256 digest"))?;
    let bytes = parts.document(&format!("blobs/sha256/{hex}")).map_err(|e| e.to_string())?;
    if sha256(&bytes) != digest {
        return Err(format!("{digest} does not match its bytes"));
    }
    of_manifest(parts, &bytes)
}

fn of_manifest(parts: &Parts, bytes: &[u8]) -> Result<Recipe, String> {
    let manifest = ImageManifest::from_reader(bytes).map_err(|e| e.to_string())?;
    let config = verified(parts, manifest.config())?;
    let layers = manifest.layers().iter().map(blob).collect::<Result<Vec<_>, _>>()?;
    recipe(&config, layers)
}

fn is_docker_list(descriptor: &Descriptor) -> bool {
    descriptor.media_type().to_string().ends_with("manifest.list.v2+json")
}

/// The manifest for this machine, or the only one there is.
fn choose(manifests: &[Descriptor]) -> Result<&Descriptor, String> {
    let fits = |d: &&Descriptor| {
        d.platform().as_ref().is_none_or(|p| *p.os() == Os::Linux && *p.architecture() == Arch::default())
    };
    match (manifests.iter().find(fits), manifests) {
        (Some(found), _) => Ok(found),
        (None, []) => Err("index.json names no image".into()),
        (None, _) => Err(format!("it has no image for linux/{}", Arch::default())),
    }
}

fn from_saved(parts: &Parts) -> Result<Recipe, String> {
    let bytes = parts.document("manifest.json").map_err(|e| e.to_string())?;
    let saved: Vec<Saved> = serde_json::from_slice(&bytes).map_err(|e| format!("manifest.json: {e}"))?;
    let [saved] = saved.as_slice() else {
        return Err(format!("manifest.json names {} images instead of one", saved.len()));
    };
    let config = parts.document(&saved.config).map_err(|e| e.to_string())?;
    recipe(&config, saved.layers.clone())
}

fn recipe(config: &[u8], layers: Vec<String>) -> Result<Recipe, String> {
    let parsed = ImageConfiguration::from_reader(config).map_err(|e| format!("configuration: {e}"))?;
    let diff_ids = parsed.rootfs().diff_ids();
    if diff_ids.len() != layers.len() || layers.len() > MAX_LAYERS {
        return Err(format!("{} layers for {} digests", layers.len(), diff_ids.len()));
    }
    let pairs = layers.into_iter().zip(diff_ids);
    let layers = pairs.map(|(part, diff_id)| Layer { part, diff_id: diff_id.clone() }).collect();
    let env = parsed.config().as_ref().and_then(|c| c.env().clone()).unwrap_or_default();
    let env = env.iter().filter_map(|e| e.split_once('=')).map(|(k, v)| (k.into(), v.into()));
    Ok(Recipe { digest: sha256(config), layers, env: env.collect() })
}

/// A small part, checked against its digest.
fn verified(parts: &Parts, descriptor: &Descriptor) -> Result<Vec<u8>, String> {
    let bytes = parts.document(&blob(descriptor)?).map_err(|e| e.to_string())?;
    let digest = descriptor.digest().to_string();
    if sha256(&bytes) == digest { Ok(bytes) } else { Err(format!("{digest} does not match its bytes")) }
}

fn blob(descriptor: &Descriptor) -> Result<String, String> {
    let digest = digest(descriptor)?;
    Ok(format!("blobs/sha256/{}", digest.trim_start_matches("sha256:")))
}

/// The digest of a part, which must be a SHA-256 one.
pub(super) fn digest(descriptor: &Descriptor) -> Result<String, String> {
    let digest = descriptor.digest().to_string();
    match hex_of(&digest) {
        Some(_) => Ok(digest),
        None => Err(format!("{digest} is not a SHA-256 digest")),
    }
}

/// `sha256:` and the hex digest of some bytes.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// `sha256:` and the hex form of a digest.
pub(super) fn hex(digest: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest))
}
