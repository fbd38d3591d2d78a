//! Registries that are broken, slow or hostile.

use crate::fake::{Asked, Fake, Image, Reply, digest, from};
use crate::hostile::{Shop, Tar};
use crate::pull::{reference, small};
use ropewalk_runner::image::{ImageError, Limits, Origins, Pace, RegistryError};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

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
