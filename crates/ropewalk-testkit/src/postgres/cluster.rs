//! The shared cluster: whoever comes first starts it, and it ends when nobody uses it any more.
//!
//! Each test process holds a shared lock on `users` as long as it lives. A keeper process, the parent of the server,
//! looks every few seconds whether anybody holds it. `gate` is held while the server is started or ended, so that
//! nobody joins a server that is going.

use super::NotHere;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The superuser of the cluster.
pub(super) const USER: &str = "ropewalk";
/// How long a server may take to answer after it was started, with the making of its files.
pub(super) const START_LIMIT: Duration = Duration::from_secs(60);
/// The longest path of a unix socket that every kernel takes is 107 bytes, `/.s.PGSQL.5432` among them.
const FOLDER_BYTES: usize = 90;

/// Makes a cluster, runs its server, and ends it once nobody uses it. Arguments: programs, folder.
const KEEPER: &str = include_str!("keeper.sh");

/// Membership in the cluster; lasts as long as the process.
pub(super) struct Cluster {
    folder: PathBuf,
    _user: File,
}

impl Cluster {
    /// Joins the cluster of this run, and starts its server if nobody did.
    pub(super) fn join() -> Result<&'static Cluster, NotHere> {
        static CLUSTER: OnceLock<Result<Cluster, NotHere>> = OnceLock::new();
        CLUSTER.get_or_init(Cluster::join_once).as_ref().map_err(Clone::clone)
    }

    /// Where its socket is.
    pub(super) fn socket_folder(&self) -> PathBuf {
        self.folder.clone()
    }

    fn join_once() -> Result<Cluster, NotHere> {
        let programs = programs()?;
        let account = Account::choose()?;
        let folder = account.make_folder()?;
        let gate = lock_file(&folder.join("gate"))?;
        gate.lock().map_err(|e| NotHere(format!("{}: {e}", folder.join("gate").display())))?;
        let user = lock_file(&folder.join("users"))?;
        user.lock_shared().map_err(|e| NotHere(format!("{}: {e}", folder.join("users").display())))?;
        if !answers(&programs, &folder) {
            account.start_keeper(&programs, &folder)?;
            wait_for_answer(&programs, &folder)?;
        }
        Ok(Cluster { folder, _user: user })
    }
}

/// Who runs the server. PostgreSQL refuses to run as root.
pub(super) enum Account {
    Own,
    Other { name: String, uid: u32, gid: u32 },
}

impl Account {
    pub(super) fn choose() -> Result<Account, NotHere> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Account::Own);
        }
        let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let found = ["postgres", "nobody"].into_iter().find_map(|name| {
            let mut fields =
                accounts.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":"))?.split(':');
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            Some(Account::Other { name: name.into(), uid, gid })
        });
        found.ok_or(NotHere("it cannot run as root, and there is no account postgres or nobody".into()))
    }

    fn uid(&self) -> u32 {
        match self {
            Account::Own => rustix::process::geteuid().as_raw(),
            Account::Other { uid, .. } => *uid,
        }
    }

    /// A folder that only this account can enter: below `target/`, or in the folder for temporary files where the
    /// account cannot reach that or the path is too long for a socket.
    fn make_folder(&self) -> Result<PathBuf, NotHere> {
        let target = target_folder();
        let near = target.join("postgres");
        let short = near.as_os_str().len() <= FOLDER_BYTES;
        let folder = if short && self.reaches(&target) {
            near
        } else {
            std::env::temp_dir().join(format!("ropewalk-postgres-{}-{:x}", self.uid(), hash(&target)))
        };
        self.own(&folder).map_err(|e| NotHere(format!("{}: {e}", folder.display())))?;
        Ok(folder)
    }

    fn reaches(&self, folder: &Path) -> bool {
        let all = |mode: u32| mode & 0o005 == 0o005;
        match self {
            Account::Own => true,
            Account::Other { .. } => {
                folder.ancestors().all(|up| std::fs::metadata(up).is_ok_and(|found| all(found.mode())))
            }
        }
    }

    fn own(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder.parent().unwrap_or(folder))?;
        match std::fs::create_dir(folder) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                let found = std::fs::symlink_metadata(folder)?;
                if !found.is_dir() || found.uid() != self.uid() {
                    return Err(std::io::Error::other("it is no folder, or somebody else's: remove it"));
                }
                return Ok(());
            }
            made => made?,
        }
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
        match self {
            Account::Own => Ok(()),
            Account::Other { uid, gid, .. } => std::os::unix::fs::chown(folder, Some(*uid), Some(*gid)),
        }
    }

    /// Starts the keeper in a session of its own, so that the end of a test process does not end it.
    fn start_keeper(&self, programs: &Path, folder: &Path) -> Result<(), NotHere> {
        let mut command = Command::new("setpriv");
        if let Account::Other { uid, gid, .. } = self {
            command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".into()]);
        }
        command.args(["setsid", "-f", "sh", "-c", KEEPER, "postgres-for-tests"]).arg(programs).arg(folder);
        command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("LC_ALL", "C").current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(NotHere(format!("setpriv as {} ended with {status}", self.name()))),
            Err(e) => Err(NotHere(format!("setpriv (package util-linux) could not be run: {e}"))),
        }
    }

    fn name(&self) -> &str {
        match self {
            Account::Own => "this account",
            Account::Other { name, .. } => name,
        }
    }
}

/// The folder with the programs of the newest version that is installed.
pub(super) fn programs() -> Result<PathBuf, NotHere> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = installed
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| folder.join("initdb").exists() && folder.join("postgres").exists())
        .collect();
    versions.sort();
    let in_path = || {
        let path = std::env::var_os("PATH")?;
        let mut folders = std::env::split_paths(&path);
        let found = folders.find_map(|folder| std::fs::canonicalize(folder.join("initdb")).ok())?;
        found.parent().map(Path::to_path_buf)
    };
    versions.pop().map(|(_, folder)| folder).or_else(in_path).ok_or(NotHere(format!(
        "initdb is neither in /usr/lib/postgresql/*/bin nor in PATH: install the package postgresql, or name a server in {}",
        super::VARIABLE
    )))
}

fn answers(programs: &Path, folder: &Path) -> bool {
    let mut ready = Command::new(programs.join("pg_isready"));
    ready.arg("-q").arg("-h").arg(folder).args(["-U", USER, "-d", "postgres"]);
    ready.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    ready.status().is_ok_and(|status| status.success())
}

fn wait_for_answer(programs: &Path, folder: &Path) -> Result<(), NotHere> {
    let deadline = Instant::now() + START_LIMIT;
    while !answers(programs, folder) {
        if Instant::now() > deadline {
            return Err(NotHere(format!(
                "the server did not answer within {} s; see initdb.log and server.log in {}",
                START_LIMIT.as_secs(),
                folder.display()
            )));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn lock_file(path: &Path) -> Result<File, NotHere> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|e| NotHere(format!("{}: {e}", path.display())))
}

fn target_folder() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => {
            Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("/")).join("target")
        }
    }
}

fn hash(path: &Path) -> u64 {
    use std::hash::{Hash, Hasher};
    // The same in every process of the same program version, which is all that is needed.
    let mut hasher = std::collections::hash_map::DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}
