//! What this machine's apt knows: its mirror, and the state of a suite there.

use crate::image::ImageError;
use crate::image::source::Suite;
use crate::inside::printable;
use std::path::Path;
use std::process::{Command, Stdio};

/// What an archive's suites are called beside the suite itself.
const BESIDE: [&str; 2] = ["-updates", "-security"];
/// Longest state of a suite in bytes.
const MAX_RELEASE: usize = 4 << 20;

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
    /// Asks the mirror. `scratch` is a file to be used meanwhile.
    pub(super) fn of(suite: &Suite, scratch: &Path) -> Result<Archive, ImageError> {
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
        let Some((main, _)) = own.iter().find(|(_, beside)| beside.is_empty()) else {
            let why = format!("the sources of apt on this machine have no mirror for {codename} main");
            return Err(ImageError::Bootstrap(why));
        };
        let release = release(main, suite.as_str(), scratch).map_err(|why| {
            ImageError::Bootstrap(format!("this machine's mirror has no suite {}: {why}", suite.as_str()))
        })?;
        let mut archive = Archive {
            sources: vec![format!("deb {main} {} main", suite.as_str())],
            changed: date(&release),
            releases: release,
        };
        // Not every suite has them.
        for (uri, beside) in own.iter().filter(|(_, beside)| !beside.is_empty()) {
            let name = format!("{}{beside}", suite.as_str());
            if let Ok(text) = self::release(uri, &name, scratch) {
                archive.sources.push(format!("deb {uri} {name} main"));
                archive.releases += &text;
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

/// The signed state of a suite, fetched as apt itself fetches: with its proxies and passwords. Its signature is
/// checked when packages are fetched.
fn release(uri: &str, suite: &str, scratch: &Path) -> Result<String, String> {
    let url = format!("{}/dists/{suite}/InRelease", uri.trim_end_matches('/'));
    let mut command = Command::new("/usr/lib/apt/apt-helper");
    command.args(["download-file", &url]).arg(scratch).env("LC_ALL", "C.UTF-8");
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("apt-helper: {e}"))?;
    if !output.status.success() {
        let mut lines = output.stderr.split(|b| *b == b'\n').map(printable);
        let error = lines.find_map(|line| line.strip_prefix("E: ").map(str::to_owned));
        return Err(error.unwrap_or_else(|| "apt-helper failed".into()));
    }
    let bytes = std::fs::read(scratch).map_err(|e| e.to_string())?;
    let _ = std::fs::remove_file(scratch);
    if bytes.len() > MAX_RELEASE {
        return Err(format!("its state is longer than {MAX_RELEASE} bytes"));
    }
    String::from_utf8(bytes).map_err(|e| e.to_string())
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
    fn the_date_of_a_suite_is_read() {
        assert_eq!(date("Origin: Debian\nDate: Sat, 17 May 2025 08:52:10 UTC\n"), Some(1_747_471_930));
        assert_eq!(date("Origin: Debian\nDate: yesterday\n"), None);
    }
}
