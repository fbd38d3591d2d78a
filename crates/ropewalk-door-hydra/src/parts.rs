//! Parts of a request, with refusals in this door's form.

use crate::answer::Failed;
use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use ropewalk_core::access;
use ropewalk_core::error::Error;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Who asks, as the gate found out.
pub(crate) struct By(pub(crate) access::Caller);

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Failed;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failed> {
        let caller = parts.extensions.get::<access::Caller>().cloned();
        caller.map(By).ok_or_else(|| Error::internal("this request did not come through the gate").into())
    }
}

/// Variable parts of the address. One that cannot be read names nothing that there is.
pub(crate) struct Address<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Address<T> {
    type Rejection = Failed;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(value)| Address(value)).map_err(|_| Error::missing("such address").into())
    }
}

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
