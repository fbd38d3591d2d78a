//! The real binary, from its first start on: commands, `/api/n1`, restarts, hostile requests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests read what programs print")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "test output")]

mod accounts;
mod builds;
mod commands;
mod first_run;
mod hostile;
mod hydra;
mod nix;
mod openapi;
mod papers;
mod restart;
mod server;
mod srht;
mod streams;
mod tls;
mod vieter;
mod web;
