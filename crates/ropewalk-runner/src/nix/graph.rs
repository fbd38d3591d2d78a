//! What has to be built for some derivations.

use super::Tools;
use super::cell::Spec;
use super::derivation::{DerivationFile, SIZE};
use super::overseer::Overseer;
use super::realised::Reader;
use super::roots;
use super::run::{Allowance, Call, Ran, RunError, run, text};
use super::sizes::{ANSWER, AT_ONCE, Sizes};
use crate::supervisor::Stop;
use ropewalk_model::nix::Derivation;
use ropewalk_model::status::Cause;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of paths that one call is asked about.
const MAX_ASKED: usize = 512 << 10;
/// Bytes of its answer.
const MAX_OUTPUT: usize = 4 << 20;
/// Valid derivations whose outputs are asked about at once.
const DERIVATIONS_AT_ONCE: usize = 200;
/// Derivations of one evaluation.
const MAX_DERIVATIONS: usize = 1_000_000;
/// Bytes of what is kept of all of them: names, paths, features.
const MAX_KEPT: usize = 1 << 30;

/// Reads a derivation of the store; none if the path is no such thing.
pub(crate) fn read_drv(tools: &Tools, path: &str) -> Option<DerivationFile> {
    let name = Path::new(path).strip_prefix(&tools.store).ok()?.to_str()?;
    if name.contains('/') || !name.ends_with(".drv") {
        return None;
    }
    let mut bytes = vec![];
    File::open(path).ok()?.take(SIZE).read_to_end(&mut bytes).ok()?;
    DerivationFile::read(&bytes)
}

/// A store path's name: what follows the hash.
pub(crate) fn name_of(path: &str) -> &str {
    let base = path.rsplit_once('/').map_or(path, |(_, base)| base);
    base.split_once('-').map_or(base, |(_, name)| name)
}

/// What is kept of a derivation while others are read. What its builder gets may be long, and there may be many.
struct Kept {
    outputs: BTreeMap<String, String>,
    inputs: BTreeMap<String, Vec<String>>,
    system: String,
    features: Vec<String>,
    is_fixed: bool,
}

impl Kept {
    fn of(drv: DerivationFile) -> Kept {
        let features = drv.features();
        let DerivationFile { outputs, inputs, system, is_fixed, .. } = drv;
        Kept { outputs, inputs, system, features, is_fixed }
    }

    fn bytes(&self) -> usize {
        let outputs = self.outputs.iter().map(|(name, path)| name.len() + path.len());
        let inputs =
            self.inputs.iter().map(|(path, names)| path.len() + names.iter().map(String::len).sum::<usize>());
        let words = self.features.iter().map(String::len);
        outputs.chain(inputs).chain(words).sum::<usize>() + self.system.len()
    }

    /// Paths of these outputs, where they are known; of all if none is named.
    fn paths(&self, names: &BTreeSet<String>) -> BTreeMap<String, String> {
        let wanted = self.outputs.iter().filter(|(name, _)| names.is_empty() || names.contains(*name));
        let known = wanted.filter(|(_, path)| !path.is_empty());
        known.map(|(name, path)| (name.clone(), path.clone())).collect()
    }
}

/// Derivations that were read, and what has to be built of them.
#[derive(Default)]
struct Known {
    drvs: BTreeMap<String, Kept>,
    bytes: usize,
    /// Outputs that are not valid.
    invalid: BTreeSet<String>,
    /// Derivations that have to be built, with all that they need.
    needs: BTreeMap<String, BTreeSet<String>>,
}

/// Derivations, and which of their outputs somebody needs; none means all.
type Level = BTreeMap<String, BTreeSet<String>>;

impl Known {
    fn add(&mut self, tools: &Tools, level: &Level) -> Result<(), Stop> {
        for path in level.keys() {
            if self.drvs.contains_key(path) {
                continue;
            }
            let Some(drv) = read_drv(tools, path) else { continue };
            let kept = Kept::of(drv);
            self.bytes = self.bytes.saturating_add(path.len() + kept.bytes());
            self.drvs.insert(path.clone(), kept);
            if self.drvs.len() > MAX_DERIVATIONS || self.bytes > MAX_KEPT {
                let message = format_args!(
                    "the jobs need more than {MAX_DERIVATIONS} derivations, or such with more than {MAX_KEPT} bytes of \
                     names and paths"
                );
                return Err(Stop::new(Cause::StepFailed, message));
            }
        }
        Ok(())
    }

    /// Outputs of a level that were not found to be invalid yet.
    fn unsure(&self, level: &Level) -> BTreeSet<String> {
        let drvs = level.iter().filter_map(|(path, names)| Some(self.drvs.get(path)?.paths(names)));
        drvs.flat_map(BTreeMap::into_values).filter(|path| !self.invalid.contains(path)).collect()
    }

    /// Notes what of a level has to be built; answers what that needs.
    fn next(&mut self, level: &Level) -> Level {
        let mut next = Level::new();
        for (path, names) in level {
            let Some(drv) = self.drvs.get(path) else { continue };
            let must_build = drv.paths(names).values().any(|output| self.invalid.contains(output))
                || drv.outputs.values().any(String::is_empty);
            if !must_build || self.needs.contains_key(path) {
                continue;
            }
            self.needs.insert(path.clone(), drv.inputs.keys().cloned().collect());
            for (input, names) in &drv.inputs {
                next.entry(input.clone()).or_default().extend(names.iter().cloned());
            }
        }
        next
    }

    /// What was asked for, and what has to be built for it.
    fn described(&self, wanted: &BTreeSet<String>) -> BTreeMap<String, Derivation> {
        let chosen: BTreeSet<&String> = self.needs.keys().chain(wanted).collect();
        let described = chosen.into_iter().filter_map(|path| {
            let drv = self.drvs.get(path)?;
            let own = self.needs.get(path).into_iter().flatten();
            let derivation = Derivation {
                name: name_of(path).trim_end_matches(".drv").to_owned(),
                system: drv.system.clone(),
                needs: own.filter(|input| self.needs.contains_key(*input)).cloned().collect(),
                outputs: drv.paths(&BTreeSet::new()),
                features: drv.features.clone(),
                is_fixed: drv.is_fixed,
                realised: None,
            };
            Some((path.clone(), derivation))
        });
        described.collect()
    }
}

/// Asks the store.
pub(crate) struct Graph<'a> {
    pub(crate) tools: &'a Tools,
    /// A cell in which the store can be asked.
    pub(crate) cell: &'a Spec,
    pub(crate) until: Instant,
}

impl Graph<'_> {
    /// The derivations themselves and all that they need which is not valid yet. One that cannot be read is left out.
    pub(crate) fn needed(
        &self,
        overseer: &mut dyn Overseer,
        wanted: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Derivation>, Stop> {
        let mut read = Known::default();
        let mut level: Level = wanted.iter().map(|path| (path.clone(), BTreeSet::new())).collect();
        while !level.is_empty() {
            read.add(self.tools, &level)?;
            overseer.glance()?;
            let invalid = self.invalid(overseer, &read.unsure(&level))?;
            read.invalid.extend(invalid);
            level = read.next(&level);
        }
        let mut found = read.described(wanted);
        let valid = wanted.iter().filter(|path| !read.needs.contains_key(*path));
        let valid: Vec<String> = valid.cloned().collect();
        self.read_valid(overseer, &valid, &mut found)?;
        Ok(found)
    }

    /// Says what lies in the outputs of derivations that need not be built, and keeps them.
    fn read_valid(
        &self,
        overseer: &mut dyn Overseer,
        valid: &[String],
        found: &mut BTreeMap<String, Derivation>,
    ) -> Result<(), Stop> {
        for part in valid.chunks(DERIVATIONS_AT_ONCE) {
            let known: Vec<&Derivation> = part.iter().filter_map(|path| found.get(path)).collect();
            let outputs: Vec<String> = known.iter().flat_map(|drv| drv.outputs.values().cloned()).collect();
            if outputs.is_empty() {
                continue;
            }
            roots::add(self.tools, &outputs).map_err(|error| Stop::new(Cause::Infrastructure, error))?;
            // One that was collected in between is built again.
            let Some(sizes) = self.sizes(overseer, &outputs)? else { continue };
            for path in part {
                let Some(derivation) = found.get_mut(path) else { continue };
                let mut go_on = || overseer.glance();
                let mut reader = Reader { store: &self.tools.store, sizes: &sizes, go_on: &mut go_on };
                derivation.realised = Some(reader.read(&derivation.outputs)?);
            }
        }
        Ok(())
    }

    /// None if not all of them are valid.
    fn sizes(&self, overseer: &mut dyn Overseer, outputs: &[String]) -> Result<Option<Sizes>, Stop> {
        let mut sizes = Sizes::default();
        for part in outputs.chunks(AT_ONCE) {
            let question = Sizes::question(self.tools, part.iter().map(String::as_str));
            let ran = self.call(overseer, Call::of(&question, self.tools), ANSWER)?;
            if ran.code != 0 || sizes.add(self.tools, &ran.output).is_err() {
                return Ok(None);
            }
        }
        Ok(Some(sizes))
    }

    /// Those of the paths that are not valid.
    pub(crate) fn invalid(
        &self,
        overseer: &mut dyn Overseer,
        paths: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, Stop> {
        // What is not there cannot be valid; what is there may be half written.
        let (there, mut invalid): (BTreeSet<_>, BTreeSet<_>) =
            paths.iter().cloned().partition(|path| Path::new(path).symlink_metadata().is_ok());
        let mut part = vec![];
        let mut length = 0;
        for path in there {
            length += path.len() + 1;
            part.push(path);
            if length > MAX_ASKED {
                invalid.extend(self.ask(overseer, std::mem::take(&mut part))?);
                length = 0;
            }
        }
        if !part.is_empty() {
            invalid.extend(self.ask(overseer, part)?);
        }
        Ok(invalid)
    }

    fn ask(&self, overseer: &mut dyn Overseer, paths: Vec<String>) -> Result<Vec<String>, Stop> {
        let mut arguments = vec!["--check-validity".to_owned(), "--print-invalid".to_owned()];
        arguments.extend(paths);
        let program = self.tools.program("nix-store");
        let call = Call { program, arguments, environment: self.tools.environment() };
        let ran = self.call(overseer, call, MAX_OUTPUT)?;
        if ran.code != 0 {
            return Err(unanswered(ran.errors.trim()));
        }
        Ok(text(&ran.output).lines().map(String::from).collect())
    }

    fn call(&self, overseer: &mut dyn Overseer, call: Call, output: usize) -> Result<Ran, Stop> {
        let time = self.until.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
        match run(overseer, self.cell, call, Allowance { time, output }) {
            Ok(ran) => Ok(ran),
            Err(RunError::Stop(stop)) => Err(stop),
            Err(RunError::TimedOut) => Err(unanswered("it did not answer in time")),
            Err(RunError::TooMuch) => Err(unanswered("it says too much")),
        }
    }
}

fn unanswered(why: &str) -> Stop {
    Stop::new(Cause::Infrastructure, format_args!("cannot ask the store: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_follows_the_hash() {
        assert_eq!(name_of("/nix/store/abc-foo-1.0.drv"), "foo-1.0.drv");
        assert_eq!(name_of("odd"), "odd");
    }

    #[test]
    fn what_a_builder_gets_is_not_kept() {
        let text = "x".repeat(1 << 20);
        let environment =
            [("text".to_owned(), text), ("requiredSystemFeatures".to_owned(), "kvm".to_owned())];
        let inputs = [("/nix/store/b.drv".to_owned(), vec!["out".to_owned()])].into();
        let drv = DerivationFile { environment: environment.into(), inputs, ..DerivationFile::default() };
        let kept = Kept::of(drv);
        assert_eq!((kept.features.as_slice(), kept.bytes()), (&["kvm".to_owned()][..], 22));
    }
}
