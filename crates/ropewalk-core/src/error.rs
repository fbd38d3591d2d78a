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
    /// What came is of a scheme that is none of tokens.
    OtherScheme,
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
    /// A bug or a broken database.
    Internal,
}

/// What callers are told of whatever they can do nothing about.
const INSIDE: &str = "something went wrong inside the server; its log says what";
/// The same where trying again may help.
const NOT_NOW: &str = "the server cannot read or store this now, its log says why: try again later";

/// A refused or failed request. Shown as text it says all, for the log; callers see [`Error::message`] only.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", inside.as_ref().unwrap_or(message))]
pub struct Error {
    /// What a door translates.
    pub kind: Kind,
    /// What was tried, on what, and what to do. Strangers may read it.
    pub message: String,
    /// What an engine, a disk or a library said, with paths and tables: for the log.
    pub inside: Option<String>,
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
        let message = message.into();
        Error { kind, message, inside: None, field: None, problems: vec![], retry_after: None }
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
        Error::new(Kind::Internal, INSIDE).because(what)
    }

    /// The same, with what is known of it, which is for the log.
    pub fn because(self, inside: impl std::fmt::Display) -> Error {
        Error { inside: Some(inside.to_string()), ..self }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        let kind = match &error {
            StoreError::Missing(_) => Kind::Missing,
            StoreError::Conflict(_) => Kind::Conflict,
            StoreError::Refused(_) | StoreError::Superseded { .. } => Kind::Refused,
            StoreError::Full(_) => Kind::TooLarge,
            StoreError::Unavailable { .. } => return Error::new(Kind::Unavailable, NOT_NOW).because(error),
            StoreError::Corrupt(_) => return Error::internal(error),
        };
        Error::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_said_is_for_the_log() {
        let said = "no such table: users in /srv/farm/ropewalk.db";
        let away = StoreError::Unavailable { tried: "read the users".into(), reason: said.into() };
        for error in [away.into(), StoreError::Corrupt(said.into()).into(), Error::internal(said)] {
            assert!(!error.message.contains("users"), "{}", error.message);
            assert!(error.to_string().contains(said), "{error}");
        }
        let refused = Error::from(StoreError::Refused("job 3 has ended".into()));
        assert_eq!(
            (refused.to_string(), refused.message),
            ("job 3 has ended".into(), "job 3 has ended".into())
        );
    }
}
