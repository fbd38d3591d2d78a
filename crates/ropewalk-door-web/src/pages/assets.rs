//! Style sheet, script and pictures: part of the program, under an address of their content.

use crate::terminal;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use ropewalk_core::error::Error;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::sync::LazyLock;

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: Cow<'static, [u8]>,
}

const SVG: &str = "image/svg+xml";
/// The address changes with the content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let plain = |name, kind, bytes: &'static [u8]| Asset { name, kind, bytes: Cow::Borrowed(bytes) };
    let sheet = [include_bytes!("../../assets/style.css").as_slice(), terminal::sheet().as_bytes()].concat();
    vec![
        Asset { name: "style.css", kind: "text/css; charset=utf-8", bytes: Cow::Owned(sheet) },
        plain("app.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/app.js")),
        plain("graphql.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/graphql.js")),
        plain("icons.svg", SVG, include_bytes!("../../assets/icons.svg")),
        plain("lines.svg", SVG, include_bytes!("../../assets/lines.svg")),
        plain("favicon.svg", SVG, include_bytes!("../../assets/favicon.svg")),
        plain("favicon-success.svg", SVG, include_bytes!("../../assets/favicon-success.svg")),
        plain("favicon-failed.svg", SVG, include_bytes!("../../assets/favicon-failed.svg")),
        plain("favicon-running.svg", SVG, include_bytes!("../../assets/favicon-running.svg")),
        plain("favicon-queued.svg", SVG, include_bytes!("../../assets/favicon-queued.svg")),
    ]
});

/// `/-/assets/VERSION/`, with the digest of all of them.
static FOLDER: LazyLock<String> = LazyLock::new(|| {
    let mut digest = Sha256::new();
    for asset in ASSETS.iter() {
        digest.update(&asset.bytes);
    }
    let version: String = hex::encode(digest.finalize()).chars().take(16).collect();
    format!("/-/assets/{version}/")
});

/// Where the assets of this program are, with a slash at the end.
pub(super) fn folder() -> &'static str {
    &FOLDER
}

/// An asset. Pages of an older program may ask for an older version: they get the present one, and keep it not.
pub(super) async fn serve(Path((version, name)): Path<(String, String)>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return super::render(&Error::missing("such asset"));
    };
    let is_present = folder().ends_with(&format!("/{version}/"));
    let cache = if is_present { FOR_EVER } else { "no-cache" };
    ([(CONTENT_TYPE, asset.kind), (CACHE_CONTROL, cache)], asset.bytes.as_ref()).into_response()
}

/// For browsers that ask without being told.
pub(super) async fn favicon() -> Response {
    ([(CONTENT_TYPE, SVG)], include_bytes!("../../assets/favicon.svg").as_slice()).into_response()
}

/// Logs and lists of a farm are no use to search engines, and they are no use to it.
pub(super) async fn robots() -> &'static str {
    "User-agent: *\nDisallow: /\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_are_small() {
        for (name, most) in [("app.js", 15 << 10), ("graphql.js", 3 << 10)] {
            let script = ASSETS.iter().find(|asset| asset.name == name).unwrap();
            assert!(script.bytes.len() < most, "{name}: {} bytes", script.bytes.len());
        }
    }

    #[test]
    fn no_asset_asks_elsewhere() {
        for asset in ASSETS.iter() {
            let text = std::str::from_utf8(&asset.bytes).unwrap().replace("http://www.w3.org/", "");
            assert!(!text.contains("http://") && !text.contains("https://"), "{}", asset.name);
        }
    }
}
