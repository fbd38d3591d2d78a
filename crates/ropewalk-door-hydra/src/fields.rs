//! What a request's body says: JSON, or a form; where there is none, the query.

use crate::answer::Failed;
use axum::extract::{FromRequest, Request};
use http::header::CONTENT_TYPE;
use ropewalk_core::error::Error;
use ropewalk_http::parts;
use serde_json::{Map, Value};

/// Fields of a form.
const FIELDS_MAX: usize = 2000;

/// A body's fields by name.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Fields(Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Failed;
    async fn from_request(request: Request, state: &S) -> Result<Self, Failed> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default().to_ascii_lowercase();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let bytes = parts::body(request, state).await?;
        Ok(read(&kind, &bytes, &query)?)
    }
}

fn read(kind: &str, bytes: &[u8], query: &str) -> Result<Fields, Error> {
    let fields = match kind.split(';').next().unwrap_or_default().trim() {
        "application/json" | "text/x-json" => json(bytes)?,
        "application/x-www-form-urlencoded" => form(bytes)?,
        _ if bytes.is_empty() => Map::new(),
        _ => return Err(Error::malformed("send the body as `Content-Type: application/json`")),
    };
    match fields.is_empty() {
        true => form(query.as_bytes()).map(Fields),
        false => Ok(Fields(fields)),
    }
}

fn json(bytes: &[u8]) -> Result<Map<String, Value>, Error> {
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Error::malformed("the body is no JSON object")),
        Err(error) => Err(Error::malformed(format!("the body is no JSON: {error}"))),
    }
}

fn form(bytes: &[u8]) -> Result<Map<String, Value>, Error> {
    let pairs = form_urlencoded::parse(bytes).take(FIELDS_MAX + 1);
    let fields: Map<String, Value> =
        pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect();
    match fields.len() > FIELDS_MAX {
        true => Err(Error::malformed(format!("a form has at most {FIELDS_MAX} fields"))),
        false => Ok(fields),
    }
}

impl Fields {
    /// An object within another one.
    pub(crate) fn within(name: &str, value: Value) -> Result<Fields, Error> {
        match value {
            Value::Object(fields) => Ok(Fields(fields)),
            _ => Err(wrong(name, "an object")),
        }
    }

    /// Takes a field; null is none.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// A text; empty if there is none.
    pub(crate) fn text(&mut self, name: &str) -> Result<String, Error> {
        Ok(self.optional_text(name)?.unwrap_or_default())
    }

    /// A text, if there is one.
    pub(crate) fn optional_text(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(wrong(name, "a text")),
        }
    }

    /// Texts, if there are any.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Error> {
        let text = |value: Value| match value {
            Value::String(text) => Ok(text),
            _ => Err(wrong(name, "a list of texts")),
        };
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(list)) => list.into_iter().map(text).collect::<Result<_, _>>().map(Some),
            Some(_) => Err(wrong(name, "a list of texts")),
        }
    }

    /// Whether a switch is on: that it is there, unless it says no; none if it is not there.
    pub(crate) fn switch(&mut self, name: &str) -> Result<Option<bool>, Error> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(false)),
            Some(Value::Bool(on)) => Ok(Some(on)),
            Some(Value::Number(number)) => Ok(Some(number.as_f64() != Some(0.0))),
            Some(Value::String(text)) => Ok(Some(!matches!(text.trim(), "" | "0" | "false"))),
            Some(_) => Err(wrong(name, "true or false")),
        }
    }

    /// A number, where true is 1.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<i64>, Error> {
        let number = match self.take(name) {
            None => return Ok(None),
            Some(Value::Bool(on)) => Some(i64::from(on)),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        number.map(Some).ok_or_else(|| wrong(name, "a whole number"))
    }

    /// Fields that are left.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.0
    }
}

fn wrong(name: &str, what: &str) -> Error {
    let name: String = name.chars().take(64).collect();
    Error::malformed(format!("{name} must be {what}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    fn of(value: Value) -> Fields {
        Fields::within("body", value).unwrap()
    }

    #[test]
    fn a_switch_is_on_unless_it_says_no() {
        for on in [json!(true), json!(1), json!("1"), json!("on"), json!("true")] {
            assert_eq!(of(json!({ "x": on })).switch("x").unwrap(), Some(true), "{on}");
        }
        for off in [json!(false), json!(0), json!(null), json!(""), json!("0"), json!("false")] {
            assert_eq!(of(json!({ "x": off })).switch("x").unwrap(), Some(false), "{off}");
        }
        assert_eq!(of(json!({})).switch("x").unwrap(), None);
        assert!(of(json!({ "x": [] })).switch("x").is_err());
    }

    #[test]
    fn numbers_come_in_several_forms() {
        let number = |value| of(json!({ "x": value })).number("x");
        assert_eq!(number(json!(7)).unwrap(), Some(7));
        assert_eq!(number(json!("7")).unwrap(), Some(7));
        assert_eq!(number(json!(true)).unwrap(), Some(1));
        assert_eq!(number(json!(null)).unwrap(), None);
        for bad in [json!(1.5), json!("x"), json!([]), json!(u64::MAX)] {
            assert!(number(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_query_speaks_where_the_body_says_nothing() {
        let query = "displayname=a+b&visible=1";
        let from_query = of(json!({ "displayname": "a b", "visible": "1" }));
        assert_eq!(read("", b"", query).unwrap(), from_query);
        assert_eq!(read("application/json", b"{}", query).unwrap(), from_query);
        assert_eq!(
            read("application/json; charset=utf-8", b"{\"a\":1}", query).unwrap(),
            of(json!({ "a": 1 }))
        );
        assert_eq!(
            read("application/x-www-form-urlencoded", b"a=b", query).unwrap(),
            of(json!({ "a": "b" }))
        );
        for (kind, body) in [("application/json", "["), ("application/json", "[]"), ("text/plain", "{}")] {
            assert!(read(kind, body.as_bytes(), query).is_err(), "{kind} {body}");
        }
    }
}
