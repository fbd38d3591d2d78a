//! One suite, two engines: every test below runs on SQLite and on PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests"
)]

mod blobs;
mod engine;
mod env;
mod identity;
mod migrations;

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
    engine {
        what_an_operation_writes_is_read_by_the_next_one
        a_failing_operation_leaves_nothing_and_its_neighbours_stay
        a_panicking_operation_leaves_nothing_and_the_engine_goes_on
        many_writers_at_once_are_all_durable_after_reopening
        relaxed_writes_are_seen_at_once_and_durable_after_closing
        a_caller_that_stops_waiting_does_not_disturb_others
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
        a_removed_blob_is_gone_and_unknown
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
    }
    migrations {
        every_step_goes_up_and_down_with_rows_in_every_table
        servers_that_start_together_make_the_tables_once
        a_database_of_a_newer_program_is_refused
    }
}
