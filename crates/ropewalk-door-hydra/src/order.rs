//! Orders: what somebody wants done to a thing, by `POST` or, as links in mails and old scripts do it, by `GET`.

use crate::answer::{Failed, led};
use crate::door::Hydra;
use crate::origin;
use axum::extract::FromRequestParts;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use ropewalk_core::access::Caller;
use ropewalk_http::parts::{Address, By, Dialect};
use ropewalk_http::routes::Routes;
use serde::de::DeserializeOwned;

/// An order that comes from where it may come from.
pub(crate) struct Order<T> {
    pub(crate) hydra: Hydra,
    pub(crate) by: Caller,
    /// What the address names.
    pub(crate) about: T,
}

impl<T: DeserializeOwned + Send> FromRequestParts<Hydra> for Order<T> {
    type Rejection = Response;
    async fn from_request_parts(parts: &mut Parts, hydra: &Hydra) -> Result<Self, Response> {
        origin::check_order(&parts.method, &parts.headers, &hydra.farm.settings().origin)
            .map_err(|error| hydra.refuse(parts.uri.path(), error))?;
        let By(by) = By::from_request_parts(parts, hydra).await?;
        let Address(about) = Address::from_request_parts(parts, hydra).await?;
        Ok(Order { hydra: hydra.clone(), by, about })
    }
}

impl<T> Order<T> {
    /// The order has been carried out: leads to the thing.
    pub(crate) fn done(self, kind: &str, id: i64) -> Response {
        led(StatusCode::FOUND, &format!("{}/{kind}/{id}", self.hydra.farm.settings().origin))
    }
}

/// The routes of an order. Its handler takes an [`Order`], so that none can forget to ask where it comes from.
pub(crate) fn order<T, F>(
    path: &str,
    handler: impl Fn(Order<T>) -> F + Clone + Send + Sync + 'static,
) -> Routes<Hydra>
where
    T: DeserializeOwned + Send + 'static,
    F: Future<Output = Result<Response, Failed>> + Send + 'static,
{
    Routes::default().get(path, handler.clone()).post(path, handler)
}
