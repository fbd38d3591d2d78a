//! `/artifacts/LINK/NAME`: published files for whoever was told the link.

use crate::Web;
use crate::answer::Failed;
use crate::n1::files::ArtifactBytes;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use ropewalk_http::files;
use ropewalk_http::parts::Address;
use ropewalk_http::routes::Routes;

pub(crate) fn routes() -> Routes<Web> {
    Routes::default().get("/artifacts/{link}/{name}", read)
}

async fn read(
    State(web): State<Web>,
    Address((link, name)): Address<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let open = web.farm.open_link(&link, &name).await?;
    let (size, path) = (open.size(), open.path.clone());
    let source = ArtifactBytes { farm: web.farm.clone(), open };
    let mut response = files::answer(&headers, size, "application/octet-stream", source);
    files::attach(&mut response, &path);
    Ok(response)
}
