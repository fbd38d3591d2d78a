//! Real `makepkg`, `pacman`, `git` and `curl` against the server, as people and Vieter's agents use them.

use super::{Farm, on_both_engines};
use crate::server::Engine;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

on_both_engines! {
    vieter_32_whatever_makepkg_compresses_with_is_published
    vieter_41_pacman_syncs_searches_installs_and_resumes
    vieter_48_an_agent_builds_six_targets
}

const CONF: &str = r#"
DLAGENTS=('file::/usr/bin/curl -gqC - -o %o %u' 'http::/usr/bin/curl -gqb "" -fLC - -o %o %u')
VCSCLIENTS=('git::git')
CARCH=x86_64
CHOST=x86_64-linux-gnu
BUILDENV=(!distcc !color !ccache check !sign)
OPTIONS=(!strip docs emptydirs !zipman !purge !debug !lto)
INTEGRITY_CHECK=(sha256)
COMPRESSZST=(zstd -c -q -3 -T1 -)
PKGEXT=.pkg.tar.zst
SRCEXT=.src.tar.gz
"#;

pub(super) const HELLO: &str = r#"pkgname=hello-any
pkgver=1.0.0
pkgrel=1
pkgdesc='Says hello to any machine'
arch=(any)
license=(MIT)
package() {
  install -d "$pkgdir/usr/bin"
  printf '#!/bin/sh\necho hello\n' > "$pkgdir/usr/bin/hello-any"
  chmod 755 "$pkgdir/usr/bin/hello-any"
}
"#;
pub(super) const EPOCHAL: &str = r#"pkgname=epochal
pkgver=1.0
pkgrel=1
epoch=2
arch=(any)
provides=('virtual=3' 'some-thing')
conflicts=(old-epochal)
package() { install -d "$pkgdir/etc"; echo x > "$pkgdir/etc/epochal.conf"; }
backup=(etc/epochal.conf)
"#;
pub(super) const ARCHDEP: &str = r#"pkgname=archdep
pkgver=4.2.0_rc1+g1234
pkgrel=1.1
arch=(x86_64)
depends=(hello-any)
package() { install -d "$pkgdir/usr/share/archdep"; head -c 300000 /dev/urandom > "$pkgdir/usr/share/archdep/blob"; }
"#;
const MANY: &str = r#"pkgname=manyfiles
pkgver=1
pkgrel=1
arch=(any)
package() {
  d="$pkgdir/usr/share/many files"
  install -d "$d/empty"
  for i in $(seq 300); do echo $i > "$d/süß $i"; done
  ln -s /etc/passwd "$d/link"
  head -c 300000 /dev/urandom > "$d/noise"
}
"#;
pub(super) const FAILS: &str =
    "pkgname=fails\npkgver=1\npkgrel=1\narch=(any)\ncheck() { false; }\npackage() { :; }\n";
pub(super) const SPLIT: &str = r#"pkgbase=trio
pkgname=(trio trio-bin trio-doc)
pkgver=1
pkgrel=1
arch=(x86_64)
package_trio() { install -d "$pkgdir/usr/a"; }
package_trio-bin() { install -d "$pkgdir/usr/b"; }
package_trio-doc() { arch=(any); install -d "$pkgdir/usr/c"; }
"#;

/// A folder in which somebody who is not root can build.
struct Yard {
    folder: tempfile::TempDir,
}

impl Yard {
    fn new() -> Yard {
        let folder = tempfile::tempdir().unwrap();
        let yard = Yard { folder };
        std::fs::write(yard.path("makepkg.conf"), CONF).unwrap();
        for name in ["out", "src", "build", "home"] {
            std::fs::create_dir(yard.path(name)).unwrap();
        }
        yard
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Runs a shell script in this folder; `makepkg` does not run as root.
    fn shell(&self, script: &str, variables: &[(&str, &str)]) -> Output {
        done(Command::new("chmod").arg("755").arg(self.folder.path()));
        let mut command = match is_root() {
            true => {
                done(Command::new("chown").args(["-R", "65534:65534"]).arg(self.folder.path()));
                let mut command = Command::new("setpriv");
                command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "bash", "-c", script]);
                command
            }
            false => {
                let mut command = Command::new("bash");
                command.args(["-c", script]);
                command
            }
        };
        let path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
        command.env_clear().env("PATH", path).env("LC_ALL", "C.UTF-8").env("no_proxy", "*");
        command.env("HOME", self.path("home")).env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("PKGDEST", self.path("out")).env("SRCDEST", self.path("src"));
        command.env("BUILDDIR", self.path("build")).env("PACKAGER", "T <t@example.org>");
        command.env("CONF", self.path("makepkg.conf")).envs(variables.iter().copied());
        command.current_dir(self.folder.path()).stdin(Stdio::null()).output().unwrap()
    }

    /// Builds a PKGBUILD and answers the files that it made.
    fn makepkg(&self, text: &str) -> Vec<PathBuf> {
        self.makepkg_as(text, ".pkg.tar.zst")
    }

    /// The same, with the archives compressed as their name says.
    fn makepkg_as(&self, text: &str, ending: &str) -> Vec<PathBuf> {
        let before = self.made();
        let folder = format!("pb{}", before.len());
        self.write(&format!("{folder}/PKGBUILD"), text);
        let output = self.shell(
            &format!("cd {folder} && makepkg --config \"$CONF\" -f -d -c --noconfirm"),
            &[("PKGEXT", ending)],
        );
        assert!(output.status.success(), "{}", words(&output));
        self.made().into_iter().filter(|path| !before.contains(path)).collect()
    }

    fn made(&self) -> Vec<PathBuf> {
        let mut made: Vec<PathBuf> =
            std::fs::read_dir(self.path("out")).unwrap().map(|entry| entry.unwrap().path()).collect();
        made.sort();
        made
    }
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn words(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn done(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", words(&output));
}

/// A machine that pacman installs to.
pub(super) struct Machine {
    root: tempfile::TempDir,
}

impl Machine {
    pub(super) fn new(farm: &Farm, repo: &str) -> Machine {
        let root = tempfile::tempdir().unwrap();
        for folder in ["var/lib/pacman", "var/cache/pacman/pkg", "etc/hooks", "etc/gnupg", "tmp"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let conf = format!(
            "[options]\nArchitecture = x86_64\nSigLevel = Never\nLocalFileSigLevel = Never\n[{repo}]\nServer = {}/$repo/$arch\n",
            farm.server.origin
        );
        std::fs::write(root.path().join("etc/pacman.conf"), conf).unwrap();
        Machine { root }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn try_pacman(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("pacman");
        command.arg("--config").arg(self.path("etc/pacman.conf")).arg("--root").arg(self.root.path());
        command.arg("--dbpath").arg(self.path("var/lib/pacman")).arg("--gpgdir").arg(self.path("etc/gnupg"));
        command.arg("--cachedir").arg(self.path("var/cache/pacman/pkg"));
        command.arg("--hookdir").arg(self.path("etc/hooks")).arg("--logfile").arg(self.path("pacman.log"));
        command.args(["--noconfirm", "--color", "never"]).args(arguments);
        command.env("LC_ALL", "C.UTF-8").env("no_proxy", "*").stdin(Stdio::null()).output().unwrap()
    }

    /// What a pacman said that must succeed.
    pub(super) fn pacman(&self, arguments: &[&str]) -> String {
        let output = self.try_pacman(arguments);
        assert!(output.status.success(), "pacman {arguments:?}: {}", words(&output));
        words(&output)
    }
}

async fn vieter_32_whatever_makepkg_compresses_with_is_published(engine: Engine) {
    let farm = Farm::start(engine).await;
    let yard = Yard::new();
    for (number, ending) in [".xz", ".gz", ""].into_iter().enumerate() {
        let name = format!("packed{number}");
        let made = yard.makepkg_as(&HELLO.replace("hello-any", &name), &format!(".pkg.tar{ending}"));
        let file = made.first().unwrap();
        let bytes = std::fs::read(file).unwrap();
        let said = farm.publish("r", bytes.clone()).await.data();
        assert_eq!((&said["name"], &said["version"]), (&json!(name), &json!("1.0.0-1")));
        let path = format!("/r/x86_64/{name}-1.0.0-1-any.pkg.tar{ending}");
        assert!(file.to_str().unwrap().ends_with(path.rsplit('/').next().unwrap()), "{file:?}");
        assert!(farm.read(&path).await.bytes == bytes, "{path}");
    }
}

async fn vieter_41_pacman_syncs_searches_installs_and_resumes(engine: Engine) {
    if !is_root() {
        println!("NOT RUN here: pacman on a root of its own: that needs to be root");
        return;
    }
    let farm = Farm::start(engine).await;
    let yard = Yard::new();
    let mut made = vec![];
    for text in [HELLO, EPOCHAL, ARCHDEP, MANY] {
        made.extend(yard.makepkg(text));
    }
    assert_eq!(made.len(), 4);
    for file in &made {
        assert_eq!(farm.publish("study", std::fs::read(file).unwrap()).await.status, 200);
    }
    let machine = Machine::new(&farm, "study");
    for (arguments, code) in [("-Sy", 200), ("-Sy", 304), ("-Syy", 200)] {
        let said = machine.pacman(&[arguments, "--debug"]);
        assert!(said.contains(&format!("study.db: response code {code}")), "{arguments}, {code}: {said}");
    }
    let list = machine.pacman(&["-Sl"]);
    for entry in ["archdep 4.2.0_rc1+g1234-1.1", "epochal 2:1.0-1", "hello-any 1.0.0-1", "manyfiles 1-1"] {
        assert!(list.contains(entry), "{list}");
    }
    assert!(machine.pacman(&["-Ss", "hello to any"]).contains("hello-any"));
    let shown = machine.pacman(&["-Si", "epochal"]);
    for part in ["2:1.0-1", "some-thing", "old-epochal", "T <t@example.org>"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    machine.pacman(&["-Sw", "--noprogressbar", "archdep"]);
    machine.pacman(&["-S", "--noprogressbar", "archdep", "epochal"]);
    machine.pacman(&["-Fy"]);
    assert!(machine.pacman(&["-F", "usr/share/archdep/blob"]).contains("archdep"));
    assert!(machine.pacman(&["-Fl", "manyfiles"]).lines().count() > 300);
    assert!(machine.pacman(&["-Q"]).contains("hello-any 1.0.0-1"));
    assert!(machine.pacman(&["-Qkk", "archdep"]).contains("0 altered files"));
    assert!(machine.path("usr/share/archdep/blob").exists());
    // A download that was cut goes on where it ended.
    let many = made.iter().find(|path| path.to_string_lossy().contains("manyfiles")).unwrap();
    let (whole, name) = (std::fs::read(many).unwrap(), many.file_name().unwrap().to_str().unwrap());
    let cache = machine.path("var/cache/pacman/pkg");
    std::fs::write(cache.join(format!("{name}.part")), &whole[..100_000]).unwrap();
    machine.pacman(&["-Sw", "--noprogressbar", "manyfiles"]);
    assert!(std::fs::read(cache.join(name)).unwrap() == whole, "resumed");
    // What is removed is not found any more; an empty repository is synced.
    assert_eq!(farm.ask("DELETE", "/study/x86_64/hello-any").await.status, 200);
    machine.pacman(&["-Sy"]);
    assert!(!machine.try_pacman(&["-Si", "hello-any"]).status.success());
    farm.target("kind=git&url=U&repo=fresh").await;
    let fresh = Machine::new(&farm, "fresh");
    fresh.pacman(&["-Sy"]);
    assert_eq!(fresh.pacman(&["-Sl"]).trim(), "");
    fresh.pacman(&["-Fy"]);
}

/// One round of an agent: what Vieter's does, without its containers. One line a build: its exit code and uploads.
const AGENT: &str = r#"
set -u
v() { curl -sS -A v.http -H 'Connection: close' -H "X-Api-Key: $API_KEY" "$@"; }
jobs=$(v "$ADDRESS/api/v1/jobs/poll?arch=x86_64&max=10")
n=$(jq '.data | length' <<<"$jobs")
for ((i = 0; i < n; i++)); do
  g() { jq -r ".data[$i].$1" <<<"$jobs"; }
  d=$PWD/agent/$i; mkdir -p "$d/out"
  start=$(date +%s)
  (
    export PKGDEST=$d/out; cd "$d"
    git clone -q --single-branch --depth 1 "$(g url)" repo && cd "repo/$(g path)" || exit 99
    makepkg --config "$CONF" --nobuild -d --needed --noconfirm
    source ./PKGBUILD
    if [ "$(g force)" != true ]; then
      curl -s --head --fail "$ADDRESS/$(g repo)/x86_64/$pkgname-$pkgver-$pkgrel" && exit 0
    fi
    makepkg --config "$CONF" -d --noconfirm --needed --noextract &&
      for pkg in "$PKGDEST"/*.pkg*; do curl -sS -XPOST -T "$pkg" -H "X-API-KEY: $API_KEY" "$ADDRESS/$(g repo)/publish"; done
  ) > "$d/log" 2>&1
  code=$?
  v -o "$d/said" -X POST --data-binary @"$d/log" -H 'Content-Type:' \
    "$ADDRESS/api/v1/logs?target=$(g target_id)&startTime=$start&endTime=$(date +%s)&arch=x86_64&exitCode=$code"
  echo "$code $(grep -o '"message":""' "$d/log" | wc -l) $(jq -r .data "$d/said")"
done
"#;

async fn vieter_48_an_agent_builds_six_targets(engine: Engine) {
    let farm = Farm::start(engine).await;
    let yard = Yard::new();
    for (folder, text) in
        [("", HELLO), ("nested/dir with blank/", ARCHDEP), ("fails/", FAILS), ("split/", SPLIT)]
    {
        yard.write(&format!("pkgbuilds/{folder}PKGBUILD"), text);
    }
    let git = "cd pkgbuilds && git init -q -b main && git add -A &&
        git -c user.name=t -c user.email=t@example.org commit -qm packages";
    let output = yard.shell(git, &[]);
    assert!(output.status.success(), "{}", words(&output));
    let url = format!("file://{}", yard.path("pkgbuilds").display());
    for (path, force) in
        [("", ""), ("nested/dir+with+blank", ""), ("fails", ""), ("", ""), ("", "&force"), ("split", "")]
    {
        let id = farm.target(&format!("kind=git&url={url}&repo=agents&path={path}")).await;
        farm.post(&format!("/api/v1/jobs/queue?target={id}&arch=x86_64{force}")).await.is_bare(200);
    }
    let output = yard.shell(AGENT, &[("ADDRESS", &farm.server.origin), ("API_KEY", &farm.key)]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<Vec<i64>> =
        said.lines().map(|line| line.split(' ').map(|word| word.parse().unwrap_or(-1)).collect()).collect();
    let ends: Vec<(i64, i64)> = lines.iter().map(|line| (line[0], line[1])).collect();
    let logs = || show_logs(yard.folder.path());
    assert_eq!(ends, [(0, 1), (0, 1), (4, 0), (0, 0), (0, 1), (0, 3)], "{}{}", words(&output), logs());
    let stored = farm.get("/api/v1/logs").await.data();
    let codes: Vec<&Value> = stored.as_array().unwrap().iter().map(|log| &log["exit_code"]).collect();
    assert_eq!(codes, [0, 0, 4, 0, 0, 0]);
    let failed = farm.get(&format!("/api/v1/logs/{}/content", lines[2][2])).await.text();
    assert!(failed.contains("A failure occurred in check()"), "{failed}");
    let jobs = farm.server.json(&["list", "--json"]);
    let mut ended: Vec<&str> =
        jobs.as_array().unwrap().iter().map(|job| job["status"].as_str().unwrap()).collect();
    ended.sort_unstable();
    assert_eq!(ended, ["failed", "success", "success", "success", "success", "success"]);
}

fn show_logs(folder: &Path) -> String {
    let text = |n: usize| std::fs::read_to_string(folder.join(format!("agent/{n}/log"))).unwrap_or_default();
    (0..6).map(|n| format!("--- {n}\n{}", text(n))).collect()
}
