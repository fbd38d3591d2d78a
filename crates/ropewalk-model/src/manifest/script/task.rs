//! A task's file.

/// What stands before every script. `acurl` hides the token from the trace.
const PREAMBLE: &str = r#"#!/usr/bin/env bash
. ~/.buildenv
acurl() (
	{ set +x; } 2>/dev/null
	curl --oauth2-bearer "$OAUTH2_TOKEN" "$@"
)
set -xe
"#;

/// The text of `~/.tasks/NAME`, to be executed with the home folder as its working directory.
pub fn task(script: &str) -> String {
    format!("{PREAMBLE}{script}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::RunValues;
    use crate::manifest::script::{BUILDENV, TASKS, buildenv};
    use crate::secret::Secret;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Output};

    /// Runs `script` as a task file in a home of its own, with a curl that shows its arguments.
    fn run(script: &str) -> Output {
        let home = tempfile::tempdir().unwrap();
        let values = RunValues { oauth2_token: Some(Secret::new("T0KEN")), ..RunValues::default() };
        let write = |path: &str, text: &str| {
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        write(BUILDENV, buildenv(&[], &values).reveal());
        write(&format!("{TASKS}/a"), &task(script));
        write("bin/curl", "#!/bin/sh\nprintf '<%s>' \"$@\"\n");
        // Through a shell: executing the file itself may meet a writer of another thread's fork.
        Command::new("bash")
            .args(["-c", "exec ./.tasks/a"])
            .current_dir(home.path())
            .env("HOME", home.path())
            .env("PATH", format!("{}/bin:/usr/bin:/bin", home.path().display()))
            .output()
            .unwrap()
    }

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn commands_are_traced_and_the_first_failure_ends() {
        let output = run("echo one\nfalse\necho two");
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), "one\n"));
        assert_eq!(text(&output.stderr), "+ echo one\n+ false\n");
    }

    #[test]
    fn the_exit_code_is_the_scripts() {
        assert_eq!(run("exit 7").status.code(), Some(7));
        assert_eq!(run("").status.code(), Some(0));
        assert_eq!(run("# a comment without a line break").status.code(), Some(0));
    }

    #[test]
    fn acurl_carries_the_token_out_of_the_trace() {
        let output = run("acurl -s https://example.org/");
        assert_eq!(text(&output.stdout), "<--oauth2-bearer><T0KEN><-s><https://example.org/>");
        assert_eq!(text(&output.stderr), "+ acurl -s https://example.org/\n");
    }

    #[test]
    fn complete_build_can_be_called() {
        let output = run("complete-build\nfalse");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
}
