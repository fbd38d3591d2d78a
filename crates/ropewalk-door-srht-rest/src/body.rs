//! What a request's body says: JSON, or a form.

use crate::answer::Failed;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use percent_encoding::percent_decode;
use ropewalk_core::error::Error;
use ropewalk_http::parts;
use serde_json::{Map, Value};
use std::convert::Infallible;

/// Fields of a form, or parts of a multipart one.
const PARTS_MAX: usize = 2000;

/// A body.
#[derive(Debug, PartialEq)]
pub(crate) struct Body {
    pub(crate) values: Map<String, Value>,
    /// Forms know text only, and say a list by repeating a name.
    pub(crate) is_form: bool,
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Failed;
    async fn from_request(request: Request, state: &S) -> Result<Self, Failed> {
        let kind = content_type(request.headers())?;
        let bytes = parts::body(request, state).await?;
        read(&kind, bytes).await.map_err(Into::into)
    }
}

fn content_type(headers: &HeaderMap) -> Result<String, Error> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(String::new()),
        (Some(value), None) => {
            value.to_str().map(String::from).map_err(|_| Error::malformed("Content-Type cannot be read"))
        }
        _ => Err(Error::malformed("send one Content-Type")),
    }
}

/// Anything but JSON is a form, as upstream has it: one that says nothing, if it is none.
async fn read(kind: &str, bytes: Bytes) -> Result<Body, Error> {
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => json(&bytes),
        "application/x-www-form-urlencoded" => form(urlencoded(&bytes)?),
        "multipart/form-data" => form(multipart(kind, bytes).await?),
        _ => form(vec![]),
    }
}

fn json(bytes: &[u8]) -> Result<Body, Error> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(values)) => Ok(Body { values, is_form: false }),
        Ok(_) => Err(Error::malformed("Expected JSON dictionary")),
        Err(error) => Err(Error::malformed(format!("Invalid JSON provided: {error}"))),
    }
}

fn form(pairs: Vec<(String, String)>) -> Result<Body, Error> {
    if pairs.len() > PARTS_MAX {
        return Err(Error::malformed(format!("a form has at most {PARTS_MAX} fields")));
    }
    let mut values: Map<String, Value> = Map::new();
    for (name, value) in pairs {
        let value = Value::String(value);
        match values.get_mut(&name) {
            None => drop(values.insert(name, value)),
            Some(Value::Array(several)) => several.push(value),
            Some(one) => *one = Value::Array(vec![one.take(), value]),
        }
    }
    Ok(Body { values, is_form: true })
}

fn urlencoded(bytes: &[u8]) -> Result<Vec<(String, String)>, Error> {
    let decode = |part: &[u8]| {
        let spaced: Vec<u8> = part.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        percent_decode(&spaced).decode_utf8().map(String::from).map_err(|_| not_utf8())
    };
    let pairs = bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(parts.next().unwrap_or_default())?;
            Ok((name, decode(parts.next().unwrap_or_default())?))
        })
        .collect()
}

async fn multipart(kind: &str, bytes: Bytes) -> Result<Vec<(String, String)>, Error> {
    let broken = |error: multer::Error| Error::malformed(format!("the form cannot be read: {error}"));
    let boundary = multer::parse_boundary(kind).map_err(broken)?;
    let whole = futures_util::stream::iter([Ok::<_, Infallible>(bytes)]);
    let mut parts = multer::Multipart::new(whole, boundary);
    let mut pairs = vec![];
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        let name = part.name().map(String::from);
        let value = part.bytes().await.map_err(broken)?;
        let Some(name) = name else { continue };
        pairs.push((name, String::from_utf8(value.into()).map_err(|_| not_utf8())?));
        if pairs.len() > PARTS_MAX {
            break;
        }
    }
    Ok(pairs)
}

fn not_utf8() -> Error {
    Error::malformed("the form holds text that is not UTF-8")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn of(kind: &str, text: &[u8]) -> Result<Body, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(read(kind, Bytes::copy_from_slice(text)))
    }

    fn values(kind: &str, text: &str) -> Value {
        Value::Object(of(kind, text.as_bytes()).unwrap().values)
    }

    #[test]
    fn json_may_say_its_charset() {
        for kind in ["application/json", "Application/JSON; charset=utf-8"] {
            assert_eq!(values(kind, r#"{"a":1}"#), json!({ "a": 1 }));
        }
    }

    #[test]
    fn forms_say_lists_by_repeating_a_name() {
        let kind = "application/x-www-form-urlencoded";
        assert_eq!(
            values(kind, "manifest=a%3A+b%0A&tags=x&tags=y&&z"),
            json!({ "manifest": "a: b\n", "tags": ["x", "y"], "z": "" })
        );
        assert!(of(kind, b"a=%ff").is_err());
        let long = "a&".repeat(PARTS_MAX + 1);
        assert!(of(kind, long.as_bytes()).is_err());
    }

    #[test]
    fn multipart_forms_are_forms() {
        let text = "--B\r\nContent-Disposition: form-data; name=\"manifest\"; filename=\"m.yml\"\r\n\r\nimage: x\n\r\n--B--\r\n";
        assert_eq!(values("multipart/form-data; boundary=B", text), json!({ "manifest": "image: x\n" }));
        assert!(of("multipart/form-data", b"x").is_err());
    }

    #[test]
    fn what_is_neither_says_nothing() {
        assert_eq!(values("text/plain", "manifest=a"), json!({}));
        assert_eq!(values("", r#"{"manifest":"a"}"#), json!({}));
    }

    #[test]
    fn json_that_is_no_object_is_refused() {
        for text in ["", "{", "[]", "null", "5", "\"x\"", "{\"a\":\"\\ud800\"}"] {
            assert!(of("application/json", text.as_bytes()).is_err(), "{text}");
        }
        assert!(of("application/json", b"{\"a\":\"\xff\"}").is_err());
        assert!(of("application/json", &[b'['; 100_000]).is_err());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(
            kind in "(application/json|application/x-www-form-urlencoded|multipart/form-data; boundary=B|[ -~]{0,40})",
            text in proptest::collection::vec(
                prop_oneof![
                    any::<u8>().prop_map(|byte| vec![byte]),
                    Just(b"--B\r\n".to_vec()),
                    Just(b"Content-Disposition: form-data; name=a\r\n\r\n".to_vec()),
                    Just(b"{\"a\":[".to_vec()),
                    Just(b"%f&=".to_vec()),
                ],
                0..40,
            ),
        ) {
            let text = text.concat();
            let read = of(&kind, &text);
            if let Ok(body) = read {
                let is_object = text.trim_ascii_start().starts_with(b"{");
                prop_assert!(body.is_form || is_object);
            }
        }

        #[test]
        fn a_form_is_read_as_it_was_written(pairs in proptest::collection::vec((".{0,9}", ".{0,9}"), 0..9)) {
            let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            prop_assert_eq!(urlencoded(text.as_bytes()).unwrap(), pairs);
        }
    }
}
