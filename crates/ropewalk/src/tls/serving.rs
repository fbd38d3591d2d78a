//! The server's side: one certificate at a time, read again when its files change.

use super::{Certificate, provider};
use crate::config::Tls;
use crate::exit::Failure;
use anyhow::Context;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// A certificate that is served, and where it comes from.
#[derive(Clone)]
pub(crate) struct Serving {
    files: Files,
    /// What the files were like before they were read.
    read: Stamp,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
}

#[derive(Clone, Debug)]
struct Files {
    chain: PathBuf,
    key: PathBuf,
}

/// What new connections are given.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// What changes when a file is replaced or written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    chain: Option<[i128; 5]>,
    key: Option<[i128; 5]>,
}

impl Serving {
    /// What the configuration asks for; none without TLS. Warns of what clients will mind under the address `origin`.
    pub(crate) fn open(tls: &Tls, origin: &str) -> anyhow::Result<Option<Serving>> {
        let Some((chain, key)) = tls.files()? else { return Ok(None) };
        if !origin.starts_with("https://") {
            return Err(Failure::usage(format_args!(
                "`origin` = {origin:?} is not https, and tls.cert makes the server speak https: write https://…, or leave both tls keys out"
            )));
        }
        let files = Files { chain, key };
        let read = files.stamp();
        let certificate = files.read()?;
        for trouble in certificate.troubles(origin) {
            tracing::warn!("{trouble}");
        }
        tracing::info!("{}", certificate.summary());
        let current = Arc::new(Current(RwLock::new(certificate.key)));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .context("TLS cannot be set up")?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(Serving { files, read, current, acceptor: TlsAcceptor::from(Arc::new(config)) }))
    }

    /// What does the handshakes.
    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Reads the files again for new connections. What cannot be used leaves the certificate as it was.
    pub(crate) fn read_again(&self) {
        match self.files.read() {
            Ok(certificate) => {
                tracing::info!("read again: {}", certificate.summary());
                *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = certificate.key;
            }
            Err(error) => tracing::error!("going on with the certificate from before: {error:#}"),
        }
    }

    /// Reads the files again whenever they have changed and are still: a renewal writes one after the other. Never
    /// ends.
    pub(crate) async fn watch(self) {
        let mut served = self.read.clone();
        let mut before = served.clone();
        loop {
            tokio::time::sleep(LOOK).await;
            let files = self.files.clone();
            let Ok(now) = tokio::task::spawn_blocking(move || files.stamp()).await else { return };
            if now != served && now == before {
                self.read_again();
                served = now.clone();
            }
            before = now;
        }
    }
}

impl Files {
    fn read(&self) -> anyhow::Result<Certificate> {
        Certificate::read(&self.chain, &self.key)
    }

    fn stamp(&self) -> Stamp {
        let of = |path: &PathBuf| {
            let meta = std::fs::metadata(path).ok()?;
            let [device, file, size] = [meta.dev(), meta.ino(), meta.size()].map(i128::from);
            Some([device, file, size, meta.mtime().into(), meta.mtime_nsec().into()])
        };
        Stamp { chain: of(&self.chain), key: of(&self.key) }
    }
}
