//! What describes this door to programs.

#[cfg(test)]
mod seed;

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

const DESCRIPTION: &str = include_str!("../api/hydra.yaml");

pub(crate) async fn show() -> Response {
    ([(CONTENT_TYPE, "application/yaml")], DESCRIPTION).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::DESCRIPTION;
    use crate::routes;
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn what_is_described_is_what_is_routed() {
        let described: Value = serde_saphyr::from_str(DESCRIPTION).unwrap();
        let methods = ["get", "post", "put", "delete"];
        let paths = described["paths"].as_object().unwrap().iter();
        let operations: BTreeSet<String> = paths
            .flat_map(|(path, item)| {
                let here = methods.iter().filter(|method| item.get(**method).is_some());
                here.map(move |method| format!("{method} {path}"))
            })
            .collect();
        // A slash at the end is another form of the same address.
        let routes = routes().into_iter().filter(|route| route.path == "/" || !route.path.ends_with('/'));
        let routed: BTreeSet<String> = routes
            .map(|route| format!("{} {}", route.method.to_lowercase(), route.path.replace("{*", "{")))
            .collect();
        assert_eq!(operations.difference(&routed).collect::<Vec<_>>(), [""; 0], "not routed");
        assert_eq!(routed.difference(&operations).collect::<Vec<_>>(), [""; 0], "not described");
    }
}
