//! Messages between an agent and a server. The embedded agent sends the very same ones without a socket.
//!
//! All of them may be sent again: a report carries its number within the attempt, a piece of log its offset.

use crate::ids::{AttemptId, Fence, JobId, WorkId};
use crate::plan::SealedPlan;
use crate::secret::Secret;
use crate::status::Cause;
use crate::time::Time;
use crate::work::Labels;
use serde::{Deserialize, Serialize};

/// Version of these messages and of the spool; this program speaks this one and the one before.
/// 2 brought [`LogFile::Times`]: a server of version 1 would not know them.
pub const LINK_VERSION: u32 = 2;

/// What an agent says first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`LINK_VERSION`] of the agent's program.
    pub version: u32,
    /// Name of the runner, unique in the farm; its host name by default.
    pub name: String,
    /// What it can run.
    pub labels: Labels,
    /// Builds that it runs at the same time.
    pub slots: u32,
}

/// A work, leased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The work.
    pub work: WorkId,
    /// This try at it.
    pub attempt: AttemptId,
    /// Carried by every message about the attempt.
    pub fence: Fence,
    /// Until when the lease holds without renewal, by the server's clock.
    pub until: Time,
    /// What to run.
    pub plan: SealedPlan,
    /// What the plan must not hold.
    pub values: RunValues,
}

/// Run-time values: they reach a supervisor over its standard input and are written nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunValues {
    /// `JOB_ID`; none without a server.
    pub job: Option<JobId>,
    /// `JOB_URL`; none without a server.
    pub job_url: Option<String>,
    /// `OAUTH2_TOKEN`, if the manifest asked for one.
    pub oauth2_token: Option<Secret>,
    /// Secrets of the plan, resolved.
    pub secrets: Vec<SecretValue>,
}

/// A secret as a build sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretValue {
    /// Its id.
    pub id: String,
    /// What becomes of it.
    pub kind: SecretKind,
    /// Its bytes in base64.
    pub base64: Secret,
}

/// What becomes of a secret inside the build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretKind {
    /// A key for ssh.
    SshKey,
    /// A key for gpg.
    PgpKey,
    /// A file.
    File {
        /// Where, absolute or below `~`.
        path: String,
        /// Permission bits.
        mode: u32,
    },
}

/// A fact about an attempt, from its supervisor by way of the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its lease.
    pub fence: Fence,
    /// Number of this fact within the attempt, from 1 without gaps. What was reported before is ignored.
    pub number: i64,
    /// When it happened, by the runner's clock.
    pub at: Time,
    /// What happened.
    pub fact: AttemptFact,
}

/// What can happen in an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum AttemptFact {
    /// The supervisor runs.
    Started,
    /// Facts that were resolved: image digest, source commits, versions.
    Resolved {
        /// Dotted name, such as `image.digest` or `source.NAME.commit`.
        key: String,
        /// Its value.
        value: String,
    },
    /// A step's script was started.
    StepStarted {
        /// Position in the plan, from 0.
        step: u32,
    },
    /// A step's script ended.
    StepEnded {
        /// Position in the plan, from 0.
        step: u32,
        /// Exit code, or 128 + signal.
        exit: i32,
    },
    /// A step will not run: the build was completed before it.
    StepSkipped {
        /// Position in the plan, from 0.
        step: u32,
    },
    /// A file was collected and lies in the spool.
    Artifact {
        /// Path as the plan names it.
        path: String,
        /// Bytes.
        size: u64,
        /// SHA-256 in lower-case hexadecimal.
        sha256: String,
    },
    /// The attempt is over and nothing of it runs any more. Always the last fact.
    Ended {
        /// How.
        outcome: Outcome,
    },
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// All that the plan asked for was done.
    Success,
    /// Otherwise.
    Failure {
        /// Of the closed list.
        cause: Cause,
        /// What was tried, on what, and what to do; shown to people.
        message: String,
    },
}

/// Which log of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogName {
    /// What happened around the steps.
    Setup,
    /// Output of the step at this position, from 0.
    Step(u32),
}

/// What is kept of a log: two files that grow beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFile {
    /// Its bytes.
    Text(LogName),
    /// When they came, see [`log_times`](crate::log_times). Agents of version 1 send none.
    Times(LogName),
}

/// Bytes of a file of a log, in order. `offset` is where the first of them stands in the attempt's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPiece {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its lease.
    pub fence: Fence,
    /// Which of its logs, and what of it.
    pub log: LogFile,
    /// Bytes before this piece.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What a server says to a renewed lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Go on; the lease holds until then.
    Go {
        /// By the server's clock.
        until: Time,
    },
    /// End it and report that; the lease holds meanwhile.
    Cancel {
        /// Why.
        cause: Cause,
        /// By the server's clock.
        until: Time,
    },
    /// The attempt is somebody else's or over: stop it, report nothing.
    Superseded,
}
