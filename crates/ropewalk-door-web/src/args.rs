//! The query and the body of a request to the API, with refusals in its form.

use crate::answer::Failed;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Json, Query, Request};
use http::StatusCode;
use http::request::Parts;
use ropewalk_core::error::Error;
use ropewalk_http::parts;
use serde::de::DeserializeOwned;

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
        return parts::too_large();
    }
    if error.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        return Error::malformed("the body must be JSON: send `Content-Type: application/json`");
    }
    Error::malformed(format!("the body cannot be read: {}", error.body_text()))
}
