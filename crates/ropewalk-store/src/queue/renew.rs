//! Renewing leases.

use super::runners;
use crate::change::optional_word;
use crate::db::{Tx, Write};
use ropewalk_core::port::{Renewal, StoreError};
use ropewalk_model::fault::Point;
use ropewalk_model::ids::{AttemptId, Fence, RunnerId};
use ropewalk_model::link::Verdict;
use ropewalk_model::status::Cause;
use ropewalk_model::time::Time;
use std::time::Duration;

pub(super) const RENEW: Write =
    Write::relaxed("renew leases").points(Point::RenewBeforeCommit, Point::RenewAfterCommit);

pub(super) async fn renew(
    tx: &Tx,
    (now, runner, held, lease_for): &(Time, RunnerId, Vec<(AttemptId, Fence)>, Duration),
) -> Result<Vec<Renewal>, StoreError> {
    runners::seen(tx, *runner, *now).await?;
    let mut in_order = held.clone();
    in_order.sort_unstable();
    let until = now.plus(*lease_for);
    let mut renewals = Vec::with_capacity(held.len());
    for (attempt, fence) in in_order {
        let sql =
            "UPDATE leases SET renewed = $4, until = $5 WHERE attempt = $1 AND fence = $2 AND runner = $3
            RETURNING (SELECT w.cancel FROM works w WHERE w.id = leases.work) AS cancel";
        let values = vec![attempt.0.into(), fence.0.into(), runner.0.into(), now.0.into(), until.0.into()];
        let verdict = match tx.query_one(sql, values).await? {
            None => Verdict::Superseded,
            Some(row) => match optional_word::<Cause>(&row, "cancel")? {
                None => Verdict::Go { until },
                Some(cause) => {
                    tell(tx, attempt, cause).await?;
                    Verdict::Cancel { cause, until }
                }
            },
        };
        renewals.push(Renewal { attempt, verdict });
    }
    Ok(renewals)
}

/// Remembers that a runner was told to end an attempt: its report of that is then no failure of the build.
async fn tell(tx: &Tx, attempt: AttemptId, cause: Cause) -> Result<(), StoreError> {
    let sql = "UPDATE attempts SET told = $2 WHERE id = $1 AND told IS NULL";
    tx.execute(sql, vec![attempt.0.into(), cause.to_string().into()]).await.map(|_| ())
}
