//! Requests to `/api/n1`, over the network, the administrator's socket, or to a farm in this very process.

use crate::exit::{Exit, Failure};
use crate::tls;
use anyhow::Context;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use ropewalk_http::gate::Peer;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tower::ServiceExt;

/// Time to get a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of an answer that is read whole.
const ANSWER_MAX: usize = 64 << 20;

/// A server to ask.
pub(crate) struct Api {
    transport: Transport,
    server: String,
    /// Why this server with this token, for whoever it refuses.
    choice: Option<String>,
}

enum Transport {
    Http { client: reqwest::Client, token: Option<String> },
    Here(Router),
}

/// A number that is no port, `http` takes for none at all.
fn has_good_port(authority: &http::uri::Authority) -> bool {
    authority.port_u16().is_some_and(|port| port > 0) || authority.as_str().ends_with(authority.host())
}

/// The head of an answer that is no JSON, and its body as it comes.
pub(crate) type Raw = reqwest::Response;

impl Api {
    /// Asks a server over the network.
    pub(crate) fn over_network(server: &str, token: Option<String>, choice: String) -> anyhow::Result<Api> {
        let url: http::Uri = server
            .parse()
            .ok()
            .filter(|url: &http::Uri| {
                matches!(url.scheme_str(), Some("http" | "https")) && url.authority().is_some_and(has_good_port)
            })
            .ok_or_else(|| {
                Failure::usage(format_args!(
                    "{server:?} is no address of a server: write https://HOST or http://HOST:PORT, with a port from 1 to 65535"
                ))
            })?;
        let tls = match url.scheme_str() {
            Some("https") => tls::trusting()?,
            _ => tls::trusting_nobody()?,
        };
        let mut client = client(tls).connect_timeout(CONNECT_WITHIN);
        if is_loopback(url.host().unwrap_or_default()) {
            // What is meant is this machine, not that of a proxy.
            client = client.no_proxy();
        }
        let transport = Transport::Http { client: client.build()?, token };
        Ok(Api { transport, server: server.into(), choice: Some(choice) })
    }

    /// Asks the server that holds this data folder.
    pub(crate) fn over_socket(socket: &Path) -> anyhow::Result<Api> {
        let client = client(tls::trusting_nobody()?).no_proxy().unix_socket(socket).build()?;
        let transport = Transport::Http { client, token: None };
        Ok(Api { transport, server: "http://localhost".into(), choice: None })
    }

    /// Asks doors in this process, as an administrator.
    pub(crate) fn here(doors: Router) -> Api {
        Api { transport: Transport::Here(doors), server: "http://localhost".into(), choice: None }
    }

    /// Asks for JSON.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.ask(Method::GET, path, None).await
    }

    /// Sends JSON and gets JSON back; an empty answer is `null`.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<T> {
        let (status, bytes) = match &self.transport {
            Transport::Http { .. } => {
                let response = self.send(method, path, body, &[]).await?;
                let status = response.status();
                (status, response.bytes().await.map_err(|error| self.unreachable(&error))?)
            }
            Transport::Here(doors) => ask_here(doors.clone(), method, path, body).await?,
        };
        if !status.is_success() {
            return Err(refusal(status, &bytes, self.choice.as_deref()));
        }
        let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(bytes)
            .with_context(|| format!("the answer of {} to {path} is not understood", self.server))
    }

    /// Asks for bytes. Refusals are errors.
    pub(crate) async fn raw(&self, path: &str, headers: &[(&'static str, String)]) -> anyhow::Result<Raw> {
        let response = self.send(Method::GET, path, None, headers).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        Err(refusal(status, &bytes, self.choice.as_deref()))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&'static str, String)],
    ) -> anyhow::Result<Raw> {
        let Transport::Http { client, token } = &self.transport else {
            anyhow::bail!("{path} can be had from a running server only");
        };
        let mut request = client.request(method, format!("{}{path}", self.server));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let elsewhere = response.headers().get(http::header::LOCATION).filter(|_| status.is_redirection());
        if let Some(elsewhere) = elsewhere.and_then(|elsewhere| elsewhere.to_str().ok()) {
            anyhow::bail!(
                "{} sends to {elsewhere}: ask the server under the address that it is sent to",
                self.server
            );
        }
        Ok(response)
    }

    /// An error for a connection that broke or was not to be had.
    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        let server = &self.server;
        if let Some(words) = tls::explain(error) {
            let message = format!("no trusted connection to {server}: {words}");
            return Failure { exit: Exit::Unreachable, message, passes: false }.into();
        }
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        let choice = self.choice.as_ref().map(|choice| format!(" ({choice})")).unwrap_or_default();
        Failure::unreachable(format_args!(
            "the server {server} does not answer: {cause}; is `ropewalk serve` running there?{choice}"
        ))
    }
}

/// A redirect would turn what is sent into a question, and take the token elsewhere.
fn client(tls: rustls::ClientConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder().tls_backend_preconfigured(tls).redirect(reqwest::redirect::Policy::none())
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn ask_here(
    doors: Router,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let json = body.map(|body| body.to_string());
    let request = http::Request::builder().method(method).uri(path);
    // Every request names its host; these doors have no other.
    let request =
        request.header("host", "localhost").header("content-type", "application/json").extension(Peer::Local);
    let response = doors.oneshot(request.body(json.map_or_else(Body::empty, Body::from))?).await?;
    let status = response.status();
    let body = http_body_util::Limited::new(response.into_body(), ANSWER_MAX);
    let bytes = body.collect().await.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
    Ok((status, bytes))
}

/// The server's own words, with the exit code that fits.
fn refusal(status: StatusCode, body: &[u8], choice: Option<&str>) -> anyhow::Error {
    let told: Option<Value> = serde_json::from_slice(body).ok();
    let words = told.as_ref().and_then(|told| told.get("error")?.as_str()).map(String::from);
    let message = words.unwrap_or_else(|| format!("the server answered {status}"));
    let message = match choice.filter(|_| status == StatusCode::UNAUTHORIZED) {
        Some(choice) => format!("{message} ({choice})"),
        None => message,
    };
    let exit = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Exit::Refused,
        // A proxy that cannot reach the server.
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => Exit::Unreachable,
        _ => Exit::Failed,
    };
    let passes = exit == Exit::Unreachable || status == StatusCode::SERVICE_UNAVAILABLE;
    Failure { exit, message, passes }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_answers_is_not_unreachable() {
        for (status, exit, passes) in [
            (401, Exit::Refused, false),
            (403, Exit::Refused, false),
            (404, Exit::Failed, false),
            (500, Exit::Failed, false),
            (502, Exit::Unreachable, true),
            (503, Exit::Failed, true),
        ] {
            let error =
                refusal(StatusCode::from_u16(status).unwrap(), br#"{"error":"the disk is full"}"#, None);
            let failure = error.downcast_ref::<Failure>().unwrap();
            assert_eq!((failure.exit, failure.passes), (exit, passes), "{status}");
            assert_eq!(failure.message, "the disk is full");
        }
    }
}
