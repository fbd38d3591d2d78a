//! What expressions get of inputs, and what happens when there is nothing to be had.

use crate::world::{World, commit, error, evaluation, git};
use ropewalk_model::nix::{EvaluationResult, Found, Input};
use ropewalk_model::status::Cause;
use ropewalk_runner::nix::derivation::DerivationFile;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// A job that has what it gets in its environment.
const SHAPES: &str = r#"
    arguments@{ ... }: { shapes = derivation { name = "shapes"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ];
      shapes = builtins.toJSON arguments; outPaths = map (a: a.outPath or "") (builtins.filter builtins.isAttrs (builtins.attrValues arguments)); }; }
"#;

fn local(path: &Path, reference: Option<&str>) -> Input {
    let (uri, reference) = (path.to_str().unwrap().to_owned(), reference.map(String::from));
    Input::Git { uri, reference, deep: false, timeout: 60, local: true, free: true }
}

/// What the job of [`SHAPES`] got. A set with a path becomes its path in JSON: members are asked for one by one.
fn environment(found: &Found, name: &str) -> String {
    let drv = DerivationFile::read(&std::fs::read(&found.jobs[0].drv_path).unwrap()).unwrap();
    drv.environment[name].clone()
}

pub(crate) fn hydra_60_inputs_have_the_shapes_that_expressions_expect(home: &Path) {
    let world = World::new(home);
    let text = r#"
        { text, truth, sum, repository, deep, folder, one, all, ... }:
        let members = set: builtins.listToAttrs (map (name: { name = "_${name}"; value = builtins.unsafeDiscardStringContext (toString set.${name}); })
              (builtins.attrNames set)); in
        { shapes = derivation { name = "shapes"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ];
          shapes = builtins.toJSON { inherit text truth sum; repository = members repository; folder = members folder; one = members one;
            all = members all; read = builtins.readFile (repository + "/a"); search = toString <repository>; hasGit = builtins.pathExists (deep + "/.git"); };
          uses = [ all.job one ]; } ; }
    "#;
    let expression = world.folder("expression", &[("release.nix", text)]);
    let folder = world.folder("a folder", &[]);
    std::fs::rename(&folder, home.join("folder")).unwrap();
    let repository = home.join("repository");
    let first = commit(&repository, &[("a", "one")], &[]);
    git(&repository, &["tag", "v1", "-m", "one"]);
    let second = commit(&repository, &[("a", "two")], &[]);
    let built = world.tools().command("nix-store").arg("--add").arg(&expression).output().unwrap();
    let built = String::from_utf8(built.stdout).unwrap().trim().to_owned();
    let mut evaluation = evaluation(&expression);
    let inputs = [
        ("text", Input::String { value: " not trimmed \n".into() }),
        ("truth", Input::Boolean { value: true }),
        ("sum", Input::Nix { value: "1 + 1".into() }),
        ("repository", local(&repository, None)),
        (
            "deep",
            Input::Git {
                uri: format!("file://{}", repository.display()),
                reference: Some("main".into()),
                deep: true,
                timeout: 60,
                local: true,
                free: true,
            },
        ),
        ("folder", Input::Path { path: home.join("folder").to_str().unwrap().into(), free: true }),
        (
            "one",
            Input::Build {
                id: 7,
                path: built.clone(),
                drv_path: format!("{built}.drv"),
                output_name: "out".into(),
                version: Some("1.0".into()),
            },
        ),
        ("all", Input::Eval { id: 3, jobs: [("job".to_owned(), built.clone())].into() }),
    ];
    evaluation.inputs.extend(inputs.map(|(name, input)| (name.to_owned(), input)));
    let (result, found) = world.found(&evaluation);
    assert_eq!(found.errors, []);
    let shapes: Value = serde_json::from_str(&environment(&found, "shapes")).unwrap();
    assert_eq!(shapes["text"], " not trimmed \n");
    assert_eq!((&shapes["truth"], &shapes["sum"], &shapes["read"]), (&json!(true), &json!(2), &json!("two")));
    let input = &result.inputs["repository"];
    let store_path = input.store_path.clone().unwrap();
    assert!(store_path.ends_with("-source"), "{store_path}");
    let uri = repository.to_str().unwrap();
    let tag = format!("v1-1-g{}", &second[..7]);
    let expected = json!({ "_outPath": store_path, "_inputType": "git", "_uri": uri, "_rev": second, "_revCount": "2", "_gitTag": tag, "_shortRev": &second[..7] });
    assert_eq!(shapes["repository"], expected);
    assert_eq!(shapes["search"], Value::String(store_path));
    assert_eq!(shapes["hasGit"], true);
    assert_eq!(
        (input.kind.as_str(), input.uri.as_deref(), input.revision.as_deref()),
        ("git", Some(uri), Some(second.as_str()))
    );
    let folder = &result.inputs["folder"];
    assert!(folder.store_path.as_ref().unwrap().ends_with("-folder"));
    assert_eq!(folder.revision.as_ref().unwrap().len(), 14);
    assert_eq!(shapes["folder"]["_outPath"], Value::String(folder.store_path.clone().unwrap()));
    let one = json!({ "_outPath": built, "_inputType": "build", "_outputName": "out", "_drvPath": format!("{built}.drv"), "_version": "1.0" });
    assert_eq!(shapes["one"], one);
    assert_eq!(shapes["all"], json!({ "_job": built }));
    let drv = DerivationFile::read(&std::fs::read(&found.jobs[0].drv_path).unwrap()).unwrap();
    assert!(drv.sources.contains(&built), "{:?}", drv.sources);
    // The same with a commit of before.
    evaluation.inputs.insert("repository".into(), local(&repository, Some(&first)));
    assert_eq!(world.found(&evaluation).0.inputs["repository"].revision.as_ref(), Some(&first));
    evaluation.inputs.insert("repository".into(), local(&repository, Some("v1")));
    assert_eq!(world.found(&evaluation).0.inputs["repository"].revision.as_ref(), Some(&first));
}

pub(crate) fn hydra_61_an_input_that_cannot_be_fetched_is_named(home: &Path) {
    let world = World::new(home);
    let expression = world.folder("expression", &[("release.nix", SHAPES)]);
    let mut evaluation = evaluation(&expression);
    let repository = home.join("repository");
    evaluation.inputs.insert("other".into(), local(&repository, None));
    let failure = |evaluation: &ropewalk_model::nix::Evaluation| {
        world.evaluate(evaluation).failure(Cause::SourceFailed).to_owned()
    };
    assert!(failure(&evaluation).starts_with("input other: "), "{}", failure(&evaluation));
    commit(&repository, &[("a", "one")], &[]);
    world.found(&evaluation);
    evaluation.inputs.insert("other".into(), local(&repository, Some("nowhere")));
    assert!(failure(&evaluation).contains("no branch and no tag nowhere"), "{}", failure(&evaluation));
    let unreachable = Input::Git {
        uri: "http://127.0.0.1:9/r.git".into(),
        reference: None,
        deep: false,
        timeout: 20,
        local: false,
        free: false,
    };
    evaluation.inputs.insert("other".into(), unreachable);
    assert!(failure(&evaluation).contains("private address"), "{}", failure(&evaluation));
    let opened = world.opening("127.0.0.0/8");
    let text = opened.evaluate(&evaluation).failure(Cause::SourceFailed).to_owned();
    assert!(text.contains("127.0.0.1") && text.contains("connect"), "{text}");
    evaluation.inputs.insert(
        "other".into(),
        Input::Path { path: home.join("nowhere").to_str().unwrap().into(), free: true },
    );
    assert!(failure(&evaluation).contains("nowhere"), "{}", failure(&evaluation));
    let gone = format!("{}/00000000000000000000000000000000-gone", world.tools().store.display());
    let build =
        Input::Build { id: 1, path: gone, drv_path: String::new(), output_name: "out".into(), version: None };
    evaluation.inputs.insert("other".into(), build);
    assert!(failure(&evaluation).contains("not in the store any more"), "{}", failure(&evaluation));
}

pub(crate) fn a_branch_that_was_rewritten_is_followed(home: &Path) {
    let world = World::new(home);
    let repository = home.join("repository");
    let text = r#"{ repository }: { job = derivation { name = "job"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ repository ]; }; }"#;
    let revision = |result: &EvaluationResult| result.inputs["repository"].revision.clone().unwrap();
    let mut evaluation = evaluation(&repository);
    evaluation.inputs = [("repository".to_owned(), local(&repository, Some("main")))].into();
    evaluation.expression_input = "repository".into();
    let first = commit(&repository, &[("release.nix", text), ("a", "1")], &[]);
    let (result, found) = world.found(&evaluation);
    assert_eq!((revision(&result), found.jobs.len()), (first.clone(), 1));
    // The checkout is kept: the same commit has the same path.
    assert_eq!(world.found(&evaluation).0.hash, result.hash);
    let second = commit(&repository, &[("a", "2")], &["--amend"]);
    assert_ne!(first, second);
    let (result, _) = world.found(&evaluation);
    assert_eq!(revision(&result), second);
}

pub(crate) fn a_path_keeps_its_name_and_its_revision(home: &Path) {
    let world = World::new(home);
    let expression = world.folder("expression", &[("release.nix", SHAPES)]);
    let evaluation = evaluation(&expression);
    let (first, found) = world.found(&evaluation);
    assert!(environment(&found, "outPaths").ends_with("-expression"));
    let (second, _) = world.found(&evaluation);
    assert_eq!(first.inputs, second.inputs);
    assert_eq!(first.hash, second.hash);
}

/// Folders that each have the next one ten times: a few hundred bytes in the repository.
pub(crate) fn a_commit_of_too_many_files_is_not_checked_out(home: &Path) {
    let world = World::new(home);
    let expression = world.folder("expression", &[("release.nix", SHAPES)]);
    let repository = home.join("repository");
    commit(&repository, &[("a", "one")], &[]);
    let mut object = git(&repository, &["rev-parse", "HEAD:a"]);
    let mut kind = "100644 blob";
    for _ in 0..5 {
        let entries: String = (0..10).map(|n| format!("{kind} {object}\tx{n}\n")).collect();
        let list = home.join("entries");
        std::fs::write(&list, entries).unwrap();
        let mut command = Command::new("git");
        command.arg("-C").arg(&repository).arg("mktree").stdin(std::fs::File::open(&list).unwrap());
        let made = command.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        object = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        kind = "040000 tree";
    }
    let bomb = git(&repository, &["commit-tree", &object, "-m", "many"]);
    git(&repository, &["update-ref", "refs/heads/main", &bomb]);
    let mut evaluation = evaluation(&expression);
    evaluation.limits.input = 100 << 20;
    for deep in [false, true] {
        let uri = repository.to_str().unwrap().to_owned();
        let input =
            Input::Git { uri, reference: Some("main".into()), deep, timeout: 60, local: true, free: true };
        evaluation.inputs.insert("other".into(), input);
        let ended = world.evaluate(&evaluation);
        let text = ended.failure(Cause::SourceFailed);
        assert!(text.contains("input other: the "), "{text}");
    }
    let left = std::fs::read_dir(home.join("nix-sources/git")).unwrap().flatten();
    assert!(left.into_iter().all(|folder| !folder.path().join("checkout").exists()));
}

pub(crate) fn values_are_not_taken_for_nix(home: &Path) {
    let world = World::new(home);
    let expression = world.folder(
        "expression",
        &[(
            "release.nix",
            r#"{ evil, ... }: { shapes = derivation { name = "shapes"; system = "x86_64-linux"; builder = "/bin/sh"; inherit evil; }; }"#,
        )],
    );
    let evil = "\"; x = throw \"taken\"; y = \"${throw \"taken\"} '' ''${z} \\ \r\n\t$${a}";
    let mut evaluation = evaluation(&expression);
    evaluation.inputs.insert("evil".into(), Input::String { value: evil.into() });
    let (_, found) = world.found(&evaluation);
    assert_eq!(environment(&found, "evil"), evil);
    // What is Nix may be wrong, and says so.
    evaluation.inputs.insert("evil".into(), Input::Nix { value: "throw \"wanted\"".into() });
    let (_, found) = world.found(&evaluation);
    assert!(error(&found, "shapes").contains("wanted"));
    evaluation.inputs.insert("evil=x".into(), Input::Boolean { value: true });
    assert!(world.evaluate(&evaluation).failure(Cause::SetupFailed).contains("evil=x"));
}

pub(crate) fn a_repository_may_be_of_this_machine_only_if_that_is_allowed(home: &Path) {
    let world = World::new(home);
    let expression = world.folder("expression", &[("release.nix", SHAPES)]);
    let repository = home.join("repository");
    commit(&repository, &[("a", "one")], &[]);
    let mut evaluation = evaluation(&expression);
    let path = repository.display();
    for uri in [format!("{path}"), format!("file://{path}"), format!("ext::cat {path}"), "-u".into()] {
        let input = Input::Git {
            uri: uri.clone(),
            reference: None,
            deep: false,
            timeout: 20,
            local: false,
            free: false,
        };
        evaluation.inputs.insert("other".into(), input);
        let ended = world.evaluate(&evaluation);
        assert!(ended.failure(Cause::SourceFailed).starts_with("input other: "), "{uri}");
    }
}

pub(crate) fn links_lead_nobody_out_of_the_folders_that_are_open_to_everybody(home: &Path) {
    let world = World::new(home);
    let expression = world.folder("expression", &[("release.nix", SHAPES)]);
    let (open, secret) = (home.join("open"), home.join("secret"));
    for repository in [open.join("bob/own"), secret.join("repository")] {
        commit(&repository, &[("a", "one")], &[]);
    }
    for (to, name) in [("own", "near"), ("../../secret/repository", "up")] {
        std::os::unix::fs::symlink(to, open.join("bob").join(name)).unwrap();
    }
    std::os::unix::fs::symlink(&secret, open.join("bob/away")).unwrap();
    let shown = world.showing(&open);
    let path = |name: &str| Input::Path { path: open.join(name).to_str().unwrap().into(), free: false };
    let git = |name: &str| {
        let Input::Git { uri, reference, deep, timeout, local, .. } = local(&open.join(name), None) else {
            panic!()
        };
        Input::Git { uri, reference, deep, timeout, local, free: false }
    };
    let with = |other: Input| {
        let mut evaluation = evaluation(&expression);
        evaluation.inputs.insert("other".into(), other);
        evaluation
    };
    for good in [path("bob/own"), path("bob/near"), git("bob/own"), git("bob/near")] {
        let (result, _) = shown.found(&with(good.clone()));
        assert!(result.inputs["other"].store_path.is_some(), "{good:?}");
    }
    for away in [
        path("bob/up"),
        path("bob/away"),
        path("bob/away/repository"),
        git("bob/up"),
        git("bob/away/repository"),
    ] {
        let ended = shown.evaluate(&with(away.clone()));
        let text = ended.failure(Cause::SourceFailed);
        assert!(text.contains("leads out of"), "{away:?}: {text}");
    }
    let closed = world.evaluate(&with(path("bob/own")));
    assert!(
        closed.failure(Cause::SourceFailed).contains("nix.local-inputs"),
        "it is open to nobody any more"
    );
}

/// Serves a folder; what is asked for below `/moved` is sent to the same below `/`.
const SERVER: &str = r#"
import http.server
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/moved"):
            self.send_response(301)
            self.send_header("Location", self.path[6:])
            self.end_headers()
        else:
            super().do_GET()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"#;

pub(crate) fn a_repository_is_fetched_over_http_and_redirects_are_not_followed(home: &Path) {
    let world = World::new(home).opening("127.0.0.0/8");
    let repository = home.join("served");
    let commit = commit(&repository, &[("a", "one")], &[]);
    git(&repository, &["update-server-info"]);
    let mut server = Command::new("python3");
    let mut server = server.args(["-c", SERVER]).current_dir(home).stdout(Stdio::piped()).spawn().unwrap();
    let mut port = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let expression = world.folder("expression", &[("release.nix", SHAPES)]);
    let mut evaluation = evaluation(&expression);
    let at = |place: &str| Input::Git {
        uri: format!("http://localhost:{}{place}/served/.git", port.trim()),
        reference: Some("main".into()),
        deep: false,
        timeout: 30,
        local: false,
        free: false,
    };
    evaluation.inputs.insert("other".into(), at(""));
    let fetched = world.evaluate(&evaluation);
    evaluation.inputs.insert("other".into(), at("/moved"));
    let moved = world.evaluate(&evaluation);
    server.kill().unwrap();
    server.wait().unwrap();
    let result = fetched.result.unwrap_or_else(|| panic!("{}", fetched.log));
    assert_eq!(result.inputs["other"].revision.as_ref(), Some(&commit));
    let text = moved.failure(Cause::SourceFailed);
    assert!(text.contains("is not followed"), "{text}");
}
