//! Lines that most likely say what went wrong. A guess by how tools write, never more than a highlight.

/// How bad a line sounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Something failed.
    Error,
    /// Something may be wrong.
    Warning,
}

/// Words at the start of a line, in lower case.
const ERROR_STARTS: &[&str] = &[
    "error:",
    "error[",
    "error ",
    "fatal:",
    "fatal error:",
    "e: ",
    "fail:",
    "failed:",
    "panic:",
    "traceback (most recent call last)",
];
/// Words anywhere in a line, as they are written.
const ERROR_WORDS: &[&str] = &[
    ": error:",
    ": fatal error:",
    ": Error:",
    "ERROR:",
    "ERROR ",
    " ... FAILED",
    "--- FAIL:",
    "FAILED (",
    "==> ERROR",
    " panicked at ",
    "Segmentation fault",
    "command not found",
    ": No such file or directory",
    ": Permission denied",
    "Error 1",
    "make: *** ",
    "]: *** ",
    "npm ERR!",
    "Unable to locate package",
    "undefined reference to",
    "AssertionError",
];
const WARNING_STARTS: &[&str] = &["warning:", "warning[", "warn:", "w: "];
const WARNING_WORDS: &[&str] = &[": warning:", "WARNING:", "npm WARN"];
/// Characters that are looked at.
const LOOKED_AT: usize = 400;

/// How a line sounds, given without mark-up.
pub(crate) fn tone(line: &str) -> Option<Tone> {
    let end = line.char_indices().nth(LOOKED_AT).map_or(line.len(), |(at, _)| at);
    let line = line.get(..end).unwrap_or(line).trim_start();
    let start: String = line.chars().take(40).collect::<String>().to_lowercase();
    let is = |starts: &[&str], words: &[&str]| {
        starts.iter().any(|word| start.starts_with(word)) || words.iter().any(|word| line.contains(word))
    };
    // What the shell traces is what will be run, not what came of it.
    if line.starts_with("+ ") {
        return None;
    }
    if is(ERROR_STARTS, ERROR_WORDS) {
        return Some(Tone::Error);
    }
    is(WARNING_STARTS, WARNING_WORDS).then_some(Tone::Warning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_understood() {
        for line in [
            "error[E0308]: mismatched types",
            "src/main.c:3:1: error: expected ';'",
            "test parse::a ... FAILED",
            "thread 'main' panicked at src/main.rs:2:5:",
            "make: *** [Makefile:3: all] Error 2",
            "bash: line 1: foo: command not found",
            "Traceback (most recent call last):",
            "E: Unable to locate package x",
            "==> ERROR: A failure occurred in check().",
            "fatal: not a git repository",
        ] {
            assert_eq!(tone(line), Some(Tone::Error), "{line}");
        }
        for line in ["warning: unused variable", "a.c:1: warning: x", "WARNING: y"] {
            assert_eq!(tone(line), Some(Tone::Warning), "{line}");
        }
        for line in [
            "",
            "0 errors",
            "no error",
            "test a ... ok",
            "errors.rs",
            "+ echo error: x",
            "Compiling error v1",
        ] {
            assert_eq!(tone(line), None, "{line}");
        }
    }
}
