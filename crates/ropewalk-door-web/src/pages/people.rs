//! A person's jobs, by tag; badges and feeds of them.

use super::failure::Failure;
use super::form::Fields;
use super::frame::Frame;
use super::jobs::{List, show_list};
use super::query::Query;
use super::{addresses, badge, feed};
use crate::Web;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use ropewalk_http::parts::Address;

/// `/~NAME`, and `/~NAME.svg`: names have no dots.
pub(super) async fn show(
    State(web): State<Web>,
    frame: Frame,
    Address(user): Address<String>,
    asked: HeaderMap,
    fields: Fields,
) -> Result<Response, Failure> {
    match user.strip_suffix(".svg") {
        Some(user) => badge::show(&web, &asked, user, "", &fields).await,
        None => {
            web.farm.user_exists(&user).await?;
            list(&web, frame, &user, "", &fields).await
        }
    }
}

/// `/~NAME/TAGS`, `/~NAME/TAGS.svg`, `/~NAME/TAGS/rss.xml`.
pub(super) async fn below(
    State(web): State<Web>,
    frame: Frame,
    Address((user, path)): Address<(String, String)>,
    asked: HeaderMap,
    fields: Fields,
) -> Result<Response, Failure> {
    web.farm.user_exists(&user).await?;
    if let Some(tags) = path.strip_suffix("rss.xml").filter(|tags| tags.is_empty() || tags.ends_with('/')) {
        return feed::show(&web, &frame.by, &asked, &user, tags.trim_end_matches('/'), &fields).await;
    }
    match path.strip_suffix(".svg") {
        Some(tags) => badge::show(&web, &asked, &user, tags, &fields).await,
        None => list(&web, frame, &user, path.trim_matches('/'), &fields).await,
    }
}

async fn list(web: &Web, frame: Frame, user: &str, tags: &str, fields: &Fields) -> Result<Response, Failure> {
    let crumbs = addresses::trail(user, tags.split('/'));
    let address = crumbs.last().map(|(_, address)| address.clone()).unwrap_or_default();
    let heading = match tags {
        "" => format!("Jobs of ~{user}"),
        tags => tags.to_string(),
    };
    let base = Query::of(user).and(if tags.is_empty() { Query::default() } else { Query::below(tags) });
    let (feed, badge) = (format!("{address}/rss.xml"), Some(format!("{address}.svg")));
    show_list(web, frame.at("jobs"), fields, List { heading, crumbs, address, feed, badge, base }).await
}
