//! Texts of projects and jobsets, and what may stand in them.

use super::{DECLARED, NixSettings};
use crate::error::Error;
use crate::port::{InputKind, JobsetFields, JobsetInput, ProjectFields};
use std::path::{Component, Path};

/// Bytes of a name.
const NAME_MAX: usize = 255;
/// Bytes of a text.
const TEXT_MAX: usize = 4096;
/// Bytes of an input's value.
const VALUE_MAX: usize = 16 << 10;
/// Inputs of a jobset.
const INPUTS_MAX: usize = 256;
/// Weight of a jobset.
const SHARES_MAX: i32 = 100_000;
/// Seconds between two looks at a jobset, and evaluations that are kept.
const NUMBER_MAX: i64 = i32::MAX as i64;

/// Passes names that a project can have: a letter or `_`, then letters, digits, `_` and `-`.
pub(super) fn project(name: &str) -> Result<(), Error> {
    match is_name(name, b"_-") {
        true => Ok(()),
        false => Err(wrong(name, "name a project: it takes a letter or _, then letters, digits, _ and -")),
    }
}

/// Passes names that a jobset can have: as a project's, and dots.
pub(super) fn jobset(name: &str) -> Result<(), Error> {
    match is_name(name, b"_-.") {
        true => Ok(()),
        false => Err(wrong(name, "name a jobset: it takes a letter or _, then letters, digits, _ - and .")),
    }
}

fn is_name(name: &str, others: &[u8]) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first
        && name.len() <= NAME_MAX
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}

fn is_input_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    first
        && name.len() <= NAME_MAX
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// A project's fields as they are kept.
pub(super) fn project_fields(fields: ProjectFields) -> Result<ProjectFields, Error> {
    let fields = ProjectFields {
        display_name: text("displayname", &fields.display_name)?,
        description: text("description", &fields.description)?,
        homepage: text("homepage", &fields.homepage)?,
        ..fields
    };
    if fields.display_name.is_empty() {
        return Err(Error::malformed("a project needs a display name").about("displayname"));
    }
    if let Some(declarative) = &fields.declarative {
        path("declarative", &declarative.file)?;
    }
    Ok(fields)
}

/// A jobset's fields as they are kept.
pub(super) fn jobset_fields(fields: JobsetFields) -> Result<JobsetFields, Error> {
    let fields = JobsetFields {
        description: text("description", &fields.description)?,
        mail_to: text("emailoverride", &fields.mail_to)?,
        expression_input: fields.expression_input.trim().into(),
        expression_path: fields.expression_path.trim().into(),
        ..fields
    };
    if !is_input_name(&fields.expression_input) {
        let what = "name the input of the expression: it takes a letter, then letters, digits, _ and -";
        return Err(wrong(&fields.expression_input, what).about("nixexprinput"));
    }
    path("nixexprpath", &fields.expression_path)?;
    if !(1..=SHARES_MAX).contains(&fields.shares) {
        let message = format!("scheduling shares are a number of 1 to {SHARES_MAX}");
        return Err(Error::malformed(message).about("schedulingshares"));
    }
    for (name, number) in [("checkinterval", fields.check_interval), ("keepnr", fields.keep)] {
        if !(0..=NUMBER_MAX).contains(&number) {
            return Err(Error::malformed(format!("{name} is a number of 0 to {NUMBER_MAX}")).about(name));
        }
    }
    if fields.inputs.len() > INPUTS_MAX {
        return Err(Error::malformed(format!("a jobset has at most {INPUTS_MAX} inputs")).about("inputs"));
    }
    let inputs = fields.inputs.into_iter().map(|(name, given)| Ok((name.clone(), input(&name, given)?)));
    let inputs = inputs.collect::<Result<_, Error>>()?;
    Ok(JobsetFields { inputs, ..fields })
}

/// An input as it is kept.
pub(super) fn input(name: &str, input: JobsetInput) -> Result<JobsetInput, Error> {
    if !is_input_name(name) {
        let what = "name an input: it takes a letter, then letters, digits, _ and -";
        return Err(wrong(name, what).about("inputs"));
    }
    let value = match input.kind {
        InputKind::String => input.value,
        _ => input.value.trim().into(),
    };
    if value.len() > VALUE_MAX || value.contains('\0') {
        let message = format!("the input {name} is longer than {VALUE_MAX} bytes or holds a NUL");
        return Err(Error::malformed(message).about("inputs"));
    }
    let is_right = match input.kind {
        InputKind::Boolean => value == "true" || value == "false",
        InputKind::Eval => is_evaluation(&value),
        InputKind::Build => is_build(&value),
        InputKind::Path => value.starts_with('/') && !value.chars().any(char::is_whitespace),
        InputKind::Git => {
            let uri = value.split_ascii_whitespace().next().unwrap_or_default();
            // `ext::COMMAND` and the like are programs.
            let is_address = !uri.is_empty() && !uri.starts_with('-') && !uri.contains("::");
            is_address
                && !value.chars().any(char::is_control)
                && value.split_ascii_whitespace().skip(1).all(is_git_word)
        }
        InputKind::Nix => !value.is_empty(),
        InputKind::String => true,
    };
    match is_right {
        true => Ok(JobsetInput { value, ..input }),
        false => Err(Error::malformed(format!(
            "the value of the input {name} is no {}: {}",
            input.kind,
            syntax(input.kind)
        ))
        .about("inputs")),
    }
}

/// Passes branches, commits and the options that there are.
fn is_git_word(word: &str) -> bool {
    word.split_once('=').is_none_or(|(name, value)| name == "timeout" && value.parse::<u64>().is_ok())
}

fn syntax(kind: InputKind) -> &'static str {
    match kind {
        InputKind::Git => "write URI [BRANCH or COMMIT [deepClone]] [timeout=SECONDS]",
        InputKind::Path => "write an absolute path without blanks",
        InputKind::String => "write any text",
        InputKind::Boolean => "write true or false",
        InputKind::Nix => "write an expression",
        InputKind::Build => "write the number of a build, or [[PROJECT:]JOBSET:]JOB",
        InputKind::Eval => "write the number of an evaluation, PROJECT:JOBSET or PROJECT:JOBSET:JOB",
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<i64>().is_ok_and(|number| number > 0) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Passes names that a job can have: no blanks, nothing that cannot be seen.
fn is_job(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_MAX && !name.chars().any(|c| c.is_whitespace() || c.is_control())
}

fn is_evaluation(value: &str) -> bool {
    match value.splitn(3, ':').collect::<Vec<_>>().as_slice() {
        [number] => is_number(number),
        [of_project, of_jobset] => project(of_project).is_ok() && jobset(of_jobset).is_ok(),
        [of_project, of_jobset, job] => {
            project(of_project).is_ok() && jobset(of_jobset).is_ok() && is_job(job)
        }
        _ => false,
    }
}

fn is_build(value: &str) -> bool {
    let job = value.split_ascii_whitespace().next().unwrap_or_default();
    match job.splitn(3, ':').collect::<Vec<_>>().as_slice() {
        [job] => is_job(job),
        [of_jobset, job] => jobset(of_jobset).is_ok() && is_job(job),
        [of_project, of_jobset, job] => {
            project(of_project).is_ok() && jobset(of_jobset).is_ok() && is_job(job)
        }
        _ => false,
    }
}

/// A text without blanks around it.
fn text(name: &'static str, text: &str) -> Result<String, Error> {
    if text.len() > TEXT_MAX {
        return Err(Error::malformed(format!("{name} is longer than {TEXT_MAX} bytes")).about(name));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\r' && c != '\t') {
        return Err(Error::malformed(format!("{name} holds a control character")).about(name));
    }
    Ok(text.trim().into())
}

/// Passes relative paths that lead nowhere else.
fn path(field: &'static str, path: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-+._$:/".contains(&byte);
    let parts = || path.split('/');
    let is_path = !path.is_empty()
        && path.len() <= TEXT_MAX
        && path.bytes().all(plain)
        && parts().all(|part| !part.is_empty() && part != "..");
    match is_path {
        true => Ok(()),
        false => Err(wrong(
            path,
            "be the path of a file in an input: it is relative, without .., of letters, digits and - + . _ $ :",
        )
        .about(field)),
    }
}

/// Passes jobsets that people may make and change themselves.
pub(super) fn not_declared(name: &str) -> Result<(), Error> {
    match name == DECLARED {
        true => Err(wrong(name, "be changed: it belongs to the project's file of jobsets")),
        false => jobset(name),
    }
}

fn wrong(text: &str, what: &str) -> Error {
    let shown: String = text.chars().take(NAME_MAX).collect();
    Error::malformed(format!("{shown:?} cannot {what}"))
}

/// Whether an input is read from the runner's own machine.
pub fn is_local(kind: InputKind, value: &str) -> bool {
    path_of_local(kind, value).is_some()
}

/// The path on the runner's machine that an input is read from; none if it comes from elsewhere.
pub fn path_of_local(kind: InputKind, value: &str) -> Option<String> {
    let uri = value.split_ascii_whitespace().next().unwrap_or_default();
    match kind {
        InputKind::Path => Some(uri.into()),
        InputKind::Git => {
            let is_file = uri.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("file:"));
            // Git takes for a path what is neither an address nor `HOST:PATH`.
            let is_path =
                !uri.contains("://") && uri.split('/').next().is_none_or(|word| !word.contains(':'));
            match (is_file, is_path) {
                (true, _) => uri.get(5..).map(|rest| rest.trim_start_matches("//").into()),
                (false, true) => Some(uri.into()),
                (false, false) => None,
            }
        }
        _ => None,
    }
}

/// Whether everybody's jobsets may read this path.
pub(super) fn is_opened(path: &str, settings: &NixSettings) -> bool {
    let path = Path::new(path);
    let is_plain = path.is_absolute() && path.components().all(|part| part != Component::ParentDir);
    is_plain && settings.local_inputs.iter().any(|folder| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn given(kind: InputKind, value: &str) -> Result<JobsetInput, Error> {
        input("src", JobsetInput { kind, value: value.into(), tells_committers: false })
    }

    #[test]
    fn names_are_identifiers() {
        for good in ["p", "_p", "P-1_x", &"x".repeat(255)] {
            assert!(project(good).is_ok() && jobset(good).is_ok(), "{good}");
        }
        for bad in ["", "9bad", "-a", "a b", "a/b", "é", ".jobsets", "a:b", &"x".repeat(256)] {
            assert!(project(bad).is_err() && jobset(bad).is_err(), "{bad}");
        }
        assert!(jobset("release-22.05").is_ok() && project("release-22.05").is_err());
    }

    #[test]
    fn a_path_stays_within_its_input() {
        for good in ["release.nix", "nix/a.nix", "a+b/$c:d"] {
            assert!(path("nixexprpath", good).is_ok(), "{good}");
        }
        for bad in ["", "/etc/passwd", "../x", "a/../b", "a/..", "a b", "a//b", "a;b", "a\n"] {
            assert!(path("nixexprpath", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_are_of_their_kind() {
        for (kind, value) in [
            (InputKind::Boolean, " true "),
            (InputKind::Eval, "12"),
            (InputKind::Eval, "p:j"),
            (InputKind::Eval, "p:j:a.b"),
            (InputKind::Build, "p:j:a.b"),
            (InputKind::Build, "7"),
            (InputKind::Build, "release-22.05:hello"),
            (InputKind::Git, "https://example.org/a.git main"),
            (InputKind::Git, "https://e.org/r main deep timeout=7"),
            (InputKind::Path, "/srv/x"),
            (InputKind::String, ""),
        ] {
            assert!(given(kind, value).is_ok(), "{kind} {value}");
        }
        for (kind, value) in [
            (InputKind::Boolean, "yes"),
            (InputKind::Eval, "a b"),
            (InputKind::Eval, "0"),
            (InputKind::Eval, "p:9"),
            (InputKind::Git, ""),
            (InputKind::Git, "--upload-pack=x"),
            (InputKind::Git, "ext::sh"),
            (InputKind::Git, "https://e.org/r main color=red"),
            (InputKind::Git, "https://e.org/r main timeout=soon"),
            (InputKind::Path, "srv"),
            (InputKind::Build, "9:hello"),
            (InputKind::Build, "release-22.05:j:hello"),
        ] {
            assert!(given(kind, value).is_err(), "{kind} {value}");
        }
        assert_eq!(given(InputKind::String, " a ").unwrap().value, " a ");
        assert_eq!(given(InputKind::Nix, " a ").unwrap().value, "a");
    }

    #[test]
    fn what_lies_on_the_runners_machine_is_known() {
        for (value, path) in [
            ("/srv/a.git main", Some("/srv/a.git")),
            ("file:///srv/a", Some("/srv/a")),
            ("FILE:/srv/a", Some("/srv/a")),
            ("a/b:c", Some("a/b:c")),
            ("https://example.org/a", None),
            ("git@example.org:a", None),
            ("ssh://example.org/a", None),
        ] {
            assert_eq!(path_of_local(InputKind::Git, value).as_deref(), path, "{value}");
        }
        let settings = NixSettings { local_inputs: vec!["/srv/git".into()], ..NixSettings::default() };
        assert!(is_opened("/srv/git/a", &settings) && is_opened("/srv/git", &settings));
        for closed in ["/srv/gitx", "/srv/git/../etc", "srv/git/a", "/"] {
            assert!(!is_opened(closed, &settings), "{closed}");
        }
    }

    proptest! {
        #[test]
        fn no_value_panics(value in "\\PC{0,40}") {
            for kind in [InputKind::Git, InputKind::Path, InputKind::Build, InputKind::Eval, InputKind::Boolean] {
                drop(given(kind, &value));
                drop(path_of_local(kind, &value));
            }
        }
    }
}
