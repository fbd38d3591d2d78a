//! Sources, from repositories that lie in the image.

use crate::bench::Bench;

type Test = fn(&Bench);

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("sources_are_fetched_however_they_are_written", fetched),
    ("a_source_that_is_not_there_fails", missing),
];

/// The image with repositories in /srv.
const IMAGE: &str = "sources";

/// Makes the repositories in a build and an image with them.
fn image(bench: &Bench) {
    let ran = bench.run(
        "artifacts: [repositories.tar]\ntasks:\n- make: |\n    set +x\n    mkdir -p make/srv; cd make/srv\n    \
         git init -q -b main rope.git; cd rope.git\n    git config user.email t@example.org; git config user.name t\n    \
         echo one >file; git add .; git commit -qm one; git tag v1; git branch side\n    echo two >file; git commit -qam two\n    \
         git checkout -q side; echo side >file; git commit -qam side; git checkout -q main\n    \
         cd ..; hg init knot; cd knot\n    echo first >file; hg add -q file; hg commit -u t -m first; hg tag -u t r1\n    \
         echo second >file; hg commit -u t -m second\n    cd ../..; tar -cf ~/repositories.tar srv\n",
    );
    ran.expect(0);
    bench.import_with("artifacts/repositories.tar", IMAGE);
}

fn fetched(bench: &Bench) {
    image(bench);
    let manifest = "sources:\n- file:///srv/rope.git\n- slash::file:///srv/rope.git/\n- old::git+file:///srv/rope.git#v1\n\
        - a/b::file:///srv/rope.git#side\n- hg+file:///srv/knot\n- first::hg+file:///srv/knot#r1\n\
        tasks:\n- one: |\n    set +x\n    cat rope/file slash/file old/file a/b/file knot/file first/file\n    \
        git -C rope symbolic-ref --short HEAD\n    git -C old symbolic-ref -q HEAD || echo detached\n    \
        git -C rope rev-list --count HEAD\n";
    let ran = bench.run_with(manifest, &["--image", IMAGE]);
    ran.expect(0).expect_log("Cloning repositories");
    let lines = ran.lines();
    let from = lines.len() - 9;
    assert_eq!(
        lines[from..],
        ["two", "two", "one", "side", "second", "first", "main", "detached", "2"],
        "{}",
        ran.log
    );
}

fn missing(bench: &Bench) {
    let ran = bench.run("sources: [\"file:///srv/none\"]\ntasks:\n- one: echo never\n");
    ran.expect(1).expect_log("cannot fetch the source file:///srv/none").expect_log("SSH key");
    assert!(!ran.lines().contains(&"never"));
    let ran = bench.run("sources: [\"hg+file:///srv/none\"]\ntasks:\n- one: echo never\n");
    ran.expect(1).expect_log("cannot fetch the source file:///srv/none");
}
