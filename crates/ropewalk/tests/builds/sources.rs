//! Sources, from repositories that lie in the image.

use crate::bench::Bench;

type Test = fn(&Bench);

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("srht_60_sources_are_fetched_however_they_are_written", fetched),
    ("a_source_that_is_not_there_fails", missing),
];

/// The image with repositories in /srv.
const IMAGE: &str = "sources";

/// Makes the repositories in a build and an image with them. Answers the commit that the tag v1 names.
fn image(bench: &Bench) -> String {
    let ran = bench.run(
        "artifacts: [repositories.tar]\ntasks:\n- make: |\n    set +x\n    mkdir -p make/srv; cd make/srv\n    \
         git init -q -b main rope.git; cd rope.git\n    git config user.email t@example.org; git config user.name t\n    \
         echo one >file; git add .; git commit -qm one; git tag v1; git branch side\n    echo two >file; git commit -qam two\n    \
         git checkout -q side; echo side >file; git commit -qam side; git checkout -q main\n    \
         cd ..; git init -q -b main whole; cd whole\n    git config user.email t@example.org; git config user.name t\n    \
         git -c protocol.file.allow=always submodule --quiet add file://$PWD/../rope.git part\n    \
         git config -f .gitmodules submodule.part.url file:///srv/rope.git\n    git commit -qam whole\n    \
         cd ..; hg init knot; cd knot\n    echo first >file; hg add -q file; hg commit -u t -m first; hg tag -u t r1\n    \
         echo second >file; hg commit -u t -m second\n    cd ../..\n    \
         mkdir etc; printf '[protocol \"file\"]\\nallow = always\\n' >etc/gitconfig\n    \
         tar -cf ~/repositories.tar srv etc/gitconfig\n    echo \"v1 is $(git -C srv/rope.git rev-parse v1)\"\n",
    );
    ran.expect(0);
    bench.import_with("artifacts/repositories.tar", IMAGE);
    let line = ran.lines().into_iter().find_map(|line| line.strip_prefix("v1 is ")).expect("the commit");
    line.trim().to_string()
}

fn fetched(bench: &Bench) {
    let commit = image(bench);
    let manifest = "sources:\n- file:///srv/rope.git\n- slash::file:///srv/rope.git/\n- old::git+file:///srv/rope.git#v1\n\
        - a/b::file:///srv/rope.git#side\n- hg+file:///srv/knot\n- first::hg+file:///srv/knot#r1\n\
        - exact::file:///srv/rope.git#COMMIT\n- file:///srv/whole\n\
        tasks:\n- one: |\n    set +x\n    cat rope/file slash/file old/file a/b/file knot/file first/file\n    \
        git -C rope symbolic-ref --short HEAD\n    git -C old symbolic-ref -q HEAD || echo detached\n    \
        git -C rope rev-list --count HEAD\n    cat exact/file whole/part/file\n";
    let ran = bench.run_with(&manifest.replace("COMMIT", &commit), &["--image", IMAGE]);
    ran.expect(0).expect_log("Cloning repositories");
    let lines = ran.lines();
    let from = lines.len() - 11;
    assert_eq!(
        lines[from..],
        ["two", "two", "one", "side", "second", "first", "main", "detached", "2", "one", "two"],
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
