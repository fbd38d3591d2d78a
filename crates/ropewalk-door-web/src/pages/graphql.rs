//! A page to try the GraphQL interface with. What is asked goes to `/query`, which belongs to another door.

use super::frame::{Frame, page};
use askama::Template;
use axum::response::Response;

#[derive(Template)]
#[template(path = "graphql.html")]
struct Playground {
    frame: Frame,
}

impl Playground {
    fn example(&self) -> &'static str {
        "query {\n  version { major minor patch }\n  me { canonicalName }\n  jobs {\n    results { id status tags tasks { name status } }\n    cursor\n  }\n}\n"
    }
}

pub(super) async fn show(frame: Frame) -> Response {
    page(&Playground { frame })
}
