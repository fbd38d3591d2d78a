//! What an agent finds: other versions, another boot, a full disk.

use crate::bench::Bench;
use crate::farm::{Farm, cause, plan_of};
use crate::leftovers::{Leftovers, supervisors};
#[cfg(feature = "faults")]
use ropewalk_model::fault::VERSION;
use ropewalk_model::limits::BuildLimits;
use ropewalk_model::link::{AttemptFact, LINK_VERSION, LogName, Outcome, RunValues};
use ropewalk_model::status::Cause;
use rustix::process::{Signal, kill_process};
use std::process::Command;
use std::time::Duration;

type Test = fn(&Bench);

pub(crate) const TESTS: &[(&str, Test)] = &[
    #[cfg(feature = "faults")]
    ("programs_of_two_versions_share_spools_or_leave_them_alone", versions),
    ("lines_that_came_without_an_agent_have_their_times", times),
    ("a_spool_of_the_version_before_is_carried_on_without_times", version_before),
    ("after_a_reboot_an_attempt_is_lost_and_removed", reboot),
    ("a_supervisor_whose_spool_was_removed_ends", removed),
    ("a_full_disk_ends_the_build_and_not_the_agent", full_disk),
];

pub(crate) const COUNT: &str =
    "tasks:\n- count: |\n    set +x\n    for i in $(seq 1 100); do echo \"line $i\"; sleep 0.01; done\n";

fn expected() -> Vec<u8> {
    format!("+ set +x\n{}", (1..=100).map(|n| format!("line {n}\n")).collect::<String>()).into_bytes()
}

/// Starts a build, kills its agent in the middle, and changes the head of its spool.
pub(crate) fn orphan<'a>(bench: &'a Bench, manifest: &str) -> (Farm<'a>, i64) {
    let mut farm = Farm::new(bench);
    let id = farm.offer(&plan_of(manifest, BuildLimits::default()), RunValues::default());
    farm.start_agent();
    farm.wait("the step", |farm| farm.server.facts(id).contains(&AttemptFact::StepStarted { step: 0 }));
    farm.kill_agent();
    (farm, id)
}

fn change_head(bench: &Bench, id: i64, key: &str, value: serde_json::Value) {
    let path = bench.folder.join(format!("spools/{id}-{id}/spool.json"));
    let mut head: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    head[key] = value;
    std::fs::write(path, head.to_string()).unwrap();
}

/// A program with another version of the spool, from the next start on.
#[cfg(feature = "faults")]
fn become_version(farm: &mut Farm<'_>, version: u32) {
    farm.kill_agent();
    farm.unset(VERSION);
    farm.set(VERSION, &version.to_string());
}

/// Builds that programs of two versions start are carried on by the other one, or left alone.
#[cfg(feature = "faults")]
fn versions(bench: &Bench) {
    let mut farm = Farm::new(bench);
    let plan = plan_of(COUNT, BuildLimits::default());
    let running = |farm: &mut Farm<'_>| {
        farm.kill_agent();
        let id = farm.offer(&plan, RunValues::default());
        farm.start_agent();
        farm.wait("the step", |farm| farm.server.facts(id).contains(&AttemptFact::StepStarted { step: 0 }));
        id
    };
    let whole = |farm: &mut Farm<'_>, id: i64| {
        assert_eq!(farm.ended(id), Outcome::Success);
        assert!(farm.server.log(id, LogName::Step(0)) == expected());
    };
    // A later program adopts.
    let id = running(&mut farm);
    become_version(&mut farm, LINK_VERSION + 1);
    farm.start_agent();
    whole(&mut farm, id);
    // An earlier one leaves alone, and says so, until the later one is back.
    let id = running(&mut farm);
    become_version(&mut farm, LINK_VERSION);
    farm.start_agent();
    let says = format!("has version {}, this program reads up to {LINK_VERSION}", LINK_VERSION + 1);
    farm.wait("a clear error", |farm| farm.agent_log().contains(&says));
    assert!(farm.has_spool(id));
    become_version(&mut farm, LINK_VERSION + 1);
    farm.start_agent();
    whole(&mut farm, id);
    // So does one that is two versions later.
    let id = running(&mut farm);
    become_version(&mut farm, LINK_VERSION + 3);
    farm.start_agent();
    let says = format!("has version {}, this program reads from {}", LINK_VERSION + 1, LINK_VERSION + 2);
    farm.wait("a clear error", |farm| farm.agent_log().contains(&says));
    become_version(&mut farm, LINK_VERSION + 2);
    farm.start_agent();
    whole(&mut farm, id);
}

fn times(bench: &Bench) {
    let manifest = "tasks:\n- one: |\n    set +x\n    echo before\n    sleep 2\n    echo behind\n";
    let (mut farm, id) = orphan(bench, manifest);
    let log = bench.folder.join(format!("spools/{id}-{id}/logs/step-0.log"));
    farm.wait("the last line", |_| std::fs::read_to_string(&log).is_ok_and(|log| log.ends_with("behind\n")));
    farm.start_agent();
    assert_eq!(farm.ended(id), Outcome::Success);
    let text = String::from_utf8(farm.server.log(id, LogName::Step(0))).unwrap();
    let notes = farm.server.times(id, LogName::Step(0));
    let at = |line: &str| {
        let offset = text.find(line).unwrap() as u64;
        notes.iter().rfind(|note| note.offset <= offset).unwrap().at
    };
    let apart = at("behind").since(at("before"));
    assert!(apart > Duration::from_millis(1800) && apart < Duration::from_secs(60), "{apart:?}: {notes:?}");
    assert!(!farm.server.times(id, LogName::Setup).is_empty());
}

/// Its supervisor wrote none, and goes on writing none.
fn version_before(bench: &Bench) {
    let (mut farm, id) = orphan(bench, COUNT);
    let logs = bench.folder.join(format!("spools/{id}-{id}/logs"));
    farm.wait("the first line", |_| logs.join("step-0.log").exists());
    for name in ["setup.times", "step-0.times"] {
        std::fs::remove_file(logs.join(name)).unwrap();
    }
    change_head(bench, id, "version", (LINK_VERSION - 1).into());
    farm.start_agent();
    assert_eq!(farm.ended(id), Outcome::Success);
    assert!(farm.server.log(id, LogName::Step(0)) == expected());
}

fn reboot(bench: &Bench) {
    let mark = bench.mark();
    let (mut farm, id) = orphan(bench, &format!("tasks:\n- one: |\n    echo before\n    sleep {mark}\n"));
    let log = bench.folder.join(format!("spools/{id}-{id}/logs/step-0.log"));
    farm.wait("its output", |_| std::fs::read_to_string(&log).is_ok_and(|log| log.contains("\nbefore\n")));
    for pid in supervisors(&bench.folder, id) {
        kill_process(pid, Signal::KILL).unwrap();
    }
    farm.wait("the end of its processes", |_| Leftovers::marked(&mark) == 0);
    change_head(bench, id, "boot", "00000000-0000-0000-0000-000000000000".into());
    // What a power failure may leave of the last line.
    let events = bench.folder.join(format!("spools/{id}-{id}/events.jsonl"));
    std::io::Write::write_all(
        &mut std::fs::File::options().append(true).open(events).unwrap(),
        b"{\"number\":9",
    )
    .unwrap();
    farm.start_agent();
    let outcome = farm.ended(id);
    assert_eq!(cause(&outcome), Some(Cause::RunnerLost));
    assert!(format!("{outcome:?}").contains("started anew"), "{outcome:?}");
    assert!(farm.server.log(id, LogName::Step(0)).starts_with(b"+ echo before\nbefore\n"));
    Leftovers::assert_none(&mark, id);
}

fn removed(bench: &Bench) {
    let mark = bench.mark();
    let (mut farm, id) = orphan(bench, &format!("tasks:\n- one: sleep {mark}\n"));
    farm.wait("the sleeper", |_| Leftovers::marked(&mark) == 1);
    std::fs::remove_file(bench.folder.join(format!("spools/{id}-{id}/control"))).unwrap();
    farm.wait("the end of the build", |_| Leftovers::marked(&mark) == 0);
    farm.wait("the end of its supervisor", |farm| {
        supervisors(&bench.folder, id).is_empty() && farm.has_spool(id)
    });
    Leftovers::assert_none(&mark, id);
}

fn full_disk(bench: &Bench) {
    let mut farm = Farm::new(bench);
    let Some(disk) = SmallDisk::mount(bench) else { return };
    farm.start_agent();
    let manifest = "tasks:\n- count: |\n    set +x\n    for i in $(seq 1 100000); do echo \"line $i\"; sleep 0.002; done\n";
    let id = farm.offer(&plan_of(manifest, BuildLimits::default()), RunValues::default());
    farm.wait("the step", |farm| farm.server.log(id, LogName::Step(0)).len() > 1000);
    disk.fill();
    let outcome = farm.ended(id);
    let cause_of = cause(&outcome).unwrap();
    assert!(matches!(cause_of, Cause::Infrastructure | Cause::DiskLimit), "{outcome:?}");
    assert!(format!("{outcome:?}").contains("full"), "{outcome:?}");
    // Nothing is torn: whole lines, in order, up to where the disk was full.
    let log = String::from_utf8(farm.server.log(id, LogName::Step(0))).unwrap();
    let whole: String = (1..=log.lines().count() + 1).map(|n| format!("line {n}\n")).collect();
    assert!(format!("+ set +x\n{whole}").starts_with(&log), "{log}");
    // A work that waits is taken once there is room.
    let refusals = |farm: &Farm<'_>| {
        let says = ["no works are taken: the disk is nearly full", "a build waits for room on the disk"];
        says.map(|says| farm.agent_log().matches(says).count()).iter().sum::<usize>()
    };
    let before = refusals(&farm);
    let next = farm.offer(&plan_of(COUNT, BuildLimits::default()), RunValues::default());
    farm.wait("a refusal", |farm| refusals(farm) > before);
    assert!(farm.server.facts(next).is_empty());
    disk.empty();
    assert_eq!(farm.ended(next), Outcome::Success);
    farm.kill_agent();
}

/// A tmpfs under the spools.
struct SmallDisk<'a>(&'a Bench);

impl SmallDisk<'_> {
    fn mount(bench: &Bench) -> Option<SmallDisk<'_>> {
        if !rustix::process::getuid().is_root() {
            println!(
                "NOT RUN here: a full disk under the spools: the tests run as an ordinary account, which may not mount"
            );
            return None;
        }
        let folder = bench.folder.join("spools");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=200m,mode=0700", "none"])
            .arg(&folder)
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            println!("NOT RUN here: a full disk under the spools: mounting a tmpfs is refused");
            return None;
        }
        bench.folder("spools");
        Some(SmallDisk(bench))
    }

    fn filler(&self) -> std::path::PathBuf {
        self.0.folder.join("spools/filler")
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.filler()).unwrap();
        let piece = vec![1; 1 << 20];
        while std::io::Write::write_all(&mut file, &piece).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.folder.join("spools")).status();
    }
}
