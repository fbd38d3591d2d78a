//! What can go wrong with a registry.

use std::io;

/// An image could not be fetched from a registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Nobody answers, or the answer broke off.
    #[error("{url} does not answer: {why}")]
    Transport {
        /// What was asked.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// Whoever answers there is not known to be who was asked.
    #[error(
        "no trusted connection to {url}: {why}; put the issuer's certificate into the machine's store (update-ca-certificates), or name its file in SSL_CERT_FILE; images.insecure names registries without TLS"
    )]
    Untrusted {
        /// What was asked.
        url: String,
        /// What is wrong with its certificate, or with its TLS.
        why: String,
    },
    /// The registry answered with an error.
    #[error("{url} answers {status}{}", said(.message))]
    Status {
        /// What was asked.
        url: String,
        /// HTTP status.
        status: u16,
        /// What it said about it, made printable.
        message: String,
    },
    /// There is no such image.
    #[error("there is no image {0}: check name and tag")]
    NotFound(String),
    /// The registry wants to know who asks.
    #[error(
        "{host} does not give {name} to just anybody{}: it is private or does not exist; put credentials for {host} into the file that images.credentials names",
        said(.message)
    )]
    Forbidden {
        /// The registry.
        host: String,
        /// The image.
        name: String,
        /// What it said about it.
        message: String,
    },
    /// The registry leads to a place that must not be visited.
    #[error("{from} leads to {to}, which is refused: {why}")]
    Astray {
        /// Who led there.
        from: String,
        /// Where to.
        to: String,
        /// The rule.
        why: String,
    },
    /// More bytes than there may be.
    #[error("{what} is longer than the {limit} bytes that it may have")]
    TooLong {
        /// Which part.
        what: String,
        /// Bytes.
        limit: u64,
    },
    /// Bytes that are not those asked for.
    #[error("{what} has the digest {found}: the registry sent other bytes than were asked for")]
    Digest {
        /// Which part, by the digest that was asked for.
        what: String,
        /// Digest of what came.
        found: String,
    },
    /// Something that is no image.
    #[error("{what} is not what it should be: {why}")]
    Malformed {
        /// Which part.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// The credentials cannot be read.
    #[error("cannot read the credentials {path}: {why}")]
    Credentials {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// A file of ours.
    #[error("cannot {what}: {source}")]
    File {
        /// What was tried.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl RegistryError {
    /// Whether the same question may have a better answer a moment later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            RegistryError::Transport { .. } => true,
            RegistryError::Status { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(" ({message})") }
}

/// Adds what was tried to a failed file operation.
pub(super) trait At<T> {
    fn at(self, what: impl std::fmt::Display) -> Result<T, RegistryError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, what: impl std::fmt::Display) -> Result<T, RegistryError> {
        self.map_err(|e| RegistryError::File { what: what.to_string(), source: e.into() })
    }
}
