#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use super::events::Writer;
use super::*;
use proptest::prelude::*;
use ropewalk_model::ids::{AttemptId, Fence, JobId, WorkId};
use ropewalk_model::link::{AttemptFact, LINK_VERSION};
use ropewalk_model::status::Cause;

const IDS: (WorkId, AttemptId, Fence) = (WorkId(3), AttemptId(7), Fence(2));

fn sealed() -> SealedPlan {
    SealedPlan { hash: "00".into(), json: "{}".into() }
}

fn spool() -> (tempfile::TempDir, Spool) {
    let folder = tempfile::tempdir().unwrap();
    let spool = create(folder.path(), IDS, Some(JobId(9)), &sealed(), Settings::default()).unwrap();
    (folder, spool)
}

fn step(step: u32) -> AttemptFact {
    AttemptFact::StepStarted { step }
}

#[test]
fn a_new_spool_tells_what_it_was_made_for() {
    let (folder, spool) = spool();
    let again = Spool::open(spool.path()).unwrap();
    assert_eq!((again.head.work, again.head.attempt, again.head.fence), IDS);
    assert_eq!((again.head.version, again.head.job), (LINK_VERSION, Some(JobId(9))));
    assert!(!again.head.is_of_another_boot());
    assert_eq!(again.plan().unwrap(), sealed());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(spool.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_spool_is_made_once() {
    let (folder, _spool) = spool();
    assert!(create(folder.path(), IDS, None, &sealed(), Settings::default()).is_err());
    // What was begun is gone, and the first is still whole.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(Spool::open(&folder.path().join("7-2")).unwrap().head.job, Some(JobId(9)));
}

#[test]
fn only_known_versions_are_opened() {
    let (_folder, spool) = spool();
    let path = spool.path().join("spool.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let with = |version: u32| {
        let head =
            text.replacen(&format!("\"version\":{LINK_VERSION}"), &format!("\"version\":{version}"), 1);
        std::fs::write(&path, head).unwrap();
        Spool::open(spool.path())
    };
    assert!(with(LINK_VERSION).is_ok() && with(LINK_VERSION - 1).is_ok());
    match with(LINK_VERSION + 1) {
        Err(SpoolError::Newer { found, .. }) => assert_eq!(found, LINK_VERSION + 1),
        other => panic!("{other:?}"),
    }
    // Even if nothing else of it is understood.
    std::fs::write(&path, r#"{"version":99,"all":"new"}"#).unwrap();
    assert!(matches!(Spool::open(spool.path()), Err(SpoolError::Newer { found: 99, .. })));
}

#[test]
fn the_lock_has_one_holder() {
    let (_folder, spool) = spool();
    let lock = spool.lock().unwrap();
    assert!(matches!(spool.lock(), Err(SpoolError::Busy { .. })));
    drop(lock);
    assert!(spool.lock().is_ok());
}

#[test]
fn orders_reach_a_listening_supervisor() {
    let (_folder, spool) = spool();
    assert!(!spool.ask_to_end(Cause::Cancelled).unwrap());
    let mut control = spool.control().unwrap();
    assert_eq!(control.read(), []);
    assert!(spool.ask_to_end(Cause::Cancelled).unwrap() && spool.ask_to_end(Cause::RunnerLost).unwrap());
    assert_eq!(control.read(), [Cause::Cancelled, Cause::RunnerLost]);
    std::fs::write(spool.path().join("control"), "nonsense\nend of\nend timeout\n").unwrap();
    assert_eq!(control.read(), [Cause::Timeout]);
}

#[test]
fn a_writer_goes_on_where_another_ended() {
    let (_folder, spool) = spool();
    Writer::open(&spool).unwrap().append(AttemptFact::Started, true).unwrap();
    let mut writer = Writer::open(&spool).unwrap();
    writer.append(step(0), false).unwrap();
    writer.keep_reserve().unwrap();
    writer.append(step(1), false).unwrap();
    let (lines, end) = spool.events_from(0).unwrap();
    assert_eq!(lines.iter().map(|l| l.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(lines[2].fact, step(1));
    assert_eq!(spool.events_from(end).unwrap(), (vec![], end));
    assert!(!spool.has_ended().unwrap());
}

#[test]
fn a_process_is_alive_until_it_is_not() {
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let init = Process::of(child.id().cast_signed()).unwrap();
    let (_folder, spool) = spool();
    spool.note_init(init).unwrap();
    assert!(spool.init().unwrap().is_alive());
    assert!(!Process { start: init.start + 1, ..init }.is_alive());
    Process { start: init.start + 1, ..init }.kill().unwrap();
    assert!(init.is_alive() && child.try_wait().unwrap().is_none());
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::STOP)
        .unwrap();
    init.kill().unwrap();
    child.wait().unwrap();
    assert!(!init.is_alive());
    init.kill().unwrap();
}

#[test]
fn a_noted_supervisor_counts_until_the_next_boot() {
    let (_folder, mut spool) = spool();
    assert_eq!(spool.supervisor(), None);
    spool.note_supervisor(100).unwrap();
    let noted = spool.supervisor().unwrap();
    assert!(noted.process.is_alive());
    assert!((90..=100).contains(&noted.remaining().as_secs()), "{:?}", noted.remaining());
    assert!(!noted.is_concluding);
    spool.note_conclusion().unwrap();
    assert_eq!(spool.supervisor(), Some(Supervisor { is_concluding: true, ..noted.clone() }));
    assert_eq!(Supervisor { deadline: 0, ..noted }.remaining().as_secs(), 0);
    spool.head.boot = "another".into();
    assert_eq!(spool.supervisor(), None);
}

#[test]
fn a_mark_begins_in_the_first_column() {
    let (_folder, spool) = spool();
    spool.append_mark("one\ntwo").unwrap();
    let path = spool.logs().join("setup.log");
    std::io::Write::write_all(&mut std::fs::File::options().append(true).open(&path).unwrap(), b"half")
        .unwrap();
    spool.append_mark("three").unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("[#9] 20") && lines[0].ends_with(" one two"), "{text}");
    assert_eq!(lines[1], "half");
    assert!(lines[2].starts_with("[#9] 20") && lines[2].ends_with(" three"), "{text}");
}

#[test]
fn only_a_spool_is_cleaned() {
    let folder = tempfile::tempdir().unwrap();
    let precious = folder.path().join(".new-or-not");
    for inner in [precious.join("layer"), folder.path().join("layer")] {
        std::fs::create_dir_all(inner).unwrap();
    }
    for path in [precious.as_path(), folder.path()] {
        assert!(matches!(super::clean(path), Err(SpoolError::Malformed { .. })));
        assert!(path.join("layer").exists());
    }
}

#[test]
fn a_mark_that_is_the_last_line_is_not_made_again() {
    let (_folder, spool) = spool();
    for mark in ["one", "one", "three", "three", "one"] {
        spool.append_mark(mark).unwrap();
    }
    let text = std::fs::read_to_string(spool.logs().join("setup.log")).unwrap();
    let words: Vec<_> = text.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(words, ["one", "three", "one"], "{text}");
}

#[test]
fn a_removed_spool_is_gone_and_half_a_one_is_swept() {
    let (folder, spool) = spool();
    std::fs::create_dir(folder.path().join(".new-1-1")).unwrap();
    spool.remove().unwrap();
    sweep_unfinished(folder.path(), Path::new("/no/such/program"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

proptest! {
    // Each case waits for the disk.
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever a crash leaves of the file, its whole lines count and the next writer goes on after them.
    #[test]
    fn a_torn_end_is_never_seen(count in 0u32..6, cut in 0usize..80, zeros in 0usize..20) {
        let (_folder, spool) = spool();
        let mut writer = Writer::open(&spool).unwrap();
        for position in 0..count {
            writer.append(step(position), false).unwrap();
        }
        let path = spool.path().join("events.jsonl");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.truncate(bytes.len().saturating_sub(cut));
        let whole = bytes.iter().filter(|byte| **byte == b'\n').count();
        bytes.extend(vec![0; zeros]);
        std::fs::write(&path, &bytes).unwrap();
        prop_assert_eq!(spool.events_from(0).unwrap().0.len(), whole);
        Writer::open(&spool).unwrap().append(AttemptFact::Started, true).unwrap();
        let (lines, end) = spool.events_from(0).unwrap();
        prop_assert_eq!(lines.len(), whole + 1);
        prop_assert!(lines.iter().zip(1..).all(|(line, number)| line.number == number));
        prop_assert_eq!(&lines[whole].fact, &AttemptFact::Started);
        let rest = &std::fs::read(&path).unwrap()[usize::try_from(end).unwrap()..];
        prop_assert!(rest.iter().all(|byte| *byte == 0), "{:?}", rest);
    }
}

#[test]
fn a_spool_with_a_layer_stays_and_a_removal_can_be_repeated() {
    let (folder, spool) = spool();
    std::fs::create_dir_all(spool.layer().join("upper")).unwrap();
    assert!(matches!(spool.clone().remove(), Err(SpoolError::Range { .. })));
    assert!(Spool::open(spool.path()).is_ok());
    std::fs::remove_dir_all(spool.layer()).unwrap();
    // As after a removal that failed when the spool had been renamed.
    std::fs::rename(spool.path(), folder.path().join(".new-7-2")).unwrap();
    spool.clone().remove().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    spool.remove().unwrap();
}

/// Blocks that the file has beyond what its length needs.
fn reserved(path: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let meta = path.metadata().unwrap();
    (meta.blocks() * 512).saturating_sub(meta.len())
}

#[test]
fn a_torn_end_costs_none_of_the_reserve() {
    let (_folder, spool) = spool();
    let path = spool.path().join("events.jsonl");
    assert!(reserved(&path) >= 32 << 10, "{}", reserved(&path));
    let mut writer = Writer::open(&spool).unwrap();
    writer.append(AttemptFact::Started, true).unwrap();
    let whole = path.metadata().unwrap().len();
    let torn = vec![b'x'; 5000];
    std::io::Write::write_all(&mut std::fs::File::options().append(true).open(&path).unwrap(), &torn)
        .unwrap();
    let before = reserved(&path);
    // No room is asked for anew: it would be there whether or not it was kept.
    let mut file = std::fs::File::options().write(true).open(&path).unwrap();
    super::events::blank(&mut file, whole).unwrap();
    assert_eq!(reserved(&path), before);
    assert_eq!(spool.events_from(0).unwrap().1, whole);
    Writer::open(&spool).unwrap().append(step(3), true).unwrap();
    let (lines, end) = spool.events_from(0).unwrap();
    assert_eq!((lines.len(), &lines[1].fact), (2, &step(3)));
    assert!(end < whole + 5000);
}
