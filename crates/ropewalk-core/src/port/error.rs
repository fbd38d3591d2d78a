//! The one error of the storage ports.

/// What can go wrong in a store. Doors translate the kinds; the texts are for people.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing.
    #[error("there is no {0}")]
    Missing(String),
    /// It exists already, or somebody else was first.
    #[error("{0}")]
    Conflict(String),
    /// The state machine does not allow it.
    #[error("{0}")]
    Refused(String),
    /// A named limit on its size is reached.
    #[error("{0}")]
    Full(String),
    /// The lease is somebody else's or over.
    #[error("the lease of attempt {attempt} is over: stop it")]
    Superseded {
        /// The attempt whose lease was used.
        attempt: i64,
    },
    /// The engine or the disk does not do it; the same call may succeed later.
    #[error("the store could not {tried}: {reason}")]
    Unavailable {
        /// What was tried.
        tried: String,
        /// What the engine or the disk said.
        reason: String,
    },
    /// A row holds what this program cannot have written.
    #[error("the database holds what it cannot hold: {0}: restore it from a backup")]
    Corrupt(String),
}
