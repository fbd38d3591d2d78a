//! The client's side: whom it trusts, and what it says of those it does not.

use super::provider;
use crate::exit::Failure;
use anyhow::Context;
use rustls::CertificateError::{
    Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
    UnknownIssuer,
};
use rustls::{ClientConfig, InvalidMessage, RootCertStore};
use std::error::Error;
use std::io;

/// How to trust an issuer of one's own.
const TRUST: &str = "put the issuer's certificate into the machine's store (update-ca-certificates), or name its file in SSL_CERT_FILE";

/// Trusts the issuers in the machine's store, or those in `SSL_CERT_FILE` and `SSL_CERT_DIR` if these are set.
pub(crate) fn trusting() -> anyhow::Result<ClientConfig> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why: String = found.errors.iter().map(|error| format!(" ({error})")).collect();
        return Err(Failure::usage(format_args!(
            "no certificate of an issuer could be read{why}: install the package ca-certificates, or name a file of them in SSL_CERT_FILE"
        )));
    }
    trust(roots)
}

/// For what is asked without TLS.
pub(crate) fn trusting_nobody() -> anyhow::Result<ClientConfig> {
    trust(RootCertStore::empty())
}

fn trust(roots: RootCertStore) -> anyhow::Result<ClientConfig> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .context("TLS cannot be set up")?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// What a failed handshake means for whoever asked; none if it was not TLS that failed.
pub(crate) fn explain(error: &(dyn Error + 'static)) -> Option<String> {
    let words = match of_tls(error)? {
        rustls::Error::InvalidCertificate(wrong) => match wrong {
            UnknownIssuer => format!("nobody whom this machine trusts has issued its certificate: {TRUST}"),
            NotValidForNameContext { expected, presented } => format!(
                "its certificate is for {}, not for {}: ask by a name that it is for",
                presented.iter().map(|name| bare(name)).collect::<Vec<_>>().join(", "),
                expected.to_str()
            ),
            NotValidForName => "its certificate is for another name: ask by a name that it is for".into(),
            Expired | ExpiredContext { .. } => {
                "its certificate has ended: its administrator must renew it".into()
            }
            NotValidYet | NotValidYetContext { .. } => {
                "its certificate is not valid yet: is this machine's clock right?".into()
            }
            other => format!("its certificate cannot be used: {other}"),
        },
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "it does not speak TLS there: is http:// meant?".into()
        }
        other => format!("TLS failed: {other}"),
    };
    Some(words)
}

/// An I/O error does not name the one within as its source.
fn of_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let within = || {
        let within: &'a (dyn Error + 'static) = error.downcast_ref::<io::Error>()?.get_ref()?;
        of_tls(within)
    };
    error.downcast_ref().or_else(within).or_else(|| of_tls(error.source()?))
}

/// `localhost` of `DnsName("localhost")`.
fn bare(name: &str) -> &str {
    let within = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    within.unwrap_or(name).trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::ServerName;

    fn explained(error: rustls::Error) -> String {
        // As it comes through two layers of input and output.
        explain(&io::Error::other(io::Error::other(error))).unwrap()
    }

    #[test]
    fn says_what_is_wrong_with_a_certificate() {
        let wrong = |wrong| explained(rustls::Error::InvalidCertificate(wrong));
        let presented = vec!["DnsName(\"a.example\")".into(), "IpAddress(192.0.2.1)".into()];
        let expected = ServerName::try_from("b.example").unwrap();
        assert_eq!(
            wrong(NotValidForNameContext { expected, presented }),
            "its certificate is for a.example, 192.0.2.1, not for b.example: ask by a name that it is for"
        );
        assert!(wrong(UnknownIssuer).contains("SSL_CERT_FILE"));
        assert!(wrong(NotValidYet).contains("clock"));
        assert!(explain(&io::Error::other("broken")).is_none());
    }
}
