//! What a fresh single-threaded process does.

use crate::{attempts, net, work};
use std::path::Path;

/// One scenario.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Images that must have been made for it, `attempts` for the compiled attempts, `farm` for two network
    /// namespaces.
    pub(crate) needs: &'static [&'static str],
    run: fn(&Path),
}

impl Scenario {
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
    [] work::the_machines_own_image_takes_packages_as_root_only,
    ["base", "attempts"] attempts::every_attempt_is_held,
    ["base", "attempts"] attempts::every_attempt_gets_through_when_its_guard_is_off,
    ["base", "farm"] net::the_world_is_reached_and_nothing_near,
    ["base", "farm"] net::everything_near_is_reached_when_the_guard_is_off,
    ["base"] net::no_network_means_none,
    ["base"] net::a_missing_router_is_an_error_and_nothing_is_left,
    ["base"] net::the_network_ends_with_the_sandbox,
    ["base"] attempts::every_file_comes_out_when_its_guard_is_off,
];

pub(crate) fn run(name: &str, home: &Path) {
    let scenario = ALL.iter().find(|s| s.name == name).unwrap_or_else(|| panic!("no scenario {name}"));
    (scenario.run)(home);
}
