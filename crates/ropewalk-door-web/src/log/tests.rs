//! Windows and search over logs that are computed, not stored: any size costs nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use super::search::search;
use super::window::{LINE_MAX, Wanted, line_start, read};
use async_trait::async_trait;
use proptest::prelude::*;
use ropewalk_core::farm::{Farm, Settings};
use ropewalk_core::logs::OpenLog;
use ropewalk_core::port::{
    BlobRef, LANDMARKS_EVERY, Landmark, LogRef, LogSlice, LogTime, Logs, Seek, StoreError, SystemClock,
};
use ropewalk_core::submit::Request;
use ropewalk_model::ids::AttemptId;
use ropewalk_model::job::Visibility;
use ropewalk_model::limits::RequestLimits;
use ropewalk_model::link::{LogFile, LogName, LogPiece};
use ropewalk_store::{DiskBlobs, SqlStore};
use ropewalk_testkit::farm::{settings, user};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a log holds.
enum Text {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many lines of 64 bytes each.
    Lines(u64),
}

const WIDTH: u64 = 64;

struct Computed {
    text: Text,
    /// Bytes that were read.
    read: AtomicU64,
}

impl Computed {
    fn size(&self) -> u64 {
        match &self.text {
            Text::Bytes(bytes) => bytes.len() as u64,
            Text::Lines(lines) => lines * WIDTH,
        }
    }

    fn bytes(&self, from: u64, to: u64) -> Vec<u8> {
        match &self.text {
            Text::Bytes(bytes) => bytes[from as usize..to as usize].to_vec(),
            Text::Lines(_) => {
                let whole: Vec<u8> = (from / WIDTH..to.div_ceil(WIDTH)).flat_map(line).collect();
                let start = (from % WIDTH) as usize;
                whole[start..start + (to - from) as usize].to_vec()
            }
        }
    }

    fn newlines(&self, before: u64) -> u64 {
        match &self.text {
            Text::Bytes(bytes) => {
                bytes[..before as usize].iter().filter(|byte| **byte == b'\n').count() as u64
            }
            Text::Lines(_) => before / WIDTH,
        }
    }
}

/// The line with this number, from 0: 63 characters and a newline.
fn line(number: u64) -> Vec<u8> {
    format!("{number:>62} \n").into_bytes()
}

#[async_trait]
impl Logs for Computed {
    async fn append(&self, _: &LogPiece) -> Result<u64, StoreError> {
        unreachable!("nothing is written here")
    }
    async fn seal(&self, _: AttemptId) -> Result<Vec<(LogFile, BlobRef)>, StoreError> {
        unreachable!("nothing is written here")
    }
    async fn discard(&self, _: AttemptId) -> Result<(), StoreError> {
        unreachable!("nothing is written here")
    }
    async fn tidy(&self) -> Result<usize, StoreError> {
        Ok(0)
    }
    async fn read(&self, _: LogRef, from: u64, length: usize) -> Result<LogSlice, StoreError> {
        let to = self.size().min(from.saturating_add(length as u64));
        let bytes = self.bytes(from.min(to), to);
        self.read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(LogSlice { bytes, size: self.size(), complete: true })
    }
    async fn landmark(&self, _: LogRef, seek: Seek) -> Result<Landmark, StoreError> {
        let near = match (seek, &self.text) {
            (Seek::Offset(offset), _) => offset.min(self.size()),
            (Seek::Newlines(newlines), Text::Lines(_)) => {
                (newlines * WIDTH).saturating_sub(1).min(self.size())
            }
            // A true one, however far: what is near is the store's to show.
            (Seek::Newlines(_), Text::Bytes(_)) => 0,
        };
        let offset = near / LANDMARKS_EVERY * LANDMARKS_EVERY;
        Ok(Landmark { offset, newlines: self.newlines(offset) })
    }
    async fn times(&self, _: LogRef, _: u64, _: u64) -> Result<Vec<LogTime>, StoreError> {
        Ok(vec![])
    }
    async fn grown(&self, _: LogRef, _: u64) {}
}

/// A farm with one job.
pub(super) struct Bench<L> {
    _folder: tempfile::TempDir,
    pub(super) farm: Farm,
    logs: Arc<L>,
    pub(super) open: OpenLog,
}

pub(super) async fn farm_with<L: Logs + 'static>(logs: Arc<L>) -> Bench<L> {
    farm_of(logs, RequestLimits::default()).await
}

async fn farm_of<L: Logs + 'static>(logs: Arc<L>, requests: RequestLimits) -> Bench<L> {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("db").display());
    let store = SqlStore::open(&url, Arc::new(SystemClock)).await.unwrap();
    let blobs = DiskBlobs::open(&folder.path().join("blobs"), store.clone()).await.unwrap();
    let settings = Settings { requests, ..settings() };
    let farm = Farm::new(Arc::new(store), logs.clone(), Arc::new(blobs), Arc::new(SystemClock), settings);
    let by = user(&farm, "ann", &[]).await;
    let request = Request {
        manifest: "image: host\ntasks: [{a: x}]".into(),
        note: None,
        tags: vec![],
        visibility: Visibility::Public,
        secrets: None,
        execute: true,
    };
    let job = farm.submit(&by, request).await.unwrap();
    let open = farm.open_log(&by, job.id, LogName::Setup).await.unwrap();
    Bench { _folder: folder, farm, logs, open }
}

impl Bench<Computed> {
    async fn new(text: Text) -> Bench<Computed> {
        farm_with(Arc::new(Computed { text, read: AtomicU64::new(0) })).await
    }

    /// Numbers of the lines that hold a text, and how many searches it took. A busy machine makes it more.
    async fn search(&self, needle: &str) -> (Vec<u64>, usize) {
        let (mut from, mut numbers, mut answers) = (Landmark::default(), vec![], 0);
        loop {
            let found = search(&self.farm, self.open, needle, from).await.unwrap();
            answers += 1;
            numbers.extend(found.lines.iter().map(|(number, _)| *number));
            match found.next {
                Some(next) => from = next,
                None => return (numbers, answers),
            }
        }
    }

    /// Numbers and texts of a window's lines.
    async fn lines(&self, wanted: Wanted, count: usize, bytes: u64) -> Vec<(u64, String)> {
        let window = read(&self.farm, self.open, wanted, count, bytes).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        window.lines.into_iter().map(|line| (line.number, text(line.bytes))).collect()
    }
}

#[tokio::test]
async fn a_log_of_a_gigabyte_opens_anywhere_in_less_than_a_second() {
    let total = (1 << 30) / WIDTH;
    let bench = Bench::new(Text::Lines(total)).await;
    for (wanted, first) in [
        (Wanted::From(1), 1),
        (Wanted::From(total / 2), total / 2),
        (Wanted::From(total - 10), total - 10),
        (Wanted::Tail(128 << 10), total - (128 << 10) / WIDTH + 1),
    ] {
        bench.logs.read.store(0, Ordering::Relaxed);
        let started = Instant::now();
        let window = read(&bench.farm, bench.open, wanted, 2000, 512 << 10).await.unwrap();
        let took = started.elapsed();
        assert_eq!((window.lines[0].number, window.newlines), (first, total), "{wanted:?}");
        assert_eq!(window.lines[0].bytes, line(first - 1)[..63], "{wanted:?}");
        let read = bench.logs.read.load(Ordering::Relaxed);
        assert!(read <= 5 << 20, "{wanted:?} read {read} bytes");
        assert!(took < Duration::from_secs(1), "{wanted:?} took {took:?}");
    }
    let start = line_start(&bench.farm, bench.open, 700_000_000).await.unwrap();
    assert_eq!(start, Landmark { offset: 700_000_000 / WIDTH * WIDTH, newlines: 700_000_000 / WIDTH });
}

#[tokio::test]
async fn a_window_begins_and_ends_where_it_was_asked_for() {
    let bench = Bench::new(Text::Bytes(b"one\ntwo\nthree\nfour".to_vec())).await;
    let all = [(1, "one".into()), (2, "two".into()), (3, "three".into()), (4, "four".into())];
    assert_eq!(bench.lines(Wanted::From(1), 10, 1000).await, all);
    assert_eq!(bench.lines(Wanted::From(2), 2, 1000).await, all[1..3]);
    assert_eq!(bench.lines(Wanted::From(5), 2, 1000).await, []);
    assert_eq!(bench.lines(Wanted::Tail(10), 10, 1000).await, all[2..]);
    // Line 3 does not begin within the last nine bytes; the last eleven begin with its newline.
    assert_eq!(bench.lines(Wanted::Tail(9), 10, 1000).await, all[3..]);
    assert_eq!(bench.lines(Wanted::Tail(11), 10, 1000).await, all[2..]);
    assert_eq!(bench.lines(Wanted::Tail(1000), 10, 1000).await, all);
    assert_eq!(bench.lines(Wanted::From(1), 10, 5).await.len(), 2);
    let window = read(&bench.farm, bench.open, Wanted::From(1), 10, 1000).await.unwrap();
    assert_eq!((window.total(), window.end, window.size), (4, 18, 18));
    assert!(!window.lines[3].is_whole && window.lines[2].is_whole);
}

#[tokio::test]
async fn a_line_without_an_end_is_cut() {
    let mut bytes = vec![b'x'; 3 << 20];
    bytes.extend(b"\nnext\n");
    let bench = Bench::new(Text::Bytes(bytes)).await;
    let window = read(&bench.farm, bench.open, Wanted::From(1), 10, 1 << 20).await.unwrap();
    let first = &window.lines[0];
    assert_eq!((first.bytes.len(), first.left_out), (LINE_MAX, (3 << 20) - LINE_MAX as u64));
    assert_eq!(window.lines[1].bytes, b"next");
    assert_eq!(bench.lines(Wanted::Tail(100), 10, 100).await, [(2, "next".into())]);
    let ended = Bench::new(Text::Bytes([vec![b'x'; 3 << 20], vec![b'\n']].concat())).await;
    let tail = read(&ended.farm, ended.open, Wanted::Tail(100), 10, 100).await.unwrap();
    assert_eq!((tail.lines[0].number, tail.lines[0].bytes.len()), (1, 99));
    let tail = read(&bench.farm, bench.open, Wanted::Tail(1 << 20), 10, 1 << 20).await.unwrap();
    assert_eq!(tail.lines[0].number, 2);
}

#[tokio::test]
async fn search_goes_through_the_whole_log_and_on_from_where_it_stopped() {
    let bench = Bench::new(Text::Lines(100_000)).await;
    assert_eq!(bench.search("54321").await.0, [54_322]);
    let expected: Vec<u64> =
        (0..100_000u64).filter(|n| n.to_string().contains("99")).map(|n| n + 1).collect();
    assert_eq!(bench.search("99").await.0, expected);
}

#[tokio::test]
async fn one_search_looks_at_so_many_bytes() {
    let logs = Arc::new(Computed { text: Text::Lines(100_000), read: AtomicU64::new(0) });
    let size = logs.size();
    let limits = RequestLimits { search_bytes: size / 10, ..RequestLimits::default() };
    let bench = farm_of(logs, limits).await;
    let first = search(&bench.farm, bench.open, "54321", Landmark::default()).await.unwrap();
    let next = first.next.unwrap();
    assert!(first.lines.is_empty() && next.offset <= size / 10 + LANDMARKS_EVERY, "{next:?} of {size}");
    let (found, answers) = bench.search("54321").await;
    assert!(found == [54_322] && answers > 5, "{found:?} in {answers}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_window_holds_the_very_lines_of_the_log(
        lines in prop::collection::vec("[a-z]{0,12}", 0..30),
        is_ended in any::<bool>(),
        from in 1..32u64,
        tail in 0..200u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let text = lines.join("\n") + if is_ended && !lines.is_empty() { "\n" } else { "" };
            let numbered: Vec<(u64, String)> = text.split_terminator('\n').enumerate()
                .map(|(at, line)| (at as u64 + 1, line.to_string())).collect();
            let bench = Bench::new(Text::Bytes(text.clone().into_bytes())).await;
            let window = bench.lines(Wanted::From(from), 5, 1000).await;
            let expected: Vec<_> = numbered.iter().skip(from as usize - 1).take(5).cloned().collect();
            assert_eq!(window, expected);
            let window = bench.lines(Wanted::Tail(tail), 100, 1000).await;
            // What is shown is the end of the log, in whole lines unless the last one is longer than was asked for.
            assert!(window.len() <= numbered.len());
            if let Some((number, _)) = window.first() {
                let rest = &numbered[*number as usize - 1..];
                assert_eq!(window.len(), rest.len());
                assert_eq!(&window[1..], &rest[1..]);
                assert!(rest[0].1.ends_with(&window[0].1));
            }
        });
    }
}
