//! Reading a request: JSON, multipart, or the query of an address.

use super::multipart::read_multipart;
use super::refusal::Refusal;
use async_graphql::Variables;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use ropewalk_model::limits::RequestLimits;
use serde::Deserialize;

/// Bytes of a body that holds no file.
pub(super) const BODY_MAX: usize = 1 << 20;

/// What a client wants to be executed.
#[derive(Debug, Default)]
pub struct Operation {
    /// The document.
    pub query: String,
    /// Which operation of it.
    pub name: Option<String>,
    /// By name.
    pub variables: Variables,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    query: Option<String>,
    operation_name: Option<String>,
    #[serde(default)]
    variables: serde_json::Value,
}

impl Operation {
    /// Reads the JSON form.
    pub fn of_json(bytes: &[u8]) -> Result<Operation, Refusal> {
        let sent: Sent = serde_json::from_slice(bytes).map_err(|error| {
            Refusal::malformed(format!("json request body could not be decoded: {error}"))
        })?;
        Operation::of(sent)
    }

    fn of(sent: Sent) -> Result<Operation, Refusal> {
        let Sent { query, operation_name, variables } = sent;
        let query = query.filter(|query| !query.trim().is_empty());
        let query =
            query.ok_or_else(|| Refusal::unparsed("no operation provided: send it as `query`", []))?;
        let variables = match variables {
            serde_json::Value::Null => Variables::default(),
            serde_json::Value::Object(_) => Variables::from_json(variables),
            _ => return Err(Refusal::malformed("`variables` must be an object")),
        };
        Ok(Operation { query, name: operation_name.filter(|name| !name.is_empty()), variables })
    }
}

/// Reads a request.
pub(crate) async fn read(request: Request, limits: &RequestLimits) -> Result<Operation, Refusal> {
    if request.method() == Method::GET || request.method() == Method::HEAD {
        return of_address(request.uri().query().unwrap_or_default());
    }
    let (parts, body) = request.into_parts();
    let content_type = content_type(&parts.headers)?;
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => Operation::of_json(&read_whole(body).await?),
        "multipart/form-data" => {
            let stream = body.into_data_stream();
            read_multipart(&content_type, stream, limits.upload, limits.upload_parts).await
        }
        _ => Err(Refusal::unknown_type(
            "send `Content-Type: application/json`, or multipart/form-data with files",
        )),
    }
}

fn content_type(headers: &HeaderMap) -> Result<String, Refusal> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(value), None) => Ok(value.to_string()),
        _ => Err(Refusal::unknown_type("send one `Content-Type: application/json`")),
    }
}

async fn read_whole(body: Body) -> Result<bytes::Bytes, Refusal> {
    to_bytes(body, BODY_MAX).await.map_err(|error| {
        match std::error::Error::source(&error)
            .is_some_and(|source| source.is::<http_body_util::LengthLimitError>())
        {
            true => Refusal::too_large(format!("the body is larger than {BODY_MAX} bytes")),
            false => Refusal::malformed("the body could not be read to its end"),
        }
    })
}

/// `?query=…&variables=…&operationName=…`; each at most once.
fn of_address(query: &str) -> Result<Operation, Refusal> {
    let mut sent = Sent { query: None, operation_name: None, variables: serde_json::Value::Null };
    let mut seen = vec![];
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if seen.contains(&name) {
            return Err(Refusal::malformed(format!("`{name}` stands in the address twice")));
        }
        match name.as_ref() {
            "query" => sent.query = Some(value.into_owned()),
            "operationName" => sent.operation_name = Some(value.into_owned()),
            "variables" => {
                sent.variables = serde_json::from_str(&value).map_err(|error| {
                    Refusal::malformed(format!("`variables` could not be decoded: {error}"))
                })?;
            }
            _ => {}
        }
        seen.push(name);
    }
    Operation::of(sent)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn json_is_read_as_clients_send_it() {
        let operation =
            Operation::of_json(br#"{"query":"{a}","variables":null,"operationName":"","x":1}"#).unwrap();
        assert_eq!((operation.query.as_str(), operation.name), ("{a}", None));
        assert!(Operation::of_json(br#"{"query":"{a}","variables":{"b":[1,{"c":"d"}]}}"#).is_ok());
    }

    #[test]
    fn other_json_is_refused() {
        for text in [
            "",
            "{",
            "[]",
            "null",
            "5",
            "{}",
            r#"{"query":5}"#,
            r#"{"query":"{a}","variables":[]}"#,
            r#"[{"query":"{a}"}]"#,
        ] {
            assert!(Operation::of_json(text.as_bytes()).unwrap_err().status.is_client_error(), "{text}");
        }
        assert!(Operation::of_json(&[b'['; 100_000]).is_err());
    }

    #[test]
    fn an_address_says_each_thing_once() {
        assert_eq!(of_address("query=%7Ba%7D&variables=%7B%7D").unwrap().query, "{a}");
        assert!(of_address("query=a&query=b").is_err() && of_address("variables={").is_err());
        assert!(of_address("").is_err());
    }
}
