//! Why a build does not go on.

use crate::backend::{BackendError, Passed};
use crate::spool::SpoolError;
use ropewalk_model::link::Outcome;
use ropewalk_model::status::Cause;
use std::fmt::Display;

/// The one reason for which an attempt ends without success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) cause: Cause,
    pub(crate) message: String,
}

impl Stop {
    pub(crate) fn new(cause: Cause, message: impl Display) -> Stop {
        Stop { cause, message: message.to_string() }
    }
}

impl From<SpoolError> for Stop {
    fn from(error: SpoolError) -> Stop {
        let advice = if error.is_full() { ": the disk of the spool is full, make room on it" } else { "" };
        Stop::new(Cause::Infrastructure, format_args!("{error}{advice}"))
    }
}

impl From<BackendError> for Stop {
    fn from(error: BackendError) -> Stop {
        Stop::new(error.cause(), error)
    }
}

impl From<Passed> for Stop {
    fn from(passed: Passed) -> Stop {
        Stop::new(passed.cause, passed.message)
    }
}

impl From<Stop> for Outcome {
    fn from(stop: Stop) -> Outcome {
        Outcome::Failure { cause: stop.cause, message: stop.message }
    }
}
