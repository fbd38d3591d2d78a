//! Scripts as people have them, with the programs that they use.

use super::super::farm::Farm;
use super::super::on_both_engines;
use crate::server::Engine;
use std::process::Command;

on_both_engines! {
    a_script_of_python_works_unchanged
    a_script_of_curl_works_unchanged
}

/// Submits, waits, prints the logs and files, as a script against builds.sr.ht does.
const PYTHON: &str = r#"
import json, os, sys, time, urllib.request

def call(path, body=None, method=None):
    request = urllib.request.Request(
        os.environ["ORIGIN"] + path,
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={"Authorization": "token " + os.environ["TOKEN"], "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)

manifest = "image: host\nartifacts: [f]\ntasks:\n- hello: |\n    echo hello from the build\n    echo x > f\n"
job = call("/api/jobs", {"manifest": manifest, "note": "by script", "tags": ["py", "test"], "execute": False})
assert job["status"] == "pending", job
assert call("/api/jobs/%d/start" % job["id"], {}) == {}
deadline = time.time() + 120
while job["status"] in ("pending", "queued", "running"):
    assert time.time() < deadline, job
    time.sleep(0.1)
    job = call("/api/jobs/%d" % job["id"])
assert job["status"] == "success", job
for log in [job["setup_log"]] + [task["log"] for task in job["tasks"]]:
    sys.stdout.write(urllib.request.urlopen(log).read().decode())
files = call("/api/jobs/%d/artifacts" % job["id"])
for file in files["results"]:
    print(file["name"], file["size"], urllib.request.urlopen(file["url"]).read())
jobs = call("/api/jobs")
assert jobs["results"][0]["id"] == job["id"] and jobs["next"] is None and jobs["total"] == 1, jobs
"#;

/// Ends with the words that a failed request is answered with.
const CURL: &str = r#"
set -eu
ask() { curl --silent --show-error --noproxy '*' -H "Authorization: token $TOKEN" "$@"; }
printf 'image: host\ntasks:\n- a: echo hello from the build\n' > m.yml
jq -Rs '{manifest: ., tags: ["sh"]}' m.yml > body.json
id=$(ask --fail -H 'Content-Type: application/json' -d @body.json "$ORIGIN/api/jobs" | jq .id)
for _ in $(seq 1200); do
    status=$(ask --fail "$ORIGIN/api/jobs/$id" | jq -r .status)
    case $status in pending|queued|running) sleep 0.1 ;; *) break ;; esac
done
echo "$status"
curl --silent --fail --noproxy '*' "$ORIGIN/api/jobs/$id/manifest" | cmp - m.yml
curl --silent --fail --noproxy '*' "$(ask --fail "$ORIGIN/api/jobs/$id" | jq -r '.tasks[0].log')"
curl --silent --fail --noproxy '*' -H "Authorization: token $TOKEN" --data-urlencode manifest@m.yml -d execute=false \
    "$ORIGIN/api/jobs" | jq -r .status
ask -F 'manifest=<m.yml' -F execute=false "$ORIGIN/api/jobs" | jq -r .status
ask -X POST "$ORIGIN/api/jobs/$id/start" | jq -r '.errors[0].reason'
"#;

fn run(farm: &Farm, program: &str, script: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command.args(["-c", script]).current_dir(folder.path());
    command.env("ORIGIN", &farm.server.origin).env("TOKEN", &farm.alice).env("no_proxy", "*");
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let (out, words) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{words}");
    out.into_owned()
}

async fn a_script_of_python_works_unchanged(engine: Engine) {
    let farm = Farm::busy(engine).await;
    let out = run(&farm, "python3", PYTHON);
    assert!(out.contains("hello from the build") && out.contains("f 2 b'x\\n'"), "{out}");
}

async fn a_script_of_curl_works_unchanged(engine: Engine) {
    let farm = Farm::busy(engine).await;
    let out = run(&farm, "sh", CURL);
    assert!(out.starts_with("success\n") && out.contains("\nhello from the build"), "{out}");
    assert!(out.ends_with("pending\npending\nThis job is already complete\n"), "{out}");
}
