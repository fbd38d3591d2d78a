//! `--secrets-file`: the secrets that a manifest names, as TOML.
//!
//! ```toml
//! [deploy-key]            # name or UUID, as in the manifest
//! type = "ssh_key"        # or pgp_key, file
//! from = "id_ed25519"     # a file beside this one; or: value = "…"
//!
//! [netrc]
//! type = "file"
//! path = "~/.netrc"
//! mode = 0o600            # of the file in the build
//! value = "machine example.org password hunter2"
//! ```

use crate::exit::Failure;
use crate::text::{self, SETTINGS_MAX};
use ropewalk_model::link::{RunValues, SecretKind, SecretValue};
use ropewalk_model::plan::Plan;
use ropewalk_model::secret::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// One entry of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(rename = "type")]
    kind: Kind,
    value: Option<String>,
    from: Option<String>,
    path: Option<String>,
    mode: Option<u32>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    SshKey,
    PgpKey,
    #[serde(alias = "plaintext_file")]
    File,
}

/// The run-time values of a build without a server. Secrets that the plan does not name are left out.
pub(super) fn values(plan: &Plan, file: Option<&Path>) -> anyhow::Result<RunValues> {
    let Some(file) = file else { return Ok(RunValues::default()) };
    let refuse =
        |why: String| Failure::usage(format_args!("cannot use the secrets file {}: {why}", file.display()));
    let text = text::read(file, SETTINGS_MAX).map_err(|e| refuse(e.to_string()))?;
    // Not the parser's whole message: it would quote the file.
    let entries: BTreeMap<String, Entry> =
        toml::from_str(&text).map_err(|e: toml::de::Error| refuse(e.message().to_owned()))?;
    let named = entries.into_iter().filter(|(name, _)| plan.secrets.contains(name));
    let secrets = named.map(|(name, entry)| {
        entry
            .resolve(&name, file.parent().unwrap_or(Path::new(".")))
            .map_err(|why| refuse(format!("[{name}]: {why}")))
    });
    Ok(RunValues { secrets: secrets.collect::<Result<_, _>>()?, ..RunValues::default() })
}

impl Entry {
    fn resolve(self, name: &str, beside: &Path) -> Result<SecretValue, String> {
        use base64::Engine;
        let bytes = match (self.value, self.from) {
            (Some(value), None) => value.into_bytes(),
            (None, Some(from)) => {
                text::read_bytes(&beside.join(&from), SETTINGS_MAX).map_err(|e| format!("{from}: {e}"))?
            }
            _ => return Err("write either `value` or `from`".into()),
        };
        let kind = match (self.kind, self.path) {
            (Kind::SshKey, None) => SecretKind::SshKey,
            (Kind::PgpKey, None) => SecretKind::PgpKey,
            (Kind::File, Some(path)) => SecretKind::File { path, mode: self.mode.unwrap_or(0o600) },
            (Kind::File, None) => return Err("a file needs a `path`".into()),
            (_, Some(_)) => return Err("only a file has a `path`".into()),
        };
        let base64 = Secret::new(base64::engine::general_purpose::STANDARD.encode(bytes));
        Ok(SecretValue { id: name.into(), kind, base64 })
    }
}
