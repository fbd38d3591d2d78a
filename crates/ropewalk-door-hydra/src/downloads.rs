//! Files that builds offer: their products, and what lies in those that are folders.

use crate::answer::{Failed, led};
use crate::door::Hydra;
use crate::jobsets::SEGMENT;
use crate::view::seconds;
use axum::extract::State;
use axum::response::Response;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use percent_encoding::utf8_percent_encode;
use ropewalk_core::error::Error;
use ropewalk_core::farm::Farm;
use ropewalk_core::port::{Build, NixEntry};
use ropewalk_http::files::{self, Source};
use ropewalk_http::parts::{Address, By};
use ropewalk_model::nix::Product;
use ropewalk_model::time::Time;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// Manuals and reports may have scripts; these get an origin of their own, without anybody's session.
const SANDBOX: &str = "sandbox allow-scripts";
/// What a folder shows of itself.
const INDEX: &str = "index.html";

/// A product by its number or name.
pub(crate) async fn show(
    hydra: State<Hydra>,
    by: By,
    Address((id, reference)): Address<(i64, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    show_below(hydra, by, Address((id, reference, String::new())), uri, headers).await
}

/// What lies in a product. After a number the first part is the product's name, for people only.
pub(crate) async fn show_below(
    State(hydra): State<Hydra>,
    By(by): By,
    Address((id, reference, rest)): Address<(i64, String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let build = hydra.farm.nix_build(&by, id).await?;
    let parts = parts(&rest);
    let (number, product) = find(&build, &reference).ok_or_else(|| missing(id, &reference))?;
    let mut below = parts.as_slice();
    if number.to_string() == reference {
        if parts.is_empty() && !(product.name.is_empty() && product.default_path.is_none()) {
            return Ok(led(StatusCode::FOUND, &address(&hydra.farm, id, number, product, &[])));
        }
        if !product.name.is_empty() {
            below = parts.get(1..).unwrap_or_default();
        }
    }
    answer(&hydra.farm, &build, product, below, &uri, &headers).await
}

/// Leads to the first product of a type and subtype.
pub(crate) async fn by_type(
    hydra: State<Hydra>,
    by: By,
    Address((id, kind, subtype)): Address<(i64, String, String)>,
) -> Result<Response, Failed> {
    by_type_below(hydra, by, Address((id, kind, subtype, String::new()))).await
}

/// The same, to what lies in it.
pub(crate) async fn by_type_below(
    State(hydra): State<Hydra>,
    By(by): By,
    Address((id, kind, subtype, rest)): Address<(i64, String, String, String)>,
) -> Result<Response, Failed> {
    let build = hydra.farm.nix_build(&by, id).await?;
    let mut products = (1..).zip(&build.products);
    let found = products.find(|(_, product)| product.kind == kind && product.subtype == subtype);
    let (number, product) = found.ok_or_else(|| missing(id, &format!("{kind} {subtype}")))?;
    Ok(led(StatusCode::FOUND, &address(&hydra.farm, id, number, product, &parts(&rest))))
}

fn parts(rest: &str) -> Vec<&str> {
    rest.split('/').filter(|part| !part.is_empty()).collect()
}

fn missing(build: i64, what: &str) -> Error {
    let what: String = what.chars().take(200).collect();
    Error::missing(format_args!("product {what} of build {build}"))
}

/// The product of this number, else the first one of this name.
fn find<'a>(build: &'a Build, reference: &str) -> Option<(usize, &'a Product)> {
    let numbered = || (1_usize..).zip(&build.products);
    let by_number = numbered().find(|(number, _)| number.to_string() == reference);
    by_number.or_else(|| numbered().find(|(_, product)| product.name == reference))
}

/// The whole address of a product, or of what lies in it; of the file that it wants to be shown by if neither is said.
fn address(farm: &Farm, build: i64, number: usize, product: &Product, parts: &[&str]) -> String {
    let default = product.default_path.as_deref().filter(|_| parts.is_empty()).unwrap_or_default();
    let name = Some(product.name.as_str()).filter(|name| !name.is_empty());
    let all = name.into_iter().chain(parts.iter().copied()).chain(default.split('/'));
    let segments =
        all.filter(|part| !part.is_empty()).map(|part| format!("/{}", utf8_percent_encode(part, SEGMENT)));
    let below: String = segments.collect();
    format!("{}/build/{build}/download/{number}{below}", farm.settings().origin)
}

async fn answer(
    farm: &Arc<Farm>,
    build: &Build,
    product: &Product,
    parts: &[&str],
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Failed> {
    if farm.nix_found(&product.path).await?.is_none() {
        let gone = format!("{} is not in this server's Nix store any more: restart the build", product.path);
        return Err(Failed::Gone(gone));
    }
    let below: String = parts.iter().map(|part| format!("/{part}")).collect();
    let mut asked = format!("{}{below}", product.path);
    let nothing = |asked: &str| Error::missing(asked);
    // Refused before any door, too: they would leave the product for other things in the store.
    if parts.contains(&"..") {
        return Err(nothing(&asked).into());
    }
    let mut found = farm.nix_found(&asked).await?.ok_or_else(|| nothing(&asked))?;
    if matches!(found.entry, NixEntry::Folder(_)) {
        if !uri.path().ends_with('/') {
            return Ok(led(StatusCode::FOUND, &with_slash(farm, uri)));
        }
        asked = format!("{asked}/{INDEX}");
        found = farm.nix_found(&asked).await?.ok_or_else(|| nothing(&asked))?;
    }
    let NixEntry::File { size } = found.entry else { return Err(nothing(&asked).into()) };
    let kind = mime_guess::from_path(&asked).first_raw().unwrap_or("application/octet-stream");
    let mut response = files::answer(headers, size, kind, InStore { farm: farm.clone(), path: found.path });
    describe(response.headers_mut(), kind, build.stopped);
    Ok(response)
}

/// The address that was asked, as that of a folder.
fn with_slash(farm: &Farm, uri: &Uri) -> String {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}{}/{query}", farm.settings().origin, uri.path())
}

fn describe(headers: &mut HeaderMap, kind: &str, stopped: Option<Time>) {
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    if kind == "text/plain" {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    let stopped = stopped.and_then(|at| u64::try_from(seconds(at)).ok());
    let date = stopped.map(|at| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(at)));
    if let Some(Ok(date)) = date.map(|date| HeaderValue::from_str(&date)) {
        headers.insert(LAST_MODIFIED, date);
    }
}

struct InStore {
    farm: Arc<Farm>,
    path: String,
}

impl Source for InStore {
    async fn read(&self, from: u64, length: usize) -> Result<Vec<u8>, Error> {
        self.farm.nix_bytes(&self.path, from, length).await
    }
}
