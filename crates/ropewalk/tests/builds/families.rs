//! Packages and repositories by each family's own package manager.

use crate::bench::{Bench, ran};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

type Test = fn(&Bench);

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("pacman_installs_from_its_repository", pacman),
    ("dnf_installs_from_a_repository_of_the_manifest", dnf),
    ("packages_come_into_the_real_images_of_other_families", real),
];

/// Debian with the package managers of others, under the name of a family.
fn image(bench: &Bench, id: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/images/make.sh");
    let made = ran(Command::new(script).arg("families").output().unwrap());
    assert_eq!(made.exit, 0, "{}", made.errors);
    bench.write("usr/lib/os-release", &format!("ID={id}\n"));
    let name = format!("{id}/{}", bench.folder.file_name().unwrap().to_str().unwrap());
    bench.import_over(&PathBuf::from(made.log.trim()), "./usr/lib/os-release", &name);
    name
}

fn remove(bench: &Bench, name: &str) {
    let mut remove = bench.ropewalk();
    let removed = ran(remove.args(["image", "remove", name]).output().unwrap());
    assert_eq!(removed.exit, 0, "{}", removed.errors);
}

fn installs(bench: &Bench, id: &str, manifest: &str) {
    let name = image(bench, id);
    let built = bench.run_with(manifest, &["--image", &name]);
    assert!(
        built.exit == 0 && built.log.contains("\nhello from a package\n"),
        "{}{}",
        built.log,
        built.errors
    );
    let missing = "packages: [no-such-package]\ntasks:\n- one: echo never\n";
    let failed = bench.run_with(missing, &["--image", &name]);
    assert!(failed.exit == 1 && failed.log.contains("cannot install no-such-package"), "{}", failed.log);
    remove(bench, &name);
}

fn pacman(bench: &Bench) {
    installs(bench, "arch", "packages: [hello-family]\ntasks:\n- one: hello-family\n");
}

fn dnf(bench: &Bench) {
    let repository = "repositories:\n  own: file:///srv/fedora/own.repo\n";
    let manifest = format!("{repository}packages: [hello-family]\ntasks:\n- one: hello-family\n");
    installs(bench, "fedora", &manifest);
}

fn real(bench: &Bench) {
    let hub = "registry-1.docker.io:443".to_socket_addrs().into_iter().flatten().next();
    if hub.is_none_or(|hub| TcpStream::connect_timeout(&hub, Duration::from_secs(5)).is_err()) {
        println!(
            "NOT RUN here: packages in the images of Alpine, Arch and Fedora: no registry has them here"
        );
        return;
    }
    for name in ["alpine/latest", "archlinux", "fedora/latest"] {
        let built = bench.run_with("packages: [tree]\ntasks:\n- one: tree --version\n", &["--image", name]);
        assert_eq!(built.exit, 0, "{}{}", built.log, built.errors);
        remove(bench, name);
    }
}
