//! What evaluations find, and what they survive.

use crate::world::{World, ended, error, evaluation, names, until};
use ropewalk_model::nix::{EvaluationLimits, Found};
use ropewalk_model::status::Cause;
use std::path::Path;

const RELEASE: &str = include_str!("fixture/release.nix");
const HARD: &str = include_str!("hard/release.nix");
const BAD: &str = include_str!("hard/bad.nix");
/// A function that makes derivations.
pub(crate) const SH: &str = r#"
    sh = name: script: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ]; };
"#;

/// Evaluates this text.
pub(crate) fn evaluate(world: &World, text: &str) -> Found {
    let folder = world.folder("given", &[("release.nix", text)]);
    world.found(&evaluation(&folder)).1
}

pub(crate) fn hydra_32_every_job_and_every_error_of_the_fixture_is_found(home: &Path) {
    let world = World::new(home);
    let folder = world.folder("fixture", &[("release.nix", RELEASE)]);
    let (result, found) = world.found(&evaluation(&folder));
    let expected = [
        "\"dotted.name\"",
        "aggregate",
        "bigLog",
        "chain1",
        "chain2",
        "channel",
        "depFailure",
        "failedFlag",
        "failure",
        "fnJob",
        "licenses",
        "multi",
        "nested.tests.one",
        "nested.tests.two",
        "noOut",
        "product",
        "silent",
        "success",
        "timeout",
        "wrongSystem",
    ];
    assert_eq!(names(&found), expected);
    let errors: Vec<&str> = found.errors.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(errors, ["abortError", "assertError", "evalError", "missingAttr", "typeError"]);
    assert!(error(&found, "evalError").contains("this attribute cannot be evaluated"));
    assert!(error(&found, "abortError").contains("hard stop"));
    assert!(error(&found, "missingAttr").contains("doesNotExist"));
    let by_name = |name: &str| found.jobs.iter().find(|job| job.name == name).unwrap();
    let success = by_name("success");
    assert_eq!((success.nix_name.as_str(), success.system.as_str()), ("success-1.0", "x86_64-linux"));
    assert_eq!(success.description.as_deref(), Some("a job that works"));
    assert_eq!(success.homepage.as_deref(), Some("https://example.org/"));
    assert_eq!(success.license.as_deref(), Some("MIT"));
    assert_eq!(success.maintainers.as_deref(), Some("a@example.org, b@example.org"));
    assert_eq!((success.priority, success.timeout, success.max_silent), (Some(250), Some(600), Some(300)));
    let licenses = by_name("licenses");
    assert_eq!(licenses.license.as_deref(), Some("GPL, BSD"));
    assert_eq!((licenses.homepage.as_deref(), licenses.priority), (None, None));
    assert_eq!(by_name("multi").outputs.keys().collect::<Vec<_>>(), ["dev", "doc", "out"]);
    assert_eq!(by_name("noOut").outputs.keys().collect::<Vec<_>>(), ["lib"]);
    assert!(by_name("channel").is_channel && !success.is_channel);
    assert_eq!(by_name("wrongSystem").system, "aarch64-darwin");
    assert_eq!(result.inputs["src"].kind, "path");
}

pub(crate) fn hydra_33_unchanged_inputs_are_not_evaluated(home: &Path) {
    let world = World::new(home);
    let folder = world.folder("fixture", &[("release.nix", RELEASE)]);
    let mut evaluation = evaluation(&folder);
    let (first, _) = world.found(&evaluation);
    evaluation.unless = Some(first.hash.clone());
    let second = world.evaluate(&evaluation).result.unwrap();
    assert_eq!((second.hash.as_str(), second.found.is_none()), (first.hash.as_str(), true));
    assert_eq!(second.inputs, first.inputs);
    std::fs::write(folder.join("release.nix"), format!("{RELEASE}# changed\n")).unwrap();
    let (third, _) = world.found(&evaluation);
    assert_ne!(third.hash, first.hash);
}

pub(crate) fn hydra_71_hard_errors_leave_good_jobs_alone(home: &Path) {
    let world = World::new(home);
    let folder = world.folder("hard", &[("release.nix", HARD), ("bad.nix", BAD)]);
    let (_, found) = world.found(&evaluation(&folder));
    assert_eq!(names(&found), ["aFirst", "environment", "liar", "quo\"ted${name}\n", "zLast"]);
    let errors: Vec<&str> = found.errors.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(errors, ["deep", "fetched", "forged", "imported", "infinite", "outside", "syntax"]);
    for (name, text) in [
        ("infinite", "infinite recursion"),
        ("deep", "stack overflow"),
        ("syntax", "syntax error"),
        ("outside", "/etc/passwd"),
        ("imported", "allow-import-from-derivation"),
        ("fetched", "restricted mode"),
        ("forged", "no derivation of the store"),
    ] {
        assert!(error(&found, name).contains(text), "{name}: {}", error(&found, name));
    }
}

/// A line editor takes control characters for commands: one throws away what was told before it, and what follows would
/// be a line of its own.
pub(crate) fn no_name_is_taken_for_a_command(home: &Path) {
    let world = World::new(home);
    let text = format!(
        r#"let {SH}
          named = json: {{ name = builtins.fromJSON json; value = sh "named" ""; }};
          controls = map (n: "\"\\u00${{n}}x\"") (builtins.concatMap (high: map (low: high + low) (digits "0123456789abcdef")) (digits "0189"));
          digits = text: builtins.filter builtins.isString (builtins.split "" text);
          usable = builtins.filter (json: json != "\"\\u0000x\"" ) (builtins.filter (json: builtins.stringLength json == 9) controls);
        in {{ x = abort "the slow way, please"; last = sh "last" ""; }}
          // builtins.listToAttrs (map named (usable ++ [ ''"\u007f"'' ''"\u0015:t 1 #"'' ''"\u0015v0 = {{ }} #"'' ''"ö🦀"'' ]))"#
    );
    let found = evaluate(&world, &text);
    assert_eq!(
        error(&found, "x").lines().next(),
        Some("error: evaluation aborted with the following error message: 'the slow way, please'")
    );
    assert_eq!(found.errors.len(), 1, "{:?}", found.errors);
    let found: std::collections::BTreeSet<&str> = names(&found).into_iter().collect();
    let controls = (1..0x20).chain(0x80..0xa0).filter_map(char::from_u32).map(|c| format!("{c}x"));
    let odd = ["\u{7f}", "\u{15}:t 1 #", "\u{15}v0 = { } #", "ö🦀", "last"].map(String::from);
    for name in controls.chain(odd) {
        assert!(found.contains(name.as_str()), "{name:?} is not among {found:?}");
    }
}

pub(crate) fn hydra_72_a_thousand_jobs_are_found(home: &Path) {
    let world = World::new(home);
    let found = evaluate(&world, &crate::measure::jobs(1000));
    assert_eq!((found.jobs.len(), found.errors.len(), found.derivations.len()), (1000, 0, 1000));
}

pub(crate) fn an_expression_that_is_none_says_why(home: &Path) {
    let world = World::new(home);
    for (text, wanted) in [
        ("{ a = ; }", "syntax error"),
        ("{ missing }: { }", "'missing'"),
        ("throw \"nothing here\"", "nothing here"),
    ] {
        let folder = world.folder("bad", &[("release.nix", text)]);
        let ended = world.evaluate(&evaluation(&folder));
        let message = ended.failure(Cause::StepFailed);
        assert!(message.contains(wanted), "{message}");
    }
    let folder = world.folder("bad", &[]);
    let mut missing = evaluation(&folder);
    missing.expression_path = "nowhere.nix".into();
    assert!(world.evaluate(&missing).failure(Cause::StepFailed).contains("nowhere.nix"));
    missing.expression_path = "../nowhere.nix".into();
    assert!(world.evaluate(&missing).failure(Cause::SetupFailed).contains("without `..`"));
}

pub(crate) fn an_attribute_without_end_is_given_up(home: &Path) {
    let world = World::new(home);
    let text = format!(
        "let {SH} in {{ a = sh \"a\" \"\"; \
         b = builtins.foldl' (a: b: builtins.foldl' (c: d: builtins.hashString \"sha512\" c) a (builtins.genList (x: x) 1000000)) \
         \"\" (builtins.genList (x: x) 1000000); c = sh \"c\" \"\"; }}"
    );
    let folder = world.folder("slow", &[("release.nix", &text)]);
    let mut slow = evaluation(&folder);
    slow.limits = EvaluationLimits { attribute_time: 4, ..EvaluationLimits::default() };
    let (_, found) = world.found(&slow);
    assert_eq!(names(&found), ["a", "c"]);
    assert!(error(&found, "b").contains("longer than 4 s"), "{}", error(&found, "b"));
    // All of it together has an end as well.
    slow.limits.time = 1;
    assert!(world.evaluate(&slow).failure(Cause::Timeout).contains("longer than 1 s"));
}

pub(crate) fn an_attribute_that_takes_all_memory_is_given_up(home: &Path) {
    let world = World::new(home);
    let text = format!(
        "let {SH} in {{ a = sh \"a\" \"\"; b = builtins.length (builtins.genList (x: builtins.toString x) 1000000000); \
         c = sh \"c\" \"\"; }}"
    );
    let folder = world.folder("big", &[("release.nix", &text)]);
    let mut big = evaluation(&folder);
    big.limits = EvaluationLimits { memory: 1 << 30, ..EvaluationLimits::default() };
    let (_, found) = world.found(&big);
    assert_eq!(names(&found), ["a", "c"]);
    assert!(error(&found, "b").contains("of memory"), "{}", error(&found, "b"));
}

pub(crate) fn sets_without_end_are_given_up(home: &Path) {
    let world = World::new(home);
    let found =
        evaluate(&world, &format!("let {SH} in {{ a = sh \"a\" \"\"; b = let s = {{ s = s; }}; in s; }}"));
    assert_eq!(names(&found), ["a"]);
    assert!(found.errors.len() == 1 && found.errors[0].1.contains("within each other"), "{:?}", found.errors);
    let text = format!(
        "let {SH} in builtins.listToAttrs (builtins.genList (n: {{ name = toString n; value = sh \"a\" \"\"; }}) 30)"
    );
    let folder = world.folder("many", &[("release.nix", &text)]);
    let mut many = evaluation(&folder);
    many.limits = EvaluationLimits { jobs: 29, ..EvaluationLimits::default() };
    assert!(world.evaluate(&many).failure(Cause::StepFailed).contains("more than 29 jobs"));
}

pub(crate) fn nothing_outlives_a_cancelled_evaluation(home: &Path) {
    let world = World::new(home);
    let text =
        "builtins.foldl' (a: b: builtins.hashString \"sha512\" a) \"\" (builtins.genList (x: x) 100000000)";
    let folder = world.folder("slow", &[("release.nix", text)]);
    let (spool, mut child) = world.start(&evaluation(&folder));
    // Of the evaluator itself, not of the copy of the input before it.
    let log = || ended_log(&spool);
    until("the evaluation", || log().contains("Evaluating"));
    until("the evaluator", || evaluators(home) > 0);
    assert!(spool.ask_to_end(Cause::Cancelled).unwrap());
    child.wait().unwrap();
    assert_eq!(evaluators(home), 0);
    ended(&spool).failure(Cause::Cancelled);
    // The same when nobody asks the supervisor.
    let (spool, mut child) = world.start(&evaluation(&folder));
    until("the evaluator", || evaluators(home) > 0);
    child.kill().unwrap();
    child.wait().unwrap();
    until("the evaluator's end", || evaluators(home) == 0);
    until("the lock", || spool.lock().is_ok());
}

fn ended_log(spool: &ropewalk_runner::spool::Spool) -> String {
    let path = spool.logs().join(ropewalk_runner::spool::log_file(ropewalk_model::link::LogName::Setup));
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// How many processes evaluate with this scenario's store.
fn evaluators(home: &Path) -> usize {
    processes(home).len()
}

/// Command lines of processes that evaluate with it.
fn processes(home: &Path) -> Vec<String> {
    let store = format!("NIX_STATE_DIR={}", home.join("nix/var").display());
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let evaluates = |path: &Path| {
        let read = |file: &str| std::fs::read(path.join(file)).unwrap_or_default();
        let text = |file: &str| String::from_utf8_lossy(&read(file)).into_owned();
        let line = text("cmdline");
        (line.contains("allow-import-from-derivation") && text("environ").contains(&store)).then_some(line)
    };
    processes.filter_map(|entry| evaluates(&entry.path())).collect()
}

pub(crate) fn derivations_that_are_needed_are_named_and_kept(home: &Path) {
    let world = World::new(home);
    let text = format!(
        r#"let {SH}
          base = sh "base" "echo base > $out";
          fixed = derivation {{ name = "fixed"; system = "builtin"; builder = "builtin:fetchurl"; url = "http://127.0.0.1/x";
            outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "x"; }};
        in {{ top = derivation {{ name = "top"; system = "x86_64-linux"; builder = "/bin/sh";
          args = [ "-c" "cat ${{base}} ${{fixed}} > $out" ]; requiredSystemFeatures = [ "kvm" "big-parallel" ]; }}; }}"#
    );
    let found = evaluate(&world, &text);
    let top = &found.derivations[&found.jobs[0].drv_path];
    assert_eq!((top.name.as_str(), top.system.as_str(), top.is_fixed), ("top", "x86_64-linux", false));
    assert_eq!(top.features, ["kvm", "big-parallel"]);
    assert_eq!(top.outputs, found.jobs[0].outputs);
    let needed: Vec<_> = top.needs.iter().map(|path| &found.derivations[path]).collect();
    assert_eq!(needed.len(), 2);
    let fixed = needed.iter().find(|drv| drv.name == "fixed").unwrap();
    assert!(fixed.is_fixed && fixed.system == "builtin" && fixed.needs.is_empty());
    // A collection takes nothing of it, and nothing besides has a root.
    let tools = world.tools();
    let base = top.needs.iter().find(|path| path.ends_with("-base.drv")).unwrap();
    assert!(tools.command("nix-store").arg("--gc").output().unwrap().status.success());
    assert!(Path::new(base).exists());
    let roots = std::fs::read_dir(tools.roots()).unwrap().flatten().map(|e| e.file_name());
    let roots: Vec<_> = roots.filter(|name| name != ".root").collect();
    assert_eq!(roots, [Path::new(&found.jobs[0].drv_path).file_name().unwrap()]);
    // What is valid needs no build, and nothing for it does.
    let shell = tools.command("nix-store").args(["--realise", base]).output().unwrap();
    assert!(shell.status.success(), "{}", String::from_utf8_lossy(&shell.stderr));
    let again = evaluate(&world, &text);
    assert_eq!(again.derivations[&found.jobs[0].drv_path].needs.len(), 1);
    assert!(!again.derivations.contains_key(base));
}

/// What it writes is counted while it writes, although others write into the same folders.
pub(crate) fn an_evaluation_that_fills_the_disk_ends(home: &Path) {
    let world = World::new(home);
    let text = format!(
        r#"let {SH} in {{ a = sh "a" (toString (builtins.genList (n: builtins.path {{ path = ./.; name = "x${{toString n}}"; }}) 100)); }}"#
    );
    let folder = world.folder("given", &[("release.nix", &text)]);
    std::fs::write(folder.join("big"), vec![7; 8 << 20]).unwrap();
    let mut big = evaluation(&folder);
    big.limits = EvaluationLimits { disk: 200 << 20, ..EvaluationLimits::default() };
    let ended = world.evaluate(&big);
    let message = ended.failure(Cause::DiskLimit);
    assert!(message.contains("nix.evaluation-disk"), "{message}");
    assert!(!ended.log.contains("1 jobs"), "{}", ended.log);
}

pub(crate) fn outputs_that_nobody_knows_before_the_build_are_an_error_of_the_job(home: &Path) {
    let world = World::new(home);
    let text = format!(
        r#"let {SH} in {{ a = sh "a" ""; late = {{ type = "derivation"; name = "late"; system = "x86_64-linux"; outPath = "/none";
          drvPath = builtins.toFile "late.drv" ''Derive([("out","","","")],[],[],"x86_64-linux","/bin/sh",[],[("name","late"),("out","")])''; }}; }}"#
    );
    let found = evaluate(&world, &text);
    assert_eq!(names(&found), ["a"]);
    assert!(error(&found, "late").contains("only after the build"), "{}", error(&found, "late"));
}

/// None of its processes has much.
pub(crate) fn what_an_evaluation_builds_is_limited_with_it(home: &Path) {
    let world = World::new(home);
    let script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do (x=$(yes xxxxxxxxxxxxxxx | head -c 150000000); sleep 100) & done; wait; echo 1 > $out";
    let text = format!(r#"let {SH} in {{ job = sh "job" (toString (import (sh "hungry" "{script}"))); }}"#);
    let folder = world.folder("given", &[("release.nix", &text)]);
    let mut hungry = evaluation(&folder);
    hungry.import_from_derivation = true;
    hungry.limits = EvaluationLimits { memory: 1 << 30, ..EvaluationLimits::default() };
    if !rustix::process::getuid().is_root() {
        let ended = world.evaluate(&hungry);
        let message = ended.failure(Cause::MemoryLimit);
        assert!(message.contains("nix.evaluation-memory"), "{message}");
        return;
    }
    // Root builds nothing meanwhile; but what it runs is in the group of the evaluation.
    if !Path::new("/sys/fs/cgroup/memory").exists()
        && !Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
    {
        return println!("NOT RUN here: groups of evaluations: there are no control groups");
    }
    let text =
        "builtins.foldl' (a: b: builtins.hashString \"sha512\" a) \"\" (builtins.genList (x: x) 100000000)";
    let folder = world.folder("slow", &[("release.nix", text)]);
    let (spool, mut child) = world.start(&evaluation(&folder));
    until("the evaluator", || evaluators(home) > 0);
    let name = format!("ropewalk-{}", spool.name());
    let held = ropewalk_runner::sandbox::cgroup::groups(&spool.name());
    let members: usize = held
        .iter()
        .map(|group| std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default().lines().count())
        .sum();
    assert!(members >= 2, "nobody is in {name}");
    assert!(spool.ask_to_end(Cause::Cancelled).unwrap());
    child.wait().unwrap();
    assert!(held.iter().all(|group| !group.exists()), "{name} is left");
}

/// Somebody collects garbage while another attribute is being evaluated.
pub(crate) fn a_derivation_that_was_collected_meanwhile_is_found_again(home: &Path) {
    let world = World::new(home);
    let text = format!(
        r#"let {SH} in {{ a = sh "collected" ""; late = builtins.seq
          (builtins.foldl' (a: b: builtins.hashString "sha512" a) "" (builtins.genList (x: x) 400000)) (throw "late"); }}"#
    );
    let folder = world.folder("given", &[("release.nix", &text)]);
    let (spool, mut child) = world.start(&evaluation(&folder));
    // The second pass, whose evaluator knows nothing of what the first one has found.
    until("the second pass", || {
        processes(home).iter().any(|line| line.contains("repl")) || !is_running(&mut child)
    });
    let tools = world.tools();
    assert!(tools.command("nix-store").arg("--gc").output().unwrap().status.success());
    child.wait().unwrap();
    let found = ended(&spool).result.unwrap().found.unwrap();
    assert_eq!(names(&found), ["a"], "{:?}", found.errors);
    assert!(Path::new(&found.jobs[0].drv_path).exists());
}

fn is_running(child: &mut std::process::Child) -> bool {
    child.try_wait().unwrap().is_none()
}

pub(crate) fn what_is_valid_says_what_lies_in_it(home: &Path) {
    let world = World::new(home);
    let text = format!(
        r#"let {SH} in {{ valid = sh "valid-1" "mkdir -p $out/nix-support; echo 'size 7 B' > $out/nix-support/hydra-metrics";
           other = sh "other" "echo > $out"; }}"#
    );
    let found = evaluate(&world, &text);
    let valid = found.jobs[1].drv_path.clone();
    assert!(found.derivations.values().all(|derivation| derivation.realised.is_none()));
    let tools = world.tools();
    let built = tools.command("nix-store").args(["--realise", &valid]).output().unwrap();
    assert!(built.status.success(), "{}", text_of(&built.stderr));
    let again = evaluate(&world, &text);
    assert_eq!(again.derivations.len(), 2);
    let realised = again.derivations[&valid].realised.as_ref().unwrap();
    assert_eq!(realised.metrics["size"].value, 7.0);
    assert!(realised.size > 0 && realised.closure_size >= realised.size);
    assert_eq!((realised.products.len(), realised.is_failed), (1, false));
    // Nothing takes it before somebody has seen that it is there.
    assert!(tools.command("nix-store").arg("--gc").output().unwrap().status.success());
    assert!(Path::new(&again.derivations[&valid].outputs["out"]).exists());
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What is not there cannot be read in any way: Nix's own restrictions are off.
pub(crate) fn the_machine_is_out_of_sight(home: &Path) {
    let world = World::new(home);
    world.folder("beside", &[("secret", "")]);
    let text = format!(
        r#"let {SH} of = path: builtins.concatStringsSep " " (builtins.attrNames (builtins.readDir path)); in
           {{ job = sh "seen" "${{of /.}}, ${{of /etc}}, ${{of {}}}, ${{toString (builtins.pathExists /proc/1/environ)}}"; }}"#,
        home.display()
    );
    let folder = world.folder("given", &[("release.nix", &text)]);
    let (_, found) = world.found_without_restrictions(&evaluation(&folder));
    let drv = std::fs::read_to_string(&found.jobs[0].drv_path).unwrap();
    let Some((_, seen)) = drv.split_once("\"-c\",\"") else { panic!("{drv}") };
    let mut seen = seen.split(", ");
    let root: Vec<&str> = seen.next().unwrap().split(' ').collect();
    for name in ["root", "home", "srv", "opt", "sys", "boot", "work"] {
        assert!(!root.contains(&name), "{name} is among {root:?}");
    }
    let etc: Vec<&str> = seen.next().unwrap().split(' ').collect();
    assert!(!etc.contains(&"shadow") && etc.contains(&"passwd"), "{etc:?}");
    assert_eq!(seen.next().unwrap(), "nix");
}

pub(crate) fn what_has_to_be_built_first_is_read_only_if_that_is_allowed(home: &Path) {
    let world = World::new(home);
    let text = format!(
        r#"let {SH} made = sh "made" "echo '\"from a build\"' > $out"; in {{ job = sh "job" (import made); }}"#
    );
    let folder = world.folder("given", &[("release.nix", &text)]);
    let mut evaluation = evaluation(&folder);
    let (_, found) = world.found(&evaluation);
    assert!(error(&found, "job").contains("allow-import-from-derivation"), "{}", error(&found, "job"));
    evaluation.import_from_derivation = true;
    let (_, found) = world.found(&evaluation);
    if rustix::process::getuid().is_root() {
        assert!(error(&found, "job").contains("allow-import-from-derivation"), "{}", error(&found, "job"));
        return;
    }
    assert_eq!(names(&found), ["job"], "{:?}", found.errors);
    assert!(std::fs::read_to_string(&found.jobs[0].drv_path).unwrap().contains("from a build"));
}
