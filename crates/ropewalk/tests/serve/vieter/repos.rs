//! Repositories, as they are written and read.

use super::packages::{archive, files, package, plain, through, zstd};
use super::{Answer, Farm, answer, on_both_engines};
use crate::server::Engine;
use serde_json::json;
use std::io::{Read, Write};
use std::sync::Arc;

on_both_engines! {
    vieter_32_packages_of_every_compression_are_published
    vieter_33_what_is_no_package_leaves_no_trace
    vieter_34_an_upload_is_told_to_go_on_at_once
    vieter_35_a_newer_version_replaces_and_the_old_file_stays_a_while
    vieter_36_a_package_for_any_is_in_every_architecture
    vieter_37_a_version_is_asked_for_by_its_entry
    vieter_38_an_entry_is_its_description
    vieter_39_databases_have_two_names_each
    vieter_40_ranges_of_a_package
    vieter_43_a_package_is_removed_once
    vieter_44_architectures_and_repositories_are_removed
    vieter_45_the_last_package_leaves_an_empty_database
    vieter_46_fifty_publishes_at_once_are_all_there
    vieter_47_paths_that_lead_elsewhere
    vieter_49_a_repository_that_a_target_names_is_empty_before_it_is_filled
    vieter_51_what_was_acknowledged_survives_kill_9
    repositories_belong_to_who_made_them
    a_database_changes_its_time_with_every_publish
    a_copy_with_any_other_time_is_not_taken_for_the_newest
    a_machine_may_fetch_hundreds_of_packages_at_once
    a_package_whose_name_holds_pkg_is_asked_for_like_others
}

impl Farm {
    pub(super) async fn publish(&self, repo: &str, bytes: Vec<u8>) -> Answer {
        self.send(&format!("/{repo}/publish"), bytes).await
    }

    async fn published(&self, repo: &str, bytes: Vec<u8>) -> serde_json::Value {
        self.publish(repo, bytes).await.data()
    }

    /// A GET without a key.
    pub(super) async fn read(&self, path: &str) -> Answer {
        answer(self.request("GET", path)).await
    }

    /// Paths and texts in a database.
    pub(super) async fn database(&self, path: &str) -> Vec<(String, String)> {
        let answer = self.read(path).await;
        assert_eq!(answer.status, 200, "{path}");
        listed(&answer.bytes)
    }

    async fn names(&self, path: &str) -> Vec<String> {
        let entries = self.database(path).await;
        entries.into_iter().filter_map(|(path, _)| path.strip_suffix("/desc").map(String::from)).collect()
    }
}

fn listed(bytes: &[u8]) -> Vec<(String, String)> {
    let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(bytes));
    let entries = archive.entries().unwrap();
    entries
        .map(|entry| {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (entry.path().unwrap().display().to_string(), text)
        })
        .collect()
}

async fn vieter_32_packages_of_every_compression_are_published(engine: Engine) {
    let farm = Farm::start(engine).await;
    let programs = [("zstd", ".zst"), ("xz", ".xz"), ("gzip", ".gz"), ("", "")];
    for (n, (program, suffix)) in programs.into_iter().enumerate() {
        let name = format!("p{n}");
        let plain = plain(&name, "1:2.0+g1-1.1", "x86_64", "");
        let bytes = if program.is_empty() { plain } else { through(program, &plain) };
        let said = farm.published("r", bytes.clone()).await;
        assert_eq!(said, json!({ "name": name, "version": "1:2.0+g1-1.1", "archs": ["x86_64"] }));
        let file = farm.read(&format!("/r/x86_64/{name}-1:2.0+g1-1.1-x86_64.pkg.tar{suffix}")).await;
        assert_eq!(file.status, 200);
        assert!(file.bytes == bytes);
    }
    assert_eq!(farm.names("/r/x86_64/r.db").await.len(), 4);
}

async fn vieter_33_what_is_no_package_leaves_no_trace(engine: Engine) {
    let farm = Farm::start_with(engine, &[("ROPEWALK_ARCH__UNPACKED", "1048576")]).await;
    for name in ["API", "api", "submit"] {
        let lower = name.to_lowercase();
        let message = format!("'{lower}' is a reserved keyword & cannot be used as a repository name.");
        farm.publish(name, package("p", "1-1", "any")).await.is_refused(400, &message);
    }
    let good = package("p", "1-1", "x86_64");
    let bzip2 = through("bzip2", &plain("p", "1-1", "x86_64", ""));
    let info = b"pkgname = p\npkgver = 1-1\narch = x86_64\n";
    for (what, bytes, status) in [
        ("junk", b"junk".to_vec(), 400),
        ("bzip2", bzip2, 400),
        ("cut", good[..good.len() / 2].to_vec(), 400),
        ("no .PKGINFO", zstd(&archive(&[("usr/x", b"x")])), 400),
        ("a name that leads out", zstd(&plain("../p", "1-1", "x86_64", "")), 400),
        ("a path that leads out", zstd(&archive(&[(".PKGINFO", info), ("../../etc/x", b"x")])), 400),
        ("an absolute path", zstd(&archive(&[(".PKGINFO", info), ("/etc/x", b"x")])), 400),
        ("a bomb", zstd(&archive(&[(".PKGINFO", info), ("zeros", &vec![0; 8 << 20])])), 413),
    ] {
        let answer = farm.publish("r", bytes).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert_ne!(answer.envelope()["message"], "", "{what}");
    }
    // An upload that ends before its length says so.
    let origin = farm.server.origin.trim_start_matches("http://").to_string();
    let mut stream = std::net::TcpStream::connect(origin).unwrap();
    let head = format!(
        "POST /r/publish HTTP/1.1\r\nHost: x\r\nX-Api-Key: {}\r\nContent-Length: {}\r\n\r\n",
        farm.key,
        good.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&good[..good.len() - 5]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said);
    assert!(!said.starts_with("HTTP/1.1 200"), "{said}");
    // Without a length, in chunks.
    let chunked =
        reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(good.clone())]));
    let chunked = farm.request("POST", "/r/publish").header("X-Api-Key", &farm.key).body(chunked);
    answer(chunked).await.is_bare(411);
    farm.read("/r/x86_64/r.db").await.is_bare(404);
    let left = std::fs::read_dir(farm.server.data().join("incoming")).unwrap().count();
    let blobs = files(&farm.server.data().join("blobs"));
    assert_eq!((left, blobs), (0, 0));
    assert_eq!(farm.publish("r", good).await.status, 200);
}

async fn vieter_34_an_upload_is_told_to_go_on_at_once(engine: Engine) {
    let farm = Farm::start(engine).await;
    let path = farm.server.home().join("p.pkg.tar.zst");
    std::fs::write(&path, package("p", "1-1", "x86_64")).unwrap();
    let address = format!("{}/r/publish", farm.server.origin);
    let key = format!("X-API-KEY: {}", farm.key);
    let path = path.to_str().unwrap();
    let arguments = ["-v", "-sS", "-XPOST", "-T", path, "-H", &key, "-w", "\n%{time_total}", &address];
    let curl = std::process::Command::new("curl").args(arguments).env("no_proxy", "*").output().unwrap();
    let (said, told) = (String::from_utf8_lossy(&curl.stdout), String::from_utf8_lossy(&curl.stderr));
    let (body, time) = said.rsplit_once('\n').unwrap();
    assert_eq!(body, r#"{"message":"","data":{"name":"p","version":"1-1","archs":["x86_64"]}}"#);
    assert!(told.contains("Expect: 100-continue") && told.contains("HTTP/1.1 100 Continue"), "{told}");
    // curl waits a second for the word to go on.
    assert!(time.parse::<f64>().unwrap() < 1.0, "{time} s");
}

async fn vieter_35_a_newer_version_replaces_and_the_old_file_stays_a_while(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.published("r", package("p", "1.0-1", "x86_64")).await;
    farm.published("r", package("p", "1.1-1", "x86_64")).await;
    assert_eq!(farm.names("/r/x86_64/r.db").await, ["p-1.1-1"]);
    for version in ["1.0-1", "1.1-1"] {
        assert_eq!(
            farm.read(&format!("/r/x86_64/p-{version}-x86_64.pkg.tar.zst")).await.status,
            200,
            "{version}"
        );
    }
    farm.read("/r/x86_64/p-1.0-1").await.is_bare(404);
    // Back again: downgrades are taken.
    farm.published("r", package("p", "1.0-1", "x86_64")).await;
    assert_eq!(farm.names("/r/x86_64/r.db").await, ["p-1.0-1"]);
    let short = Farm::start_with(engine, &[("ROPEWALK_ARCH__KEEP_REPLACED", "0")]).await;
    short.published("r", package("p", "1.0-1", "x86_64")).await;
    short.published("r", package("p", "1.1-1", "x86_64")).await;
    short.read("/r/x86_64/p-1.0-1-x86_64.pkg.tar.zst").await.is_bare(404);
}

async fn vieter_36_a_package_for_any_is_in_every_architecture(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.published("r", package("a", "1-1", "aarch64")).await;
    let said = farm.published("r", package("p", "1-1", "any")).await;
    assert_eq!(said["archs"], json!(["aarch64", "x86_64"]));
    farm.published("r", package("b", "1-1", "riscv64")).await;
    for (arch, names) in
        [("aarch64", vec!["a-1-1", "p-1-1"]), ("x86_64", vec!["p-1-1"]), ("riscv64", vec!["b-1-1", "p-1-1"])]
    {
        assert_eq!(farm.names(&format!("/r/{arch}/r.db")).await, names, "{arch}");
        assert_eq!(farm.read(&format!("/r/{arch}/p-1-1-any.pkg.tar.zst")).await.status, 200, "{arch}");
    }
    farm.read("/r/any/r.db").await.is_bare(404);
    let said = farm.published("r", package("p", "2-1", "any")).await;
    assert_eq!(said["archs"], json!(["aarch64", "riscv64", "x86_64"]));
    assert_eq!(farm.names("/r/riscv64/r.db").await, ["b-1-1", "p-2-1"]);
}

async fn vieter_37_a_version_is_asked_for_by_its_entry(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.published("r", package("hello-any", "1.0.0-1", "any")).await;
    farm.published("r", package("epochal", "2:1.0-1", "any")).await;
    for (name, status) in [
        ("hello-any-1.0.0-1", 200),
        ("hello-any-1.0.0-2", 404),
        ("hello-any", 404),
        ("epochal-2:1.0-1", 200),
        ("epochal-1.0-1", 404),
    ] {
        let head = answer(farm.request("HEAD", &format!("/r/x86_64/{name}"))).await;
        assert_eq!((head.status, head.bytes.len()), (status, 0), "{name}");
    }
}

async fn vieter_38_an_entry_is_its_description(engine: Engine) {
    let farm = Farm::start(engine).await;
    let bytes = zstd(&plain("p", "1-1", "any", "depend = a\ndepend = b>=1\nlicense = MIT\n"));
    let (size, sum) = (bytes.len(), sha256(&bytes));
    farm.published("r", bytes).await;
    let expected = format!(
        "%FILENAME%\np-1-1-any.pkg.tar.zst\n\n%NAME%\np\n\n%BASE%\np\n\n%VERSION%\n1-1\n\n%DESC%\nA test\n\n%CSIZE%\n{size}\n\n\
         %ISIZE%\n5\n\n%SHA256SUM%\n{sum}\n\n%LICENSE%\nMIT\n\n%ARCH%\nany\n\n%BUILDDATE%\n1700000000\n\n\
         %PACKAGER%\nT <t@example.org>\n\n%DEPENDS%\na\nb>=1\n\n"
    );
    assert_eq!(farm.read("/r/x86_64/p-1-1").await.text(), expected);
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn vieter_39_databases_have_two_names_each(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.published("r", package("p", "1-1", "any")).await;
    for kind in ["db", "files"] {
        let (short, long) = (
            farm.read(&format!("/r/x86_64/r.{kind}")).await,
            farm.read(&format!("/r/x86_64/r.{kind}.tar.gz")).await,
        );
        assert!(short.status == 200 && short.bytes == long.bytes);
    }
    let paths =
        |entries: Vec<(String, String)>| entries.into_iter().map(|(path, _)| path).collect::<Vec<_>>();
    assert_eq!(paths(farm.database("/r/x86_64/r.db").await), ["p-1-1/desc"]);
    let files = farm.database("/r/x86_64/r.files").await;
    assert_eq!(files[1], ("p-1-1/files".into(), "%FILES%\nusr/share/p\n".into()));
    for name in ["other.db", "r.db.sig", "r.files.sig"] {
        farm.read(&format!("/r/x86_64/{name}")).await.is_bare(404);
    }
}

async fn vieter_40_ranges_of_a_package(engine: Engine) {
    let farm = Farm::start(engine).await;
    let bytes = package("p", "1-1", "any");
    let size = bytes.len();
    farm.published("r", bytes.clone()).await;
    let path = "/r/x86_64/p-1-1-any.pkg.tar.zst";
    for (range, from, to) in
        [("bytes=10-19", 10, 20), ("bytes=10-", 10, size), ("bytes=0-0", 0, 1), ("bytes=-5", size - 5, size)]
    {
        let part = answer(farm.request("GET", path).header("Range", range)).await;
        let said = part.headers["content-range"].to_str().unwrap().to_string();
        assert_eq!((part.status, said), (206, format!("bytes {from}-{}/{size}", to - 1)), "{range}");
        assert!(part.bytes == bytes[from..to], "{range}");
    }
    let past = answer(farm.request("GET", path).header("Range", "bytes=999999999-")).await;
    assert_eq!((past.status, past.bytes.len()), (416, 0));
    assert_eq!(past.headers["content-range"].to_str().unwrap(), format!("bytes */{size}"));
    // A database is in memory, a package on disk.
    let database = farm.read("/r/x86_64/r.db").await.bytes;
    let part = answer(farm.request("GET", "/r/x86_64/r.db").header("Range", "bytes=5-9")).await;
    assert_eq!((part.status, part.bytes.as_slice()), (206, &database[5..10]));
    assert_eq!(part.headers["content-range"].to_str().unwrap(), format!("bytes 5-9/{}", database.len()));
    let head = answer(farm.request("HEAD", path)).await;
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    assert_eq!(head.headers["content-length"].to_str().unwrap(), size.to_string());
    assert_eq!(head.headers["accept-ranges"], "bytes");
}

async fn vieter_43_a_package_is_removed_once(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.published("r", package("trio", "1-1", "any")).await;
    farm.published("r", package("trio-bin", "1-1", "any")).await;
    farm.published("r", package("a", "1-1", "aarch64")).await;
    answer(farm.request("DELETE", "/r/x86_64/trio")).await.is_refused(401, "401 Unauthorized");
    answer(farm.request("DELETE", "/r/x86_64/trio").header("X-Api-Key", "x"))
        .await
        .is_refused(401, "401 Unauthorized");
    farm.ask("DELETE", "/r/x86_64/trio").await.is_bare(200);
    farm.ask("DELETE", "/r/x86_64/trio").await.is_bare(404);
    farm.read("/r/x86_64/trio-1-1-any.pkg.tar.zst").await.is_bare(404);
    assert_eq!(farm.names("/r/x86_64/r.db").await, ["trio-bin-1-1"]);
    assert_eq!(farm.names("/r/aarch64/r.db").await, ["a-1-1", "trio-1-1", "trio-bin-1-1"]);
}

async fn vieter_44_architectures_and_repositories_are_removed(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.published("r", package("p", "1-1", "any")).await;
    farm.published("r", package("a", "1-1", "aarch64")).await;
    for path in ["/r", "/r/x86_64"] {
        answer(farm.request("DELETE", path)).await.is_refused(401, "401 Unauthorized");
    }
    farm.ask("DELETE", "/r/x86_64").await.is_bare(200);
    farm.ask("DELETE", "/r/x86_64").await.is_bare(404);
    farm.read("/r/x86_64/r.db").await.is_bare(404);
    assert_eq!(farm.read("/r/aarch64/r.db").await.status, 200);
    farm.ask("DELETE", "/r").await.is_bare(200);
    farm.ask("DELETE", "/r").await.is_bare(404);
    farm.ask("DELETE", "/nosuch").await.is_bare(404);
    farm.read("/r/aarch64/r.db").await.is_bare(404);
    farm.read("/r/aarch64/a-1-1-aarch64.pkg.tar.zst").await.is_bare(404);
    // It comes again as if it was new.
    farm.published("r", package("b", "1-1", "x86_64")).await;
    assert_eq!(farm.names("/r/x86_64/r.db").await, ["b-1-1"]);
}

async fn vieter_45_the_last_package_leaves_an_empty_database(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.published("r", package("p", "1-1", "any")).await;
    farm.ask("DELETE", "/r/x86_64/p").await.is_bare(200);
    assert!(farm.database("/r/x86_64/r.db").await.is_empty());
    assert!(farm.database("/r/x86_64/r.files").await.is_empty());
}

async fn vieter_46_fifty_publishes_at_once_are_all_there(engine: Engine) {
    let farm = Arc::new(Farm::start(engine).await);
    farm.published("r", package("first", "1-1", "any")).await;
    let publishing: Vec<_> = (0..50)
        .map(|n| {
            let farm = farm.clone();
            tokio::spawn(async move {
                farm.publish("r", package(&format!("p{n:02}"), "1-1", "x86_64")).await.status
            })
        })
        .collect();
    // Whoever reads meanwhile gets whole databases only, and what was there stays there.
    let mut seen = 0;
    while publishing.iter().any(|task| !task.is_finished()) {
        let names = farm.names("/r/x86_64/r.db").await;
        assert!(
            names.len() > seen.max(1) - 1 && names.contains(&"first-1-1".to_string()),
            "{seen}: {names:?}"
        );
        seen = names.len();
        let entries: Vec<String> =
            farm.database("/r/x86_64/r.files").await.into_iter().map(|(path, _)| path).collect();
        for pair in entries.chunks(2) {
            let folder = pair[0].strip_suffix("/desc").expect("a description first");
            assert_eq!(pair.get(1), Some(&format!("{folder}/files")));
        }
        assert!(entries.len() / 2 >= seen, "what is in one is in the other, which is read later");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for task in publishing {
        assert_eq!(task.await.unwrap(), 200);
    }
    assert_eq!(farm.names("/r/x86_64/r.db").await.len(), 51);
}

async fn vieter_47_paths_that_lead_elsewhere(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.published("r", package("p", "1-1", "any")).await;
    let long = "x".repeat(300);
    for path in [
        "/r/%2e%2e/r.db",
        "/r/x86_64/%2e%2e",
        "/r/x86_64/..%2fr.db",
        "/r%2fx86_64/r.db",
        "/r/x86_64/%00",
        "/r/x86_64/a%0a.pkg",
        "/r/x86_64/..pkg",
        &format!("/r/x86_64/{long}.pkg"),
        &format!("/r/{long}/r.db"),
        &format!("/{long}/x86_64/r.db"),
        "/R/x86_64/R.db",
        "/-r/x86_64/-r.db",
    ] {
        // Over a socket: clients take dots out of addresses themselves.
        for method in ["GET", "HEAD", "DELETE"] {
            let said = refused_over_a_socket(&farm, &format!("{method} {path}"));
            assert!(said.starts_with("HTTP/1.1 4"), "{method} {path}: {said}");
        }
    }
    for line in ["GET /../../etc/passwd", "GET /r/../../etc/passwd.pkg", "DELETE /r/.."] {
        let said = refused_over_a_socket(&farm, line);
        assert!(said.starts_with("HTTP/1.1 4"), "{line}: {said}");
    }
    for repo in ["a%2fb", &long, "A"] {
        let status = farm.publish(repo, package("p", "1-1", "any")).await.status;
        assert!((400..500).contains(&status), "{repo}: {status}");
    }
    assert_eq!(farm.names("/r/x86_64/r.db").await, ["p-1-1"]);
}

/// What a request with the key is answered.
fn refused_over_a_socket(farm: &Farm, line: &str) -> String {
    let key = &farm.key;
    let request = format!("{line} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {key}\r\nConnection: close\r\n\r\n");
    super::transport::raw(farm, &request).0
}

async fn vieter_49_a_repository_that_a_target_names_is_empty_before_it_is_filled(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.read("/new/x86_64/new.db").await.is_bare(404);
    let id = farm.target("kind=git&url=U&repo=new").await;
    for name in ["new.db", "new.files", "new.db.tar.gz"] {
        assert!(farm.database(&format!("/new/x86_64/{name}")).await.is_empty());
    }
    farm.read("/new/x86_64/other.db").await.is_bare(404);
    farm.ask("DELETE", &format!("/api/v1/targets/{id}")).await.is_bare(200);
    farm.read("/new/x86_64/new.db").await.is_bare(404);
}

async fn vieter_51_what_was_acknowledged_survives_kill_9(engine: Engine) {
    let mut farm = Farm::start(engine).await;
    let (address, key) = (format!("{}/r/publish", farm.server.origin), farm.key.clone());
    let (told, mut acknowledged) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..20 {
        let request = crate::server::http().build().unwrap().post(&address).header("X-Api-Key", &key);
        let (request, told) = (request.body(package(&format!("p{n:02}"), "1-1", "x86_64")), told.clone());
        tokio::spawn(async move {
            if request.send().await.is_ok_and(|response| response.status() == 200) {
                let _ = told.send(format!("p{n:02}-1-1"));
            }
        });
    }
    drop(told);
    let mut expected = vec![];
    while expected.len() < 5 {
        expected.push(acknowledged.recv().await.expect("five are acknowledged"));
    }
    farm.server.kill();
    while let Some(one) = acknowledged.recv().await {
        expected.push(one);
    }
    farm.server.start_again();
    let names = farm.names("/r/x86_64/r.db").await;
    for one in &expected {
        assert!(names.contains(one), "{one} was acknowledged: {names:?}");
    }
    for name in &names {
        assert_eq!(farm.read(&format!("/r/x86_64/{name}-x86_64.pkg.tar.zst")).await.status, 200, "{name}");
    }
    assert_eq!(std::fs::read_dir(farm.server.data().join("incoming")).unwrap().count(), 0);
}

async fn repositories_belong_to_who_made_them(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.server.done(&["user", "create", "ann"]);
    let ann =
        farm.server.done(&["token", "create", "--user", "ann", "--grants", "REPOS:RW"]).trim().to_string();
    let by_ann = async |method: &str, path: &str, body: Vec<u8>| {
        answer(farm.request(method, path).header("X-API-KEY", &ann).body(body)).await.status
    };
    farm.published("r", package("p", "1-1", "any")).await;
    assert_eq!(by_ann("POST", "/r/publish", package("p", "2-1", "any")).await, 403);
    assert_eq!(by_ann("DELETE", "/r/x86_64/p", vec![]).await, 403);
    assert_eq!(by_ann("DELETE", "/r", vec![]).await, 403);
    assert_eq!(by_ann("POST", "/ann/publish", package("p", "2-1", "any")).await, 200);
    assert_eq!(by_ann("POST", "/api/v1/targets?kind=git&url=U&repo=r", vec![]).await, 403);
    assert_eq!(farm.names("/r/x86_64/r.db").await, ["p-1-1"]);
    // An agent of the administrator's publishes for her.
    farm.published("ann", package("p", "3-1", "any")).await;
    assert_eq!(by_ann("DELETE", "/ann", vec![]).await, 200);
}

async fn a_database_changes_its_time_with_every_publish(engine: Engine) {
    let farm = Farm::start(engine).await;
    let mut times = vec![];
    for n in 0..4 {
        farm.published("r", package(&format!("p{n}"), "1-1", "any")).await;
        let answer = farm.read("/r/x86_64/r.db").await;
        let time = answer.headers["last-modified"].to_str().unwrap().to_string();
        let again = farm.request("GET", "/r/x86_64/r.db").header("If-Modified-Since", &time);
        assert_eq!(self::answer(again).await.status, 304);
        if let Some(before) = times.last() {
            let since = farm.request("GET", "/r/x86_64/r.db").header("If-Modified-Since", before);
            assert_eq!(self::answer(since).await.status, 200, "{before} and {time}");
        }
        times.push(time);
    }
    let tag = farm.read("/r/x86_64/r.db").await.headers["etag"].clone();
    let same = farm.request("GET", "/r/x86_64/r.db").header("If-None-Match", tag);
    assert_eq!(self::answer(same).await.status, 304);
}

async fn a_copy_with_any_other_time_is_not_taken_for_the_newest(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.target("kind=git&url=U&repo=r").await;
    let since = async |time: &str| {
        answer(farm.request("GET", "/r/x86_64/r.db").header("If-Modified-Since", time)).await.status
    };
    // pacman gives its copy of the empty database the time that it is told.
    let empty = farm.read("/r/x86_64/r.db").await.headers["last-modified"].to_str().unwrap().to_string();
    assert_eq!(since(&empty).await, 304);
    farm.published("r", package("p", "1-1", "any")).await;
    assert_eq!(since(&empty).await, 200);
    let is = farm.read("/r/x86_64/r.db").await.headers["last-modified"].to_str().unwrap().to_string();
    assert_eq!(since(&is).await, 304);
    let is = httpdate::parse_http_date(&is).unwrap();
    // By a clock that is fast, or by a server that had the repository before.
    for seconds in [1, 300, 7200] {
        let later = httpdate::fmt_http_date(is + std::time::Duration::from_secs(seconds));
        assert_eq!(since(&later).await, 200, "{seconds} s later");
    }
}

async fn a_machine_may_fetch_hundreds_of_packages_at_once(engine: Engine) {
    let farm = Arc::new(Farm::start(engine).await);
    farm.published("r", package("p", "1-1", "any")).await;
    let lanes: Vec<_> = (0..5)
        .map(|_| {
            let farm = farm.clone();
            tokio::spawn(async move {
                for _ in 0..40 {
                    // pacman asks for each package and its signature.
                    assert_eq!(farm.read("/r/x86_64/p-1-1-any.pkg.tar.zst").await.status, 200);
                    assert_eq!(farm.read("/r/x86_64/p-1-1-any.pkg.tar.zst.sig").await.status, 404);
                }
            })
        })
        .collect();
    for lane in lanes {
        lane.await.unwrap();
    }
}

async fn a_package_whose_name_holds_pkg_is_asked_for_like_others(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.published("r", package("foo.pkgtool", "1-1", "any")).await;
    for (path, status) in
        [("foo.pkgtool-1-1", 200), ("foo.pkgtool-1-1-any.pkg.tar.zst", 200), ("foo.pkgtool-2-1", 404)]
    {
        assert_eq!(answer(farm.request("HEAD", &format!("/r/x86_64/{path}"))).await.status, status, "{path}");
    }
    // One that cannot be read could not be asked for.
    let long = "x".repeat(65);
    assert_eq!(farm.publish("r", package("p", "1-1", &long)).await.status, 400);
}
