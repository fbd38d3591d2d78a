//! `/api/n1`: JSON in, JSON out; times in RFC 3339; lists newest first, by keyset.

mod accounts;
mod farm;
pub(crate) mod files;
mod jobs;
mod logs;
pub(crate) mod view;

use crate::Web;
use axum::response::Json;
use ropewalk_http::routes::{Route, Routes};
use utoipa::OpenApi;
use utoipa::openapi::PathItem;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const DESCRIPTION: &str = "The farm's own API. Send a token as `Authorization: Bearer TOKEN`; what is public can be \
     read without one. Whoever may not know that a thing exists gets the answer for a missing thing.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Ropewalk", description = DESCRIPTION),
    tags(
        (name = "jobs", description = "What was asked for"),
        (name = "logs", description = "What it printed"),
        (name = "farm", description = "What waits, and for whom"),
        (name = "accounts", description = "Who may ask"),
    )
)]
struct Api;

/// The routes and their description.
fn described() -> OpenApiRouter<Web> {
    let mut api = Api::openapi();
    let components = api.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    OpenApiRouter::with_openapi(api)
        .routes(routes!(jobs::list, jobs::submit))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::manifest))
        .routes(routes!(jobs::start))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::steps))
        .routes(routes!(jobs::attempts))
        .routes(routes!(jobs::events))
        .routes(routes!(logs::live))
        .routes(routes!(logs::read))
        .routes(routes!(logs::follow))
        .routes(routes!(files::list))
        .routes(routes!(files::read))
        .routes(routes!(farm::queue))
        .routes(routes!(farm::runners))
        .routes(routes!(accounts::log_in))
        .routes(routes!(accounts::own))
        .routes(routes!(accounts::list, accounts::create))
        .routes(routes!(accounts::show))
        .routes(routes!(accounts::set_password))
        .routes(routes!(accounts::tokens, accounts::create_token))
        .routes(routes!(accounts::revoke))
}

/// The description of this API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    described().split_for_parts().1
}

pub(crate) fn routes() -> Routes<Web> {
    let (router, api) = described().split_for_parts();
    let table: Vec<Route> = api.paths.paths.iter().flat_map(|(path, item)| rows(path, item)).collect();
    Routes::default().described(router, table).get("/api/n1/openapi.json", async move || Json(api))
}

fn rows(path: &str, item: &PathItem) -> impl Iterator<Item = Route> {
    let methods = [("GET", &item.get), ("POST", &item.post), ("PUT", &item.put), ("PATCH", &item.patch)];
    let there =
        methods.into_iter().chain([("DELETE", &item.delete)]).filter(|(_, operation)| operation.is_some());
    there.map(move |(method, _)| Route { method: method.into(), path: path.into() })
}
