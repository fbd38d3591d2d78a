//! The hostile suite: requests that no well-meaning client sends, to every address of the route table.
//!
//! [`routes`] goes through the table and asks for the right error of each address's dialect; a new address is in it by
//! itself, and fails it as long as nobody has said how it refuses. [`wire`] is what no client library would send.
//! [`trouble`] asks a server whose database fails. The others know one dialect each and go deeper.

mod api;
mod graphql;
mod pages;
mod routes;
mod trouble;
mod wire;
