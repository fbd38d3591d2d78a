//! Questions about builds, narrowed so that what they cost does not grow with the history.

use super::lists::ids;
use crate::db::{Row, Tx};
use ropewalk_core::port::{BuildFilter, BuildProgress, StoreError};
use sea_orm::Value;

/// Newest builds among which is looked for what no index tells.
pub(super) const LOOKED_AT: i64 = 20_000;

/// Where a question is asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Everywhere,
    Jobset(i64),
}

/// The places of a filter. A project is each of its jobsets by itself: its builds lie in no index of their own.
pub(super) async fn places(tx: &Tx, filter: &BuildFilter) -> Result<Vec<Place>, StoreError> {
    let Some(project) = &filter.project else { return Ok(vec![Place::Everywhere]) };
    let mut sql =
        "SELECT s.id FROM nix_jobsets s JOIN nix_projects p ON p.id = s.project WHERE p.name = $1".to_owned();
    let mut values: Vec<Value> = vec![project.as_str().into()];
    if let Some(jobset) = &filter.jobset {
        sql.push_str(" AND s.name = $2");
        values.push(jobset.as_str().into());
    }
    let rows = tx.query_all(&sql, values).await?;
    Ok(ids(&rows)?.into_iter().map(Place::Jobset).collect())
}

/// Conditions on a build `b`.
#[derive(Default)]
pub(super) struct Narrowed {
    /// Which builds, newest first, an index tells.
    told: Vec<String>,
    /// What is looked for among them.
    wanted: Vec<String>,
    values: Vec<Value>,
}

impl Narrowed {
    pub(super) fn by(filter: &BuildFilter, place: Place) -> Narrowed {
        let mut narrowed = Narrowed::default();
        if let Place::Jobset(id) = place {
            narrowed.told("b.jobset = ?", id);
        }
        match (&filter.job, place) {
            (Some(job), Place::Jobset(_)) => narrowed.told("b.name = ?", job.as_str()),
            (Some(job), Place::Everywhere) => narrowed.wanted("b.name = ?", job.as_str()),
            (None, _) => {}
        }
        if let Some(system) = &filter.system {
            narrowed.wanted("b.system = ?", system.as_str());
        }
        let state = match filter.state {
            BuildProgress::Any => None,
            BuildProgress::Open => Some("NOT b.finished"),
            BuildProgress::Finished => Some("b.finished"),
            BuildProgress::Succeeded => Some("b.status = 0"),
        };
        narrowed.told.extend(state.map(String::from));
        narrowed
    }

    /// Takes a value; answers what stands for it.
    pub(super) fn value(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    pub(super) fn told(&mut self, condition: &str, value: impl Into<Value>) {
        let value = self.value(value);
        self.told.push(condition.replace('?', &value));
    }

    pub(super) fn wanted(&mut self, condition: &str, value: impl Into<Value>) {
        let value = self.value(value);
        self.wanted.push(condition.replace('?', &value));
    }

    /// One without a value.
    pub(super) fn wanted_at_all(&mut self, condition: &str) {
        self.wanted.push(condition.into());
    }

    /// What an index tells.
    pub(super) fn told_sql(&self) -> String {
        match self.told.is_empty() {
            true => "1 = 1".into(),
            false => self.told.join(" AND "),
        }
    }

    /// All conditions, for questions that have an end of their own.
    pub(super) fn all_sql(&self) -> String {
        let wanted = self.wanted.iter().map(|wanted| format!(" AND {wanted}"));
        format!("{}{}", self.told_sql(), wanted.collect::<String>())
    }

    /// All conditions; what no index tells is looked for among the newest builds.
    pub(super) fn sql(&self) -> String {
        let told = self.told_sql();
        if self.wanted.is_empty() {
            return told;
        }
        let wanted = self.wanted.join(" AND ");
        format!(
            "{told} AND b.job >= COALESCE((SELECT b.job FROM nix_builds b WHERE {told}
                ORDER BY b.job DESC LIMIT 1 OFFSET {LOOKED_AT}), 0) AND {wanted}"
        )
    }

    pub(super) async fn ask(self, tx: &Tx, sql: &str) -> Result<Vec<Row>, StoreError> {
        tx.query_all(sql, self.values).await
    }
}

/// Numbers of the newest builds of these places, newest first.
pub(super) async fn newest(
    tx: &Tx,
    places: &[Place],
    limit: u32,
    narrowed: impl Fn(Place) -> Narrowed,
) -> Result<Vec<i64>, StoreError> {
    let mut found: Vec<i64> = vec![];
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    for place in places {
        let mut narrowed = narrowed(*place);
        if let Some(oldest) = most.checked_sub(1).and_then(|last| found.get(last)) {
            narrowed.told("b.job > ?", *oldest);
        }
        let sql = format!(
            "SELECT b.job AS id FROM nix_builds b WHERE {} ORDER BY b.job DESC LIMIT {limit}",
            narrowed.sql()
        );
        found.extend(ids(&narrowed.ask(tx, &sql).await?)?);
        found.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
        found.truncate(most);
    }
    Ok(found)
}
