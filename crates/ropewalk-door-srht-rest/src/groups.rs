//! `/api/job-group`: jobs that are started together.

use crate::answer::Failed;
use crate::body::Body;
use crate::fields::Fields;
use crate::parts::{Number, Reader, Writer};
use crate::view::GroupView;
use axum::Json;
use axum::extract::State;
use ropewalk_core::access::Caller;
use ropewalk_core::error::Error;
use ropewalk_core::farm::Farm;
use ropewalk_core::groups::GroupWish;
use ropewalk_core::port::Group;
use ropewalk_model::ids::{GroupId, JobId};
use std::sync::Arc;

async fn view(farm: &Farm, by: &Caller, group: Group) -> Result<Json<GroupView>, Error> {
    let group = Arc::new(group);
    let jobs = farm.jobs_of_groups(by, std::slice::from_ref(&group), usize::MAX).await?;
    Ok(Json(GroupView::new(&group, &jobs)))
}

/// Makes a group of the caller's pending jobs. Unlike the GraphQL interface it does not queue them unless told so.
pub(crate) async fn create(
    State(farm): State<Arc<Farm>>,
    Writer(by): Writer,
    body: Body,
) -> Result<Json<GroupView>, Failed> {
    let group = farm.create_group(&by, wanted(body)?).await.map_err(Failed::of_body)?;
    Ok(view(&farm, &by, group).await?)
}

fn wanted(body: Body) -> Result<GroupWish, Failed> {
    let mut fields = Fields::new(body);
    let wish = GroupWish {
        jobs: fields.required_numbers("jobs").into_iter().map(JobId).collect(),
        triggers: vec![],
        note: fields.text("note"),
        execute: fields.flag("execute").unwrap_or(false),
    };
    if fields.has_any("triggers") {
        let text =
            "triggers of groups cannot be used on this server yet: no mail and no webhook would be sent";
        fields.fault("triggers", text);
    }
    fields.done()?;
    Ok(wish)
}

/// One of the caller's groups.
pub(crate) async fn show(
    State(farm): State<Arc<Farm>>,
    Reader(by): Reader,
    Number(number): Number,
) -> Result<Json<GroupView>, Failed> {
    let group = farm.group(&by, GroupId(number)).await.map_err(Failed::of_group)?;
    Ok(view(&farm, &by, group).await?)
}

/// Queues the pending jobs of a group.
pub(crate) async fn start(
    State(farm): State<Arc<Farm>>,
    Writer(by): Writer,
    Number(number): Number,
) -> Result<Json<GroupView>, Failed> {
    let group = farm.start_group(&by, GroupId(number)).await.map_err(Failed::of_group)?;
    Ok(view(&farm, &by, group).await?)
}

/// Ends the jobs of a group that have not ended yet.
pub(crate) async fn cancel(
    State(farm): State<Arc<Farm>>,
    Writer(by): Writer,
    Number(number): Number,
) -> Result<Json<GroupView>, Failed> {
    let group = farm.cancel_group(&by, GroupId(number)).await.map_err(Failed::of_group)?;
    Ok(view(&farm, &by, group).await?)
}
