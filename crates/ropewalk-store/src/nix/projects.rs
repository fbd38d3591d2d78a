//! Rows of projects.

use super::jobsets;
use crate::change::{optional_word, take_turn};
use crate::db::{Engine, Row, Tx, Write};
use ropewalk_core::port::{Declarative, NewProject, Project, ProjectFields, ProjectUpdate, StoreError};
use ropewalk_model::ids::UserId;
use ropewalk_model::time::Time;
use sea_orm::Value;
use std::collections::HashMap;

pub(super) const CREATE: Write = Write::durable("make a project");
pub(super) const UPDATE: Write = Write::durable("change a project");
pub(super) const DELETE: Write = Write::durable("remove a project").slow();

const SELECT: &str = "SELECT p.id, p.name, p.owner, u.name AS owner_name, p.display_name, p.description, \
    p.homepage, p.is_enabled, p.is_hidden, p.decl_file, p.decl_kind, p.decl_value \
    FROM nix_projects p JOIN users u ON u.id = p.owner";

pub(super) async fn list(tx: &Tx, limit: &u32) -> Result<Vec<Project>, StoreError> {
    let sql = format!("{SELECT} ORDER BY p.is_enabled DESC, p.name LIMIT $1");
    gather(tx, tx.query_all(&sql, vec![i64::from(*limit).into()]).await?).await
}

pub(super) async fn by_name(tx: &Tx, (name,): &(String,)) -> Result<Option<Project>, StoreError> {
    let sql = format!("{SELECT} WHERE p.name = $1");
    Ok(gather(tx, tx.query_all(&sql, vec![name.as_str().into()]).await?).await?.pop())
}

pub(super) async fn find(tx: &Tx, (text, limit): &(String, u32)) -> Result<Vec<Project>, StoreError> {
    let holds = holds(tx, "p.name || ' ' || p.display_name || ' ' || p.description");
    let sql = format!("{SELECT} WHERE NOT p.is_hidden AND {holds} ORDER BY p.name LIMIT $2");
    gather(tx, tx.query_all(&sql, vec![text.as_str().into(), i64::from(*limit).into()]).await?).await
}

/// A condition: the text in `$1` is within these words, in any case of letters.
pub(super) fn holds(tx: &Tx, words: &str) -> String {
    match tx.engine() {
        Engine::Sqlite => format!("instr(lower({words}), lower($1)) > 0"),
        Engine::Postgres => format!("strpos(lower({words}), lower($1)) > 0"),
    }
}

/// Adds members and names of jobsets to few projects one by one, to many at once.
async fn gather(tx: &Tx, rows: Vec<Row>) -> Result<Vec<Project>, StoreError> {
    let mut projects = rows.iter().map(project).collect::<Result<Vec<_>, _>>()?;
    let (narrow, of) = match projects.as_slice() {
        [one] => ("WHERE project = $1", vec![one.id.into()]),
        _ => ("", vec![]),
    };
    let sql = format!("SELECT project, user_id FROM nix_members {narrow} ORDER BY project, user_id");
    let members = tx.query_all(&sql, of.clone()).await?;
    let sql = format!("SELECT project, name FROM nix_jobsets {narrow} ORDER BY project, name");
    let names = tx.query_all(&sql, of).await?;
    let place: HashMap<i64, usize> =
        projects.iter().enumerate().map(|(place, project)| (project.id, place)).collect();
    for row in members {
        if let Some(project) = place.get(&row.get("project")?).and_then(|place| projects.get_mut(*place)) {
            project.members.push(UserId(row.get("user_id")?));
        }
    }
    for row in names {
        if let Some(project) = place.get(&row.get("project")?).and_then(|place| projects.get_mut(*place)) {
            project.jobsets.push(row.get("name")?);
        }
    }
    Ok(projects)
}

fn project(row: &Row) -> Result<Project, StoreError> {
    let (file, value): (Option<String>, Option<String>) = (row.get("decl_file")?, row.get("decl_value")?);
    let declarative = match (file, optional_word(row, "decl_kind")?, value) {
        (Some(file), Some(kind), Some(value)) => Some(Declarative { file, kind, value }),
        _ => None,
    };
    let fields = ProjectFields {
        display_name: row.get("display_name")?,
        description: row.get("description")?,
        homepage: row.get("homepage")?,
        is_enabled: row.get("is_enabled")?,
        is_hidden: row.get("is_hidden")?,
        declarative,
    };
    Ok(Project {
        id: row.get("id")?,
        name: row.get("name")?,
        owner: UserId(row.get("owner")?),
        owner_name: row.get("owner_name")?,
        members: vec![],
        fields,
        jobsets: vec![],
    })
}

fn values(fields: &ProjectFields) -> [Value; 8] {
    let declarative = fields.declarative.as_ref();
    [
        fields.display_name.as_str().into(),
        fields.description.as_str().into(),
        fields.homepage.as_str().into(),
        fields.is_enabled.into(),
        fields.is_hidden.into(),
        declarative.map(|declarative| declarative.file.clone()).into(),
        declarative.map(|declarative| declarative.kind.to_string()).into(),
        declarative.map(|declarative| declarative.value.clone()).into(),
    ]
}

pub(super) async fn create(tx: &Tx, (now, new): &(Time, NewProject)) -> Result<Project, StoreError> {
    let sql =
        "INSERT INTO nix_projects (name, owner, display_name, description, homepage, is_enabled, is_hidden,
        decl_file, decl_kind, decl_value) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (name) DO NOTHING RETURNING id";
    let mut row = vec![new.name.as_str().into(), new.owner.0.into()];
    row.extend(values(&new.fields));
    let Some(row) = tx.query_one(sql, row).await? else { return Err(taken(&new.name)) };
    let id = row.get("id")?;
    set_members(tx, id, &new.members).await?;
    jobsets::declare(tx, *now, id, new.fields.declarative.is_some()).await?;
    let made = by_name(tx, &(new.name.clone(),)).await?;
    made.ok_or_else(|| StoreError::Corrupt(format!("the project {} that was just made", new.name)))
}

async fn set_members(tx: &Tx, project: i64, members: &[UserId]) -> Result<(), StoreError> {
    tx.execute("DELETE FROM nix_members WHERE project = $1", vec![project.into()]).await?;
    for member in members {
        let sql = "INSERT INTO nix_members (project, user_id) VALUES ($1, $2)";
        tx.execute(sql, vec![project.into(), member.0.into()]).await?;
    }
    Ok(())
}

pub(super) async fn update(tx: &Tx, (now, update): &(Time, ProjectUpdate)) -> Result<(), StoreError> {
    let id = update.id;
    lock(tx, id).await?;
    let sql = "SELECT id FROM nix_projects WHERE name = $1 AND id <> $2";
    if tx.query_one(sql, vec![update.name.as_str().into(), id.into()]).await?.is_some() {
        return Err(taken(&update.name));
    }
    let sql = "UPDATE nix_projects SET name = $2, display_name = $3, description = $4, homepage = $5,
        is_enabled = $6, is_hidden = $7, decl_file = $8, decl_kind = $9, decl_value = $10 WHERE id = $1";
    let mut row = vec![id.into(), update.name.as_str().into()];
    row.extend(values(&update.fields));
    tx.execute(sql, row).await?;
    if let Some(owner) = update.owner {
        let sql = "UPDATE nix_projects SET owner = $2 WHERE id = $1";
        tx.execute(sql, vec![id.into(), owner.0.into()]).await?;
    }
    if let Some(members) = &update.members {
        set_members(tx, id, members).await?;
    }
    if !update.fields.is_enabled {
        // What was forced is evaluated nevertheless.
        let sql = "UPDATE nix_jobsets SET triggered = NULL WHERE project = $1 AND NOT is_forced";
        tx.execute(sql, vec![id.into()]).await?;
    }
    jobsets::declare(tx, *now, id, update.fields.declarative.is_some()).await
}

pub(super) async fn delete(tx: &Tx, (now, id): &(Time, i64)) -> Result<(), StoreError> {
    take_turn(tx).await?;
    lock(tx, *id).await?;
    for row in tx.query_all("SELECT id FROM nix_jobsets WHERE project = $1", vec![(*id).into()]).await? {
        jobsets::delete(tx, &(*now, row.get("id")?)).await?;
    }
    tx.execute("DELETE FROM nix_members WHERE project = $1", vec![(*id).into()]).await?;
    tx.execute("DELETE FROM nix_projects WHERE id = $1", vec![(*id).into()]).await.map(drop)
}

/// Keeps others from changing a project and its jobsets' names until the transaction ends.
pub(super) async fn lock(tx: &Tx, id: i64) -> Result<(), StoreError> {
    let sql = format!("SELECT id FROM nix_projects WHERE id = $1{}", tx.for_update());
    match tx.query_one(&sql, vec![id.into()]).await? {
        Some(_) => Ok(()),
        None => Err(StoreError::Missing("such project: somebody removed it".into())),
    }
}

fn taken(name: &str) -> StoreError {
    StoreError::Conflict(format!("there is a project named {name} already"))
}
