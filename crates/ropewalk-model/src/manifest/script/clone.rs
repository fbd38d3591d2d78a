//! Fetching a source.

use super::quote::quote;
use crate::plan::{Scm, Source};

/// Host keys cannot be known beforehand in a fresh home.
const SSH: &str = "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR";

/// The POSIX shell script that fetches `source` into the home folder; it fails when anything of it does, and says on
/// standard error what to do. [`Source::parse`] has refused what git or hg would take for options or programs; `--`
/// and settings refuse them once more.
pub fn clone(source: &Source) -> String {
    let program = match source.scm {
        Scm::Git => "git",
        Scm::Hg => "hg",
    };
    let missing = quote(&format!("{program} is not in this image: add it to the manifest's packages"));
    let advice = quote(&format!(
        "{} could not be cloned. If it is private, add an SSH key to the manifest's secrets and use its ssh address.",
        source.url
    ));
    let steps = match source.scm {
        Scm::Git => git(source),
        Scm::Hg => hg(source),
    };
    format!(
        "set -eu\n\
         fail() {{ printf '%s\\n' \"$1\" >&2; exit 1; }}\n\
         cd ~\n\
         command -v {program} >/dev/null || fail {missing}\n\
         advice={advice}\n\
         {steps}"
    )
}

/// Submodules always, as upstream. `ext` would run a command; nobody answers a prompt.
fn git(source: &Source) -> String {
    let (url, directory) = (quote(&source.url), quote(&format!("./{}", source.directory)));
    let checkout = match &source.reference {
        Some(reference) => {
            let unknown = quote(&format!("{} has no branch, tag or commit {reference}", source.url));
            format!("git checkout --quiet {} -- || fail {unknown}\n", quote(reference))
        }
        None => String::new(),
    };
    format!(
        "export GIT_SSH_COMMAND={ssh} GIT_TERMINAL_PROMPT=0\n\
         git -c protocol.ext.allow=never clone -- {url} {directory} || fail \"$advice\"\n\
         cd {directory}\n\
         {checkout}\
         git -c protocol.ext.allow=never submodule update --init --recursive || fail \"$advice\"\n",
        ssh = quote(SSH),
    )
}

/// `strictflags` keeps options from being read out of values.
fn hg(source: &Source) -> String {
    let (url, directory) = (quote(&source.url), quote(&format!("./{}", source.directory)));
    let update = match &source.reference {
        Some(reference) => {
            let unknown = quote(&format!("{} has no revision {reference}", source.url));
            format!("hg update {} || fail {unknown}\n", quote(&format!("--rev={reference}")))
        }
        None => String::new(),
    };
    format!(
        "export HGPLAIN=+strictflags\n\
         hg clone --noninteractive --ssh {ssh} -- {url} {directory} || fail \"$advice\"\n\
         cd {directory}\n\
         {update}",
        ssh = quote(SSH),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::{Command, Output};

    /// Runs a script in a shell with this home.
    fn sh(home: &Path, script: &str) -> Output {
        Command::new("sh")
            .args(["-c", script])
            .current_dir("/")
            .env("HOME", home)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "protocol.file.allow")
            .env("GIT_CONFIG_VALUE_0", "always")
            .output()
            .unwrap()
    }

    fn must(home: &Path, script: &str) -> String {
        let output = sh(home, script);
        assert!(output.status.success(), "{script}\n{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().into()
    }

    /// A folder with a git repository `origin.git` of two commits, branch `side`, tag `v1`, and a submodule.
    fn repositories() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        must(
            home.path(),
            r#"set -e; cd
            export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
            git init -q -b main inner; (cd inner; echo in >in; git add in; git commit -qm in)
            git init -q -b main 'origin.git'; cd origin.git
            echo 1 >file; git add file; git commit -qm 1; git tag v1
            git checkout -q -b side; echo s >file; git commit -qam s; git checkout -q main
            git submodule --quiet add "$HOME/inner" sub; echo 2 >file; git commit -qam 2"#,
        );
        home
    }

    fn fetch(home: &Path, entry: &str) -> Output {
        sh(home, &clone(&Source::parse(entry).unwrap()))
    }

    #[test]
    fn git_takes_branch_tag_commit_and_submodules() {
        let home = repositories();
        let home = home.path();
        let url = format!("{}/origin.git", home.display());
        let commit = must(home, "cd ~/origin.git; git rev-parse v1");
        for (entry, file, sub) in [
            (format!("plain::{url}"), "2", true),
            (format!("tag::{url}#v1"), "1", false),
            (format!("branch::{url}#side"), "s", false),
            (format!("commit::file://{url}#{commit}"), "1", false),
            (url.clone(), "2", true),
        ] {
            let output = fetch(home, &entry);
            assert!(output.status.success(), "{entry} {output:?}");
            let source = Source::parse(&entry).unwrap();
            let folder = home.join(&source.directory);
            assert_eq!(std::fs::read_to_string(folder.join("file")).unwrap().trim(), file, "{entry}");
            assert_eq!(folder.join("sub/in").exists(), sub, "{entry}");
        }
        assert!(home.join("origin/.git").is_dir());
        let deep = fetch(home, &format!("a/b c/-d::{url}"));
        assert!(deep.status.success() && home.join("a/b c/-d/file").exists(), "{deep:?}");
    }

    #[test]
    fn a_failure_says_what_to_do() {
        let home = repositories();
        let missing = fetch(home.path(), "/nowhere/at-all");
        let text = String::from_utf8(missing.stderr).unwrap();
        assert!(!missing.status.success() && text.contains("add an SSH key"), "{text}");
        let url = format!("{}/origin.git", home.path().display());
        let unknown = fetch(home.path(), &format!("{url}#no-such"));
        let text = String::from_utf8(unknown.stderr).unwrap();
        assert!(!unknown.status.success() && text.contains("no branch, tag or commit no-such"), "{text}");
        let file = fetch(home.path(), &format!("other::{url}#file"));
        assert!(!file.status.success(), "a path is no reference");
    }

    #[test]
    fn nothing_of_a_source_becomes_code_or_option() {
        let home = tempfile::tempdir().unwrap();
        let mark = home.path().join("pwned");
        let touch = format!("touch {}", mark.display());
        let source = |scm, url: &str, reference: Option<&str>, directory: &str| Source {
            scm,
            url: url.into(),
            reference: reference.map(Into::into),
            directory: directory.into(),
        };
        for scm in [Scm::Git, Scm::Hg] {
            for bad in [
                format!("$({touch})"),
                format!("'; {touch}; '"),
                format!("\"`{touch}`\""),
                format!("a\n{touch}\n"),
                format!("--upload-pack={touch}"),
                format!("--config=hooks.pre-clone={touch}"),
                format!("ext::{touch}"),
                format!("ssh://-oProxyCommand={touch}/x"),
            ] {
                for source in [
                    source(scm, &bad, None, "d"),
                    source(scm, "/nowhere", Some(&bad), "d"),
                    source(scm, "/nowhere", None, &bad),
                ] {
                    sh(home.path(), &clone(&source));
                    assert!(!mark.exists(), "{source:?}");
                }
            }
        }
    }

    #[test]
    fn hg_takes_a_revision() {
        if Command::new("hg").arg("--version").output().is_err() {
            println!("NOT RUN here: cloning with hg: hg is not installed");
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        must(
            home,
            "set -e; cd; hg init o; cd o; echo 1 >file; hg add -q file; hg commit -qm 1 -u a; hg tag -q v1 -u a; \
             echo 2 >file; hg commit -qm 2 -u a",
        );
        for (entry, file) in [("new::hg+file://HOME/o", "2"), ("old::hg+file://HOME/o#v1", "1")] {
            let output = fetch(home, &entry.replace("HOME", home.to_str().unwrap()));
            assert!(output.status.success(), "{output:?}");
            let folder = home.join(entry.split(':').next().unwrap());
            assert_eq!(std::fs::read_to_string(folder.join("file")).unwrap().trim(), file);
        }
        let unknown = fetch(home, &format!("x::hg+file://{}/o#no-such", home.display()));
        assert!(String::from_utf8(unknown.stderr).unwrap().contains("no revision no-such"));
    }
}
