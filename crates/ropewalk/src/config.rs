//! Configuration: one file, one name for each key everywhere, and where each value came from.

pub(crate) mod arch;
mod keys;
mod layers;
mod limits;
pub(crate) mod nix;

use crate::exit::Failure;
use arch::Arch;
use ipnet::IpNet;
use limits::Limits;
use nix::Nix;
use ropewalk_runner::image::{Named, Origins};
use ropewalk_runner::sandbox;
use ropewalk_runner::sandbox::network::{Cidr, Outside};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub(crate) use layers::Effective;
use layers::{Layers, Origin};

/// Name of the file that is read from the data folder when `--config` names none.
const FILE: &str = "ropewalk.toml";
/// Name of the embedded database in the data folder.
pub(crate) const DATABASE: &str = "ropewalk.db";

/// Every value that an administrator may choose. Its fields are the keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) origin: String,
    pub(crate) insecure: bool,
    pub(crate) log: String,
    pub(crate) arch: Arch,
    pub(crate) database: Database,
    pub(crate) images: Images,
    pub(crate) limits: Limits,
    pub(crate) nix: Nix,
    pub(crate) outgoing: Outgoing,
    pub(crate) proxy: Proxy,
    pub(crate) runner: Runner,
    pub(crate) sandbox: Sandbox,
    pub(crate) tls: Tls,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Database {
    pub(crate) url: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Proxy {
    pub(crate) trusted: Vec<IpNet>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Runner {
    pub(crate) embedded: bool,
    pub(crate) name: String,
    pub(crate) slots: u32,
    pub(crate) lost_after: u64,
}

/// Where images come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Images {
    pub(crate) fetch: bool,
    pub(crate) names: Vec<Named>,
    pub(crate) insecure: Vec<String>,
    pub(crate) credentials: String,
}

impl Default for Images {
    fn default() -> Self {
        Images { fetch: true, names: vec![], insecure: vec![], credentials: String::new() }
    }
}

/// Where this machine's own questions may go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Outgoing {
    pub(crate) allow: Vec<IpNet>,
}

/// What makes the server speak https.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Tls {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Tls {
    /// Certificate and key; none without TLS.
    pub(crate) fn files(&self) -> anyhow::Result<Option<(PathBuf, PathBuf)>> {
        let missing = |there: &str, missing: &str| {
            Failure::usage(format_args!(
                "`{there}` is set and `{missing}` is not: TLS needs both, without TLS neither is set"
            ))
        };
        match (self.cert.as_str(), self.key.as_str()) {
            ("", "") => Ok(None),
            (_, "") => Err(missing("tls.cert", "tls.key")),
            ("", _) => Err(missing("tls.key", "tls.cert")),
            (cert, key) => Ok(Some((cert.into(), key.into()))),
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        !self.cert.is_empty()
    }
}

/// How builds reach the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Network {
    #[default]
    Nat,
    None,
    Host,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Sandbox {
    pub(crate) network: Network,
    pub(crate) allow: Vec<Cidr>,
}

impl Sandbox {
    /// What sandboxes are told. Looks up the names of this machine's proxy and package mirrors, which may take a while.
    /// `server` is what builds with a token may speak to.
    pub(crate) fn open_network(self, server: Option<&str>) -> sandbox::Network {
        match self.network {
            Network::None => sandbox::Network::None,
            Network::Host => sandbox::Network::Host,
            Network::Nat => {
                let outside = Outside::of_host().allow(self.allow);
                sandbox::Network::Nat(server.into_iter().fold(outside, Outside::server))
            }
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 8420)),
            origin: String::new(),
            insecure: false,
            log: "info,sea_orm=warn,sea_orm_migration=warn,sqlx=warn".into(),
            arch: Arch::default(),
            database: Database::default(),
            images: Images::default(),
            limits: Limits::default(),
            nix: Nix::default(),
            outgoing: Outgoing::default(),
            proxy: Proxy::default(),
            runner: Runner::default(),
            sandbox: Sandbox::default(),
            tls: Tls::default(),
        }
    }
}

impl Default for Runner {
    fn default() -> Self {
        Runner { embedded: true, name: String::new(), slots: 0, lost_after: 600 }
    }
}

impl Config {
    /// Address under which people reach the server, without a slash at the end.
    pub(crate) fn origin(&self) -> String {
        match self.origin.trim_end_matches('/') {
            "" if self.tls.is_on() => format!("https://{}", self.listen),
            "" => format!("http://{}", self.listen),
            origin => origin.to_string(),
        }
    }

    /// Where images may be fetched from.
    pub(crate) fn origins(&self) -> Origins {
        let Images { fetch, names, insecure, credentials } = self.images.clone();
        let limits = self.limits.images.clone().into();
        let credentials = Some(PathBuf::from(credentials)).filter(|path| !path.as_os_str().is_empty());
        let pace = self.limits.images.pace();
        Origins { fetch, names, insecure, credentials, allow: self.outgoing.allow.clone(), limits, pace }
    }

    /// Address of the database.
    pub(crate) fn database_url(&self, data: &Path) -> String {
        match self.database.url.as_str() {
            "" => format!("sqlite:{}", data.join(DATABASE).display()),
            url => url.to_string(),
        }
    }
}

/// A configuration with the origin of each value.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// By key.
    pub(crate) effective: Vec<Effective>,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    /// Environment variables that look like keys and are none.
    pub(crate) strange: Vec<String>,
}

/// Puts defaults, file, environment and flags over one another; flags win. `flags` are keys with their texts.
pub(crate) fn load(
    given: Option<&Path>,
    data: &Path,
    flags: &[(&'static str, String)],
) -> anyhow::Result<Loaded> {
    let file = match given {
        Some(file) => Some(file.to_path_buf()),
        None => Some(data.join(FILE)).filter(|file| file.exists()),
    };
    let mut layers = Layers::new()?;
    if let Some(file) = &file {
        let text = crate::text::read(file, crate::text::SETTINGS_MAX).map_err(|error| {
            Failure::usage(format_args!("cannot read the configuration {}: {error}", file.display()))
        })?;
        layers.add_file(file, &text)?;
    }
    let strange = layers.add_environment(std::env::vars_os())?;
    for (key, text) in flags {
        layers.add_text(key, text, Origin::Flag)?;
    }
    let (config, effective) = layers.finish()?;
    Ok(Loaded { config, effective, file, strange })
}

/// A database address as it may be shown.
pub(crate) fn without_password(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?))) {
        Some((scheme, (account, place))) => {
            let user = account.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{place}")
        }
        None => url.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(without_password("postgres://u:secret@h/d"), "postgres://u@h/d");
        assert_eq!(without_password("sqlite:/x"), "sqlite:/x");
    }
}
