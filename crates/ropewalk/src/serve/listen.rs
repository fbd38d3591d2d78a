//! Connections: over the network and over the administrator's socket.

use anyhow::Context;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use ropewalk_http::gate::Peer;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt;

/// Connections at the same time.
const CONNECTIONS: usize = 4096;
/// Time for a request's head to arrive, and for the next one to begin.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// Bytes of a request's head.
const HEAD_MAX: usize = 64 << 10;
/// Time that open requests have when the server stops.
const FAREWELL: Duration = Duration::from_secs(5);
/// Pause after a failed accept: out of file descriptors, most likely.
const BREATH: Duration = Duration::from_millis(100);

/// Listens on the network.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: choose another address with --listen"))
}

/// The administrator's socket. The file goes with the value.
pub(crate) struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl AdminSocket {
    /// Listens in the data folder. Whoever holds the lock may remove what a killed server left.
    pub(crate) fn bind(data: &Path) -> anyhow::Result<AdminSocket> {
        let path = data.join("admin.sock");
        let explain = || format!("cannot listen on {}", path.display());
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(explain);
            }
            _ => {}
        }
        // Made under a name that nobody knows, so that it is never there with other permissions.
        let fresh = data.join(format!(".admin.sock.{}", std::process::id()));
        let _ = std::fs::remove_file(&fresh);
        let listener = UnixListener::bind(&fresh).with_context(explain)?;
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600)).with_context(explain)?;
        std::fs::rename(&fresh, &path).with_context(explain)?;
        Ok(AdminSocket { listener, path })
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Serves both until `stopping` is true, then lets open requests end for a few seconds.
pub(crate) async fn serve(
    tcp: TcpListener,
    admin: AdminSocket,
    doors: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => break,
            accepted = accept_tcp(&tcp, &room) => if let Some((stream, address, permit)) = accepted {
                connect(stream, Peer::Remote(address.ip()), &doors, &graceful, Some(permit));
            },
            accepted = admin.listener.accept() => match accepted {
                Ok((stream, _)) => connect(stream, Peer::Local, &doors, &graceful, None),
                Err(_) => tokio::time::sleep(BREATH).await,
            },
        }
    }
    drop(tcp);
    if tokio::time::timeout(FAREWELL, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end within {} s and were cut off", FAREWELL.as_secs());
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that whoever could say so is gone.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn accept_tcp(
    tcp: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.ok()?;
    match tcp.accept().await {
        Ok((stream, address)) => {
            // Small events must not wait for more bytes.
            let _ = stream.set_nodelay(true);
            Some((stream, address, permit))
        }
        Err(error) => {
            tracing::warn!("a connection could not be accepted: {error}");
            tokio::time::sleep(BREATH).await;
            None
        }
    }
}

fn connect(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    doors: &Router,
    graceful: &GracefulShutdown,
    permit: Option<OwnedSemaphorePermit>,
) {
    let doors = doors.clone().map_request(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        request.map(axum::body::Body::new)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(doors));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        let _permit = permit;
        // Broken connections are the client's affair.
        let _ = connection.await;
    });
}
