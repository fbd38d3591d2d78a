//! The hostile suite: requests that no well-meaning client sends, to every address of the route table.
//!
//! [`routes`] goes through the table and asks for the right error of each address's dialect; a new address is in it by
//! itself, and fails it as long as nobody has said how it refuses. [`wire`] is what no client library would send.
//! [`elsewhere`] is what other sites make a browser send. [`trouble`] asks a server whose database fails. The others
//! know one dialect each and go deeper.

mod api;
mod elsewhere;
mod graphql;
mod pages;
mod routes;
mod trouble;
mod wire;

use std::time::Duration;

/// Time in which every hostile request must be answered, on a machine that is busy with others.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Values for a variable part of a path: numbers and names that are none, and what they might be taken for.
pub(crate) const SEGMENTS: &[&str] = &[
    "0",
    "-1",
    "1e3",
    "9223372036854775807",
    "9223372036854775808",
    "99999999999999999999999999",
    "+1",
    "1.0",
    "null",
    "a",
    "%20",
    "%C3%A9",
    "%ff",
    "%00",
    "%2F",
    "%2e%2e",
    "..",
    ".",
    "'%20OR%201=1--",
    "<script>",
    "%E2%80%AE",
    "setup",
    "4294967296",
];
