//! Builds of derivations by real Nix, as root and as an ordinary account, each with a store of its own.

use crate::bench::{Bench, ran};
use crate::farm::{Farm, cause};
use crate::leftovers::{Leftovers, children, supervisors};
use ropewalk_model::limits::BuildLimits;
use ropewalk_model::link::{AttemptFact, LogName, Outcome, RunValues, Verdict};
use ropewalk_model::nix::{NixTask, REALISED, Realise, Realised};
use ropewalk_model::plan::Plan;
use ropewalk_model::status::Cause;
use ropewalk_model::time::Time;
use ropewalk_runner::nix::derivation::DerivationFile;
use ropewalk_runner::nix::{Settings, Store, Tools, programs};
use rustix::process::{Signal, kill_process};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

type Test = fn(&Bench);

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("hydra_36_every_outcome_of_a_derivation_has_its_cause", outcomes),
    ("hydra_38_all_outputs_are_made_and_one_may_lack_out", several_outputs),
    ("hydra_39_products_release_name_and_metrics_are_reported", products),
    ("hydra_39_many_products_are_told_in_pieces", many_products),
    ("hydra_40_a_folder_is_a_product_and_a_file_is_none", defaults),
    ("hydra_43_log_lines_come_before_the_build_ends", live),
    ("hydra_52_a_cancelled_derivation_leaves_no_process", cancelled),
    ("a_derivation_cannot_change_what_it_depends_on", poisoned),
    ("builders_get_signals_as_anybody_does", signals),
    ("limits_of_memory_and_disk_end_a_derivation", limits),
    ("sixty_derivations_and_two_attempts_at_one_are_built", many),
    ("hydra_52_a_stopped_supervisor_takes_its_derivation_along", stopped),
    ("hydra_69_a_derivation_outlives_agent_and_supervisor", survived),
    ("hydra_69_nothing_outlives_a_supervisor_and_nix_that_were_killed", killed),
];

/// Those that become other accounts, or look at what only root has.
pub(crate) const OF_ROOT: &[(&str, Test)] = &[
    ("hydra_70_derivations_are_built_by_an_account_that_owns_nothing", nobody),
    ("what_nix_starts_at_once_is_within_its_limits", at_once),
    ("derivations_are_built_in_the_machine_s_own_store", system),
];

/// The folder of the store, below the test's.
const FOLDER: &str = "nix";
/// Where the machine's own is.
const SYSTEM: &str = "/nix";

/// Derivations of the tests, by name. `MARK` is a number of seconds that no other process sleeps.
const JOBS: &str = r#"
let
  sh = name: script: extra: derivation ({
    inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ];
  } // extra);
in rec {
  success = sh "success-1.0" "echo hello; echo hello > $out" {};
  broken = sh "broken-1.0" "echo about to fail; exit 3" {};
  depFailure = sh "dep-failure-1.0" "cat ${broken} > $out" {};
  timeout = sh "timeout-1.0" "while :; do sleep 1; echo on; done" {};
  silent = sh "silent-1.0" "sleep 600" {};
  hash = sh "hash-1.0" "echo x > $out" { outputHashMode = "flat"; outputHashAlgo = "sha256";
    outputHash = "0000000000000000000000000000000000000000000000000000"; };
  missing = sh "missing-1.0" "echo nothing" {};
  foreign = derivation { name = "foreign-1.0"; system = "aarch64-darwin"; builder = "/bin/sh"; };
  quantum = sh "quantum-1.0" "echo > $out" { requiredSystemFeatures = [ "quantum" ]; };
  failedFlag = sh "failed-flag-1.0" "mkdir -p $out/nix-support; : > $out/nix-support/failed; echo m 1 > $out/nix-support/hydra-metrics" {};
  bigLog = sh "biglog-1.0" "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; echo ok > $out" {};
  large = sh "large-1.0" "head -c 3000000 /dev/zero > $out" {};
  multi = sh "multi-1.0" "mkdir $out $dev $doc; echo o > $out/o; echo d > $dev/d; echo m > $doc/m" { outputs = [ "out" "dev" "doc" ]; };
  noOut = sh "noout-1.0" "echo only-lib > $lib" { outputs = [ "lib" ]; };
  product = sh "product-1.0" ''
    mkdir -p $out/nix-support $out/iso $out/doc
    head -c 200 /dev/zero > $out/iso/disk.iso
    echo '<h1>manual</h1>' > $out/doc/index.html
    echo "file iso $out/iso/disk.iso" > $out/nix-support/hydra-build-products
    echo "doc manual $out/doc index.html" >> $out/nix-support/hydra-build-products
    echo "file shadow /etc/passwd" >> $out/nix-support/hydra-build-products
    echo product-1.0pre7 > $out/nix-support/hydra-release-name
    printf 'coverage 87.5 %%\nsize 4096 B\ncount 7\n' > $out/nix-support/hydra-metrics
  '' {};
  manyProducts = sh "many-products-1.0" ''
    mkdir -p $out/nix-support; : > "$out/ä b"
    i=0; while [ $i -lt 300 ]; do echo "file type$i \"$out/ä b\""; i=$((i+1)); done > $out/nix-support/hydra-build-products
  '' {};
  folder = sh "folder-1.0" "mkdir $out; echo x > $out/x" {};
  victim = sh "victim-1.0" "mkdir $out; echo good > $out/file" {};
  plain = sh "plain-1.0" "echo good > $out" {};
  poison = sh "poison-1.0" ''
    for f in ${victim}/file ${plain}; do
      chmod -R u+w ${victim} ${plain}; echo evil > $f; rm -f $f; grep good $f || exit 1
    done
    ln ${plain} linked 2>/dev/null; id -u > $out
  '' {};
  hungry = sh "hungry-1.0" "x=x; while :; do x=$x$x; done" {};
  messy = sh "messy-1.0" "head -c 80000000 /dev/zero > /build/x; sleep 60" {};
  many = builtins.listToAttrs (builtins.genList (n: { name = "j${toString n}"; value = sh "many-${toString n}" "echo ${toString n} > $out" {}; }) 60);
  sleeper = sh "sleeper-1.0" "echo first; sleep MARK & sleep MARK" {};
  signals = sh "signals-1.0" "sleep 50 & kill $!; wait $!; test $? = 143 && echo > $out" {};
  waiter = sh "waiter-1.0" "echo first; i=0; while [ $i -lt 30 ]; do sleep 0.1; i=$((i+1)); done; echo last; echo > $out" {};
}
"#;

/// Agent's and test's view of the store in this folder.
pub(crate) fn settings(folder: &Path) -> Settings {
    let is_system = folder == Path::new(SYSTEM);
    let store = if is_system { Store::System } else { Store::Private(folder.into()) };
    Settings { programs: programs().unwrap(), store, local_inputs: vec![] }
}

/// Mode of the test program: `--nix FOLDER PROGRAM ARGUMENTS…`, as whoever owns the store.
pub(crate) fn run(folder: &Path, program: &str, arguments: &[String]) {
    let error = Tools::open(&settings(folder)).unwrap().command(program).args(arguments).exec();
    panic!("{program}: {error}");
}

/// A farm whose agent has Nix, and the tests' derivations in its store.
pub(crate) struct Mill<'a> {
    bench: &'a Bench,
    pub(crate) farm: Farm<'a>,
    mark: String,
    /// Of the store, as the farm sees it.
    folder: PathBuf,
}

impl<'a> Mill<'a> {
    fn new(bench: &'a Bench) -> Mill<'a> {
        Mill::of(bench, JOBS, &[])
    }

    /// One with derivations of its own, and variables for its agent.
    pub(crate) fn of(bench: &'a Bench, jobs: &str, variables: &[(&str, &str)]) -> Mill<'a> {
        bench.folder(FOLDER);
        Mill::with(bench, bench.folder.join(FOLDER), jobs, variables)
    }

    fn with(bench: &'a Bench, folder: PathBuf, jobs: &str, variables: &[(&str, &str)]) -> Mill<'a> {
        let mut farm = Farm::new(bench);
        for (name, value) in variables {
            farm.set(name, value);
        }
        farm.set("TEST_NIX", folder.to_str().unwrap());
        let mark = bench.mark();
        bench.write("jobs.nix", &jobs.replace("MARK", &mark));
        farm.start_agent();
        Mill { bench, farm, mark, folder }
    }

    fn nix(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = self.bench.command(self.bench.this_program());
        command.arg("--nix").arg(&self.folder).arg(program).args(arguments);
        let ran = ran(command.output().unwrap());
        ran.expect(0).log.trim().to_owned()
    }

    fn task(&self, job: &str) -> Realise {
        let printed = self.nix("nix-instantiate", &["jobs.nix", "-A", job]);
        // Followed by `!NAME` where the first output is not `out`.
        let drv_path = printed.split('!').next().unwrap().to_owned();
        let file = DerivationFile::read(&std::fs::read(self.seen(&drv_path)).unwrap()).unwrap();
        Realise { drv_path, outputs: file.outputs, timeout: Some(60), max_silent: 60, max_output: None }
    }

    /// Where the test sees what the farm sees at this path of the store.
    fn seen(&self, path: &str) -> PathBuf {
        match path.strip_prefix(SYSTEM) {
            Some(rest) => self.bench.folder.join(FOLDER).join(rest.trim_start_matches('/')),
            None => path.into(),
        }
    }

    /// Offers the build of a job.
    fn offer(&self, task: Realise) -> i64 {
        self.offer_within(task, BuildLimits::default())
    }

    fn offer_within(&self, task: Realise, limits: BuildLimits) -> i64 {
        self.farm.offer(&Plan::of_nix(NixTask::Realise(task), limits), RunValues::default())
    }

    /// Builds a job to its end.
    pub(crate) fn build(&mut self, job: &str) -> (i64, Outcome) {
        let id = self.offer(self.task(job));
        (id, self.farm.ended(id))
    }

    /// What the build said of its outputs, in the pieces in which it came.
    fn pieces(&self, id: i64) -> Vec<String> {
        let facts = self.farm.server.facts(id).into_iter();
        let of_outputs = facts.filter_map(|fact| match fact {
            AttemptFact::Resolved { key, value } if key == REALISED => Some(value),
            _ => None,
        });
        of_outputs.collect()
    }

    fn realised(&self, id: i64) -> Option<Realised> {
        let text = self.pieces(id).concat();
        (!text.is_empty()).then(|| serde_json::from_str(&text).unwrap())
    }

    pub(crate) fn log(&self, id: i64) -> String {
        String::from_utf8(self.farm.server.log(id, LogName::Step(0))).unwrap()
    }
}

fn outcomes(bench: &Bench) {
    let mut mill = Mill::new(bench);
    let jobs = [
        ("success", None),
        ("broken", Some(Cause::StepFailed)),
        ("depFailure", Some(Cause::DependencyFailed)),
        ("timeout", Some(Cause::Timeout)),
        ("silent", Some(Cause::Silence)),
        ("hash", Some(Cause::HashMismatch)),
        ("missing", Some(Cause::OutputMissing)),
        ("foreign", Some(Cause::UnsupportedSystem)),
        ("quantum", Some(Cause::UnsupportedSystem)),
        ("failedFlag", None),
        ("bigLog", Some(Cause::LogLimit)),
        ("large", Some(Cause::DiskLimit)),
    ];
    let offered = jobs.map(|(job, expected)| {
        let (mut task, mut limits) = (mill.task(job), BuildLimits::default());
        match job {
            "timeout" => task.timeout = Some(3),
            "silent" => task.max_silent = 2,
            "bigLog" => limits.log_step = 20_000,
            "large" => task.max_output = Some(1 << 20),
            _ => {}
        }
        (job, mill.offer_within(task, limits), expected)
    });
    for (job, id, expected) in offered {
        let outcome = mill.farm.ended(id);
        assert_eq!(cause(&outcome), expected, "{job}: {outcome:?}");
        let exit = mill.farm.server.facts(id).into_iter().find_map(|fact| match fact {
            AttemptFact::StepEnded { step: 0, exit } => Some(exit),
            _ => None,
        });
        assert_eq!(exit == Some(0), matches!(job, "success" | "failedFlag" | "large"), "{job}: {exit:?}");
        match job {
            "success" => assert_eq!(mill.log(id), "hello\n"),
            "broken" => assert_eq!((mill.log(id).as_str(), exit), ("about to fail\n", Some(3))),
            "failedFlag" => {
                let realised = mill.realised(id).unwrap();
                assert!(realised.is_failed && realised.metrics.contains_key("m"));
            }
            "bigLog" => assert!((15_000..=20_000).contains(&mill.log(id).len()), "{}", mill.log(id).len()),
            "large" => {
                assert!(!Path::new(&mill.task("large").outputs["out"]).exists(), "it is taken out again")
            }
            _ => assert_eq!(mill.realised(id), None, "{job}"),
        }
    }
}

fn several_outputs(bench: &Bench) {
    let mut mill = Mill::new(bench);
    for (job, names) in [("multi", &["dev", "doc", "out"][..]), ("noOut", &["lib"])] {
        let (id, outcome) = mill.build(job);
        assert_eq!(outcome, Outcome::Success, "{job}");
        let outputs = mill.task(job).outputs;
        assert!(outputs.keys().eq(names) && outputs.values().all(|path| Path::new(path).exists()));
        let realised = mill.realised(id).unwrap();
        assert!(realised.size > 0 && realised.closure_size == realised.size, "{realised:?}");
        assert!(realised.is_built, "{job}");
        let (again, outcome) = mill.build(job);
        assert_eq!((outcome, mill.realised(again).unwrap().is_built), (Outcome::Success, false), "{job}");
    }
}

fn products(bench: &Bench) {
    let mut mill = Mill::new(bench);
    let (id, outcome) = mill.build("product");
    assert_eq!(outcome, Outcome::Success);
    let out = mill.task("product").outputs["out"].clone();
    let realised = mill.realised(id).unwrap();
    let [iso, doc] = &realised.products[..] else { panic!("{:?}", realised.products) };
    assert_eq!((iso.kind.as_str(), iso.subtype.as_str(), iso.name.as_str()), ("file", "iso", "disk.iso"));
    // head -c 200 /dev/zero | sha256sum
    let sum = "6d9c54dee5660c46886f32d80e57e9dd0ffa57ee0cd2a762b036d9c8e0c3a33a";
    assert_eq!((iso.size, iso.sha256.as_deref()), (Some(200), Some(sum)));
    assert_eq!(iso.path, format!("{out}/iso/disk.iso"));
    assert_eq!((doc.kind.as_str(), doc.name.as_str(), doc.size), ("doc", "doc", None));
    assert_eq!(doc.default_path.as_deref(), Some("index.html"));
    assert_eq!(realised.release_name.as_deref(), Some("product-1.0pre7"));
    let metrics: Vec<_> =
        realised.metrics.iter().map(|(name, m)| (name.as_str(), m.value, m.unit.as_deref())).collect();
    assert_eq!(metrics, [("count", 7.0, None), ("coverage", 87.5, Some("%")), ("size", 4096.0, Some("B"))]);
}

/// The queue keeps 8,192 characters of a fact.
fn many_products(bench: &Bench) {
    let mut mill = Mill::new(bench);
    let (id, outcome) = mill.build("manyProducts");
    assert_eq!(outcome, Outcome::Success);
    let pieces = mill.pieces(id);
    assert!(pieces.len() > 1 && pieces.iter().all(|piece| piece.chars().count() <= 8192), "{}", pieces.len());
    let products = mill.realised(id).unwrap().products;
    let subtypes = (0..300).map(|n| format!("type{n}"));
    assert!(products.iter().map(|product| &product.subtype).eq(subtypes.collect::<Vec<_>>().iter()));
    assert!(products.iter().all(|product| product.name == "ä b"));
}

fn defaults(bench: &Bench) {
    let mut mill = Mill::new(bench);
    let (folder, _) = mill.build("folder");
    let products = mill.realised(folder).unwrap().products;
    let [product] = &products[..] else { panic!("{products:?}") };
    assert_eq!((product.kind.as_str(), product.name.as_str()), ("nix-build", "folder-1.0"));
    assert_eq!((product.subtype.as_str(), &product.path), ("", &mill.task("folder").outputs["out"]));
    let (file, _) = mill.build("success");
    assert_eq!(mill.realised(file).unwrap().products, []);
}

fn live(bench: &Bench) {
    let mut mill = Mill::new(bench);
    let id = mill.offer(mill.task("waiter"));
    mill.farm.wait("the first line", |farm| farm.server.log(id, LogName::Step(0)) == b"first\n");
    assert_eq!(mill.farm.server.outcome(id), None);
    assert_eq!(mill.farm.ended(id), Outcome::Success);
    assert_eq!(mill.log(id), "first\nlast\n");
}

fn cancelled(bench: &Bench) {
    let mut mill = Mill::new(bench);
    let id = mill.offer(mill.task("sleeper"));
    let mark = mill.mark.clone();
    mill.farm.wait("the build's processes", |_| Leftovers::marked(&mark) == 2);
    let asked = Instant::now();
    mill.farm.server.decide(id, &Verdict::Cancel { cause: Cause::Cancelled, until: Time(i64::MAX) });
    mill.farm.wait("the end of the build's processes", |_| Leftovers::marked(&mark) == 0);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert_eq!(cause(&mill.farm.ended(id)), Some(Cause::Cancelled));
}

fn stopped(bench: &Bench) {
    let mut mill = Mill::new(bench);
    mill.farm.kill_agent();
    mill.farm.set("TEST_GRACE", "1");
    mill.farm.start_agent();
    let id = mill.offer(mill.task("sleeper"));
    let mark = mill.mark.clone();
    mill.farm.wait("the build's processes", |_| Leftovers::marked(&mark) == 2);
    for pid in supervisors(&bench.folder, id) {
        kill_process(pid, Signal::STOP).unwrap();
    }
    mill.farm.server.decide(id, &Verdict::Cancel { cause: Cause::Cancelled, until: Time(i64::MAX) });
    assert_eq!(cause(&mill.farm.ended(id)), Some(Cause::Cancelled));
    Leftovers::assert_none(&mark, id);
}

fn survived(bench: &Bench) {
    let mut mill = Mill::new(bench);
    mill.farm.set("TEST_RETRY", "1");
    mill.farm.kill_agent();
    mill.farm.start_agent();
    let id = mill.offer(mill.task("waiter"));
    let is_begun = |farm: &mut Farm<'_>| farm.server.log(id, LogName::Step(0)) == b"first\n";
    mill.farm.wait("the first line", is_begun);
    mill.farm.kill_agent();
    mill.farm.start_agent();
    assert_eq!(mill.farm.ended(id), Outcome::Success);
    assert_eq!(mill.log(id), "first\nlast\n");
    // And with the supervisor gone its builder goes too, and the work is tried again.
    let id = mill.offer(mill.task("sleeper"));
    let mark = mill.mark.clone();
    mill.farm.wait("the build's processes", |_| Leftovers::marked(&mark) == 2);
    for pid in supervisors(&bench.folder, id) {
        kill_process(pid, Signal::KILL).unwrap();
    }
    mill.farm.wait("the loss", |farm| farm.server.outcome(id).is_some());
    assert_eq!(cause(&mill.farm.ended(id)), Some(Cause::RunnerLost));
    mill.farm.wait("the next attempt", |_| {
        Leftovers::marked(&mark) == 2 && !supervisors(&bench.folder, id + 1).is_empty()
    });
    mill.farm.server.decide(id + 1, &Verdict::Cancel { cause: Cause::Cancelled, until: Time(i64::MAX) });
    assert_eq!(cause(&mill.farm.ended(id + 1)), Some(Cause::Cancelled));
    assert_eq!(Leftovers::marked(&mark), 0);
}

/// Kills the supervisor and Nix before either can do anything about it.
fn kill_both(bench: &Bench, id: i64) {
    for supervisor in supervisors(&bench.folder, id) {
        let programs = children(supervisor);
        assert!(!programs.is_empty(), "Nix does not run");
        for program in &programs {
            kill_process(program.pid, Signal::STOP).unwrap();
        }
        kill_process(supervisor, Signal::KILL).unwrap();
        for program in &programs {
            kill_process(program.pid, Signal::KILL).unwrap();
        }
    }
}

fn killed(bench: &Bench) {
    let mut mill = Mill::new(bench);
    let id = mill.offer(mill.task("sleeper"));
    let mark = mill.mark.clone();
    mill.farm.wait("the build's processes", |_| Leftovers::marked(&mark) == 2);
    kill_both(bench, id);
    assert_eq!(cause(&mill.farm.ended(id)), Some(Cause::RunnerLost));
    Leftovers::assert_none(&mark, id);
}

fn poisoned(bench: &Bench) {
    let mut mill = Mill::new(bench);
    for job in ["victim", "plain"] {
        assert_eq!(mill.build(job).1, Outcome::Success);
    }
    let (id, outcome) = mill.build("poison");
    assert_eq!(outcome, Outcome::Success, "{}", mill.log(id));
    let paths = [mill.task("victim"), mill.task("plain")].map(|task| task.outputs["out"].clone());
    mill.nix("nix-store", &["--verify-path", &paths[0], &paths[1]]);
    assert_eq!(std::fs::read_to_string(mill.task("poison").outputs["out"].clone()).unwrap(), "1000\n");
}

fn signals(bench: &Bench) {
    let mut mill = Mill::new(bench);
    assert_eq!(mill.build("signals").1, Outcome::Success);
}

fn limits(bench: &Bench) {
    let mut mill = Mill::new(bench);
    let limits = BuildLimits { memory: 200 << 20, disk: 40 << 20, ..BuildLimits::default() };
    let jobs = [("hungry", Cause::MemoryLimit), ("messy", Cause::DiskLimit)];
    for (job, expected) in jobs {
        let id = mill.offer_within(mill.task(job), limits.clone());
        let outcome = mill.farm.ended(id);
        assert_eq!(cause(&outcome), Some(expected), "{job}: {outcome:?}");
        Leftovers::assert_none("none", id);
    }
}

fn many(bench: &Bench) {
    let mut mill = Mill::new(bench);
    let printed = mill.nix("nix-instantiate", &["jobs.nix", "-A", "many"]);
    let drvs: Vec<&str> = printed.lines().collect();
    assert_eq!(drvs.len(), 60);
    let task = |drv: &str| {
        let file = DerivationFile::read(&std::fs::read(drv).unwrap()).unwrap();
        Realise {
            drv_path: drv.into(),
            outputs: file.outputs,
            timeout: Some(60),
            max_silent: 60,
            max_output: None,
        }
    };
    let mut ids: Vec<i64> = drvs.iter().map(|drv| mill.offer(task(drv))).collect();
    let twice = mill.task("waiter");
    ids.extend([mill.offer(twice.clone()), mill.offer(twice)]);
    for id in ids {
        assert_eq!(mill.farm.ended(id), Outcome::Success);
    }
}

/// The machine's own store is another folder here, where only this test sees it: in a mount namespace of its own. Nix
/// runs builders as its own accounts there.
fn system(bench: &Bench) {
    let accounts = std::fs::read_to_string("/etc/group").unwrap();
    if !Path::new(SYSTEM).is_dir()
        || !Path::new("/etc/nix").is_dir()
        || !accounts.lines().any(|line| line.starts_with("nixbld:"))
    {
        return println!(
            "NOT RUN here: nix.store = \"system\": this machine has no /nix, /etc/nix or group nixbld"
        );
    }
    println!(
        "NOT RUN here: nix.store = \"system\" as an ordinary account: it needs a nix-daemon, which isolates by its own \
         configuration only"
    );
    let home = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(home.path(), open).unwrap();
    let mut bench = bench.of(0, home.path());
    bench.folder("nix/store");
    bench.folder("nix/var");
    let store = bench.folder.join(FOLDER).display().to_string();
    // As an administrator has to do, too, where the distribution's configuration shows builds no shell.
    let etc = bench.write("etc/nix.conf", "substitute = false\nsandbox-paths = /bin/sh=/usr/bin/busybox\n");
    let script = r#"mount --bind "$0" /nix; mount --bind "$1" /etc/nix; shift; exec "$@""#;
    let etc = etc.parent().unwrap().display().to_string();
    bench.start_by(&["unshare", "--mount", "sh", "-ec", script, &store, &etc]);
    let mut mill = Mill::with(&bench, SYSTEM.into(), JOBS, &[]);
    // With what the shell can do alone: the machine's own configuration gives builds no other programs.
    for (job, expected) in [
        ("plain", None),
        ("broken", Some(Cause::StepFailed)),
        ("depFailure", Some(Cause::DependencyFailed)),
        ("missing", Some(Cause::OutputMissing)),
    ] {
        let (id, outcome) = mill.build(job);
        assert_eq!(cause(&outcome), expected, "{job}: {outcome:?}");
        assert_eq!(mill.realised(id).is_some(), expected.is_none(), "{job}");
    }
    let task = mill.task("plain");
    assert!(task.drv_path.starts_with("/nix/store/"), "{}", task.drv_path);
    for path in task.outputs.values() {
        assert!(mill.seen(path).exists() && !Path::new(path).exists(), "{path}");
        let name = path.rsplit('/').next().unwrap();
        assert!(mill.seen("/nix/var/nix/gcroots/ropewalk").join(name).exists(), "{path} is not kept");
    }
    mill.nix("nix-store", &["--gc"]);
    assert!(task.outputs.values().all(|path| mill.seen(path).exists()), "it was collected");
}

/// Whatever Nix starts before anybody has looked at it has the limits of the build.
fn at_once(bench: &Bench) {
    let mut mill = Mill::new(bench);
    mill.farm.kill_agent();
    let real = programs().unwrap();
    let (seen, script) = (bench.folder.join("groups"), bench.write("programs/nix-store", ""));
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in *--realise*) cat /proc/self/cgroup >{} ;; esac\nexec {} \"$@\"\n",
        seen.display(),
        real.join("nix-store").display(),
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for name in ["nix", "nix-instantiate"] {
        std::os::unix::fs::symlink(real.join(name), script.with_file_name(name)).unwrap();
    }
    let path = format!("{}:{}", script.parent().unwrap().display(), std::env::var("PATH").unwrap());
    mill.farm.set("PATH", &path);
    mill.farm.start_agent();
    let (id, outcome) = mill.build("success");
    assert_eq!(outcome, Outcome::Success);
    let seen = std::fs::read_to_string(seen).unwrap();
    let group = format!("/ropewalk-{id}-");
    let within = seen.lines().filter(|line| line.contains(&group)).count();
    match crate::leftovers::can_make_groups() {
        true => assert!(within > 0, "{seen}"),
        false => {
            println!("NOT RUN here: limits of what Nix starts at once: control groups are not ours to use")
        }
    }
}

/// The account `nobody`: no home, no id range, no line of its own anywhere.
fn nobody(bench: &Bench) {
    let home = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(home.path(), open).unwrap();
    let bench = bench.of(65534, home.path());
    let mut mill = Mill::new(&bench);
    for (job, expected) in [("multi", None), ("broken", Some(Cause::StepFailed)), ("failedFlag", None)] {
        let (id, outcome) = mill.build(job);
        assert_eq!(cause(&outcome), expected, "{job}: {outcome:?}");
        assert_eq!(mill.realised(id).is_some(), job != "broken");
    }
    let owner =
        std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&mill.task("multi").outputs["out"]).unwrap());
    assert_eq!(owner, 65534);
    // A killed supervisor leaves a folder in the spool, which goes without an id range too.
    let id = mill.offer(mill.task("sleeper"));
    let mark = mill.mark.clone();
    mill.farm.wait("the build's processes", |_| Leftovers::marked(&mark) == 2);
    for pid in supervisors(&bench.folder, id) {
        kill_process(pid, Signal::KILL).unwrap();
    }
    assert_eq!(cause(&mill.farm.ended(id)), Some(Cause::RunnerLost));
    assert_eq!(Leftovers::marked(&mark), 0);
    // Without a range there is no account by which builders are known.
    let id = mill.offer(mill.task("sleeper"));
    mill.farm.wait("the build's processes", |_| Leftovers::marked(&mark) == 2);
    kill_both(&bench, id);
    assert_eq!(cause(&mill.farm.ended(id)), Some(Cause::RunnerLost));
    assert_eq!(Leftovers::marked(&mark), 0);
}
