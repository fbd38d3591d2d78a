//! A git repository: a clone that is kept for each address, and a checkout in the store.

use super::address::{Admitted, Proxies, admit};
use super::clones::SIZE;
use super::local::Local;
use super::place::{Fetch, Known, Locked, tree_size};
use super::{Resolved, failed};
use crate::nix::cell::Spec;
use crate::nix::overseer::Overseer;
use crate::nix::quote::text;
use crate::nix::run::{self, Allowance, Call, RunError};
use crate::spool::At;
use crate::supervisor::Stop;
use ropewalk_model::nix::{Input, ResolvedInput};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where git's only configuration lies in the cell.
const CONFIGURATION: &str = "/ropewalk/gitconfig";
/// Repositories of other accounts may be read; nothing of a repository is run; nothing goes on in the background.
const SETTINGS: &str = "[safe]\n\tdirectory = *\n[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n[gc]\n\tautoDetach = false\n[maintenance]\n\tautoDetach = false\n[advice]\n\tdetachedHead = false\n[init]\n\tdefaultBranch = main\n[user]\n\tname = nix\n\temail = nix@localhost\n";
/// What a remote may be reached by.
const PROTOCOLS: &str = "http:https:git";
/// The same where paths of this machine may be.
const LOCAL_PROTOCOLS: &str = "http:https:git:file";
/// Where the reference that was asked for lies in the clone.
const FETCHED: &str = "refs/ropewalk/fetched";
/// Bytes of memory of git.
const MEMORY: u64 = 8 << 30;
/// Bytes of the list of a commit's files: some hundred thousand of them.
const MAX_LISTING: usize = 64 << 20;
/// Bytes that a small file takes on a disk.
const BLOCK: u64 = 4096;
/// Digits of a commit's SHA-1.
const COMMIT: usize = 40;

/// Whether a path of this machine may lie anywhere.
#[derive(Clone, Copy)]
struct Free(bool);

/// A clone being used.
struct Clone<'a> {
    uri: &'a str,
    /// The same as git is told it.
    address: Admitted,
    local: bool,
    /// Variable and address of the proxy that git asks.
    proxy: Option<(&'static str, String)>,
    time: Duration,
    locked: Locked,
    cell: Spec,
}

/// Fetches what the input names and copies it into the store.
pub(super) fn fetch(
    overseer: &mut dyn Overseer,
    fetch: &mut Fetch<'_>,
    name: &str,
    input: &Input,
) -> Result<Resolved, Stop> {
    let Input::Git { uri, reference, deep, timeout, local, free } = input else {
        return Err(failed("it is no git repository"));
    };
    overseer.say(&format_args!(
        "Fetching input {name} from {uri}{}",
        reference.as_ref().map_or(String::new(), |reference| format!(" ({reference})"))
    ))?;
    let clone = Clone::open(
        overseer,
        fetch,
        uri,
        local.then_some(Free(*free)),
        Duration::from_secs((*timeout).min(fetch.limits.fetch_time)),
    )?;
    clone.fetch(overseer, fetch, reference.as_deref())?;
    let commit = clone.ask(overseer, fetch, &["rev-parse", "--verify", &format!("{FETCHED}^{{commit}}")])?;
    let count = clone.ask(overseer, fetch, &["rev-list", "--count", &commit])?;
    let tag = clone.ask(overseer, fetch, &["describe", "--always", &commit])?;
    let short = clone.ask(overseer, fetch, &["rev-parse", "--short", &commit])?;
    let store_path = clone.in_store(overseer, fetch, &commit, *deep)?;
    let pairs = vec![
        ("uri", text(uri)),
        ("rev", text(&commit)),
        ("revCount", count.parse::<u64>().unwrap_or(0).to_string()),
        ("gitTag", text(&tag)),
        ("shortRev", text(&short)),
    ];
    let input = ResolvedInput { uri: Some(uri.clone()), revision: Some(commit), ..ResolvedInput::default() };
    Ok(Resolved::in_store("git", &store_path, input, pairs))
}

impl<'a> Clone<'a> {
    fn open(
        overseer: &mut dyn Overseer,
        fetch: &Fetch<'_>,
        uri: &'a str,
        local: Option<Free>,
        time: Duration,
    ) -> Result<Clone<'a>, Stop> {
        if uri.is_empty() || uri.starts_with('-') || uri.contains(char::is_control) {
            return Err(failed(format_args!("{uri:?} is no address of a repository")));
        }
        let locked = fetch.lock(overseer, "git", uri)?;
        let mut cell = Spec {
            writable: vec![locked.folder.clone()],
            files: vec![(CONFIGURATION.into(), SETTINGS.into())],
            network: true,
            forks: true,
            memory: MEMORY,
            file: fetch.limits.input,
            ..Spec::default()
        };
        let proxy = Proxies::of_machine().of(uri).map(|(name, proxy)| (name, proxy.to_owned()));
        let own = local.and_then(|free| path_of(uri).map(|path| (path, free)));
        let address = match own {
            Some((path, Free(free))) => {
                Local::find(&path, free, fetch.opened)?.show(&path, &mut cell);
                Admitted { uri: uri.to_owned(), options: vec![] }
            }
            None => admit(uri, fetch.allow, proxy.is_some())?,
        };
        let clone = Clone { uri, address, local: local.is_some(), proxy, time, locked, cell };
        if !clone.folder().join("HEAD").exists() {
            let _ = crate::tree::remove(&clone.folder());
            let made = clone.folder().with_extension("new");
            let _ = crate::tree::remove(&made);
            let made_name = made.display().to_string();
            clone.git(overseer, fetch, &["init", "--quiet", "--bare", &made_name], PROTOCOLS)?;
            std::fs::rename(&made, clone.folder()).at("rename to", &clone.folder())?;
        }
        Ok(clone)
    }

    fn folder(&self) -> PathBuf {
        self.locked.folder.join("clone")
    }

    /// Leaves what was asked for at [`FETCHED`].
    fn fetch(
        &self,
        overseer: &mut dyn Overseer,
        fetch: &Fetch<'_>,
        reference: Option<&str>,
    ) -> Result<(), Stop> {
        let to = |from: &str| format!("+{from}:{FETCHED}");
        let fetched = match reference {
            None => self.pull(overseer, fetch, &to("HEAD")),
            Some(commit) if is_commit(commit) => self.fetch_commit(overseer, fetch, commit),
            Some(name) => {
                if !is_reference(name) {
                    return Err(failed(format_args!("{name:?} is no name of a branch")));
                }
                // A tag of that name will do where there is no branch.
                self.pull(overseer, fetch, &to(&format!("refs/heads/{name}"))).or_else(|stop| {
                    if !stop.message.contains("couldn't find remote ref") {
                        return Err(stop);
                    }
                    let tag = self.pull(overseer, fetch, &to(&format!("refs/tags/{name}")));
                    tag.map_err(|_| failed(format_args!("{} has no branch and no tag {name}", self.uri)))
                })
            }
        };
        fetched?;
        let most = fetch.limits.input;
        let size = tree_size(&self.folder(), most).at("measure", &self.folder())?;
        if size > most {
            let _ = crate::tree::remove(&self.folder());
            return Err(failed(format_args!("{} is larger than {most} bytes", self.uri)));
        }
        let noted = self.locked.folder.join(SIZE);
        std::fs::write(&noted, size.to_string()).at("write", &noted)?;
        Ok(())
    }

    /// A commit may be known; not every server gives one that no branch ends with.
    fn fetch_commit(&self, overseer: &mut dyn Overseer, fetch: &Fetch<'_>, commit: &str) -> Result<(), Stop> {
        let object = format!("{commit}^{{commit}}");
        let known = |overseer: &mut dyn Overseer| self.ask(overseer, fetch, &["cat-file", "-e", &object]);
        if known(overseer).is_err() && self.pull(overseer, fetch, &format!("+{commit}:{FETCHED}")).is_err() {
            self.pull(overseer, fetch, "+refs/heads/*:refs/heads/*")?;
            known(overseer).map_err(|_| failed(format_args!("{} has no commit {commit}", self.uri)))?;
        }
        self.ask(overseer, fetch, &["update-ref", FETCHED, commit]).map(drop)
    }

    /// Fetches a reference, whatever it was before.
    fn pull(&self, overseer: &mut dyn Overseer, fetch: &Fetch<'_>, what: &str) -> Result<(), Stop> {
        let mut arguments: Vec<&str> = vec![];
        for option in &self.address.options {
            arguments.extend(["-c", option]);
        }
        arguments.extend(["fetch", "--quiet", "--force", "--no-recurse-submodules", "--"]);
        arguments.extend([self.address.uri.as_str(), what]);
        let fetched = self.ask(overseer, fetch, &arguments).map(drop);
        fetched.map_err(|stop| match is_redirect(&stop.message) {
            true => failed(format_args!(
                "{}: it leads on to another address, which is not followed: name that one",
                stop.message
            )),
            false => stop,
        })
    }

    /// Store path of the files of a commit, which is the same as long as it stays there.
    fn in_store(
        &self,
        overseer: &mut dyn Overseer,
        fetch: &mut Fetch<'_>,
        commit: &str,
        deep: bool,
    ) -> Result<String, Stop> {
        let name = if deep { format!("{commit}-deep") } else { commit.to_owned() };
        if let Some(known) = self.locked.known(&name)
            && fetch.valid(overseer, &known.store_path).is_ok()
        {
            return Ok(known.store_path);
        }
        self.is_small(overseer, fetch, commit)?;
        let checkout = Checkout::new(self.locked.folder.join("checkout"))?;
        let source = checkout.0.join("source");
        let folder = source.display().to_string();
        if deep {
            let clone = self.folder().display().to_string();
            let cloned =
                ["clone", "--quiet", "--no-local", "--no-checkout", &format!("file://{clone}"), &folder];
            let fetched = ["-C", &folder, "fetch", "--quiet", "origin", FETCHED];
            let checked_out = ["-C", &folder, "checkout", "--quiet", "--detach", commit];
            for arguments in [&cloned[..], &fetched, &checked_out] {
                self.git(overseer, fetch, arguments, LOCAL_PROTOCOLS)?;
            }
        } else {
            std::fs::create_dir(&source).at("create", &source)?;
            let tree = format!("--work-tree={folder}");
            self.ask(overseer, fetch, &[&tree, "read-tree", commit])?;
            self.ask(overseer, fetch, &[&tree, "checkout-index", "--all", "--force", "--quiet"])?;
        }
        let most = fetch.limits.input;
        let size = tree_size(&source, most).at("measure", &source)?;
        if size > most {
            return Err(failed(format_args!("the files of {commit} are larger than {most} bytes")));
        }
        let store_path = fetch.add(overseer, &source, None)?;
        drop(checkout);
        let known = Known { store_path: store_path.clone(), revision: commit.into() };
        self.locked.remember(&name, &known)?;
        Ok(store_path)
    }

    /// Makes sure of the size of a commit's files before they are written: a few bytes of a repository may be a million
    /// files.
    fn is_small(&self, overseer: &mut dyn Overseer, fetch: &Fetch<'_>, commit: &str) -> Result<(), Stop> {
        let folder = format!("--git-dir={}", self.folder().display());
        let arguments = [folder.as_str(), "ls-tree", "-r", "-t", "-l", "-z", "--full-tree", commit];
        let call = self.call(&arguments, PROTOCOLS)?;
        let allowance = Allowance { time: fetch.left(self.time), output: MAX_LISTING };
        let most = fetch.limits.input;
        let listed = match run::run(overseer, &self.cell, call, allowance) {
            Ok(ran) if ran.code == 0 => ran.output,
            Ok(ran) => return Err(failed(ran.errors.trim())),
            Err(RunError::Stop(stop)) => return Err(stop),
            Err(RunError::TimedOut) => return Err(failed("to list its files took too long")),
            Err(RunError::TooMuch) => {
                return Err(failed(format_args!(
                    "the list of the files of {commit} is longer than {MAX_LISTING} bytes"
                )));
            }
        };
        if listed_size(&listed) > most {
            return Err(failed(format_args!("the files of {commit} are larger than {most} bytes")));
        }
        Ok(())
    }

    /// Runs git on the clone; what it says on standard output, trimmed.
    fn ask(
        &self,
        overseer: &mut dyn Overseer,
        fetch: &Fetch<'_>,
        arguments: &[&str],
    ) -> Result<String, Stop> {
        let folder = format!("--git-dir={}", self.folder().display());
        let all: Vec<&str> = [folder.as_str()].into_iter().chain(arguments.iter().copied()).collect();
        self.git(overseer, fetch, &all, if self.local { LOCAL_PROTOCOLS } else { PROTOCOLS })
    }

    fn call(&self, arguments: &[&str], protocols: &str) -> Result<Call, Stop> {
        Ok(Call {
            program: program()?,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            environment: environment(protocols, self.proxy.as_ref()),
        })
    }

    fn git(
        &self,
        overseer: &mut dyn Overseer,
        fetch: &Fetch<'_>,
        arguments: &[&str],
        protocols: &str,
    ) -> Result<String, Stop> {
        let ran = fetch.run(overseer, &self.cell, self.call(arguments, protocols)?, self.time)?;
        if ran.code == 0 {
            return Ok(run::text(&ran.output).trim().to_owned());
        }
        let said = ran.errors.trim();
        let said = if said.is_empty() { format!("git ended with {}", ran.code) } else { said.to_owned() };
        Err(failed(said))
    }
}

/// A folder that a commit is checked out into. It goes with this, whatever came of it.
struct Checkout(PathBuf);

impl Checkout {
    fn new(folder: PathBuf) -> Result<Checkout, Stop> {
        let _ = crate::tree::remove(&folder);
        std::fs::create_dir(&folder).at("create", &folder)?;
        Ok(Checkout(folder))
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let _ = crate::tree::remove(&self.0);
    }
}

/// Bytes that listed files and folders take on a disk: each has a block at least.
fn listed_size(listed: &[u8]) -> u64 {
    // `MODE TYPE OBJECT SIZE<tab>PATH`, and a dash for the size of a folder.
    let size = |entry: &[u8]| {
        let head = entry.split(|byte| *byte == b'\t').next().unwrap_or_default();
        let size =
            str::from_utf8(head).ok().and_then(|head| head.split_ascii_whitespace().last()?.parse().ok());
        size.unwrap_or(0).max(BLOCK)
    };
    let entries = listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
    entries.map(size).fold(0, u64::saturating_add)
}

/// Whether git was sent elsewhere.
fn is_redirect(said: &str) -> bool {
    ["301", "302", "303", "307", "308"].iter().any(|code| said.contains(&format!("returned error: {code}")))
}

fn program() -> Result<PathBuf, Stop> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("git")).find(|git| git.is_file());
    found.ok_or_else(|| failed("git is not in PATH: install it (Debian and Ubuntu: `apt-get install git`)"))
}

/// All that git gets; the proxy is what the machine reaches others by.
fn environment(protocols: &str, proxy: Option<&(&'static str, String)>) -> Vec<(String, String)> {
    let own = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/tmp"),
        ("LANG", "C.UTF-8"),
        ("GIT_ALLOW_PROTOCOL", protocols),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", CONFIGURATION),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_ASKPASS", "/bin/false"),
        ("GIT_ADVICE", "0"),
    ];
    let mut pairs: Vec<_> = own.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    pairs.extend(proxy.map(|(name, value)| ((*name).to_owned(), value.clone())));
    pairs
}

/// The path that an address is of this machine, if it is one.
fn path_of(uri: &str) -> Option<PathBuf> {
    let path = Path::new(uri.strip_prefix("file://").unwrap_or(uri));
    (path.is_absolute() && path.exists()).then(|| path.into())
}

fn is_commit(text: &str) -> bool {
    text.len() == COMMIT && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// As git-check-ref-format(1) has it, and no pattern.
fn is_reference(name: &str) -> bool {
    let bad = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    !name.contains(bad)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
        && !name.starts_with('-')
        && name.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_no_option_and_no_pattern() {
        for good in ["main", "release-1.0", "feature/a_b", "v1.2"] {
            assert!(is_reference(good), "{good}");
        }
        for bad in ["", "-u", "a b", "a:b", "*", "a..b", "a/", "/a", "a@{1}", "a\n", "x.lock", ".a", "a."] {
            assert!(!is_reference(bad), "{bad}");
        }
    }

    #[test]
    fn every_file_and_folder_takes_a_block() {
        let listed = b"040000 tree 1f2     -\tsome folder\x00100644 blob 3f4 9000\tsome folder/9 1\x00100644 blob 5 1\tb\x00";
        assert_eq!(listed_size(listed), 4096 + 9000 + 4096);
        assert_eq!(listed_size(b""), 0);
    }

    #[test]
    fn only_absolute_paths_are_of_this_machine() {
        assert_eq!(path_of("file:///tmp"), Some("/tmp".into()));
        assert_eq!(path_of("/tmp"), Some("/tmp".into()));
        assert_eq!(path_of("tmp"), None);
        assert_eq!(path_of("https://example.org/tmp"), None);
    }
}
