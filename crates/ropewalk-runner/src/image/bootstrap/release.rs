//! The signed state of a suite (`InRelease`), fetched as apt itself fetches: with its proxies and passwords. Its
//! signature is checked when packages are fetched.

use crate::inside::printable;
use rustix::process::{Pid, Signal, kill_process_group, set_parent_process_death_signal};
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = "/usr/lib/apt/apt-helper";
/// Longest state of a suite in bytes.
const MAX_BYTES: u64 = 4 << 20;
/// Longest text of the program's that is looked at, in bytes.
const MAX_WORDS: u64 = 64 << 10;
/// How long fetching one may take. apt gives up sooner where nothing at all comes.
pub(super) const WITHIN: Duration = Duration::from_secs(120);
/// How often the program is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The state of a suite; none where the mirror says that it has no such suite. `scratch` is a file to be used
/// meanwhile.
pub(super) fn fetch(
    uri: &str,
    suite: &str,
    scratch: &Path,
    within: Duration,
) -> Result<Option<String>, String> {
    let url = format!("{}/dists/{suite}/InRelease", uri.trim_end_matches('/'));
    let fetched = download(&url, scratch, within).and_then(|missing| match missing {
        true => Ok(None),
        false => read(scratch).map(Some),
    });
    let _ = std::fs::remove_file(scratch);
    fetched.map_err(|why| format!("{url}: {why}"))
}

/// Answers whether the mirror says that there is no such file.
fn download(url: &str, file: &Path, within: Duration) -> Result<bool, String> {
    let mut running = Download::start(url, file)?;
    let began = Instant::now();
    let status = loop {
        match running.0.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => std::thread::sleep(LOOK),
            Err(e) => return Err(format!("wait for {PROGRAM}: {e}")),
        }
        if file.metadata().is_ok_and(|meta| meta.len() > MAX_BYTES) {
            return Err(too_long());
        }
        if began.elapsed() >= within {
            return Err(format!("it did not come within {} s", within.as_secs_f32()));
        }
    };
    running.result(status)
}

/// The running program. It and the programs that it started end with this, and with the process that waits.
struct Download(Child);

impl Download {
    fn start(url: &str, file: &Path) -> Result<Download, String> {
        let mut command = Command::new(PROGRAM);
        command.args(["download-file", url]).arg(file).env("LC_ALL", "C.UTF-8").process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // SAFETY: one system call, which allocates nothing.
        unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) };
        command.spawn().map(Download).map_err(|e| format!("start {PROGRAM}: {e}"))
    }

    fn result(&mut self, status: ExitStatus) -> Result<bool, String> {
        if status.success() {
            return Ok(false);
        }
        let mut words = vec![];
        if let Some(stderr) = self.0.stderr.take() {
            let _ = stderr.take(MAX_WORDS).read_to_end(&mut words);
        }
        let mut lines = words.split(|b| *b == b'\n').map(printable);
        let error = lines.find_map(|line| line.strip_prefix("E: ").map(str::to_owned));
        match error {
            Some(error) if is_missing(&error) => Ok(true),
            Some(error) => Err(error),
            None => Err(format!("{PROGRAM} ended with {status}")),
        }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait()
            && let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw)
        {
            let _ = kill_process_group(group, Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

/// apt writes `Failed to fetch ADDRESS  ANSWER`; the answer is that of HTTP, or of its own for files.
fn is_missing(error: &str) -> bool {
    let answer = error.strip_prefix("Failed to fetch ").and_then(|rest| rest.split_once("  "));
    answer.is_some_and(|(_, answer)| answer.starts_with("404 ") || answer.starts_with("File not found"))
}

fn read(file: &Path) -> Result<String, String> {
    let mut bytes = vec![];
    let open = File::open(file).map_err(|e| e.to_string())?;
    open.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_long());
    }
    String::from_utf8(bytes).map_err(|e| e.to_string())
}

fn too_long() -> String {
    format!("it is longer than {MAX_BYTES} bytes")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};

    /// A mirror whose suites are called after what becomes of them.
    fn mirror() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || answer(stream));
            }
        });
        format!("http://{address}/debian/")
    }

    fn answer(mut stream: TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?);
        loop {
            let mut first = String::new();
            lines.read_line(&mut first).ok().filter(|read| *read > 0)?;
            while !lines.by_ref().lines().next()?.ok()?.is_empty() {}
            let whole = |status: &str, body: &str| {
                format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            };
            let reply = match first.split('/').nth(3)? {
                "there" => whole("200 OK", "Date: x\n"),
                "missing" => whole("404 Not Found", ""),
                "broken" => whole("500 Internal Server Error", ""),
                "odd" => {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n\xff").ok()?;
                    continue;
                }
                "silent" => {
                    let _ = lines.read_line(&mut first);
                    return None;
                }
                _ => {
                    stream
                        .write_all(
                            b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n",
                        )
                        .ok()?;
                    loop {
                        stream.write_all(&[b'x'; 1 << 16]).ok()?;
                    }
                }
            };
            stream.write_all(reply.as_bytes()).ok()?;
        }
    }

    #[test]
    fn only_a_mirror_that_says_so_has_no_such_suite() {
        if !Path::new(PROGRAM).exists() {
            println!("NOT RUN here: the state of a suite: {PROGRAM} is missing");
            return;
        }
        let (mirror, folder) = (mirror(), tempfile::tempdir().unwrap());
        let scratch = folder.path().join("release");
        let fetch = |suite, within| super::fetch(&mirror, suite, &scratch, Duration::from_secs(within));
        assert_eq!(fetch("there", 60), Ok(Some("Date: x\n".into())));
        assert_eq!(fetch("missing", 60), Ok(None));
        for (suite, within, why) in [
            ("broken", 60, "500  Internal Server Error"),
            ("odd", 60, "utf-8"),
            ("endless", 60, "longer than 4194304 bytes"),
            ("silent", 1, "did not come within 1 s"),
        ] {
            let fetched = fetch(suite, within);
            let Err(error) = fetched else { panic!("{suite}: {fetched:?}") };
            assert!(error.contains(why) && error.contains(&mirror), "{error}");
            assert!(!scratch.exists(), "{suite}");
        }
        let nobody = super::fetch("http://127.0.0.1:1/debian", "x", &scratch, WITHIN).unwrap_err();
        assert!(nobody.contains("Connection refused"), "{nobody}");
        let file = format!("file:{}", folder.path().display());
        assert_eq!(super::fetch(&file, "x", &scratch, WITHIN), Ok(None));
    }

    #[test]
    fn an_answer_is_not_looked_for_in_an_address() {
        assert!(is_missing("Failed to fetch http://m/dists/x/InRelease  404  Not Found [IP: 127.0.0.1 80]"));
        assert!(is_missing(
            "Failed to fetch file:/m/InRelease  File not found - /m/InRelease (2: No such file)"
        ));
        for other in [
            "Failed to fetch http://m/404 /InRelease  403  Forbidden",
            "Failed to fetch http://m/x  Could not resolve 'm'",
            "Download Failed",
            "404  Not Found",
        ] {
            assert!(!is_missing(other), "{other}");
        }
    }
}
