//! Limits that end a build, and what of it the host feels.

use crate::world::{World, start, step};
use ropewalk_runner::sandbox::{Breach, Sandbox, WATCH_INTERVAL, cgroup};
use std::path::Path;
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;

/// Starts a step and waits until a limit is passed.
fn breach(sandbox: &Sandbox, script: &str) -> Breach {
    let output = start(sandbox, script, false);
    let began = Instant::now();
    loop {
        if let Some(breach) = sandbox.breach() {
            return breach;
        }
        if began.elapsed() > Duration::from_secs(30) {
            rustix::io::ioctl_fionbio(&output, true).unwrap();
            let mut text = vec![];
            let _ = std::io::Read::read_to_end(&mut &output, &mut text);
            panic!("no limit was passed: {}", String::from_utf8_lossy(&text));
        }
        std::thread::sleep(WATCH_INTERVAL);
    }
}

fn with_memory(home: &Path) -> World {
    let mut world = World::new(home, "base");
    world.limits.memory = 200 * MIB;
    world
}

pub(crate) fn a_step_does_not_survive_the_end_of_a_process_for_want_of_memory(home: &Path) {
    let world = with_memory(home);
    let survivor = "perl -e 'my @a; while (1) { push @a, \"x\" x 10_000_000; select undef, undef, undef, 0.02 }' || true; echo survived; sleep 60";
    let mut sandbox = world.open();
    assert!(matches!(breach(&sandbox, survivor), Breach::Memory { .. }));
    sandbox.kill();
}

pub(crate) fn many_processes_share_the_memory_limit(home: &Path) {
    let world = with_memory(home);
    let many = "for i in 1 2 3 4 5 6 7 8; do perl -e '$a = \"x\" x 20_000_000; $b = \"y\" x 20_000_000; sleep 60' & done; wait";
    assert!(matches!(breach(&world.open(), many), Breach::Memory { .. }));
}

pub(crate) fn files_in_memory_count(home: &Path) {
    let world = with_memory(home);
    let call = if cfg!(target_arch = "x86_64") { 319 } else { 279 };
    let script = format!(
        "perl -e '$n = \"x\"; $f = syscall({call}, $n, 0); open(F, \">&=\", $f) or die; $c = \"x\" x 1_000_000;
         while (1) {{ syswrite(F, $c) or die; select undef, undef, undef, 0.005 }}' || true; sleep 60"
    );
    assert!(matches!(breach(&world.open(), &script), Breach::Memory { .. }));
}

pub(crate) fn temporary_files_stay_within_the_memory_limit(home: &Path) {
    let world = with_memory(home);
    let fill = "for d in /tmp /dev/shm; do head -c 300000000 /dev/zero > $d/x 2>/dev/null || true; done;
        sudo sh -c 'head -c 300000000 /dev/zero > /run/x' 2>/dev/null || true
        sudo du -cb /tmp/x /dev/shm/x /run/x | tail -1 | cut -f1";
    let (_, text) = step(&world.open(), fill);
    let used: u64 = text.trim().parse().unwrap_or_else(|_| panic!("{text}"));
    assert!(used > 0 && used <= 200 * MIB, "{used}");
}

pub(crate) fn a_fork_bomb_stays_inside(home: &Path) {
    let mut world = World::new(home, "base");
    world.limits.processes = 100;
    let mut sandbox = world.open();
    let bomb = "perl -e '$n = 0; for (1..2000) { $p = fork; last unless defined $p; if (!$p) { sleep 60; exit } $n++ } print \"$n\\n\"'";
    let (_, text) = step(&sandbox, bomb);
    let made: u64 = text.trim().parse().unwrap_or_else(|_| panic!("{text}"));
    assert!((10..100).contains(&made), "{made} processes");
    sandbox.kill();
    // Other ids do not give it more.
    let many_ids = "sudo perl -e '$n = 0; for (1..2000) { $p = fork; last unless defined $p;
        if (!$p) { $< = $> = 3000 + $_; sleep 60; exit } $n++ } print \"$n\\n\"'";
    let (_, text) = step(&world.open(), many_ids);
    let made: u64 = text.trim().parse().unwrap_or_else(|_| panic!("{text}"));
    assert!((10..100).contains(&made), "{made} processes of many ids");
    // Outside, processes can still be made.
    assert!(std::process::Command::new("/bin/true").status().unwrap().success());
}

pub(crate) fn processors_are_limited(home: &Path) {
    let mut world = World::new(home, "base");
    world.limits.cpus = 2;
    let _sandbox = world.open();
    let groups = cgroup::groups(world.work.file_name().unwrap().to_str().unwrap());
    let files = groups.iter().flat_map(|group| ["cpu.max", "cpu.cfs_quota_us"].map(|file| group.join(file)));
    match files.into_iter().find_map(|file| std::fs::read_to_string(file).ok()) {
        Some(quota) => assert_eq!(quota.split_whitespace().next(), Some("200000"), "of 100000 microseconds"),
        None => println!("NOT RUN here: limits.cpus: control groups are not this account's to use"),
    }
}

pub(crate) fn many_files_fill_the_disk_limit(home: &Path) {
    let mut world = World::new(home, "base");
    world.limits.disk = 40 * MIB;
    let fill = "i=0; while :; do i=$((i+1)); head -c 1000000 /dev/zero > f$i; sleep 0.01; done";
    assert!(matches!(breach(&world.open(), fill), Breach::Disk { used, .. } if used >= 40 * MIB));
}

pub(crate) fn one_file_cannot_pass_the_disk_limit(home: &Path) {
    let mut world = World::new(home, "base");
    world.limits.disk = 40 * MIB;
    let sandbox = world.open();
    let fill = "sudo sh -c 'head -c 200000000 /dev/zero > /x' 2>/dev/null || true; stat -c %s /x";
    assert_eq!(step(&sandbox, fill).1.lines().last().unwrap(), (40 * MIB).to_string());
    assert!(matches!(breach(&sandbox, "sleep 60"), Breach::Disk { .. }));
}

pub(crate) fn deleted_files_count_while_they_are_open(home: &Path) {
    let mut world = World::new(home, "base");
    world.limits.disk = 100 * MIB;
    let hide = "perl -e '$c = \"x\" x 1_000_000; for $i (1..3) { open($f[$i], \">\", \"f$i\") or die; unlink \"f$i\";
        for (1..90) { syswrite($f[$i], $c) or die \"$!\" } } print \"done\\n\"; sleep 60'; ls -la; sleep 60";
    assert!(matches!(breach(&world.open(), hide), Breach::Disk { .. }));
}

pub(crate) fn an_ordinary_build_passes_no_limit(home: &Path) {
    let world = World::new(home, "base");
    let sandbox = world.open();
    assert_eq!(
        step(
            &sandbox,
            "for i in 1 2 3 4 5 6 7 8 9; do cp -r /usr/share/perl5 p$i 2>/dev/null; done; echo ok"
        )
        .1,
        "ok\n"
    );
    for _ in 0..50 {
        assert_eq!(sandbox.breach(), None);
    }
}
