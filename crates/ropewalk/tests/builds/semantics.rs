//! Run semantics of builds.sr.ht.

use crate::bench::{Bench, ran};
use crate::leftovers::Leftovers;
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

type Test = fn(&Bench);

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("steps_run_in_order_and_stop_at_the_first_failure", order),
    ("a_step_is_traced_and_stops_at_a_failed_command", set_xe),
    ("the_environment_is_there_in_every_step", environment),
    ("every_step_starts_in_the_home_folder_as_build_with_sudo", home_and_sudo),
    ("complete_build_skips_the_rest_and_succeeds", complete_build),
    ("what_a_step_left_in_the_background_lives_in_the_next", background),
    ("the_working_tree_stands_for_the_current_repository", working_tree),
    ("with_clone_the_current_repository_is_cloned_too", cloned),
    ("an_interrupt_ends_the_tree", interrupt),
];

fn order(bench: &Bench) {
    let ran = bench.run("tasks:\n- one: echo 1\n- two: echo 2\n- three: exit 3\n- four: echo 4\n");
    ran.expect(1).expect_log("task three exited with 3");
    assert_eq!(ran.lines(), ["1", "2"]);
}

fn set_xe(bench: &Bench) {
    let ran = bench.run("tasks:\n- one: |\n    echo before\n    false\n    echo after\n");
    ran.expect(1).expect_log("+ echo before").expect_log("+ false");
    assert_eq!(ran.lines(), ["before"]);
}

fn environment(bench: &Bench) {
    let manifest = "environment:\n  TEXT: \"it's $HOME\"\n  NUMBER: 010\n  YES: true\n  NONE:\n  LIST: [a b, c]\n\
        tasks:\n- one: |\n    echo \"$TEXT|$NUMBER|$YES|$NONE|${LIST[1]}|$CI_NAME|${JOB_ID-none}\"\n    \
        echo 'export LATER=now' >>~/.buildenv\n- two: echo \"$LATER\"\n";
    let ran = bench.run(manifest);
    ran.expect(0);
    assert_eq!(ran.lines()[1..], ["now"]);
    assert!(ran.lines()[0].starts_with("it's $HOME|"), "{}", ran.log);
    assert!(ran.lines()[0].ends_with("|true||c|sourcehut|none"), "{}", ran.log);
}

fn home_and_sudo(bench: &Bench) {
    let ran = bench
        .run("tasks:\n- one: |\n    cd /tmp\n    id -un\n    sudo id -u\n- two: |\n    pwd\n    ls -A\n");
    ran.expect(0);
    let lines = ran.lines();
    assert_eq!(lines[..3], ["build", "0", "/home/build"], "{}", ran.log);
    assert!(lines.contains(&".tasks") && lines.contains(&".buildenv"), "{}", ran.log);
}

fn complete_build(bench: &Bench) {
    let ran = bench.run("tasks:\n- one: |\n    complete-build\n    echo never\n- two: echo never\n");
    ran.expect(0).expect_log("skipped");
    assert!(!ran.lines().contains(&"never"), "{}", ran.log);
}

fn background(bench: &Bench) {
    let manifest = "tasks:\n- one: |\n    setsid sh -c 'trap \"\" TERM HUP; sleep 1000' &\n    \
        sudo sh -c 'echo $$ >/tmp/root; exec sleep 1000' &\n    echo $! >pid\n    sleep 0.3\n\
        - two: |\n    kill -0 $(cat pid)\n    sudo kill -0 $(cat /tmp/root)\n    echo alive\n";
    let ran = bench.run(manifest);
    ran.expect(0);
    assert!(ran.lines().contains(&"alive"), "{}", ran.log);
}

fn working_tree(bench: &Bench) {
    bench.shell(
        "git init -q -b main . && git config user.email t@example.org && git config user.name t
         git remote add origin https://unreachable.invalid/~me/rope
         echo old >tracked; echo gone >deleted; echo ignored >.gitignore; git add . && git commit -qm one
         echo new >tracked; echo loose >untracked; echo x >ignored; rm deleted; mkdir -m 700 sub; echo deep >sub/file
         ln -s tracked link; printf '#!/bin/sh\necho ran' >tool; chmod 755 tool",
    );
    let ran = bench.run(
        "sources:\n- https://unreachable.invalid/~me/rope\ntasks:\n- one: |\n    cd rope\n    cat tracked untracked sub/file link\n    \
         ./tool\n    test ! -e ignored\n    test ! -e deleted\n    git log --format=%s\n    git status --short tracked\n    \
         git remote get-url origin\n",
    );
    ran.expect(0).expect_log("from the working tree");
    let url = "https://unreachable.invalid/~me/rope";
    assert_eq!(ran.lines(), ["new", "loose", "deep", "new", "ran", "one", " M tracked", url], "{}", ran.log);
}

fn cloned(bench: &Bench) {
    // Nothing listens there in the sandbox: only the working tree could be taken.
    let url = "http://127.0.0.1:9/~me/rope";
    bench.shell(&format!(
        "git init -q -b main . && git config user.email t@example.org && git config user.name t
         git remote add origin {url}
         echo here >file; git add . && git commit -qm one"
    ));
    let manifest = format!("sources: [\"{url}\"]\ntasks:\n- one: cat rope/file\n");
    let ran = bench.run_with(&manifest, &["--clone"]);
    ran.expect(1).expect_log(url);
    assert!(!ran.log.contains("from the working tree") && !ran.lines().contains(&"here"), "{}", ran.log);
    bench.run(&manifest).expect(0).expect_log("from the working tree").expect_log("\nhere\n");
}

fn interrupt(bench: &Bench) {
    let mark = bench.mark();
    let mut child = bench.start(&format!("tasks:\n- one: |\n    sleep {mark} &\n    sudo sleep {mark}\n"));
    wait_until(|| Leftovers::marked(&mark) >= 2);
    let asked = Instant::now();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let _ = child.wait();
    let took = asked.elapsed();
    assert_eq!(Leftovers::marked(&mark), 0);
    let ran = ran(child.wait_with_output().unwrap());
    ran.expect(130).expect_log("Cancelled: the build was cancelled");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

pub(crate) fn wait_until(mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < until, "it did not come true");
        std::thread::sleep(Duration::from_millis(10));
    }
}
