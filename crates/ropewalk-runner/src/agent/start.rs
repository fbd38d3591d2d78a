//! Starting a build.

use super::Config;
use super::lost::lose;
use crate::spool::{Settings, Spool, SpoolError, create};
use crate::supervisor::launch;
use ropewalk_model::link::Offer;
use std::process::Child;

/// Makes the spool and starts its supervisor. A supervisor that cannot be started is a loss, which the
/// spool tells.
pub(super) fn start(config: &Config, offer: Offer) -> Result<(Spool, Option<Child>), SpoolError> {
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
