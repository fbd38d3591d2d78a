//! Who asks, and about which thing.

use crate::answer::Failed;
use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use ropewalk_core::access;
use ropewalk_http::{parts, refusal};
use ropewalk_model::grant::{Mode, Scope};

/// Somebody who holds the scope `jobs:read`, or `jobs:write`, which contains it.
pub(crate) struct Reader(pub(crate) access::Caller);

/// Somebody who holds the scope `jobs:write`.
pub(crate) struct Writer(pub(crate) access::Caller);

/// Anybody: what they may see is decided thing by thing. A token without `jobs:read` sees nothing.
pub(crate) struct Anybody(pub(crate) access::Caller);

fn caller(parts: &Parts, mode: Mode) -> Result<access::Caller, Failed> {
    let caller = parts::caller(parts)?;
    match access::holds(&caller, Scope::Jobs, mode) {
        Ok(()) => Ok(caller),
        Err(error) if access::member(&caller).is_err() => Err(error.into()),
        Err(_) => Err(Failed::scope(mode)),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Anybody {
    type Rejection = Failed;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failed> {
        caller(parts, Mode::Ro).map(Anybody)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = Failed;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failed> {
        let caller = caller(parts, Mode::Ro)?;
        access::member(&caller)?;
        Ok(Reader(caller))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Writer {
    type Rejection = Failed;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failed> {
        caller(parts, Mode::Rw).map(Writer)
    }
}

/// The number in an address. What is no number names nothing that there is.
pub(crate) struct Number(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = Failed;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.ok().and_then(|Path(text)| number(&text)).map(Number).ok_or_else(nothing)
    }
}

/// The number of a job and the name of one of its tasks.
pub(crate) struct Task(pub(crate) i64, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Task {
    type Rejection = Failed;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Ok(Path((job, task))) = path else { return Err(nothing()) };
        number(&job).map(|job| Task(job, task)).ok_or_else(nothing)
    }
}

fn nothing() -> Failed {
    refusal::nothing_here().into()
}

/// Digits only: no sign, no space.
fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_digits() {
        assert_eq!((number("7"), number("007")), (Some(7), Some(7)));
        for text in ["", "+7", "-7", " 7", "7.0", "0x7", "٧", "9223372036854775808"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
