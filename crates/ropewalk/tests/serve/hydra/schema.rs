//! What is answered is what `/api/hydra/openapi.yaml` describes, whatever is asked.

use super::builds::World;
use super::{PASSWORD, on_both_engines};
use crate::server::Engine;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

on_both_engines! {
    hydra_01_what_is_answered_is_what_is_described
}

/// Everything that an answer can hold: products that are files and folders, metrics, several outputs, an aggregate, a
/// failure, a dependency's failure, a build that nobody can run, an error.
const RELEASE: &str = r#"
{ src ? null }:
let
  sh = name: script: extra: derivation ({
    inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ];
  } // extra);
  failure = sh "failure-1.0" "echo no >&2; exit 1" {};
in {
  product = sh "product-1.0" ''
    echo made it; mkdir -p $out/nix-support $out/doc; echo data > $out/disk.iso; echo '<p>' > $out/doc/index.html
    echo "file iso $out/disk.iso" > $out/nix-support/hydra-build-products
    echo "doc manual $out/doc index.html" >> $out/nix-support/hydra-build-products
    printf 'coverage 87.5 %%\ncount 7\n' > $out/nix-support/hydra-metrics
    echo product-1.0pre7 > $out/nix-support/hydra-release-name
  '' {};
  several = sh "several-1.0" "mkdir $out $dev" { outputs = [ "out" "dev" ]; };
  whole = sh "whole-1.0" "mkdir $out" { _hydraAggregate = true; constituents = [ "several" ]; };
  inherit failure;
  above = sh "above-1.0" "cat ${failure} > $out" {};
  foreign = derivation { name = "foreign-1.0"; system = "aarch64-darwin"; builder = "/bin/sh"; };
  evalError = throw "no thing";
}
"#;
const FINISHED: usize = 5;

/// Requests to each address and method by each caller, beside those that try the edges of each parameter.
const EXAMPLES: &str = "8";

/// What is held against the description. Not `Allow`: pages have methods of their own at some of the addresses.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,unsupported_method";

/// Where a server's error is as it should be, and the quirk that says why.
const ALLOWED: &[(&str, u16, &str)] = &[("GET /search", 500, "H2")];

/// What `scripts/packages.sh test` installs.
fn tool(name: &str) -> Command {
    let folder = root().join("target/tools/schema/bin");
    assert!(folder.exists(), "schemathesis is missing: run scripts/packages.sh test");
    let mut command = Command::new(folder.join("python"));
    command.arg(folder.join(name)).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Words of addresses that lead to real things, so that there is more to answer than that nothing is there.
async fn words(world: &World) -> BTreeMap<&'static str, Vec<Value>> {
    let evaluation = world.evaluation().await;
    let builds = world.get(&format!("/eval/{}/builds", evaluation["id"])).await.data();
    let mut builds = builds.as_array().unwrap().clone();
    let product = builds.iter().find(|build| build["job"] == "product").unwrap().clone();
    // It has most to show.
    builds.extend(vec![product; 4]);
    let of = |name: &str| builds.iter().map(|build| build[name].clone()).collect::<Vec<_>>();
    let bases = of("drvpath").into_iter().map(|path| json!(path.as_str().unwrap().rsplit('/').next()));
    let texts = |texts: &[&str]| texts.iter().map(|text| json!(text)).collect();
    BTreeMap::from([
        ("path.project", texts(&["p"])),
        ("path.jobset", texts(&["j", "j", "j", "old"])),
        ("path.job", of("job")),
        ("path.system", texts(&["x86_64-linux"])),
        ("path.metric", texts(&["coverage", "count"])),
        ("path.evaluation", vec![evaluation["id"].clone()]),
        ("path.build", of("id")),
        ("path.product", texts(&["1", "2", "disk.iso", "doc"])),
        ("path.type", texts(&["file", "doc"])),
        ("path.subtype", texts(&["iso", "manual"])),
        ("path.derivation", bases.collect()),
        ("path.rest", texts(&["disk.iso", "doc", "index.html", "builds"])),
        ("query.query", texts(&["product", "p", "-1.0", "drv"])),
        ("query.project", texts(&["p"])),
        ("query.jobset", texts(&["j"])),
        ("query.jobsets", texts(&["p:j", "p:j,p:nosuch"])),
        ("query.nr", vec![json!(3), json!(100)]),
        ("query.before", vec![json!(1000)]),
        ("body.username", texts(&["alice"])),
        ("body.password", texts(&[PASSWORD])),
    ])
}

/// Words of addresses that are written to: what is there is looked at meanwhile.
const WRITTEN: &[(&str, &str)] = &[("path.project", "made"), ("path.jobset", "made")];

fn configuration(words: &BTreeMap<&str, Vec<Value>>) -> String {
    let mut text = String::new();
    let bound = |word: &str, values: &str, probability: &str| {
        format!("{word:?} = {{ dictionary = {values:?}, probability = {probability} }}\n")
    };
    for (word, values) in words {
        text.push_str(&format!("[dictionaries.{word:?}]\nvalues = {}\n", json!(values)));
    }
    text.push_str("[dictionaries.written]\nvalues = [\"made\"]\n[parameters]\n");
    words.keys().for_each(|word| text.push_str(&bound(word, word, "0.8")));
    text.push_str("[[operations]]\ninclude-method = [\"PUT\", \"DELETE\"]\nexclude-path = \"/api/push\"\n[operations.parameters]\n");
    WRITTEN.iter().for_each(|(word, _)| text.push_str(&bound(word, "written", "1.0")));
    // Pages at the same addresses take GET and POST.
    text.push_str("[phases.coverage]\nunexpected-methods = [\"PATCH\", \"TRACE\"]\n");
    for (operation, status, _) in ALLOWED {
        text.push_str(&format!(
            "[[operations]]\ninclude-name = {operation:?}\n[operations.checks.not_a_server_error]\n\
             expected-statuses = [\"2xx\", \"3xx\", \"4xx\", {status}]\n"
        ));
    }
    text
}

/// How many good answers there were so far, by method and address in the description.
async fn answered(world: &World) -> BTreeMap<String, u64> {
    let metrics = world.get("/metrics").await.text();
    let mut counts = BTreeMap::new();
    for line in metrics.lines().filter(|line| line.starts_with("ropewalk_http_requests_total{")) {
        let label = |name: &str| {
            let (_, value) = line.split_once(&format!("{name}=\"")).unwrap();
            value.split('"').next().unwrap().to_owned()
        };
        if label("status").starts_with(['2', '3']) {
            let operation = format!("{} {}", label("method"), label("route").replace("{*", "{"));
            *counts.entry(operation).or_default() += line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
        }
    }
    counts
}

/// A run of the tool, over the description in this folder.
struct Run<'a> {
    folder: &'a Path,
    origin: &'a str,
}

impl Run<'_> {
    /// What it printed, and whether everything was as described. It asks one after another: threads of Python 3.11 get
    /// into each other's way when they read source code.
    fn over(&self, description: &str, phases: &str, others: &[&str]) -> (bool, String) {
        let mut run = tool("st");
        run.current_dir(self.folder).args(["--config-file", "schemathesis.toml", "run", description]);
        run.args(["--url", self.origin, "--checks", CHECKS, "--phases", phases, "--no-color"]);
        run.args(["--max-examples", EXAMPLES, "--seed", "1", "--no-shrink", "--generation-database", "none"]);
        run.args([
            "--generation-with-security-parameters",
            "false",
            "--max-redirects",
            "0",
            "--warnings",
            "off",
        ]);
        run.args(["--header", "Accept: application/json"]).args(others);
        let done = run.output().unwrap();
        let text = [done.stdout, done.stderr].concat();
        (done.status.success(), String::from_utf8_lossy(&text).into_owned())
    }
}

/// Operations, of some ninety, that are answered well at least once. Others need more luck than there are requests:
/// several words that fit each other, or a body without any fault.
const WELL: usize = 60;

async fn hydra_01_what_is_answered_is_what_is_described(engine: Engine) {
    let quirks = include_str!("../../../../../docs/quirks.md");
    assert!(ALLOWED.iter().all(|(_, _, quirk)| quirks.contains(&format!("\n| {quirk} |"))));
    let world = World::of(engine, RELEASE, FINISHED).await;
    world.farm.project("made").await;
    assert_eq!(world.farm.jobset("p", "old", super::good_jobset()).await.status, 201);
    let mut renamed = super::good_jobset();
    renamed["name"] = json!("new");
    assert_eq!(world.farm.jobset("p", "old", renamed).await.status, 200);
    let before = answered(&world).await;

    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let described = world.get("/api/hydra/openapi.yaml").await;
    assert_eq!((described.status, described.header("content-type")), (200, "application/yaml"));
    let described = described.text();
    write("hydra.yaml", &described);
    let valid = tool("openapi-spec-validator").arg(folder.path().join("hydra.yaml")).output().unwrap();
    assert!(valid.status.success(), "{}", String::from_utf8_lossy(&valid.stdout));

    write("schemathesis.toml", &configuration(&words(&world).await));
    let run = Run { folder: folder.path(), origin: world.farm.origin() };
    // What is described wrong is found: a build waits in the queue.
    let wrong = described.replace("drvpath: { type: string }", "drvpath: { type: integer }");
    assert_ne!(wrong, described);
    write("wrong.yaml", &wrong);
    let (is_right, text) = run.over("wrong.yaml", "fuzzing", &["--include-path", "/queue"]);
    assert!(!is_right && text.contains("Response violates schema"), "{text}");

    let (is_right, text) = run.over("hydra.yaml", "fuzzing", &[]);
    assert!(is_right, "anonymous: {text}");
    let queue = world.get("/queue").await.data();
    let cancel = format!("/build/{}/cancel", queue[0]["id"]);
    assert_eq!(world.farm.ask(&world.farm.alice, "POST", &cancel).await.status, 302);
    world.until("an empty queue", async || world.get("/api/nrqueue").await.data() == json!(0)).await;
    let token = world.farm.server.done(&["token", "create", "--user", "alice"]);
    let header = format!("Authorization: Bearer {}", token.trim());
    let (is_right, text) = run.over("hydra.yaml", "coverage,fuzzing", &["--header", &header]);
    assert!(is_right, "alice: {text}");

    // And it was more than refusals that was looked at.
    let described: Value = serde_saphyr::from_str(&described).unwrap();
    let after = answered(&world).await;
    let operations = described["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    let (well, never): (Vec<String>, Vec<String>) =
        operations.partition(|operation| after.get(operation) > before.get(operation));
    println!("never well: {never:?}");
    assert!(well.len() >= WELL, "{} of {}, never well: {never:?}", well.len(), well.len() + never.len());
}
