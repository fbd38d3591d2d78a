//! Repositories: `makepkg`'s packages come in, `pacman` reads them.

use crate::answer::{bare, data};
use crate::door::Asking;
use crate::incoming::{Most, announced, receive};
use axum::response::Response;
use http::header::{CACHE_CONTROL, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
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
    let most = Most { bytes: farm.settings().requests.upload, key: "limits.upload" };
    if announced(headers).is_none() {
        return Ok(bare(StatusCode::LENGTH_REQUIRED));
    }
    most.check(headers)?;
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
    let date = httpdate::fmt_http_date(time(modified));
    // They are for everybody: whoever stands between may keep them, and asks whether they are still the same.
    let cache = "public, no-cache";
    for (header, value) in [(ETAG, tag.as_str()), (LAST_MODIFIED, &date), (CACHE_CONTROL, cache)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            set.insert(header, value);
        }
    }
    Ok(response)
}

fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// Whether the client has it: by its tag where it says one, else by its time in whole seconds. Any other time is that of
/// something else: a client's copy may have its time from another server, or from its own clock.
fn is_known(headers: &HeaderMap, tag: &str, modified: i64) -> bool {
    if headers.contains_key(IF_NONE_MATCH) {
        let mut tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        // A proxy that compresses makes tags weak.
        let is_tag = |known: &str| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag;
        return tags.any(|tags| tags.split(',').any(|known| is_tag(known.trim())));
    }
    let since =
        headers.get(IF_MODIFIED_SINCE).and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok());
    since == Some(time(modified))
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
    fn a_client_knows_what_has_the_time_or_the_tag_of_its_own() {
        let headers = |name, value| HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        let since = headers(IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(is_known(&since, "\"a\"", 784_111_777));
        assert!(!is_known(&since, "\"a\"", 784_111_778));
        assert!(!is_known(&since, "\"a\"", 784_111_776), "its copy may be another server's");
        assert!(!is_known(&headers(IF_MODIFIED_SINCE, "yesterday"), "\"a\"", 1));
        assert!(is_known(&headers(IF_NONE_MATCH, "\"b\", \"a\""), "\"a\"", 5));
        assert!(is_known(&headers(IF_NONE_MATCH, "W/\"a\""), "\"a\"", 5));
        assert!(!is_known(&headers(IF_NONE_MATCH, "\"b\", W/\"c\""), "\"a\"", 5));
        assert!(!is_known(&HeaderMap::new(), "\"a\"", 1));
    }
}
