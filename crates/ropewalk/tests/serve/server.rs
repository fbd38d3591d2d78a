//! A `ropewalk serve` of a test's own, and its clients.

use ropewalk_model::fault::{Point, VARIABLE};
use ropewalk_testkit::postgres::TestDatabase;
use sea_orm::sqlx::ConnectOptions;
use sea_orm::sqlx::postgres::PgConnectOptions;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_ropewalk");
/// Time for anything that is waited for. The machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Name of PostgreSQL's socket.
const SOCKET: &str = ".s.PGSQL.5432";

/// Which database a server runs on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

pub(crate) struct Server {
    child: Child,
    folder: TempDir,
    pub(crate) origin: String,
    /// What it printed until it was ready.
    pub(crate) welcome: String,
    flags: Vec<String>,
    variables: Vec<(String, String)>,
    database: Option<TestDatabase>,
    /// What it is started by; empty: by the test itself.
    starter: Vec<String>,
}

/// An account that owns nothing and is in no file of accounts.
pub(crate) const NOBODY: u32 = 65534;
/// Starts the rest as that account, where there is no network but the loopback device.
const AS_NOBODY: &str =
    r#"ip link set lo up && exec setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@""#;

impl Server {
    /// Starts a server on an empty folder.
    pub(crate) async fn start(engine: Engine) -> Server {
        Server::start_with(engine, &[]).await
    }

    pub(crate) async fn start_with(engine: Engine, flags: &[&str]) -> Server {
        Server::launch(engine, flags, &[]).await
    }

    pub(crate) async fn start_with_variables(flags: &[&str], variables: &[(&str, &str)]) -> Server {
        Server::launch(Engine::Sqlite, flags, variables).await
    }

    pub(crate) async fn start_on(engine: Engine, flags: &[&str], variables: &[(&str, &str)]) -> Server {
        Server::launch(engine, flags, variables).await
    }

    async fn launch(engine: Engine, flags: &[&str], variables: &[(&str, &str)]) -> Server {
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(TestDatabase::create().await),
        };
        let folder = tempfile::tempdir().unwrap();
        let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
        let text = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let mut variables: Vec<(String, String)> = variables.iter().map(text).collect();
        variables
            .extend(database.iter().map(|d| ("ROPEWALK_DATABASE__URL".to_string(), d.url().to_string())));
        // Tests of builds run beside each other on one machine.
        variables.push(("ROPEWALK_RUNNER__SLOTS".into(), "2".into()));
        Server::open(folder, flags, variables, database, vec![])
    }

    fn open(
        folder: TempDir,
        flags: Vec<String>,
        variables: Vec<(String, String)>,
        database: Option<TestDatabase>,
        starter: Vec<String>,
    ) -> Server {
        let (child, origin, welcome) = launch(folder.path(), "127.0.0.1:0", &flags, &variables, &starter);
        Server { child, folder, origin, welcome, flags, variables, database, starter }
    }

    /// Starts one as [`NOBODY`] without a network, and moves this thread to where it can be spoken to. For root.
    pub(crate) async fn start_as_nobody(engine: Engine, variables: &[(&str, &str)]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(TestDatabase::create().await),
        };
        let text = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let mut variables: Vec<(String, String)> = variables.iter().map(text).collect();
        if let Some(database) = &database {
            let options: PgConnectOptions = database.url().parse().unwrap();
            let socket = options.get_socket().expect("a server with a socket: there is no network").clone();
            let near = folder.path().join("postgres");
            std::fs::create_dir(&near).unwrap();
            std::fs::hard_link(socket.join(SOCKET), near.join(SOCKET)).unwrap();
            let url = options.socket(&near).to_url_lossy().to_string();
            variables.push(("ROPEWALK_DATABASE__URL".into(), url));
        }
        // Where it can be executed.
        let program = folder.path().join("ropewalk");
        if std::fs::hard_link(PROGRAM, &program).is_err() {
            std::fs::copy(PROGRAM, &program).unwrap();
        }
        std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        let starter = ["unshare", "--net", "sh", "-c", AS_NOBODY, "sh", program.to_str().unwrap()];
        let starter = starter.map(String::from).to_vec();
        let server = Server::open(folder, vec![], variables, database, starter);
        let network = File::open(format!("/proc/{}/ns/net", server.pid())).unwrap();
        rustix::thread::move_into_link_name_space(
            std::os::fd::AsFd::as_fd(&network),
            Some(rustix::thread::LinkNameSpaceType::Network),
        )
        .unwrap();
        server
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn home(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the server as a crash would. Its supervisors live on.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the server to end, and waits until it has.
    pub(crate) fn terminate(&mut self) {
        signal(self.child.id(), rustix::process::Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the server did not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts it again on the same address.
    pub(crate) fn start_again(&mut self) {
        let listen = self.origin.trim_start_matches("http://").to_string();
        let (child, origin, welcome) =
            launch(self.folder.path(), &listen, &self.flags, &self.variables, &self.starter);
        assert_eq!(origin, self.origin);
        (self.child, self.welcome) = (child, welcome);
    }

    /// A command with this server's home and data folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.folder.path());
        command.args(arguments).env("ROPEWALK_DATA", self.data());
        if let Some(database) = &self.database {
            command.env("ROPEWALK_DATABASE__URL", database.url());
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs a command that must succeed, and answers its standard output.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(arguments)).unwrap()
    }

    /// From its next start on it runs no builds.
    pub(crate) fn without_runner(&mut self) {
        self.flags.push("--no-runner".into());
    }

    /// From its next start on it ends at this point, as a crash would end it.
    pub(crate) fn arm(&mut self, point: Option<Point>) {
        self.variables.retain(|(name, _)| name != VARIABLE);
        self.variables.extend(point.map(|point| (VARIABLE.into(), point.to_string())));
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait_for_end(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the server did not end by itself");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The column `n` of the database's answer.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        use sea_orm::{ConnectionTrait, Statement};
        let database = sea_orm::Database::connect(self.database_url()).await.unwrap();
        let statement = Statement::from_string(database.get_database_backend(), sql);
        let number = database.query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap();
        database.close().await.unwrap();
        number
    }

    pub(crate) fn database_url(&self) -> String {
        match &self.database {
            Some(database) => database.url().to_string(),
            None => format!("sqlite://{}", self.data().join("ropewalk.db").display()),
        }
    }

    /// Makes every artifact that many days old. The server must have ended.
    pub(crate) async fn age_artifacts(&self, days: u64) {
        let created = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
        let created = created.duration_since(UNIX_EPOCH).unwrap().as_micros();
        let rows = self.change_database(&format!("UPDATE artifacts SET created = {created}")).await;
        assert!(rows > 0, "there is no artifact");
    }

    /// A connection of the test's own to the server's database.
    pub(crate) async fn connect(&self) -> sea_orm::DatabaseConnection {
        let url = match &self.database {
            Some(database) => database.url().to_string(),
            None => format!("sqlite://{}", self.data().join("ropewalk.db").display()),
        };
        sea_orm::Database::connect(url).await.unwrap()
    }

    /// Changes the database behind the server's back, and answers how many rows were.
    pub(crate) async fn change_database(&self, sql: &str) -> u64 {
        use sea_orm::ConnectionTrait;
        let database = self.connect().await;
        let done = database.execute_unprepared(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        database.close().await.unwrap();
        done.rows_affected()
    }

    /// The administrator's token.
    pub(crate) fn token(&self) -> String {
        let text = std::fs::read_to_string(self.home().join(".config/ropewalk/client.toml")).unwrap();
        let file: toml::Table = text.parse().unwrap();
        file["token"].as_str().unwrap().to_string()
    }

    /// Writes a manifest and answers its path.
    pub(crate) fn manifest(&self, text: &str) -> String {
        let path = self.home().join(format!("{}.yml", text.len()));
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_string()
    }

    /// Submits a manifest and answers the job's number.
    pub(crate) fn submit(&self, manifest: &str) -> i64 {
        self.json(&["submit", "--json", &self.manifest(manifest)])["id"].as_i64().unwrap()
    }

    /// Waits until a job is in a status.
    pub(crate) fn wait_for(&self, job: i64, status: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let shown = self.json(&["show", "--json", &job.to_string()]);
            if shown["status"] == status {
                return shown;
            }
            let is_final = !shown["ended"].is_null();
            assert!(
                !is_final && Instant::now() < deadline,
                "job {job} is no longer to be {status}: {shown:#}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client { http: http().build().unwrap(), origin: self.origin.clone() }
    }

    /// What the server wrote to standard error, from its first start on.
    pub(crate) fn words(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stderr")).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the server said\n{}", self.words());
        }
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.terminate();
        }
    }
}

/// A client of tests: it asks no proxy, and trusts nobody over TLS unless told to.
pub(crate) fn http() -> reqwest::ClientBuilder {
    // Somebody else in this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().tls_certs_only([])
}

/// Asks over HTTP.
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    origin: String,
}

impl Client {
    pub(crate) fn request(&self, method: &str, path: &str, token: Option<&str>) -> reqwest::RequestBuilder {
        let request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.origin));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Status and JSON of a GET.
    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> (u16, Value) {
        answer(self.request("GET", path, token)).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Value,
    ) -> (u16, Value) {
        answer(self.request(method, path, token).json(&body)).await
    }
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.timeout(PATIENCE).send().await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// The program with nothing of this process's settings.
pub(crate) fn program(home: &Path) -> Command {
    cleared(PROGRAM, home)
}

fn cleared(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ROPEWALK_") {
            command.env_remove(name);
        }
    }
    command.env("HOME", home).env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
    command
}

fn launch(
    folder: &Path,
    listen: &str,
    flags: &[String],
    variables: &[(String, String)],
    starter: &[String],
) -> (Child, String, String) {
    let words = File::options().create(true).append(true).open(folder.join("stderr")).unwrap();
    let mut command = match starter {
        [] => program(folder),
        [starter, rest @ ..] => {
            let mut command = cleared(starter, folder);
            command.args(rest);
            command
        }
    };
    command.arg("--data").arg(folder.join("data")).args(["serve", "--listen", listen]).args(flags);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(words);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut welcome = String::new();
    loop {
        let Some(Ok(line)) = lines.next() else {
            let _ = child.wait();
            let words = std::fs::read_to_string(folder.join("stderr")).unwrap();
            panic!("the server did not start: {welcome}{words}");
        };
        welcome.push_str(&line);
        welcome.push('\n');
        if let Some(rest) = line.strip_prefix("Ropewalk serves ") {
            let origin = rest.split(' ').next().unwrap().to_string();
            // The pipe stays open, so that what it prints later does not break it.
            std::thread::spawn(move || lines.for_each(drop));
            return (child, origin, welcome);
        }
    }
}
