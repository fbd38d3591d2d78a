//! The one error of the use cases. Each door has one table from [`Kind`] to its dialect.

use crate::port::StoreError;
use ropewalk_model::manifest::Problem;
use std::time::Duration;
use strum::{Display, EnumIter, IntoStaticStr};

/// What kind of refusal it is. The list is closed: each door maps every member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Kind {
    /// What was sent cannot be understood or breaks a rule; sending it again changes nothing.
    Malformed,
    /// No token, password or session came with it, or the password is wrong.
    Unauthenticated,
    /// What came in place of a token cannot be one.
    UnreadableToken,
    /// The token is unknown, revoked or expired.
    InvalidToken,
    /// The caller is known and may not do this.
    Forbidden,
    /// There is no such thing, or the caller may not know of it.
    Missing,
    /// The address is there and takes other methods.
    WrongMethod,
    /// It exists already, or somebody else was first.
    Conflict,
    /// The state of the thing does not allow it.
    Refused,
    /// It is larger than its named limit.
    TooLarge,
    /// A named limit on how often or how many is reached; later it may pass.
    TooMany,
    /// A part of the farm does not answer; later it may pass.
    Unavailable,
    /// A bug or a broken database. The text is for the log; callers get a plain sentence.
    Internal,
}

/// A refused or failed request.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What a door translates.
    pub kind: Kind,
    /// What was tried, on what, and what to do.
    pub message: String,
    /// The argument that it is about, if it is about one.
    pub field: Option<&'static str>,
    /// What is wrong with a manifest, if it is about one.
    pub problems: Vec<Problem>,
    /// When the same request would be accepted, from now on; none if that is not known.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// An error of a kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), field: None, problems: vec![], retry_after: None }
    }

    /// The same, about one argument.
    pub fn about(self, field: &'static str) -> Error {
        Error { field: Some(field), ..self }
    }

    /// The same, that passes after some time.
    pub fn until(self, retry_after: Duration) -> Error {
        Error { retry_after: Some(retry_after), ..self }
    }

    /// Something in a request that breaks a rule.
    pub fn malformed(message: impl Into<String>) -> Error {
        Error::new(Kind::Malformed, message)
    }

    /// Something that is not there, or must seem so.
    pub fn missing(what: impl std::fmt::Display) -> Error {
        Error::new(Kind::Missing, format!("there is no {what}"))
    }

    /// A part of the farm that went wrong by itself.
    pub fn internal(what: impl std::fmt::Display) -> Error {
        Error::new(Kind::Internal, what.to_string())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        let kind = match &error {
            StoreError::Missing(_) => Kind::Missing,
            StoreError::Conflict(_) => Kind::Conflict,
            StoreError::Refused(_) | StoreError::Superseded { .. } => Kind::Refused,
            StoreError::Unavailable { .. } => Kind::Unavailable,
            StoreError::Corrupt(_) => Kind::Internal,
        };
        Error::new(kind, error.to_string())
    }
}
