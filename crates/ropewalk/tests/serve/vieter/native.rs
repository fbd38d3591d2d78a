//! Builds by this server's own runner: real `makepkg` and `pacman` in a Debian root, real git, then `pacman` on a machine.

use super::pacman::{ARCHDEP, EPOCHAL, FAILS, HELLO, Machine, SPLIT, is_root};
use super::{Farm, GIT, on_both_engines};
use crate::server::{Engine, PATIENCE};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

on_both_engines! {
    vieter_native_our_own_runner_builds_what_no_agent_takes
    vieter_native_a_build_survives_kill_9_of_its_server
    vieter_native_agents_come_first
    vieter_native_an_agent_gets_what_nobody_has_begun
    vieter_native_what_cannot_be_built_leaves_a_log
}

const IMAGE: &str = "debian/makepkg";
const SOON: &[(&str, &str)] = &[
    ("ROPEWALK_ARCH__AGENT_GRACE", "0"),
    ("ROPEWALK_ARCH__BASE_IMAGE", IMAGE),
    // Git's own server and this one are on the loopback.
    ("ROPEWALK_SANDBOX__NETWORK", "host"),
];

/// Its key goes where a PKGBUILD can put it: into the package. What it may do meanwhile too.
const THIEF: &str = r#"pkgname=thief
pkgver=1
pkgrel=1
arch=(any)
package() {
  echo "the key is $OAUTH2_TOKEN"
  install -d "$pkgdir/k"
  printf %s "$OAUTH2_TOKEN" >"$pkgdir/k/key"
  for path in other/publish api/v1/targets; do
    curl -sS -o /dev/null -w '%{http_code} ' -XPOST -H "X-Api-Key: $OAUTH2_TOKEN" --data x "${JOB_URL%%/~*}/$path"
  done >"$pkgdir/k/said"
  curl -sS -o /dev/null -w '%{http_code}' -H "X-Api-Key: $OAUTH2_TOKEN" "${JOB_URL%%/~*}/api/v1/logs" >>"$pkgdir/k/said"
}
"#;
const SLOW: &str = r#"pkgname=slow
pkgver=1
pkgrel=1
arch=(any)
build() { echo "it has begun"; sleep 8; echo "it goes on"; }
package() { install -d "$pkgdir/usr/share/slow"; }
"#;

/// A git repository that builds can clone over the network, with a PKGBUILD in each folder.
struct Forge {
    folder: tempfile::TempDir,
    daemon: Child,
    port: u16,
}

impl Forge {
    fn new(files: &[(&str, &str)]) -> Forge {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = Command::new("git").arg("--exec-path").output().unwrap().stdout;
        let path = PathBuf::from(String::from_utf8(path).unwrap().trim()).join("git-daemon");
        let mut daemon = Command::new(path);
        daemon.args(["--export-all", "--listen=127.0.0.1", &format!("--port={port}"), "--reuseaddr"]);
        daemon.arg(format!("--base-path={}", folder.path().display())).stdin(Stdio::null());
        daemon.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "safe.directory");
        let daemon = daemon.env("GIT_CONFIG_VALUE_0", "*").stderr(Stdio::null()).spawn().unwrap();
        let forge = Forge { folder, daemon, port };
        forge.commit(files);
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "git's server did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        forge
    }

    fn commit(&self, files: &[(&str, &str)]) {
        let work = self.folder.path().join("packages");
        for (folder, text) in files {
            std::fs::create_dir_all(work.join(folder)).unwrap();
            std::fs::write(work.join(folder).join("PKGBUILD"), text).unwrap();
        }
        let script = "git init -q -b main && git add -A && git -c user.name=t -c user.email=t@example.org commit -qm x";
        let output = Command::new("sh").args(["-c", script]).current_dir(&work).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    async fn target(&self, farm: &Farm, repo: &str, path: &str) -> i64 {
        let query = format!(
            "kind=git&url=git://127.0.0.1:{}/packages&branch=main&repo={repo}&path={path}",
            self.port
        );
        farm.target(&query).await
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// A server whose runner builds at once, with the image; none where that cannot be had.
async fn builder(engine: Engine, variables: &[(&str, &str)]) -> Option<Farm> {
    if !is_root() {
        println!(
            "NOT RUN here: builds in a root with makepkg: pacman's and git's servers of the test need to be root"
        );
        return None;
    }
    let farm = Farm::start_flags(engine, &[], variables).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/images/make.sh");
    let made = Command::new(script).arg("arch").output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let tar = String::from_utf8(made.stdout).unwrap();
    farm.server.done(&["image", "import", tar.trim(), IMAGE]);
    Some(farm)
}

impl Farm {
    /// Queues a build and waits for its log: exit code and text.
    async fn build(&self, target: i64, force: &str) -> (i64, String) {
        let before = self.logs_of(target).await.len();
        self.post(&format!("/api/v1/jobs/queue?target={target}&arch=x86_64{force}")).await.is_bare(200);
        self.wait_for_logs(target, before + 1).await
    }

    async fn logs_of(&self, target: i64) -> Vec<Value> {
        self.get(&format!("/api/v1/logs?limit=0&target={target}")).await.data().as_array().unwrap().clone()
    }

    async fn wait_for_logs(&self, target: i64, count: usize) -> (i64, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let logs = self.logs_of(target).await;
            if logs.len() >= count {
                assert_eq!(logs.len(), count);
                let log = logs.last().unwrap();
                assert_eq!((&log["arch"], &log["target_id"]), (&json!("x86_64"), &json!(target)));
                let (start, end) = (log["start_time"].as_i64().unwrap(), log["end_time"].as_i64().unwrap());
                assert!(start > super::now() - 600 && start <= end && end <= super::now(), "{log}");
                let text = self.get(&format!("/api/v1/logs/{}/content", log["id"])).await.text();
                return (log["exit_code"].as_i64().unwrap(), text);
            }
            let jobs = || self.server.done(&["list", "--json"]);
            assert!(Instant::now() < deadline, "no log of target {target} came: {}", jobs());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn head(&self, path: &str) -> u16 {
        self.ask("HEAD", path).await.status
    }
}

async fn vieter_native_our_own_runner_builds_what_no_agent_takes(engine: Engine) {
    let Some(farm) = builder(engine, SOON).await else { return };
    let folders = [
        ("", HELLO),
        ("nested/dir with blank", ARCHDEP),
        ("fails", FAILS),
        ("split", SPLIT),
        ("epoch", EPOCHAL),
        ("thief", THIEF),
    ];
    let forge = Forge::new(&folders);
    let hello = forge.target(&farm, "own", "").await;
    let (exit, log) = farm.build(hello, "").await;
    assert_eq!(exit, 0, "{log}");
    for part in ["+ sudo pacman -Syu", "==> Making package: hello-any 1.0.0-1", r#""name":"hello-any""#] {
        assert!(log.contains(part), "{part}: {log}");
    }
    // One that needs it, from a folder with a blank in its name: pacman gets the one from the repository.
    let nested = forge.target(&farm, "own", "nested/dir+with+blank").await;
    let (exit, log) = farm.build(nested, "").await;
    assert!(exit == 0 && log.contains("installing hello-any"), "{exit} {log}");
    let machine = Machine::new(&farm, "own");
    machine.pacman(&["-Sy"]);
    machine.pacman(&["-S", "--noprogressbar", "archdep"]);
    assert!(machine.path("usr/bin/hello-any").exists() && machine.path("usr/share/archdep/blob").exists());
    // What is there is not built again unless it is forced to, by epoch and each package of a split one.
    let (exit, log) = farm.build(hello, "").await;
    assert!(exit == 0 && log.contains("nothing is built") && !log.contains("publishing"), "{log}");
    let (exit, log) = farm.build(hello, "&force").await;
    assert!(exit == 0 && log.contains("publishing hello-any"), "{log}");
    for (folder, names) in
        [("epoch", &["epochal-2:1.0-1"][..]), ("split", &["trio-1-1", "trio-bin-1-1", "trio-doc-1-1"])]
    {
        let target = forge.target(&farm, "own", folder).await;
        for builds in [true, false] {
            let (exit, log) = farm.build(target, "").await;
            assert!(exit == 0 && log.contains("nothing is built") != builds, "{log}");
        }
        for name in names {
            assert_eq!(farm.head(&format!("/own/x86_64/{name}")).await, 200, "{name}");
        }
        let last = names.last().unwrap().rsplitn(3, '-').last().unwrap();
        farm.ask("DELETE", &format!("/own/x86_64/{last}")).await.is_bare(200);
        let (exit, log) = farm.build(target, "").await;
        assert!(exit == 0 && !log.contains("nothing is built"), "{log}");
        assert_eq!(farm.head(&format!("/own/x86_64/{}", names.last().unwrap())).await, 200);
    }
    let fails = forge.target(&farm, "own", "fails").await;
    let (exit, log) = farm.build(fails, "").await;
    assert!(exit == 4 && log.contains("A failure occurred in check()"), "{exit} {log}");
    a_key_dies_with_its_build(&farm, &forge).await;
}

/// It may publish into its own repository and nothing else; afterwards nothing at all. It is in no plan and no log.
async fn a_key_dies_with_its_build(farm: &Farm, forge: &Forge) {
    let target = forge.target(farm, "own", "thief").await;
    let (exit, log) = farm.build(target, "").await;
    assert!(exit == 0 && log.contains("the key is "), "{log}");
    let entry = farm.get("/own/x86_64/thief-1-1").await.text();
    let file = entry.lines().nth(1).unwrap();
    let package = farm.get(&format!("/own/x86_64/{file}")).await.bytes;
    let path = farm.server.home().join(file);
    std::fs::write(&path, package).unwrap();
    let inside = |name: &str| {
        let output = Command::new("bsdtar").arg("-xOf").arg(&path).arg(name).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(inside("k/said"), "403 403 403");
    let key = inside("k/key");
    assert!(key.len() >= 40 && !log.contains(&key), "{log}");
    let job = farm.server.json(&["list", "--json"])[0]["id"].as_i64().unwrap();
    assert!(!farm.server.done(&["show", "--json", &job.to_string()]).contains(&key));
    let bytes = super::packages::package("late", "1-1", "any");
    let late =
        super::answer(farm.request("POST", "/own/publish").header("X-Api-Key", &key).body(bytes)).await;
    assert_eq!(late.status, 403, "{}", late.text());
}

async fn vieter_native_a_build_survives_kill_9_of_its_server(engine: Engine) {
    let Some(mut farm) = builder(engine, SOON).await else { return };
    let forge = Forge::new(&[("", SLOW)]);
    let target = forge.target(&farm, "own", "").await;
    farm.queue(target, "x86_64").await;
    let began = Instant::now();
    while !farm.server.run(&["logs", "1", "build"]).stdout.windows(12).any(|window| window == b"it has begun")
    {
        assert!(began.elapsed() < PATIENCE, "it did not begin");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    farm.server.kill();
    farm.server.start_again();
    let (exit, log) = farm.wait_for_logs(target, 1).await;
    assert!(exit == 0 && log.contains("it has begun") && log.contains("it goes on"), "{log}");
    // Once more over: nothing is made a second time of what has ended.
    farm.server.kill();
    farm.server.start_again();
    assert_eq!(farm.wait_for_logs(target, 1).await.1.matches("it has begun").count(), 1);
    let jobs = farm.server.json(&["list", "--json"]);
    assert_eq!((jobs.as_array().unwrap().len(), &jobs[0]["status"]), (1, &json!("success")));
    let machine = Machine::new(&farm, "own");
    machine.pacman(&["-Sy"]);
    assert_eq!(machine.pacman(&["-Sl"]).trim(), "own slow 1-1");
}

/// Status of the only job.
fn status(farm: &Farm) -> String {
    farm.server.json(&["list", "--json"])[0]["status"].as_str().unwrap().into()
}

async fn vieter_native_agents_come_first(engine: Engine) {
    let farm = Farm::start_flags(engine, &[], &[("ROPEWALK_ARCH__AGENT_GRACE", "0")]).await;
    let target = farm.target(GIT).await;
    // An agent that asks now and then is not forestalled.
    assert!(farm.poll("x86_64", 1).await.is_empty());
    farm.queue(target, "x86_64").await;
    let queued = Instant::now();
    while queued.elapsed() < Duration::from_secs(5) {
        assert_eq!(status(&farm), "queued");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(farm.poll("x86_64", 1).await.len(), 1);
}

async fn vieter_native_an_agent_gets_what_nobody_has_begun(engine: Engine) {
    let mut farm = Farm::start_flags(engine, &[], &[("ROPEWALK_ARCH__AGENT_GRACE", "0")]).await;
    // From now on the farm knows a runner that does not come.
    let deadline = Instant::now() + PATIENCE;
    while !farm.server.words().contains("a runner is here") {
        assert!(Instant::now() < deadline, "no runner came");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    farm.server.terminate();
    farm.server.without_runner();
    farm.server.start_again();
    let target = farm.target(GIT).await;
    farm.queue(target, "x86_64").await;
    let deadline = Instant::now() + PATIENCE;
    while farm.server.number("SELECT COUNT(*) AS n FROM arch_builds WHERE native").await == 0 {
        assert!(Instant::now() < deadline, "our own runner was not offered it");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(farm.poll("x86_64", 1).await.len(), 1);
    let at = super::now();
    let log = format!("target={target}&startTime={at}&endTime={at}&arch=x86_64&exitCode=0");
    farm.log(&log, b"by an agent").await;
    let jobs = farm.server.json(&["list", "--json"]);
    assert_eq!((jobs.as_array().unwrap().len(), &jobs[0]["status"]), (1, &json!("success")));
}

async fn vieter_native_what_cannot_be_built_leaves_a_log(engine: Engine) {
    let variables = [("ROPEWALK_ARCH__AGENT_GRACE", "0"), ("ROPEWALK_ARCH__BASE_IMAGE", "no/such")];
    let farm = Farm::start_flags(engine, &[], &variables).await;
    let target = farm.target(&format!("{GIT}&schedule=*+*")).await;
    let (exit, log) = farm.build(target, "").await;
    assert!(exit == 1 && log.contains("no/such"), "{exit} {log}");
    let job = farm.server.json(&["list", "--json"]);
    assert_eq!(job.as_array().unwrap().last().unwrap()["cause"], "image-missing", "{job:#}");
}

/// A proxy that has one PKGBUILD, whatever it is asked for.
fn proxy(text: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut head = vec![];
            let mut lines = BufReader::new(client.try_clone().unwrap());
            while lines.read_until(b'\n', &mut head).is_ok_and(|count| count > 2) {}
            let length = text.len();
            let _ = write!(
                client,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
            );
            let _ = client.shutdown(std::net::Shutdown::Write);
            let _ = client.read_to_end(&mut vec![]);
        }
    });
    port
}

#[tokio::test]
async fn vieter_native_a_build_behind_its_own_network_reaches_the_server() {
    let port = proxy(HELLO);
    let proxy = format!("http://127.0.0.1:{port}");
    let variables =
        [("ROPEWALK_ARCH__AGENT_GRACE", "0"), ("ROPEWALK_ARCH__BASE_IMAGE", IMAGE), ("http_proxy", &proxy)];
    let Some(farm) = builder(Engine::Sqlite, &variables).await else { return };
    let target = farm.target("kind=url&url=http://pkgbuilds.example/hello&repo=own").await;
    let (exit, log) = farm.build(target, "").await;
    assert!(exit == 0 && log.contains("publishing hello-any"), "{exit} {log}");
    assert_eq!(farm.head("/own/x86_64/hello-any-1.0.0-1").await, 200);
    // Other builds have no way to it.
    let manifest = format!(
        "image: {IMAGE}\ntasks:\n- one: |\n    set +e\n    curl -sS -m 9 --noproxy '*' http://198.18.77.2:{}/healthz && exit 1\n    test -z \"$ROPEWALK_SERVER\"\n",
        farm.server.origin.rsplit(':').next().unwrap()
    );
    let job = farm.server.submit(&manifest);
    farm.server.wait_for(job, "success");
}
