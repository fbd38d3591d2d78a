//! What a person wrote about inputs, in the words of a plan.

use crate::nix::words::is_local;
use crate::port::{InputKind, Jobset, JobsetInput, Resolved, ResolvedBuild, Store, StoreError, Wanted};
use ropewalk_model::nix::Input;
use std::collections::BTreeMap;

/// Inputs by name.
pub(super) type Inputs = BTreeMap<String, Input>;

/// Seconds that fetching may take, unless the input says otherwise.
const FETCH_TIMEOUT: u64 = 600;

/// The inputs of a jobset; or why one of them cannot be had, for people.
pub(super) async fn inputs(store: &dyn Store, jobset: &Jobset) -> Result<Result<Inputs, String>, StoreError> {
    let mut inputs = Inputs::new();
    for (name, input) in &jobset.fields.inputs {
        let value = match input.kind {
            InputKind::Build | InputKind::Eval => looked_up(store, jobset, input).await?,
            _ => plain(input, jobset.is_trusted),
        };
        match value {
            Ok(value) => inputs.insert(name.clone(), value),
            Err(why) => return Ok(Err(format!("input {name}: {why}"))),
        };
    }
    Ok(Ok(inputs))
}

/// An input that says all by itself. `free`: paths may lie anywhere on the runner's machine.
fn plain(input: &JobsetInput, free: bool) -> Result<Input, String> {
    let value = input.value.clone();
    match input.kind {
        InputKind::Git => git(&value, free),
        InputKind::Path => {
            // Hydra lets a number of seconds follow, for which it looks at the path once; each evaluation looks here.
            let path = value.split_whitespace().next().unwrap_or_default();
            Ok(Input::Path { path: path.to_owned(), free })
        }
        InputKind::String => Ok(Input::String { value }),
        InputKind::Boolean => Ok(Input::Boolean { value: value == "true" }),
        InputKind::Nix => Ok(Input::Nix { value }),
        InputKind::Build | InputKind::Eval => Err("it has to be looked up".into()),
    }
}

/// `URI [BRANCH|COMMIT [DEEP]] [timeout=SECONDS]`; any third word without `=` asks for all history.
fn git(value: &str, free: bool) -> Result<Input, String> {
    let mut words = value.split_whitespace();
    let uri = words.next().ok_or("it names no repository")?.to_owned();
    let (mut plain, mut timeout) = (Vec::new(), FETCH_TIMEOUT);
    for word in words {
        match word.split_once('=') {
            Some(("timeout", seconds)) => {
                timeout = seconds.parse().map_err(|_| format!("{word} is no number of seconds"))?;
            }
            Some(_) => return Err(format!("the option {word} is not known: there is timeout=SECONDS")),
            None => plain.push(word.to_owned()),
        }
    }
    let mut plain = plain.into_iter();
    let (reference, deep) = (plain.next(), plain.next().is_some());
    Ok(Input::Git { local: is_local(InputKind::Git, &uri), uri, reference, deep, timeout, free })
}

/// An input that other builds made.
async fn looked_up(
    store: &dyn Store,
    jobset: &Jobset,
    input: &JobsetInput,
) -> Result<Result<Input, String>, StoreError> {
    let wanted = match wanted(jobset, input) {
        Ok(wanted) => wanted,
        Err(why) => return Ok(Err(why)),
    };
    let Some(Resolved { id, jobs }) = store.resolve(wanted).await? else {
        return Ok(Err(format!("there is nothing yet that {:?} names", input.value)));
    };
    if input.kind == InputKind::Eval {
        let jobs = jobs.into_iter().map(|(job, build)| (job, build.path)).collect();
        return Ok(Ok(Input::Eval { id, jobs }));
    }
    let Some(build) = jobs.into_values().next() else {
        return Ok(Err(format!("the build {id} made nothing that could be used")));
    };
    let ResolvedBuild { nix_name, drv_path, output_name, path } = build;
    Ok(Ok(Input::Build { id, path, drv_path, output_name, version: version(&nix_name) }))
}

/// What the text of an input names.
fn wanted(jobset: &Jobset, input: &JobsetInput) -> Result<Wanted, String> {
    let word = input.value.split_whitespace().next().unwrap_or_default();
    let mut parts = word.splitn(3, ':').map(String::from);
    let parts = (parts.next().filter(|part| !part.is_empty()), parts.next(), parts.next());
    let here = || (jobset.project_name.clone(), jobset.name.clone());
    match (input.kind, parts) {
        (InputKind::Build, (Some(one), None, _)) => Ok(match one.parse() {
            Ok(id) => Wanted::Build(id),
            Err(_) => {
                let (project, jobset) = here();
                Wanted::Job { project, jobset, job: one }
            }
        }),
        (InputKind::Build, (Some(jobset), Some(job), None)) => {
            Ok(Wanted::Job { project: here().0, jobset, job })
        }
        (InputKind::Build, (Some(project), Some(jobset), Some(job))) => {
            Ok(Wanted::Job { project, jobset, job })
        }
        (InputKind::Eval, (Some(one), None, _)) => {
            one.parse().map(Wanted::Evaluation).map_err(|_| format!("{one:?} is no evaluation's number"))
        }
        (InputKind::Eval, (Some(project), Some(jobset), job)) => Ok(Wanted::Newest { project, jobset, job }),
        _ => Err("it names nothing".into()),
    }
}

/// The part of a name after its first dash that a digit follows.
fn version(nix_name: &str) -> Option<String> {
    let dashes = nix_name.match_indices('-').map(|(at, _)| nix_name.get(at + 1..).unwrap_or_default());
    dashes.into_iter().find(|rest| rest.starts_with(|first: char| first.is_ascii_digit())).map(String::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::port::{JobsetFields, JobsetProgress};

    fn jobset() -> Jobset {
        Jobset {
            id: 1,
            project: 1,
            project_name: "p".into(),
            name: "j".into(),
            fields: JobsetFields::default(),
            is_trusted: false,
            progress: JobsetProgress::default(),
        }
    }

    fn input(kind: InputKind, value: &str) -> JobsetInput {
        JobsetInput { kind, value: value.into(), tells_committers: false }
    }

    #[test]
    fn hydra_60_git_inputs_have_a_branch_a_third_word_and_options() {
        let is = |value: &str| match git(value, true).unwrap() {
            Input::Git { uri, reference, deep, timeout, local, free: true } => {
                (uri, reference, deep, timeout, local)
            }
            other => panic!("{other:?}"),
        };
        let uri = || "https://e.org/r.git".to_string();
        assert_eq!(is("https://e.org/r.git"), (uri(), None, false, 600, false));
        assert_eq!(is("https://e.org/r.git main"), (uri(), Some("main".into()), false, 600, false));
        let all = "https://e.org/r.git main leaveDotGit timeout=7";
        assert_eq!(is(all), (uri(), Some("main".into()), true, 7, false));
        assert!(is("/srv/r.git").4 && is("file:///srv/r.git").4);
        for bad in ["u b timeout=x", "u b color=red", " "] {
            assert!(git(bad, true).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_what_an_administrator_saved_may_lie_anywhere_on_the_runners_machine() {
        for (kind, value) in [(InputKind::Path, "/srv/x"), (InputKind::Git, "/srv/x main")] {
            for trusted in [true, false] {
                let free = match plain(&input(kind, value), trusted).unwrap() {
                    Input::Path { free, .. } | Input::Git { free, local: true, .. } => free,
                    other => panic!("{other:?}"),
                };
                assert_eq!(free, trusted, "{kind}");
            }
        }
    }

    #[test]
    fn hydra_60_build_and_eval_inputs_name_things_here_or_elsewhere() {
        let job = |project: &str, jobset: &str, job: &str| Wanted::Job {
            project: project.into(),
            jobset: jobset.into(),
            job: job.into(),
        };
        let wanted = |kind, value: &str| wanted(&jobset(), &input(kind, value));
        assert_eq!(wanted(InputKind::Build, "17"), Ok(Wanted::Build(17)));
        assert_eq!(wanted(InputKind::Build, "hello"), Ok(job("p", "j", "hello")));
        assert_eq!(wanted(InputKind::Build, "k:hello"), Ok(job("p", "k", "hello")));
        assert_eq!(wanted(InputKind::Build, "q:k:hello"), Ok(job("q", "k", "hello")));
        assert_eq!(wanted(InputKind::Eval, "17"), Ok(Wanted::Evaluation(17)));
        let newest = |job: Option<&str>| Wanted::Newest {
            project: "q".into(),
            jobset: "k".into(),
            job: job.map(String::from),
        };
        assert_eq!(wanted(InputKind::Eval, "q:k"), Ok(newest(None)));
        assert_eq!(wanted(InputKind::Eval, "q:k:hello"), Ok(newest(Some("hello"))));
        assert!(wanted(InputKind::Eval, "hello").is_err() && wanted(InputKind::Build, "").is_err());
    }

    #[test]
    fn a_version_begins_with_a_digit() {
        assert_eq!(version("hello-world-2.10-rc1"), Some("2.10-rc1".into()));
        assert_eq!(version("hello"), None);
        assert_eq!(version("hello-"), None);
    }
}
