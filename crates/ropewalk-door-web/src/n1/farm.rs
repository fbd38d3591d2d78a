//! What waits, and for whom.

use super::jobs::PartAsked;
use super::view::{PageView, RunnerView, WaiterView};
use crate::Web;
use crate::answer::{Failed, Refusal};
use crate::args::Asked;
use axum::Json;
use axum::extract::State;
use ropewalk_core::port::Page;
use ropewalk_http::parts::By;

/// Queued jobs, newest first, each with the reason why it waits.
#[utoipa::path(get, path = "/api/n1/queue", tag = "farm", params(PartAsked), security((), ("token" = [])), responses(
    (status = 200, body = PageView<WaiterView>),
    (status = 400, body = Refusal),
))]
pub(crate) async fn queue(
    State(web): State<Web>,
    By(by): By,
    Asked(asked): Asked<PartAsked>,
) -> Result<Json<PageView<WaiterView>>, Failed> {
    let Page { items, next } = web.farm.queue(&by, asked.before, asked.limit()).await?;
    let view = |waiter: ropewalk_core::jobs::Waiter| {
        let url = web.farm.job_url(&waiter.job.owner_name, waiter.job.id);
        WaiterView::new(waiter, url)
    };
    Ok(Json(PageView { items: items.into_iter().map(view).collect(), next }))
}

/// All runners, by name.
#[utoipa::path(get, path = "/api/n1/runners", tag = "farm", security(("token" = [])), responses(
    (status = 200, body = [RunnerView]),
    (status = 401, body = Refusal),
))]
pub(crate) async fn runners(State(web): State<Web>, By(by): By) -> Result<Json<Vec<RunnerView>>, Failed> {
    Ok(Json(web.farm.runners(&by).await?.into_iter().map(Into::into).collect()))
}
