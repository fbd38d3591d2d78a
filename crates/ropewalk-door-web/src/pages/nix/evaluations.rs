//! Evaluations in lists, and the list of all of them.

use super::parts;
use crate::Web;
use crate::pages::failure::Failure;
use crate::pages::form::Fields;
use crate::pages::frame::{Frame, page};
use crate::pages::show::{Status, When};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use ropewalk_core::nix::EVALUATIONS_PAGE;
use ropewalk_core::port::{Counts, EvaluationRow};
use ropewalk_model::time::Time;
use std::collections::HashMap;

/// Characters of a revision in a list.
const REVISION: usize = 12;

/// An evaluation in a list.
pub(super) struct Row {
    pub(super) number: i64,
    /// Its jobset, as people say it, with its address.
    pub(super) jobset: (String, String),
    pub(super) tally: Vec<(Status, i64)>,
    pub(super) revisions: Vec<(String, String)>,
    pub(super) when: When,
}

impl Row {
    pub(super) fn new(evaluation: &EvaluationRow, counts: &HashMap<i64, Counts>, now: Time) -> Row {
        let EvaluationRow { project, jobset, .. } = evaluation;
        let revision = |text: &String| text.chars().take(REVISION).collect::<String>();
        let of_inputs = evaluation.inputs.iter();
        Row {
            number: evaluation.id,
            jobset: (format!("{project}:{jobset}"), parts::jobset_address(project, jobset)),
            tally: parts::tally(counts.get(&evaluation.id).copied().unwrap_or_default()),
            revisions: of_inputs
                .filter_map(|(name, input)| Some((name.clone(), revision(input.revision.as_ref()?))))
                .collect(),
            when: When::new(evaluation.created, now),
        }
    }
}

#[derive(Template)]
#[template(path = "nix-evaluations.html")]
struct EvaluationsPage {
    frame: Frame,
    rows: Vec<Row>,
    is_first: bool,
    older: Option<i64>,
}

/// Those of all jobsets that had new builds, newest first.
pub(super) async fn show(State(web): State<Web>, frame: Frame, fields: Fields) -> Result<Response, Failure> {
    let (farm, by, now) = (&web.farm, &frame.by, web.farm.now());
    let before = fields.number::<i64>("before");
    let mut found = farm.newest_evaluations(by, before, EVALUATIONS_PAGE + 1).await?;
    let has_more = found.len() > EVALUATIONS_PAGE as usize;
    found.truncate(EVALUATIONS_PAGE as usize);
    let numbers: Vec<i64> = found.iter().map(|evaluation| evaluation.id).collect();
    let counts = farm.evaluation_counts(by, &numbers).await?;
    Ok(page(&EvaluationsPage {
        rows: found.iter().map(|evaluation| Row::new(evaluation, &counts, now)).collect(),
        is_first: before.is_none(),
        older: numbers.last().copied().filter(|_| has_more),
        frame: frame.at("projects"),
    }))
}
