//! What the doors share: who asks, what is refused before a door sees it, ranges, files, metrics.

pub mod ahead;
pub mod arrival;
pub mod connections;
pub mod credentials;
pub mod files;
pub mod gate;
pub mod logs;
pub mod metrics;
pub mod negotiation;
pub mod parts;
pub mod paths;
pub mod protect;
pub mod range;
pub mod rates;
pub mod readiness;
pub mod refusal;
pub mod routes;
pub mod session;
