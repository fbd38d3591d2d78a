//! Starting a build.

use super::{Config, FULL, has_room};
use crate::spool::{Settings, Spool, SpoolError, create};
use crate::supervisor::launch;
use ropewalk_model::link::Offer;
use std::fs::File;
use std::io::Write;
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

/// A supervisor that cannot be started is a loss, which its follower finds.
fn start_now(config: &Config, offer: &Offer) -> Result<(Spool, Option<Child>), SpoolError> {
    let settings = Settings {
        runner: config.hello.name.clone(),
        data: config.data.clone(),
        network: config.network.clone(),
        origins: config.origins.clone(),
        tethered: false,
        nix: config.nix.clone(),
        local_sources: vec![],
    };
    let ids = (offer.work, offer.attempt, offer.fence);
    let spool = create(&config.spools, ids, offer.values.job, &offer.plan, settings)?;
    match launch(&config.program, &spool, &offer.values) {
        Ok(child) => Ok((spool, Some(child))),
        Err(error) => {
            // As if the supervisor had said so: whoever follows the attempt ends it, once nobody holds its lock.
            tell(&spool, &error);
            Ok((spool, None))
        }
    }
}

fn tell(spool: &Spool, why: &SpoolError) {
    let errors = File::options().append(true).open(spool.errors());
    if let Err(error) = errors.and_then(|mut file| writeln!(file, "{why}")) {
        tracing::error!(attempt = %spool.head.attempt, "{why}; that cannot be written down: {error}");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;
    use crate::agent::lost;
    use crate::sandbox::Network;
    use ropewalk_model::ids::{AttemptId, Fence, WorkId};
    use ropewalk_model::link::{Hello, LINK_VERSION, RunValues};
    use ropewalk_model::plan::SealedPlan;
    use ropewalk_model::time::Time;
    use ropewalk_model::work::Labels;
    use std::path::Path;
    use std::time::Duration;

    fn config(folder: &Path, program: &str) -> Config {
        std::fs::create_dir(folder.join("spools")).unwrap();
        Config {
            hello: Hello { version: LINK_VERSION, name: "r".into(), labels: Labels::default(), slots: 1 },
            spools: folder.join("spools"),
            data: folder.into(),
            network: Network::None,
            origins: crate::image::Origins::default(),
            nix: None,
            program: program.into(),
            lost_after: None,
            grace: Duration::from_secs(1),
        }
    }

    fn offer(values: RunValues) -> Offer {
        let plan = SealedPlan { hash: "00".into(), json: "{}".into() };
        Offer { work: WorkId(1), attempt: AttemptId(7), fence: Fence(2), until: Time(0), plan, values }
    }

    /// Ended children of this process that nobody has asked about.
    fn zombies(name: &str) -> usize {
        let own = std::process::id().to_string();
        let stats = std::fs::read_dir("/proc").unwrap().flatten();
        let stats = stats.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
        stats.filter(|stat| stat.contains(&format!("({name}) Z {own} "))).count()
    }

    #[test]
    fn a_program_that_is_missing_is_a_loss_that_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "/no/such/program");
        let (spool, child) = start_now(&config, &offer(RunValues::default())).unwrap();
        assert!(child.is_none() && spool.lock().is_ok() && !spool.has_ended().unwrap());
        assert!(lost::reason(&spool).contains("cannot start /no/such/program"), "{}", lost::reason(&spool));
    }

    #[test]
    fn a_supervisor_that_takes_no_values_is_ended_and_reaped() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "/bin/false");
        // More than a pipe holds.
        let values = RunValues { job_url: Some("x".repeat(2 << 20)), ..RunValues::default() };
        let (spool, child) = start_now(&config, &offer(values)).unwrap();
        assert!(child.is_none());
        assert!(
            lost::reason(&spool).contains("cannot hand the run-time values to"),
            "{}",
            lost::reason(&spool)
        );
        assert_eq!(zombies("false"), 0);
    }
}
