//! The agent: takes works from a server, starts a supervisor for each, and forwards what they write.

pub mod link;
