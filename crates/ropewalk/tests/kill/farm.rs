//! A real server in a folder of its own, driven by the real client.

use ropewalk_model::fault::{MARK, Point, VARIABLE};
use ropewalk_testkit::postgres::TestDatabase;
use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a server may take from removing a spool to its next line.
const LAST_STEPS: Duration = Duration::from_secs(20);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

pub(crate) struct Farm {
    folder: tempfile::TempDir,
    /// Dropped with the farm.
    database: Option<TestDatabase>,
    port: u16,
    server: Option<Child>,
}

impl Farm {
    pub(crate) fn new(engine: Engine) -> Result<Farm, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(runtime.block_on(TestDatabase::try_create()).map_err(|not_here| {
                println!("{not_here}");
                not_here.to_string()
            })?),
        };
        // Short, for the names of sockets; on a disk, for that is where farms are.
        let folder = tempfile::Builder::new().prefix("ropewalk-kill-").tempdir_in("/var/tmp").unwrap();
        share_images(folder.path());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Ok(Farm { folder, database, port, server: None })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Seconds that only this farm's builds sleep: nobody else has the port.
    pub(crate) fn mark_of_builds(&self) -> String {
        format!("7{:05}", self.port)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ropewalk"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.folder()).env("ROPEWALK_DATA", self.folder().join("data"));
        if let Some(database) = &self.database {
            command.env("ROPEWALK_DATABASE__URL", database.url());
        }
        command.current_dir(self.folder());
        command
    }

    /// Starts the server and waits until it answers; with a point, that visit of it is where it or its supervisor will end.
    pub(crate) fn start(&mut self, point: Option<(Point, u32)>) {
        let mut command = self.command();
        if let Some((point, visit)) = point {
            command.env(VARIABLE, format!("{point}:{visit}")).env(MARK, self.mark());
        }
        let log =
            std::fs::File::options().create(true).append(true).open(self.folder().join("serve.log")).unwrap();
        command.args(["serve", "--listen", &format!("127.0.0.1:{}", self.port)]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.server = Some(command.spawn().unwrap());
        let until = Instant::now() + PATIENCE;
        while !self.answers() {
            // It may end before it ever answers; then it is started again without a point.
            if self.ended() {
                self.start(None);
                return;
            }
            assert!(Instant::now() < until, "the server does not answer: {}", self.server_log());
            std::thread::sleep(PAUSE);
        }
    }

    fn answers(&self) -> bool {
        std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    fn ended(&mut self) -> bool {
        self.server.as_mut().is_none_or(|server| server.try_wait().unwrap().is_some())
    }

    /// Starts the server again if it has ended.
    fn revive(&mut self) {
        if self.ended() {
            assert!(self.was_hit(), "the server ended by itself: {}", self.server_log());
            self.start(None);
        }
    }

    /// Ends the server as a service manager does.
    pub(crate) fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let pid = rustix::process::Pid::from_child(&server);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            server.wait().unwrap();
        }
    }

    fn mark(&self) -> std::path::PathBuf {
        self.folder().join("fault")
    }

    /// Whether the armed point was visited.
    pub(crate) fn was_hit(&self) -> bool {
        self.mark().exists()
    }

    /// The same, with patience: the last points come after all that can be seen from outside.
    pub(crate) fn is_hit_at_last(&self) -> bool {
        let until = Instant::now() + LAST_STEPS;
        while !self.was_hit() && Instant::now() < until {
            std::thread::sleep(PAUSE);
        }
        self.was_hit()
    }

    fn server_log(&self) -> String {
        std::fs::read_to_string(self.folder().join("serve.log")).unwrap_or_default()
    }

    fn client(&self, args: &[&str]) -> Output {
        self.command().args(args).stdin(Stdio::null()).output().unwrap()
    }

    /// Asks until there is an answer, and starts the server again when it has ended.
    fn ask(&mut self, args: &[&str]) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let output = self.client(args);
            if output.status.success() {
                return serde_json::from_slice(&output.stdout).expect("the client prints JSON");
            }
            self.revive();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(Instant::now() < until, "ropewalk {args:?}: {said}{}", self.server_log());
            std::thread::sleep(PAUSE);
        }
    }

    /// Submits as a careful person does: after an error, looks whether the job is there before trying again.
    pub(crate) fn submit(&mut self, manifest: &str) -> i64 {
        let file = self.folder().join("manifest.yml");
        std::fs::write(&file, manifest).unwrap();
        let file = file.display().to_string();
        let until = Instant::now() + PATIENCE;
        loop {
            let output = self.client(&["submit", "--json", &file]);
            self.revive();
            if let Some(job) = self.list().first() {
                return job["id"].as_i64().expect("a job has a number");
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success(), "an acknowledged submission is not there");
            assert!(Instant::now() < until, "nothing can be submitted: {said}{}", self.server_log());
        }
    }

    fn list(&mut self) -> Vec<Value> {
        let list = self.ask(&["list", "--json"]);
        let jobs = list.as_array().or_else(|| list["jobs"].as_array()).or_else(|| list["items"].as_array());
        jobs.expect("a list").clone()
    }

    pub(crate) fn jobs(&mut self) -> usize {
        self.list().len()
    }

    /// Cancels until that is acknowledged, or the job has ended because an earlier call was heard.
    pub(crate) fn cancel(&mut self, job: i64) {
        let until = Instant::now() + PATIENCE;
        while !self.client(&["cancel", &job.to_string()]).status.success() {
            self.revive();
            let shown = self.ask(&["show", "--json", &job.to_string()]);
            if shown["status"] == "cancelled" {
                return;
            }
            assert!(Instant::now() < until, "job {job} cannot be cancelled: {}", self.server_log());
            std::thread::sleep(PAUSE);
        }
    }

    pub(crate) fn show(&mut self, job: i64) -> String {
        format!("{:#}\n{}", self.ask(&["show", "--json", &job.to_string()]), self.server_log())
    }

    /// The job's status once it is as wanted.
    pub(crate) fn wait_for(&mut self, job: i64, wanted: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            self.revive();
            let shown = self.ask(&["show", "--json", &job.to_string()]);
            let status = shown["status"].as_str().expect("a job has a status");
            if wanted(status) {
                return status.into();
            }
            assert!(Instant::now() < until, "job {job} stays {status}: {shown:#}\n{}", self.server_log());
            std::thread::sleep(PAUSE);
        }
    }

    /// The end is acknowledged before the spool is removed, and a point may lie between.
    pub(crate) fn wait_for_empty_spool(&mut self) {
        let until = Instant::now() + PATIENCE;
        while !crate::left::spools(self.folder()).is_empty() {
            self.revive();
            assert!(Instant::now() < until, "the spool stays: {}", self.server_log());
            std::thread::sleep(PAUSE);
        }
    }

    /// How often the job's events say that it ended.
    pub(crate) fn final_events(&self, job: i64) -> usize {
        let client = std::fs::read_to_string(self.folder().join(".config/ropewalk/client.toml")).unwrap();
        let client: toml::Table = client.parse().unwrap();
        let token = client["token"].as_str().expect("client.toml holds a token");
        let address = format!("http://127.0.0.1:{}/api/n1/jobs/{job}/events", self.port);
        let header = format!("Authorization: Bearer {token}");
        let output = Command::new("curl").args(["-sSf", "-H", &header, &address]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let events: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
        let text = events.to_string();
        ["success", "failed", "timeout", "cancelled"]
            .iter()
            .map(|status| {
                text.matches(&format!("\"event\":\"status\",\"round\":1,\"status\":\"{status}\"")).count()
            })
            .sum()
    }

    /// A step's log, divided where another attempt begins.
    pub(crate) fn log(&mut self, job: i64, step: &str) -> Vec<String> {
        self.revive();
        let output = self.client(&["logs", &job.to_string(), step]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let mut parts = vec![String::new()];
        for line in text.split_inclusive('\n') {
            if line.starts_with("[#") && line.contains(" begins. ") {
                // The line stands by itself, whatever the earlier attempt's last byte was.
                parts.last_mut().and_then(String::pop);
                parts.push(String::new());
            } else if let Some(part) = parts.last_mut() {
                part.push_str(line);
            }
        }
        parts
    }
}

/// Making the host image anew for each farm would take most of the time.
fn share_images(folder: &Path) {
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("images");
    std::fs::create_dir_all(&shared).unwrap();
    let data = folder.join("data");
    std::fs::create_dir(&data).unwrap();
    std::os::unix::fs::symlink(shared, data.join("images")).unwrap();
}

impl Drop for Farm {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}
