//! Real `hut` against the real binary: what its users do all day. Tests are named after the rows of the acceptance
//! table of builds.sr.ht that they show, and run on both databases.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests read what programs print")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "test output")]

mod change;
mod forge;
mod list;
mod repositories;
mod runs;
#[path = "../serve/server.rs"]
#[allow(dead_code, reason = "shared with the tests of the server, each of which uses a part")]
mod server;
mod show;
mod submit;
mod tls;
mod tools;

/// Each named test of a module on both databases.
macro_rules! on_both_databases {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::server::Engine::Sqlite).await;
            })*
        }
        mod postgresql {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::server::Engine::Postgres).await;
            })*
        }
    };
}
pub(crate) use on_both_databases;
