//! Builds as they are shown: each kind of thing that belongs to them is one question for all of them.

use crate::change::narrow;
use crate::db::{Row, Tx};
use crate::nix::evaluations::numbered;
use ropewalk_core::port::{BriefBuild, Build, StoreError};
use ropewalk_model::nix::{Metric, Product};
use ropewalk_model::time::Time;
use sea_orm::Value;
use std::collections::HashMap;

/// Builds of one question.
const AT_ONCE: usize = 500;

const SELECT: &str = "SELECT b.job, b.jobset, p.name AS project, s.name AS jobset_name, b.name, b.nix_name, b.system, \
    b.drv_path, b.description, b.homepage, b.license, b.maintainers, b.priority, b.timeout, b.max_silent, \
    b.is_channel, b.is_current, b.keep, b.bumped, b.created, b.finished, b.status, b.is_cached, \
    COALESCE(b.started, j.started) AS started, b.stopped, b.size, b.closure_size, b.release_name, b.message \
    FROM nix_builds b JOIN nix_jobsets s ON s.id = b.jobset JOIN nix_projects p ON p.id = s.project \
    JOIN jobs j ON j.id = b.job";

const BRIEF: &str = "SELECT b.job, p.name AS project, s.name AS jobset_name, b.name, b.nix_name, b.system, b.priority, \
    b.created, b.finished, b.status \
    FROM nix_builds b JOIN nix_jobsets s ON s.id = b.jobset JOIN nix_projects p ON p.id = s.project";

#[allow(clippy::ptr_arg, reason = "an operation gets its input as it was given")]
pub(in crate::nix) async fn by_ids(tx: &Tx, ids: &Vec<i64>) -> Result<Vec<Build>, StoreError> {
    let mut found = HashMap::new();
    for ids in ids.chunks(AT_ONCE) {
        read_some(tx, ids, &mut found).await?;
    }
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

#[allow(clippy::ptr_arg, reason = "an operation gets its input as it was given")]
pub(in crate::nix) async fn brief(tx: &Tx, ids: &Vec<i64>) -> Result<Vec<BriefBuild>, StoreError> {
    let mut found = HashMap::new();
    for ids in ids.chunks(AT_ONCE) {
        let sql = format!("{BRIEF} WHERE b.job IN ({})", numbered(1, ids.len()));
        for row in tx.query_all(&sql, ids.iter().map(|id| (*id).into()).collect()).await? {
            let build = read_brief(&row)?;
            found.insert(build.id, build);
        }
    }
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

fn read_brief(row: &Row) -> Result<BriefBuild, StoreError> {
    Ok(BriefBuild {
        id: row.get("job")?,
        project: row.get("project")?,
        jobset: row.get("jobset_name")?,
        job: row.get("name")?,
        nix_name: row.get("nix_name")?,
        system: row.get("system")?,
        priority: row.get("priority")?,
        created: Time(row.get("created")?),
        finished: row.get("finished")?,
        status: row.get("status")?,
    })
}

async fn read_some(tx: &Tx, ids: &[i64], found: &mut HashMap<i64, Build>) -> Result<(), StoreError> {
    let values = || ids.iter().map(|id| (*id).into()).collect::<Vec<Value>>();
    let which = numbered(1, ids.len());
    for row in tx.query_all(&format!("{SELECT} WHERE b.job IN ({which})"), values()).await? {
        let build = read(&row)?;
        found.insert(build.id, build);
    }
    let sql = format!("SELECT build, name, path FROM nix_outputs WHERE build IN ({which})");
    for row in tx.query_all(&sql, values()).await? {
        if let Some(build) = found.get_mut(&row.get("build")?) {
            build.outputs.insert(row.get("name")?, row.get("path")?);
        }
    }
    let sql = format!("SELECT * FROM nix_products WHERE build IN ({which}) ORDER BY build, number");
    for row in tx.query_all(&sql, values()).await? {
        if let Some(build) = found.get_mut(&row.get("build")?) {
            build.products.push(product(&row)?);
        }
    }
    let sql = format!("SELECT build, name, value, unit FROM nix_metrics WHERE build IN ({which})");
    for row in tx.query_all(&sql, values()).await? {
        if let Some(build) = found.get_mut(&row.get("build")?) {
            build.metrics.insert(row.get("name")?, metric(&row)?);
        }
    }
    let sql = format!(
        "SELECT build, evaluation FROM nix_evaluation_builds WHERE build IN ({which}) ORDER BY evaluation"
    );
    for row in tx.query_all(&sql, values()).await? {
        if let Some(build) = found.get_mut(&row.get("build")?) {
            build.evaluations.push(row.get("evaluation")?);
        }
    }
    Ok(())
}

fn read(row: &Row) -> Result<Build, StoreError> {
    let time = |column| Ok::<_, StoreError>(row.get::<Option<i64>>(column)?.map(Time));
    Ok(Build {
        id: row.get("job")?,
        jobset_id: row.get("jobset")?,
        project: row.get("project")?,
        jobset: row.get("jobset_name")?,
        job: row.get("name")?,
        nix_name: row.get("nix_name")?,
        system: row.get("system")?,
        drv_path: row.get("drv_path")?,
        description: row.get("description")?,
        homepage: row.get("homepage")?,
        license: row.get("license")?,
        maintainers: row.get("maintainers")?,
        priority: row.get("priority")?,
        timeout: row.get("timeout")?,
        max_silent: row.get("max_silent")?,
        is_channel: row.get("is_channel")?,
        is_current: row.get("is_current")?,
        keep: row.get("keep")?,
        bumped: Time(row.get("bumped")?),
        created: Time(row.get("created")?),
        finished: row.get("finished")?,
        status: row.get("status")?,
        is_cached: row.get("is_cached")?,
        started: time("started")?,
        stopped: time("stopped")?,
        size: row.get("size")?,
        closure_size: row.get("closure_size")?,
        release_name: row.get("release_name")?,
        message: row.get("message")?,
        ..Build::default()
    })
}

fn product(row: &Row) -> Result<Product, StoreError> {
    let size = match row.get::<Option<i64>>("size")? {
        Some(_) => Some(narrow(row, "size")?),
        None => None,
    };
    Ok(Product {
        kind: row.get("kind")?,
        subtype: row.get("subtype")?,
        name: row.get("name")?,
        path: row.get("path")?,
        default_path: row.get("default_path")?,
        size,
        sha256: row.get("sha256")?,
    })
}

pub(super) fn metric(row: &Row) -> Result<Metric, StoreError> {
    Ok(Metric { value: row.get("value")?, unit: row.get("unit")? })
}
