//! Starting a build.

use super::lost::lose;
use super::{Config, FULL, has_room};
use crate::spool::{Settings, Spool, SpoolError, create};
use crate::supervisor::launch;
use ropewalk_model::link::Offer;
use std::process::Child;

/// How often a full disk is tried again before the work is given back.
const TRIES: u32 = 24;

/// Makes the spool and starts its supervisor; the error says why that could not be done.
pub(super) async fn start(config: Config, offer: Offer) -> Result<(Spool, Option<Child>), String> {
    for _ in 0..TRIES {
        // A build that ends makes room; another runner would count as another try.
        if !has_room(&config.spools) {
            tracing::warn!(attempt = %offer.attempt, "a build waits for room on the disk");
            tokio::time::sleep(FULL).await;
            continue;
        }
        let (config, offer) = (config.clone(), offer.clone());
        match tokio::task::spawn_blocking(move || start_now(&config, &offer)).await {
            Ok(Ok(started)) => return Ok(started),
            Ok(Err(error)) if error.is_full() => tokio::time::sleep(FULL).await,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(format!("the disk of {} was full for too long: make room on it", config.spools.display()))
}

/// A supervisor that cannot be started is a loss, which the spool tells.
fn start_now(config: &Config, offer: &Offer) -> Result<(Spool, Option<Child>), SpoolError> {
    let settings = Settings {
        runner: config.hello.name.clone(),
        data: config.data.clone(),
        network: config.network.clone(),
        tethered: false,
        local_sources: vec![],
    };
    let ids = (offer.work, offer.attempt, offer.fence);
    let spool = create(&config.spools, ids, offer.values.job, &offer.plan, settings)?;
    match launch(&config.program, &spool, &offer.values) {
        Ok(child) => Ok((spool, Some(child))),
        Err(error) => {
            // Nobody else can have it: no supervisor began.
            let lock = spool.lock()?;
            lose(&spool, &lock, &error.to_string())?;
            Ok((spool, None))
        }
    }
}
