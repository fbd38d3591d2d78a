//! A plan of the backend `nix`.

use super::attempt::Attempt;
use super::stop::Stop;
use ropewalk_model::nix::NixTask;
use ropewalk_model::status::Cause;

impl Attempt<'_> {
    /// Does what the plan asks of Nix. Nothing of it lives when this returns.
    pub(super) fn carry_out_by_nix(&mut self) -> Result<(), Stop> {
        let Some(settings) = self.spool.head.settings.nix.clone() else {
            let message = "this runner has no Nix: install it, or let another runner take the work";
            return Err(Stop::new(Cause::Infrastructure, message));
        };
        match self.plan.nix.clone() {
            Some(NixTask::Realise(_) | NixTask::Evaluate(_)) => {
                let programs = settings.programs.display();
                Err(Stop::new(Cause::Infrastructure, format_args!("nothing can be done yet by {programs}")))
            }
            None => Err(Stop::new(Cause::Infrastructure, "the plan does not say what Nix is to do")),
        }
    }
}
