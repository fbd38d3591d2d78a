//! Packages and repositories by each family's own package manager.

use crate::bench::{Bench, ran};
use ropewalk_model::manifest::script::repository;
use ropewalk_testkit::authority::Authority;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

type Test = fn(&Bench);

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("pacman_installs_from_its_repository", pacman),
    ("pacman_trusts_a_repository_of_the_manifest_by_its_key", pacman_by_key),
    ("apt_installs_from_a_repository_of_the_manifest", apt),
    ("dnf_installs_from_a_repository_of_the_manifest", dnf),
    ("apt_gets_a_repositorys_key_from_the_keyserver", keyserver),
    ("packages_come_into_the_real_images_of_other_families", real),
];

/// The tar of Debian with the package managers of others.
fn tar() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/images/make.sh");
    let made = ran(Command::new(script).arg("families").output().unwrap());
    assert_eq!(made.exit, 0, "{}", made.errors);
    PathBuf::from(made.log.trim())
}

/// The same under the name of a family.
fn image(bench: &Bench, id: &str) -> String {
    bench.write("usr/lib/os-release", &format!("ID={id}\n"));
    let name = format!("{id}/{}", bench.folder.file_name().unwrap().to_str().unwrap());
    bench.import_over(&tar(), "./usr/lib/os-release", &name);
    name
}

/// The key that the image does not trust by itself.
fn far_key() -> String {
    let mut show = Command::new("tar");
    let shown = ran(show.arg("-xOf").arg(tar()).arg("./srv/keys/far").output().unwrap());
    assert_eq!((shown.exit, shown.log.trim().len()), (0, 40), "{}", shown.errors);
    shown.log.trim().to_owned()
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

/// The key comes from a folder instead of a keyserver; all else is pacman's and gpg's own.
fn pacman_by_key(bench: &Bench) {
    let name = image(bench, "arch");
    let key = far_key();
    let with = |key: &str| {
        let repository = format!("repositories:\n  far: file:///srv/far#{key}\n");
        let manifest = format!("{repository}packages: [hello-far]\ntasks:\n- one: hello-far\n");
        bench.run_with(&manifest, &["--image", &name])
    };
    with(&key).expect(0).expect_log("\nhello from a package\n");
    with("0123456789ABCDEF").expect(1).expect_log("keyserver");
    remove(bench, &name);
}

fn apt(bench: &Bench) {
    let name = image(bench, "debian");
    let key = far_key();
    let from = |repository: &str| {
        let repository = format!("repositories:\n  own: file:///srv/debian/{repository}\n");
        let manifest = format!("{repository}packages: [hello-family]\ntasks:\n- one: hello-family\n");
        bench.run_with(&manifest, &["--image", &name])
    };
    from("known stable main").expect(0).expect_log("\nhello from a package\n");
    from(&format!("far stable main {key}")).expect(0).expect_log("\nhello from a package\n");
    from("far stable main").expect(1).expect_log("NO_PUBKEY");
    from("far stable main 0123456789ABCDEF").expect(1).expect_log("could not be fetched");
    remove(bench, &name);
}

fn dnf(bench: &Bench) {
    let repository = "repositories:\n  own: file:///srv/fedora/own.repo\n";
    let manifest = format!("{repository}packages: [hello-family]\ntasks:\n- one: hello-family\n");
    installs(bench, "fedora", &manifest);
}

/// Real gpg, dirmngr and apt; the keyserver is one of the test's own under the real one's name.
fn keyserver(bench: &Bench) {
    if !bench.is_root()
        || !["/usr/bin/dirmngr", "/usr/bin/apt-get"].iter().all(|tool| Path::new(tool).exists())
    {
        println!(
            "NOT RUN here: keys from a keyserver: it needs root, and Debian's apt with the package dirmngr"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let authority = Authority::new(folder.path());
    authority.issue("server", &["DNS:keyserver.ubuntu.com"]);
    let fingerprint = signed_repository(folder.path());

    let adds = |key: &str| {
        let value = format!("file://{} stable main {key}", path("repository").display());
        let prelude = "fail() { echo \"$*\" >&2; exit 1; }\n";
        // Of the machine, whatever it calls itself, apt is asked.
        let script = repository("own", &value).replace("/etc/os-release", "/dev/null");
        std::fs::write(path("add.sh"), format!("{prelude}{script}")).unwrap();
        let mut command = Command::new("timeout");
        // gpg's own servers end with the namespace.
        command.args(["60", "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh"]);
        command.env("TMPDIR", folder.path());
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/builds/keyserver.sh"));
        let output = command.arg(folder.path()).arg(path("add.sh")).arg(key).output().unwrap();
        ran(output)
    };
    let added = adds(&fingerprint);
    assert_eq!(added.exit, 0, "{}{}", added.log, added.errors);
    assert!(added.log.contains("Own Repository"), "{}", added.log);
    let unknown = adds("00000000DEADBEEF");
    let words = "the key 00000000DEADBEEF could not be fetched from keyserver.ubuntu.com";
    assert!(unknown.exit == 1 && unknown.errors.contains(words), "{}", unknown.errors);
    // A server that nobody trusts gives no keys.
    let stranger = tempfile::tempdir().unwrap();
    std::fs::copy(Authority::new(stranger.path()).cert(), path("ca.pem")).unwrap();
    let untrusted = adds(&fingerprint);
    assert!(untrusted.exit == 1 && untrusted.errors.contains("could not be fetched"), "{}", untrusted.errors);
}

/// An empty repository in `repository`, and the key that signed it in `key.asc`; its fingerprint.
fn signed_repository(folder: &Path) -> String {
    let script = r#"
        mkdir -p repository/dists/stable/main/binary-$(dpkg --print-architecture) home
        chmod 755 . && chmod 700 home
        export GNUPGHOME=$PWD/home
        gpg --batch --quiet --passphrase '' --quick-gen-key 'Own Repository <own@example.org>' ed25519 sign never
        gpg --batch --armor --export >key.asc
        gpg --batch --with-colons --list-keys | sed -n 's/^fpr:*\([0-9A-F]*\):/\1/p' | head -n 1 >fingerprint
        cd repository/dists/stable
        for packages in main/binary-*; do : >$packages/Packages; done
        { printf 'Suite: stable\nCodename: stable\nComponents: main\nDate: %s\n' "$(date -Ru)"
          printf 'Architectures: %s\nSHA256:\n' "$(dpkg --print-architecture)"
          for file in main/*/Packages; do echo " $(sha256sum <$file | cut -d' ' -f1) 0 $file"; done
        } >Release
        gpg --batch --clearsign --output InRelease Release
        gpgconf --kill all"#;
    let mut command = Command::new("sh");
    let made = ran(command.args(["-euc", script]).current_dir(folder).output().unwrap());
    assert_eq!(made.exit, 0, "{}{}", made.log, made.errors);
    std::fs::read_to_string(folder.join("fingerprint")).unwrap().trim().to_string()
}

fn real(bench: &Bench) {
    let hub = "registry-1.docker.io:443".to_socket_addrs().into_iter().flatten().next();
    if hub.is_none_or(|hub| TcpStream::connect_timeout(&hub, Duration::from_secs(5)).is_err()) {
        println!(
            "NOT RUN here: packages in the images of Alpine, Arch and Fedora, repositories of apk and dnf5: \
             no registry has them here"
        );
        return;
    }
    for name in ["alpine/latest", "archlinux", "fedora/latest"] {
        let built = bench.run_with("packages: [tree]\ntasks:\n- one: tree --version\n", &["--image", name]);
        assert_eq!(built.exit, 0, "{}{}", built.log, built.errors);
        remove(bench, name);
    }
}
