//! What handlers of every door take from a request: who asks, from where, about what, and the whole body.

use crate::gate::Client;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use ropewalk_core::access::Caller;
use ropewalk_core::error::{Error, Kind};
use serde::de::DeserializeOwned;

/// What the handlers of a door share. It knows how the door shows what was refused before its handler began.
pub trait Dialect: Send + Sync {
    /// Shows an error of a request for this path.
    fn refuse(&self, path: &str, error: Error) -> Response;
}

/// Who asks, as the gate found out.
pub struct By(pub Caller);

impl<S: Dialect> FromRequestParts<S> for By {
    type Rejection = Response;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        caller(parts).map(By).map_err(|error| state.refuse(parts.uri.path(), error))
    }
}

/// Who asks, as the gate found out.
pub fn caller(parts: &Parts) -> Result<Caller, Error> {
    parts.extensions.get::<Caller>().cloned().ok_or_else(no_gate)
}

fn no_gate() -> Error {
    Error::internal("this request did not come through the gate")
}

impl<S: Dialect> FromRequestParts<S> for Client {
    type Rejection = Response;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let client = parts.extensions.get::<Client>().copied();
        client.ok_or_else(|| state.refuse(parts.uri.path(), no_gate()))
    }
}

/// Variable parts of the address. One that cannot be read names nothing that there is.
pub struct Address<T>(pub T);

impl<T: DeserializeOwned + Send, S: Dialect> FromRequestParts<S> for Address<T> {
    type Rejection = Response;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Address(value)),
            Err(_) => Err(state.refuse(parts.uri.path(), crate::refusal::nothing_here())),
        }
    }
}

/// The whole body of a request.
pub async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Error> {
    Bytes::from_request(request, state).await.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => Error::malformed("the body could not be read to its end"),
    })
}

/// A body over the limit of its address.
pub fn too_large() -> Error {
    Error::new(Kind::TooLarge, "the body is larger than this address takes")
}
