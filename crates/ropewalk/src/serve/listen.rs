//! Connections: over the network and over the administrator's socket.

use crate::config::Config;
use crate::tls::Serving;
use anyhow::Context;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use ropewalk_http::connections::{Connections, Place};
use ropewalk_http::gate::Peer;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

/// Bytes of a request's head.
const HEAD_MAX: usize = 64 << 10;
/// Time that open requests have when the server stops.
const FAREWELL: Duration = Duration::from_secs(5);
/// What a client that holds too many connections is told before one more is closed.
const TOO_MANY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nConnection: close\r\n\
    Content-Type: application/json\r\nContent-Length: 114\r\n\r\n\
    {\"error\":\"this address holds too many connections (limits.connections-per-address): close some\",\"kind\":\"too-many\"}";
/// What a client that speaks without TLS is told where there is TLS.
const NOT_PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\n\
    Content-Length: 87\r\n\r\n{\"error\":\"this server speaks https: write https:// before its name\",\"kind\":\"malformed\"}";
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
    /// Time for a TLS handshake.
    pub(crate) handshake_within: Duration,
}

impl Limits {
    pub(crate) fn new(config: &Config) -> Limits {
        let limits = &config.limits.requests;
        let (all, most) = (limits.connections, limits.connections_per_address);
        Limits {
            connections: Connections::new(all, most, &config.proxy.trusted),
            head_within: Duration::from_secs(limits.head_within.max(1)),
            handshake_within: Duration::from_secs(limits.handshake_within.max(1)),
        }
    }
}

/// Serves both until `stopping` is true, then lets open requests end for a few seconds. With `tls` the network speaks
/// https only.
pub(crate) async fn serve(
    tcp: TcpListener,
    admin: AdminSocket,
    doors: Router,
    limits: Limits,
    tls: Option<Serving>,
    mut stopping: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let connections = limits.connections.clone();
    let ways = Arc::new(Ways { doors, limits, tls, stopping: stopping.clone() });
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => break,
            accepted = accept_tcp(&tcp, &connections, ways.tls.is_none()) => if let Some(accepted) = accepted {
                tokio::spawn(over_network(accepted, ways.clone(), graceful.watcher()));
            },
            accepted = admin.listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (ways, watcher) = (ways.clone(), graceful.watcher());
                    tokio::spawn(async move { ways.speak(stream, Peer::Local, watcher).await });
                }
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

type Accepted = (TcpStream, SocketAddr, Place);

async fn accept_tcp(tcp: &TcpListener, connections: &Arc<Connections>, plain: bool) -> Option<Accepted> {
    let room = connections.room().await?;
    match tcp.accept().await {
        Ok((stream, address)) => {
            // Small events must not wait for more bytes.
            let _ = stream.set_nodelay(true);
            let place = connections.seat(address.ip(), room);
            if place.is_none() {
                tracing::debug!("{} holds too many connections", address.ip());
                // In a handshake nobody would understand it.
                let _ = if plain { stream.try_write(TOO_MANY) } else { Ok(0) };
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

/// How connections are answered.
struct Ways {
    doors: Router,
    limits: Limits,
    tls: Option<Serving>,
    stopping: watch::Receiver<bool>,
}

/// Carries one connection over the network to its end; its place is taken as long.
async fn over_network((stream, address, _place): Accepted, ways: Arc<Ways>, watcher: Watcher) {
    let peer = Peer::Remote(address.ip());
    let Some(tls) = &ways.tls else { return ways.speak(stream, peer, watcher).await };
    let mut stopping = ways.stopping.clone();
    let handshake = tokio::time::timeout(ways.limits.handshake_within, encrypt(stream, tls));
    let met = tokio::select! {
        () = stopped(&mut stopping) => return,
        met = handshake => met,
    };
    match met {
        Ok(Ok(stream)) => ways.speak(stream, peer, watcher).await,
        Ok(Err(error)) => tracing::debug!("no TLS with {}: {error}", address.ip()),
        Err(_) => tracing::debug!("{} did not end its handshake in time", address.ip()),
    }
}

/// Does the handshake. Whoever does not begin one is told so.
async fn encrypt(mut stream: TcpStream, tls: &Serving) -> std::io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first.iter().any(u8::is_ascii_alphabetic) {
        stream.write_all(NOT_PLAIN).await?;
        stream.shutdown().await?;
        // Closing with bytes unread would take the answer back.
        let mut rest = stream.take(HEAD_MAX as u64);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
        return Err(std::io::Error::other("it spoke without TLS"));
    }
    tls.acceptor().accept(stream).await
}

impl Ways {
    /// Answers requests until the client goes, or the server stops.
    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
        watcher: Watcher,
    ) {
        let doors =
            self.doors.clone().map_request(move |mut request: http::Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(peer);
                request.map(axum::body::Body::new)
            });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_within)
            .max_buf_size(HEAD_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(doors));
        // Broken connections are the client's affair.
        let _ = watcher.watch(connection).await;
    }
}
