//! The GraphQL door through the real binary. Tests are named after the rows of the acceptance table that they show;
//! `tests/spec-rows.toml` lists the rows that must be shown.

mod access;
mod builds;
pub(crate) mod farm;
mod groups;
mod jobs;
mod limits;
mod lists;
mod logs;
mod rest;
mod schema;
mod transport;

/// Makes `NAME_on_sqlite` and `NAME_on_postgresql` of each `async fn NAME(engine: Engine)`.
macro_rules! on_both_engines {
    ($($name:ident)*) => {$(
        mod $name {
            #[tokio::test]
            async fn on_sqlite() {
                super::$name(crate::server::Engine::Sqlite).await;
            }

            #[tokio::test]
            async fn on_postgresql() {
                super::$name(crate::server::Engine::Postgres).await;
            }
        }
    )*};
}
pub(crate) use on_both_engines;
