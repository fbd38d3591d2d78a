//! The whole farm, at addresses where programs are told of Nix builds only.

mod machines;
mod queue;
mod status;

pub(super) use machines::is_machine;

use crate::Web;
use ropewalk_http::routes::Routes;

/// All of these pages.
pub(super) fn routes() -> Routes<Web> {
    Routes::default().get("/queue", queue::show).get("/status", status::show).get("/machines", machines::show)
}
