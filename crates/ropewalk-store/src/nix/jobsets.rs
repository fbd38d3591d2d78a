//! Rows of jobsets.

use super::inputs;
use super::projects::{holds, lock};
use crate::change::take_turn;
use crate::db::{Channel, Database, Row, Tx, Write};
use crate::jobs::cancel_in;
use ropewalk_core::nix::DECLARED;
use ropewalk_core::port::{
    Enabled, Jobset, JobsetFields, JobsetProgress, JobsetSave, JobsetTrigger, Saved, StoreError,
};
use ropewalk_model::ids::JobId;
use ropewalk_model::status::Cause;
use ropewalk_model::time::Time;
use sea_orm::Value;
use std::time::Duration;

pub(super) const SAVE: Write = Write::durable("keep a jobset");
pub(super) const DELETE: Write = Write::durable("remove a jobset").slow();
pub(super) const TRIGGER: Write = Write::durable("note that jobsets are to be evaluated");

/// Columns of a jobset `j` of a project `p`.
const SELECT: &str = "SELECT j.id, j.project, p.name AS project_name, j.name, j.description, j.expression_input, \
    j.expression_path, j.enabled, j.is_hidden, j.sends_mail, j.mail_to, j.check_interval, j.keep, j.shares, \
    j.is_trusted, j.triggered, j.is_forced, j.checked, j.started, j.error, j.error_at, j.fetch_error \
    FROM nix_jobsets j JOIN nix_projects p ON p.id = j.project";

async fn select(tx: &Tx, rest: &str, values: Vec<Value>) -> Result<Vec<Jobset>, StoreError> {
    let rows = tx.query_all(&format!("{SELECT} {rest}"), values).await?;
    let mut jobsets = rows.iter().map(jobset).collect::<Result<Vec<_>, _>>()?;
    inputs::read(tx, &mut jobsets).await?;
    Ok(jobsets)
}

pub(super) async fn of_project(tx: &Tx, project: &i64) -> Result<Vec<Jobset>, StoreError> {
    let rest = "WHERE j.project = $1 ORDER BY j.is_hidden, CASE j.enabled WHEN 0 THEN 1 ELSE 0 END, j.name";
    select(tx, rest, vec![(*project).into()]).await
}

pub(super) async fn by_name(
    tx: &Tx,
    (project, name): &(String, String),
) -> Result<Option<Jobset>, StoreError> {
    let values = vec![project.as_str().into(), name.as_str().into()];
    Ok(select(tx, "WHERE p.name = $1 AND j.name = $2", values).await?.pop())
}

pub(super) async fn by_id(tx: &Tx, id: &i64) -> Result<Option<Jobset>, StoreError> {
    Ok(select(tx, "WHERE j.id = $1", vec![(*id).into()]).await?.pop())
}

pub(super) async fn with_input(tx: &Tx, (value, limit): &(String, u32)) -> Result<Vec<Jobset>, StoreError> {
    let rest = "WHERE j.enabled = 1 AND p.is_enabled AND EXISTS (SELECT 1 FROM nix_jobset_inputs i
        WHERE i.jobset = j.id AND substr(i.value, 1, 200) = substr($1, 1, 200) AND i.value = $1)
        ORDER BY j.id LIMIT $2";
    select(tx, rest, vec![value.as_str().into(), i64::from(*limit).into()]).await
}

pub(super) async fn find(tx: &Tx, (text, limit): &(String, u32)) -> Result<Vec<Jobset>, StoreError> {
    let holds = holds(tx, "j.name || ' ' || j.description");
    let rest =
        format!("WHERE NOT j.is_hidden AND NOT p.is_hidden AND {holds} ORDER BY p.name, j.name LIMIT $2");
    select(tx, &rest, vec![text.as_str().into(), i64::from(*limit).into()]).await
}

pub(super) async fn renamed(db: &Database, project: &str, old: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT j.name FROM nix_jobset_renames r JOIN nix_projects p ON p.id = r.project
        JOIN nix_jobsets j ON j.id = r.jobset WHERE p.name = $1 AND r.old_name = $2";
    let row = db.query_one("look up a renamed jobset", sql, vec![project.into(), old.into()]).await?;
    row.map(|row| row.get("name")).transpose()
}

fn jobset(row: &Row) -> Result<Jobset, StoreError> {
    let time = |column| Ok::<_, StoreError>(row.get::<Option<i64>>(column)?.map(Time));
    let enabled: i64 = row.get("enabled")?;
    let corrupt = |what: &str| StoreError::Corrupt(format!("the number in column {what} of a jobset"));
    let fields = JobsetFields {
        description: row.get("description")?,
        expression_input: row.get("expression_input")?,
        expression_path: row.get("expression_path")?,
        enabled: Enabled::of_number(enabled).ok_or_else(|| corrupt("enabled"))?,
        is_hidden: row.get("is_hidden")?,
        sends_mail: row.get("sends_mail")?,
        mail_to: row.get("mail_to")?,
        check_interval: row.get("check_interval")?,
        keep: row.get("keep")?,
        shares: i32::try_from(row.get::<i64>("shares")?).map_err(|_| corrupt("shares"))?,
        inputs: Default::default(),
    };
    let progress = JobsetProgress {
        triggered: time("triggered")?,
        is_forced: row.get("is_forced")?,
        checked: time("checked")?,
        started: time("started")?,
        error: row.get("error")?,
        error_at: time("error_at")?,
        fetch_error: row.get("fetch_error")?,
    };
    Ok(Jobset {
        id: row.get("id")?,
        project: row.get("project")?,
        project_name: row.get("project_name")?,
        name: row.get("name")?,
        fields,
        is_trusted: row.get("is_trusted")?,
        progress,
    })
}

pub(super) async fn save(tx: &Tx, (now, save): &(Time, JobsetSave)) -> Result<Saved, StoreError> {
    lock(tx, save.project).await?;
    let known = numbered(tx, save.project, &save.known_as).await?;
    if save.name != save.known_as && numbered(tx, save.project, &save.name).await?.is_some() {
        return Err(StoreError::Conflict(format!("there is a jobset named {} already", save.name)));
    }
    let saved = match known {
        Some(id) => {
            update(tx, *now, id, save).await?;
            Saved::Replaced
        }
        None => {
            insert(tx, *now, save).await?;
            Saved::Made
        }
    };
    // A name leads to whoever has it now.
    let sql = "DELETE FROM nix_jobset_renames WHERE project = $1 AND old_name = $2";
    tx.execute(sql, vec![save.project.into(), save.name.as_str().into()]).await?;
    Ok(saved)
}

async fn numbered(tx: &Tx, project: i64, name: &str) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT id FROM nix_jobsets WHERE project = $1 AND name = $2";
    tx.query_one(sql, vec![project.into(), name.into()]).await?.map(|row| row.get("id")).transpose()
}

fn values(name: &str, fields: &JobsetFields) -> [Value; 11] {
    [
        name.into(),
        fields.description.as_str().into(),
        fields.expression_input.as_str().into(),
        fields.expression_path.as_str().into(),
        fields.enabled.number().into(),
        fields.is_hidden.into(),
        fields.sends_mail.into(),
        fields.mail_to.as_str().into(),
        fields.check_interval.into(),
        fields.keep.into(),
        i64::from(fields.shares).into(),
    ]
}

/// Whether it is looked at by time: then a change is looked at at once.
fn is_timed(fields: &JobsetFields) -> bool {
    fields.enabled != Enabled::Off && fields.check_interval > 0
}

async fn insert(tx: &Tx, now: Time, save: &JobsetSave) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO nix_jobsets (project, name, description, expression_input, expression_path, enabled,
        is_hidden, sends_mail, mail_to, check_interval, keep, shares, triggered, is_forced, is_trusted, error)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, '') RETURNING id";
    let mut row = vec![save.project.into()];
    row.extend(values(&save.name, &save.fields));
    row.extend([is_timed(&save.fields).then_some(now.0).into(), false.into(), save.is_trusted.into()]);
    let Some(row) = tx.query_one(sql, row).await? else {
        return Err(StoreError::Corrupt("a jobset that got no number".into()));
    };
    inputs::replace(tx, row.get("id")?, &save.fields.inputs).await
}

/// What is saved while an evaluation runs is evaluated after it, as it is then; so is what is to be evaluated once.
async fn update(tx: &Tx, now: Time, id: i64, save: &JobsetSave) -> Result<(), StoreError> {
    let sql = "UPDATE nix_jobsets SET name = $2, description = $3, expression_input = $4, expression_path = $5,
        enabled = $6, is_hidden = $7, sends_mail = $8, mail_to = $9, check_interval = $10, keep = $11, shares = $12,
        is_forced = is_forced AND $13, is_trusted = $15,
        triggered = CASE WHEN $13 OR ($6 = 2 AND started IS NOT NULL) THEN
            CASE WHEN triggered > COALESCE(started, -1) THEN triggered ELSE $14 END END
        WHERE id = $1";
    let mut row = vec![id.into()];
    row.extend(values(&save.name, &save.fields));
    row.extend([is_timed(&save.fields).into(), now.0.into(), save.is_trusted.into()]);
    tx.execute(sql, row).await?;
    inputs::replace(tx, id, &save.fields.inputs).await?;
    if save.name != save.known_as {
        let sql = "INSERT INTO nix_jobset_renames (project, old_name, jobset) VALUES ($1, $2, $3)
            ON CONFLICT (project, old_name) DO UPDATE SET jobset = excluded.jobset";
        tx.execute(sql, vec![save.project.into(), save.known_as.as_str().into(), id.into()]).await?;
    }
    Ok(())
}

/// Makes or removes the jobset of a project's file of jobsets. It is off: nobody reads that file yet.
pub(super) async fn declare(tx: &Tx, now: Time, project: i64, is_declared: bool) -> Result<(), StoreError> {
    let known = numbered(tx, project, DECLARED).await?;
    match (known, is_declared) {
        (None, false) | (Some(_), true) => Ok(()),
        (Some(id), false) => delete(tx, &(now, id)).await,
        (None, true) => {
            // Hydra's defaults for it, but for that.
            let fields = JobsetFields {
                enabled: Enabled::Off,
                sends_mail: true,
                check_interval: 300,
                keep: 3,
                shares: 100,
                ..JobsetFields::default()
            };
            let name = || DECLARED.to_owned();
            let save = JobsetSave { project, known_as: name(), name: name(), fields, is_trusted: false };
            insert(tx, now, &save).await
        }
    }
}

/// What is evaluated and built for it is cancelled with it, so that nothing of it is queued meanwhile that nobody sees.
pub(super) async fn delete(tx: &Tx, (now, id): &(Time, i64)) -> Result<(), StoreError> {
    take_turn(tx).await?;
    let sql = "SELECT j.id FROM jobs j WHERE j.ended IS NULL AND (
            j.id IN (SELECT e.job FROM nix_evaluating e WHERE e.jobset = $1)
            OR j.id IN (SELECT b.job FROM nix_builds b WHERE b.jobset = $1 AND NOT b.finished))
        ORDER BY j.id";
    for row in tx.query_all(sql, vec![(*id).into()]).await? {
        cancel_in(tx, &(*now, JobId(row.get("id")?), Cause::Cancelled)).await?;
    }
    let locked = format!("SELECT id FROM nix_jobsets WHERE id = $1{}", tx.for_update());
    if tx.query_one(&locked, vec![(*id).into()]).await?.is_none() {
        return Err(StoreError::Missing("such jobset: somebody removed it".into()));
    }
    inputs::remove(tx, *id).await?;
    tx.execute("DELETE FROM nix_jobset_renames WHERE jobset = $1", vec![(*id).into()]).await?;
    tx.execute("DELETE FROM nix_jobsets WHERE id = $1", vec![(*id).into()]).await.map(drop)
}

pub(super) async fn trigger(tx: &Tx, (now, triggers): &(Time, Vec<JobsetTrigger>)) -> Result<(), StoreError> {
    // In one order, so that two of them do not wait for each other.
    let mut triggers = triggers.clone();
    triggers.sort_by_key(|trigger| trigger.jobset);
    for trigger in triggers {
        let sql =
            format!("SELECT triggered, checked, started FROM nix_jobsets WHERE id = $1{}", tx.for_update());
        let Some(row) = tx.query_one(&sql, vec![trigger.jobset.into()]).await? else { continue };
        let at = due(
            *now,
            trigger.rest,
            row.get::<Option<i64>>("triggered")?.map(Time),
            row.get::<Option<i64>>("checked")?.map(Time),
            row.get::<Option<i64>>("started")?.map(Time),
        );
        let sql = "UPDATE nix_jobsets SET triggered = $2, is_forced = is_forced OR $3 WHERE id = $1";
        tx.execute(sql, vec![trigger.jobset.into(), at.0.into(), trigger.is_forced.into()]).await?;
    }
    // Whoever looks for jobsets that are due need not wait for the next look.
    tx.after_commit_notify(Channel::Events);
    Ok(())
}

/// When a jobset is to be evaluated that somebody asks for now. A wish that was not yet begun with is not put off.
fn due(
    now: Time,
    rest: Duration,
    before: Option<Time>,
    checked: Option<Time>,
    started: Option<Time>,
) -> Time {
    let rested = started.max(checked).map_or(now, |last| last.plus(rest).max(now));
    match before.filter(|before| started.is_none_or(|started| *before > started)) {
        Some(before) => before.min(rested),
        None => rested,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_micros(5);

    #[test]
    fn a_jobset_rests_after_its_evaluation() {
        let due = |before, checked, started| due(Time(10), REST, before, checked, started);
        assert_eq!(due(None, None, None), Time(10));
        assert_eq!(due(None, Some(Time(9)), None), Time(14));
        assert_eq!(due(None, Some(Time(1)), Some(Time(8))), Time(13));
        assert_eq!(due(Some(Time(3)), Some(Time(9)), None), Time(3));
        assert_eq!(due(Some(Time(14)), Some(Time(9)), None), Time(14));
        assert_eq!(due(Some(Time(7)), None, Some(Time(8))), Time(13));
    }
}
