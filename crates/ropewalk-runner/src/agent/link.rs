//! What an agent asks of a server. `serve` answers in the same process, a remote runner over HTTP.

use ropewalk_model::ids::{AttemptId, Fence};
use ropewalk_model::link::{Hello, LogPiece, Offer, Report, Verdict};
use std::future::Future;
use std::path::PathBuf;

/// An attempt that an agent holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Held {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its lease.
    pub fence: Fence,
}

/// A collected file, to be stored before its `Artifact` fact is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Whose it is.
    pub held: Held,
    /// Path as the plan names it.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Where the bytes lie in the spool, on the agent's machine.
    pub file: PathBuf,
}

/// Why a message got no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Not now: the very same message is sent again later.
    #[error("{0}")]
    Retry(String),
    /// The attempt is somebody else's or over: it is stopped and nothing more is sent about it.
    #[error("the attempt belongs to somebody else by now")]
    Superseded,
    /// Never: the token or the version is not accepted. The agent ends.
    #[error("{0}")]
    Refused(String),
}

/// A connection to a server.
///
/// Every message may arrive twice, because an agent that was killed sends again what it has no
/// acknowledgement for: the server tells by a report's number, a piece's offset, an upload's hash.
/// What was answered with `Ok` is durable.
pub trait Link: Send + Sync + 'static {
    /// The first message of an agent that has just started. `held` is all that it found in its
    /// spools; what this runner leased before and does not hold is lost at once.
    fn hello(&self, hello: &Hello, held: &[Held]) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Takes at most `free` works. May wait for one up to half a minute. The agent drops the call
    /// only when it ends; what was leased to nobody then is lost with the next `hello`.
    fn ask(&self, free: u32) -> impl Future<Output = Result<Vec<Offer>, LinkError>> + Send;

    /// Renews leases, all at once. An attempt that the answer does not name goes on.
    fn renew(
        &self,
        held: &[Held],
    ) -> impl Future<Output = Result<Vec<(AttemptId, Verdict)>, LinkError>> + Send;

    /// Hands over one fact. They come in order; those before were acknowledged.
    fn report(&self, report: &Report) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Hands over bytes of a log. Answers the durable length of that log of the attempt, where
    /// the agent goes on; a piece that lies beyond it is not taken.
    fn log(&self, piece: &LogPiece) -> impl Future<Output = Result<u64, LinkError>> + Send;

    /// Hands over a file.
    fn artifact(&self, upload: &Upload) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Resolves when a verdict may have changed, so that a cancelled build need not wait for the
    /// next renewal. Without such news it never does.
    fn changed(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}
