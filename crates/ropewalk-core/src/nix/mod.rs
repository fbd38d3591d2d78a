//! Nix: projects of jobsets, which are evaluated again and again to find what is to be built.

mod builds;
mod evaluation;
mod evaluations;
mod files;
mod histories;
mod jobsets;
mod logs;
mod nul;
mod outcome;
mod projection;
mod projects;
mod settings;
mod tend;
mod words;

pub use builds::{BUILDS_MAX, Restart};
pub use evaluation::{Decision, ERRORS_MAX, Known, Member, decide, identity};
pub use evaluations::{EvaluationPage, PAGE as EVALUATIONS_PAGE};
pub use histories::PERIODS_MAX;
pub use logs::{DerivationLog, KeptLog};
pub use nul::without_nul;
pub use outcome::{BuildStatus, Ending, build_status, is_permanent};
pub use projection::Projection;
pub use settings::NixSettings;

pub use jobsets::{JobsetWish, Push, Pushed};
pub use projects::{ProjectSaved, ProjectWish};
pub use words::{is_local, path_of_local};

/// Items of a list that has no parts.
pub const LIST_MAX: u32 = 10_000;
/// The jobset of a project whose jobsets come from a file.
pub const DECLARED: &str = ".jobsets";
