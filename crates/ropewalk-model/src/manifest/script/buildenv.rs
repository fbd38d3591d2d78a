//! `~/.buildenv`: what every task reads first.

use super::super::fields::{OVERRIDDEN, is_variable_name};
use super::quote::quote;
use crate::link::RunValues;
use crate::plan::EnvValue;
use crate::secret::Secret;
use std::fmt::Write;

/// Ends in a line break, so that a task can append to it.
const HEAD: &str = r#"# Read by every task before its script. What a task appends here, the next ones see.
complete-build() {
	printf 1 >~/.complete-build
	exit 0
}
"#;

/// The text of `~/.buildenv`: the function `complete-build`, the plan's environment, and the run-time values, which
/// win. It may hold the build's token.
pub fn buildenv(environment: &[(String, EnvValue)], values: &RunValues) -> Secret {
    let given = run_time(values);
    let mut text = String::from(HEAD);
    for (name, value) in environment {
        let won = given.iter().any(|(given, _)| given == name);
        if !won {
            text.push_str(&line(name, value));
        }
    }
    for (name, value) in given {
        let _infallible = writeln!(text, "export {name}={}", quote(&value));
    }
    Secret::new(text)
}

fn run_time(values: &RunValues) -> Vec<(&'static str, String)> {
    let [ci_name, job_id, job_url] = OVERRIDDEN;
    let mut given = vec![(ci_name, "sourcehut".to_owned())];
    given.extend(values.job.map(|id| (job_id, id.to_string())));
    given.extend(values.job_url.clone().map(|url| (job_url, url)));
    given.extend(values.oauth2_token.as_ref().map(|token| ("OAUTH2_TOKEN", token.reveal().to_owned())));
    given
}

fn line(name: &str, value: &EnvValue) -> String {
    let text = match value {
        EnvValue::Text(text) | EnvValue::Bare(text) => quote(text),
        EnvValue::Null => "\"\"".into(),
        EnvValue::List(entries) if is_variable_name(name) => {
            let entries: Vec<String> = entries.iter().map(|entry| quote(entry)).collect();
            return format!("{name}=({})\n", entries.join(" "));
        }
        EnvValue::List(_) => String::new(),
    };
    match is_variable_name(name) {
        true => format!("export {name}={text}\n"),
        // As one word of data: bash names it in an error and goes on.
        false => format!("export -- {}{text}\n", quote_always(&format!("{name}="))),
    }
}

/// Quoted even if harmless, so that bash never takes it for the beginning of an assignment.
fn quote_always(text: &str) -> String {
    match quote(text) {
        bare if bare == text => format!("'{bare}'"),
        quoted => quoted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::JobId;
    use proptest::prelude::*;
    use std::process::{Command, Output};

    fn values() -> RunValues {
        RunValues {
            job: Some(JobId(42)),
            job_url: Some("https://ci.example.org/~me/job/42".into()),
            oauth2_token: None,
            secrets: vec![],
        }
    }

    /// Runs `script` in bash after reading the environment, with a home of its own.
    fn run(environment: &[(String, EnvValue)], values: &RunValues, script: &str) -> (Output, Option<String>) {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(super::super::BUILDENV);
        std::fs::write(&file, buildenv(environment, values).reveal()).unwrap();
        let output = Command::new("bash")
            .args(["-c", &format!(". ~/.buildenv\n{script}")])
            .current_dir(home.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", home.path())
            .output()
            .unwrap();
        (output, std::fs::read_to_string(home.path().join(super::super::COMPLETE)).ok())
    }

    fn stdout(environment: &[(String, EnvValue)], values: &RunValues, script: &str) -> String {
        let (output, _) = run(environment, values, script);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn text(name: &str, value: &str) -> (String, EnvValue) {
        (name.into(), EnvValue::Text(value.into()))
    }

    #[test]
    fn renders_each_kind_of_value() {
        let environment = [
            text("PLAIN", "a/b:c"),
            text("SPACE", "a 'b' \"c\" $d"),
            text("EMPTY", ""),
            ("BOOL".into(), EnvValue::Bare("true".into())),
            ("NUMBER".into(), EnvValue::Bare("010".into())),
            ("NULL".into(), EnvValue::Null),
            ("LIST".into(), EnvValue::List(vec!["a".into(), "b $c".into()])),
        ];
        let rendered = buildenv(&environment, &values());
        assert_eq!(
            rendered.reveal().strip_prefix(HEAD).unwrap(),
            r##"export PLAIN=a/b:c
export SPACE='a '"'"'b'"'"' "c" $d'
export EMPTY=''
export BOOL=true
export NUMBER=010
export NULL=""
LIST=(a 'b $c')
export CI_NAME=sourcehut
export JOB_ID=42
export JOB_URL='https://ci.example.org/~me/job/42'
"##
        );
    }

    #[test]
    fn lists_are_arrays_and_not_exported() {
        let environment = [("L".into(), EnvValue::List(vec!["a b".into(), "c".into()])), text("T", "t")];
        let script = r#"echo "${#L[@]} ${L[1]}"; env | grep -c '^L=' || true; env | grep '^T='"#;
        assert_eq!(stdout(&environment, &values(), script), "2 c\n0\nT=t\n");
    }

    #[test]
    fn run_time_values_win_over_the_manifest() {
        let environment = [
            text("JOB_ID", "1"),
            ("CI_NAME".into(), EnvValue::List(vec!["x".into()])),
            text("OAUTH2_TOKEN", "own"),
            text("JOB_URL", "x"),
        ];
        let show = "env | grep -E '^(JOB_ID|CI_NAME|OAUTH2_TOKEN|JOB_URL)=' | sort";
        let expected =
            "CI_NAME=sourcehut\nJOB_ID=42\nJOB_URL=https://ci.example.org/~me/job/42\nOAUTH2_TOKEN=own\n";
        assert_eq!(stdout(&environment, &values(), show), expected);
        let with_token = RunValues { oauth2_token: Some(Secret::new("t'oken")), ..values() };
        assert!(stdout(&environment, &with_token, show).ends_with("OAUTH2_TOKEN=t'oken\n"));
    }

    #[test]
    fn complete_build_leaves_its_mark_and_ends_well() {
        let (output, mark) = run(&[], &values(), "complete-build; echo not reached");
        assert!(output.status.success());
        assert_eq!((output.stdout, mark.as_deref()), (vec![], Some("1")));
        assert_eq!(run(&[], &values(), "true").1, None);
    }

    #[test]
    fn a_bad_name_is_bash_own_error_and_no_command() {
        let bad = [
            "a-b",
            "1x",
            "",
            "-n",
            "a b",
            "$(touch pwned)",
            "x;touch pwned;y",
            "a\ntouch pwned",
            "a[0]",
            "A=B",
        ];
        for name in bad {
            for value in [EnvValue::Text("v".into()), EnvValue::List(vec!["v".into()]), EnvValue::Null] {
                let environment = [(name.into(), value), text("AFTER", "yes")];
                let found = stdout(&environment, &values(), "echo $AFTER; cd; echo *");
                assert_eq!(found, "yes\n*\n", "{name}");
            }
        }
        let (output, _) = run(&[text("a-b", "v")], &values(), "true");
        assert!(String::from_utf8(output.stderr).unwrap().contains("`a-b=v': not a valid identifier"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_value_arrives(entries in proptest::collection::vec("[^\0]{0,16}|[ -~]{0,16}", 1..8)) {
            let environment: Vec<_> =
                entries.iter().enumerate().map(|(n, value)| text(&format!("V{n}"), value)).collect();
            let names: Vec<String> = (0..entries.len()).map(|n| format!("\"$V{n}\"")).collect();
            let shown = stdout(&environment, &values(), &format!("printf '%s\\0' {}", names.join(" ")));
            let shown: Vec<&str> = shown.split_terminator('\0').collect();
            prop_assert_eq!(shown, entries);
        }

        #[test]
        fn any_name_is_harmless(name in "[^\0]{0,12}|[ -~]{0,12}") {
            prop_assume!(!is_variable_name(&name));
            let environment = [(name, EnvValue::Text("v".into())), text("AFTER", "yes")];
            prop_assert_eq!(stdout(&environment, &values(), "echo $AFTER; cd; echo *"), "yes\n*\n");
        }
    }
}
