//! Who asks: credentials for registries, in the file format that podman, skopeo and docker share
//! (containers-auth.json(5)).

use super::RegistryError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// Longest file in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The `Authorization: Basic` value for one registry.
#[derive(Clone)]
pub(super) struct Basic(String);

impl Basic {
    /// The header's value.
    pub(super) fn header(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Basic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Basic(…)")
    }
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(default)]
    auth: String,
}

/// What the file has for an image: the longest of `host/name…` and `host` counts.
pub(super) fn read(file: &Path, registry: &str, repository: &str) -> Result<Option<Basic>, RegistryError> {
    let wrong = |why: &dyn std::fmt::Display| RegistryError::Credentials {
        path: file.display().to_string(),
        why: why.to_string(),
    };
    let mut text = vec![];
    let open = std::fs::File::open(file).map_err(|e| wrong(&e))?;
    open.take(MAX_FILE).read_to_end(&mut text).map_err(|e| wrong(&e))?;
    // Not serde's message: it would quote what it read.
    let parsed: File =
        serde_json::from_slice(&text).map_err(|e| wrong(&format_args!("error in line {}", e.line())))?;
    let wanted = format!("{registry}/{repository}");
    let hub = registry == super::HUB;
    let of_hub = |key: &str| hub && ["https://index.docker.io/v1/", "index.docker.io"].contains(&key);
    let fits = |key: &str| {
        wanted == key || wanted.strip_prefix(key).is_some_and(|rest| rest.starts_with('/')) || of_hub(key)
    };
    let found = parsed.auths.iter().filter(|(key, _)| fits(key)).max_by_key(|(key, _)| key.len());
    let Some((key, auth)) = found else { return Ok(None) };
    let pair = STANDARD.decode(auth.auth.trim()).unwrap_or_default();
    if !pair.contains(&b':') {
        return Err(wrong(&format_args!("`auth` of {key} is not the base64 of NAME:PASSWORD")));
    }
    Ok(Some(Basic(format!("Basic {}", STANDARD.encode(pair)))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_nearest_credentials_count_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("auth.json");
        let pair = |text: &str| STANDARD.encode(text);
        let text = format!(
            r#"{{"auths": {{"r.example": {{"auth": "{}"}}, "r.example/team": {{"auth": "{}"}}, "docker.io": {{"auth": "{}"}}, "bad.example": {{"auth": "x"}}}}}}"#,
            pair("all:1"),
            pair("team:2"),
            pair("hub:3")
        );
        std::fs::write(&file, text).unwrap();
        let found = |registry: &str, name: &str| read(&file, registry, name).unwrap().map(|basic| basic.0);
        assert_eq!(found("r.example", "x"), Some(format!("Basic {}", pair("all:1"))));
        assert_eq!(found("r.example", "team/x"), Some(format!("Basic {}", pair("team:2"))));
        assert_eq!(found("r.example", "teams/x"), Some(format!("Basic {}", pair("all:1"))));
        assert_eq!(found("docker.io", "library/x"), Some(format!("Basic {}", pair("hub:3"))));
        assert_eq!(found("r.example.evil.example", "x"), None);
        assert!(read(&file, "bad.example", "x").is_err());
        std::fs::write(&file, "{\"auths\": secret}").unwrap();
        assert!(!read(&file, "r.example", "x").unwrap_err().to_string().contains("secret"));
    }
}
