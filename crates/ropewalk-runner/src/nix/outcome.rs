//! Why `nix-store --realise` of one derivation failed.
//!
//! The exit code alone says too little and the words differ between versions of Nix: codes first, then words, loosely.

use ropewalk_model::status::Cause;

/// From here on the exit code is a set of flags.
const FLAGS: i32 = 0x60;
const TIMED_OUT: i32 = 0x01;
const OTHER_HASH: i32 = 0x02;
const FAILED: i32 = 0x04;
const DIFFERS: i32 = 0x08;
/// Errors that a message shows.
const SHOWN: usize = 3;

/// How the program ended, and what it said.
#[derive(Clone, Debug)]
pub struct Failure<'a> {
    /// Its exit code; none when a signal ended it.
    pub exit: Option<i32>,
    /// Errors that Nix raised, in their order, without colours.
    pub errors: &'a [String],
    /// Store path of the derivation that was to be built.
    pub drv: &'a str,
}

impl Failure<'_> {
    /// Of the closed list.
    #[must_use]
    pub fn cause(&self) -> Cause {
        if self.is_of_a_dependency() {
            return Cause::DependencyFailed;
        }
        let flags = self.exit.filter(|exit| exit & !0x0f == FLAGS).unwrap_or(0);
        let has = |flag| flags & flag != 0;
        match self.by_words() {
            Some(Cause::Silence) => Cause::Silence,
            _ if has(TIMED_OUT) => Cause::Timeout,
            _ if has(OTHER_HASH) => Cause::HashMismatch,
            _ if has(DIFFERS) => Cause::NotDeterministic,
            Some(cause) => cause,
            None if has(FAILED) => Cause::StepFailed,
            None => Cause::Infrastructure,
        }
    }

    /// Another derivation than the one that was asked for.
    fn is_of_a_dependency(&self) -> bool {
        self.errors.iter().any(|error| {
            if !error.contains(self.drv) {
                return error.contains(".drv'")
                    && (error.contains("failed") || error.contains("Cannot build"));
            }
            // Its own name, and those of its outputs, may say anything.
            let rest = error.replace(self.drv, "");
            ["dependencies of derivation", "dependency failed", "dependencies failed"]
                .iter()
                .any(|words| rest.contains(words))
        })
    }

    fn by_words(&self) -> Option<Cause> {
        const WORDS: [(&[&str], Cause); 12] = [
            (&["seconds of silence"], Cause::Silence),
            (&["timed out"], Cause::Timeout),
            (&["hash mismatch"], Cause::HashMismatch),
            (&["not be deterministic"], Cause::NotDeterministic),
            (&["more than", "bytes of log output"], Cause::LogLimit),
            (&["is required to build", "features"], Cause::UnsupportedSystem),
            (&["required system or feature not available"], Cause::UnsupportedSystem),
            (&["failed to produce output"], Cause::OutputMissing),
            (&["lack of free disk space"], Cause::Infrastructure),
            (&["No space left on device"], Cause::Infrastructure),
            // The kernel's for want of memory, or somebody's from outside: it says nothing about the derivation.
            (&["failed due to signal 9 "], Cause::Infrastructure),
            (&["failed with exit code"], Cause::StepFailed),
        ];
        let said =
            |words: &[&str]| self.errors.iter().any(|error| words.iter().all(|word| error.contains(word)));
        let found = WORDS.iter().find(|(words, _)| said(words)).map(|(_, cause)| *cause);
        found.or_else(|| said(&["failed due to signal"]).then_some(Cause::StepFailed))
    }

    /// Exit code of the builder, where Nix says it; else the program's own.
    #[must_use]
    pub fn exit_of_builder(&self) -> i32 {
        let after = |words: &str| {
            let texts = self.errors.iter().filter(|error| error.contains(self.drv));
            let rest = texts.filter_map(|error| error.split_once(words)).map(|(_, rest)| rest).next()?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u8>().ok().map(i32::from)
        };
        let signal = || after("failed due to signal ").map(|signal| 128 + signal);
        after("failed with exit code ").or_else(signal).or(self.exit).unwrap_or(1)
    }

    /// What is shown to people.
    #[must_use]
    pub fn message(&self) -> String {
        let how = match self.exit {
            Some(code) => format!("nix-store exited with {code}"),
            None => "nix-store was ended by a signal".into(),
        };
        if self.errors.is_empty() {
            return format!("{how} without a word about {}", self.drv);
        }
        let last = self.errors.len().saturating_sub(SHOWN);
        let words: Vec<_> = self
            .errors
            .iter()
            .skip(last)
            .map(|e| e.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        format!("{} ({how})", words.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRV: &str = "/nix/store/0c1-a.drv";

    fn cause(exit: i32, error: &str) -> Cause {
        let errors = [error.replace("DRV", DRV)];
        Failure { exit: Some(exit), errors: &errors, drv: DRV }.cause()
    }

    #[test]
    fn what_nix_2_8_says_is_told_apart() {
        let building = "building of 'DRV!*' from .drv file";
        for (exit, error, expected) in [
            (100, "builder for 'DRV' failed with exit code 3".into(), Cause::StepFailed),
            (100, "builder for 'DRV' failed due to signal 9 (Killed)".into(), Cause::Infrastructure),
            (100, "builder for 'DRV' failed due to signal 11 (Segmentation fault)".into(), Cause::StepFailed),
            (101, format!("{building} timed out after 3 seconds"), Cause::Timeout),
            (101, format!("{building} timed out after 2 seconds of silence"), Cause::Silence),
            (102, "hash mismatch in fixed-output derivation 'DRV':\n specified: x\n got: y".into(), Cause::HashMismatch),
            (104, "derivation 'DRV' may not be deterministic: output '/nix/store/x-a' differs".into(), Cause::NotDeterministic),
            (1, "builder for 'DRV' failed to produce output path for output 'out' at '/x'".into(), Cause::OutputMissing),
            (1, format!("{building} killed after writing more than 20000 bytes of log output"), Cause::LogLimit),
            (1, "a 'aarch64-darwin' with features {} is required to build 'DRV', but I am a 'x86_64-linux' with features {kvm}".into(), Cause::UnsupportedSystem),
            (1, "cannot build missing derivation 'DRV'".into(), Cause::Infrastructure),
            (1, "writing to file: No space left on device".into(), Cause::Infrastructure),
            (100, "something that a later version says about 'DRV'".into(), Cause::StepFailed),
            (1, "database is busy".into(), Cause::Infrastructure),
        ] {
            assert_eq!(cause(exit, &error), expected, "{exit} {error}");
        }
        let silent = Failure { exit: None, errors: &[], drv: DRV };
        assert_eq!(silent.cause(), Cause::Infrastructure);
    }

    #[test]
    fn what_later_versions_say_is_told_apart() {
        for (exit, error, expected) in [
            (100, "Cannot build 'DRV'.\nReason: builder failed with exit code 1.", Cause::StepFailed),
            (
                100,
                "Cannot build 'DRV'.\nReason: 1 dependency failed.\nOutput paths:",
                Cause::DependencyFailed,
            ),
            (
                1,
                "Cannot build 'DRV'.\nReason: required system or feature not available",
                Cause::UnsupportedSystem,
            ),
            (
                1,
                "Cannot build 'DRV'.\nReason: builder failed to produce output path for output 'out'",
                Cause::OutputMissing,
            ),
        ] {
            assert_eq!(cause(exit, error), expected, "{error}");
        }
    }

    #[test]
    fn a_failure_of_another_derivation_is_a_dependency_s() {
        let errors = [
            "builder for '/nix/store/9-dep.drv' failed with exit code 3".to_owned(),
            format!("1 dependencies of derivation '{DRV}' failed to build"),
        ];
        for errors in [&errors[..], &errors[..1], &errors[1..]] {
            let failure = Failure { exit: Some(100), errors, drv: DRV };
            assert_eq!(failure.cause(), Cause::DependencyFailed, "{errors:?}");
            assert_eq!(failure.exit_of_builder(), 100);
        }
    }

    #[test]
    fn a_name_that_speaks_of_dependencies_says_nothing() {
        let drv = "/nix/store/0c1-dependency-check-9.0.drv";
        for (exit, error, expected) in [
            (100, format!("builder for '{drv}' failed with exit code 1"), Cause::StepFailed),
            (
                100,
                format!(
                    "Cannot build '{drv}'.\nReason: builder failed with exit code 1.\nOutput paths:\n  /nix/store/0-dependency-check"
                ),
                Cause::StepFailed,
            ),
            (100, format!("1 dependencies of derivation '{drv}' failed to build"), Cause::DependencyFailed),
        ] {
            let errors = [error];
            let failure = Failure { exit: Some(exit), errors: &errors, drv };
            assert_eq!(failure.cause(), expected, "{errors:?}");
        }
    }

    #[test]
    fn the_builder_s_exit_code_is_found() {
        let errors = [format!("builder for '{DRV}' failed with exit code 3;\n last 10 log lines")];
        assert_eq!(Failure { exit: Some(100), errors: &errors, drv: DRV }.exit_of_builder(), 3);
        let errors = [format!("builder for '{DRV}' failed due to signal 11 (Segmentation fault)")];
        assert_eq!(Failure { exit: Some(100), errors: &errors, drv: DRV }.exit_of_builder(), 139);
        assert_eq!(Failure { exit: Some(1), errors: &[], drv: DRV }.exit_of_builder(), 1);
    }
}
