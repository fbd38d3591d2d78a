//! Forms as browsers send them.

use super::failure::Failure;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use ropewalk_core::access::Caller;
use ropewalk_core::error::{Error, Kind};
use ropewalk_http::session::Session;

/// Fields of one form.
const FIELDS_MAX: usize = 64;

/// Names and values in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads `application/x-www-form-urlencoded`, of which a query is one too.
    pub(super) fn read(bytes: &[u8]) -> Fields {
        let pairs = form_urlencoded::parse(bytes).take(FIELDS_MAX);
        Fields(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The first value of a name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a name, without blanks around it; none if that is empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).map(str::trim).filter(|text| !text.is_empty())
    }

    /// A number; none where it cannot be read.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name).and_then(|text| text.parse().ok())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Fields {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Ok(Fields::read(parts.uri.query().unwrap_or_default().as_bytes()))
    }
}

/// A form of whoever may change something. One that was sent in a session holds the session's key: other sites cannot
/// know it. Whoever sends a token in a header is no browser and needs none.
pub(super) struct Sent(pub(super) Fields);

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Failure;
    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let session = request.extensions().get::<Session>().cloned();
        let is_somebody = !matches!(request.extensions().get::<Caller>(), None | Some(Caller::Anonymous));
        let fields = body(request, state).await?;
        match session {
            Some(session) if fields.get("key") == Some(&session.form_key) => Ok(Sent(fields)),
            Some(_) => Err(Error::new(
                Kind::Forbidden,
                "this form is of another log-in: go back, load its page again and send it once more",
            )
            .into()),
            None if is_somebody => Ok(Sent(fields)),
            None => Err(Error::new(Kind::Unauthenticated, "this needs a log-in, and yours has ended").into()),
        }
    }
}

/// A form that anybody may send.
pub(super) struct Anybodys(pub(super) Fields);

impl<S: Send + Sync> FromRequest<S> for Anybodys {
    type Rejection = Failure;
    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        body(request, state).await.map(Anybodys)
    }
}

async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Fields, Failure> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind != "application/x-www-form-urlencoded" {
        return Err(Error::malformed("a form comes as application/x-www-form-urlencoded").into());
    }
    let bytes = Bytes::from_request(request, state).await;
    let bytes =
        bytes.map_err(|_| Error::new(Kind::TooLarge, "the form is larger than 1 MiB, or broke off"))?;
    Ok(Fields::read(&bytes))
}
