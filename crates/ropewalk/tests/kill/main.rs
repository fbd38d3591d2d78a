//! `make test-kill`: the process is ended at every named point, on both databases, and nothing is lost or left.
//!
//! A short form runs with every `make test`; `ROPEWALK_KILL=all` visits every point on both engines.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests read what programs print")]
#![allow(clippy::print_stdout, reason = "test output")]

mod farm;
mod left;
mod manifests;

use farm::{Engine, Farm};
use left::{Before, assert_nothing_left};
use libtest_mimic::{Arguments, Failed, Trial};
use manifests::Story;
use ropewalk_model::fault::Point;
use sha2::{Digest, Sha256};
use strum::IntoEnumIterator;

fn main() {
    let all = std::env::var_os("ROPEWALK_KILL").is_some_and(|value| value == "all");
    let mut trials = vec![Trial::test("what_is_left_is_found", || {
        left::finds_an_orphan();
        Ok(())
    })];
    for (at, point) in Point::iter().filter(|point| !is_of_packages(*point)).enumerate() {
        for engine in [Engine::Sqlite, Engine::Postgres] {
            // The short form takes every point once; each engine gets points before a write and points after one.
            if all || ((at + at / 2) % 2 == 0) == (engine == Engine::Sqlite) {
                for visit in visits(point) {
                    let name = format!("{engine}::{point}:{visit}");
                    trials.push(Trial::test(name, move || ended_at(point, *visit, engine)));
                }
            }
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// No job visits it: the tests of package repositories do, by their own requests.
fn is_of_packages(point: Point) -> bool {
    let name = point.to_string();
    name.starts_with("publish-") || name.starts_with("unpublish-")
}

/// Visits at which a point is tried. Commits that share their points follow each other: the tables are brought up to
/// date, the runner is registered, then uses of the token and stored files are noted.
fn visits(point: Point) -> &'static [u32] {
    match point {
        Point::WriteBeforeCommit | Point::WriteAfterCommit => &[1, 2, 4],
        _ => &[1],
    }
}

/// A job is submitted to a server that ends at the point; what is started again must carry it to its one right end.
fn ended_at(point: Point, visit: u32, engine: Engine) -> Result<(), Failed> {
    let before = Before::look();
    let mut farm = Farm::new(engine)?;
    let mark = farm.mark_of_builds();
    let story = Story::about(point, &mark);
    farm.start(None);
    farm.stop();
    farm.start(Some((point, visit)));
    let job = farm.submit(&story.manifest);
    if story.cancels {
        farm.wait_for(job, |status| status == "running");
        farm.cancel(job);
    }
    let status = farm.wait_for(job, |status| !["pending", "queued", "running"].contains(&status));
    assert_eq!(status, story.ends, "{}", farm.show(job));
    farm.wait_for_empty_spool();
    assert!(farm.is_hit_at_last(), "{point}:{visit} was never visited: the test shows nothing");
    assert_eq!(farm.jobs(), 1, "a submission was made twice");
    let ends = farm.final_events(job);
    assert_eq!(ends, 1, "the job ended {ends} times");
    for (step, expected) in story.logs {
        let log = farm.log(job, step);
        let (last, earlier) = log.split_last().expect("split gives at least one part");
        assert_eq!(digest(last), digest(&expected), "log of {step}:\n{last}");
        for part in earlier {
            assert!(expected.starts_with(part.as_str()), "log of {step}, an earlier attempt:\n{part}");
        }
        // The server's end loses nothing, so there is no second attempt.
        assert!(earlier.is_empty() || story.may_repeat, "a second attempt at {step}");
    }
    farm.stop();
    assert_nothing_left(farm.folder(), &mark, &before);
    Ok(())
}

/// Length and SHA-256.
fn digest(log: &str) -> (usize, String) {
    (log.len(), hex::encode(Sha256::digest(log.as_bytes())))
}
