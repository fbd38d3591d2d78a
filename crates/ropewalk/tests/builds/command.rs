//! `ropewalk run` as a command: exit codes, streams, `--check`.

use crate::account::IMAGE;
use crate::bench::{Bench, ran};
use std::io::Write;
use std::process::Stdio;

type Test = fn(&Bench);

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("a_manifest_may_come_from_standard_input_or_the_folder", where_from),
    ("check_accepts_what_a_server_accepts", check),
    ("artifacts_go_below_the_working_directory", artifacts),
    ("packages_on_the_host_image_name_another_for_an_account", host_packages),
    ("nothing_is_left_when_the_command_is_killed", killed),
    ("image_list_prints_the_images_that_there_are", image_list),
];

fn where_from(bench: &Bench) {
    bench.write(".build.yml", "image: builds\ntasks:\n- one: echo from the folder\n");
    let folder = ran(bench.ropewalk().arg("run").output().unwrap());
    folder.expect(0).expect_log("\nfrom the folder\n");
    let mut command = bench.ropewalk();
    command.args(["run", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let text = b"image: builds\ntasks:\n- one: echo from standard input\n";
    child.stdin.take().unwrap().write_all(text).unwrap();
    ran(child.wait_with_output().unwrap()).expect(0).expect_log("\nfrom standard input\n");
    ran(bench.ropewalk().args(["run", "none.yml"]).output().unwrap()).expect(2);
}

fn check(bench: &Bench) {
    let good = bench.run_with("pakages: [x]\ntasks:\n- one: echo never\n", &["--check"]);
    good.expect(0);
    let plan: serde_json::Value = serde_json::from_str(&good.log).unwrap();
    assert_eq!(plan["steps"][0]["name"], "one");
    assert!(
        good.errors.contains("warning: line 2, column 1") && good.errors.contains("did you mean `packages`?"),
        "{}",
        good.errors
    );
    let image = bench.run_with("tasks:\n- one: echo never\n", &["--check", "--image", "no/such"]);
    image.expect(0);
    assert!(image.errors.contains("warning: ") && image.errors.contains("no/such"), "{}", image.errors);
    let source =
        bench.run_with("sources: [\"file:///none/such\"]\ntasks:\n- one: echo never\n", &["--check"]);
    source.expect(0);
    assert!(
        source.errors.contains("warning: line 2") && source.errors.contains("file:///none/such"),
        "{}",
        source.errors
    );
    let bad = bench.run_with("tasks:\n- one: 1\n", &["--check"]);
    bad.expect(2);
    assert!(bad.log.is_empty() && bad.errors.contains("error: line 3"), "{}", bad.errors);
    let bad = bench.run("tasks:\n- one: 1\n");
    bad.expect(2);
    assert!(bad.log.is_empty(), "{}", bad.log);
}

fn image_list(bench: &Bench) {
    let list = |arguments: &[&str]| {
        let ran = ran(bench.ropewalk().args(["image", "list"]).args(arguments).output().unwrap());
        ran.expect(0);
        ran.log
    };
    let images: serde_json::Value = serde_json::from_str(&list(&["--json"])).unwrap();
    let named = |name: &str| images.as_array().unwrap().iter().find(|image| image["name"] == name).cloned();
    assert_eq!(named("host").unwrap()["source"], "this machine's own system");
    let image = named(IMAGE).unwrap();
    let digest = image["digest"].as_str().unwrap();
    let table = list(&[]);
    let line = table.lines().find(|line| line.split_whitespace().next() == Some(IMAGE)).unwrap();
    assert!(line.contains(" MiB") && line.contains(&digest[..12]), "{line}");
}

fn artifacts(bench: &Bench) {
    let manifest =
        "artifacts: [out/a.tar, b.tar]\ntasks:\n- one: mkdir out; echo a >out/a.tar; echo b >b.tar\n";
    bench.run(manifest).expect(0).expect_log("[#run] artifact artifacts/a.tar");
    let read = |name: &str| std::fs::read_to_string(bench.folder.join("artifacts").join(name)).unwrap();
    assert_eq!((read("a.tar").as_str(), read("b.tar").as_str()), ("a\n", "b\n"));
}

fn killed(bench: &Bench) {
    let mark = bench.mark();
    let mut child = bench.start(&format!("tasks:\n- one: sleep {mark}\n"));
    crate::semantics::wait_until(|| crate::leftovers::Leftovers::marked(&mark) > 0);
    child.kill().unwrap();
    child.wait().unwrap();
    // The attempt has the number of its command's process.
    let id = i64::from(child.id());
    crate::semantics::wait_until(|| crate::leftovers::Leftovers::marked(&mark) == 0);
    crate::semantics::wait_until(|| crate::leftovers::groups(id).is_empty());
    supervisor_killed(bench);
}

fn supervisor_killed(bench: &Bench) {
    let mark = bench.mark();
    let mut child = bench.start(&format!("tasks:\n- one: sleep {mark}\n"));
    crate::semantics::wait_until(|| crate::leftovers::Leftovers::marked(&mark) > 0);
    let id = i64::from(child.id());
    let supervisor = crate::leftovers::supervisor_of(child.id()).unwrap();
    rustix::process::kill_process(supervisor, rustix::process::Signal::KILL).unwrap();
    child.wait().unwrap();
    crate::semantics::wait_until(|| crate::leftovers::Leftovers::marked(&mark) == 0);
    crate::leftovers::Leftovers::assert_none(&mark, id);
}

fn host_packages(bench: &Bench) {
    if bench.is_root() {
        // Root installs into it: see the sandbox's own tests. Here only that nobody is refused by name.
        let ran = bench.run_with("tasks:\n- one: echo ran\n", &["--image", "host"]);
        assert!(ran.expect(0).lines().contains(&"ran"));
        return;
    }
    let ran = bench.run_with("packages: [hello]\ntasks:\n- one: echo never\n", &["--image", "host"]);
    ran.expect(1).expect_log("image pull debian/stable");
    assert!(!ran.lines().contains(&"never"));
}
