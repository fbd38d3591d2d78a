//! A plan of the backend `nix`.

mod account;
mod child;
mod daemon;
mod evaluate;
mod realise;
mod surroundings;

pub(crate) use account::end_all;

use super::attempt::Attempt;
use super::stop::Stop;
use crate::nix::Tools;
use ropewalk_model::limits::BuildLimits;
use ropewalk_model::nix::{NixTask, Realise};
use ropewalk_model::plan::Plan;
use ropewalk_model::status::Cause;

/// The one step of such a plan.
const STEP: u32 = 0;

impl Attempt<'_> {
    /// Does what the plan asks of Nix. Nothing of it lives when this returns.
    pub(super) fn carry_out_by_nix(&mut self) -> Result<(), Stop> {
        let Some(settings) = self.spool.head.settings.nix.clone() else {
            return Err(unable("this runner has no Nix: install it, or let another runner take the work"));
        };
        let tools = Tools::open(&settings);
        match self.plan.nix.clone() {
            Some(NixTask::Realise(task)) => self.realise(&tools.map_err(unable)?, &task),
            Some(NixTask::Evaluate(evaluation)) => {
                let tools = tools.map_err(|error| Stop::new(Cause::SetupFailed, error))?;
                self.evaluate(&tools, &evaluation)
            }
            None => Err(unable("the plan does not say what Nix is to do")),
        }
    }
}

/// Seconds that an attempt at this plan may take in all.
pub(super) fn time(plan: &Plan) -> u64 {
    let limits = &plan.limits;
    match &plan.nix {
        // Nix itself counts the build's time; locks and reading the outputs come on top.
        Some(NixTask::Realise(task)) => timeout(task, limits).saturating_add(limits.settle),
        // It counts its time itself, and says what took it.
        Some(NixTask::Evaluate(evaluation)) => evaluation.limits.time.saturating_add(limits.settle),
        None => limits.build_time,
    }
}

/// Seconds that the build of a derivation may take. Nix takes 0 for no end.
fn timeout(task: &Realise, limits: &BuildLimits) -> u64 {
    task.timeout.filter(|seconds| *seconds > 0).unwrap_or(limits.build_time)
}

fn unable(why: impl std::fmt::Display) -> Stop {
    Stop::new(Cause::Infrastructure, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn no_time_is_not_no_end() {
        let limits = BuildLimits { build_time: 7, ..BuildLimits::default() };
        let task = |timeout| Realise {
            drv_path: String::new(),
            outputs: BTreeMap::new(),
            timeout,
            max_silent: 0,
            max_output: None,
        };
        assert_eq!([Some(3), Some(0), None].map(|seconds| timeout(&task(seconds), &limits)), [3, 7, 7]);
    }
}
