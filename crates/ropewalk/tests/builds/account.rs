//! Whom tests run as: root where we are root, and an ordinary account always.

use crate::bench::Bench;
use ropewalk_runner::image::Catalog;
use ropewalk_runner::sandbox::range;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

const NAME: &str = "ropewalk-test";
/// The image that builds run in, and what it holds beside the minimum.
pub(crate) const IMAGE: &str = "builds";
const PACKAGES: [&str; 8] =
    ["sudo", "git", "mercurial", "ca-certificates", "curl", "iproute2", "procps", "gnupg"];

/// An account with a folder of its own.
#[derive(Clone)]
pub(crate) struct Account {
    /// To switch to; `None` is the account that the tests run as.
    switch: Option<(u32, u32)>,
    title: &'static str,
    home: PathBuf,
}

/// The accounts that this machine lets us run as, and a sentence about each other one.
pub(crate) fn available() -> (Vec<Account>, Vec<String>) {
    let uid = rustix::process::getuid();
    let home = |who: &str| PathBuf::from(format!("/var/tmp/ropewalk-builds-{}-{who}", uid.as_raw()));
    if !uid.is_root() {
        let not_run = "NOT RUN here: builds as root: the tests run as an ordinary account".to_owned();
        return (vec![Account { switch: None, title: "user", home: home("user") }], vec![not_run]);
    }
    let root = Account { switch: None, title: "root", home: home("root") };
    match ordinary() {
        Ok(ids) => (vec![root, Account { switch: Some(ids), title: "user", home: home("user") }], vec![]),
        Err(why) => (vec![root], vec![format!("NOT RUN here: builds as an ordinary account: {why}")]),
    }
}

/// Makes the test account if it is not there; user and group id.
fn ordinary() -> Result<(u32, u32), String> {
    if find(NAME).is_none() {
        let made = Command::new("useradd").args(["--system", "--add-subids-for-system", NAME]).output();
        let made = made.map_err(|e| format!("useradd: {e}"))?;
        // Another process may have been faster.
        if !made.status.success() && find(NAME).is_none() {
            return Err(String::from_utf8_lossy(&made.stderr).trim().to_owned());
        }
    }
    find(NAME).ok_or_else(|| format!("no account {NAME}"))
}

fn find(name: &str) -> Option<(u32, u32)> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd.lines().find(|l| l.split(':').next() == Some(name))?;
    let fields: Vec<&str> = line.split(':').collect();
    Some((fields[2].parse().ok()?, fields[3].parse().ok()?))
}

impl Account {
    pub(crate) fn title(&self) -> &'static str {
        self.title
    }

    /// A place for one test, with the program and the image ready.
    pub(crate) fn bench(&self) -> Bench {
        static PREPARED: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
        // Two tests at once must not both copy.
        let mut prepared = PREPARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let program = prepared.entry(self.title).or_insert_with(|| {
            let program = self.prepare();
            self.import_image();
            program
        });
        Bench::new(self.clone(), &self.home, program.clone())
    }

    /// Another account, which need not be known to the system.
    pub(crate) fn other(&self, uid: u32, home: &Path) -> Account {
        Account { switch: Some((uid, uid)), title: "other", home: home.to_owned() }
    }

    /// A command that runs as this account.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        if let Some((uid, gid)) = self.switch {
            command.uid(uid).gid(gid);
        }
        command.current_dir(&self.home).env("HOME", &self.home).env_remove("XDG_DATA_HOME");
        command
    }

    /// Gives a file or folder to this account.
    pub(crate) fn own(&self, path: &Path) {
        if let Some((uid, gid)) = self.switch {
            std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
        }
    }

    /// The account's own folder, 0700, with copies of the programs that it can execute.
    fn prepare(&self) -> PathBuf {
        std::fs::create_dir_all(&self.home).unwrap();
        self.own(&self.home);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&self.home, mode).unwrap();
        let programs = self.programs();
        std::fs::create_dir_all(&programs).unwrap();
        self.own(&programs);
        self.copy(&std::env::current_exe().unwrap(), &programs);
        self.copy(Path::new(env!("CARGO_BIN_EXE_ropewalk")), &programs)
    }

    /// Another checkout on this machine may test its own program at the same time.
    fn programs(&self) -> PathBuf {
        let mut hash = DefaultHasher::new();
        env!("CARGO_BIN_EXE_ropewalk").hash(&mut hash);
        self.home.join(format!("programs-{:016x}", hash.finish()))
    }

    fn copy(&self, source: &Path, folder: &Path) -> PathBuf {
        let copy = folder.join(source.file_name().unwrap());
        if !same(source, &copy) {
            let new = folder.join(format!("new-{}", std::process::id()));
            std::fs::copy(source, &new).unwrap();
            std::fs::rename(&new, &copy).unwrap();
        }
        copy
    }

    fn import_image(&self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/images/make.sh");
        let made = Command::new(&script).arg(IMAGE).args(PACKAGES).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let tar = String::from_utf8(made.stdout).unwrap();
        let tar = PathBuf::from(tar.trim());
        // The account may not read our folders.
        let copy = self.copy(&tar, &self.home);
        self.import_tar(&copy, IMAGE);
    }

    /// Takes an image in, as the account.
    pub(crate) fn import_tar(&self, tar: &Path, name: &str) {
        let me = self.programs().join(std::env::current_exe().unwrap().file_name().unwrap());
        let data = self.home.join("data");
        let import = self.command(me).arg("--import").args([&data, tar]).arg(name).output().unwrap();
        assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    }

    /// Where the account keeps the tar of the image.
    pub(crate) fn image_tar(&self) -> PathBuf {
        self.home.join(format!("{IMAGE}.tar"))
    }
}

/// Runs as the account: takes the image in, unless it is there.
pub(crate) fn import(data: &Path, tar: &Path, name: &str) {
    std::fs::create_dir_all(data).unwrap();
    let lock = std::fs::File::create(data.join("import-lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let catalog = Catalog::new(data, range::find().unwrap());
    let stamp = data.join(format!("imported-{name}"));
    // Length alone would take an image of an earlier run for this one.
    let meta = tar.metadata().unwrap();
    let now = format!("{} {:?}", meta.len(), meta.modified().unwrap());
    if std::fs::read_to_string(&stamp).is_ok_and(|then| then == now) && catalog.resolve(name).is_ok() {
        return;
    }
    catalog.import(tar, name).unwrap();
    std::fs::write(stamp, now).unwrap();
}

fn same(source: &Path, copy: &Path) -> bool {
    let stamp = |path: &Path| {
        let meta = path.metadata().ok()?;
        Some((meta.len(), meta.modified().ok()?))
    };
    match (stamp(source), stamp(copy)) {
        (Some((size, made)), Some((copied, at))) => size == copied && at >= made,
        _ => false,
    }
}
