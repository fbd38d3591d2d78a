//! How attempts end, and why: limits, artifacts, images, set-up.

use crate::bench::Bench;
use crate::farm::{Farm, cause, plan_of};
use crate::leftovers::Leftovers;
use ropewalk_model::limits::BuildLimits;
use ropewalk_model::link::{LogName, Outcome, RunValues};
use ropewalk_model::plan::Plan;
use ropewalk_model::status::Cause;
use std::time::{Duration, Instant};

type Test = fn(&Bench);

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("the_deadline_ends_the_whole_tree", deadline),
    ("opening_the_sandbox_has_a_limit", settle),
    ("a_log_without_end_is_cut_at_its_limit", log_limit),
    ("too_much_memory_is_its_own_cause", memory_limit),
    ("too_much_on_the_disk_is_its_own_cause", disk_limit),
    ("artifacts_must_be_plain_files_within_limits", artifacts),
    ("a_missing_image_is_named_with_what_there_is", missing_image),
    ("packages_that_cannot_be_installed_fail_the_set_up", packages),
    ("with_shell_the_build_stays_until_its_deadline", shell),
];

/// The end of a manifest, with its message.
fn end(bench: &Bench, manifest: &str, limits: BuildLimits) -> (Option<Cause>, String) {
    end_of(bench, &plan_of(manifest, limits))
}

fn end_of(bench: &Bench, plan: &Plan) -> (Option<Cause>, String) {
    let mut farm = Farm::new(bench);
    let id = farm.offer(plan, RunValues::default());
    farm.start_agent();
    let message = match farm.ended(id) {
        Outcome::Success => String::new(),
        Outcome::Failure { cause, message } => {
            let setup = String::from_utf8(farm.server.log(id, LogName::Setup)).unwrap();
            assert!(
                setup.contains(&message),
                "the setup log does not say why ({cause}: {message}):\n{setup}"
            );
            message
        }
    };
    (cause(&farm.server.outcome(id).unwrap()), message)
}

fn deadline(bench: &Bench) {
    let mark = bench.mark();
    let limits = BuildLimits { build_time: 2, ..BuildLimits::default() };
    let manifest = format!("tasks:\n- one: |\n    (trap '' TERM; sleep {mark}) &\n    sudo sleep {mark}\n");
    let (cause, message) = end(bench, &manifest, limits);
    assert_eq!(Leftovers::marked(&mark), 0);
    assert_eq!(cause, Some(Cause::Timeout), "{message}");
    assert!(message.contains("limits.build-time"), "{message}");
}

fn settle(bench: &Bench) {
    let limits = BuildLimits { settle: 0, ..BuildLimits::default() };
    let (cause, message) = end(bench, "tasks:\n- one: echo never\n", limits);
    assert_eq!(cause, Some(Cause::Timeout), "{message}");
    assert!(message.contains("limits.settle"), "{message}");
}

fn log_limit(bench: &Bench) {
    let limits = BuildLimits { log_step: 100_000, ..BuildLimits::default() };
    let mut farm = Farm::new(bench);
    let id = farm.offer(&plan_of("tasks:\n- one: yes\n", limits), RunValues::default());
    farm.start_agent();
    let outcome = farm.ended(id);
    assert_eq!(cause(&outcome), Some(Cause::LogLimit), "{outcome:?}");
    assert_eq!(farm.server.log(id, LogName::Step(0)).len(), 100_000);
    farm.kill_agent();

    let limits = BuildLimits { log_job: 100_000, ..BuildLimits::default() };
    let manifest = "tasks:\n- one: head -c 60000 /dev/zero\n- two: head -c 60000 /dev/zero\n";
    let (cause, message) = end(bench, manifest, limits);
    assert_eq!(cause, Some(Cause::LogLimit), "{message}");
    assert!(message.contains("limits.log-job"), "{message}");
}

fn memory_limit(bench: &Bench) {
    let limits = BuildLimits { memory: 200 << 20, ..BuildLimits::default() };
    let manifest = "tasks:\n- one: |\n    # One process that holds it all, long enough to be seen.\n    \
        head -c 600000000 /dev/zero | tail -c 600000000 | (sleep 3; wc -c)\n    sleep 1\n";
    let (cause, message) = end(bench, manifest, limits);
    assert_eq!(cause, Some(Cause::MemoryLimit), "{message}");
}

fn disk_limit(bench: &Bench) {
    let limits = BuildLimits { disk: 50 << 20, ..BuildLimits::default() };
    let manifest = "tasks:\n- one: |\n    head -c 300000000 /dev/zero >big || true\n    sleep 30\n";
    let (cause, message) = end(bench, manifest, limits);
    assert_eq!(cause, Some(Cause::DiskLimit), "{message}");
}

fn artifacts(bench: &Bench) {
    let limits = || BuildLimits { artifact_size: 1000, artifacts: 2, ..BuildLimits::default() };
    let make = "tasks:\n- one: |\n    echo fine >plain; echo fine >/tmp/other; ln -s plain link; mkfifo fifo; mkdir folder\n    \
        ln -s /etc folder/out; head -c 1001 /dev/zero >large; head -c 1000 /dev/zero >full; ln -s /tmp/other /tmp/link\n";
    let one = |path: &str| end(bench, &format!("artifacts: [\"{path}\"]\n{make}"), limits());
    for path in ["plain", "./plain", "~/plain", "/home/build/plain", "/tmp/other", "full"] {
        let (cause, message) = one(path);
        assert_eq!(cause, None, "{path}: {message}");
    }
    let missing = [
        "none",
        "link",
        "fifo",
        "folder",
        "folder/out/passwd",
        "../../etc/passwd",
        "/dev/zero",
        "/tmp/link",
        "/tmp/none",
    ];
    for path in missing {
        let (cause, message) = one(path);
        assert_eq!(cause, Some(Cause::ArtifactMissing), "{path}: {message}");
        assert!(message.contains(path), "{path}: {message}");
    }
    let (cause, message) = one("large");
    assert_eq!(cause, Some(Cause::ArtifactLimit), "{message}");
    assert!(message.contains("large is larger than 1000 bytes (limits.artifact-size)"), "{message}");
    let (cause, message) = end(bench, &format!("artifacts: [plain, full, /tmp/other]\n{make}"), limits());
    assert_eq!(cause, Some(Cause::ArtifactLimit), "{message}");
    assert!(
        message.contains("/tmp/other") && message.contains("2 are allowed (limits.artifacts)"),
        "{message}"
    );
}

fn missing_image(bench: &Bench) {
    let plan = plan_of("tasks:\n- one: echo ok\n", BuildLimits::default());
    let (cause, message) = end_of(bench, &Plan { image: "no/such".into(), ..plan });
    assert_eq!(cause, Some(Cause::ImageMissing), "{message}");
    assert!(message.contains("builds") && message.contains("image import PATH no/such"), "{message}");
}

fn packages(bench: &Bench) {
    let (cause, message) =
        end(bench, "packages: [no-such-package]\ntasks:\n- one: echo ok\n", BuildLimits::default());
    assert_eq!(cause, Some(Cause::SetupFailed), "{message}");
    assert!(message.contains("no-such-package"), "{message}");
}

fn shell(bench: &Bench) {
    let began = Instant::now();
    let limits = BuildLimits { build_time: 3, ..BuildLimits::default() };
    let (cause, message) = end(bench, "shell: true\n", limits);
    assert_eq!(cause, None, "{message}");
    assert!(began.elapsed() >= Duration::from_secs(3));
}
