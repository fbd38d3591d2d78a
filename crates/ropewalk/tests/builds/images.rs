//! Images on their first use.

use crate::bench::{Bench, Ran, ran};
use ropewalk_testkit::authority::{Authority, Issued};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

type Test = fn(&Bench);

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("an_image_is_fetched_on_its_first_use", fetched),
    ("a_registry_with_a_private_issuer_is_trusted_when_told", over_tls),
    ("an_image_is_no_larger_than_its_limit", too_large),
    ("an_image_that_cannot_be_used_says_what_it_lacks", unusable),
    ("a_mount_below_usr_is_named_where_it_is_in_the_way", something_below_usr),
    ("a_cancellation_ends_a_fetch", cancelled),
    ("the_deadline_ends_a_fetch", deadline),
    ("an_image_that_cannot_be_fetched_ends_the_build", refused),
    ("an_image_that_nobody_fetches_is_missing", not_fetched),
];

const TASK: &str = "tasks:\n- one: echo in $(cat /etc/debian_version)\n";
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a manifest in an image of this name, which comes from a registry.
fn command(bench: &Bench, name: &str, registry: &str) -> Command {
    bench.write("manifest.yml", &format!("image: {name}\n{TASK}"));
    let mut command = bench.ropewalk();
    command.env("ROPEWALK_IMAGES__NAMES", format!("{name}=docker://{registry}/debian:bare"));
    command.args(["run", "manifest.yml"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A registry that takes connections and never answers; tells when one is made and when it is given up.
fn silent() -> (String, Receiver<&'static str>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let tell = tell.clone();
            std::thread::spawn(move || {
                let _ = tell.send("asked");
                let _ = stream.read_to_end(&mut vec![]);
                let _ = tell.send("gone");
            });
        }
    });
    (address, told)
}

/// A name that no other test has.
fn name(bench: &Bench) -> String {
    format!("test/{}", bench.folder.file_name().unwrap().to_str().unwrap())
}

/// Debian's registry with the bare image, until it is dropped.
struct Registry {
    server: std::process::Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Registry {
    fn start(tls: Option<&Issued>) -> Registry {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/images/make.sh");
        let made = ran(Command::new(script).arg("bare.oci").output().unwrap());
        assert_eq!(made.exit, 0, "{}", made.errors);
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("registry.yml");
        let storage = folder.path().join("storage");
        let storage = format!("storage: {{filesystem: {{rootdirectory: {}}}}}", storage.display());
        let tls = tls.map(|Issued { cert, key }| {
            format!(", tls: {{certificate: {}, key: {}}}", cert.display(), key.display())
        });
        let tls = tls.unwrap_or_default();
        let text =
            format!("version: 0.1\nlog: {{level: error}}\n{storage}\nhttp: {{addr: '{address}'{tls}}}\n");
        std::fs::write(&config, text).unwrap();
        let mut server = Command::new("docker-registry");
        server.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let server = server.spawn().unwrap();
        let registry = Registry { server, address, _folder: folder };
        let began = Instant::now();
        while TcpStream::connect(&registry.address).is_err() {
            assert!(began.elapsed() < PATIENCE, "the registry does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut push = Command::new("skopeo");
        push.args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]);
        push.arg(format!("oci:{}", made.log.trim()));
        let pushed = ran(push.arg(format!("docker://{}/debian:bare", registry.address)).output().unwrap());
        assert_eq!(pushed.exit, 0, "{}", pushed.errors);
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn has_registry() -> bool {
    let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
    let both = has("docker-registry") && has("skopeo");
    if !both {
        println!("NOT RUN here: an image from a registry: docker-registry or skopeo is missing");
    }
    both
}

/// The registry is this machine under names that are not those of this machine: to itself it speaks without TLS.
fn over_tls(bench: &Bench) {
    if !has_registry() {
        return;
    }
    if !bench.is_root() {
        println!(
            "NOT RUN here: a registry over TLS as an ordinary account: only root can give this machine names"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let registry = Registry::start(Some(&authority.issue("registry", &["DNS:registry.test"])));
    let port = registry.address.rsplit(':').next().unwrap();
    let hosts = bench.write("hosts", "127.0.0.1 localhost registry.test other.test\n");
    let run = |host: &str, trusted: Option<PathBuf>| {
        let inner = command(bench, &name(bench), &format!("{host}:{port}"));
        let mut command = bench.command("unshare");
        command.args(["--mount", "sh", "-ec", "mount --bind $0 /etc/hosts; exec \"$@\""]).arg(&hosts);
        command.arg(inner.get_program()).args(inner.get_args());
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR").env_remove("https_proxy");
        if let Some(file) = trusted {
            command.env("SSL_CERT_FILE", file);
        }
        ran(command.stdin(Stdio::null()).output().unwrap())
    };
    let began = Instant::now();
    let unknown = run("registry.test", None);
    assert_eq!(unknown.exit, 1, "{}{}", unknown.log, unknown.errors);
    for part in ["no trusted connection to https://registry.test", "UnknownIssuer", "SSL_CERT_FILE"] {
        assert!(unknown.log.contains(part), "{part}: {}", unknown.log);
    }
    assert!(!unknown.log.contains("trying again"), "{}: {:?}", unknown.log, began.elapsed());
    let other = run("other.test", Some(authority.cert()));
    assert!(other.exit == 1 && other.log.contains("not valid for name \"other.test\""), "{}", other.log);
    let known = run("registry.test", Some(authority.cert()));
    assert_eq!(known.exit, 0, "{}{}", known.log, known.errors);
    assert!(known.log.contains("\nin "), "{}", known.log);
    let removed = ran(bench.ropewalk().args(["image", "remove", &name(bench)]).output().unwrap());
    assert_eq!(removed.exit, 0, "{}", removed.errors);
}

/// For images from files, and for those that a build fetches.
fn too_large(bench: &Bench) {
    let import = |limit: (&str, &str)| {
        let mut import = bench.ropewalk();
        import.env(limit.0, limit.1).args(["image", "import"]).arg(bench.image_tar()).arg(name(bench));
        ran(import.output().unwrap())
    };
    let long = import(("ROPEWALK_LIMITS__IMAGE", "1000000"));
    assert!(
        long.exit == 1 && long.errors.contains("more than 1000000 bytes (limits.image)"),
        "{}",
        long.errors
    );
    let many = import(("ROPEWALK_LIMITS__IMAGE_FILES", "10"));
    assert!(many.exit == 1 && many.errors.contains("10 entries (limits.image-files)"), "{}", many.errors);
    if !has_registry() {
        return;
    }
    let registry = Registry::start(None);
    let mut fetch = command(bench, &name(bench), &registry.address);
    let fetched = ran(fetch.env("ROPEWALK_LIMITS__IMAGE", "1000000").output().unwrap());
    assert!(fetched.exit == 1 && fetched.log.contains("limits.image"), "{}{}", fetched.log, fetched.errors);
}

fn fetched(bench: &Bench) {
    if !has_registry() {
        return;
    }
    let registry = Registry::start(None);
    let address = registry.address.clone();
    let name = name(bench);
    let first = ran(command(bench, &name, &address).output().unwrap());
    assert_eq!(first.exit, 0, "{}{}", first.log, first.errors);
    for part in [&format!("The image {name} is not here yet"), "layer 1 of 1: ", "unpacking", "\nin "] {
        assert!(first.log.contains(part), "{part}: {}", first.log);
    }
    drop(registry);
    // The second needs no registry.
    let second = ran(command(bench, &name, &address).output().unwrap());
    assert!(second.exit == 0 && !second.log.contains("not here yet"), "{}", second.log);
    let mut remove = bench.ropewalk();
    let removed = ran(remove.args(["image", "remove", &name]).output().unwrap());
    assert_eq!(removed.exit, 0, "{}", removed.errors);
}

fn cancelled(bench: &Bench) {
    let (address, told) = silent();
    let child = command(bench, &name(bench), &address).spawn().unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok("asked"));
    let asked_to_end = Instant::now();
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ended = ran(child.wait_with_output().unwrap());
    assert_eq!(ended.exit, 130, "{}{}", ended.log, ended.errors);
    assert!(asked_to_end.elapsed() < Duration::from_secs(8), "{:?}", asked_to_end.elapsed());
    assert!(ended.log.contains("Cancelled"), "{}", ended.log);
    assert_eq!(told.recv_timeout(PATIENCE), Ok("gone"));
}

fn deadline(bench: &Bench) {
    let (address, told) = silent();
    let mut command = command(bench, &name(bench), &address);
    let ended = ran(command.env("ROPEWALK_LIMITS__BUILD_TIME", "2").output().unwrap());
    assert!(ended.exit == 1 && ended.log.contains("limits.build-time"), "{}", ended.log);
    assert_eq!((told.recv_timeout(PATIENCE), told.recv_timeout(PATIENCE)), (Ok("asked"), Ok("gone")));
}

fn refused(bench: &Bench) {
    let ended = ran(command(bench, &name(bench), "127.0.0.1:1").output().unwrap());
    assert!(ended.exit == 1 && ended.log.contains("does not answer"), "{}", ended.log);
    assert!(!ended.log.contains("Sending tasks"), "{}", ended.log);
}

fn not_fetched(bench: &Bench) {
    let mut command = command(bench, &name(bench), "127.0.0.1:1");
    let Ran { exit, log, .. } = ran(command.env("ROPEWALK_IMAGES__FETCH", "false").output().unwrap());
    assert!(exit == 1 && log.contains("there is no image") && log.contains("images here: host"), "{log}");
}

/// A tar with these folders, files and links.
fn archive(bench: &Bench, entries: &[(&str, Option<&str>)]) -> PathBuf {
    let mut tar = tar::Builder::new(vec![]);
    for (path, link) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_entry_type(match link {
            Some(_) => tar::EntryType::Symlink,
            None if path.ends_with('/') => tar::EntryType::Directory,
            None => tar::EntryType::Regular,
        });
        match link {
            Some(to) => tar.append_link(&mut header, path, to).unwrap(),
            None => tar.append_data(&mut header, path, &[][..]).unwrap(),
        }
    }
    let path = bench.folder.join("image.tar");
    std::fs::write(&path, tar.into_inner().unwrap()).unwrap();
    path
}

fn unusable(bench: &Bench) {
    let name = name(bench);
    let image = |arguments: &[&str]| ran(bench.ropewalk().arg("image").args(arguments).output().unwrap());
    for (entries, words) in [
        (&[("etc/", None), ("proc/", None)][..], "it has no /bin/sh, which runs the steps"),
        (&[("bin/", None), ("bin/sh", Some("/bin/busybox"))], "it has no /bin/sh, which runs the steps"),
        (
            &[("bin/", None), ("bin/sh", None), ("proc", Some("etc"))],
            "its /proc is no folder but a link or a file",
        ),
    ] {
        let tar = archive(bench, entries);
        let imported = image(&["import", tar.to_str().unwrap(), &name]);
        assert_eq!(imported.exit, 0, "{}", imported.errors);
        let Ran { exit, log, .. } = ran(command(bench, &name, "127.0.0.1:1").output().unwrap());
        assert!(exit == 1 && log.contains(words) && !log.contains("Sending tasks"), "{words}: {log}");
        let removed = image(&["remove", &name]);
        assert_eq!(removed.exit, 0, "{}", removed.errors);
    }
    let host = image(&["remove", "host"]);
    assert!(host.exit == 1 && host.errors.contains("this machine's own system"), "{}", host.errors);
}

/// In a mount namespace of the test's own.
fn something_below_usr(bench: &Bench) {
    if !rustix::process::getuid().is_root() {
        println!(
            "NOT RUN here: a mount below /usr: the tests run as an ordinary account, which may not mount"
        );
        return;
    }
    let owner = std::fs::metadata(&bench.folder).unwrap();
    let (uid, gid) = (owner.uid().to_string(), owner.gid().to_string());
    bench.write("manifest.yml", "image: host\ntasks:\n- one: echo it runs\n");
    bench.folder("mounted");
    let script = "mount --bind mounted /usr/local && uid=$1 gid=$2 && shift 2 &&
        exec setpriv --reuid=$uid --regid=$gid --clear-groups \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh", &uid, &gid]);
    command.arg(bench.program()).arg("--data").arg(bench.data()).args(["run", "manifest.yml"]);
    command.current_dir(&bench.folder).env("HOME", &bench.folder).stdin(Stdio::null());
    let Ran { exit, log, errors } = ran(command.output().unwrap());
    if bench.is_root() {
        assert!(exit == 0 && log.contains("it runs"), "{log}{errors}");
    } else {
        let words = "while something is mounted on /usr/local, below /usr";
        assert!(exit == 1 && log.contains(words), "{log}{errors}");
    }
}
