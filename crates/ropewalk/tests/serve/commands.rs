//! The command line: exit codes, configuration, one server for a folder.

use crate::server::{Engine, Server, program, signal};
use std::io::{BufRead, BufReader};

/// What the client can know by itself, it says itself: exit code 2, and not that the server is away.
#[tokio::test]
async fn what_nobody_can_mean_is_told_before_anybody_is_asked() {
    let server = Server::start_with(Engine::Sqlite, &["--no-runner"]).await;
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = server.command(arguments);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (exit, words) = run(&["list"], &[("ROPEWALK_TOKEN", "AAAA\nBBBB")]);
    assert!(exit == Some(2) && words.contains("ROPEWALK_TOKEN") && words.contains("line break"), "{words}");
    for address in ["http://127.0.0.1:99999", "http://127.0.0.1:x"] {
        let (exit, words) = run(&["list", "--server", address], &[]);
        assert!(exit == Some(2) && words.contains("1 to 65535"), "{address}: {words}");
    }
    let (exit, words) = run(&["serve", "--listen", "127.0.0.1:99999"], &[]);
    assert!(exit == Some(2) && words.contains("0 to 65535"), "{words}");
}

#[tokio::test]
async fn a_second_server_is_refused_with_the_pid_of_the_first() {
    let server = Server::start_with(Engine::Sqlite, &["--no-runner"]).await;
    let second = server.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(words.contains(&format!("process {}", server.pid())), "{words}");
    assert_eq!(server.client().get("/readyz", None).await.0, 200);
}

#[tokio::test]
async fn exit_codes_tell_what_went_wrong() {
    let server = Server::start_with(Engine::Sqlite, &["--no-runner"]).await;
    let code = |arguments: &[&str]| server.run(arguments).status.code().unwrap();
    assert_eq!(code(&["list"]), 0);
    assert_eq!(code(&["show", "77"]), 1);
    assert_eq!(code(&["show", "seven"]), 2);
    assert_eq!(code(&["submit", "/nonexistent.yml"]), 2);
    assert_eq!(code(&["list", "--server", "http://127.0.0.1:1"]), 3);
    assert_eq!(code(&["list", "--server", "ftp://x"]), 2);
    let wrong = server.home().join("wrong");
    std::fs::write(&wrong, "A".repeat(43)).unwrap();
    assert_eq!(code(&["list", "--token-file", wrong.to_str().unwrap()]), 4);
    let output = server.command(&["list"]).env("ROPEWALK_TOKEN", "nonsense").output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("this is no token"));
    // The token of client.toml is for its own server only.
    assert_eq!(code(&["list", "--server", &server.origin.replace("127.0.0.1", "localhost")]), 0);
    let submit = server.manifest("image: host\ntasks:\n  - a: 'true'\n");
    assert_eq!(code(&["submit", "--server", &server.origin.replace("127.0.0.1", "localhost"), &submit]), 4);
}

#[test]
fn unknown_keys_are_refused_with_a_hint() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("c.toml");
    std::fs::write(&file, "[limits]\nlog-stop = 5\n").unwrap();
    // Before and after the subcommand.
    for arguments in [["--config", "FILE", "doctor"], ["doctor", "--config", "FILE"]] {
        let arguments = arguments.map(|word| if word == "FILE" { file.to_str().unwrap() } else { word });
        let output = program(home.path()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(words.contains("did you mean `limits.log-step`?"), "{words}");
    }
}

#[tokio::test]
async fn what_has_no_end_is_not_read_for_ever() {
    let server = Server::start_with(Engine::Sqlite, &["--no-runner"]).await;
    for arguments in [
        &["submit", "/dev/zero"][..],
        &["submit", "-"],
        &["run", "/dev/zero"],
        &["run", "-"],
        &["run", "--check", "/dev/zero"],
        &["list", "--token-file", "/dev/zero"],
        &["--config", "/dev/zero", "doctor"],
    ] {
        let mut command = server.command(arguments);
        command.stdin(std::fs::File::open("/dev/zero").unwrap());
        let output = command.output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {words}");
        assert!(words.contains("longer than 1048576 bytes") && words.len() < 300, "{arguments:?}: {words}");
    }
}

/// The program of that pipe is gone before the command prints its first byte.
fn unread(mut command: std::process::Command) -> (Option<i32>, String) {
    let (read, write) = std::io::pipe().unwrap();
    command.stdout(write).stderr(std::process::Stdio::piped());
    drop(read);
    let child = command.spawn().unwrap();
    drop(command);
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn output_that_nobody_reads_ends_a_command_quietly() {
    let server = Server::start(Engine::Sqlite).await;
    let manifest = server.manifest("image: host\ntasks:\n  - a: seq 100000\n");
    for arguments in [
        &["submit", &manifest][..],
        &["list"],
        &["list", "--json"],
        &["show", "1"],
        &["user", "list"],
        &["run", "--check", &manifest],
        &["run", &manifest],
    ] {
        let (code, words) = unread(server.command(arguments));
        assert_eq!(code, Some(141), "{arguments:?}: {words}");
        let noise = words.lines().find(|line| !line.starts_with("warning: "));
        assert_eq!(noise, None, "{arguments:?}");
    }
    server.wait_for(1, "success");
    for arguments in [&["logs", "1"][..], &["logs", "--follow", "1"]] {
        assert_eq!(unread(server.command(arguments)), (Some(141), String::new()), "{arguments:?}");
    }
}

#[test]
fn a_database_that_cannot_be_written_is_named() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("d");
    let database = data.join("ropewalk.db");
    std::fs::create_dir_all(&database).unwrap();
    let mut command = program(home.path());
    let output = command.args(["user", "list", "--data"]).arg(&data).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(words.contains(&format!("cannot write the database {}", database.display())), "{words}");
}

#[test]
fn doctor_shows_every_value_with_its_origin() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("d");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("ropewalk.toml"), "listen = '127.0.0.1:9'\nrunner.slots = 3\n").unwrap();
    let mut command = program(home.path());
    command.args(["doctor", "--json", "--data"]).arg(&data).env("ROPEWALK_RUNNER__SLOTS", "4");
    let output = command.env("ROPEWALK_DATABASE__URL", "postgres://u:secret@h/d").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("secret"), "{text}");
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let of = |key: &str| {
        let keys = report["configuration"].as_array().unwrap();
        let found = keys.iter().find(|entry| entry["key"] == key).unwrap();
        (found["value"].as_str().unwrap().to_string(), found["origin"].as_str().unwrap().to_string())
    };
    assert_eq!(of("runner.slots"), ("4".into(), "ROPEWALK_RUNNER__SLOTS".into()));
    assert_eq!(of("listen").0, "127.0.0.1:9");
    assert!(of("listen").1.ends_with("ropewalk.toml"));
    assert_eq!(of("limits.memory"), ("4294967296".into(), "default".into()));
    let checks: Vec<&str> =
        report["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    for name in
        ["user namespaces", "id range", "cgroups", "network", "disk", "restart", "server", "trial build"]
    {
        assert!(checks.contains(&name), "{name} in {checks:?}");
    }
    let broken = report["checks"].as_array().unwrap().iter().any(|check| check["verdict"] == "broken");
    assert_eq!(output.status.code(), Some(i32::from(broken)));
    let left: Vec<_> = std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["ropewalk.toml"]);
}

#[tokio::test]
async fn the_server_watches_over_itself() {
    let server = Server::start_with(Engine::Sqlite, &["--no-runner"]).await;
    let client = server.client();
    for path in ["/healthz", "/readyz", "/metrics", "/prometheus"] {
        assert_eq!(client.get(path, None).await.0, 200, "{path}");
    }
    let text = client.request("GET", "/metrics", None).send().await.unwrap().text().await.unwrap();
    assert!(
        text.contains("ropewalk_http_requests_total{method=\"GET\",route=\"/healthz\",status=\"200\"} 1"),
        "{text}"
    );
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_server_whose_runner_ended_is_not_ready_and_says_why() {
    let mut server = Server::start(Engine::Sqlite).await;
    assert_eq!(server.client().get("/readyz", None).await.0, 200);
    server.terminate();
    let spools = server.data().join("spool");
    std::fs::remove_dir_all(&spools).unwrap();
    std::fs::write(&spools, "no folder").unwrap();
    server.start_again();
    let client = server.client();
    let deadline = std::time::Instant::now() + crate::server::PATIENCE;
    let refusal = loop {
        let (status, answer) = client.get("/readyz", None).await;
        if status == 503 {
            break answer;
        }
        assert!(std::time::Instant::now() < deadline, "it is ready without a runner");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let words = refusal["error"].as_str().unwrap();
    assert!(
        words.contains("runner") && !words.contains('/'),
        "where the farm's files lie is not told: {words}"
    );
    assert_eq!(client.get("/healthz", None).await.0, 200);
    assert_eq!(client.get("/api/n1/jobs", None).await.0, 200, "what is kept can still be read");
}

#[tokio::test]
async fn ctrl_c_ends_the_follower_and_not_the_job() {
    let server = Server::start(Engine::Sqlite).await;
    let manifest = server.manifest("image: host\ntasks:\n  - a: |\n      echo begun\n      while [ ! -e go ]; do sleep 0.1; [ $SECONDS -gt 8 ] && touch go; done\n");
    let mut command = server.command(&["submit", "--follow", &manifest]);
    let mut follower = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "begun"));
    signal(follower.id(), rustix::process::Signal::INT);
    assert_eq!(follower.wait().unwrap().code(), Some(130));
    server.wait_for(1, "success");
}

#[test]
fn an_open_address_without_tls_is_warned_of() {
    let home = tempfile::tempdir().unwrap();
    let mut command = program(home.path());
    command.args(["serve", "--no-runner", "--listen", "0.0.0.0:0", "--data"]).arg(home.path().join("d"));
    let mut child =
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("without TLS")));
    signal(child.id(), rustix::process::Signal::TERM);
    assert!(child.wait().unwrap().success());
}
