//! What an end brings about: pure rules that the store asks inside its transactions.
//!
//! Whoever ends an attempt, cancels a job or starts one changes works and then derives everything else here: the
//! status of a job from its root work, the end of what needs a failed work, the end of a group, the triggers that
//! fire. Nothing else in the product decides any of this.

mod attempt;
mod group;
mod job;
mod trigger;
mod work;

pub use attempt::{AttemptEnd, Next, Tries, after_attempt};
pub use group::group_status;
pub use job::{RootWork, job_status, path};
pub use trigger::fires;
pub use work::{dependent_cause, interest_lost, released};
