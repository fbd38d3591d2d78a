//! Works that no runner can serve.

use crate::db::Tx;
use ropewalk_core::port::StoreError;
use ropewalk_model::ids::WorkId;
use ropewalk_model::nix::KIND;
use ropewalk_model::time::Time;
use ropewalk_model::work::Requirement;
use std::time::Duration;

/// Requirement classes of one look.
const CLASSES: usize = 4096;
/// Works of one class of which the age is looked at.
const LOOKED_AT: u32 = 1000;

/// A runner of which nothing was heard for less than this may be busy: it renews its leases every 10 s.
const HEARD: Duration = Duration::from_secs(60);

/// Goes from one class that has ready works to the next by the queue's own index: what it costs is the number of such
/// classes, not that of the works.
pub(in crate::nix) async fn unserved(
    tx: &Tx,
    (now, after, limit): &(Time, Duration, u32),
) -> Result<Vec<(WorkId, String)>, StoreError> {
    let since = now.minus(*after).0;
    let heard_since = now.minus((*after).max(HEARD)).0;
    let (mut found, mut class) = (vec![], 0_i64);
    for _ in 0..CLASSES {
        let sql = "SELECT class FROM works WHERE status = 'ready' AND class > $1 ORDER BY class LIMIT 1";
        let Some(row) = tx.query_one(sql, vec![class.into()]).await? else { break };
        class = row.get("class")?;
        let Some(asks) = asks_in_vain(tx, class, heard_since).await? else { continue };
        let sql = format!(
            "SELECT id FROM (SELECT id, created FROM works WHERE status = 'ready' AND class = $1 LIMIT {LOOKED_AT}) w
            WHERE created <= $2 LIMIT $3"
        );
        let values = vec![class.into(), since.into(), i64::from(*limit).into()];
        for row in tx.query_all(&sql, values).await? {
            found.push((WorkId(row.get("id")?), asks.clone()));
        }
        if found.len() >= *limit as usize {
            break;
        }
    }
    Ok(found)
}

/// What a class of Nix asks for that no runner can serve which was heard of since.
async fn asks_in_vain(tx: &Tx, class: i64, since: i64) -> Result<Option<String>, StoreError> {
    let sql = "SELECT c.text, EXISTS (SELECT 1 FROM runner_classes s JOIN runners r ON r.id = s.runner
        WHERE s.class = c.id AND r.seen >= $2) AS served FROM classes c WHERE c.id = $1";
    let Some(row) = tx.query_one(sql, vec![class.into(), since.into()]).await? else { return Ok(None) };
    let requirement = Requirement::from_class(&row.get::<String>("text")?);
    let requirement = requirement.filter(|requirement| requirement.kind == KIND);
    if row.get("served")? {
        return Ok(None);
    }
    let words = |requirement: Requirement| match requirement.features.is_empty() {
        true => "Nix".to_owned(),
        false => requirement.features.into_iter().collect::<Vec<_>>().join(", "),
    };
    Ok(requirement.map(words))
}
