//! Files that real builds made, fetched as browsers and scripts fetch them.

use super::builds::World;
use super::{Answer, answer, on_both_engines};
use crate::server::Engine;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

on_both_engines! {
    hydra_41_products_are_downloaded
}

const RELEASE: &str = r#"
{ src ? null }:
let sh = name: script: derivation {
  inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ];
}; in {
  product = sh "product-1.0" ''
    mkdir -p $out/nix-support $out/iso $out/doc/more $out/doc/bare
    head -c 200 /dev/zero > $out/iso/disk.iso
    echo '<h1>manual</h1>' > $out/doc/index.html
    echo '<h1>more</h1>' > $out/doc/more/index.html
    echo plain > "$out/doc/read me.txt"
    ln -s index.html $out/doc/link.html
    ln -s /etc/passwd $out/doc/passwd
    ln -s ../../.. $out/doc/up
    echo "file iso $out/iso/disk.iso" > $out/nix-support/hydra-build-products
    echo "doc manual $out/doc index.html" >> $out/nix-support/hydra-build-products
    echo "doc whole $out" >> $out/nix-support/hydra-build-products
  '';
  folder = sh "folder-1.0" "mkdir $out; echo x > $out/x";
}
"#;

/// The status that a path gets which a client library would tidy up.
fn raw(world: &World, path: &str) -> u16 {
    let mut stream = TcpStream::connect(world.farm.origin().trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(crate::server::PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = vec![];
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(!text.contains("root:") && !text.contains("iso/"), "{path}: {text}");
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

/// As a garbage collection does.
fn collect(path: &str) {
    assert!(Command::new("chmod").args(["-R", "u+w", path]).status().unwrap().success());
    std::fs::remove_dir_all(path).unwrap();
}

async fn hydra_41_products_are_downloaded(engine: Engine) {
    let world = World::of(engine, RELEASE, 2).await;
    let id = world.build("product").await;
    let get = async |rest: &str| world.get(&format!("/build/{id}/{rest}")).await;
    let shown = async || world.get(&format!("/build/{id}")).await.data();
    let leads = |from: &Answer, to: &str| {
        let to = format!("{}/build/{id}/{to}", world.farm.origin());
        assert_eq!((from.status, from.header("location")), (302, to.as_str()));
    };

    // Numbers and types lead to the whole address.
    leads(&get("download/1").await, "download/1/disk.iso");
    leads(&get("download/1/").await, "download/1/disk.iso");
    leads(&get("download/2").await, "download/2/doc/index.html");
    leads(&get("download-by-type/file/iso").await, "download/1/disk.iso");
    leads(&get("download-by-type/doc/manual").await, "download/2/doc/index.html");
    leads(&get("download-by-type/doc/manual/read%20me.txt").await, "download/2/doc/read%20me.txt");

    // A file, by number and by name, whole and in part.
    let stop = shown().await["stoptime"].as_u64().unwrap();
    let stopped = httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(stop));
    for path in ["download/1/disk.iso", "download/1/any-name", "download/disk.iso"] {
        let file = get(path).await;
        assert_eq!((file.status, file.bytes.as_slice()), (200, &[0; 200][..]), "{path}");
        for (name, value) in [
            ("content-security-policy", "sandbox allow-scripts"),
            ("x-content-type-options", "nosniff"),
            ("last-modified", stopped.as_str()),
            ("content-length", "200"),
            ("accept-ranges", "bytes"),
        ] {
            assert_eq!(file.header(name), value, "{path}: {name}");
        }
        assert!(file.header("content-type").starts_with("application/"), "{:?}", file.headers);
    }
    let address = format!("/build/{id}/download/1/disk.iso");
    let part = answer(world.farm.request("GET", &address).header("Range", "bytes=190-")).await;
    assert_eq!((part.status, part.header("content-range")), (206, "bytes 190-199/200"));
    assert_eq!(part.bytes.len(), 10);
    let head = answer(world.farm.request("HEAD", &address)).await;
    assert_eq!((head.status, head.header("content-length"), head.bytes.len()), (200, "200", 0));
    assert_eq!(head.header("content-security-policy"), "sandbox allow-scripts");

    // Folders: their index, after a slash.
    for (path, text, kind) in [
        ("download/2/doc/index.html", "<h1>manual</h1>\n", "text/html"),
        ("download/2/doc/", "<h1>manual</h1>\n", "text/html"),
        ("download/doc/", "<h1>manual</h1>\n", "text/html"),
        ("download/2/doc/more/", "<h1>more</h1>\n", "text/html"),
        ("download/2/doc/link.html", "<h1>manual</h1>\n", "text/html"),
        ("download/doc/read%20me.txt", "plain\n", "text/plain; charset=utf-8"),
        ("download/3/doc/more/index.html", "<h1>more</h1>\n", "text/html"),
    ] {
        let file = get(path).await;
        assert_eq!(
            (file.status, file.text().as_str(), file.header("content-type")),
            (200, text, kind),
            "{path}"
        );
        assert_eq!(file.header("content-security-policy"), "sandbox allow-scripts", "{path}");
    }
    leads(&get("download/2/doc/more?a=b").await, "download/2/doc/more/?a=b");
    leads(&get("download/doc").await, "download/doc/");
    leads(&get("download/3").await, "download/3/");

    // What is not there, or not this build's to offer.
    for nothing in [
        "download/9",
        "download/0",
        "download/nosuch",
        "download/2/doc/nosuch",
        "download/2/doc/bare/",
        "download/2/doc/passwd",
        "download/2/doc/up/",
        "download/1/disk.iso/x",
        "download/3/",
        "download-by-type/file/nosuch",
    ] {
        get(nothing).await.is_refused(404);
    }
    world.get("/build/99999/download/1").await.is_refused(404);
    for up in ["../x", "..", "%2e%2e/iso/disk.iso", "..%2fiso/disk.iso", "more/../../iso/disk.iso", "%00"] {
        assert_eq!(raw(&world, &format!("/build/{id}/download/2/doc/{up}")), 400, "{up}");
    }

    // Whole outputs.
    let folder = world.build("folder").await;
    let whole = world.get(&format!("/build/{folder}/download/1")).await;
    let to = format!("{}/build/{folder}/download/1/folder-1.0", world.farm.origin());
    assert_eq!((whole.status, whole.header("location")), (302, to.as_str()));
    assert_eq!(world.get(&format!("/build/{folder}/download/1/folder-1.0/x")).await.text(), "x\n");

    // What was collected is gone; the build is not.
    let path = shown().await["buildoutputs"]["out"]["path"].as_str().unwrap().to_owned();
    assert!(Path::new(&path).join("iso/disk.iso").exists());
    collect(&path);
    get("download/1/disk.iso").await.is_refused(410);
    get("download/2/doc/nosuch").await.is_refused(410);
    get("download/9").await.is_refused(404);
}
