//! A small client: what it takes itself is taken from what is measured.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::time::SystemTime;
use tokio::net::TcpStream;

/// Asks over one connection, which is kept.
pub(crate) struct Client {
    address: String,
    token: Option<String>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// `origin` is `http://ADDRESS:PORT`.
    pub(crate) fn new(origin: &str, token: Option<&str>) -> Client {
        let address = origin.trim_start_matches("http://").to_string();
        Client { address, token: token.map(String::from), connection: None }
    }

    /// The body of a GET that is answered with success.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Bytes> {
        self.ask("GET", path, Bytes::new()).await
    }

    /// The same as JSON.
    pub(crate) async fn get_json(&mut self, path: &str) -> Result<Value> {
        let bytes = self.get(path).await?;
        serde_json::from_slice(&bytes).with_context(|| format!("{path} is no JSON"))
    }

    /// The body of a request that is answered with success.
    pub(crate) async fn ask(&mut self, method: &str, path: &str, body: Bytes) -> Result<Bytes> {
        let response = self.send(method, path, body).await?;
        let status = response.status();
        let bytes =
            response.into_body().collect().await.with_context(|| format!("{method} {path} broke off"))?;
        let bytes = bytes.to_bytes();
        ensure!(status.is_success(), "{method} {path} was answered with {status}: {}", bytes.escape_ascii());
        Ok(bytes)
    }

    /// Reads the body of a GET and forgets it; answers how many bytes it had.
    pub(crate) async fn fetch(&mut self, path: &str) -> Result<u64> {
        let response = self.send("GET", path, Bytes::new()).await?;
        ensure!(response.status().is_success(), "GET {path} was answered with {}", response.status());
        let (mut body, mut size) = (response.into_body(), 0);
        while let Some(frame) = body.frame().await {
            let frame = frame.with_context(|| format!("GET {path} broke off"))?;
            size += frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
        }
        Ok(size)
    }

    /// Follows a stream of events. Nothing else can be asked over this connection any more.
    pub(crate) async fn follow(mut self, path: &str) -> Result<Events> {
        let response = self.send("GET", path, Bytes::new()).await?;
        ensure!(response.status().is_success(), "GET {path} was answered with {}", response.status());
        let kept = self.connection.take().context("the connection is gone")?;
        Ok(Events { body: response.into_body(), read: vec![], _connection: kept })
    }

    async fn send(&mut self, method: &str, path: &str, body: Bytes) -> Result<Response<Incoming>> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.address);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body))?;
        let connection = self.connection().await?;
        connection.send_request(request).await.with_context(|| format!("{method} {path} was not answered"))
    }

    async fn connection(&mut self) -> Result<&mut SendRequest<Full<Bytes>>> {
        // The server may have closed it while nothing was asked.
        let is_usable = match &mut self.connection {
            Some(connection) => connection.ready().await.is_ok(),
            None => false,
        };
        if !is_usable {
            self.connection = Some(connect(&self.address).await?);
        }
        self.connection.as_mut().context("no connection")
    }
}

async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>> {
    let tcp = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
    tcp.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(tcp)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// A stream of server-sent events.
pub(crate) struct Events {
    body: Incoming,
    read: Vec<u8>,
    _connection: SendRequest<Full<Bytes>>,
}

/// One of them.
#[derive(Debug, PartialEq)]
pub(crate) struct Event {
    /// Its name.
    pub(crate) name: String,
    /// Its data.
    pub(crate) data: Value,
    /// When its last byte was here.
    pub(crate) arrived: SystemTime,
}

impl Events {
    /// The next one; none at the stream's end.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(end) = self.read.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.read.drain(..end + 2).collect();
                if let Some(event) = read(&block)? {
                    return Ok(Some(event));
                }
                continue;
            }
            match self.body.frame().await.transpose().context("a stream of events broke off")? {
                Some(frame) => self.read.extend(frame.data_ref().into_iter().flatten()),
                None => return Ok(None),
            }
        }
    }
}

/// Comments have no name.
fn read(block: &[u8]) -> Result<Option<Event>> {
    let arrived = SystemTime::now();
    let text = str::from_utf8(block).context("an event is no text")?;
    let field = |name: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.trim_start()))
    };
    let (Some(name), Some(data)) = (field("event:"), field("data:")) else { return Ok(None) };
    Ok(Some(Event { name: name.into(), data: serde_json::from_str(data)?, arrived }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_comments_are_not() {
        let event = read(b"event: end\ndata: {\"size\":3}\nid: 3\n\n").unwrap().unwrap();
        assert_eq!((event.name.as_str(), event.data), ("end", serde_json::json!({ "size": 3 })));
        assert_eq!(read(b":\n\n").unwrap(), None);
        assert!(read(b"event: log\ndata: {\n\n").is_err());
    }
}
