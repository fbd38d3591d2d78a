//! Package repositories and packages, in the words of whatever family of distributions the image says it is.
//!
//! Which family that is shows only inside the build, so a script has a branch for each.

use super::quote::quote;

/// Scripts are for root in a POSIX shell. The image's own description decides, its likenesses from near to far.
const FAMILY: &str = r#"set -eu
fail() { printf '%s\n' "$1" >&2; exit 1; }
ID= ID_LIKE=
if [ -r /etc/os-release ]; then . /etc/os-release; fi
for id in $ID $ID_LIKE; do
"#;

const UNKNOWN: &str = r#"fail "the image says it is '$ID': packages and repositories are known for alpine, arch, debian, fedora and their kin; install them in a task instead"
"#;

/// A family of distributions with one package manager.
#[derive(Clone, Copy)]
struct Family {
    /// Its package manager's program: what an image that does not say its family is known by.
    tool: &'static str,
    /// Patterns of `ID` and `ID_LIKE` in os-release.
    ids: &'static str,
    /// Everything before the packages' names.
    install: &'static str,
    /// The script that adds a repository; an error says which syntax a value has.
    repository: fn(&str, &[&str]) -> Result<String, &'static str>,
}

const FAMILIES: [Family; 4] = [
    Family { tool: "apt-get", ids: "debian|ubuntu", install: APT, repository: apt_repository },
    Family { tool: "apk", ids: "alpine", install: "apk add --update-cache", repository: apk_repository },
    Family {
        tool: "pacman",
        ids: "arch|archlinux|archarm",
        install: "pacman -Syu --noconfirm --needed",
        repository: pacman_repository,
    },
    Family {
        tool: "dnf",
        ids: "fedora|rhel|centos|rocky|almalinux",
        install: "dnf -y install",
        repository: dnf_repository,
    },
];

/// Without a terminal of its own dpkg shows no progress, which would fill the log.
const APT: &str = "export DEBIAN_FRONTEND=noninteractive\n\
                   apt-get -q update\n\
                   apt-get -q -y -o Dpkg::Use-Pty=0 install";

/// The script that installs packages; none when there are none. As upstream, the entries joined are the package
/// manager's arguments, so one entry may hold several, and an option.
pub fn packages(packages: &[String]) -> Option<String> {
    let words: Vec<String> = packages.iter().flat_map(|entry| entry.split_whitespace()).map(quote).collect();
    if words.is_empty() {
        return None;
    }
    let words = words.join(" ");
    Some(branches(|family| format!("{} {words}\n", family.install)))
}

/// The script that installs programs which the image lacks, each a program and the package that has it in every
/// family. It says what it installs, and nothing when nothing is missing.
pub fn tools(tools: &[(&str, &str)]) -> String {
    let mut script = String::from("need=\n");
    for (program, package) in tools {
        let (program, package) = (quote(program), quote(package));
        script.push_str(&format!("command -v {program} >/dev/null || need=\"$need \"{package}\n"));
    }
    script.push_str("[ -n \"$need\" ] || exit 0\necho \"installing what the image lacks:$need\"\n");
    script + &branches(|family| format!("{} $need\n", family.install))
}

/// The script that adds one package repository. A value that does not fit the image's family fails with its syntax.
pub fn repository(name: &str, value: &str) -> String {
    let words: Vec<&str> = value.split_whitespace().collect();
    branches(|family| {
        let sound = is_file_name(name) && !words.iter().any(|word| word.starts_with('-'));
        let script = match sound {
            true => (family.repository)(name, &words),
            false => Err("a name of letters, digits and . _ @ + -, and a value without options"),
        };
        script.unwrap_or_else(|syntax| {
            format!("fail {}\n", quote(&format!("the repository {name} needs here: {syntax}")))
        })
    })
}

/// The image's word decides; where that is of no known family, the first package manager that it has.
fn branches(script: impl Fn(&Family) -> String) -> String {
    let mut text = String::new();
    for family in &FAMILIES {
        text.push_str(&format!("{}() {{\n{}exit 0\n}}\n", function(family), script(family)));
    }
    text.push_str(FAMILY);
    text.push_str("case $id in\n");
    for family in &FAMILIES {
        text.push_str(&format!("{}) {} ;;\n", family.ids, function(family)));
    }
    text.push_str("esac\ndone\n");
    for family in &FAMILIES {
        text.push_str(&format!("if command -v {} >/dev/null; then {}; fi\n", family.tool, function(family)));
    }
    text.push_str(UNKNOWN);
    text
}

/// The shell function that does it for a family.
fn function(family: &Family) -> String {
    format!("by_{}", family.tool.replace('-', "_"))
}

/// The name becomes a file's name, a section's name or an id.
fn is_file_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric() || "@_".contains(c))
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._@+-".contains(c))
}

/// A key's id or fingerprint in hexadecimal, its `0x` dropped.
fn key_id(text: &str) -> Option<&str> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    (digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(digits)
}

fn append_line(line: &str, file: &str) -> String {
    format!("printf '%s\\n' {} >>{}\n", quote(line), quote(file))
}

fn apk_repository(name: &str, words: &[&str]) -> Result<String, &'static str> {
    const SYNTAX: &str = "URL KEYURL KEYNAME";
    let &[url, key_url, key_name] = words else { return Err(SYNTAX) };
    if !is_file_name(key_name) {
        return Err(SYNTAX);
    }
    let line = if name.starts_with('@') { format!("{name} {url}") } else { url.to_owned() };
    let key_file = format!("/etc/apk/keys/{key_name}");
    let fetch = format!("wget -q -O {} {}\n", quote(&key_file), quote(key_url));
    Ok(fetch + &append_line(&line, "/etc/apk/repositories"))
}

fn pacman_repository(name: &str, words: &[&str]) -> Result<String, &'static str> {
    const SYNTAX: &str = "URL#KEYID";
    let &[word] = words else { return Err(SYNTAX) };
    let (url, key) = word.rsplit_once('#').ok_or(SYNTAX)?;
    let key = key_id(key).ok_or(SYNTAX)?;
    let section = format!("\n[{name}]\nServer = {url}");
    // Official images have no key of their own to sign with. Where there is one it stays.
    let trust = format!("pacman-key --init\npacman-key --recv-keys {key}\npacman-key --lsign-key {key}\n");
    Ok(trust + &append_line(&section, "/etc/pacman.conf"))
}

/// `apt-key` is gone from current releases: the key is fetched into a file that this repository alone may use.
fn apt_repository(name: &str, words: &[&str]) -> Result<String, &'static str> {
    const SYNTAX: &str = "URL DISTRO COMPONENT [KEYID]";
    let (url, distro, component, key) = match *words {
        [url, distro, component] => (url, distro, component, None),
        [url, distro, component, key] => (url, distro, component, Some(key_id(key).ok_or(SYNTAX)?)),
        _ => return Err(SYNTAX),
    };
    let keyring = format!("/etc/apt/keyrings/{name}.gpg");
    let mut script = String::from("export DEBIAN_FRONTEND=noninteractive\nneed=\n");
    if url.starts_with("https:") {
        script.push_str("[ -e /etc/ssl/certs/ca-certificates.crt ] || need=ca-certificates\n");
    }
    if key.is_some() {
        script.push_str("command -v dirmngr >/dev/null || need=\"$need gnupg dirmngr\"\n");
    }
    script.push_str("if [ -n \"$need\" ]; then apt-get -q update; apt-get -q -y install $need; fi\n");
    let signed = match key {
        None => String::new(),
        Some(key) => {
            let unknown = format!("the key {key} could not be fetched from keyserver.ubuntu.com");
            script.push_str(&format!(
                "mkdir -p /etc/apt/keyrings\n\
                 GNUPGHOME=$(mktemp -d); export GNUPGHOME\n\
                 gpg --batch --keyserver hkps://keyserver.ubuntu.com --recv-keys {key} || fail {}\n\
                 gpg --batch --export {key} >{}\n\
                 gpgconf --kill all\n",
                quote(&unknown),
                quote(&keyring)
            ));
            format!("[signed-by={keyring}] ")
        }
    };
    let list = format!("/etc/apt/sources.list.d/{name}.list");
    script.push_str(&append_line(&format!("deb {signed}{url} {distro} {component}"), &list));
    Ok(script)
}

/// Two generations of dnf have two syntaxes. Which one it is is asked once, so that errors are its own.
fn dnf_repository(name: &str, words: &[&str]) -> Result<String, &'static str> {
    let &[url] = words else { return Err("the URL of a .repo file") };
    let (url_old, url_new) = (quote(url), quote(&format!("--from-repofile={url}")));
    let (id, enabled) = (quote(name), quote(&format!("{name}.enabled=1")));
    Ok(format!(
        "case $(dnf --version) in\n\
         dnf5*)\n\
         dnf config-manager --help >/dev/null 2>&1 || dnf -y install dnf5-plugins\n\
         dnf config-manager addrepo {url_new}\n\
         dnf config-manager setopt {enabled} ;;\n\
         *)\n\
         dnf config-manager --help >/dev/null 2>&1 || dnf -y install 'dnf-command(config-manager)'\n\
         dnf config-manager --add-repo {url_old}\n\
         dnf config-manager --set-enabled {id} ;;\n\
         esac\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::Command;

    const TOOLS: [&str; 10] =
        ["apt-get", "apk", "pacman", "pacman-key", "dnf", "wget", "gpg", "gpgconf", "dirmngr", "mktemp"];

    /// An `/etc` in a temporary folder, and programs that note their arguments in `calls`.
    struct Image(tempfile::TempDir);

    impl Image {
        fn of(os_release: &str) -> Image {
            let image = Image(tempfile::tempdir().unwrap());
            for folder in ["etc/apk/keys", "etc/apt/sources.list.d", "bin"] {
                std::fs::create_dir_all(image.path().join(folder)).unwrap();
            }
            std::fs::write(image.path().join("etc/os-release"), os_release).unwrap();
            // No package manager of this machine.
            std::fs::create_dir(image.path().join("own")).unwrap();
            for tool in ["sh", "cat", "mkdir", "touch", "printf"] {
                let program = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(tool));
                let program = program.into_iter().find(|program| program.exists()).unwrap();
                std::os::unix::fs::symlink(program, image.path().join("own").join(tool)).unwrap();
            }
            for tool in TOOLS {
                let file = image.path().join("bin").join(tool);
                let text =
                    format!("#!/bin/sh\n{{ printf '{tool}'; printf ' <%s>' \"$@\"; echo; }} >>\"$CALLS\"\n");
                std::fs::write(&file, text).unwrap();
                std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
            image
        }

        fn path(&self) -> &Path {
            self.0.path()
        }

        /// Runs a script; gives its standard error when it fails, else the calls.
        fn run(&self, script: &str) -> Result<String, String> {
            let calls = self.path().join("calls");
            std::fs::write(&calls, "").unwrap();
            let script = script.replace("/etc/", &format!("{}/etc/", self.path().display()));
            let output = Command::new("/bin/sh")
                .args(["-c", &script])
                .current_dir(self.path())
                .env("CALLS", &calls)
                .env("PATH", format!("{0}/bin:{0}/own", self.path().display()))
                .output()
                .unwrap();
            match output.status.success() {
                true => {
                    Ok(std::fs::read_to_string(calls).unwrap().replace(self.path().to_str().unwrap(), ""))
                }
                false => Err(String::from_utf8(output.stderr).unwrap()),
            }
        }

        fn read(&self, file: &str) -> String {
            let text = std::fs::read_to_string(self.path().join(file)).unwrap();
            text.replace(self.path().to_str().unwrap(), "")
        }
    }

    fn install(entries: &[&str]) -> String {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        packages(&entries).unwrap()
    }

    #[test]
    fn each_family_installs_with_its_own_program() {
        let script = install(&["make", "g++ cmake"]);
        for (os_release, calls) in [
            (
                "ID=debian",
                "apt-get <-q> <update>\napt-get <-q> <-y> <-o> <Dpkg::Use-Pty=0> <install> <make> <g++> <cmake>\n",
            ),
            (
                "ID=pop\nID_LIKE=\"ubuntu debian\"",
                "apt-get <-q> <update>\napt-get <-q> <-y> <-o> <Dpkg::Use-Pty=0> <install> <make> <g++> <cmake>\n",
            ),
            ("ID=alpine", "apk <add> <--update-cache> <make> <g++> <cmake>\n"),
            ("ID=manjaro\nID_LIKE=arch", "pacman <-Syu> <--noconfirm> <--needed> <make> <g++> <cmake>\n"),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"", "dnf <-y> <install> <make> <g++> <cmake>\n"),
        ] {
            assert_eq!(Image::of(os_release).run(&script).unwrap(), calls, "{os_release}");
        }
    }

    #[test]
    fn what_an_image_lacks_is_installed_and_nothing_else() {
        let missing =
            tools(&[("sh", "no-package"), ("no-such-program", "a-package"), ("nor-this", "another")]);
        let image = Image::of("ID=alpine");
        assert_eq!(image.run(&missing).unwrap(), "apk <add> <--update-cache> <a-package> <another>\n");
        assert_eq!(image.run(&tools(&[("sh", "no-package")])).unwrap(), "");
        assert_eq!(Image::of("ID=other").run(&tools(&[("sh", "no-package")])).unwrap(), "");
    }

    #[test]
    fn an_image_that_does_not_say_its_family_is_known_by_its_package_manager() {
        for (tool, calls) in [("apk", "apk <add>"), ("pacman", "pacman <-Syu>"), ("dnf", "dnf <-y>")] {
            let image = Image::of("ID=own");
            for other in ["apt-get", "apk", "pacman", "dnf"].into_iter().filter(|other| *other != tool) {
                std::fs::remove_file(image.path().join("bin").join(other)).unwrap();
            }
            assert!(image.run(&install(&["make"])).unwrap().starts_with(calls), "{tool}");
        }
    }

    #[test]
    fn another_system_is_told_what_is_known() {
        for os_release in ["ID=nixos", "", "NAME=x"] {
            let image = Image::of(os_release);
            for tool in ["apt-get", "apk", "pacman", "dnf"] {
                std::fs::remove_file(image.path().join("bin").join(tool)).unwrap();
            }
            let error = image.run(&install(&["make"])).unwrap_err();
            assert!(error.contains("known for alpine, arch, debian, fedora"), "{error}");
        }
    }

    #[test]
    fn no_packages_need_no_script() {
        assert_eq!(packages(&[]), None);
        assert_eq!(packages(&[" ".into()]), None);
    }

    #[test]
    fn a_failing_program_fails_the_script() {
        let image = Image::of("ID=alpine");
        std::fs::write(image.path().join("bin/apk"), "#!/bin/sh\nexit 3\n").unwrap();
        assert!(image.run(&install(&["make"])).is_err());
    }

    #[test]
    fn alpine_takes_address_and_key() {
        let image = Image::of("ID=alpine");
        let value = "https://p.example.org/a https://p.example.org/k.pub k.pub\n";
        let calls = image.run(&repository("extra", value)).unwrap();
        assert_eq!(calls, "wget <-q> <-O> </etc/apk/keys/k.pub> <https://p.example.org/k.pub>\n");
        image.run(&repository("@edge", value)).unwrap();
        assert_eq!(
            image.read("etc/apk/repositories"),
            "https://p.example.org/a\n@edge https://p.example.org/a\n"
        );
        assert!(
            image.run(&repository("x", "https://p.example.org")).unwrap_err().contains("URL KEYURL KEYNAME")
        );
        assert!(image.run(&repository("x", "u k ../k")).is_err());
    }

    #[test]
    fn arch_takes_address_and_key() {
        let image = Image::of("ID=arch");
        let calls = image.run(&repository("extra", "https://p.example.org/$arch#0x1234ABCD")).unwrap();
        assert_eq!(
            calls,
            "pacman-key <--init>\npacman-key <--recv-keys> <1234ABCD>\npacman-key <--lsign-key> <1234ABCD>\n"
        );
        assert_eq!(image.read("etc/pacman.conf"), "\n[extra]\nServer = https://p.example.org/$arch\n");
        for value in ["https://p.example.org", "https://p.example.org#--help", "a b#1234ABCD"] {
            assert!(image.run(&repository("x", value)).unwrap_err().contains("URL#KEYID"), "{value}");
        }
    }

    #[test]
    fn debian_takes_address_distribution_component_and_key() {
        let image = Image::of("ID=debian");
        image.run(&repository("plain", "http://p.example.org/ stable main")).unwrap();
        assert_eq!(
            image.read("etc/apt/sources.list.d/plain.list"),
            "deb http://p.example.org/ stable main\n"
        );
        let calls = image.run(&repository("extra", "http://p.example.org/ stable main 1234ABCD")).unwrap();
        assert!(
            calls.contains("<--recv-keys> <1234ABCD>") && calls.contains("<--export> <1234ABCD>"),
            "{calls}"
        );
        assert_eq!(
            image.read("etc/apt/sources.list.d/extra.list"),
            "deb [signed-by=/etc/apt/keyrings/extra.gpg] http://p.example.org/ stable main\n"
        );
        std::fs::write(image.path().join("bin/gpg"), "#!/bin/sh\nexit 2\n").unwrap();
        let unfetched = image.run(&repository("extra", "http://p.example.org/ stable main 1234ABCD"));
        assert!(unfetched.unwrap_err().contains("the key 1234ABCD could not be fetched"));
        let secure = image.run(&repository("secure", "https://p.example.org/ stable main")).unwrap();
        assert!(secure.contains("<install> <ca-certificates>"), "{secure}");
        for value in ["http://p", "http://p stable main nokey", "http://p stable main 1234ABCD x"] {
            assert!(
                image.run(&repository("x", value)).unwrap_err().contains("URL DISTRO COMPONENT"),
                "{value}"
            );
        }
    }

    /// Fedora with a dnf of some version, which fails at what has `fails` in its arguments.
    fn fedora(version: &str, fails: &str) -> Image {
        let image = Image::of("ID=fedora");
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = --version ] && {{ printf '{version}'; exit; }}\n\
             {{ printf dnf; printf ' <%s>' \"$@\"; echo; }} >>\"$CALLS\"\n\
             case \"$*\" in *{fails}*) echo \"E: $2 is refused\" >&2; exit 1 ;; esac\n"
        );
        std::fs::write(image.path().join("bin/dnf"), script).unwrap();
        image
    }

    #[test]
    fn fedora_takes_a_repo_file_in_the_words_of_its_dnf() {
        let script = repository("extra", "https://p.example.org/x.repo");
        for (version, plugin, calls) in [
            (
                "dnf5 version 5.2.12.0\ndnf5 plugin API version 2.0\n",
                "dnf5-plugins",
                "dnf <config-manager> <addrepo> <--from-repofile=https://p.example.org/x.repo>\n\
                 dnf <config-manager> <setopt> <extra.enabled=1>\n",
            ),
            (
                "4.14.0\n  Installed: dnf-0:4.14.0\n",
                "dnf-command(config-manager)",
                "dnf <config-manager> <--add-repo> <https://p.example.org/x.repo>\n\
                 dnf <config-manager> <--set-enabled> <extra>\n",
            ),
        ] {
            let help = "dnf <config-manager> <--help>\n";
            assert_eq!(fedora(version, "nothing").run(&script).unwrap(), format!("{help}{calls}"));
            let installed = fedora(version, "--help").run(&script).unwrap();
            assert_eq!(installed, format!("{help}dnf <-y> <install> <{plugin}>\n{calls}"));
            // An error is the program's own, and nothing else is tried.
            for step in calls.lines() {
                let word = step.split(['<', '>']).nth(3).unwrap();
                assert_eq!(
                    fedora(version, word).run(&script).unwrap_err(),
                    format!("E: {word} is refused\n")
                );
            }
        }
        assert!(Image::of("ID=fedora").run(&repository("x", "a b")).unwrap_err().contains(".repo file"));
    }

    #[test]
    fn names_and_values_that_are_options_or_paths_are_refused() {
        for (name, value) in [
            ("../x", "http://p stable main"),
            ("-x", "http://p stable main"),
            ("", "http://p stable main"),
            ("a b", "http://p stable main"),
            ("a\nb", "http://p stable main"),
            ("x", "--help stable main"),
        ] {
            assert!(Image::of("ID=debian").run(&repository(name, value)).is_err(), "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn nothing_becomes_code(name in "[^\0]{0,8}|x", value in "[^\0]{0,12}|[ -~]{0,24}", family in 0..4usize) {
            let image = Image::of(["ID=debian", "ID=alpine", "ID=arch", "ID=fedora"][family]);
            let hostile = format!("{value} $(touch pwned) `touch pwned` ;touch pwned '\"");
            let _refused_or_not = image.run(&repository(&name, &value));
            let _refused_or_not = image.run(&repository(&name, &hostile));
            let calls = image.run(&install(&[&hostile])).unwrap();
            prop_assert!(!image.path().join("pwned").exists());
            prop_assert!(calls.contains("<$(touch> <pwned)> <`touch> <pwned`> <;touch> <pwned> <'\">"));
        }
    }
}
