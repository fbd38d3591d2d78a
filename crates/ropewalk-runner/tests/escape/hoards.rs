//! Memory and disk taken in ways that are hard to count (`hoard.c`): each ends the sandbox or is refused, and passes
//! when its guard is off.

use crate::image;
use crate::world::{World, start};
use ropewalk_runner::sandbox::weaken::{Guard, switch_off};
use ropewalk_runner::sandbox::{Bind, Breach, Sandbox};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;
const MEMORY: u64 = 200;
const DISK: u64 = 100;
/// What is taken of either, in mebibytes.
const TAKEN: u64 = 360;
/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(50);
/// Looks at what is held before it counts as unnoticed; the disk is looked through at every eighth.
const LOOKS: u32 = 20;
/// How long one may take to be held.
const PATIENCE: Duration = Duration::from_secs(40);

/// Watched, because nothing but a look at it tells.
const WATCHED: [&str; 7] =
    ["shared", "device", "memfd", "memfd-of-a-thread", "without-first-thread", "tables", "temporary"];
/// Refused beyond a bound, each with the mebibytes that it may have.
const BOUNDED: [(&str, u64); 3] = [("segments", MEMORY / 4), ("semaphores", 2), ("messages", 4)];
const ON_DISK: [&str; 2] = ["mapped", "file-of-a-thread"];

fn world(home: &Path) -> World {
    of(World::new(home, "base"))
}

fn of(mut world: World) -> World {
    let program = std::env::var(image::variable("hoard")).unwrap().into();
    world.binds.push(Bind { source: program, target: "/opt/hoard".into() });
    world.limits.memory = MEMORY * MIB;
    world
}

/// What came of an attempt.
#[derive(Debug)]
enum End {
    /// A limit was noticed.
    Held(Breach),
    /// It has this many mebibytes, and nobody noticed in [`LOOKS`] looks.
    Holding(u64),
}

fn hoard(sandbox: &Sandbox, kind: &str) -> End {
    hoard_for(sandbox, kind, LOOKS)
}

/// The same, for attempts that must be noticed: how soon depends on how busy the machine is.
fn hoard_until_noticed(sandbox: &Sandbox, kind: &str) -> End {
    hoard_for(sandbox, kind, u32::MAX)
}

fn hoard_for(sandbox: &Sandbox, kind: &str, patience: u32) -> End {
    let output = start(sandbox, &format!("/opt/hoard {kind} {TAKEN}; sleep 60"), false);
    rustix::io::ioctl_fionbio(&output, true).unwrap();
    let (began, mut text, mut looks) = (Instant::now(), vec![], 0);
    while began.elapsed() < PATIENCE {
        if let Some(breach) = sandbox.breach() {
            return End::Held(breach);
        }
        let _ = (&output).read_to_end(&mut text);
        let said = String::from_utf8_lossy(&text);
        assert!(!said.contains("failed"), "{kind}: {said}");
        if let Some(rest) = said.strip_prefix("holding ") {
            looks += 1;
            if looks > patience {
                return End::Holding(rest.trim().parse().unwrap());
            }
        }
        std::thread::sleep(INTERVAL);
    }
    panic!("{kind}: neither held nor holding: {}", String::from_utf8_lossy(&text));
}

/// The machine's own control groups where we may have them, and watching.
const WAYS: [&[Guard]; 2] = [&[], &[Guard::ControlGroups]];

pub(crate) fn memory_that_no_process_has_to_itself_counts(home: &Path) {
    let mut held = 0;
    for off in WAYS {
        for kind in WATCHED {
            switch_off(off);
            let end = hoard_until_noticed(&world(home).open(), kind);
            switch_off(&[]);
            assert!(matches!(end, End::Held(Breach::Memory { .. })), "{kind} without {off:?}: {end:?}");
            held += 1;
        }
        for (kind, bound) in BOUNDED {
            switch_off(off);
            let end = hoard(&world(home).open(), kind);
            switch_off(&[]);
            assert!(matches!(end, End::Holding(has) if has <= bound), "{kind} without {off:?}: {end:?}");
            held += 1;
        }
    }
    println!(":: {held} attempts to hoard memory were held");
}

pub(crate) fn memory_is_hoarded_when_its_guard_is_off(home: &Path) {
    let off = [Guard::ControlGroups, Guard::Accounting, Guard::Segments];
    for kind in WATCHED.into_iter().chain(BOUNDED.map(|(kind, _)| kind)) {
        switch_off(&off);
        let end = hoard(&world(home).open(), kind);
        switch_off(&[]);
        assert!(matches!(end, End::Holding(has) if has > MEMORY), "{kind}: {end:?}");
    }
}

pub(crate) fn memory_that_processes_share_counts_once(home: &Path) {
    for off in WAYS {
        switch_off(off);
        let end = hoard(&world(home).open(), "fair");
        switch_off(&[]);
        assert!(matches!(end, End::Holding(160)), "without {off:?}: {end:?}");
    }
}

fn with_disk(home: &Path) -> World {
    let mut world = world(home);
    world.limits.disk = DISK * MIB;
    world.limits.memory = 1 << 30;
    world
}

pub(crate) fn deleted_files_count_wherever_they_are_held(home: &Path) {
    for kind in ON_DISK {
        let end = hoard_until_noticed(&with_disk(home).open(), kind);
        assert!(matches!(end, End::Held(Breach::Disk { .. })), "{kind}: {end:?}");
    }
}

pub(crate) fn deleted_files_are_hoarded_when_the_guard_is_off(home: &Path) {
    for kind in ON_DISK {
        switch_off(&[Guard::Accounting]);
        let end = hoard(&with_disk(home).open(), kind);
        switch_off(&[]);
        assert!(matches!(end, End::Holding(_)), "{kind}: {end:?}");
    }
}

/// On a disk of 800 MiB, where 512 must stay free.
pub(crate) fn a_disk_that_is_filled_in_secret_ends_the_sandbox(home: &Path) {
    let disk = std::env::var(DISK_FOLDER).unwrap();
    let world = || {
        let mut world = of(World::in_folder(home, disk.as_ref(), "base"));
        // The small disk is in memory, and a control group counts that.
        world.limits.memory = 4 << 30;
        world
    };
    switch_off(&[Guard::Accounting]);
    let secret = hoard(&world().open(), "passed");
    switch_off(&[]);
    assert!(matches!(secret, End::Holding(TAKEN)), "{secret:?}");
    let end = hoard_until_noticed(&world().open(), "passed");
    assert!(matches!(end, End::Held(Breach::Full { .. })), "{end:?}");
}

/// The variable that tells a scenario where its small disk is.
pub(crate) const DISK_FOLDER: &str = "ROPEWALK_TEST_DISK";
