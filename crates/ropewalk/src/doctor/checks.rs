//! What this machine can do.

use super::trial;
use crate::config::{Config, Network, nix::FOLDER};
use crate::tls::Certificate;
use ropewalk_runner::nix::Tools;
use ropewalk_runner::nix::labels::features;
use ropewalk_runner::sandbox::range;
use serde_json::{Value, json};
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Free bytes below which nothing can run.
const DISK_MIN: u64 = 1 << 30;
/// The program that speaks to the world for a sandbox with a network by nat.
const ROUTER: &str = "slirp4netns";

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    /// Builds run, with less than is asked for.
    Weak,
    /// Builds cannot run.
    Broken,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Good => "good",
            Verdict::Weak => "weak",
            Verdict::Broken => "broken",
        })
    }
}

/// What one check found.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    pub(super) found: String,
    /// What to do.
    pub(super) advice: Option<String>,
}

impl Finding {
    pub(super) fn good(name: &'static str, found: impl Into<String>) -> Finding {
        Finding { name, verdict: Verdict::Good, found: found.into(), advice: None }
    }

    fn weak(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { name, verdict: Verdict::Weak, found: found.into(), advice: Some(advice.into()) }
    }

    pub(super) fn broken(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Broken, ..Finding::weak(name, found, advice) }
    }

    pub(super) fn json(&self) -> Value {
        json!({ "name": self.name, "verdict": self.verdict.to_string(), "found": self.found, "advice": self.advice })
    }
}

pub(super) fn all(config: &Config, data: &Path) -> Vec<Finding> {
    let mut findings = vec![user_namespaces(), id_range()];
    findings.extend(map_programs());
    findings.extend([
        cgroups(),
        network(config),
        nix(config, data),
        disk(config, data),
        tls(config),
        restart(),
        server(data),
        trial::build(data),
    ]);
    findings
}

fn user_namespaces() -> Finding {
    let name = "user namespaces";
    let off = |path: &str, bad: &str| number(path).is_some_and(|text| text == bad);
    if off("/proc/sys/user/max_user_namespaces", "0") {
        return Finding::broken(name, "forbidden", "set the sysctl user.max_user_namespaces to 10000");
    }
    let is_root = rustix::process::getuid().is_root();
    if !is_root && off("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return Finding::broken(
            name,
            "for root only",
            "set the sysctl kernel.unprivileged_userns_clone to 1",
        );
    }
    if !is_root && off("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        return Finding::broken(
            name,
            "restricted by AppArmor",
            "set the sysctl kernel.apparmor_restrict_unprivileged_userns to 0, or run as root",
        );
    }
    Finding::good(name, "allowed")
}

fn id_range() -> Finding {
    match range::find() {
        Ok(range) => {
            Finding::good("id range", format!("users from {}, groups from {}", range.uid, range.gid))
        }
        Err(error) => Finding::broken(
            "id range",
            error.to_string(),
            "add a line of 65536 ids to /etc/subuid and /etc/subgid",
        ),
    }
}

/// Root writes its maps itself.
fn map_programs() -> Option<Finding> {
    if rustix::process::getuid().is_root() {
        return None;
    }
    let name = "newuidmap";
    let usable = |program: &str| {
        let path = in_path(program)?;
        let mode = path.metadata().ok()?.mode();
        (mode & 0o4000 != 0).then_some(path)
    };
    Some(match (usable("newuidmap"), usable("newgidmap")) {
        (Some(path), Some(_)) => Finding::good(name, path.display().to_string()),
        _ => Finding::broken(
            name,
            "newuidmap and newgidmap are missing or not setuid root",
            "install the package uidmap (shadow-utils on Fedora)",
        ),
    })
}

fn cgroups() -> Finding {
    let name = "cgroups";
    let controllers = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").ok();
    let is_root = rustix::process::getuid().is_root();
    match controllers {
        Some(_) if is_root => Finding::good(name, "unified; limits are enforced by the kernel"),
        Some(_) => Finding::weak(
            name,
            "unified, as an ordinary user",
            "memory and processes are watched instead of enforced unless a service with Delegate=yes starts the server",
        ),
        None if is_root && Path::new("/sys/fs/cgroup/memory").exists() => {
            Finding::good(name, "legacy or hybrid; limits are enforced by the kernel")
        }
        None => Finding::weak(
            name,
            "none that can be used",
            "memory and processes are watched instead of enforced",
        ),
    }
}

fn network(config: &Config) -> Finding {
    let name = "network";
    match config.sandbox.network {
        Network::None => Finding::good(name, "none, as configured"),
        Network::Host => Finding::weak(
            name,
            "the host's own, as configured",
            "builds reach everything that this machine reaches: set sandbox.network to nat",
        ),
        Network::Nat => nat(in_path(ROUTER)),
    }
}

/// The router needs no device: it is given frames over a socket.
fn nat(router: Option<PathBuf>) -> Finding {
    let name = "network";
    match router {
        Some(path) => Finding::good(name, format!("nat through {}", path.display())),
        None => {
            let advice = format!("install the package {ROUTER}, or set sandbox.network to none or host");
            Finding::broken(name, format!("{ROUTER} is not installed"), advice)
        }
    }
}

/// Derivations are built in a sandbox of Nix's own.
fn nix(config: &Config, data: &Path) -> Finding {
    let name = "nix";
    // Whoever asks need not be the account whose store it will be: one that is not there yet is made for this look only.
    let is_made = data.join(FOLDER).exists();
    let look = match (!is_made).then(|| tempfile::tempdir_in(data)).transpose() {
        Ok(look) => look,
        Err(error) => return Finding::broken(name, error.to_string(), "name another folder with --data"),
    };
    let place = look.as_ref().map_or(data, |folder| folder.path());
    let settings = match config.nix.of_runner(place) {
        Ok(Some(settings)) => settings,
        Ok(None) => return Finding::good(name, "not installed: no jobsets are evaluated or built here"),
        Err(error) => return Finding::broken(name, error.to_string(), "or empty nix.program and nix.store"),
    };
    let tools = Tools::open(&settings).map_err(|error| error.to_string());
    let found = tools.and_then(|tools| {
        let features = features(&tools).map_err(|error| error.to_string())?;
        Ok((tools, features))
    });
    let (tools, features) = match found {
        Ok(found) => found,
        Err(error) => return Finding::broken(name, error, "mend it, or take Nix out of PATH"),
    };
    let words: Vec<_> = features.into_iter().collect();
    let programs = settings.programs.display();
    let store = tools.store.strip_prefix(place).map_or(tools.store.clone(), |store| data.join(store));
    let found = format!("{programs}, store {}, builds {}", store.display(), words.join(" "));
    match tools.shell() {
        Some(_) if tools.is_own() && range::find().is_err() => Finding::weak(
            name,
            found,
            "without an id range a derivation can change what it depends on, and one that fetches has no network: add \
             one, see `id range`",
        ),
        _ if tools.is_of_daemon() => Finding::weak(
            name,
            found,
            "Nix's daemon builds: limits.memory, limits.disk, limits.processes and sandbox.network do not hold for its \
             builds; leave nix.store out, or set limits in the daemon's configuration",
        ),
        Some(_) => Finding::good(name, found),
        None => Finding::weak(name, found, "derivations find no /bin/sh: install the package busybox-static"),
    }
}

fn disk(config: &Config, data: &Path) -> Finding {
    let name = "disk";
    let free = match rustix::fs::statvfs(data) {
        Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize),
        Err(error) => {
            return Finding::broken(name, format!("{}: {error}", data.display()), "name another with --data");
        }
    };
    let found = format!("{:.1} GiB free in {}", free as f64 / f64::from(1 << 30), data.display());
    if free < DISK_MIN {
        return Finding::broken(name, found, "free some space");
    }
    if free < config.limits.builds.disk {
        return Finding::weak(name, found, "less than limits.disk, what one build may write");
    }
    Finding::good(name, found)
}

/// Whether what is sent can be read on the way.
fn tls(config: &Config) -> Finding {
    let name = "tls";
    let certificate = match config.tls.files() {
        Ok(None) => return without_tls(config),
        Ok(Some((chain, key))) => Certificate::read(&chain, &key),
        Err(error) => Err(error),
    };
    let origin = config.origin();
    match certificate {
        Err(error) => Finding::broken(name, format!("{error:#}"), "the server does not start like this"),
        Ok(_) if !origin.starts_with("https://") => {
            let found = format!("the server speaks https, and `origin` says {origin}");
            Finding::broken(name, found, "write https:// in `origin`; the server does not start like this")
        }
        Ok(certificate) => match certificate.troubles(&origin).as_slice() {
            [] => Finding::good(name, certificate.summary()),
            troubles => Finding::weak(name, certificate.summary(), troubles.join("; ")),
        },
    }
}

fn without_tls(config: &Config) -> Finding {
    let name = "tls";
    if config.listen.ip().is_loopback() {
        return Finding::good(name, "off; only this machine reaches the server");
    }
    let found = format!("off, and the network reaches {}", config.listen);
    match config.insecure {
        true => Finding::good(name, format!("{found}, as configured with `insecure`")),
        false => Finding::weak(
            name,
            found,
            "set tls.cert and tls.key, or listen on 127.0.0.1 behind a proxy with TLS: nobody can log in to the web like this",
        ),
    }
}

/// A service manager that kills the whole control group ends builds with every restart.
fn restart() -> Finding {
    let name = "restart";
    if !Path::new("/run/systemd/system").exists() {
        return Finding::good(name, "no service manager that would end builds");
    }
    let shown = Command::new("systemctl")
        .args(["show", "-p", "KillMode", "-p", "LoadState", "ropewalk.service"])
        .output();
    service(&shown.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default())
}

/// What `systemctl show` says of the service.
fn service(shown: &str) -> Finding {
    let name = "restart";
    if !shown.contains("LoadState=loaded") {
        return Finding::good(name, "no service ropewalk.service");
    }
    if shown.contains("KillMode=process") {
        return Finding::good(name, "builds outlive a restart of ropewalk.service");
    }
    Finding::weak(
        name,
        "a restart of ropewalk.service ends running builds",
        "set KillMode=process and Delegate=yes in its [Service] section",
    )
}

fn server(data: &Path) -> Finding {
    let socket = data.join("admin.sock");
    match std::os::unix::net::UnixStream::connect(&socket) {
        Ok(_) => {
            let pid = std::fs::read_to_string(data.join("lock")).unwrap_or_default();
            Finding::good("server", format!("runs as process {}", pid.trim()))
        }
        Err(_) => Finding::good("server", "none runs on this data folder"),
    }
}

fn number(path: &str) -> Option<String> {
    Some(std::fs::read_to_string(path).ok()?.trim().to_string())
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Tls;
    use ropewalk_testkit::authority::Authority;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_service_whose_restart_ends_builds_is_warned_of() {
        for good in
            ["", "LoadState=not-found\nKillMode=control-group\n", "KillMode=process\nLoadState=loaded\n"]
        {
            assert_eq!(service(good).verdict, Verdict::Good, "{good}");
        }
        let ends = service("KillMode=control-group\nLoadState=loaded\n");
        assert_eq!(ends.verdict, Verdict::Weak);
        assert!(ends.found.contains("ends running builds"), "{}", ends.found);
        assert!(ends.advice.is_some_and(|advice| advice.contains("KillMode=process")));
    }

    #[test]
    fn nat_needs_the_router_that_the_sandbox_starts_and_nothing_else() {
        assert_eq!(nat(Some("/usr/bin/slirp4netns".into())).verdict, Verdict::Good);
        let missing = nat(None);
        assert_eq!(missing.verdict, Verdict::Broken);
        assert!(missing.advice.is_some_and(|advice| advice.contains("slirp4netns")));
    }

    #[test]
    fn says_what_clients_will_mind_about_the_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path());
        let text = |path: &Path| path.to_str().unwrap().to_string();
        let mut config = Config::default();
        assert_eq!(tls(&config).verdict, Verdict::Good, "only this machine");
        config.listen = "0.0.0.0:8420".parse().unwrap();
        assert!(tls(&config).advice.is_some_and(|advice| advice.contains("tls.cert")));
        config.insecure = true;
        assert_eq!(tls(&config).verdict, Verdict::Good, "as configured");

        let mine = authority.issue("mine", &["DNS:builds.example.org", "IP:192.0.2.1"]);
        config.tls = Tls { cert: text(&mine.cert), key: text(&mine.key) };
        config.origin = "https://builds.example.org".into();
        let good = tls(&config);
        assert!(good.verdict == Verdict::Good, "{good:?}");
        assert!(good.found.starts_with("certificate for builds.example.org, 192.0.2.1, valid until 20"));
        config.origin = "https://other.example.org:8420/".into();
        let weak = tls(&config);
        assert!(weak.verdict == Verdict::Weak && weak.advice.unwrap().contains("not for other.example.org"));
        config.origin = "http://builds.example.org".into();
        assert_eq!(tls(&config).verdict, Verdict::Broken);
        config.origin = "https://192.0.2.1".into();
        std::fs::set_permissions(&mine.key, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(
            tls(&config)
                .advice
                .is_some_and(|advice| advice.starts_with("everybody on this machine may read"))
        );

        let ended = authority.issue_for("ended", &["IP:192.0.2.1"], -1);
        config.tls = Tls { cert: text(&ended.cert), key: text(&ended.key) };
        assert!(
            tls(&config).advice.is_some_and(|advice| advice.starts_with("the certificate has ended on 20"))
        );
        config.tls.key = text(&mine.key);
        assert!(tls(&config).verdict == Verdict::Broken && tls(&config).found.contains("is not that of"));
    }
}
