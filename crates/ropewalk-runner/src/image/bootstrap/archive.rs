//! What this machine's apt knows: its mirror, and the state of a suite there.

use super::release;
use super::scratch::Scratch;
use crate::image::ImageError;
use crate::image::source::Suite;
use crate::inside::printable;
use std::process::{Command, Stdio};

/// What an archive's suites are called beside the suite itself.
const BESIDE: [&str; 2] = ["-updates", "-security"];

/// A suite as the mirror has it.
pub(super) struct Archive {
    /// `deb URI SUITE main`, the suite itself first.
    pub(super) sources: Vec<String>,
    /// The signed states of all of them.
    pub(super) releases: String,
    /// When the suite itself was last changed.
    pub(super) changed: Option<i64>,
}

impl Archive {
    /// Asks the mirror.
    pub(super) fn of(suite: &Suite, scratch: &Scratch) -> Result<Archive, ImageError> {
        let codename = os_release("VERSION_CODENAME").unwrap_or_default();
        let targets = apt(
            "apt-get",
            &[
                "indextargets",
                "--format",
                "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)",
                "Identifier: Packages",
            ],
        )?;
        let own = mirrors(&targets, &codename);
        if !own.iter().any(|(_, beside)| beside.is_empty()) {
            let why = format!("the sources of apt on this machine have no mirror for {codename} main");
            return Err(ImageError::Bootstrap(why));
        }
        Archive::at(&own, suite.as_str(), |uri, name| {
            release::fetch(uri, name, &scratch.release(), release::WITHIN)
        })
        .map_err(ImageError::Bootstrap)
    }

    /// What mirrors have of a suite. Not every suite has updates and security updates; an image lacks them only where
    /// `release` says that there are none.
    fn at(
        mirrors: &[(String, &'static str)],
        suite: &str,
        release: impl Fn(&str, &str) -> Result<Option<String>, String>,
    ) -> Result<Archive, String> {
        let mut archive = Archive { sources: vec![], releases: String::new(), changed: None };
        let (own, beside): (Vec<_>, Vec<_>) = mirrors.iter().partition(|(_, beside)| beside.is_empty());
        for (uri, beside) in own.into_iter().chain(beside) {
            let name = format!("{suite}{beside}");
            match release(uri, &name) {
                Ok(Some(text)) => {
                    if beside.is_empty() {
                        archive.changed = date(&text);
                    }
                    archive.sources.push(format!("deb {uri} {name} main"));
                    archive.releases += &text;
                }
                Ok(None) if beside.is_empty() => {
                    return Err(format!("this machine's mirror {uri} has no suite {name}"));
                }
                Ok(None) => {}
                Err(why) => {
                    return Err(format!("this machine's mirror does not give the suite {name}: {why}"));
                }
            }
        }
        Ok(archive)
    }
}

/// This distribution's own mirrors, and for which part: the suite itself, its updates, its security updates.
fn mirrors(targets: &str, codename: &str) -> Vec<(String, &'static str)> {
    let mut mirrors: Vec<(String, &'static str)> = vec![];
    for line in targets.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [uri, release, "main", origin] = *words.as_slice() else { continue };
        // Without lists of its own apt does not know the origin.
        if codename.is_empty() || !["Debian", "Ubuntu", "$(ORIGIN)"].contains(&origin) {
            continue;
        }
        let beside = match release.strip_prefix(codename) {
            Some("") => Some(""),
            Some(rest) => BESIDE.into_iter().find(|beside| *beside == rest),
            None => None,
        };
        if let Some(beside) = beside
            && !mirrors.iter().any(|(_, known)| *known == beside)
        {
            mirrors.push((uri.to_owned(), beside));
        }
    }
    mirrors
}

fn date(release: &str) -> Option<i64> {
    let date = release.lines().find_map(|line| line.strip_prefix("Date: "))?;
    let date = date.trim().replace(" UTC", " +0000");
    Some(jiff::fmt::rfc2822::parse(&date).ok()?.timestamp().as_second())
}

/// What of apt's settings an image needs to reach the same mirror; proxies whose address has a password apart.
pub(super) fn apt_settings() -> (Vec<String>, Vec<(String, String)>) {
    let (mut settings, mut proxies) = (vec![], vec![]);
    let value = |key: &str| {
        let text = apt("apt-config", &["dump", "--format", "%v%n", key]).unwrap_or_default();
        text.lines().next().map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
    };
    if value("Acquire::Check-Valid-Until").as_deref() == Some("false") {
        settings.push("Acquire::Check-Valid-Until \"false\"".to_owned());
    }
    for scheme in ["http", "https"] {
        let Some(proxy) = value(&format!("Acquire::{scheme}::Proxy")) else { continue };
        if proxy.contains('@') {
            proxies.push((format!("{scheme}_proxy"), proxy));
        } else if !proxy.contains('"') {
            settings.push(format!("Acquire::{scheme}::Proxy \"{proxy}\""));
        }
    }
    for name in ["http_proxy", "https_proxy", "no_proxy"] {
        if let Ok(value) = std::env::var(name)
            && !proxies.iter().any(|(known, _)| known == name)
        {
            proxies.push((name.to_owned(), value));
        }
    }
    (settings, proxies)
}

fn apt(program: &str, arguments: &[&str]) -> Result<String, ImageError> {
    let failed = |why: String| ImageError::Bootstrap(format!("{program} {}: {why}", arguments.join(" ")));
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    let output = command.output().map_err(|e| failed(e.to_string()))?;
    match output.status.success() {
        true => String::from_utf8(output.stdout).map_err(|e| failed(e.to_string())),
        false => Err(failed(printable(&output.stderr))),
    }
}

/// A value of this machine's os-release.
pub(super) fn os_release(key: &str) -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(line.trim_matches(['"', '\'']).to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_distributions_own_mirrors_are_found_among_others() {
        let targets = "\
            https://tools.example/apt/ bookworm main Tools\n\
            https://tools.example/apt/ bookworm stable $(ORIGIN)\n\
            http://mirror.example/debian/ bookworm main Debian\n\
            http://other.example/debian/ bookworm main Debian\n\
            http://mirror.example/debian/ bookworm contrib Debian\n\
            http://mirror.example/debian/ bookworm-updates main Debian\n\
            http://mirror.example/debian/ bookworm-backports main Debian\n\
            http://mirror.example/debian-security/ bookworm-security main Debian\n\
            http://mirror.example/debian/ trixie main Debian\n";
        let expected = [
            ("http://mirror.example/debian/".to_owned(), ""),
            ("http://mirror.example/debian/".to_owned(), "-updates"),
            ("http://mirror.example/debian-security/".to_owned(), "-security"),
        ];
        assert_eq!(mirrors(targets, "bookworm"), expected);
        assert_eq!(mirrors(targets, "forky"), []);
        assert_eq!(mirrors(targets, ""), []);
    }

    #[test]
    fn an_image_lacks_updates_only_where_the_mirror_has_none() {
        let mirrors = [("http://s/", "-security"), ("http://m/", ""), ("http://m/", "-updates")];
        let mirrors = mirrors.map(|(uri, beside)| (uri.to_owned(), beside));
        let at = |missing: &str, failing: &str| {
            let archive = Archive::at(&mirrors, "sid", |_, name| match name {
                _ if name == missing => Ok(None),
                _ if name == failing => Err("500".into()),
                _ => Ok(Some(format!("Date: Sat, 17 May 2025 08:52:10 UTC\n{name}\n"))),
            });
            archive.map(|archive| (archive.sources, archive.changed))
        };
        let all =
            ["deb http://m/ sid main", "deb http://s/ sid-security main", "deb http://m/ sid-updates main"];
        let changed = Some(1_747_471_930);
        assert_eq!(at("", ""), Ok((all.map(str::to_owned).to_vec(), changed)));
        assert_eq!(at("sid-security", ""), Ok((vec![all[0].into(), all[2].into()], changed)));
        assert!(at("sid", "").unwrap_err().contains("has no suite sid"));
        for failing in ["sid", "sid-security", "sid-updates"] {
            let error = at("", failing).unwrap_err();
            assert!(error.contains(failing) && error.contains("500"), "{error}");
        }
    }

    #[test]
    fn the_date_of_a_suite_is_read() {
        assert_eq!(date("Origin: Debian\nDate: Sat, 17 May 2025 08:52:10 UTC\n"), Some(1_747_471_930));
        assert_eq!(date("Origin: Debian\nDate: yesterday\n"), None);
    }
}
