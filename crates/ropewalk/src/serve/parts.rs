//! What a server is made of.

use super::nix_files::OfThisMachine;
use super::roots::StoreRoots;
use crate::config::arch::is_reserved;
use crate::config::{Config, DATABASE, without_password};
use anyhow::Context;
use axum::Router;
use axum::extract::Request;
use http::Method;
use ropewalk_core::farm::{Farm, Settings};
use ropewalk_core::port::{Clock, SystemClock};
use ropewalk_door_hydra::Hydra;
use ropewalk_door_vieter::Vieter;
use ropewalk_door_web::Web;
use ropewalk_http::gate::{Gate, Render};
use ropewalk_http::metrics::Metrics;
use ropewalk_http::negotiation;
use ropewalk_http::protect::protect;
use ropewalk_http::rates::Rates;
use ropewalk_http::readiness::Readiness;
use ropewalk_http::session::Cookies;
use ropewalk_runner::agent;
use ropewalk_store::{DiskBlobs, DiskLogs, SqlStore};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const INCOMING: &str = "incoming";

/// The farm with its database, for whoever holds the data folder's lock.
pub(crate) struct Parts {
    pub(crate) farm: Arc<Farm>,
    pub(crate) readiness: Readiness,
    store: SqlStore,
    /// Where bytes arrive that are not yet anything.
    incoming: Arc<Path>,
}

impl Parts {
    /// Opens database, blobs and logs, and brings them up to date.
    pub(crate) async fn open(config: &Config, data: &Path) -> anyhow::Result<Parts> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let url = config.database_url(data);
        keep_private(config, data)?;
        let store = SqlStore::open(&url, clock.clone())
            .await
            .with_context(|| format!("cannot open the database {}", without_password(&url)))?;
        let blobs =
            DiskBlobs::open(&data.join("blobs"), store.clone()).await.context("cannot open the blobs")?;
        let logs = DiskLogs::open(&data.join("logs"), Arc::new(blobs.clone()), Arc::new(store.clone()))
            .await
            .context("cannot open the logs")?;
        let settings = Settings {
            origin: config.origin(),
            requests: config.limits.requests.clone(),
            builds: config.limits.builds.clone(),
            lost_after: Duration::from_secs(config.runner.lost_after),
            unused_blobs: Duration::from_secs(config.limits.requests.unused_blobs),
            arch: config.arch.settings(),
            nix: config.nix.settings(),
        };
        let mut farm = Farm::new(Arc::new(store.clone()), Arc::new(logs), Arc::new(blobs), clock, settings);
        if let Some(store) = config.nix.store_folder(data)? {
            farm = farm.with_nix_files(Arc::new(OfThisMachine::new(&store)));
        }
        if let Some(roots) = StoreRoots::of(config, data) {
            farm = farm.with_roots(Arc::new(roots));
        }
        Ok(Parts {
            farm: Arc::new(farm),
            readiness: Readiness::new(data, agent::ROOM),
            store,
            incoming: data.join(INCOMING).into(),
        })
    }

    /// All doors, with what stands around them.
    pub(crate) fn doors(&self, config: &Config, stopping: watch::Receiver<bool>) -> anyhow::Result<Router> {
        let metrics = Arc::new(Metrics::default());
        let rates = Arc::new(Rates::new(&config.limits.requests));
        let web = Web {
            farm: self.farm.clone(),
            metrics: metrics.clone(),
            rates: rates.clone(),
            readiness: self.readiness.clone(),
            cookies: cookies(config),
            stopping,
        };
        let hydra = Hydra { farm: self.farm.clone(), rates: rates.clone(), cookies: cookies(config) };
        let trusted = config.proxy.trusted.clone().into();
        let gate = Gate { farm: self.farm.clone(), rates, trusted, render, is_file };
        let srht =
            ropewalk_door_srht::door(self.farm.clone(), metrics.clone()).map_err(anyhow::Error::msg)?;
        let rest = ropewalk_door_srht_rest::door(self.farm.clone());
        let vieter = Vieter::new(self.farm.clone(), self.incoming.clone());
        let doors = ropewalk_door_web::door(web).merge(srht).merge(rest);
        let doors =
            negotiation::beside(doors, ropewalk_door_hydra::door(hydra), ropewalk_door_hydra::answers);
        Ok(protect(ropewalk_door_vieter::beside(doors, vieter), gate, metrics))
    }

    /// Lets the database go when all is on disk.
    pub(crate) async fn close(self) {
        self.store.database().close().await;
    }
}

/// Whether clients of repositories ask there.
fn is_of_repository(path: &str) -> bool {
    let methods = [Method::POST, Method::GET, Method::DELETE];
    let asks = |method| ropewalk_door_vieter::is_of_repository(method, path, is_reserved);
    methods.iter().any(asks)
}

/// Whether `pacman` asks.
fn is_file(request: &Request) -> bool {
    let (method, path) = (request.method(), request.uri().path());
    matches!(*method, Method::GET | Method::HEAD)
        && ropewalk_door_vieter::is_of_repository(method, path, is_reserved)
}

fn is_for_hydra(request: &Request) -> bool {
    let (method, uri) = (request.method(), request.uri());
    let speaks = ropewalk_door_hydra::answers(method, uri.path());
    negotiation::is_for(speaks, method, uri, request.headers())
}

/// How a refusal of this request looks that came before any door.
fn render(request: &Request) -> Render {
    let path = request.uri().path();
    match path {
        _ if ropewalk_door_srht::owns(path) => ropewalk_door_srht::render,
        _ if ropewalk_door_srht_rest::owns(path) => ropewalk_door_srht_rest::render,
        _ if is_for_hydra(request) => ropewalk_door_hydra::render,
        _ if ropewalk_door_vieter::owns(path) || is_of_repository(path) => ropewalk_door_vieter::render,
        _ => ropewalk_door_web::render(path),
    }
}

/// Without TLS a cookie could be taken on the way, unless that is short or the administrator does not mind.
pub(super) fn cookies(config: &Config) -> Cookies {
    match config.origin().starts_with("https://") {
        true => Cookies::Secure,
        false if config.listen.ip().is_loopback() || config.insecure => Cookies::Plain,
        false => Cookies::Refused,
    }
}

/// What the server keeps is for its own account only. SQLite's other files take the mode of the first.
fn keep_private(config: &Config, data: &Path) -> anyhow::Result<()> {
    for folder in ["blobs", "logs", INCOMING].map(|name| data.join(name)) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).with_context(|| {
            format!("cannot make the folder {}: may this account write to it?", folder.display())
        })?;
    }
    if !config.database.url.is_empty() {
        return Ok(());
    }
    let database = data.join(DATABASE);
    let opened = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&database);
    opened.map(drop).with_context(|| {
        let database = database.display();
        format!(
            "cannot write the database {database}: it must be a file that this account may read and write"
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use http::header::CONTENT_TYPE;
    use ropewalk_core::error::{Error, Kind};
    use strum::IntoEnumIterator;

    #[test]
    fn every_door_says_whose_fault_an_error_is() {
        for path in ["/query", "/api/jobs", "/jobset/p/j", "/api/v1/targets", "/api/n1/jobs", "/submit"] {
            let request = http::Request::get(path).header(CONTENT_TYPE, "application/json");
            let render = render(&request.body(axum::body::Body::empty()).unwrap());
            for kind in Kind::iter() {
                let status = render(&Error::new(kind, "x")).status();
                let server_fault = matches!(kind, Kind::Unavailable | Kind::Internal);
                assert_eq!(status.is_server_error(), server_fault, "{path}: {kind}");
                assert_eq!(status.is_client_error(), !server_fault, "{path}: {kind}");
            }
        }
    }
}
