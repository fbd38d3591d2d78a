//! One suite, two engines: every test below runs on SQLite and on PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests"
)]

mod arch;
mod arch_native;
mod arch_pools;
mod arch_repos;
mod blobs;
mod deliveries;
mod engine;
mod env;
mod farm;
mod identity;
mod jobs;
mod kill;
mod logs;
mod migrations;
mod nix;
mod nix_builds;
mod nix_evaluations;
mod nix_farm;
mod queue;
mod statements;
mod trouble;

/// Makes `sqlite::MODULE::NAME` and `postgres::MODULE::NAME` of each `async fn NAME(env: Env)` in `MODULE`.
macro_rules! on_both_engines {
    ($($module:ident { $($name:ident)* })*) => {
        mod sqlite {$(
            mod $module {$(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    crate::$module::$name(crate::env::Env::sqlite().await).await;
                }
            )*}
        )*}
        mod postgres {$(
            mod $module {$(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    crate::$module::$name(crate::env::Env::postgres().await).await;
                }
            )*}
        )*}
    };
}

on_both_engines! {
    arch {
        vieter_21_a_schedule_hands_out_one_build_a_minute
        vieter_23_what_came_while_no_server_ran_is_not_caught_up
        one_that_is_queued_by_hand_does_not_disturb_the_schedule
        a_schedule_goes_on_after_its_build_was_cancelled
        a_build_without_a_log_is_handed_out_once_more_and_then_ends
        a_log_ends_the_build_that_was_handed_out_first
        vieter_23_agents_that_are_first_after_a_restart_get_nothing_that_was_missed
        builds_that_end_without_a_log_are_let_go
        a_cancelled_build_ends_though_its_agent_cannot_be_told
        filters_that_nothing_can_hold_find_nothing
        a_log_that_meets_the_end_of_its_lease_is_kept
        a_target_shows_what_comes_next_and_how_it_went
    }
    arch_native {
        what_agents_leave_goes_to_a_runner_of_ours_and_back
        a_build_of_ours_leaves_a_log_and_its_schedule_goes_on
    }
    arch_pools {
        agents_are_given_what_their_own_account_wrote
        an_agents_key_builds_and_does_nothing_else
        shared_agents_build_for_everybody
        targets_of_one_account_are_built_for_so_many_architectures
    }
    arch_repos {
        a_new_architecture_gets_the_newest_package_of_each_name_for_any
        a_repository_grows_no_further_than_its_limits
        a_database_in_pages_is_whole
        nobody_owns_the_name_of_a_repository_that_is_gone
    }
    nix_builds {
        hydra_36_builds_end_with_hydras_numbers
        hydra_39_what_a_build_made_is_kept
        hydra_46_builds_are_found_by_parts_of_paths
        hydra_49_the_latest_builds_are_found
        hydra_49_the_latest_builds_of_projects_and_of_all_are_found
        an_evaluation_leads_to_its_builds_and_back
        builds_are_measured_and_counted_over_time
        lists_are_narrowed_by_project_jobset_job_and_system
        the_queue_by_priority_is_cut_after_it_is_sorted
        hydra_50_an_aggregate_waits_for_its_constituents_and_fails_with_one
        hydra_52_queued_and_running_builds_are_cancelled_and_finished_ones_not
        hydra_53_a_restart_takes_along_what_failed_because_of_it
        hydra_53_a_restart_reaches_what_failed_by_memory
        hydra_53_a_corrected_source_is_tried_again_although_its_path_is_the_same
        a_build_in_the_queue_whose_derivation_moved_is_built_by_the_new_one
        hydra_54_a_success_that_is_restarted_ends_cached
        hydra_55_strangers_change_nothing_and_a_role_opens_one_thing
        hydra_56_a_bumped_build_is_next
        hydra_57_jobsets_share_time_by_their_shares
        a_failure_is_remembered_until_a_restart_or_its_time
        a_removed_jobset_takes_its_builds_along
        a_derivation_that_two_jobsets_need_is_built_once
    }
    nix_evaluations {
        hydra_32_an_evaluation_makes_builds_and_names_its_errors
        hydra_33_the_same_inputs_make_no_evaluation_and_are_noted
        hydra_34_a_forced_one_without_change_is_kept_and_not_listed
        hydra_35_a_changed_job_is_one_new_build_and_the_others_are_shared
        hydra_58_one_shot_and_one_at_a_time
        hydra_59_an_interval_asks_again_by_itself
        hydra_60_builds_and_evaluations_are_inputs_of_others
        hydra_61_what_cannot_be_fetched_is_told_and_forgotten
        hydra_63_the_newest_evaluations_and_last_successes_are_wanted
        hydra_72_a_thousand_jobs_are_taken_over_and_read_in_pages
        hydra_72_a_thousand_jobs_take_few_more_statements_than_ten
        an_evaluation_is_taken_over_once_however_many_servers_look
        what_is_saved_while_an_evaluation_runs_is_evaluated_after_it
        looks_that_left_nothing_are_forgotten_but_for_the_newest
        an_error_of_a_lost_evaluation_ends_with_the_next_look
        a_result_that_cannot_be_used_fails_and_frees_its_jobset
        a_push_while_an_evaluation_runs_causes_another_one
        no_more_evaluations_run_than_allowed
    }
    engine {
        what_an_operation_writes_is_read_by_the_next_one
        a_failing_operation_leaves_nothing_and_its_neighbours_stay
        a_panicking_operation_leaves_nothing_and_the_engine_goes_on
        many_writers_at_once_are_all_durable_after_reopening
        relaxed_writes_are_seen_at_once_and_durable_after_closing
        a_caller_that_stops_waiting_does_not_disturb_others
        a_caller_that_goes_away_leaves_its_connection_as_it_was
        a_read_sees_one_snapshot
        those_who_wait_are_woken_by_a_commit_and_not_by_a_rollback
        an_operation_that_ends_the_whole_transaction_fails_alone
        serialisation_conflicts_are_tried_again_until_all_are_done
        deadlocks_are_tried_again_until_both_are_done
        two_transactions_that_commit_in_reverse_order_lose_nothing
        a_follower_misses_nothing_of_many_writers
    }
    blobs {
        a_blob_is_read_as_it_was_put_and_twice_is_once
        what_nothing_refers_to_is_removed_when_it_is_old
        a_blob_that_is_put_while_it_is_removed_is_whole
        a_damaged_blob_is_refused_by_name
        what_a_killed_run_left_unfinished_is_cleared
        no_name_leads_out_of_the_folder
        a_source_that_cannot_be_read_is_named
    }
    identity {
        a_user_is_found_by_number_and_by_name
        a_name_is_given_once
        users_are_listed_by_name_in_parts
        a_password_is_replaced
        a_token_opens_until_it_is_revoked_or_expires
        the_use_of_a_token_is_noted_once_a_minute
        no_grants_and_all_grants_stay_different
        a_session_opens_until_it_is_ended_or_expires
        a_new_password_ends_the_sessions_of_its_user
    }
    kill {
        acknowledged_writes_survive_a_kill
    }
    logs {
        a_log_is_read_over_all_attempts_as_files_and_as_blobs
        tidying_keeps_the_logs_of_lost_attempts_and_removes_replaced_files
        a_log_of_no_job_is_missing
    }
    nix {
        a_project_is_read_as_it_was_written
        a_jobset_is_replaced_and_found_under_its_old_names
        a_jobset_is_triggered_when_it_changes_or_somebody_asks
        a_file_of_jobsets_has_a_jobset_of_its_own
    }
    trouble {
        a_full_disk_is_told_and_forgotten_once_there_is_space
        cut_connections_are_made_again
    }
    migrations {
        every_step_goes_up_and_down_with_rows_in_every_table
        servers_that_start_together_make_the_tables_once
        a_database_of_a_newer_program_is_refused
    }
    jobs {
        a_job_goes_from_submission_to_success_and_says_so_in_events
        what_belongs_to_many_jobs_is_read_at_once
        what_is_not_there_is_missing
        a_submission_is_stored_whole_or_not_at_all
        open_jobs_of_a_user_are_limited_and_ended_ones_do_not_count
        jobs_are_counted_by_owner_and_kind_whatever_becomes_of_them
        a_pending_job_waits_for_its_start
        a_group_takes_pending_jobs_of_its_owner_only_and_changes_nothing_else
        a_group_is_started_together_and_its_triggers_fire_after_the_last_end
        a_waiting_job_is_cancelled_at_once_and_an_ended_one_is_not
        a_running_job_is_cancelled_when_its_runner_has_reported
        a_job_that_was_cancelled_ends_cancelled_however_its_runner_ends
        a_work_that_another_job_needs_goes_on_when_one_is_cancelled
        a_job_that_joins_a_work_after_its_cancel_gets_another_attempt
        works_below_a_cancelled_job_are_cancelled_unless_somebody_needs_them
        a_failure_ends_all_that_needs_it_in_the_same_transaction
        works_that_ended_before_they_were_needed_are_never_leased
        a_restart_opens_the_next_round_of_a_job_and_of_those_that_failed_with_it
        a_second_restart_uses_what_the_first_one_made
        a_restart_joins_a_work_that_still_runs_for_somebody_else
        a_restart_leaves_no_work_that_nobody_needs
        tags_and_visibility_are_replaced
        lists_go_on_where_they_stopped_and_show_what_may_be_known
    }
    queue {
        a_runner_gets_what_it_can_serve_and_nothing_else
        a_class_that_comes_after_its_runner_is_served
        order_is_bump_then_share_then_priority_then_age
        a_batch_is_divided_by_shares
        use_is_forgotten_after_a_day
        two_that_lease_at_once_never_get_the_same_work
        a_lease_that_ran_out_is_lost_and_its_work_tried_again_up_to_the_limit
        a_renewed_lease_lives_on_and_nobody_loses_it_while_no_server_ran
        a_superseded_attempt_changes_nothing
        what_an_agent_does_not_hold_any_more_is_lost_at_once
        facts_are_recorded_once_and_in_order
        an_end_counts_once_and_switches_the_logs
        a_work_with_a_time_is_held_until_then
        a_bump_takes_along_what_is_needed
        a_work_that_nobody_will_run_is_given_up
        a_key_is_free_again_when_its_work_has_ended
        many_that_submit_the_same_key_at_once_make_one_work
        those_who_wait_hear_of_new_works
        ends_cancels_and_submissions_at_once_leave_a_sound_database
    }
    deliveries {
        a_trigger_fires_when_its_condition_is_met
        a_delivery_is_taken_by_one_at_a_time
        a_delivery_comes_back_until_it_is_settled
    }
}
