//! A certificate and its key, as they are in files.

use super::provider;
use crate::exit::Failure;
use crate::text::{SETTINGS_MAX, read_bytes};
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use std::fmt::Display;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use x509_cert::der::{DateTime, Decode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Permissions of a key that everybody on the machine may read.
const READ_BY_ALL: u32 = 0o004;

/// A certificate whose key fits.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    begins: DateTime,
    ends: DateTime,
    names: Vec<String>,
    /// The key's file, if everybody may read it.
    open_key: Option<PathBuf>,
}

impl Certificate {
    /// Reads PEM files: the certificate with those between it and its issuer, and the private key.
    pub(crate) fn read(chain: &Path, key: &Path) -> anyhow::Result<Certificate> {
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&contents("tls.cert", chain)?)
                .collect::<Result<_, _>>()
                .map_err(|error| refused("tls.cert", chain, what(error)))?;
        let Some(first) = certificates.first().cloned() else {
            return Err(refused("tls.cert", chain, "there is no certificate in it: it must be a PEM file"));
        };
        let private = PrivateKeyDer::from_pem_slice(&contents("tls.key", key)?)
            .map_err(|error| refused("tls.key", key, key_trouble(error)))?;
        let fitted = CertifiedKey::from_der(certificates, private, &provider());
        let fitted = fitted.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Failure::usage(format_args!(
                "the key in {} (tls.key) is not that of the first certificate in {} (tls.cert): name files that belong together",
                key.display(),
                chain.display()
            )),
            rustls::Error::General(why) => refused("tls.key", key, why),
            error => refused("tls.cert", chain, error),
        })?;
        let parsed = x509_cert::Certificate::from_der(&first)
            .map_err(|error| refused("tls.cert", chain, format_args!("it is no certificate: {error}")))?;
        let validity = &parsed.tbs_certificate.validity;
        let is_open = std::fs::metadata(key).is_ok_and(|meta| meta.mode() & READ_BY_ALL != 0);
        Ok(Certificate {
            key: Arc::new(fitted),
            begins: validity.not_before.to_date_time(),
            ends: validity.not_after.to_date_time(),
            names: names(&parsed),
            open_key: is_open.then(|| key.to_path_buf()),
        })
    }

    /// What it is for, and until when.
    pub(crate) fn summary(&self) -> String {
        let names = match self.names.as_slice() {
            [] => "no name".into(),
            names => names.join(", "),
        };
        format!("certificate for {names}, valid until {}", self.ends)
    }

    /// What clients that reach the server under this address will mind, or its administrator should.
    pub(crate) fn troubles(&self, origin: &str) -> Vec<String> {
        let now = SystemTime::now();
        let mut troubles = vec![];
        if self.ends.to_system_time() < now {
            troubles.push(format!("the certificate has ended on {}: renew it", self.ends));
        }
        if self.begins.to_system_time() > now {
            troubles.push(format!("the certificate begins on {} only: is the clock right?", self.begins));
        }
        let host = origin.parse().ok().and_then(|origin: http::Uri| Some(origin.host()?.to_string()));
        if let Some(host) = host.filter(|host| !self.is_for(host)) {
            let names = self.names.join(", ");
            troubles.push(format!(
                "the certificate is for {names}, and not for {host}, under which people come (`origin`)"
            ));
        }
        if let Some(key) = &self.open_key {
            let key = key.display();
            troubles.push(format!("everybody on this machine may read the key {key}: chmod 640 {key}"));
        }
        troubles
    }

    fn is_for(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let Ok(name) = ServerName::try_from(host) else { return false };
        let own = self.key.end_entity_cert().and_then(ParsedCertificate::try_from);
        own.is_ok_and(|own| verify_server_name(&own, &name).is_ok())
    }
}

fn contents(what: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    read_bytes(path, SETTINGS_MAX).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                ": the account that runs the server must be able to read it"
            }
            _ => "",
        };
        refused(what, path, format_args!("{error}{hint}"))
    })
}

fn refused(what: &str, path: &Path, why: impl Display) -> anyhow::Error {
    Failure::usage(format_args!("cannot use {} ({what}): {why}", path.display()))
}

fn what(error: pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "there is no certificate in it: it must be a PEM file".into(),
        error => format!("it is no PEM file: {error}"),
    }
}

fn key_trouble(error: pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => {
            "there is no private key in it: it must be a PEM file, and the key without a passphrase".into()
        }
        error => format!("it is no PEM file: {error}"),
    }
}

/// Names and addresses that a certificate says it is for.
fn names(certificate: &x509_cert::Certificate) -> Vec<String> {
    let found = certificate.tbs_certificate.get::<SubjectAltName>().ok().flatten();
    let name = |name: &GeneralName| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_string()),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok().map(|ip| ip.to_string())
        }
        _ => None,
    };
    found.map(|(_, names)| names.0.iter().filter_map(name).collect()).unwrap_or_default()
}
