//! The programs of Nix, the store that they work on, and the configuration that they see.

use super::{Settings, Store};
use crate::spool::{At, SpoolError, write_whole};
use sha2::{Digest, Sha256};
use std::fs::{File, create_dir_all, read_to_string, remove_file};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the programs are looked for after `PATH`: an installation for all accounts, and NixOS.
const ELSEWHERE: [&str; 2] = ["/nix/var/nix/profiles/default/bin", "/run/current-system/sw/bin"];
/// File of a store's word, beside its database.
const LABEL: &str = "ropewalk-store";
/// What is used of Nix.
const PROGRAMS: [&str; 3] = ["nix-instantiate", "nix-store", "nix"];
/// Shells that need no library, which builds see as `/bin/sh`: the first brings the usual programs along.
const SHELLS: [&str; 4] = ["/usr/bin/busybox", "/bin/busybox", "/bin/bash-static", "/usr/bin/bash-static"];
/// Bytes at the beginning of a program that its headers lie in.
const HEADERS: u64 = 64 << 10;

/// Nix as it is found on this machine.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Folder of the programs.
    programs: PathBuf,
    /// Where derivations and outputs lie, as they are called everywhere.
    pub store: PathBuf,
    /// Database, roots and profiles.
    pub state: PathBuf,
    /// Nix's own logs of builds.
    pub logs: PathBuf,
    /// Holds `nix.conf`.
    pub configuration: PathBuf,
    /// An empty home, so that no account's own configuration is read; none with the machine's own store.
    home: Option<PathBuf>,
}

/// Nix cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ToolsError {
    /// A program is missing.
    #[error(
        "{program} is neither in PATH nor in {}: install Nix (Debian and Ubuntu: `apt-get install nix-bin busybox-static`)",
        ELSEWHERE.join(" nor in ")
    )]
    Missing {
        /// Its name.
        program: &'static str,
    },
    /// There is no store on this machine.
    #[error(
        "there is no store at {path}, which nix.store = \"system\" asks for: install Nix with a store there, or leave nix.store out"
    )]
    NoStore {
        /// Where it should be.
        path: PathBuf,
    },
    /// A folder or file of a store of our own.
    #[error("cannot make the Nix store below {folder}: {why}")]
    Store {
        /// The folder.
        folder: PathBuf,
        /// What failed.
        why: String,
    },
}

/// Folder of this machine in which all programs of Nix lie.
///
/// # Errors
/// When Nix is not installed.
pub fn programs() -> Result<PathBuf, ToolsError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).chain(ELSEWHERE.map(PathBuf::from)).collect();
    let has_all = |folder: &&PathBuf| lacking(folder).is_none();
    match folders.iter().find(has_all) {
        Some(folder) => Ok(folder.clone()),
        None => {
            let nowhere = |name: &&str| !folders.iter().any(|folder| folder.join(name).is_file());
            let program = PROGRAMS.into_iter().find(nowhere).unwrap_or(PROGRAMS[0]);
            Err(ToolsError::Missing { program })
        }
    }
}

fn lacking(folder: &Path) -> Option<&'static str> {
    PROGRAMS.into_iter().find(|name| !folder.join(name).is_file())
}

impl Tools {
    /// Makes sure that the programs are there, and makes the folders and the configuration of a store of our own.
    ///
    /// # Errors
    /// When Nix is not installed, or the store is not there or cannot be made.
    pub fn open(settings: &Settings) -> Result<Tools, ToolsError> {
        if let Some(program) = lacking(&settings.programs) {
            return Err(ToolsError::Missing { program });
        }
        let programs = settings.programs.clone();
        match &settings.store {
            Store::System => Tools::system(programs),
            Store::Private(folder) => Tools::private(programs, folder)
                .map_err(|why| ToolsError::Store { folder: folder.clone(), why: why.to_string() }),
        }
    }

    /// A store of our own in this folder, of which nothing need be there.
    #[cfg(test)]
    pub(crate) fn at(store: PathBuf) -> Tools {
        let [programs, state, logs, configuration] = [(); 4].map(|()| PathBuf::from("/nowhere"));
        Tools { programs, store, state, logs, configuration, home: None }
    }

    fn system(programs: PathBuf) -> Result<Tools, ToolsError> {
        let store = PathBuf::from("/nix/store");
        if !store.is_dir() {
            return Err(ToolsError::NoStore { path: store });
        }
        Ok(Tools {
            programs,
            store,
            state: "/nix/var/nix".into(),
            logs: "/nix/var/log/nix".into(),
            configuration: "/etc/nix".into(),
            home: None,
        })
    }

    fn private(programs: PathBuf, folder: &Path) -> Result<Tools, SpoolError> {
        create_dir_all(folder).at("create", folder)?;
        // Nix refuses a store whose path has a link in it.
        let folder = folder.canonicalize().at("find", folder)?;
        let tools = Tools {
            programs,
            store: folder.join("store"),
            state: folder.join("var"),
            logs: folder.join("log"),
            configuration: folder.join("etc"),
            home: Some(folder.join("home")),
        };
        for folder in [&tools.store, &tools.state, &tools.logs, &tools.configuration, &folder.join("home")] {
            create_dir_all(folder).at("create", folder)?;
        }
        let file = tools.configuration.join("nix.conf");
        let wanted = configuration(static_shell());
        // Builds that run now read it too.
        if read_to_string(&file).ok().as_ref() != Some(&wanted) {
            write_whole(&file, wanted.as_bytes())?;
        }
        Ok(tools)
    }

    /// Whether the store is one of our own.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.home.is_some()
    }

    /// Whether a daemon builds in the store, which is another account's.
    #[must_use]
    pub fn is_of_daemon(&self) -> bool {
        !self.is_own() && rustix::fs::access(&self.store, rustix::fs::Access::WRITE_OK).is_err()
    }

    /// A word for this store: what was evaluated into it can only be built in it. One of our own holds its word, so that
    /// it stays the same under another name of the machine.
    #[must_use]
    pub fn label(&self) -> String {
        let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let machine = read_to_string("/etc/machine-id").unwrap_or(node);
        let store = self.store.as_os_str().as_encoded_bytes();
        if !self.is_own() {
            return word(&[machine.trim().as_bytes(), store]);
        }
        let file = self.state.join(LABEL);
        if let Ok(mut new) = File::options().write(true).create_new(true).open(&file) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
            let made = word(&[machine.trim().as_bytes(), store, &now.to_le_bytes()]);
            if new.write_all(made.as_bytes()).and_then(|()| new.sync_all()).is_err() {
                let _ = remove_file(&file);
            }
        }
        let kept = read_to_string(&file).unwrap_or_default();
        if kept.starts_with("store-") { kept } else { word(&[machine.trim().as_bytes(), store]) }
    }

    /// What builds see as `/bin/sh`: a program of this machine that needs no library, or what the machine's own
    /// configuration says.
    #[must_use]
    pub fn shell(&self) -> Option<&Path> {
        match self.home {
            Some(_) => static_shell().map(Path::new),
            None => Some(Path::new("/bin/sh")),
        }
    }

    /// Path of a program of Nix's.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// What every program of Nix's has to see, and nothing besides.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut pairs =
            vec![("NIX_PATH", String::new()), ("LANG", "C.UTF-8".into()), ("TERM", "dumb".into())];
        pairs.push(("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", self.programs.display())));
        if let Some(home) = &self.home {
            let folders = [
                ("NIX_STORE_DIR", &self.store),
                ("NIX_STATE_DIR", &self.state),
                ("NIX_LOG_DIR", &self.logs),
                ("NIX_CONF_DIR", &self.configuration),
                ("HOME", home),
            ];
            pairs.extend(folders.map(|(name, folder)| (name, folder.display().to_string())));
            // Else files of the account's own configuration are read as well.
            pairs.push(("NIX_USER_CONF_FILES", String::new()));
        }
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// A call of a program of Nix's.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.program(name));
        command.env_clear().envs(self.environment());
        command
    }

    /// What a cell has to show besides the machine's programs, for reading and for writing: the store, its database,
    /// the configuration, and the programs where they lie elsewhere.
    pub(crate) fn places(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let mut readable = vec![self.configuration.clone(), self.programs.clone()];
        let real = self.program("nix").canonicalize().unwrap_or_default();
        if real.starts_with("/nix") && !self.store.starts_with("/nix") {
            readable.extend(["/nix/store".into(), "/nix/var/nix/profiles".into()]);
        }
        readable.extend(real.parent().filter(|folder| !folder.starts_with("/nix")).map(Path::to_owned));
        readable.retain(|folder| !folder.starts_with("/usr"));
        match &self.home {
            // Neither the configuration of later programs nor their home.
            Some(_) => (readable, [&self.store, &self.state, &self.logs].map(Clone::clone).into()),
            None if !self.is_of_daemon() => (readable, vec!["/nix".into()]),
            // The daemon's socket is among it.
            None => {
                readable.push("/nix".into());
                (readable, vec![])
            }
        }
    }

    /// Folder of the roots that keep what we need from being collected, by base name of the path.
    #[must_use]
    pub fn roots(&self) -> PathBuf {
        self.state.join("gcroots/ropewalk")
    }
}

fn word(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digits = hex::encode(hash.finalize());
    format!("store-{}", digits.get(..16).unwrap_or(&digits))
}

fn static_shell() -> Option<&'static str> {
    SHELLS.into_iter().find(|shell| is_static(Path::new(shell)))
}

/// `nix.conf` of a store of our own.
fn configuration(shell: Option<&str>) -> String {
    let shell = shell.map_or(String::new(), |shell| format!("sandbox-paths = /bin/sh={shell}\n"));
    // The group of build accounts that root's builds use by default is not there; and what a public cache has was made
    // for another store.
    format!(
        "build-users-group =\nsubstitute = false\nbuilders =\nsandbox = true\nsandbox-fallback = false\n{shell}experimental-features = nix-command\n"
    )
}

/// Whether it is a program of this machine that names no interpreter.
fn is_static(path: &Path) -> bool {
    let mut bytes = vec![];
    let read = std::fs::File::open(path).and_then(|file| file.take(HEADERS).read_to_end(&mut bytes));
    read.is_ok() && names_no_interpreter(&bytes) == Some(true)
}

/// Reads the program headers of an ELF file of 64 bits, little-endian (elf(5)).
fn names_no_interpreter(elf: &[u8]) -> Option<bool> {
    /// `PT_INTERP`.
    const INTERPRETER: u16 = 3;
    let short = |at: usize| Some(u16::from_le_bytes(elf.get(at..at.checked_add(2)?)?.try_into().ok()?));
    elf.starts_with(b"\x7fELF\x02\x01").then_some(())?;
    let table = usize::try_from(u64::from_le_bytes(elf.get(32..40)?.try_into().ok()?)).ok()?;
    let (size, count) = (usize::from(short(54)?), usize::from(short(56)?));
    for at in 0..count {
        if short(table.checked_add(at * size)?)? == INTERPRETER {
            return Some(false);
        }
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    #[test]
    fn a_program_that_needs_a_loader_is_no_shell_for_builds() {
        // This very test is dynamically linked.
        assert!(!is_static(&std::env::current_exe().unwrap()));
        assert_eq!(names_no_interpreter(b"#!/bin/sh\n"), None);
        let mut elf = vec![0; 176];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (elf[32], elf[54], elf[56]) = (64, 56, 2);
        (elf[64], elf[120]) = (1, 2);
        assert_eq!(names_no_interpreter(&elf), Some(true));
        elf[120] = 3;
        assert_eq!(names_no_interpreter(&elf), Some(false));
        // Cut in the table.
        assert_eq!(names_no_interpreter(&elf[..120]), None);
    }

    #[test]
    fn a_store_of_our_own_has_a_configuration_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let Ok(programs) = programs() else {
            return println!("NOT RUN here: a Nix store of our own: nix is not installed");
        };
        let store = Store::Private(folder.path().join("nix"));
        let tools = Tools::open(&Settings { programs, store, local_inputs: vec![] }).unwrap();
        let shown = tools.command("nix").arg("show-config").output().unwrap();
        let text = String::from_utf8(shown.stdout).unwrap();
        for line in
            ["sandbox = true", "sandbox-fallback = false", "build-users-group = ", "substitute = false"]
        {
            assert!(text.lines().any(|l| l == line), "{line} is missing in {text}");
        }
        assert!(tools.store.is_dir() && tools.store.starts_with(folder.path().canonicalize().unwrap()));
    }

    #[test]
    fn a_cell_cannot_write_what_later_programs_obey() {
        let folder = tempfile::tempdir().unwrap();
        let Ok(programs) = programs() else {
            return println!("NOT RUN here: what cells write: nix is not installed");
        };
        let store = Store::Private(folder.path().join("nix"));
        let tools = Tools::open(&Settings { programs, store, local_inputs: vec![] }).unwrap();
        let (readable, writable) = tools.places();
        assert!(readable.contains(&tools.configuration) && writable.contains(&tools.store));
        let obeyed = [&tools.configuration, tools.home.as_ref().unwrap()];
        assert!(obeyed.iter().all(|place| !writable.iter().any(|folder| place.starts_with(folder))));
    }

    #[test]
    fn each_store_has_a_word_of_its_own() {
        let [one, other] = ["/a/store", "/b/store"].map(|store| Tools::at(store.into()).label());
        assert!(one != other && one.starts_with("store-") && one.len() == 22, "{one} {other}");
        let folder = tempfile::tempdir().unwrap();
        let own = |name: &str| {
            let state = folder.path().join(name);
            create_dir_all(&state).unwrap();
            Tools { state, home: Some("/nowhere".into()), ..Tools::at("/a/store".into()) }.label()
        };
        let first = own("a");
        assert!(first.starts_with("store-") && first.len() == 22 && first != one, "{first}");
        assert_eq!(own("a"), first);
        // Another machine's store may lie at the same path.
        assert_ne!(own("b"), first);
    }

    #[test]
    fn without_nix_it_says_what_to_install() {
        let text = ToolsError::Missing { program: "nix-store" }.to_string();
        assert!(text.contains("apt-get install nix-bin"), "{text}");
    }
}
