//! Connections: over the network and over the administrator's socket.

use crate::config::Config;
use anyhow::Context;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use ropewalk_http::connections::{Connections, Place};
use ropewalk_http::gate::Peer;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tower::ServiceExt;

/// Bytes of a request's head.
const HEAD_MAX: usize = 64 << 10;
/// Time that open requests have when the server stops.
const FAREWELL: Duration = Duration::from_secs(5);
/// What a client that holds too many connections is told before one more is closed.
const TOO_MANY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nConnection: close\r\n\
    Content-Type: application/json\r\nContent-Length: 114\r\n\r\n\
    {\"error\":\"this address holds too many connections (limits.connections-per-address): close some\",\"kind\":\"too-many\"}";
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

/// What connections may ask for.
pub(crate) struct Limits {
    /// Room for those over the network.
    pub(crate) connections: Arc<Connections>,
    /// Time for a request's head to arrive, and for the next one to begin.
    pub(crate) head_within: Duration,
}

impl Limits {
    pub(crate) fn new(config: &Config) -> Limits {
        let limits = &config.limits.requests;
        let (all, most) = (limits.connections, limits.connections_per_address);
        Limits {
            connections: Connections::new(all, most, &config.proxy.trusted),
            head_within: Duration::from_secs(limits.head_within.max(1)),
        }
    }
}

/// Serves both until `stopping` is true, then lets open requests end for a few seconds.
pub(crate) async fn serve(
    tcp: TcpListener,
    admin: AdminSocket,
    doors: Router,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let Limits { connections, head_within } = limits;
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => break,
            accepted = accept_tcp(&tcp, &connections) => if let Some((stream, address, place)) = accepted {
                connect(stream, Peer::Remote(address.ip()), &doors, &graceful, (Some(place), head_within));
            },
            accepted = admin.listener.accept() => match accepted {
                Ok((stream, _)) => connect(stream, Peer::Local, &doors, &graceful, (None, head_within)),
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
    connections: &Arc<Connections>,
) -> Option<(tokio::net::TcpStream, SocketAddr, Place)> {
    let room = connections.room().await?;
    match tcp.accept().await {
        Ok((stream, address)) => {
            // Small events must not wait for more bytes.
            let _ = stream.set_nodelay(true);
            let place = connections.seat(address.ip(), room);
            if place.is_none() {
                tracing::debug!("{} holds too many connections", address.ip());
                let _ = stream.try_write(TOO_MANY);
            }
            place.map(|place| (stream, address, place))
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
    (place, head_within): (Option<Place>, Duration),
) {
    let doors = doors.clone().map_request(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        request.map(axum::body::Body::new)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_within)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(doors));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        let _place = place;
        // Broken connections are the client's affair.
        let _ = connection.await;
    });
}
