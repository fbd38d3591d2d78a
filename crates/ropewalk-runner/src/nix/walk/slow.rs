//! One attribute after another, by a worker that is started anew when one of them ends it.

use super::message::shown;
use super::record::{Looked, name};
use super::worker::{Answer, Worker};
use super::{MAX_WORDS, Subject, Walked, too_long, too_wordy};
use crate::nix::overseer::Overseer;
use crate::nix::quote;
use crate::supervisor::Stop;
use ropewalk_model::status::Cause;
use std::time::Duration;

/// Sets within each other.
const DEEPEST: usize = 64;
/// Bytes of the names that lead to an attribute, as Nix text.
const MAX_PATH: usize = 4096;
/// Variables of one worker: Nix has room for 32,768.
const MAX_VARIABLES: usize = 30_000;
/// Attributes that are looked at, for each job that there may be.
const LOOKS_PER_JOB: usize = 4;
/// Workers that may die in one evaluation.
const MAX_DEATHS: usize = 100;

/// The way to ask.
pub(super) struct Slow<'a> {
    pub(super) subject: &'a Subject<'a>,
    worker: Option<Worker>,
    /// Sets that the worker has variables for: each lies in the one before, the first in the root.
    bound: Vec<(String, usize)>,
    variables: usize,
    deaths: usize,
    /// Bytes that jobs and errors have said.
    words: usize,
}

/// What became of an attribute.
enum Outcome {
    Value(String),
    Error(String),
    /// The worker died or was ended; why.
    Fatal(Fatal),
}

/// Why a worker is gone.
enum Fatal {
    Time,
    Memory,
    Other(String),
}

impl<'a> Slow<'a> {
    pub(super) fn new(subject: &'a Subject<'a>) -> Slow<'a> {
        Slow { subject, worker: None, bound: vec![], variables: 0, deaths: 0, words: 0 }
    }

    /// Looks at everything.
    pub(super) fn visit_all(&mut self, overseer: &mut dyn Overseer, walked: &mut Walked) -> Result<(), Stop> {
        match self.ask(overseer, &[], &look(&[], "v0"))? {
            Outcome::Value(text) => {
                let paths = self.sort(overseer, vec![], &text, walked)?;
                self.visit(overseer, paths, walked)
            }
            Outcome::Error(said) => {
                Err(Stop::new(Cause::StepFailed, shown(&said, self.subject.limits.error)))
            }
            Outcome::Fatal(Fatal::Time) => Err(Stop::new(
                Cause::Timeout,
                format_args!(
                    "the expression itself took longer than {} s",
                    self.subject.limits.attribute_time
                ),
            )),
            Outcome::Fatal(Fatal::Memory) => Err(Stop::new(
                Cause::MemoryLimit,
                format_args!(
                    "the expression itself needs more than {} bytes of memory",
                    self.subject.limits.memory
                ),
            )),
            Outcome::Fatal(Fatal::Other(why)) => Err(Stop::new(Cause::StepFailed, why)),
        }
    }

    /// Looks at these attributes and at what is in them, in this order.
    pub(super) fn visit(
        &mut self,
        overseer: &mut dyn Overseer,
        mut paths: Vec<Vec<String>>,
        walked: &mut Walked,
    ) -> Result<(), Stop> {
        paths.reverse();
        let most = self.subject.limits.jobs.saturating_mul(LOOKS_PER_JOB);
        let mut looks = 0;
        while let Some(path) = paths.pop() {
            looks += 1;
            if looks > most {
                let message = format_args!("the expression has more than {most} attributes");
                return Err(Stop::new(Cause::StepFailed, message));
            }
            let within = self.look_at(overseer, path, walked)?;
            paths.extend(within.into_iter().rev());
            self.subject.too_many(walked)?;
        }
        Ok(())
    }

    /// Looks at one attribute; the paths of what is in it.
    fn look_at(
        &mut self,
        overseer: &mut dyn Overseer,
        path: Vec<String>,
        walked: &mut Walked,
    ) -> Result<Vec<Vec<String>>, Stop> {
        if path.len() > DEEPEST {
            let text = format!("error: more than {DEEPEST} sets lie within each other");
            fail(overseer, walked, &path, text)?;
            return Ok(vec![]);
        }
        let limits = self.subject.limits;
        let fresh = self.worker.as_ref().is_none_or(|worker| worker.asked == 0);
        let mut outcome = self.look_once(overseer, &path)?;
        // What the worker held of the attributes before was too much, not this one.
        if matches!(outcome, Outcome::Fatal(Fatal::Memory)) && !fresh {
            outcome = self.look_once(overseer, &path)?;
        }
        let text = match outcome {
            Outcome::Value(text) => return self.sort(overseer, path, &text, walked),
            Outcome::Error(said) => shown(&said, limits.error),
            Outcome::Fatal(Fatal::Time) => {
                format!("error: it took longer than {} s", limits.attribute_time)
            }
            Outcome::Fatal(Fatal::Memory) => {
                format!("error: it needs more than {} bytes of memory", limits.memory)
            }
            Outcome::Fatal(Fatal::Other(why)) => why,
        };
        self.hear(&text)?;
        fail(overseer, walked, &path, text)?;
        Ok(vec![])
    }

    fn look_once(&mut self, overseer: &mut dyn Overseer, path: &[String]) -> Result<Outcome, Stop> {
        match self.value(overseer, path)? {
            Some(value) => {
                let question = look(path, &value);
                self.ask(overseer, path, &question)
            }
            None => Ok(Outcome::Error(format!(
                "error: the names that lead here are longer than {MAX_PATH} bytes"
            ))),
        }
    }

    /// Puts what is said about an attribute where it belongs.
    fn sort(
        &mut self,
        overseer: &mut dyn Overseer,
        path: Vec<String>,
        text: &str,
        walked: &mut Walked,
    ) -> Result<Vec<Vec<String>>, Stop> {
        match serde_json::from_str(text) {
            Ok(Looked::Job(record)) => {
                self.hear(text)?;
                walked.jobs.push(*record);
            }
            Ok(Looked::Set { attributes }) => {
                let within = |name: String| path.iter().cloned().chain([name]).collect();
                return Ok(attributes.into_iter().map(within).collect());
            }
            Ok(Looked::Nothing {}) => {}
            Err(error) => {
                fail(overseer, walked, &path, format!("error: it says something odd about itself: {error}"))?;
            }
        }
        Ok(vec![])
    }

    /// Nix text of an attribute's value, once the sets that it lies in have variables. None if its names are too long.
    pub(super) fn value(
        &mut self,
        overseer: &mut dyn Overseer,
        path: &[String],
    ) -> Result<Option<String>, Stop> {
        if path.iter().map(|name| quote::text(name).len()).sum::<usize>() > MAX_PATH {
            return Ok(None);
        }
        let Some((last, sets)) = path.split_last() else { return Ok(Some("v0".into())) };
        if self.variables > MAX_VARIABLES {
            self.worker = None;
        }
        self.wake(overseer)?;
        let common = self.bound.iter().zip(sets).take_while(|((name, _), set)| name == *set).count();
        self.bound.truncate(common);
        for set in sets.iter().skip(common) {
            let within = self.innermost();
            self.variables += 1;
            let variable = self.variables;
            let value = attribute(within, set);
            if let Some(worker) = &mut self.worker {
                worker.bind(&format!("v{variable}"), &value);
            }
            self.bound.push((set.clone(), variable));
        }
        Ok(Some(attribute(self.innermost(), last)))
    }

    /// The variable of the set that was bound last.
    fn innermost(&self) -> usize {
        self.bound.last().map_or(0, |(_, variable)| *variable)
    }

    /// Asks the worker for a string; its value was made by [`Slow::value`].
    fn ask(&mut self, overseer: &mut dyn Overseer, path: &[String], question: &str) -> Result<Outcome, Stop> {
        let limits = self.subject.limits;
        let left = self.subject.left()?;
        let time = left.min(Duration::from_secs(limits.attribute_time));
        self.wake(overseer)?;
        let Some(worker) = self.worker.take() else {
            return Err(Stop::new(Cause::Infrastructure, "no evaluator is there"));
        };
        let (answer, worker) = worker.ask(overseer, question, time)?;
        self.worker = worker;
        Ok(match answer {
            Answer::Value(text) => Outcome::Value(text),
            Answer::Error(said) => Outcome::Error(said),
            Answer::TimedOut if time == left => return Err(too_long(limits)),
            Answer::TimedOut => Outcome::Fatal(self.died(path, Fatal::Time)?),
            Answer::Died { said, code } => {
                let fatal = why(&said, code, limits.error);
                Outcome::Fatal(self.died(path, fatal)?)
            }
        })
    }

    /// Asks something besides the attributes: the error is text.
    pub(super) fn question(
        &mut self,
        overseer: &mut dyn Overseer,
        path: &[String],
        question: &str,
    ) -> Result<Result<String, String>, Stop> {
        let limits = self.subject.limits;
        Ok(match self.ask(overseer, path, question)? {
            Outcome::Value(text) => Ok(text),
            Outcome::Error(said) => Err(shown(&said, limits.error)),
            Outcome::Fatal(Fatal::Time) => {
                Err(format!("error: it took longer than {} s", limits.attribute_time))
            }
            Outcome::Fatal(Fatal::Memory) => {
                Err(format!("error: it needs more than {} bytes of memory", limits.memory))
            }
            Outcome::Fatal(Fatal::Other(why)) => Err(why),
        })
    }

    /// Binds a variable of the worker that is there.
    pub(super) fn bind(&mut self, variable: &str, value: &str) {
        self.variables += 1;
        if let Some(worker) = &mut self.worker {
            worker.bind(variable, value);
        }
    }

    /// Counts what is kept.
    fn hear(&mut self, text: &str) -> Result<(), Stop> {
        self.words += text.len();
        if self.words > MAX_WORDS { Err(too_wordy()) } else { Ok(()) }
    }

    fn died(&mut self, path: &[String], why: Fatal) -> Result<Fatal, Stop> {
        self.deaths += 1;
        if self.deaths <= MAX_DEATHS {
            return Ok(why);
        }
        let name = name(path);
        let message =
            format_args!("more than {MAX_DEATHS} attributes ended the evaluator, the last is {name}");
        Err(Stop::new(Cause::StepFailed, message))
    }

    /// Makes sure that a worker is there that knows the root.
    fn wake(&mut self, overseer: &mut dyn Overseer) -> Result<(), Stop> {
        if self.worker.is_some() {
            return Ok(());
        }
        let mut call = self.subject.call("nix", &["repl", "--extra-experimental-features", "nix-command"]);
        // Its line editor has no settings but its own.
        call.environment.push(("INPUTRC".into(), "/dev/null".into()));
        let mut worker = Worker::start(overseer, &self.subject.cell, call)?;
        worker.bind("w", "import <ropewalk/walk>");
        worker.bind("a", "import <ropewalk/arguments>");
        worker.bind("v0", &format!("w.auto a ({})", self.subject.root()));
        self.worker = Some(worker);
        self.bound.clear();
        self.variables = 0;
        Ok(())
    }
}

/// Nix text of an attribute of the set that a variable stands for.
fn attribute(within: usize, name: &str) -> String {
    format!("w.auto a (v{within}.{})", quote::text(name))
}

/// The question what is there.
fn look(path: &[String], value: &str) -> String {
    let path = quote::list(path.iter().map(String::as_str));
    format!("builtins.toJSON (w.look {path} ({value}))")
}

/// Why an evaluator died, from its last words.
fn why(said: &str, code: i32, most: usize) -> Fatal {
    /// 128 + SIGKILL: what the kernel does when there is no memory left.
    const KILLED: i32 = 137;
    let lower = said.to_lowercase();
    if lower.contains("stack overflow") {
        return Fatal::Other(shown(said, most));
    }
    if code == KILLED || lower.contains("out of memory") || lower.contains("bad_alloc") {
        return Fatal::Memory;
    }
    let said = shown(said, most);
    Fatal::Other(format!("error: the evaluator ended with {code}\n{said}").trim_end().to_owned())
}

/// Notes an error, in the log too.
fn fail(overseer: &mut dyn Overseer, walked: &mut Walked, path: &[String], text: String) -> Result<(), Stop> {
    let name = name(path);
    super::say_error_after(overseer, walked.errors.len(), &name, &text)?;
    walked.errors.push((name, text));
    Ok(())
}
