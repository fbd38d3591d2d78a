//! Secrets: where a build finds them, and where their bytes never are.

use crate::bench::Bench;
use crate::farm::{Farm, plan_of};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ropewalk_model::limits::BuildLimits;
use ropewalk_model::link::{AttemptFact, LogName, Outcome, RunValues, SecretKind, SecretValue};
use ropewalk_model::secret::Secret;
use std::path::Path;

type Test = fn(&Bench);

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("secrets_are_where_a_build_looks_for_them", placed),
    ("secrets_are_masked_and_never_on_the_disk", masked),
    ("a_secrets_file_serves_a_build_without_a_server", file),
];

const KEY: &str = "-----BEGIN KEY-----\nbm90IGEgcmVhbCBrZXkgYnV0IGxvbmcgZW5vdWdo\n-----END KEY-----\n";
const TOKEN: &str = "Tk3n/with+AllOfTheAlphabet0123456789abcdef";
const WORD: &str = "hunter2 & friends";

fn secret(id: &str, kind: SecretKind, bytes: &str) -> SecretValue {
    SecretValue { id: id.into(), kind, base64: Secret::new(STANDARD.encode(bytes)) }
}

fn values() -> RunValues {
    let path = |path: &str, mode| SecretKind::File { path: path.into(), mode };
    RunValues {
        job: None,
        job_url: Some("https://ci.example.org/~me/job/7".into()),
        oauth2_token: Some(Secret::new(TOKEN)),
        secrets: vec![
            secret("deploy", SecretKind::SshKey, KEY),
            secret("word", path("~/.config/app/word", 0o640), WORD),
        ],
    }
}

fn placed(bench: &Bench) {
    let mut farm = Farm::new(bench);
    let manifest = "secrets: [deploy, word, none]\noauth: builds.sr.ht/JOBS\ntasks:\n- one: |\n    set +x\n    \
        stat -Lc '%a %U' .ssh/deploy .ssh/id_rsa .config/app/word .buildenv .config/hut/config\n    \
        cmp .ssh/deploy .ssh/id_rsa\n    head -c 10 .ssh/deploy; echo\n    wc -c <.config/app/word\n    \
        echo ${#OAUTH2_TOKEN}\n    grep -c ci.example.org .config/hut/config\n    echo 'export LATER=1' >>~/.buildenv\n\
        - two: |\n    set +x\n    echo $LATER\n";
    let id = farm.offer(&plan_of(manifest, BuildLimits::default()), values());
    farm.start_agent();
    let outcome = farm.ended(id);
    let log = String::from_utf8(farm.server.log(id, LogName::Step(0))).unwrap();
    let setup = String::from_utf8(farm.server.log(id, LogName::Setup)).unwrap();
    assert_eq!(outcome, Outcome::Success, "{setup}{log}");
    let expected = format!(
        "600 build\n600 build\n640 build\n755 build\n600 build\n-----BEGIN\n{}\n{}\n2\n",
        WORD.len(),
        TOKEN.len()
    );
    assert_eq!(log.replace("+ set +x\n", ""), expected);
    assert_eq!(farm.server.log(id, LogName::Step(1)), b"+ set +x\n1\n");
    assert!(setup.contains("Warning: secret none not found"), "{setup}");
}

fn masked(bench: &Bench) {
    let mut farm = Farm::new(bench);
    let manifest = "secrets: [deploy, word]\noauth: builds.sr.ht/JOBS\ntasks:\n- one: |\n    cat .ssh/deploy\n    \
        WORD=$(cat .config/app/word)\n    echo \"$WORD\"\n    base64 .config/app/word .ssh/deploy || base64 <.ssh/deploy\n    \
        printf 'user:%s' \"$WORD\" | base64\n    echo 'hunter2%20%26%20friends' 'hunter2+%26+friends'\n    \
        for c in $(seq 0 16); do printf %s \"${WORD:$c:1}\"; sleep 0.01; done; echo\n    echo $OAUTH2_TOKEN\n    \
        touch ready; while [ ! -e go ]; do sleep 0.05; done\n    exit 3\n";
    let id = farm.offer(&plan_of(manifest, BuildLimits::default()), values());
    farm.start_agent();
    let word = "***\n";
    farm.wait("the step's output", |farm| {
        let log = farm.server.log(id, LogName::Step(0));
        String::from_utf8(log).unwrap().contains("touch ready")
    });
    // While the build lives: logs, facts, plan, and what it wrote over its image.
    let wrong = holding(&bench.folder.join("spools"));
    assert!(wrong.is_empty(), "secrets lie in {wrong:?}");
    farm.server.decide(
        id,
        &ropewalk_model::link::Verdict::Cancel {
            cause: ropewalk_model::status::Cause::Cancelled,
            until: ropewalk_model::time::Time(0),
        },
    );
    farm.ended(id);
    let log = String::from_utf8(farm.server.log(id, LogName::Step(0))).unwrap();
    assert!(log.contains(word), "{log}");
    for hidden in [
        WORD,
        TOKEN,
        "bm90IGEgcmVhbCBrZXkg",
        "hunter2%20",
        "hunter2+%26",
        "aHVudGVyMiAmIGZyaWVuZH",
        "VyOmh1bnRlcjIgJiBmcmllbmRz",
    ] {
        assert!(!log.contains(hidden), "{hidden} in\n{log}");
    }
    let facts: Vec<AttemptFact> = farm.server.facts(id);
    assert!(!format!("{facts:?}").contains(WORD));
    // The offer itself holds the values: it is the server's.
    assert!(holding(&bench.folder.join(id.to_string())).is_empty());
}

/// Files below a folder that hold a secret's bytes.
fn holding(folder: &Path) -> Vec<String> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(holding(&path));
        } else if kind.is_file() {
            let bytes = std::fs::read(&path).unwrap_or_default();
            let holds = |secret: &str| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            if [WORD, TOKEN, KEY].into_iter().any(holds) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

fn file(bench: &Bench) {
    bench.write("key", KEY);
    bench.write(
        "secrets.toml",
        "[deploy]\ntype = \"ssh_key\"\nfrom = \"key\"\n[word]\ntype = \"file\"\npath = \"~/word\"\nvalue = \"hunter2 & friends\"\n\
         [other]\ntype = \"file\"\npath = \"~/other\"\nvalue = \"not asked for\"\n",
    );
    let manifest = "secrets: [deploy, word]\ntasks:\n- one: |\n    cat word; echo\n    wc -l <.ssh/deploy\n    ls other || true\n";
    let ran = bench.run_with(manifest, &["--secrets-file", "secrets.toml"]);
    ran.expect(0).expect_log("***");
    assert!(!ran.log.contains("hunter2") && ran.lines().contains(&"3"), "{}", ran.log);
    let ran = bench.run_with(manifest, &["--secrets-file", "none.toml"]);
    ran.expect(2);
}
