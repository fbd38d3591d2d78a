//! Requests that a page of another site makes a browser send in the name of whoever is logged in: every route of the
//! table that changes something refuses them.

use super::routes::{all_routes, filled};
use crate::server::Server;
use crate::web::visitor::Visitor;
use ropewalk_http::routes::Route;
use std::collections::BTreeSet;

/// What browsers say of a page of another site; some leave out one or the other.
const ELSEWHERE: &[(&str, &str)] =
    &[("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")];
/// The same of a link, with which no `Origin` comes; not even `Referer`, where the page does not want that.
const LINKED: &[(&str, &str)] =
    &[("referer", "https://evil.example/page"), ("sec-fetch-site", "cross-site"), ("accept", "text/html")];

/// Addresses that change something when a link is followed: those of Hydra's that take `POST` and `GET` alike.
fn orders() -> BTreeSet<String> {
    let routes = ropewalk_door_hydra::routes();
    let of = |method: &str| -> BTreeSet<String> {
        routes.iter().filter(|route| route.method == method).map(|route| route.path.clone()).collect()
    };
    &of("GET") & &of("POST")
}

/// The methods of a route that change something.
fn changing(route: &Route) -> Option<&str> {
    match route.method.as_str() {
        "GET" => None,
        "*" => Some("POST"),
        method => Some(method),
    }
}

struct Browser {
    visitor: Visitor,
    wrong: Vec<String>,
}

impl Browser {
    async fn gets(&mut self, method: &str, path: &str, header: (&str, &str), statuses: &[u16]) {
        let path = filled(path);
        let page = self.visitor.send(self.visitor.request(method, &path).header(header.0, header.1)).await;
        if !statuses.contains(&page.status) {
            self.wrong.push(format!("{method} {path} with {header:?}: {}", page.status));
        }
    }
}

#[tokio::test]
async fn no_route_changes_anything_for_a_page_of_another_site() {
    let server = Server::start_with_variables(&["--no-runner"], &[]).await;
    let mut browser = Browser { visitor: Visitor::admin(&server).await, wrong: vec![] };
    let (table, orders) = (all_routes(), orders());
    let all: Vec<(&str, &str)> =
        table.iter().filter_map(|route| Some((changing(route)?, route.path.as_str()))).collect();
    assert!(all.len() >= 40 && orders.len() >= 8, "{all:?} {orders:?}");
    for (method, path) in all {
        for header in ELSEWHERE {
            browser.gets(method, path, *header, &[403]).await;
        }
    }
    for path in &orders {
        for header in LINKED {
            browser.gets("GET", path, *header, &[403]).await;
        }
        browser.gets("POST", path, LINKED[2], &[403]).await;
        // A form on a page of ours may: there is no such thing. A link there may have been written by a stranger.
        let ours = browser.visitor.origin.clone();
        browser.gets("POST", path, ("referer", &ours), &[404]).await;
        browser.gets("GET", path, ("referer", &ours), &[403]).await;
    }
    assert!(browser.wrong.is_empty(), "{} wrong answers:\n{}", browser.wrong.len(), browser.wrong.join("\n"));
    let still = browser.visitor.get("/-/tokens").await;
    assert_eq!(still.status, 200, "the session has ended");
}
