//! The first start as a person sees it at a terminal. Elsewhere what is secret goes into a file: see `accounts`.

use crate::server::{PATIENCE, answer, program, signal};
use serde_json::json;
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// A server on a terminal of its own, and what the terminal shows.
struct Terminal {
    child: Child,
    data: PathBuf,
    shown: String,
    origin: String,
}

impl Terminal {
    /// Starts `serve` in an empty home, or once more in a used one. `script` makes the terminal.
    fn start(home: &Path, listen: &str) -> Terminal {
        let seen = home.join("seen");
        let _ = std::fs::remove_file(&seen);
        let mut line = String::new();
        let data = home.join("farm");
        let arguments = ["--data", data.to_str().unwrap(), "serve", "--no-runner", "--listen"];
        for part in std::iter::once(crate::server::PROGRAM).chain(arguments).chain([listen]) {
            write!(line, "'{part}' ").unwrap();
        }
        // The variables are those of a program that is started for itself.
        let mut script = Command::new("script");
        for (name, value) in program(home).get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        script.args(["--quiet", "--return", "--flush", "--command", &line]).arg(&seen);
        let child = script.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let mut terminal = Terminal { child, data, shown: String::new(), origin: String::new() };
        let deadline = Instant::now() + PATIENCE;
        while !terminal.shown.contains("/api/n1/openapi.json\n") {
            assert!(Instant::now() < deadline, "the server did not start: {}", terminal.shown);
            std::thread::sleep(std::time::Duration::from_millis(50));
            terminal.shown = std::fs::read_to_string(&seen).unwrap_or_default().replace("\r\n", "\n");
        }
        let origin = terminal.shown.split("Ropewalk serves ").nth(1).unwrap().split(' ').next();
        terminal.origin = origin.unwrap().to_string();
        terminal
    }

    /// What stands behind a word at the start of a line.
    fn word(&self, name: &str) -> String {
        let line = self.shown.lines().find_map(|line| line.trim().strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.shown)).trim().trim_matches('"').to_string()
    }
}

impl Drop for Terminal {
    /// Ends the server, and waits until it has.
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.data.join("lock")).ok();
        match pid.and_then(|pid| pid.trim().parse().ok()) {
            Some(pid) => signal(pid, rustix::process::Signal::TERM),
            None => self.child.kill().unwrap(),
        }
        self.child.wait().unwrap();
    }
}

#[tokio::test]
async fn on_a_terminal_the_first_start_shows_the_password_once() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let first = Terminal::start(home, "127.0.0.1:0");
    let (password, token) = (first.word("password "), first.word("access-token "));
    assert_eq!((first.word("name ").as_str(), first.word("origin ")), ("admin", first.origin.clone()));
    assert!(first.shown.contains("(shown only now)"), "{}", first.shown);
    assert_eq!(first.word("Log in at "), format!("{}/login", first.origin));
    // What was shown is true: the password logs in, on the pages too, the token is valid, the client has one.
    let http = crate::server::http().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let body = json!({ "name": "admin", "password": password });
    let login = http.post(format!("{}/api/n1/login", first.origin)).json(&body);
    assert_eq!(answer(login).await.0, 201);
    let form = http
        .post(format!("{}/session", first.origin))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(
            form_urlencoded::Serializer::new(String::new())
                .extend_pairs([("name", "admin"), ("password", &password)])
                .finish(),
        );
    assert_eq!(answer(form).await.0, 303);
    let user = http.get(format!("{}/api/n1/user", first.origin)).bearer_auth(&token);
    assert_eq!(answer(user).await.1["name"], "admin");
    assert_eq!(answer(http.get(format!("{}/api/n1/openapi.json", first.origin))).await.0, 200);
    let client = home.join(".config/ropewalk/client.toml");
    assert!(first.shown.contains(&format!("use the token in {}.", client.display())), "{}", first.shown);
    assert!(program(home).arg("list").output().unwrap().status.success());
    // Nobody but its owner reads the client's token, and no file holds the password.
    assert_eq!(client.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let data = home.join("farm");
    assert!(!data.join("first-run.txt").exists() && !data.join("first-run.untold").exists());
    assert!(first.shown.contains(&format!("from {}", data.display())), "{}", first.shown);
    let listen = first.origin.trim_start_matches("http://").to_string();
    drop(first);

    let second = Terminal::start(home, &listen);
    assert!(!second.shown.contains("password") && !second.shown.contains(&token), "{}", second.shown);
}

#[tokio::test]
async fn a_log_in_that_is_refused_is_not_offered() {
    let folder = tempfile::tempdir().unwrap();
    let open = Terminal::start(folder.path(), "0.0.0.0:0");
    assert!(open.shown.contains("Nobody can log in on the pages"), "{}", open.shown);
    assert!(!open.shown.contains("Log in at"), "{}", open.shown);
}
