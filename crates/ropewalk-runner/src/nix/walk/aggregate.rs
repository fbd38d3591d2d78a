//! Aggregates: jobs that consist of others, some of them known by their names only once all jobs are known.

use super::record::{Aggregate, Record, name};
use super::slow::Slow;
use super::{Walked, say_error_after};
use crate::nix::graph::read_drv;
use crate::nix::overseer::Overseer;
use crate::nix::quote;
use crate::supervisor::Stop;
use glob::Pattern;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of one part of a list of constituents, as Nix text.
const MAX_PART: usize = 8 << 10;

/// Replaces the derivation of each aggregate with named constituents by one that needs them, and leaves in
/// [`Record::constituents`] the names of all. One that cannot be had becomes an error.
pub(super) fn gather(
    overseer: &mut dyn Overseer,
    slow: &mut Slow<'_>,
    walked: &mut Walked,
) -> Result<(), Stop> {
    let index = Index::new(walked);
    let mut waiting = BTreeMap::new();
    let mut failed: BTreeMap<String, String> = BTreeMap::new();
    for record in &walked.jobs {
        let Some(aggregate) = &record.aggregate else { continue };
        let own = name(&record.path);
        match index.named(&own, aggregate) {
            Ok(named) => {
                waiting.insert(own, named);
            }
            Err(text) => {
                failed.insert(own, text);
            }
        }
    }
    let order = in_order(&waiting, &mut failed);
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (at, record) in walked.jobs.iter().enumerate() {
        places.insert(name(&record.path), at);
    }
    for own in order {
        let Some(named) = waiting.get(&own) else { continue };
        // One of them may have failed by now.
        if let Some(bad) = named.iter().find(|constituent| failed.contains_key(*constituent)) {
            failed.insert(own, format!("error: its constituent {bad} cannot be had"));
            continue;
        }
        let drvs = |constituent: &String| {
            let record = walked.jobs.get(*places.get(constituent)?)?;
            Some(record.drv_path.clone())
        };
        let drvs: Vec<String> = named.iter().filter_map(drvs).collect();
        let Some(record) = places.get(&own).and_then(|at| walked.jobs.get_mut(*at)) else { continue };
        let constituents = index.all(&own, record, named);
        if !drvs.is_empty() {
            match rewritten(overseer, slow, record, &drvs)? {
                Ok(drv_path) => record.drv_path = drv_path,
                Err(text) => {
                    failed.insert(own, text);
                    continue;
                }
            }
        }
        record.constituents = Some(constituents);
    }
    for (own, text) in failed {
        walked.jobs.retain(|record| name(&record.path) != own);
        say_error_after(overseer, walked.errors.len(), &own, &text)?;
        walked.errors.push((own, text));
    }
    Ok(())
}

/// Path of the derivation that needs these too.
fn rewritten(
    overseer: &mut dyn Overseer,
    slow: &mut Slow<'_>,
    record: &Record,
    drvs: &[String],
) -> Result<Result<String, String>, Stop> {
    let mut parts = vec![String::new()];
    for drv_path in drvs {
        let outputs = read_drv(slow.subject.tools, drv_path).map(|drv| drv.paths()).unwrap_or_default();
        let output = outputs.get_key_value("out").or_else(|| outputs.iter().next());
        let Some((output, path)) = output else {
            return Ok(Err(format!("error: the output of {drv_path} is not known before it is built")));
        };
        let [drv_path, output, path] = [drv_path, output, path].map(|text| quote::text(text));
        let item = format!("{{ drvPath = {drv_path}; output = {output}; outPath = {path}; }} ");
        match parts.last_mut() {
            Some(part) if part.len() + item.len() <= MAX_PART => part.push_str(&item),
            _ => parts.push(item),
        }
    }
    let Some(value) = slow.value(overseer, &record.path)? else {
        return Ok(Err("error: the names that lead here are too long".into()));
    };
    slow.bind("c", "[]");
    for part in parts {
        // Asked for, so that nothing piles up that nobody reads.
        slow.bind("p", &format!("[ {part}]"));
        slow.bind("l", "c");
        match slow.question(overseer, &record.path, "toString (builtins.length (l ++ p))")? {
            Ok(_) => {}
            Err(text) => return Ok(Err(text)),
        }
        slow.bind("c", "l ++ p");
    }
    slow.question(overseer, &record.path, &format!("w.gather ({value}) c"))
}

/// What there is by name and by derivation.
struct Index {
    names: BTreeSet<String>,
    /// Names of attributes that cannot be evaluated.
    failed: BTreeSet<String>,
    /// The shortest name, then the first, of the jobs with a derivation.
    by_drv: BTreeMap<String, String>,
}

impl Index {
    fn new(walked: &Walked) -> Index {
        let mut by_drv: BTreeMap<String, String> = BTreeMap::new();
        let mut names = BTreeSet::new();
        for record in &walked.jobs {
            let own = name(&record.path);
            let known = by_drv.entry(record.drv_path.clone()).or_insert_with(|| own.clone());
            if (own.len(), &own) < (known.len(), known) {
                known.clone_from(&own);
            }
            names.insert(own);
        }
        Index { names, failed: walked.errors.iter().map(|(name, _)| name.clone()).collect(), by_drv }
    }

    /// The jobs that the aggregate names, or what is wrong with each that is none.
    fn named(&self, own: &str, aggregate: &Aggregate) -> Result<BTreeSet<String>, String> {
        let (mut found, mut wrong) = (BTreeSet::new(), vec![]);
        for wanted in &aggregate.names {
            let pattern = aggregate.globs.then(|| Pattern::new(wanted)).and_then(Result::ok);
            let matches = |name: &&String| match &pattern {
                Some(pattern) => *name != own && pattern.matches(name),
                None => *name == wanted,
            };
            let bad: Vec<_> = self.failed.iter().filter(matches).collect();
            let good: Vec<_> = self.names.iter().filter(matches).cloned().collect();
            wrong.extend(bad.iter().map(|name| format!("its constituent {name} cannot be evaluated")));
            if bad.is_empty() && good.is_empty() {
                wrong.push(match pattern {
                    Some(_) => format!("no job matches its constituent {wanted}"),
                    None => format!("its constituent {wanted} is no job"),
                });
            }
            found.extend(good);
        }
        if wrong.is_empty() { Ok(found) } else { Err(format!("error: {}", wrong.join("\nerror: "))) }
    }

    /// The names of all jobs that it consists of.
    fn all(&self, own: &str, record: &Record, named: &BTreeSet<String>) -> Vec<String> {
        let referred = record.aggregate.iter().flat_map(|aggregate| &aggregate.derivations);
        let referred = referred.filter_map(|drv| self.by_drv.get(drv)).filter(|name| *name != own);
        referred.chain(named).cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Each after those that it names; those that need themselves are failures.
fn in_order(
    waiting: &BTreeMap<String, BTreeSet<String>>,
    failed: &mut BTreeMap<String, String>,
) -> Vec<String> {
    let mut order = vec![];
    let mut done = BTreeSet::new();
    let mut left: BTreeSet<&String> = waiting.keys().collect();
    while !left.is_empty() {
        let is_ready = |own: &&&String| {
            waiting.get(**own).is_none_or(|named| {
                named.iter().all(|name| done.contains(name) || !waiting.contains_key(name))
            })
        };
        let ready: Vec<&String> = left.iter().filter(is_ready).copied().collect();
        if ready.is_empty() {
            let names: Vec<_> = left.iter().map(|name| name.as_str()).collect();
            let text = format!("error: these aggregates need each other: {}", names.join(", "));
            failed.extend(left.iter().map(|name| ((*name).clone(), text.clone())));
            break;
        }
        for own in ready {
            left.remove(own);
            done.insert(own.clone());
            order.push(own.clone());
        }
    }
    order
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn job(name: &str, drv: &str, aggregate: Option<Aggregate>) -> Record {
        Record { path: vec![name.into()], drv_path: drv.into(), aggregate, ..Record::default() }
    }

    fn named(names: &[&str], globs: bool) -> Aggregate {
        let names = names.iter().map(ToString::to_string).collect();
        Aggregate { globs, names, derivations: vec!["/s/a.drv".into()] }
    }

    fn walked() -> Walked {
        let errors = vec![("broken".to_owned(), String::new())];
        let jobs = vec![
            job("chain2", "/s/a.drv", None),
            job("chain1", "/s/b.drv", None),
            job("z", "/s/a.drv", None),
            job("chains", "/s/c.drv", Some(named(&[], true))),
        ];
        Walked { jobs, errors }
    }

    #[test]
    fn names_and_patterns_become_jobs() {
        let index = Index::new(&walked());
        let found = index.named("chains", &named(&["chain*", "z"], true)).unwrap();
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), ["chain1", "chain2", "z"]);
        assert!(index.named("chains", &named(&["chain*"], false)).unwrap_err().contains("is no job"));
        assert!(index.named("chains", &named(&["q*"], true)).unwrap_err().contains("no job matches"));
        assert!(index.named("x", &named(&["broken"], false)).unwrap_err().contains("cannot be evaluated"));
    }

    #[test]
    fn a_derivation_stands_for_the_job_with_the_shortest_name() {
        let walked = walked();
        let index = Index::new(&walked);
        assert_eq!(index.all("chains", &walked.jobs[3], &BTreeSet::from(["chain1".into()])), ["chain1", "z"]);
    }

    #[test]
    fn aggregates_that_need_each_other_are_errors() {
        let sets = |pairs: &[(&str, &[&str])]| -> BTreeMap<String, BTreeSet<String>> {
            let set = |names: &[&str]| names.iter().map(ToString::to_string).collect();
            pairs.iter().map(|(name, named)| (name.to_string(), set(named))).collect()
        };
        let mut failed = BTreeMap::new();
        let order =
            in_order(&sets(&[("a", &["b"]), ("b", &["x"]), ("c", &["d"]), ("d", &["c"])]), &mut failed);
        assert_eq!(order, ["b", "a"]);
        assert_eq!(failed.keys().collect::<Vec<_>>(), ["c", "d"]);
    }
}
