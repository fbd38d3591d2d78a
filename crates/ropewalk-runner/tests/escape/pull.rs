//! Images from registries, as they come.

use crate::fake::{Asked, Fake, Image, Reply, arch, digest, from, index, wait_for};
use crate::hostile::{Shop, Tar};
use crate::world::World;
use ropewalk_runner::image::{
    Entry, FetchNews, Fetching, ImageError, Origins, Progress, RegistryError, Rootfs,
};
use ropewalk_runner::sandbox::Network;
use ropewalk_runner::sandbox::network::Outside;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub(crate) fn small(name: &str) -> Image {
    Image::new(name, &[Tar::new().folder("bin").file("bin/x", name).done()])
}

pub(crate) fn reference(fake: &Fake, image: &str) -> String {
    format!("docker://{}/{image}", fake.address)
}

impl Shop {
    pub(crate) fn pull(&self, reference: &str, name: &str) -> Result<Entry, ImageError> {
        self.pull_with(reference, name, &Origins::default(), &mut vec![])
    }

    pub(crate) fn pull_with(
        &self,
        reference: &str,
        name: &str,
        origins: &Origins,
        lines: &mut Vec<String>,
    ) -> Result<Entry, ImageError> {
        let mut tell = |line: &str| lines.push(line.to_owned());
        let source = reference.parse().unwrap();
        self.catalog.fetch(name, &source, origins, &mut Progress::new(&mut tell))
    }

    /// The error of a pull that must fail and leave nothing.
    pub(crate) fn refuse(&self, reference: &str, origins: &Origins) -> String {
        let error = self.pull_with(reference, "tested", origins, &mut vec![]).unwrap_err();
        assert!(self.catalog.resolve("tested").is_err());
        assert_eq!(self.roots(), [""; 0], "{error}");
        assert_eq!(self.blobs(), [""; 0], "{error}");
        error.to_string()
    }

    /// Blobs that are there, or on their way.
    pub(crate) fn blobs(&self) -> Vec<String> {
        let listed = std::fs::read_dir(self.images().join("blobs/sha256")).into_iter().flatten().flatten();
        let mut names: Vec<String> = listed.map(|e| e.file_name().into_string().unwrap()).collect();
        names.retain(|name| name != ".lock");
        names.sort();
        names
    }
}

pub(crate) fn an_image_comes_from_a_registry_and_its_parts_are_shared(home: &Path) {
    let shop = Shop::new(home);
    let lower = Tar::new().folder("a").file("a/lower", "1").done();
    let one = Image::new("team/one", &[lower.clone(), Tar::new().file("a/one", "1").done()]);
    let two = Image::new("team/two", &[lower.clone(), Tar::new().file("a/two", "2").done()]);
    let fake = Fake::with(&[&one, &two]);
    let mut lines = vec![];
    let entry =
        shop.pull_with(&reference(&fake, "team/one:1"), "one", &Origins::default(), &mut lines).unwrap();
    assert_eq!(entry.digest, digest(&one.config()));
    assert_eq!(entry.manifest, Some(digest(&one.manifest())));
    assert_eq!(entry.env, [("FROM".to_owned(), "registry".to_owned())]);
    assert!(entry.bytes > 0 && entry.source == reference(&fake, "team/one:1"), "{entry:?}");
    assert!(lines.iter().any(|line| line.starts_with("layer 2 of 2:")), "{lines:?}");
    let by_digest = format!("team/two@{}", digest(&two.manifest()));
    shop.pull(&reference(&fake, &by_digest), "two").unwrap();
    assert_eq!(fake.count(&digest(&lower)), 1, "the shared layer came once");
    let rootfs = shop.catalog.resolve("two").unwrap();
    assert!(rootfs.folder.join("a/lower").exists() && rootfs.folder.join("a/two").exists());
    assert!(!rootfs.folder.join("a/one").exists());
    // What only one image has goes with it.
    shop.catalog.remove("one").unwrap();
    assert_eq!(shop.blobs().len(), 4, "{:?}", shop.blobs());
    shop.catalog.remove("two").unwrap();
    assert_eq!(shop.blobs(), [""; 0]);
    shop.close();
}

pub(crate) fn an_index_gives_this_machines_image(home: &Path) {
    let shop = Shop::new(home);
    let (ours, theirs) = (small("ours"), small("theirs"));
    let mut parts: BTreeMap<String, Vec<u8>> = ours.parts().into_iter().collect();
    let mut put =
        |name: &str, bytes: &[u8]| parts.insert(format!("/v2/ours/manifests/{name}"), bytes.to_vec());
    put("many", &index(&[("s390x", &theirs.manifest()), (arch(), &ours.manifest())]));
    let strange = String::from_utf8(index(&[(arch(), &ours.manifest())])).unwrap();
    let strange = strange.replace(&digest(&ours.manifest()), &format!("sha512:{}", "0a".repeat(64)));
    put("strange", strange.as_bytes());
    // The registry would answer it, with whatever it likes.
    put(&format!("sha512:{}", "0a".repeat(64)), &theirs.manifest());
    put("other", &index(&[("s390x", &theirs.manifest())]));
    let inner = index(&[(arch(), &ours.manifest())]);
    let deep = index(&[(arch(), &inner)]);
    put(&digest(&inner), &inner);
    put("deep", &deep);
    let mut nested = deep;
    for _ in 0..4 {
        put(&digest(&nested), &nested);
        nested = index(&[(arch(), &nested)]);
    }
    put("deeper", &nested);
    let fake = Fake::serve(move |asked| from(&parts, asked));
    for tag in ["many", "deep"] {
        let entry = shop.pull(&reference(&fake, &format!("ours:{tag}")), tag).unwrap();
        assert_eq!(entry.manifest, Some(digest(&ours.manifest())), "{tag}");
    }
    for (tag, why) in [
        ("other", format!("no image for linux/{}", arch())),
        ("deeper", "index within".into()),
        ("strange", "is not a SHA-256 digest".into()),
    ] {
        let error = shop.pull(&reference(&fake, &format!("ours:{tag}")), "x").unwrap_err().to_string();
        assert!(error.contains(&why), "{error}");
    }
    shop.close();
}

pub(crate) fn what_broke_off_goes_on_where_it_was(home: &Path) {
    let shop = Shop::new(home);
    let big = Image::new("big", &[Tar::new().file("f", &"0123456789abcdef".repeat(16_384)).done()]);
    let layer = big.claims[0].0.clone();
    let parts: BTreeMap<String, Vec<u8>> = big.parts().into_iter().collect();
    for honours_ranges in [true, false] {
        let (parts, layer) = (parts.clone(), layer.clone());
        let asked_before = AtomicUsize::new(0);
        let fake = Fake::serve(move |asked: &Asked| {
            if !asked.path.ends_with(&layer) {
                return from(&parts, asked);
            }
            let times = asked_before.fetch_add(1, Ordering::Relaxed);
            let whole = Reply::bytes(&parts[&asked.path]);
            let reply = if honours_ranges { whole.ranged(asked) } else { whole };
            match times {
                0 | 1 => reply.cut(100_000),
                2 => Reply::status(503),
                3 => Reply::status(429),
                _ => reply,
            }
        });
        let mut lines = vec![];
        shop.pull_with(&reference(&fake, "big:1"), "tested", &Origins::default(), &mut lines).unwrap();
        let ranges: Vec<_> =
            fake.asked().iter().filter_map(|asked| asked.headers.get("range").cloned()).collect();
        let expected = if honours_ranges {
            ["bytes=100000-", "bytes=200000-", "bytes=200000-", "bytes=200000-"]
        } else {
            ["bytes=100000-"; 4]
        };
        assert_eq!(ranges, expected);
        assert!(lines.iter().any(|line| line.contains("trying again")), "{lines:?}");
        shop.catalog.remove("tested").unwrap();
        assert_eq!(shop.blobs(), [""; 0]);
    }
    shop.close();
}

/// A process that pulls; see [`pull`].
fn pulling(shop: &Shop, reference: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--pull", shop.folder.to_str().unwrap(), reference]);
    command.stdout(Stdio::null()).spawn().unwrap()
}

/// What the program does when it is told to pull for a test.
pub(crate) fn pull(folder: &Path, reference: &str) {
    let mut fetching =
        Fetching::start(folder.to_owned(), "tested", reference.parse().unwrap(), Origins::default()).unwrap();
    loop {
        let mut fds = [rustix::event::PollFd::new(&fetching, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut fds, None).unwrap();
        if let FetchNews::Done(_) = fetching.look().unwrap() {
            return;
        }
    }
}

pub(crate) fn a_killed_pull_leaves_nothing_half_used_and_the_next_goes_on(home: &Path) {
    let shop = Shop::new(home);
    let big = Image::new("big", &[Tar::new().file("f", &"0123456789abcdef".repeat(16_384)).done()]);
    let layer = big.claims[0].0.clone();
    let parts: BTreeMap<String, Vec<u8>> = big.parts().into_iter().collect();
    let (never, asked_before) = (shop.folder.join("never"), AtomicUsize::new(0));
    let part = shop.images().join(format!("blobs/sha256/{}.part", layer.trim_start_matches("sha256:")));
    let slow = layer.clone();
    let fake = Fake::serve(move |asked: &Asked| {
        let first = asked.path.ends_with(&slow) && asked_before.fetch_add(1, Ordering::Relaxed) == 0;
        let reply = from(&parts, asked);
        if first { reply.cut(100_000).held_until(&never) } else { reply }
    });
    let mut child = pulling(&shop, &reference(&fake, "big:1"));
    until("the first bytes are there", || part.metadata().is_ok_and(|meta| meta.len() == 100_000));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(shop.catalog.resolve("tested").is_err());
    // Its fetching process is gone too, and its locks with it.
    let mut children =
        [pulling(&shop, &reference(&fake, "big:1")), pulling(&shop, &reference(&fake, "big:1"))];
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    let rootfs = shop.catalog.resolve("tested").unwrap();
    assert_eq!(std::fs::metadata(rootfs.folder.join("f")).unwrap().len(), 16 * 16_384);
    let asked: Vec<Asked> = fake.asked().into_iter().filter(|asked| asked.path.ends_with(&layer)).collect();
    assert_eq!(asked.len(), 2, "the work was done once: {asked:?}");
    assert_eq!(asked[1].headers.get("range").map(String::as_str), Some("bytes=100000-"));
    shop.close();
}

pub(crate) fn a_spoilt_cache_mends_itself(home: &Path) {
    let shop = Shop::new(home);
    let good = small("good");
    let fake = Fake::with(&[&good]);
    shop.pull(&reference(&fake, "good:1"), "one").unwrap();
    let (layer, length) = good.claims[0].clone();
    let blob = shop.images().join("blobs/sha256").join(layer.trim_start_matches("sha256:"));
    // Another image with that layer, after the disk spoilt it.
    std::fs::write(&blob, vec![b'x'; length]).unwrap();
    let more = Image::new("good", &[good.layers[0].clone(), Tar::new().file("more", "1").done()]);
    let fake = Fake::with(&[&more]);
    assert!(shop.pull(&reference(&fake, "good:1"), "two").is_err());
    shop.pull(&reference(&fake, "good:1"), "two").unwrap();
    shop.close();
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}: not within 30 s");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Debian's registry on this machine's loopback.
struct Registry {
    server: Child,
    address: String,
}

impl Registry {
    fn start(folder: &Path) -> Registry {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let config = folder.join("registry.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{address}'}}\n",
            folder.join("registry").display()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let server = command.spawn().unwrap();
        until("the registry listens", || std::net::TcpStream::connect(&address).is_ok());
        Registry { server, address }
    }

    fn push(&self, layout: &Path, name: &str) {
        let mut command = Command::new("skopeo");
        command.args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]);
        command.arg(format!("oci:{}", layout.display())).arg(format!("docker://{}/{name}", self.address));
        command.env("HOME", layout.parent().unwrap());
        let pushed = command.output().unwrap();
        assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

pub(crate) fn a_real_registrys_image_builds(home: &Path) {
    let layout = PathBuf::from(std::env::var(crate::image::variable("bare.oci")).unwrap());
    let shop = Shop::new(home);
    let registry = Registry::start(&shop.folder);
    registry.push(&layout, "debian:bare");
    let entry = shop.pull(&format!("docker://{}/debian:bare", registry.address), "debian/bare").unwrap();
    assert!(entry.bytes > 50 << 20 && entry.manifest.is_some(), "{entry:?}");
    let by_digest = format!("docker://{}/debian@{}", registry.address, entry.manifest.clone().unwrap());
    let mut lines = vec![];
    shop.pull_with(&by_digest, "same", &Origins::default(), &mut lines).unwrap();
    assert!(lines.iter().any(|line| line == "layer 1 of 1: already here"), "{lines:?}");
    let missing = shop.pull(&format!("docker://{}/debian:none", registry.address), "x").unwrap_err();
    assert!(matches!(missing, ImageError::Registry(RegistryError::NotFound(_))), "{missing}");
    drop(registry);
    builds(
        home,
        shop.catalog.resolve("debian/bare").unwrap(),
        "test $(sudo id -u) = 0; cat /etc/debian_version",
    );
    shop.close();
}

/// Runs a step in an image by a process of its own: afterwards this one can still use the catalogue.
pub(crate) fn builds(home: &Path, image: Rootfs, script: &str) {
    // SAFETY: this process has one thread, so the child may run ordinary code.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let ran = std::panic::catch_unwind(|| {
            let mut world = World::of(home, image);
            world.network = Network::Nat(Outside::of_host());
            let (code, text) = world.step(script);
            assert_eq!(code, 0, "{text}");
        });
        // SAFETY: ends the child without running the parent's exit handlers.
        unsafe { libc::_exit(i32::from(ran.is_err())) }
    }
    let mut status = 0;
    // SAFETY: waits for our own child; `status` outlives the call.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0);
}

pub(crate) fn debian_is_made_from_packages_and_builds(home: &Path) {
    let shop = Shop::new(home);
    let codename = std::fs::read_to_string("/etc/os-release").unwrap();
    let codename = codename.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap();
    let mut lines = vec![];
    let mut tell = |line: &str| lines.push(line.to_owned());
    let suite = codename.trim_matches('"').parse().unwrap();
    let packages = ["sudo".to_owned()];
    let mut make = |name: &str| {
        shop.catalog.bootstrap(name, &suite, Some(&packages), &mut Progress::new(&mut tell)).unwrap()
    };
    let began = Instant::now();
    let one = make("debian/one");
    println!(":: bootstrap of {} MiB in {:.0} s", one.bytes >> 20, began.elapsed().as_secs_f64());
    assert!(one.bytes > 50 << 20 && one.key.is_some(), "{one:?}");
    let began = Instant::now();
    let two = make("debian/two");
    assert_eq!((two.digest, two.key), (one.digest, one.key));
    println!(":: the same again in {:.1} s", began.elapsed().as_secs_f64());
    assert!(lines.iter().any(|line| line.contains("installing")), "{lines:?}");
    assert!(lines.last().unwrap().contains("nothing changed"), "{lines:?}");
    let none = "no-such-suite".parse().unwrap();
    let error = shop.catalog.bootstrap("x", &none, None, &mut Progress::silent()).unwrap_err().to_string();
    assert!(error.contains("no suite no-such-suite"), "{error}");
    let odd = ["no-such-package-anywhere".to_owned()];
    let error = shop.catalog.bootstrap("x", &suite, Some(&odd), &mut Progress::silent()).unwrap_err();
    assert!(error.to_string().contains("no-such-package-anywhere"), "{error}");
    assert_eq!(shop.roots().len(), 1);
    let left = std::fs::read_dir(shop.images().join("scratch")).unwrap().flatten();
    assert_eq!(left.filter(|entry| entry.file_name() != ".lock").count(), 0);
    let install = "sudo apt-get -qq update && sudo apt-get -qq install -y hello >/dev/null 2>&1 && hello";
    builds(home, shop.catalog.resolve("debian/two").unwrap(), install);
    shop.close();
}

pub(crate) fn waiting_is_told(home: &Path) {
    let shop = Shop::new(home);
    let good = small("good");
    let layer = good.claims[0].0.clone();
    let parts: BTreeMap<String, Vec<u8>> = good.parts().into_iter().collect();
    let go = shop.folder.join("go");
    let (held, asked_before) = (go.clone(), AtomicUsize::new(0));
    let fake = Fake::serve(move |asked: &Asked| {
        if asked.path.ends_with(&layer) && asked_before.fetch_add(1, Ordering::Relaxed) == 0 {
            wait_for(&held);
        }
        from(&parts, asked)
    });
    let mut first = pulling(&shop, &reference(&fake, "good:1"));
    until("the layer is asked for", || fake.count("/blobs/") == 2);
    let mut lines = vec![];
    let mut tell = |line: &str| {
        lines.push(line.to_owned());
        std::fs::write(&go, "").unwrap();
    };
    let source = reference(&fake, "good:1").parse().unwrap();
    let mut progress = Progress::new(&mut tell);
    shop.catalog.fetch("tested", &source, &Origins::default(), &mut progress).unwrap();
    assert!(first.wait().unwrap().success());
    assert_eq!(lines, ["another process fetches tested: waiting for it"]);
    assert_eq!(fake.count("/blobs/"), 2);
    shop.close();
}
