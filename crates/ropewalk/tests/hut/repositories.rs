//! Repositories of real git, served as files.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// `plain` and `rope.git` are the same, with two commits; the tag `v1` names the first. `whole` has it as a submodule.
pub(crate) struct Repositories {
    pub(crate) address: String,
    /// Commits.
    pub(crate) tagged: String,
    pub(crate) newest: String,
    pub(crate) whole: String,
}

impl Repositories {
    /// Makes them and serves them until the test ends.
    pub(crate) fn serve() -> Repositories {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let work = folder.path().join("work");
        make(&work);
        commit(&work, "one");
        git(&work, &["tag", "v1"]);
        let tagged = git(&work, &["rev-parse", "HEAD"]);
        commit(&work, "two");
        let newest = git(&work, &["rev-parse", "HEAD"]);
        publish(&work, &folder.path().join("plain"));
        publish(&work, &folder.path().join("rope.git"));
        let around = folder.path().join("around");
        make(&around);
        git(
            &around,
            &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../rope.git", "part"],
        );
        git(&around, &["config", "-f", ".gitmodules", "submodule.part.url", &format!("{address}/rope.git")]);
        commit(&around, "around");
        let whole = git(&around, &["rev-parse", "HEAD"]);
        publish(&around, &folder.path().join("whole"));
        let folder = Arc::new(folder);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let folder = folder.clone();
                std::thread::spawn(move || answer(stream, &folder));
            }
        });
        Repositories { address, tagged, newest, whole }
    }
}

fn make(work: &Path) {
    std::fs::create_dir(work).unwrap();
    git(work, &["init", "--quiet", "--initial-branch=main"]);
    git(work, &["remote", "add", "origin", work.to_str().unwrap()]);
}

fn commit(work: &Path, text: &str) {
    std::fs::write(work.join("file"), format!("{text}\n")).unwrap();
    git(work, &["add", "."]);
    git(work, &["commit", "--quiet", "--message", text]);
}

fn publish(work: &Path, bare: &Path) {
    git(work, &["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    git(bare, &["update-server-info"]);
}

/// Runs git with nothing of this machine's settings.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(arguments);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null").stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_string()
}

/// Sends a file, as git reads repositories of servers that know nothing of git.
fn answer(mut stream: TcpStream, folder: &TempDir) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let path = first.split([' ', '?']).nth(1).unwrap_or_default().trim_start_matches('/').to_string();
    let path: PathBuf = folder.path().join(path);
    let (status, bytes) = match std::fs::read(path) {
        Ok(bytes) => ("200 OK", bytes),
        Err(_) => ("404 Not Found", vec![]),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes));
}
