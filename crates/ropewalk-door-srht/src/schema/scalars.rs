//! Scalars and the enums of the model in upstream's spelling.

use async_graphql::{Enum, InputType, InputValueError, InputValueResult, Scalar, ScalarType, Value};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ropewalk_core::error::Error;
use ropewalk_model::job;
use ropewalk_model::status;

/// A scalar that only answers have.
fn never_given<T: InputType>(value: Value) -> InputValueResult<T> {
    Err(InputValueError::expected_type(value))
}

/// Timestamp, RFC 3339 in UTC (`YYYY-MM-DDTHH:MM:SSZ`, with a fraction where there is one).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time(pub(crate) ropewalk_model::time::Time);

#[Scalar(name = "Time")]
impl ScalarType for Time {
    fn parse(value: Value) -> InputValueResult<Self> {
        never_given(value)
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// Base64-encoded bytes.
#[derive(Clone, Debug)]
pub(crate) struct Binary(pub(crate) Vec<u8>);

#[Scalar(name = "Binary")]
impl ScalarType for Binary {
    fn parse(value: Value) -> InputValueResult<Self> {
        never_given(value)
    }

    fn to_value(&self) -> Value {
        Value::String(base64::engine::general_purpose::STANDARD.encode(&self.0))
    }
}

/// A file of a multipart request. No JSON value can be one.
#[derive(Clone, Debug)]
pub(crate) struct File;

#[Scalar(name = "File")]
impl ScalarType for File {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::Binary(_) => Ok(File),
            value => Err(InputValueError::expected_type(value)),
        }
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::Binary(_))
    }

    fn to_value(&self) -> Value {
        Value::Null
    }
}

/// Where the next part of a list begins. Opaque to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor(String);

/// Tells cursors of this form from those of another version or server.
const MARK: &str = "1:";

impl Cursor {
    /// A cursor for a list by descending number.
    pub(crate) fn before(number: i64) -> Cursor {
        Cursor(URL_SAFE_NO_PAD.encode(format!("{MARK}{number}")))
    }

    /// The number that the list goes on below.
    pub(crate) fn number(&self) -> Result<i64, Error> {
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(&self.0).ok()?;
            let number: i64 = std::str::from_utf8(&bytes).ok()?.strip_prefix(MARK)?.parse().ok()?;
            (number > 0 && *self == Cursor::before(number)).then_some(number)
        };
        read().ok_or_else(|| {
            Error::malformed("Invalid cursor: give the one that the part before ended with").about("cursor")
        })
    }
}

#[Scalar(name = "Cursor")]
impl ScalarType for Cursor {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Ok(Cursor(text)),
            value => Err(InputValueError::expected_type(value)),
        }
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(_))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "status::JobStatus")]
pub(crate) enum JobStatus {
    Pending,
    Queued,
    Running,
    Success,
    Failed,
    Timeout,
    Cancelled,
}

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "status::StepStatus")]
pub(crate) enum TaskStatus {
    Pending,
    Running,
    Success,
    Failed,
    Skipped,
}

/// Who may know that a job exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "job::Visibility")]
pub(crate) enum Visibility {
    Public,
    Unlisted,
    Private,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cursor_is_read_as_it_was_made() {
        for number in [1, 25, i64::MAX] {
            assert_eq!(Cursor::before(number).number().unwrap(), number);
        }
    }

    #[test]
    fn garbage_is_no_cursor() {
        for text in ["", "5", "MTo1", "MTo1=", "MTorNQ", "MTowNQ", "MTotNQ", "\u{0}", "ÿ"] {
            let read = Cursor(text.into()).number();
            assert_eq!(read.is_ok(), text == "MTo1", "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in ".{0,40}") {
            let _ = Cursor(text).number();
        }
    }
}
