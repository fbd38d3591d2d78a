//! Evaluations by real Nix, from a plan to its result. Each test starts this very file again as a *scenario*, as root
//! and as an ordinary account; there it is the program that supervisors are started with, too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod account;
mod aggregates;
mod evaluation;
mod inputs;
mod measure;
mod world;

use libtest_mimic::{Arguments, Trial};
use ropewalk_runner::sandbox::weaken::{Guard, switch_off};
use std::path::Path;
use std::process::ExitCode;

/// A scenario: its name and what it does in an account's folder.
type Scenario = (&'static str, fn(&Path));

macro_rules! scenarios {
    ($($module:ident :: $name:ident),* $(,)?) => { &[$((stringify!($name), $module::$name)),*] };
}

const ALL: &[Scenario] = scenarios![
    evaluation::hydra_32_every_job_and_every_error_of_the_fixture_is_found,
    evaluation::hydra_33_unchanged_inputs_are_not_evaluated,
    evaluation::hydra_71_hard_errors_leave_good_jobs_alone,
    evaluation::no_name_is_taken_for_a_command,
    evaluation::hydra_72_a_thousand_jobs_are_found,
    evaluation::an_expression_that_is_none_says_why,
    evaluation::an_attribute_without_end_is_given_up,
    evaluation::an_attribute_that_takes_all_memory_is_given_up,
    evaluation::sets_without_end_are_given_up,
    evaluation::nothing_outlives_a_cancelled_evaluation,
    evaluation::derivations_that_are_needed_are_named_and_kept,
    evaluation::what_has_to_be_built_first_is_read_only_if_that_is_allowed,
    evaluation::an_evaluation_that_fills_the_disk_ends,
    evaluation::what_an_evaluation_builds_is_limited_with_it,
    evaluation::outputs_that_nobody_knows_before_the_build_are_an_error_of_the_job,
    evaluation::a_derivation_that_was_collected_meanwhile_is_found_again,
    evaluation::what_is_valid_says_what_lies_in_it,
    evaluation::the_machine_is_out_of_sight,
    aggregates::hydra_50_an_aggregate_needs_what_it_names,
    aggregates::hydra_51_an_aggregate_of_a_missing_job_fails_alone,
    inputs::hydra_60_inputs_have_the_shapes_that_expressions_expect,
    inputs::hydra_61_an_input_that_cannot_be_fetched_is_named,
    inputs::a_branch_that_was_rewritten_is_followed,
    inputs::a_repository_is_fetched_over_http_and_redirects_are_not_followed,
    inputs::a_path_keeps_its_name_and_its_revision,
    inputs::a_commit_of_too_many_files_is_not_checked_out,
    inputs::values_are_not_taken_for_nix,
    inputs::a_repository_may_be_of_this_machine_only_if_that_is_allowed,
    inputs::links_lead_nobody_out_of_the_folders_that_are_open_to_everybody,
];

fn main() {
    if let Some(code) = ropewalk_runner::inside::run_if_asked() {
        std::process::exit(if code == ExitCode::SUCCESS { 0 } else { 1 });
    }
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("supervise") => {
            if std::env::var_os(world::UNRESTRICTED).is_some() {
                switch_off(&[Guard::RestrictedEvaluation]);
            }
            return ropewalk_runner::supervisor::supervise(args[2].as_ref()).unwrap();
        }
        Some("--measure") => return measure::measure(),
        Some("--scenario") => {
            let (_, run) = ALL.iter().find(|(name, _)| *name == args[2]).expect("a scenario");
            return run(args[3].as_ref());
        }
        _ => {}
    }
    let arguments = Arguments::from_args();
    let (accounts, not_run) = account::available();
    // A list is read by programs.
    if !arguments.list {
        not_run.iter().for_each(|line| println!("{line}"));
    }
    let mut trials = vec![];
    for account in &accounts {
        for (name, _) in ALL {
            let account = account.clone();
            trials.push(Trial::test(format!("{}::{name}", account.title()), move || {
                account::run(&account, name).map_err(Into::into)
            }));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}
