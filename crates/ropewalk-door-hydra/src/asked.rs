//! The query of a request.

use axum::extract::FromRequestParts;
use http::request::Parts;
use std::collections::BTreeMap;

/// The query by its names; of a repeated name the last one.
pub(crate) struct Asked(BTreeMap<String, String>);

impl Asked {
    /// Of a query's text.
    pub(crate) fn of(query: Option<&str>) -> Asked {
        Asked(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The parts of a comma list.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        self.get(name).unwrap_or_default().split(',').filter(|part| !part.is_empty()).collect()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Asked::of(parts.uri.query()))
    }
}
