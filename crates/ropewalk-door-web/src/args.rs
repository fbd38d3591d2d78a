//! Parts of a request, with refusals in this door's form.

use crate::answer::Failed;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use http::StatusCode;
use http::request::Parts;
use ropewalk_core::access;
use ropewalk_core::error::{Error, Kind};
use ropewalk_http::gate;
use serde::de::DeserializeOwned;

/// Who asks, as the gate found out.
pub(crate) struct Caller(pub(crate) access::Caller);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Failed;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failed> {
        let caller = parts.extensions.get::<access::Caller>().cloned();
        caller.map(Caller).ok_or_else(|| Error::internal("this request did not come through the gate").into())
    }
}

/// Where the request came from.
pub(crate) struct Client(pub(crate) gate::Client);

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Failed;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failed> {
        let client = parts.extensions.get::<gate::Client>().copied();
        client.map(Client).ok_or_else(|| Error::internal("this request did not come through the gate").into())
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

/// The query.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Failed;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        let query = Query::from_request_parts(parts, state).await;
        query.map(|Query(value)| Asked(value)).map_err(|error| {
            Error::malformed(format!("the query cannot be read: {}", error.body_text())).into()
        })
    }
}

/// The body, as JSON.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failed;
    async fn from_request(request: Request, state: &S) -> Result<Self, Failed> {
        match Json::from_request(request, state).await {
            Ok(Json(value)) => Ok(Body(value)),
            Err(error) => Err(unreadable(&error).into()),
        }
    }
}

fn unreadable(error: &JsonRejection) -> Error {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Error::new(Kind::TooLarge, "the body is larger than this address takes");
    }
    if error.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        return Error::malformed("the body must be JSON: send `Content-Type: application/json`");
    }
    Error::malformed(format!("the body cannot be read: {}", error.body_text()))
}
