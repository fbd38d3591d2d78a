//! What a fresh single-threaded process does.

use crate::{attempts, bench, canary, cords, hoards, hostile, limits, net, pull, registries, work};
use std::path::Path;

/// One scenario.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Images that must have been made for it, `attempts` and `hoard` for compiled programs,
    /// `disk` for a small disk, `canary` for files of the host's root, `farm` for two network
    /// namespaces, `mirror` for a package mirror that answers,
    /// `registry` for Debian's registry.
    pub(crate) needs: &'static [&'static str],
    run: fn(&Path),
}

impl Scenario {
    /// Whether it runs only when it is asked for.
    pub(crate) fn on_demand(&self) -> bool {
        self.name == "latencies"
    }

    /// Whether it plays in a [`crate::farm::Farm`].
    pub(crate) fn in_farm(&self) -> bool {
        self.needs.contains(&"farm")
    }
}

macro_rules! scenarios {
    ($($images:tt $module:ident :: $name:ident),* $(,)?) => {
        &[$(Scenario {
            name: stringify!($name),
            needs: &$images,
            run: $module::$name,
        }),*]
    };
}

pub(crate) const ALL: &[Scenario] = scenarios![
    ["base"] work::sudo_gives_root,
    ["bare"] work::sudo_works_in_an_image_without_it,
    ["base"] work::a_daemon_of_one_step_lives_in_the_next_and_dies_with_the_sandbox,
    ["base"] work::a_sandbox_opened_ahead_of_time_takes_its_name_later,
    ["base"] work::only_plain_files_below_home_come_out,
    [] work::the_machines_own_image_shows_its_programs_and_nobody,
    ["base"] work::no_folder_of_the_host_is_named,
    [] work::the_machines_own_image_takes_packages_as_root_only,
    ["base"] cords::nothing_outlives_a_killed_supervisor,
    ["base"] cords::sixty_four_builds_in_a_row_leave_nothing,
    ["base"] cords::a_malformed_order_ends_the_sandbox_and_nothing_else,
    ["base", "attempts"] attempts::every_attempt_is_held,
    ["base", "attempts"] attempts::every_attempt_gets_through_when_its_guard_is_off,
    ["base"] limits::a_step_does_not_survive_the_end_of_a_process_for_want_of_memory,
    ["base"] limits::many_processes_share_the_memory_limit,
    ["base"] limits::files_in_memory_count,
    ["base"] limits::temporary_files_stay_within_the_memory_limit,
    ["base"] limits::a_fork_bomb_stays_inside,
    ["base"] limits::processors_are_limited,
    ["base"] limits::many_files_fill_the_disk_limit,
    ["base"] limits::one_file_cannot_pass_the_disk_limit,
    ["base"] limits::deleted_files_count_while_they_are_open,
    ["base", "hoard"] hoards::memory_that_no_process_has_to_itself_counts,
    ["base", "hoard"] hoards::memory_is_hoarded_when_its_guard_is_off,
    ["base", "hoard"] hoards::memory_that_processes_share_counts_once,
    ["base", "hoard"] hoards::deleted_files_count_wherever_they_are_held,
    ["base", "hoard"] hoards::deleted_files_are_hoarded_when_the_guard_is_off,
    ["base", "hoard", "disk"] hoards::a_disk_that_is_filled_in_secret_ends_the_sandbox,
    ["base"] limits::an_ordinary_build_passes_no_limit,
    [] hostile::a_path_cannot_lead_out_of_the_image,
    [] hostile::devices_are_left_out_and_owners_stay_in_the_range,
    [] hostile::thousands_of_folders_within_each_other_are_soon_unpacked,
    [] hostile::a_way_that_changes_within_a_layer_is_gone_anew,
    [] hostile::bombs_and_cut_archives_leave_nothing,
    [] hostile::layers_are_applied_in_every_form_of_image,
    [] hostile::an_image_whose_bytes_changed_is_refused,
    [] hostile::a_missing_image_names_those_there_are_and_the_command,
    [] hostile::an_image_in_use_stays,
    [] hostile::imports_at_once_and_killed_ones_leave_one_whole_image,
    [] hostile::the_machines_own_image_waits_for_no_import,
    [] hostile::files_that_have_no_end_are_refused,
    [] hostile::a_hostile_root_cannot_lead_mounts_astray,
    [] pull::an_image_comes_from_a_registry_and_its_parts_are_shared,
    [] pull::an_index_gives_this_machines_image,
    [] registries::other_bytes_than_were_asked_for_are_refused,
    [] registries::endless_and_giant_answers_are_refused,
    [] registries::a_layer_that_unpacks_to_too_much_leaves_nothing,
    [] registries::names_that_are_paths_are_refused,
    [] registries::a_redirect_gets_no_credentials_and_leads_nowhere_near,
    [] registries::redirects_to_other_places_are_refused,
    [] registries::a_token_is_asked_for_and_goes_to_the_registry_only,
    [] pull::what_broke_off_goes_on_where_it_was,
    [] registries::who_answers_byte_by_byte_is_given_up,
    [] registries::an_error_says_what_the_registry_said,
    [] pull::a_killed_pull_leaves_nothing_half_used_and_the_next_goes_on,
    [] pull::a_spoilt_cache_mends_itself,
    [] pull::waiting_is_told,
    ["mirror"] pull::debian_is_made_from_packages_and_builds,
    ["bare.oci", "registry"] pull::a_real_registrys_image_builds,
    ["base", "farm"] net::the_world_is_reached_and_nothing_near,
    ["base", "farm"] net::everything_near_is_reached_when_the_guard_is_off,
    ["base", "farm"] net::a_repository_is_cloned_through_the_network,
    ["base"] net::no_network_means_none,
    ["base"] net::a_missing_router_is_an_error_and_nothing_is_left,
    ["base"] net::the_network_ends_with_the_sandbox,
    ["base"] bench::latencies,
    ["base", "mirror"] net::packages_and_sources_come_through_the_network,
    ["canary"] canary::what_only_the_hosts_root_may_read_stays_unread,
    ["canary"] canary::it_is_read_when_its_guard_is_off,
    ["mirror"] net::packages_come_into_the_machines_own_image_for_root,
    ["base"] attempts::every_file_comes_out_when_its_guard_is_off,
];

pub(crate) fn run(name: &str, home: &Path) {
    if name == "victim" {
        return cords::victim(home);
    }
    let scenario = ALL.iter().find(|s| s.name == name).unwrap_or_else(|| panic!("no scenario {name}"));
    (scenario.run)(home);
}
