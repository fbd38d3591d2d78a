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
        let mut found = BTreeMap::new();
        let mut drvs: BTreeMap<String, DerivationFile> = BTreeMap::new();
        // Which outputs of them somebody needs; of those that were asked for, all.
        let mut level: BTreeMap<String, BTreeSet<String>> =
            wanted.iter().map(|path| (path.clone(), BTreeSet::new())).collect();
        let mut invalid: BTreeSet<String> = BTreeSet::new();
        let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        while !level.is_empty() {
            for path in level.keys() {
                if !drvs.contains_key(path)
                    && let Some(drv) = read_drv(self.tools, path)
                {
                    drvs.insert(path.clone(), drv);
                }
            }
            if drvs.len() > MAX_DERIVATIONS {
                let message = format_args!("the jobs need more than {MAX_DERIVATIONS} derivations");
                return Err(Stop::new(Cause::StepFailed, message));
            }
            let outputs = level.iter().filter_map(|(path, names)| Some((drvs.get(path)?, names)));
            let outputs = outputs.flat_map(|(drv, names)| paths_of(drv, names));
            let unsure: BTreeSet<String> = outputs.filter(|path| !invalid.contains(path)).collect();
            invalid.extend(self.invalid(overseer, &unsure)?);
            let mut next: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (path, names) in &level {
                let Some(drv) = drvs.get(path) else { continue };
                let must_build = paths_of(drv, names).iter().any(|output| invalid.contains(output))
                    || drv.paths().len() < drv.outputs.len();
                if !must_build || needs.contains_key(path) {
                    continue;
                }
                needs.insert(path.clone(), drv.inputs.keys().cloned().collect());
                for (input, names) in &drv.inputs {
                    next.entry(input.clone()).or_default().extend(names.iter().cloned());
                }
            }
            level = next;
        }
        let chosen: BTreeSet<&String> = needs.keys().chain(wanted).collect();
        for path in chosen {
            let Some(drv) = drvs.get(path) else { continue };
            let own = needs.get(path).into_iter().flatten().filter(|input| needs.contains_key(*input));
            let derivation = Derivation {
                name: name_of(path).trim_end_matches(".drv").to_owned(),
                system: drv.system.clone(),
                needs: own.cloned().collect(),
                outputs: drv.paths(),
                features: drv.features(),
                is_fixed: drv.is_fixed,
                realised: None,
            };
            found.insert(path.clone(), derivation);
        }
        let valid: Vec<String> = wanted.iter().filter(|path| !needs.contains_key(*path)).cloned().collect();
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

/// Paths of these outputs; of all if none is named.
fn paths_of(drv: &DerivationFile, names: &BTreeSet<String>) -> Vec<String> {
    let wanted = drv.outputs.iter().filter(|(name, _)| names.is_empty() || names.contains(*name));
    wanted.map(|(_, path)| path.clone()).filter(|path| !path.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_follows_the_hash() {
        assert_eq!(name_of("/nix/store/abc-foo-1.0.drv"), "foo-1.0.drv");
        assert_eq!(name_of("odd"), "odd");
    }
}
