//! Repositories: `makepkg`'s packages come in, `pacman` reads them.

use crate::answer::{bare, data};
use crate::door::Asking;
use crate::incoming::{receive, too_large};
use axum::response::Response;
use http::header::{CONTENT_LENGTH, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue, StatusCode};
use ropewalk_core::arch::{Arrival, Published, RepoBytes, RepoFile};
use ropewalk_core::error::Error;
use ropewalk_core::farm::Farm;
use ropewalk_http::files;
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Serialize)]
struct Shown {
    name: String,
    version: String,
    archs: Vec<String>,
}

pub(crate) async fn publish(asking: Asking<'_>, repo: &str) -> Result<Response, Error> {
    let Asking { farm, incoming, caller, headers, body, .. } = asking;
    farm.check_publish(caller, repo).await?;
    let most = farm.settings().requests.upload;
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let Some(length) = length else { return Ok(bare(StatusCode::LENGTH_REQUIRED)) };
    if length > most {
        return Err(too_large(most));
    }
    let arrived = receive(body, most, incoming).await?;
    let arrival = Arrival { path: arrived.path(), content: Box::new(arrived.open()?) };
    let Published { name, version, archs } = farm.publish(caller, repo, arrival).await?;
    Ok(data(Shown { name, version, archs }))
}

struct Bytes {
    farm: Arc<Farm>,
    content: RepoBytes,
}

impl files::Source for Bytes {
    async fn read(&self, from: u64, length: usize) -> Result<Vec<u8>, Error> {
        self.farm.read_repo_file(&self.content, from, length).await
    }
}

pub(crate) async fn file(asking: Asking<'_>, path: [&str; 3]) -> Result<Response, Error> {
    let Asking { farm, headers, .. } = asking;
    let [repo, arch, name] = path;
    let RepoFile { modified, tag, content } = farm.repo_file(repo, arch, name).await?;
    let tag = format!("\"{tag}\"");
    let mut response = match is_known(headers, &tag, modified) {
        true => bare(StatusCode::NOT_MODIFIED),
        false => {
            let size = content.size();
            files::answer(headers, size, "application/octet-stream", Bytes { farm: farm.clone(), content })
        }
    };
    let set = response.headers_mut();
    // What never changed has no time.
    let date = (modified > 0).then(|| httpdate::fmt_http_date(time(modified)));
    for (header, value) in [(ETAG, Some(tag)), (LAST_MODIFIED, date)] {
        if let Some(Ok(value)) = value.as_deref().map(HeaderValue::from_str) {
            set.insert(header, value);
        }
    }
    Ok(response)
}

fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// Whether the client has it: by its tag where it says one, else by its time in whole seconds.
fn is_known(headers: &HeaderMap, tag: &str, modified: i64) -> bool {
    if headers.contains_key(IF_NONE_MATCH) {
        let mut tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        return tags
            .any(|tags| tags.split(',').any(|known| matches!(known.trim(), "*") || known.trim() == tag));
    }
    let since =
        headers.get(IF_MODIFIED_SINCE).and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok());
    modified > 0 && since.is_some_and(|since| time(modified) <= since)
}

/// Removes a repository, one of its architectures, or a package of that.
pub(crate) async fn delete(
    asking: Asking<'_>,
    repo: &str,
    arch: Option<&str>,
    package: Option<&str>,
) -> Result<Response, Error> {
    asking.farm.unpublish(asking.caller, repo, arch, package).await?;
    Ok(bare(StatusCode::OK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_knows_what_is_as_old_as_its_own() {
        let headers = |name, value| HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        let since = headers(IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(is_known(&since, "\"a\"", 784_111_777));
        assert!(!is_known(&since, "\"a\"", 784_111_778));
        assert!(!is_known(&headers(IF_MODIFIED_SINCE, "yesterday"), "\"a\"", 0));
        assert!(is_known(&headers(IF_NONE_MATCH, "\"b\", \"a\""), "\"a\"", 5));
        assert!(!is_known(&headers(IF_NONE_MATCH, "\"b\""), "\"a\"", 5));
        assert!(!is_known(&HeaderMap::new(), "\"a\"", 0));
    }
}
