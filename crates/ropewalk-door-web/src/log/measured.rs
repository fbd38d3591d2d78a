//! How long parts of a large stored log take to open: as the file of a running build and as the blob of an ended one.
//!
//! `make measure-log` does so with 1 GiB and prints the times beside what `wc -l` and `cat` take for the same file. The
//! ordinary tests do the same with less, for what the pages hold.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

use super::clock::Clock;
use super::search::search;
use super::tests::farm_with;
use super::window::{Wanted, read};
use crate::pages::job::lines::Pen;
use crate::terminal::Terminal;
use async_trait::async_trait;
use ropewalk_core::port::{BlobRef, Landmark, Logs, StoreError, SystemClock};
use ropewalk_model::ids::{AttemptId, JobId};
use ropewalk_model::link::{LogFile, LogName};
use ropewalk_store::{Chapter, Contents, DiskBlobs, DiskLogs, LogIndex, SqlStore};
use std::future::Future;
use std::io::Write;
use std::path::Path;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// MiB of the log.
const VARIABLE: &str = "ROPEWALK_LOG_MIB";
const USUAL: u64 = 4;
/// What is measured of other programs is of no use.
const IS_FAST: bool = !cfg!(debug_assertions);
const ATTEMPT: AttemptId = AttemptId(1);
const TEXT: LogFile = LogFile::Text(LogName::Setup);

/// One attempt; its log may have become a blob.
#[derive(Default)]
struct Index(Mutex<Option<BlobRef>>);

#[async_trait]
impl LogIndex for Index {
    async fn contents(&self, _: JobId, file: LogFile) -> Result<Contents, StoreError> {
        let blob = self.0.lock().unwrap().clone().filter(|_| file == TEXT);
        let complete = blob.is_some();
        Ok(Contents { chapters: vec![Chapter { attempt: ATTEMPT, blob }], complete })
    }
    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
    async fn ended(&self, _: AttemptId) -> Result<bool, StoreError> {
        Ok(false)
    }
    async fn keep(&self, _: AttemptId, _: Vec<(LogFile, BlobRef)>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The line with this number, from 1: as tools write, and none is like another.
fn line(number: u64) -> String {
    let noise = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("\x1b[32m   Compiling\x1b[0m part_{number} v1.{}.{} ({noise:016x})\n", number % 7, number % 31)
}

/// Writes so many bytes in whole lines; answers how many lines.
fn write(path: &Path, bytes: u64) -> u64 {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(path).unwrap());
    let (mut written, mut lines) = (0, 0);
    while written < bytes {
        let line = line(lines + 1);
        file.write_all(line.as_bytes()).unwrap();
        (written, lines) = (written + line.len() as u64, lines + 1);
    }
    file.flush().unwrap();
    lines
}

fn floor(program: &str, argument: &str, path: &Path) -> Duration {
    let started = Instant::now();
    let mut command = Command::new(program);
    command.arg(argument).arg(path).stdout(Stdio::null());
    assert!(command.status().unwrap().success());
    started.elapsed()
}

#[tokio::test]
async fn a_stored_log_opens_anywhere_whatever_its_size() {
    let mib = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(USUAL);
    let is_measured = mib > USUAL;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("logs").join(ATTEMPT.to_string()).join("setup");
    let total = write(&file, mib << 20);
    let say = |text: String| {
        if is_measured {
            println!("{text}");
        }
    };
    say(format!(
        "a log of {mib} MiB, {total} lines; this program is {}:",
        if IS_FAST { "optimised" } else { "not optimised" }
    ));
    say(format!("{:>9.3?}  wc -l", floor("wc", "-l", &file)));
    say(format!("{:>9.3?}  cat > /dev/null", floor("cat", "-u", &file)));

    let url = format!("sqlite:{}", folder.path().join("db").display());
    let store = SqlStore::open(&url, Arc::new(SystemClock)).await.unwrap();
    let blobs = DiskBlobs::open(&folder.path().join("blobs"), store).await.unwrap();
    let index = Arc::new(Index::default());
    let logs = DiskLogs::open(&folder.path().join("logs"), Arc::new(blobs), index.clone()).await.unwrap();
    let bench = farm_with(Arc::new(logs.clone())).await;
    for form in ["file of a running build", "blob of an ended build"] {
        if form.starts_with("blob") {
            let started = Instant::now();
            let sealed = logs.seal(ATTEMPT).await.unwrap();
            say(format!("{:>9.3?}  the file becomes a blob", started.elapsed()));
            *index.0.lock().unwrap() = Some(sealed[0].1.clone());
            logs.discard(ATTEMPT).await.unwrap();
        }
        for (what, wanted, first) in [
            ("end (first look: a running file's lines are counted)", Wanted::Tail(512 << 10), None),
            ("end", Wanted::Tail(512 << 10), None),
            ("start", Wanted::From(1), Some(1)),
            ("middle", Wanted::From(total / 2), Some(total / 2)),
        ] {
            let started = Instant::now();
            let window = read(&bench.farm, bench.open, wanted, 2000, 512 << 10).await.unwrap();
            let clock = Clock::of(&bench.farm, bench.open, &window).await.unwrap();
            let terminal = Terminal::default();
            let mut pen = Pen { anchor: "setup", page: "/p", raw: "/r", clock: &clock, terminal };
            let html = pen.write(&window.lines, None).0;
            let took = started.elapsed();
            say(format!("{took:>9.3?}  {form}: {what}, as a page"));
            assert_eq!(window.total(), total);
            let number = window.lines[0].number;
            assert!(first.is_none_or(|first| first == number), "{number}");
            assert_eq!(window.lines[0].bytes, line(number).trim_end().as_bytes());
            assert!(
                first.is_some() || window.lines.last().unwrap().number == total || window.lines.len() == 2000
            );
            assert!(html.contains(&format!("part_{number} v1")));
            assert!(!is_measured || !IS_FAST || took < Duration::from_secs(1), "{what} took {took:?}");
        }
        let needle = format!("part_{} ", total - 5);
        let (mut from, mut parts, mut hits) = (Landmark::default(), vec![], vec![]);
        loop {
            let started = Instant::now();
            let found = search(&bench.farm, bench.open, &needle, from).await.unwrap();
            parts.push(started.elapsed());
            hits.extend(found.lines.into_iter().map(|(number, _)| number));
            match found.next {
                Some(next) => from = next,
                None => from.offset = mib << 20,
            }
            // A program that is not optimised would take minutes for the whole.
            if from.offset == mib << 20 || (is_measured && !IS_FAST) {
                break;
            }
        }
        assert!(from.offset < mib << 20 || hits == [total - 5]);
        let (all, longest) = (parts.iter().sum::<Duration>(), parts.iter().max().unwrap());
        let (answers, looked_at) = (parts.len(), from.offset >> 20);
        say(format!(
            "{all:>9.3?}  {form}: search in {looked_at} MiB, {answers} answers, the longest {longest:.3?}"
        ));
    }
}
