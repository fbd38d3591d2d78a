//! An evaluation, from its inputs to what has to be built.

use super::cell::Spec;
use super::graph::{Graph, name_of};
use super::input::{self, Fetch, Resolved, Rooted};
use super::overseer::Overseer;
use super::walk::{self, Record, Subject, Walked, name};
use super::{Tools, quote, roots};
use crate::supervisor::Stop;
use ipnet::IpNet;
use ropewalk_model::nix::{Derivation, Evaluation, EvaluationResult, Found, FoundJob, Input};
use ropewalk_model::status::Cause;
use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes of a file that the evaluator may write: what it copies into the store.
const MAX_FILE: u64 = 16 << 30;
/// Seconds of the longest evaluation, for limits beyond the clock's range.
const LONGEST: u64 = 365 * 86_400;

/// What of this machine an evaluation uses.
pub(crate) struct Machine<'a> {
    pub(crate) tools: &'a Tools,
    /// Folder of clones, below the data folder.
    pub(crate) clones: PathBuf,
    /// Private networks that repositories may lie in.
    pub(crate) allow: &'a [IpNet],
    /// Folders of this machine that everybody's jobsets may read.
    pub(crate) opened: &'a [PathBuf],
    /// A name that no other attempt of this machine has.
    pub(crate) attempt: String,
}

/// Carries out an evaluation.
pub(crate) fn evaluate(
    overseer: &mut dyn Overseer,
    machine: &Machine<'_>,
    evaluation: &Evaluation,
) -> Result<EvaluationResult, Stop> {
    let began = Instant::now();
    let limits = &evaluation.limits;
    let until = began + Duration::from_secs(limits.time.min(LONGEST));
    let expression = expression(evaluation)?;
    let cell = cell(machine.tools, limits.memory);
    let builds = evaluation.import_from_derivation && !geteuid().is_root();
    if evaluation.import_from_derivation && !builds {
        overseer.say(
            &"A runner that is root builds nothing while it evaluates: what imports from derivations fails",
        )?;
    }
    let mut fetch = Fetch {
        tools: machine.tools,
        cell: &cell,
        clones: machine.clones.clone(),
        allow: machine.allow,
        opened: machine.opened,
        limits,
        until,
        roots: Rooted::new(machine.tools.roots(), &machine.attempt),
    };
    input::sweep(&machine.clones, limits.clones, Duration::from_secs(limits.clones_age));
    let resolved = input::resolve(overseer, &mut fetch, &evaluation.inputs)?;
    let mut result = EvaluationResult {
        hash: hash(evaluation, &resolved),
        inputs: resolved.iter().map(|(name, one)| (name.clone(), one.input.clone())).collect(),
        checkout_time: began.elapsed().as_secs(),
        evaluation_time: 0,
        found: None,
        store: Some(machine.tools.label()),
    };
    if evaluation.unless.as_ref() == Some(&result.hash) {
        overseer.say(&"Nothing has changed since the newest evaluation")?;
        return Ok(result);
    }
    let began = Instant::now();
    overseer.say(&format_args!("Evaluating {expression}"))?;
    let mut subject = Subject {
        tools: machine.tools,
        cell: Spec { builds, forks: builds, ..cell.clone() },
        arguments: arguments(&resolved),
        search: search(&resolved),
        expression,
        import_from_derivation: builds,
        limits,
        until,
    };
    let walked = walked(overseer, machine.tools, &mut subject)?;
    let graph = Graph { tools: machine.tools, cell: &cell, until };
    let found = found(overseer, &graph, walked)?;
    if found.jobs.len() + found.errors.len() > limits.jobs {
        let message = format_args!("the expression has more than {} jobs", limits.jobs);
        return Err(Stop::new(Cause::StepFailed, message));
    }
    result.evaluation_time = began.elapsed().as_secs();
    overseer.say(&format_args!(
        "{} jobs, {} errors, {} derivations in {:.1} s",
        found.jobs.len(),
        found.errors.len(),
        found.derivations.len(),
        began.elapsed().as_secs_f64()
    ))?;
    result.found = Some(found);
    Ok(result)
}

/// The search path's name of the expression.
fn expression(evaluation: &Evaluation) -> Result<String, Stop> {
    let Evaluation { expression_input: input, expression_path: path, .. } = evaluation;
    let refused =
        |why: &str| Err(Stop::new(Cause::SetupFailed, format_args!("the expression {path}: {why}")));
    match evaluation.inputs.get(input) {
        Some(Input::Git { .. } | Input::Path { .. } | Input::Build { .. }) => {}
        Some(_) => return refused(&format!("the input {input} holds no files")),
        None => return refused(&format!("there is no input {input}")),
    }
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if path.contains(char::is_control) || !Path::new(path).components().all(is_plain) {
        return refused("it must be relative, without `..`");
    }
    Ok(if path.is_empty() { input.clone() } else { format!("{input}/{path}") })
}

/// Where evaluators and the store's own programs run.
fn cell(tools: &Tools, memory: u64) -> Spec {
    let (readable, writable) = tools.places();
    Spec { readable, writable, memory, file: MAX_FILE, ..Spec::default() }
}

/// A set of all inputs, as Nix text.
fn arguments(resolved: &BTreeMap<String, Resolved>) -> String {
    let member = |(name, one): (&String, &Resolved)| format!("{} = {};\n", quote::text(name), one.argument);
    format!("{{\n{}}}\n", resolved.iter().map(member).collect::<String>())
}

fn search(resolved: &BTreeMap<String, Resolved>) -> Vec<(String, PathBuf)> {
    let place = |(name, one): (&String, &Resolved)| Some((name.clone(), one.search.clone()?));
    resolved.iter().filter_map(place).collect()
}

/// The same for the same expression and values of all inputs.
fn hash(evaluation: &Evaluation, resolved: &BTreeMap<String, Resolved>) -> String {
    let mut hash = Sha256::new();
    let head = [&evaluation.expression_input, &evaluation.expression_path];
    let arguments = resolved.iter().flat_map(|(name, one)| [name, &one.argument]);
    for text in head.into_iter().chain(arguments) {
        // With its length: no two lists of texts read the same.
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hex::encode(hash.finalize())
}

/// The jobs with what has to be built for them, kept in the store.
fn found(overseer: &mut dyn Overseer, graph: &Graph<'_>, walked: Walked) -> Result<Found, Stop> {
    let Walked { jobs: records, mut errors } = walked;
    let wanted: BTreeSet<String> = records.iter().map(|record| record.drv_path.clone()).collect();
    let derivations = graph.needed(overseer, &wanted)?;
    let mut jobs = vec![];
    for record in records {
        let own = name(&record.path);
        match usable(&own, &record, derivations.get(&record.drv_path)) {
            Ok(derivation) => jobs.push(job(own, record, derivation)),
            Err(text) => {
                walk::say_error(overseer, &own, &text)?;
                errors.push((own, text));
            }
        }
    }
    jobs.sort_by(|one, other| one.name.cmp(&other.name));
    errors.sort();
    Ok(Found { jobs, errors, derivations })
}

/// The derivation of a job that can be built, or why it cannot.
fn usable<'a>(own: &str, record: &Record, known: Option<&'a Derivation>) -> Result<&'a Derivation, String> {
    match known {
        _ if own.is_empty() => {
            Err("error: the expression is a derivation: put it into a set, under the name of the job".into())
        }
        None => Err(format!("error: {:?} is no derivation of the store", record.drv_path)),
        Some(derivation) if derivation.outputs.is_empty() => Err(
            "error: where its outputs lie is known only after the build (it is content-addressed, or needs such a \
             derivation), and such builds are not supported"
                .into(),
        ),
        Some(derivation) => Ok(derivation),
    }
}

fn job(own: String, record: Record, derivation: &Derivation) -> FoundJob {
    let meta = record.meta;
    let joined = |words: Option<Vec<String>>| words.filter(|words| !words.is_empty()).map(|w| w.join(", "));
    // To Nix, 0 would be no end.
    let seconds = |number: Option<i64>| {
        number.and_then(|number| u64::try_from(number).ok()).filter(|seconds| *seconds > 0)
    };
    let clamped = |number: i64| i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX });
    FoundJob {
        name: own,
        nix_name: name_of(&record.drv_path).trim_end_matches(".drv").to_owned(),
        system: derivation.system.clone(),
        outputs: derivation.outputs.clone(),
        description: meta.description,
        homepage: meta.homepage,
        license: joined(meta.license),
        maintainers: joined(meta.maintainers),
        priority: meta.priority.map(clamped),
        timeout: seconds(meta.timeout),
        max_silent: seconds(meta.max_silent),
        is_channel: meta.is_channel.unwrap_or(false),
        constituents: record.aggregate.and(record.constituents.or(Some(vec![]))),
        drv_path: record.drv_path,
    }
}

/// Finds the jobs, whose derivations are kept from being collected until whoever queues their builds does so.
fn walked(overseer: &mut dyn Overseer, tools: &Tools, subject: &mut Subject<'_>) -> Result<Walked, Stop> {
    let walked = walk::walk(overseer, subject)?;
    if keep(tools, &walked)? {
        return Ok(walked);
    }
    // Between the end of an evaluator and now nothing kept them. What is missing again was never there.
    overseer.say(&"Derivations were collected while others were evaluated: evaluating once more")?;
    let walked = walk::walk(overseer, subject)?;
    keep(tools, &walked)?;
    Ok(walked)
}

/// Keeps the derivations of jobs. False if one of them is not there.
fn keep(tools: &Tools, walked: &Walked) -> Result<bool, Stop> {
    let lies_in_store = |drv: &&String| {
        // An expression may call anything a derivation.
        let Ok(base) = Path::new(drv).strip_prefix(&tools.store) else { return false };
        base.components().count() == 1 && base.extension().is_some_and(|ending| ending == "drv")
    };
    let drvs: BTreeSet<&String> =
        walked.jobs.iter().map(|record| &record.drv_path).filter(lies_in_store).collect();
    roots::add(tools, drvs.iter().copied()).map_err(|error| Stop::new(Cause::Infrastructure, error))?;
    Ok(drvs.into_iter().all(|drv| Path::new(drv).symlink_metadata().is_ok()))
}
