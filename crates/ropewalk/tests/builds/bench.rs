//! One test's place: a working directory, a manifest, and what came of running it.

use crate::account::{IMAGE, command, image_tar, import_tar};
use ropewalk_testkit::account::Account;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A working directory of the account, removed with the test.
pub(crate) struct Bench {
    account: Account,
    program: PathBuf,
    data: PathBuf,
    pub(crate) folder: PathBuf,
    /// What programs are started by; empty: by the test itself, as the account.
    starter: Vec<String>,
}

/// How a run ended.
pub(crate) struct Ran {
    pub(crate) exit: i32,
    /// Standard output: all logs.
    pub(crate) log: String,
    /// Standard error.
    pub(crate) errors: String,
}

impl Bench {
    pub(crate) fn new(account: Account, home: &Path, program: PathBuf) -> Bench {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = home.join(format!("work-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        account.own(&folder);
        Bench { account, program, data: home.join("data"), folder, starter: vec![] }
    }

    /// The same for another account, with a home that is its own and copies of the programs in it.
    pub(crate) fn of(&self, uid: u32, home: &Path) -> Bench {
        let account = Account::other(uid, home);
        account.own(home);
        let programs = home.join("programs");
        std::fs::create_dir(&programs).unwrap();
        let program = programs.join(self.program.file_name().unwrap());
        for file in [self.this_program(), self.program.clone()] {
            std::fs::copy(&file, programs.join(file.file_name().unwrap())).unwrap();
        }
        std::fs::create_dir(home.join("data")).unwrap();
        account.own(&home.join("data"));
        Bench::new(account, home, program)
    }

    /// Seconds to sleep that no other process of this machine sleeps: by them a build's processes are known.
    pub(crate) fn mark(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        format!("86400.{}{:06}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether the account is root.
    pub(crate) fn is_root(&self) -> bool {
        self.account.title() == "root"
    }

    /// Data folder that holds the image.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// The program under test, where the account can execute it.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// This test program, likewise.
    pub(crate) fn this_program(&self) -> PathBuf {
        self.program.with_file_name(std::env::current_exe().unwrap().file_name().unwrap())
    }

    /// Makes a folder below the working directory.
    pub(crate) fn folder(&self, name: &str) {
        let path = self.folder.join(name);
        std::fs::create_dir_all(&path).unwrap();
        self.account.own(&path);
    }

    /// Takes in an image: the usual one and, over it, a tar of the working directory.
    pub(crate) fn import_with(&self, tar: &str, name: &str) {
        let both = self.folder.join("image.tar");
        std::fs::copy(image_tar(&self.account), &both).unwrap();
        self.account.own(&both);
        self.shell(&format!("tar --concatenate --file=image.tar {tar}"));
        import_tar(&self.account, &both, name);
    }

    /// Takes in an image: a tar and, over it, a file of the working directory.
    pub(crate) fn import_over(&self, base: &Path, file: &str, name: &str) {
        let both = self.folder.join("image.tar");
        std::fs::copy(base, &both).unwrap();
        self.account.own(&both);
        self.shell(&format!("tar --append --owner=0 --group=0 --file=image.tar {file}"));
        let mut import = self.ropewalk();
        let imported = ran(import.args(["image", "import", "image.tar", name]).output().unwrap());
        assert_eq!(imported.exit, 0, "{}", imported.errors);
        std::fs::remove_file(&both).unwrap();
    }

    /// The tar of the usual image.
    pub(crate) fn image_tar(&self) -> PathBuf {
        image_tar(&self.account)
    }

    /// Writes a file below the working directory, owned by the account.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        let mut parent = path.parent().unwrap();
        std::fs::create_dir_all(parent).unwrap();
        while parent != self.folder {
            self.account.own(parent);
            parent = parent.parent().unwrap();
        }
        std::fs::write(&path, text).unwrap();
        self.account.own(&path);
        path
    }

    /// A command of the account in the working directory.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = match self.starter.as_slice() {
            [] => command(&self.account, program),
            [starter, rest @ ..] => {
                let mut command = command(&self.account, starter);
                command.args(rest).arg(program.as_ref());
                command
            }
        };
        command.current_dir(&self.folder);
        command
    }

    /// Has all programs of this place started by another one, with their command line as its last arguments.
    pub(crate) fn start_by(&mut self, starter: &[&str]) {
        self.starter = starter.iter().map(ToString::to_string).collect();
    }

    /// The program with its data folder.
    pub(crate) fn ropewalk(&self) -> Command {
        let mut command = self.command(&self.program);
        command.arg("--data").arg(&self.data);
        command
    }

    /// Runs a manifest (without its image) to the end.
    pub(crate) fn run(&self, manifest: &str) -> Ran {
        self.run_with(manifest, &[])
    }

    pub(crate) fn run_with(&self, manifest: &str, arguments: &[&str]) -> Ran {
        self.write("manifest.yml", &format!("image: {IMAGE}\n{manifest}"));
        let mut command = self.ropewalk();
        command.args(["run", "manifest.yml"]).args(arguments).stdin(Stdio::null());
        ran(command.output().unwrap())
    }

    /// Starts a manifest and leaves it running.
    pub(crate) fn start(&self, manifest: &str) -> Child {
        self.write("manifest.yml", &format!("image: {IMAGE}\n{manifest}"));
        let mut command = self.ropewalk();
        command.args(["run", "manifest.yml"]).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs a shell script as the account, for what a test prepares.
    pub(crate) fn shell(&self, script: &str) -> String {
        let mut command = self.command("/bin/sh");
        let output = command.args(["-euc", script]).stdin(Stdio::null()).output().unwrap();
        let ran = ran(output);
        assert_eq!(ran.exit, 0, "{script}: {}{}", ran.log, ran.errors);
        ran.log
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn ran(output: Output) -> Ran {
    use std::os::unix::process::ExitStatusExt;
    let exit = output.status.code().or_else(|| Some(128 + output.status.signal()?)).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { exit, log: text(output.stdout), errors: text(output.stderr) }
}

impl Ran {
    /// The lines of the build itself: no marks and no traced commands.
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.log.lines().filter(|line| !line.starts_with("[#") && !line.starts_with("+ ")).collect()
    }

    pub(crate) fn expect(&self, exit: i32) -> &Ran {
        assert_eq!(self.exit, exit, "log:\n{}\nerrors:\n{}", self.log, self.errors);
        self
    }

    pub(crate) fn expect_log(&self, part: &str) -> &Ran {
        assert!(self.log.contains(part), "no {part:?} in the log:\n{}\nerrors:\n{}", self.log, self.errors);
        self
    }
}
