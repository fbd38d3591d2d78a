//! TLS, on both sides: the server's certificate, and whom the client commands trust.

mod certificate;
mod serving;
mod trust;

pub(crate) use certificate::Certificate;
pub(crate) use serving::Serving;
pub(crate) use trust::{explain, trusting, trusting_nobody};

use rustls::crypto::CryptoProvider;
use std::sync::Arc;

/// What encrypts.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
