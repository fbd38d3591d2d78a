//! A farm with two users, and real `hut` for each of them.

use crate::server::{Engine, PATIENCE, Server, answer};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// One task that succeeds.
pub(crate) const HELLO: &str = "image: host\ntasks:\n  - a: echo hi\n";
/// One task that says `begun` and then does nothing for long.
pub(crate) const LONG: &str = "image: host\ntasks:\n  - a: |\n      echo begun\n      sleep 600\n";
/// The second of three tasks fails.
pub(crate) const FAILS: &str = "image: host\ntasks:\n  - one: echo first\n  - two: |\n      echo reason\n      exit 3\n  - three: echo never\n";

/// A server with the users alice and bob.
pub(crate) struct Forge {
    pub(crate) server: Server,
    pub(crate) alice: String,
    pub(crate) bob: String,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) errors: String,
}

/// A log, as it is answered to hut.
#[derive(Debug, PartialEq)]
pub(crate) struct Log {
    pub(crate) status: u16,
    /// `Content-Range`.
    pub(crate) range: Option<String>,
    /// With the ends of lines that a terminal needs made ordinary ones.
    pub(crate) text: String,
}

impl Forge {
    pub(crate) async fn start(engine: Engine) -> Forge {
        Forge::with(Server::start(engine).await)
    }

    /// A farm on which every job stays queued.
    pub(crate) async fn idle(engine: Engine) -> Forge {
        Forge::with(Server::start_with(engine, &["--no-runner"]).await)
    }

    pub(crate) fn with(server: Server) -> Forge {
        let newcomer = |name: &str| {
            server.done(&["user", "create", name]);
            token(&server, name, "")
        };
        let (alice, bob) = (newcomer("alice"), newcomer("bob"));
        Forge { server, alice, bob }
    }

    /// A token of alice's with these grants.
    pub(crate) fn token(&self, grants: &str) -> String {
        token(&self.server, "alice", grants)
    }

    /// hut with this token, in the server's folder.
    pub(crate) fn command(&self, token: &str, arguments: &[&str]) -> Command {
        let home = self.server.home();
        let config = home.join(format!("hut-{}", token.len() + usize::from(token == self.bob)));
        let port = self.server.origin.rsplit(':').next().unwrap();
        let text = format!(
            "instance \"local.test\" {{\n\taccess-token \"{token}\"\n\tbuilds {{\n\t\torigin \"{}\"\n\t}}\n\tmeta {{\n\t\torigin \"http://localhost:{port}\"\n\t}}\n}}\n",
            self.server.origin
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("timeout");
        command.arg(PATIENCE.as_secs().to_string()).arg(hut()).arg("--config").arg(config).args(arguments);
        command.current_dir(home).env("HOME", home).env_remove("XDG_CONFIG_HOME").stdin(Stdio::null());
        command
    }

    /// Runs alice's hut to its end.
    pub(crate) fn hut(&self, arguments: &[&str]) -> Said {
        said(self.command(&self.alice, arguments).output().unwrap())
    }

    /// Runs bob's.
    pub(crate) fn hut_of_bob(&self, arguments: &[&str]) -> Said {
        said(self.command(&self.bob, arguments).output().unwrap())
    }

    /// Starts alice's hut and leaves it running.
    pub(crate) fn start_hut(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(&self.alice, arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs alice's hut with an input.
    pub(crate) fn hut_with_input(&self, arguments: &[&str], input: &str) -> Said {
        let mut child = self
            .command(&self.alice, arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        said(child.wait_with_output().unwrap())
    }

    /// Writes a file in the server's folder and answers its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.server.home().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_string()
    }

    /// Submits a manifest with alice's hut; the job's number.
    pub(crate) fn submit(&self, manifest: &str, options: &[&str]) -> i64 {
        let path = self.file("m.yml", manifest);
        let said = self.hut(&[&["builds", "submit", &path], options].concat()).succeeds();
        self.job_of(said.out.trim_end(), "alice")
    }

    /// The job's number in an address of it.
    pub(crate) fn job_of(&self, address: &str, owner: &str) -> i64 {
        let start = format!("{}/~{owner}/job/", self.server.origin);
        let number = address.strip_prefix(&start).and_then(|number| number.parse().ok());
        number.unwrap_or_else(|| panic!("{address:?} is no address of a job of {owner}"))
    }

    /// What a query answers to alice; it must have no errors.
    pub(crate) async fn query(&self, query: &str, variables: Value) -> Value {
        let (status, answer) = self.graphql(&self.alice, query, variables).await;
        assert!(status == 200 && answer.get("errors").is_none(), "{status} {answer:#}");
        answer["data"].clone()
    }

    /// Status and answer of a query.
    pub(crate) async fn graphql(&self, token: &str, query: &str, variables: Value) -> (u16, Value) {
        let body = json!({ "query": query, "variables": variables });
        answer(self.server.client().request("POST", "/query", Some(token)).json(&body)).await
    }

    /// All of a job that the tests look at.
    pub(crate) async fn job(&self, id: i64) -> Value {
        let query = "query($id: Int!) { job(id: $id) { id status manifest note tags visibility runner \
                     tasks { name status } secrets { uuid } artifacts { path size url } } }";
        self.query(query, json!({ "id": id })).await["job"].clone()
    }

    pub(crate) async fn count(&self) -> usize {
        self.query("{ jobs { results { id } } }", Value::Null).await["jobs"]["results"]
            .as_array()
            .unwrap()
            .len()
    }

    /// The log of a task of a job, or that of its setup for no task, in the range that hut asks for first.
    pub(crate) async fn log(&self, id: i64, task: &str) -> Log {
        let folder = if task.is_empty() { String::new() } else { format!("{task}/") };
        let address = format!("/query/log/{id}/{folder}log");
        let request = self.server.client().request("GET", &address, Some(&self.alice));
        let response = request.header("range", "bytes=0-").timeout(PATIENCE).send().await.unwrap();
        let range = response.headers().get("content-range").map(|range| range.to_str().unwrap().to_string());
        let status = response.status().as_u16();
        Log { status, range, text: response.text().await.unwrap().replace('\r', "") }
    }

    /// Waits for a status; that of a job that ended does not change any more.
    pub(crate) async fn wait_for(&self, id: i64, status: &str) -> Value {
        self.until(&format!("job {id} to be {status}"), async || {
            let job = self.job(id).await;
            let ended =
                ["SUCCESS", "FAILED", "TIMEOUT", "CANCELLED"].contains(&job["status"].as_str().unwrap());
            assert!(!ended || job["status"] == status, "{job:#}");
            (job["status"] == status).then_some(job)
        })
        .await
    }

    /// Waits until a job printed a line.
    pub(crate) async fn wait_for_log(&self, id: i64, line: &str) {
        self.until(&format!("job {id} to print {line:?}"), async || {
            let log = self.server.done(&["logs", &id.to_string()]);
            log.lines().any(|printed| printed == line).then_some(())
        })
        .await;
    }

    /// Waits for an answer; fails the test when it does not come.
    pub(crate) async fn until<T>(&self, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Said {
    /// It must have exited with 0.
    pub(crate) fn succeeds(self) -> Said {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// It must have exited with 1 and a message with these words, and not have panicked.
    pub(crate) fn fails(self, words: &str) -> Said {
        let message = self.errors.to_lowercase();
        assert!(self.code == 1 && message.contains(&words.to_lowercase()), "no {words:?} in {self:?}");
        assert!(!message.contains("panic") && !message.contains("goroutine"), "{self:?}");
        self
    }
}

pub(crate) fn said(output: Output) -> Said {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), errors: text(output.stderr) }
}

fn token(server: &Server, user: &str, grants: &str) -> String {
    let printed = server.done(&["token", "create", "--user", user, "--grants", grants]);
    printed.trim_end().to_string()
}

/// The real program, fetched once.
fn hut() -> &'static PathBuf {
    static HUT: OnceLock<PathBuf> = OnceLock::new();
    HUT.get_or_init(|| {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/hut.sh");
        let output = Command::new(script).stdin(Stdio::null()).output().unwrap();
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).trim_end().replace('\n', "; ");
            println!("NOT RUN here: tests with hut: {why}");
            panic!("no hut: {why}");
        }
        String::from_utf8(output.stdout).unwrap().trim_end().into()
    })
}
