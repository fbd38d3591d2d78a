#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod random;
mod yaml;

use super::*;
use crate::plan::EnvValue;

const MINIMAL: &str = "image: host\ntasks:\n- a: echo a\n";

/// The errors of `text` as `line:column message`.
fn errors(text: &str) -> Vec<String> {
    check(text).errors.into_iter().map(short).collect()
}

/// The warnings of `text` as `line:column message`.
fn warnings(text: &str) -> Vec<String> {
    check(text).warnings.into_iter().map(short).collect()
}

fn short(problem: Problem) -> String {
    assert!(!problem.hint.is_empty() && !problem.message.is_empty());
    format!("{}:{} {}", problem.place.line, problem.place.column, problem.message)
}

/// The manifest of the minimal one with `more` after it.
fn with(more: &str) -> Manifest {
    let text = format!("{MINIMAL}{more}");
    parse(&text, &ManifestLimits::default()).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

/// The only error of the minimal manifest with `more` after it, whose first line is line 4.
fn refused(more: &str) -> String {
    let mut errors = errors(&format!("{MINIMAL}{more}"));
    assert_eq!(errors.len(), 1, "{more}: {errors:?}");
    errors.remove(0)
}

#[test]
fn reads_every_key() {
    let manifest = parse(
        r##"
# every key there is
image: alpine/edge
arch: aarch64
packages: [make, g++]
repositories:
  extra: >
    https://packages.example.org/alpine
    https://packages.example.org/key.pub
    key.pub
sources:
  - https://git.example.org/~me/rope#v1
environment: {A: "x y", N: 010, B: True, L: [p, q], E: }
secrets: [046ad4a7-2b44-4c4b-a1a2-5e8f0f2f9d52, deploy key]
oauth: builds.sr.ht/JOBS:RO
shell: false
artifacts: [rope/a.txt]
tasks:
  - build: |
      cd rope
      make
  - _quiet: ""
triggers:
  - {action: email, condition: failure, to: me@example.org, in_reply_to: <1@x>}
  - {action: webhook, condition: always, url: "https://hook.example.org"}
submitter:
  git.sr.ht: {enabled: true, allow-refs: [refs/heads/main]}
"##,
        &ManifestLimits::default(),
    )
    .unwrap();
    insta::assert_debug_snapshot!(manifest);
}

#[test]
fn every_example_of_the_table_is_accepted_without_warning() {
    for key in KEYS {
        let base = match key.name {
            "image" => "tasks: [{a: b}]\n",
            "tasks" => "image: host\n",
            _ => MINIMAL,
        };
        let report = check(&format!("{base}{}: {}\n", key.name, key.example));
        assert_eq!((report.errors, report.warnings), (vec![], vec![]), "{}", key.name);
    }
}

#[test]
fn the_size_is_strictly_below_the_limit() {
    let filled = |length: usize| format!("{MINIMAL}{}", "#".repeat(length - MINIMAL.len()));
    assert_eq!(errors(&filled(16383)), [""; 0]);
    assert_eq!(errors(&filled(16384)), ["1:1 Manifest must be less than 16384 bytes"]);
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(errors(""), ["1:1 the manifest is empty"]);
    assert_eq!(errors("# nothing\n"), ["1:1 the manifest is empty"]);
    assert_eq!(errors("- a\n"), ["1:1 a manifest is a map, this is a list"]);
    assert_eq!(errors("hello"), ["1:1 a manifest is a map, this is text"]);
    assert_eq!(errors("arch: x\n"), ["1:1 image is required", "1:1 list of tasks is required"]);
    assert_eq!(errors("image:\nshell: true\n"), ["1:1 image is required"]);
    assert_eq!(errors("image: ''\nshell: true\n"), ["1:8 image is required"]);
    assert_eq!(errors("image: a\ntasks: []\n"), ["2:1 list of tasks is required"]);
    assert_eq!(errors("image: a\ntasks:\nshell: false\n"), ["1:1 list of tasks is required"]);
}

#[test]
fn a_shell_needs_no_tasks() {
    for text in ["image: a\nshell: true\n", "image: a\nshell: true\ntasks: []\n"] {
        assert!(check(text).manifest.is_some_and(|manifest| manifest.shell));
    }
}

#[test]
fn a_key_without_a_value_says_nothing() {
    for key in KEYS.iter().filter(|key| key.required.is_empty()) {
        assert_eq!(with(&format!("{}:\n", key.name)), with(""));
        assert_eq!(with(&format!("{}: null # later\n", key.name)), with(""));
    }
}

#[test]
fn unknown_keys_are_ignored_with_a_hint() {
    let report = check(&format!("{MINIMAL}pacakges: [make]\nmatrix: 3\n"));
    let hints: Vec<_> = report.warnings.iter().map(|warning| warning.hint.as_str()).collect();
    assert_eq!(hints, ["did you mean `packages`?", "remove it, or write it as a comment"]);
    assert_eq!(report.manifest, Some(with("")));
}

#[test]
fn words_of_yaml_1_1_are_text() {
    assert_eq!(with("packages: [no, on, y, 2020-01-01, 1_000, 1:30]").packages.len(), 6);
    assert_eq!(refused("shell: yes"), "4:8 `shell` must be true or false, this is text");
    assert_eq!(refused("shell: 'true'"), "4:8 `shell` must be true or false, this is text");
    let environment = with("environment: {A: yes, B: 2020-01-01, C: off}").environment;
    assert!(environment.iter().all(|(_, value)| matches!(value, EnvValue::Text(_))));
}

#[test]
fn what_is_no_text_is_refused_where_text_is_needed() {
    assert_eq!(
        refused("packages: [make, 1.10]"),
        "4:18 an entry of `packages` must be a string, this is a number"
    );
    assert_eq!(
        refused("packages: [true]"),
        "4:12 an entry of `packages` must be a string, this is a boolean"
    );
    assert_eq!(refused("packages: [~]"), "4:12 an entry of `packages` must be a string, this is nothing");
    assert_eq!(refused("packages: make"), "4:11 `packages` must be a list of strings, this is text");
    assert_eq!(refused("packages: {make: 1}"), "4:11 `packages` must be a list of strings, this is a map");
    assert_eq!(refused("secrets: [[a]]"), "4:11 an entry of `secrets` must be a string, this is a list");
    assert_eq!(
        refused("repositories: {a: 1}"),
        "4:19 `a` in `repositories` must be a string, this is a number"
    );
    assert_eq!(refused("repositories: [a]"), "4:15 `repositories` must be a map of strings, this is a list");
    assert_eq!(refused("submitter: yes"), "4:12 `submitter` must be a map, this is text");
    assert_eq!(errors("image: 3.20\nshell: true\n"), ["1:8 `image` must be a string, this is a number"]);
    let hint = &check(&format!("{MINIMAL}packages: [1.10]")).errors[0].hint;
    assert_eq!(hint, "if text is meant, quote it: \"1.10\"");
}

#[test]
fn environment_keeps_the_writing_of_numbers() {
    let text = "environment: {A: 010, B: 1e3, C: 0x1F, D: 1.50, E: TRUE, F: ~, G: '', H: \"1\"}";
    let bare = |text: &str| EnvValue::Bare(text.into());
    let values: Vec<_> = with(text).environment.into_iter().map(|(_, value)| value).collect();
    assert_eq!(
        values,
        [
            bare("010"),
            bare("1e3"),
            bare("0x1F"),
            bare("1.50"),
            bare("true"),
            EnvValue::Null,
            EnvValue::Text(String::new()),
            EnvValue::Text("1".into())
        ]
    );
}

#[test]
fn environment_lists_keep_only_text() {
    let text = format!("{MINIMAL}environment:\n  L: [a, 1, [b], '2']\n");
    assert_eq!(
        warnings(&text),
        [
            "5:10 a number in the list `L` is left out, only text stays",
            "5:13 a list in the list `L` is left out, only text stays"
        ]
    );
    let list = EnvValue::List(vec!["a".into(), "2".into()]);
    assert_eq!(check(&text).manifest.unwrap().environment, [("L".into(), list)]);
}

#[test]
fn environment_maps_are_refused_at_once() {
    assert_eq!(refused("environment: {A: {b: c}}"), "4:18 `A` in `environment` must not be a map");
}

#[test]
fn environment_names_that_bash_refuses_are_warned_of() {
    let found = warnings(&format!("{MINIMAL}environment: {{a-b: 1, 1x: 2, JOB_ID: 3, ok_1: 4}}"));
    assert_eq!(found.len(), 3);
    assert_eq!(found[2], "4:30 the build gets a `JOB_ID` of its own");
}

#[test]
fn tasks_have_one_name_each() {
    let tasks = |text: &str| errors(&format!("image: a\ntasks:\n{text}"));
    assert_eq!(tasks("- a: b\n- a: c\n"), ["4:3 duplicate task a"]);
    assert_eq!(
        tasks("- a: b\n  c: d\n"),
        ["3:3 a task must be `<name>: <script>` exactly once, here 2 times"]
    );
    assert_eq!(tasks("- {}\n"), ["3:3 a task must be `<name>: <script>` exactly once, here 0 times"]);
    assert_eq!(tasks("- echo hi\n"), ["3:3 a task must be `<name>: <script>`, this is text"]);
    assert_eq!(tasks("  a: b\n"), ["3:3 `tasks` must be a list of `name: script`, this is a map"]);
    assert_eq!(tasks("- a: 1\n"), ["3:6 the script of `a` must be a string, this is a number"]);
    assert_eq!(tasks("- a:\n"), ["3:4 the script of `a` must be a string, this is nothing"]);
    assert_eq!(tasks("- a: [b]\n"), ["3:6 the script of `a` must be a string, this is a list"]);
    for name in ["Foo", "a b", "a.b", "\"\"", "ä", "a/b"] {
        assert_eq!(tasks(&format!("- {name}: b\n")).len(), 1, "{name}");
    }
    assert_eq!(tasks(&format!("- {}: b\n", "x".repeat(128))), [""; 0]);
    assert_eq!(tasks(&format!("- {}: b\n", "x".repeat(129))).len(), 1);
    assert_eq!(tasks("- _a-0: b\n- '': b\n"), ["4:3 invalid task name ``"]);
}

#[test]
fn scripts_are_kept_to_the_byte() {
    let manifest = with("packages: []");
    assert_eq!(manifest.tasks[0].script, "echo a");
    let text = "image: a\r\ntasks:\r\n- a: |\r\n    x\r\n      y\r\n\r\n    z\r\n";
    let manifest = parse(text, &ManifestLimits::default()).unwrap();
    assert_eq!(manifest.tasks[0].script, "x\n  y\n\nz\n");
}

#[test]
fn artifacts_have_one_file_name_each() {
    assert_eq!(refused("artifacts: [a/b, a/b]"), "4:18 duplicate artifact a/b");
    assert_eq!(refused("artifacts: [a/b, c/b]"), "4:18 duplicate artifact b: `a/b` has the same file name");
    for path in ["''", "a/", "..", "a/."] {
        assert!(refused(&format!("artifacts: [{path}]")).ends_with("names no file"));
    }
    assert_eq!(warnings(&format!("{MINIMAL}artifacts: [~/a]")), ["4:13 `~` is not expanded here"]);
    let nine: Vec<_> = (0..9).map(|n| format!("f{n}")).collect();
    let text = format!("{MINIMAL}artifacts: [{}]", nine.join(", "));
    assert_eq!(warnings(&text), ["4:12 with more than 8 artifacts none is published"]);
}

#[test]
fn secrets_are_uuids_or_names() {
    assert!(refused("secrets: [abc]").starts_with("4:11 a secret is named by its UUID or"));
    assert!(refused(&format!("secrets: [{}]", "x".repeat(512))).starts_with("4:11 "));
    assert_eq!(with(&format!("secrets: [abcd, {}]", "x".repeat(511))).secrets.len(), 2);
}

#[test]
fn oauth_is_a_grant_string() {
    assert_eq!(refused("oauth: jobs"), "4:8 `jobs` is no grant");
    assert_eq!(refused("oauth: builds.sr.ht/CATS"), "4:8 `builds.sr.ht/CATS` is no grant of this server");
    assert_eq!(with("oauth: ''").oauth, None);
    let foreign = format!("{MINIMAL}oauth: pages.sr.ht/PAGES:RW");
    assert_eq!(warnings(&foreign).len(), 1);
    assert_eq!(check(&foreign).manifest.unwrap().oauth.as_deref(), Some("pages.sr.ht/PAGES:RW"));
}

#[test]
fn sources_are_read_by_their_grammar() {
    assert_eq!(refused("sources: ['svn+https://h/a']"), "4:11 Unknown scm: svn");
    assert_eq!(
        warnings(&format!("{MINIMAL}sources: [https://h/a, https://i/a.git]")),
        ["4:24 the folder `a` is taken by the source on line 4"]
    );
    assert_eq!(warnings(&format!("{MINIMAL}sources: ['https://h/a#b#c']")).len(), 1);
}

#[test]
fn triggers_need_condition_action_and_receiver() {
    let trigger = |fields: &str| refused(&format!("triggers: [{{{fields}}}]"));
    assert_eq!(trigger("action: email, to: a"), "4:12 the trigger has no condition");
    assert_eq!(trigger("condition: always"), "4:12 the trigger has no action");
    assert_eq!(trigger("condition: never, action: email, to: a"), "4:24 unknown trigger condition `never`");
    assert_eq!(trigger("condition: always, action: irc"), "4:40 unknown trigger type `irc`");
    assert_eq!(trigger("condition: always, action: email"), "4:12 the email trigger has no receiver");
    assert_eq!(trigger("condition: always, action: webhook"), "4:12 the webhook trigger has no url");
    assert_eq!(
        trigger("condition: always, action: email, to: [a]"),
        "4:51 `to` must be a string, this is a list"
    );
    assert_eq!(refused("triggers: [email]"), "4:12 a trigger must be a map, this is text");
    let text = format!("{MINIMAL}triggers: [{{condition: always, action: email, cc: a, too: b}}]");
    let report = check(&text);
    let hints: Vec<_> = report.warnings.iter().map(|warning| warning.hint.as_str()).collect();
    assert_eq!(hints, ["write the first receiver as `to`", "did you mean `to`?"]);
    assert!(report.manifest.is_some());
}

#[test]
fn failure_covers_every_bad_end() {
    use crate::status::JobStatus as S;
    for status in [S::Failed, S::Timeout, S::Cancelled] {
        assert!(Condition::Failure.is_met(status) && !Condition::Success.is_met(status));
    }
    assert!(Condition::Success.is_met(S::Success) && !Condition::Failure.is_met(S::Success));
    assert!(Condition::Always.is_met(S::Cancelled) && !Condition::Always.is_met(S::Running));
}

#[test]
fn image_names_stay_below_the_images() {
    for name in [
        "../x",
        "/x",
        "a//b",
        "a/./b",
        "a/",
        "'a b'",
        "\"a\\nb\"",
        "-a",
        "'a\\b'",
        "HOST",
        "a;id",
        "é",
        "a$b",
    ] {
        assert_eq!(errors(&format!("image: {name}\nshell: true\n")).len(), 1, "{name}");
    }
    let long = |n: usize| errors(&format!("image: {}\nshell: true\n", "e".repeat(n))).len();
    assert_eq!((long(128), long(129)), (0, 1));
}

#[test]
fn several_errors_are_reported_at_once_in_the_order_of_the_text() {
    let text = "tasks:\n- A: b\nshell: yes\nimage: a\nimage: b\n";
    let lines: Vec<_> = check(text).errors.iter().map(|error| error.place.line).collect();
    assert_eq!(lines, [2, 3, 5]);
    let shown = parse(text, &ManifestLimits::default()).unwrap_err().to_string();
    assert_eq!(shown.lines().count(), 3);
    assert!(shown.starts_with("line 2, column 3: invalid task name `A` (use a-z"));
}

#[test]
fn columns_count_characters() {
    assert_eq!(
        refused("x: ä\npackages: [ß, 1]"),
        "5:15 an entry of `packages` must be a string, this is a number"
    );
}
