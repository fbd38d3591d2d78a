//! What people are shown of evaluations.

use crate::access::{self, Caller};
use crate::error::Error;
use crate::farm::Farm;
use crate::port::{Build, Counts, EvaluationRow};
use ropewalk_model::grant::Mode;
use std::collections::HashMap;

/// Evaluations of one page of a list. Hydra's.
pub const PAGE: u32 = 20;

/// A page of a jobset's evaluations that had new builds, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationPage {
    /// Those of this page.
    pub evaluations: Vec<EvaluationRow>,
    /// How many there are on all pages.
    pub total: i64,
}

impl Farm {
    /// An evaluation.
    pub async fn evaluation(&self, by: &Caller, id: i64) -> Result<EvaluationRow, Error> {
        access::projects(by, Mode::Ro)?;
        let found = self.store.evaluation(id).await?;
        found.ok_or_else(|| Error::missing(format_args!("evaluation {id}")))
    }

    /// A page of a jobset's evaluations, counted from 1; one past the end is empty.
    pub async fn evaluation_page(
        &self,
        by: &Caller,
        jobset: i64,
        page: u32,
    ) -> Result<EvaluationPage, Error> {
        access::projects(by, Mode::Ro)?;
        let total = self.store.count_evaluations(jobset).await?;
        let before = i64::from(page.saturating_sub(1)) * i64::from(PAGE);
        let evaluations = match total - before {
            from if from > 0 => self.store.evaluations(jobset, from, PAGE).await?,
            _ => vec![],
        };
        Ok(EvaluationPage { evaluations, total })
    }

    /// Evaluations of a jobset that had new builds, newest first: those whose ordinal lies below a number.
    pub async fn evaluations_below(
        &self,
        by: &Caller,
        jobset: i64,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<EvaluationRow>, Error> {
        access::projects(by, Mode::Ro)?;
        let from = before.map_or(i64::MAX, |before| before.saturating_sub(1));
        Ok(self.store.evaluations(jobset, from, limit.min(super::LIST_MAX)).await?)
    }

    /// Evaluations of all jobsets that had new builds, newest first, below a number.
    pub async fn newest_evaluations(
        &self,
        by: &Caller,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<EvaluationRow>, Error> {
        access::projects(by, Mode::Ro)?;
        Ok(self.store.newest_evaluations(before, limit.min(super::LIST_MAX)).await?)
    }

    /// The one before, of those of its jobset that had new builds.
    pub async fn evaluation_before(
        &self,
        by: &Caller,
        evaluation: &EvaluationRow,
    ) -> Result<Option<EvaluationRow>, Error> {
        access::projects(by, Mode::Ro)?;
        match evaluation.ordinal {
            Some(ordinal) if ordinal > 1 => {
                Ok(self.store.evaluations(evaluation.jobset_id, ordinal - 1, 1).await?.pop())
            }
            _ => Ok(None),
        }
    }

    /// How far the builds of evaluations are.
    pub async fn evaluation_counts(
        &self,
        by: &Caller,
        evaluations: &[i64],
    ) -> Result<HashMap<i64, Counts>, Error> {
        access::projects(by, Mode::Ro)?;
        Ok(self.store.evaluation_counts(evaluations).await?)
    }

    /// The newest evaluation of a jobset none of whose builds is unfinished; missing if there is none.
    pub async fn latest_evaluation(&self, by: &Caller, jobset: i64) -> Result<i64, Error> {
        access::projects(by, Mode::Ro)?;
        let found = self.store.latest_evaluation(jobset).await?;
        found.ok_or_else(|| Error::missing("evaluation whose builds are all finished"))
    }

    /// The newest evaluation that a build belongs to, none of whose builds is unfinished; missing if there is none.
    pub async fn latest_evaluation_of_build(&self, by: &Caller, build: i64) -> Result<i64, Error> {
        self.nix_build(by, build).await?;
        let found = self.store.latest_evaluation_of_build(build).await?;
        found.ok_or_else(|| Error::missing("evaluation whose builds are all finished"))
    }

    /// The build of a job in an evaluation; missing if there is none.
    pub async fn build_of_evaluation(&self, by: &Caller, evaluation: i64, job: &str) -> Result<i64, Error> {
        self.evaluation(by, evaluation).await?;
        let found = self.store.build_of_evaluation(evaluation, job).await?;
        found.ok_or_else(|| Error::missing(format_args!("such job in evaluation {evaluation}")))
    }

    /// Builds of an evaluation above a number, ascending.
    pub async fn evaluation_builds(
        &self,
        by: &Caller,
        evaluation: i64,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Build>, Error> {
        access::projects(by, Mode::Ro)?;
        let ids = self.store.builds_of_evaluation(evaluation, after, limit).await?;
        Ok(self.store.builds(&ids).await?)
    }
}
