//! A server that is spoken to over TLS only: a cluster of one test's own.

use super::NotHere;
use super::cluster::{Account, START_LIMIT, USER, programs};
use crate::authority::Issued;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// Who may come: over the network with TLS, and the test itself.
const RULES: &str = "hostssl all all 127.0.0.1/32 trust\nlocal all all trust\n";

/// A running server. It ends with this value.
#[derive(Debug)]
pub struct Secured {
    server: Child,
    programs: PathBuf,
    port: u16,
    folder: TempDir,
}

impl Secured {
    /// Starts a server on 127.0.0.1 with this certificate, or says why there is none.
    pub fn start(issued: &Issued) -> Result<Secured, NotHere> {
        let (account, programs) = (Account::choose()?, programs()?);
        let broken = |e: std::io::Error| NotHere(format!("a server with TLS: {e}"));
        let folder = tempfile::tempdir().map_err(broken)?;
        let (cert, key) = (folder.path().join("cert"), folder.path().join("key"));
        for (from, to) in [(&issued.cert, &cert), (&issued.key, &key)] {
            std::fs::copy(from, to).and_then(|_| account.take(to)).map_err(broken)?;
        }
        account.take(folder.path()).map_err(broken)?;
        let data = folder.path().join("data");
        let mut made = account.run(&programs.join("initdb"));
        made.arg("-D").arg(&data).args([
            "-U",
            USER,
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        match made.stdout(Stdio::null()).status() {
            Ok(status) if status.success() => {}
            other => return Err(NotHere(format!("initdb for a server with TLS: {other:?}"))),
        }
        std::fs::write(data.join("pg_hba.conf"), RULES).map_err(broken)?;
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).map_err(broken)?.port();
        let mut server = account.run(&programs.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(folder.path()).args([
            "-p",
            &port.to_string(),
            "-c",
            "ssl=on",
        ]);
        for (setting, path) in [("ssl_cert_file", &cert), ("ssl_key_file", &key)] {
            server.arg("-c").arg(format!("{setting}={}", path.display()));
        }
        server.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(broken)?;
        let secured = Secured { server, programs, port, folder };
        let deadline = Instant::now() + START_LIMIT;
        while secured.ask("SELECT 1").is_none() {
            if Instant::now() > deadline {
                return Err(NotHere("a server with TLS does not answer".into()));
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Ok(secured)
    }

    /// `postgres://…`, asking this host, with `parameters` such as `sslmode=require`.
    pub fn url(&self, host: &str, parameters: &str) -> String {
        format!("postgres://{USER}@{host}:{}/postgres?{parameters}", self.port)
    }

    /// What a question answers over the server's own socket; none if nothing does.
    pub fn ask(&self, sql: &str) -> Option<String> {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-AtX", "-U", USER, "-p", &self.port.to_string(), "-d", "postgres", "-c", sql, "-h"]);
        let output = command.arg(self.folder.path()).stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim_end().to_owned())
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        let pid = i32::try_from(self.server.id()).ok().and_then(rustix::process::Pid::from_raw);
        let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::INT));
        let _ = self.server.wait();
    }
}

impl Account {
    fn run(&self, program: &Path) -> Command {
        let mut command = match self {
            Account::Own => Command::new(program),
            Account::Other { uid, gid, .. } => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".into()]);
                command.arg(program);
                command
            }
        };
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/");
        command.stdin(Stdio::null());
        command
    }

    fn take(&self, path: &Path) -> std::io::Result<()> {
        match self {
            Account::Own => Ok(()),
            Account::Other { uid, gid, .. } => std::os::unix::fs::chown(path, Some(*uid), Some(*gid)),
        }
    }
}
