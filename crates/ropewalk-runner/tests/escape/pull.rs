//! Images from registries, honest and hostile.

use crate::fake::{Asked, Fake, Image, Reply, arch, digest, from, index, wait_for};
use crate::hostile::{Shop, Tar};
use crate::world::World;
use ropewalk_runner::image::{
    Entry, FetchNews, Fetching, ImageError, Limits, Origins, Pace, Progress, RegistryError, Rootfs,
};
use ropewalk_runner::sandbox::Network;
use ropewalk_runner::sandbox::network::Outside;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn small(name: &str) -> Image {
    Image::new(name, &[Tar::new().folder("bin").file("bin/x", name).done()])
}

fn reference(fake: &Fake, image: &str) -> String {
    format!("docker://{}/{image}", fake.address)
}

impl Shop {
    fn pull(&self, reference: &str, name: &str) -> Result<Entry, ImageError> {
        self.pull_with(reference, name, &Origins::default(), &mut vec![])
    }

    fn pull_with(
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
    fn refuse(&self, reference: &str, origins: &Origins) -> String {
        let error = self.pull_with(reference, "tested", origins, &mut vec![]).unwrap_err();
        assert!(self.catalog.resolve("tested").is_err());
        assert_eq!(self.roots(), [""; 0], "{error}");
        assert_eq!(self.blobs(), [""; 0], "{error}");
        error.to_string()
    }

    /// Blobs that are there, or on their way.
    fn blobs(&self) -> Vec<String> {
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

pub(crate) fn other_bytes_than_were_asked_for_are_refused(home: &Path) {
    let shop = Shop::new(home);
    let good = small("good");
    let other = small("other");
    let layer = &good.claims[0].0;
    let spoil = |path: String, bytes: &[u8]| {
        let mut parts: BTreeMap<String, Vec<u8>> = good.parts().into_iter().collect();
        parts.insert(path, bytes.to_vec());
        Fake::serve(move |asked| from(&parts, asked))
    };
    let by_digest = format!("good@{}", digest(&good.manifest()));
    let manifest = spoil(format!("/v2/good/manifests/{}", digest(&good.manifest())), &other.manifest());
    let error = shop.refuse(&reference(&manifest, &by_digest), &Origins::default());
    assert!(error.contains("sent other bytes"), "{error}");
    for path in [format!("/v2/good/blobs/{layer}"), format!("/v2/good/blobs/{}", digest(&good.config()))] {
        let length = good.parts().into_iter().find(|(own, _)| *own == path).unwrap().1.len();
        let fake = spoil(path, &vec![b'x'; length]);
        let error = shop.refuse(&reference(&fake, "good:1"), &Origins::default());
        assert!(error.contains("sent other bytes"), "{error}");
    }
    // A registry that contradicts itself.
    let parts: BTreeMap<String, Vec<u8>> = good.parts().into_iter().collect();
    let lie = digest(b"something else");
    let fake = Fake::serve(move |asked| from(&parts, asked).header("docker-content-digest", &lie));
    let error = shop.refuse(&reference(&fake, "good:1"), &Origins::default());
    assert!(error.contains("sent other bytes"), "{error}");
    // The right blob, but not the layer that the configuration promises.
    let mut liar = small("liar");
    liar.diff_ids = vec![digest(b"something else")];
    let error = shop.pull(&reference(&Fake::with(&[&liar]), "liar:1"), "tested").unwrap_err().to_string();
    assert!(error.contains("has the digest"), "{error}");
    assert_eq!((shop.roots(), shop.blobs()), (vec![], vec![]));
    shop.close();
}

pub(crate) fn endless_and_giant_answers_are_refused(home: &Path) {
    let shop = Shop::new(home);
    let good = small("good");
    let layer = good.claims[0].0.clone();
    let serve = |part: String, reply: Reply| {
        let parts: BTreeMap<String, Vec<u8>> = good.parts().into_iter().collect();
        Fake::serve(move |asked: &Asked| match asked.path.ends_with(&part) {
            true => reply.clone(),
            false => from(&parts, asked),
        })
    };
    let much = vec![b' '; 1 << 16];
    let long = Reply::bytes(b"x").header("content-length", "99999999999");
    let head = (0..5000)
        .fold(Reply::bytes(b"x"), |reply, n| reply.header(&format!("x-{n}"), "yyyyyyyyyyyyyyyyyyyy"));
    for (part, reply, why) in [
        ("manifests/1".to_owned(), Reply::bytes(&much).endless(), "longer than the 4194304 bytes"),
        ("manifests/1".to_owned(), Reply::bytes(&vec![b' '; 5 << 20]), "longer than the 4194304 bytes"),
        (layer.clone(), Reply::bytes(&much).endless(), "longer than the"),
        (layer, long, "longer than the"),
        ("manifests/1".to_owned(), head, "does not answer"),
    ] {
        let fake = serve(part, reply);
        let error = shop.refuse(&reference(&fake, "good:1"), &Origins::default());
        assert!(error.contains(why), "{error}");
    }
    let mut many = small("many");
    many.claims = vec![many.claims[0].clone(); 600];
    let error = shop.refuse(&reference(&Fake::with(&[&many]), "many:1"), &Origins::default());
    assert!(error.contains("more than 512 layers"), "{error}");
    let mut giant = small("giant");
    giant.claims[0].1 = 1 << 40;
    let error = shop.refuse(&reference(&Fake::with(&[&giant]), "giant:1"), &Origins::default());
    assert!(error.contains("longer than the 34359738368 bytes"), "{error}");
    shop.close();
}

pub(crate) fn a_layer_that_unpacks_to_too_much_leaves_nothing(home: &Path) {
    let mut shop = Shop::new(home);
    let plain = Tar::new().file("zeros", &"\0".repeat(64 << 20)).done();
    let mut packed = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
    packed.write_all(&plain).unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 100_000);
    let mut bomb = Image::new("bomb", &[packed]);
    bomb.diff_ids = vec![digest(&plain)];
    shop.catalog = shop.catalog.with_limits(Limits { bytes: 1 << 20, entries: 100 });
    let fake = Fake::with(&[&bomb]);
    let error = shop.refuse_unpacking(&reference(&fake, "bomb:1"));
    assert!(error.contains("unpacks to more than 1048576 bytes"), "{error}");
    shop.close();
}

impl Shop {
    /// The same for an image whose parts are all as they should be: they may stay until the next pull.
    fn refuse_unpacking(&self, reference: &str) -> String {
        let error = self.pull(reference, "tested").unwrap_err().to_string();
        assert!(self.catalog.resolve("tested").is_err());
        assert_eq!(self.roots(), [""; 0], "{error}");
        assert_eq!(self.blobs(), [""; 0], "{error}");
        error
    }
}

pub(crate) fn names_that_are_paths_are_refused(home: &Path) {
    let shop = Shop::new(home);
    for claim in ["sha256:../../../../../../var/tmp/pwned", "sha256:", "sha512:00", "../x"] {
        let mut image = small("image");
        image.claims[0].0 = claim.into();
        let fake = Fake::with(&[&image]);
        let error = shop.refuse(&reference(&fake, "image:1"), &Origins::default());
        assert!(error.contains("not what it should be"), "{error}");
    }
    let fake = Fake::serve(|_| Reply::bytes(b"not json at all"));
    let error = shop.refuse(&reference(&fake, "image:1"), &Origins::default());
    assert!(error.contains("not what it should be"), "{error}");
    shop.close();
}

pub(crate) fn a_redirect_gets_no_credentials_and_leads_nowhere_near(home: &Path) {
    let shop = Shop::new(home);
    let good = small("good");
    let layer = good.claims[0].0.clone();
    let parts: BTreeMap<String, Vec<u8>> = good.parts().into_iter().collect();
    let stored = parts.clone();
    let store = Fake::serve(move |asked| {
        let path =
            format!("/v2/good/blobs/{}", asked.path.trim_start_matches("/store/").split('?').next().unwrap());
        from(&stored, &Asked { path, headers: asked.headers.clone() })
    });
    let target = format!("http://{}/store/{layer}?signature=x", store.address);
    let registry = Fake::serve(move |asked| match asked.headers.get("authorization").map(String::as_str) {
        Some("Basic bWU6c2VjcmV0") if asked.path.ends_with(&layer) => {
            Reply::status(307).header("location", &target)
        }
        Some("Basic bWU6c2VjcmV0") => from(&parts, asked),
        _ => Reply::status(401).header("www-authenticate", "Basic realm=\"x\""),
    });
    let file = shop.file(
        "auth.json",
        format!(r#"{{"auths": {{"{}": {{"auth": "bWU6c2VjcmV0"}}}}}}"#, registry.address).as_bytes(),
    );
    let origins = Origins { credentials: Some(file), ..Origins::default() };
    let error = shop.refuse(&reference(&registry, "good:1"), &origins);
    assert!(error.contains("a private address") && !error.contains("signature"), "{error}");
    assert_eq!(store.asked().len(), 0);
    let opened = Origins { allow: vec!["127.0.0.0/8".parse().unwrap()], ..origins };
    shop.pull_with(&reference(&registry, "good:1"), "tested", &opened, &mut vec![]).unwrap();
    let asked = store.asked();
    assert!(asked.len() == 1 && !asked[0].headers.contains_key("authorization"), "{asked:?}");
    let refused = shop.pull(&reference(&registry, "good:1"), "other").unwrap_err().to_string();
    assert!(refused.contains("images.credentials"), "{refused}");
    shop.close();
}

pub(crate) fn redirects_to_other_places_are_refused(home: &Path) {
    let shop = Shop::new(home);
    for target in [
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/x",
        "https://[::1]/x",
        "https://localhost/x",
        "http://example.org/x",
        "https://me:secret@example.org/x",
        "//127.0.0.1:1/x",
        "http://[",
        "",
    ] {
        let fake = Fake::serve(move |_| Reply::status(302).header("location", target));
        let error = shop.refuse(&reference(&fake, "x:1"), &Origins::default());
        assert!(!error.contains("secret") && !error.contains("root:"), "{error}");
        let known = ["is refused", "more than 5 redirects", "not what it should be"];
        assert!(known.iter().any(|known| error.contains(known)), "{target}: {error}");
    }
    // A token server is somebody's word as well.
    for realm in ["http://169.254.169.254/token", "https://127.0.0.1/token", "file:///etc/passwd", "x"] {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"s\"");
        let fake = Fake::serve(move |_| Reply::status(401).header("www-authenticate", &challenge));
        let error = shop.refuse(&reference(&fake, "x:1"), &Origins::default());
        assert!(error.contains("is refused") || error.contains("not what it should be"), "{error}");
    }
    shop.close();
}

pub(crate) fn a_token_is_asked_for_and_goes_to_the_registry_only(home: &Path) {
    let shop = Shop::new(home);
    let good = small("team/good");
    let parts: BTreeMap<String, Vec<u8>> = good.parts().into_iter().collect();
    let own = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let address = own.clone();
    let fake = Fake::serve(move |asked| {
        let here = address.lock().unwrap().clone();
        if asked.path.starts_with("/token?") {
            let wanted = "scope=repository%3Ateam%2Fgood%3Apull";
            assert!(asked.path.contains(wanted) && asked.path.contains("service=a+b"), "{}", asked.path);
            return Reply::bytes(br#"{"token": "abc.def", "expires_in": 60}"#);
        }
        match asked.headers.get("authorization").map(String::as_str) {
            Some("Bearer abc.def") => from(&parts, asked),
            _ => Reply::status(401).header(
                "www-authenticate",
                &format!(
                    "Bearer realm=\"http://{here}/token\",service=\"a b\",scope=\"repository:other:push\""
                ),
            ),
        }
    });
    own.lock().unwrap().clone_from(&fake.address);
    shop.pull(&reference(&fake, "team/good:1"), "tested").unwrap();
    assert_eq!(fake.count("/token?"), 1);
    for token in [&b"{\"token\": \"a\\r\\nb: c\"}"[..], b"{}", b"token"] {
        let own = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let address = own.clone();
        let fake = Fake::serve(move |asked| match asked.path.starts_with("/token") {
            true => Reply::bytes(token),
            false => Reply::status(401).header(
                "www-authenticate",
                &format!("Bearer realm=\"http://{}/token\"", address.lock().unwrap()),
            ),
        });
        own.lock().unwrap().clone_from(&fake.address);
        let error = shop.pull(&reference(&fake, "x:1"), "x").unwrap_err().to_string();
        assert!(error.contains("no JSON with a token"), "{error}");
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

pub(crate) fn who_answers_byte_by_byte_is_given_up(home: &Path) {
    let shop = Shop::new(home);
    let big = Image::new("big", &[Tar::new().file("f", &"0123456789abcdef".repeat(16_384)).done()]);
    let layer = big.claims[0].0.clone();
    let parts: BTreeMap<String, Vec<u8>> = big.parts().into_iter().collect();
    let pace = Pace { rate: 1 << 20, window: Duration::from_millis(100) };
    let origins = Origins { pace, ..Origins::default() };
    let slow = "less than 1048576 bytes a second (limits.image-rate)";
    // Each try gets a few bytes further, which is no progress.
    for part in ["manifests/1".to_owned(), layer.clone()] {
        let parts = parts.clone();
        let fake = Fake::serve(move |asked| {
            let reply = from(&parts, asked);
            if asked.path.ends_with(&part) { reply.dripping() } else { reply }
        });
        let error = shop.pull_with(&reference(&fake, "big:1"), "x", &origins, &mut vec![]).unwrap_err();
        assert!(error.to_string().contains(slow), "{error}");
    }
    // So it is with one who breaks off again and again.
    let times = Arc::new(AtomicUsize::new(0));
    let counted = times.clone();
    let fake = Fake::serve(move |asked| {
        let reply = from(&parts, asked);
        match asked.path.ends_with(&layer) {
            true => {
                counted.fetch_add(1, Ordering::Relaxed);
                reply.cut(1)
            }
            false => reply,
        }
    });
    shop.pull_with(&reference(&fake, "big:1"), "x", &origins, &mut vec![]).unwrap_err();
    assert_eq!(times.load(Ordering::Relaxed), 5);
    // Words of an error, and a token.
    let long = vec![b' '; 1 << 16];
    let fake = Fake::serve(move |_| Reply::bytes(&long).with_status(403).dripping());
    let began = Instant::now();
    shop.pull_with(&reference(&fake, "x:1"), "x", &origins, &mut vec![]).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    shop.close();
}

pub(crate) fn an_error_says_what_the_registry_said(home: &Path) {
    let shop = Shop::new(home);
    let fake = Fake::serve(|asked| match asked.path.as_str() {
        "/v2/private/manifests/1" => {
            let mut reply =
                Reply::bytes(br#"{"errors":[{"code":"DENIED","message":"not\u001b[2J for you"}]}"#);
            reply = reply.header("x", "y");
            reply.with_status(403)
        }
        _ => Reply::status(404),
    });
    let error = shop.refuse(&reference(&fake, "private:1"), &Origins::default());
    assert!(error.contains("not [2J for you") && error.contains("images.credentials"), "{error:?}");
    let error = shop.refuse(&reference(&fake, "missing:1"), &Origins::default());
    assert!(error.contains("there is no image") && error.contains("missing:1"), "{error}");
    // Nobody there.
    let error = shop.pull("docker://127.0.0.1:1/x:1", "x").unwrap_err();
    assert!(matches!(error, ImageError::Registry(RegistryError::Transport { .. })), "{error}");
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
