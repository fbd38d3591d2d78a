//! Accounts with the programs under test and the image in their folders.

use crate::bench::Bench;
use ropewalk_runner::image::Catalog;
use ropewalk_runner::sandbox::range;
use ropewalk_testkit::account::{self, Account, copy};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// The image that builds run in, and what it holds beside the minimum.
pub(crate) const IMAGE: &str = "builds";
const PACKAGES: [&str; 8] =
    ["sudo", "git", "mercurial", "ca-certificates", "curl", "iproute2", "procps", "gnupg"];

/// The accounts that this machine lets us run as, and a line about each other one.
pub(crate) fn available() -> (Vec<Account>, Vec<String>) {
    account::available("builds", "builds")
}

/// A place for one test, with the program and the image ready.
pub(crate) fn bench(account: &Account) -> Bench {
    static PREPARED: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
    // Two tests at once must not both import.
    let mut prepared = PREPARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let program = prepared.entry(account.title()).or_insert_with(|| {
        let program = prepare(account);
        import_image(account);
        program
    });
    Bench::new(account.clone(), account.home(), program.clone())
}

/// A command that runs as this account.
pub(crate) fn command(account: &Account, program: impl AsRef<Path>) -> Command {
    let mut command = account.command(program.as_ref());
    command.current_dir(account.home()).env("HOME", account.home()).env_remove("XDG_DATA_HOME");
    command
}

/// The account's own folder, with copies of the programs that it can execute.
fn prepare(account: &Account) -> PathBuf {
    account.make_home();
    let programs = programs(account);
    std::fs::create_dir_all(&programs).unwrap();
    account.own(&programs);
    copy(&std::env::current_exe().unwrap(), &programs);
    copy(Path::new(env!("CARGO_BIN_EXE_ropewalk")), &programs)
}

/// Another checkout on this machine may test its own program at the same time.
fn programs(account: &Account) -> PathBuf {
    let mut hash = DefaultHasher::new();
    env!("CARGO_BIN_EXE_ropewalk").hash(&mut hash);
    account.home().join(format!("programs-{:016x}", hash.finish()))
}

fn import_image(account: &Account) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/images/make.sh");
    let made = Command::new(&script).arg(IMAGE).args(PACKAGES).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let tar = String::from_utf8(made.stdout).unwrap();
    let tar = PathBuf::from(tar.trim());
    // The account may not read our folders.
    let copy = copy(&tar, account.home());
    import_tar(account, &copy, IMAGE);
}

/// Takes an image in, as the account.
pub(crate) fn import_tar(account: &Account, tar: &Path, name: &str) {
    let me = programs(account).join(std::env::current_exe().unwrap().file_name().unwrap());
    let data = account.home().join("data");
    let import = command(account, me).arg("--import").args([&data, tar]).arg(name).output().unwrap();
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
}

/// Where the account keeps the tar of the image.
pub(crate) fn image_tar(account: &Account) -> PathBuf {
    account.home().join(format!("{IMAGE}.tar"))
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
