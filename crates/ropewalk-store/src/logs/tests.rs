//! Logs against a model of them, with an index and blobs in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use super::*;
use proptest::prelude::*;
use ropewalk_model::ids::{Fence, JobId};
use ropewalk_model::link::LogName;
use ropewalk_model::log_times::{HEADER, Note};
use ropewalk_model::time::Time;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;

const JOB: JobId = JobId(7);
const LOG: LogRef = LogRef { job: JOB, log: LogName::Step(3) };
const TEXT: LogFile = LogFile::Text(LOG.log);
const TIMES: LogFile = LogFile::Times(LOG.log);

/// What the database and the blobs would know.
#[derive(Default)]
struct Memory {
    contents: Mutex<Contents>,
    times: Mutex<HashMap<AttemptId, BlobRef>>,
    changes: watch::Sender<()>,
    blobs: Mutex<HashMap<String, Vec<u8>>>,
}

impl Memory {
    fn change(&self, change: impl FnOnce(&mut Contents)) {
        change(&mut self.contents.lock().unwrap());
        self.changes.send_replace(());
    }

    fn begin(&self, attempt: i64) {
        self.change(|contents| contents.chapters.push(Chapter { attempt: AttemptId(attempt), blob: None }));
    }
}

#[async_trait]
impl LogIndex for Memory {
    async fn contents(&self, _: JobId, file: LogFile) -> Result<Contents, StoreError> {
        let mut contents = self.contents.lock().unwrap().clone();
        if file == TIMES {
            let times = self.times.lock().unwrap();
            let of = |chapter: &mut Chapter| chapter.blob = times.get(&chapter.attempt).cloned();
            contents.chapters.iter_mut().for_each(of);
        }
        Ok(contents)
    }

    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut changes = self.changes.subscribe();
        Box::pin(async move { drop(changes.changed().await) })
    }

    async fn ended(&self, attempt: AttemptId) -> Result<bool, StoreError> {
        let contents = self.contents.lock().unwrap();
        let last = contents.chapters.last().is_some_and(|last| last.attempt == attempt);
        Ok(!last || contents.complete)
    }

    async fn keep(&self, attempt: AttemptId, logs: Vec<(LogFile, BlobRef)>) -> Result<(), StoreError> {
        self.change(|contents| {
            let chapter = contents.chapters.iter_mut().find(|chapter| chapter.attempt == attempt).unwrap();
            let blob = logs.into_iter().find(|(log, _)| *log == TEXT).map(|(_, blob)| blob);
            chapter.blob = chapter.blob.take().or(blob);
        });
        Ok(())
    }
}

#[async_trait]
impl Blobs for Memory {
    async fn put_file(&self, path: &Path) -> Result<BlobRef, StoreError> {
        let bytes = std::fs::read(path).expect("a log");
        let blob = BlobRef { sha256: format!("{:?}", bytes), size: bytes.len() as u64 };
        self.blobs.lock().unwrap().insert(blob.sha256.clone(), bytes);
        Ok(blob)
    }

    async fn read(&self, blob: &BlobRef, from: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let blobs = self.blobs.lock().unwrap();
        Ok(blobs[&blob.sha256].iter().skip(from as usize).take(length).copied().collect())
    }

    async fn landmark(&self, blob: &BlobRef, seek: Seek) -> Result<Landmark, StoreError> {
        let blobs = self.blobs.lock().unwrap();
        let mut lines = lines::Lines::default();
        lines.note(0, &blobs[&blob.sha256]);
        Ok(lines.landmark(seek))
    }

    async fn renew(&self, _: &BlobRef) -> Result<bool, StoreError> {
        unreachable!("logs are put, never renewed")
    }

    async fn collect(&self, _: std::time::Duration) -> Result<usize, StoreError> {
        unreachable!("logs are never removed here")
    }
}

struct Bench {
    folder: tempfile::TempDir,
    memory: Arc<Memory>,
    logs: DiskLogs,
}

impl Bench {
    async fn new() -> Bench {
        let (folder, memory) = (tempfile::tempdir().unwrap(), Arc::new(Memory::default()));
        memory.begin(1);
        let logs = open(folder.path(), &memory).await;
        Bench { folder, memory, logs }
    }

    /// As the next run of the program finds it.
    async fn reopen(&mut self) {
        self.logs = open(self.folder.path(), &self.memory).await;
    }

    async fn append(&self, attempt: i64, offset: u64, bytes: &[u8]) -> Result<u64, StoreError> {
        self.logs.append(&piece(attempt, offset, bytes)).await
    }

    async fn read_all(&self) -> LogSlice {
        self.logs.read(LOG, 0, 1 << 20).await.expect("the log")
    }

    /// What [`ropewalk_core::port::Queue::finish`] does with the sealed logs.
    async fn finish(&self, attempt: i64) {
        let sealed = self.logs.seal(AttemptId(attempt)).await.expect("sealed");
        self.memory.change(|contents| {
            let chapter = contents.chapters.iter_mut().find(|chapter| chapter.attempt.0 == attempt).unwrap();
            chapter.blob = sealed.into_iter().find(|(log, _)| *log == TEXT).map(|(_, blob)| blob);
        });
    }
}

async fn open(folder: &Path, memory: &Arc<Memory>) -> DiskLogs {
    DiskLogs::open(&folder.join("logs"), memory.clone(), memory.clone()).await.expect("logs")
}

fn piece(attempt: i64, offset: u64, bytes: &[u8]) -> LogPiece {
    LogPiece { attempt: AttemptId(attempt), fence: Fence(1), log: TEXT, offset, bytes: bytes.to_vec() }
}

#[tokio::test]
async fn bytes_are_taken_once_and_gaps_are_refused() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.append(1, 0, b"hello ").await.unwrap(), 6);
    assert_eq!(bench.append(1, 0, b"hello ").await.unwrap(), 6, "sent again");
    assert_eq!(bench.append(1, 3, b"lo world").await.unwrap(), 11, "half of it is new");
    assert_eq!(bench.append(1, 12, b"!").await.unwrap(), 11, "a gap of one byte");
    assert_eq!(bench.append(1, 11, b"").await.unwrap(), 11, "a question");
    bench.reopen().await;
    assert_eq!(bench.append(1, 6, b"world").await.unwrap(), 11, "sent again after a kill");
    let LogSlice { bytes, size, complete } = bench.read_all().await;
    assert_eq!((bytes.as_slice(), size, complete), (&b"hello world"[..], 11, false));
}

#[tokio::test]
async fn logs_of_an_attempt_are_kept_apart_and_sealed_together() {
    let bench = Bench::new().await;
    for (log, text) in [(LogName::Step(10), "ten"), (LogName::Setup, "setup"), (LogName::Step(3), "three")] {
        let piece = LogPiece { log: LogFile::Text(log), ..piece(1, 0, text.as_bytes()) };
        bench.logs.append(&piece).await.unwrap();
    }
    let sealed = bench.logs.seal(AttemptId(1)).await.unwrap();
    assert_eq!(sealed, bench.logs.seal(AttemptId(1)).await.unwrap(), "it can be done again");
    let sizes: Vec<_> = sealed.iter().map(|(log, blob)| (*log, blob.size)).collect();
    assert_eq!(
        sizes,
        [(LogName::Setup, 5), (LogName::Step(3), 5), (LogName::Step(10), 3)]
            .map(|(log, size)| (LogFile::Text(log), size))
    );
    assert_eq!(bench.logs.seal(AttemptId(2)).await.unwrap(), [], "of one that wrote nothing");
    bench.logs.discard(AttemptId(1)).await.unwrap();
    bench.logs.discard(AttemptId(1)).await.unwrap();
    assert_eq!(std::fs::read_dir(bench.folder.path().join("logs")).unwrap().count(), 0);
}

/// Whoever asks for the end of an attempt is only believed in the transaction after the sealing.
#[tokio::test]
async fn sealing_alone_ends_nothing() {
    let bench = Bench::new().await;
    bench.append(1, 0, b"so far").await.unwrap();
    let early = bench.logs.seal(AttemptId(1)).await.unwrap();
    assert_eq!(bench.append(1, 6, b" and on").await.unwrap(), 13);
    let late = bench.logs.seal(AttemptId(1)).await.unwrap();
    assert_eq!((early[0].1.size, late[0].1.size), (6, 13));
    assert_eq!(bench.read_all().await.bytes, b"so far and on");
}

#[tokio::test]
async fn an_attempt_that_was_followed_by_another_takes_no_byte_more() {
    let bench = Bench::new().await;
    bench.append(1, 0, b"first").await.unwrap();
    bench.memory.begin(2);
    bench.append(2, 0, b"second").await.unwrap();
    let before = bench.read_all().await;
    let late = bench.append(1, 5, b"late").await;
    assert!(matches!(late, Err(StoreError::Superseded { attempt: 1 })), "{late:?}");
    assert_eq!(bench.append(1, 0, b"first").await.unwrap(), 5, "what it had is still acknowledged");
    assert_eq!(bench.read_all().await, before);
    let text = String::from_utf8(before.bytes).unwrap();
    assert_eq!(text, "first\n[#7] Attempt 2 begins. What stands above is of an earlier one.\nsecond");
}

#[tokio::test]
async fn a_full_disk_is_told_and_tears_nothing() {
    let bench = Bench::new().await;
    bench.append(1, 0, b"before").await.unwrap();
    // The device that is always full takes the place of the file, as far as writes are concerned.
    let path = bench.folder.path().join("logs/1/step-3");
    std::fs::rename(&path, path.with_extension("kept")).unwrap();
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let error = bench.append(1, 6, b" during").await.expect_err("no space").to_string();
    assert!(error.contains("could not append to the log") && error.contains("step-3"), "{error}");
    assert!(error.contains("free some space"), "{error}");
    std::fs::rename(path.with_extension("kept"), &path).unwrap();
    assert_eq!(bench.read_all().await.bytes, b"before");
    assert_eq!(bench.append(1, 6, b" after").await.unwrap(), 12);
    assert_eq!(bench.read_all().await.bytes, b"before after");
}

#[tokio::test]
async fn what_a_failed_write_left_behind_is_neither_served_nor_sealed() {
    let bench = Bench::new().await;
    bench.append(1, 0, b"good").await.unwrap();
    let path = bench.folder.path().join("logs/1/step-3");
    std::fs::write(&path, "good and torn").unwrap();
    assert_eq!(bench.read_all().await.bytes, b"good");
    bench.finish(1).await;
    assert_eq!(bench.read_all().await.bytes, b"good");
}

#[tokio::test]
async fn a_follower_is_woken_by_bytes_by_attempts_and_by_the_end() {
    let bench = Arc::new(Bench::new().await);
    let grown = |known: u64| {
        let logs = bench.logs.clone();
        tokio::spawn(async move { logs.grown(LOG, known).await })
    };
    let within = Duration::from_secs(10);
    let waiting = grown(0);
    bench.append(1, 0, b"one").await.unwrap();
    tokio::time::timeout(within, waiting).await.expect("woken by bytes").unwrap();
    tokio::time::timeout(within, grown(2)).await.expect("there is more already").unwrap();

    let waiting = grown(3);
    bench.memory.begin(2);
    bench.append(2, 0, b"two").await.unwrap();
    tokio::time::timeout(within, waiting).await.expect("woken by the next attempt").unwrap();

    let size = bench.read_all().await.size;
    let waiting = grown(size);
    bench.finish(2).await;
    bench.logs.discard(AttemptId(2)).await.unwrap();
    bench.memory.change(|contents| contents.complete = true);
    tokio::time::timeout(within, waiting).await.expect("woken by the end").unwrap();
    assert_eq!(bench.read_all().await.size, size);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_beside_sealing_sees_the_same_bytes_all_the_time() {
    for _ in 0..20 {
        let bench = Arc::new(Bench::new().await);
        bench.append(1, 0, b"the same bytes").await.unwrap();
        let reading = {
            let bench = bench.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    let slice = bench.read_all().await;
                    assert_eq!(slice.size, 14);
                    assert_eq!(slice.bytes, b"the same bytes");
                }
            })
        };
        bench.finish(1).await;
        bench.logs.discard(AttemptId(1)).await.unwrap();
        reading.await.expect("no surprise");
        assert_eq!(bench.read_all().await.bytes, b"the same bytes");
    }
}

/// One thing that happens to a log.
#[derive(Clone, Debug)]
enum Act {
    /// A piece whose offset is this far from the end.
    Append {
        distance: i64,
        bytes: Vec<u8>,
    },
    Kill,
    /// The runner is lost and another attempt begins.
    Lose,
    /// As [`Act::Lose`], after a proper end.
    Finish {
        discard: bool,
    },
    Tidy,
    Read {
        from: u64,
        length: usize,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        6 => (-50..6_i64, bytes).prop_map(|(distance, bytes)| Act::Append { distance, bytes }),
        1 => Just(Act::Kill),
        1 => Just(Act::Lose),
        1 => any::<bool>().prop_map(|discard| Act::Finish { discard }),
        1 => Just(Act::Tidy),
        4 => (0..400_u64, 0..200_usize).prop_map(|(from, length)| Act::Read { from, length }),
    ]
}

/// The bytes of each attempt, and the whole as its readers must see it.
fn whole(attempts: &[Vec<u8>]) -> Vec<u8> {
    let mut whole = Vec::new();
    for (at, bytes) in attempts.iter().enumerate().filter(|(_, bytes)| !bytes.is_empty()) {
        if !whole.is_empty() {
            let mark = format!("\n[#7] Attempt {} begins. What stands above is of an earlier one.\n", at + 1);
            whole.extend(mark.bytes());
        }
        whole.extend(bytes);
    }
    whole
}

async fn play(acts: Vec<Act>) {
    let mut bench = Bench::new().await;
    let mut attempts = vec![Vec::new()];
    // The true log of every attempt; senders never change their minds about a byte.
    let truth: Vec<u8> = (0..4000_u32).map(|at| (at * 7 + at / 256) as u8).collect();
    for act in acts {
        let attempt = attempts.len() as i64;
        match act {
            Act::Append { distance, bytes } => {
                let model = attempts.last_mut().unwrap();
                let offset = (model.len() as i64 + distance).max(0) as usize;
                let sent = &truth[offset..offset + bytes.len()];
                if offset <= model.len() && offset + sent.len() > model.len() {
                    model.extend_from_slice(&truth[model.len()..offset + sent.len()]);
                }
                let durable = bench.append(attempt, offset as u64, sent).await.expect("appended");
                assert_eq!(durable, model.len() as u64);
            }
            Act::Kill => bench.reopen().await,
            Act::Lose => {
                attempts.push(Vec::new());
                bench.memory.begin(attempt + 1);
            }
            Act::Finish { discard } => {
                bench.finish(attempt).await;
                if discard {
                    bench.logs.discard(AttemptId(attempt)).await.expect("discarded");
                }
                attempts.push(Vec::new());
                bench.memory.begin(attempt + 1);
            }
            Act::Tidy => {
                bench.logs.tidy().await.expect("tidied");
                let left = std::fs::read_dir(bench.folder.path().join("logs")).unwrap().count();
                assert!(left <= 1, "files of {left} attempts stay, and one is running");
            }
            Act::Read { from, length } => {
                let whole = whole(&attempts);
                let slice = bench.logs.read(LOG, from, length).await.expect("a slice");
                assert_eq!(slice.size, whole.len() as u64);
                let expected: Vec<u8> = whole.into_iter().skip(from as usize).take(length).collect();
                assert_eq!(slice.bytes, expected);
            }
        }
    }
    assert_eq!(bench.read_all().await.bytes, whole(&attempts));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_log_is_what_its_model_is(acts in prop::collection::vec(act(), 1..40)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(play(acts));
    }
}

#[tokio::test]
async fn lines_are_found_over_all_attempts_as_files_and_as_blobs() {
    let mut bench = Bench::new().await;
    bench.append(1, 0, b"one\ntwo\nhalf").await.unwrap();
    let check = async |bench: &Bench| {
        let all = bench.read_all().await.bytes;
        let newlines = count(&all) as u64;
        for wanted in 0..=newlines + 1 {
            let found = bench.logs.landmark(LOG, Seek::Newlines(wanted)).await.unwrap();
            let starts =
                all.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at as u64 + 1);
            let start = std::iter::once(0).chain(starts).nth(wanted as usize).unwrap_or(all.len() as u64);
            assert!(found.offset <= start, "line {wanted}: {found:?}");
            assert_eq!(count(&all[..found.offset as usize]) as u64, found.newlines, "line {wanted}");
        }
        for offset in 0..=all.len() as u64 + 1 {
            let found = bench.logs.landmark(LOG, Seek::Offset(offset)).await.unwrap();
            assert!(found.offset <= offset, "{found:?}");
            assert_eq!(count(&all[..found.offset as usize]) as u64, found.newlines, "byte {offset}");
        }
        let end = bench.logs.landmark(LOG, Seek::Offset(u64::MAX)).await.unwrap();
        assert_eq!((end.offset, end.newlines), (all.len() as u64, newlines));
    };
    check(&bench).await;
    bench.finish(1).await;
    check(&bench).await;
    bench.memory.begin(2);
    bench.append(2, 0, b"three\n").await.unwrap();
    check(&bench).await;
    bench.reopen().await;
    check(&bench).await;
    bench.append(2, 6, b"four\nfive").await.unwrap();
    check(&bench).await;
}

/// A file of notes.
fn notes(of: &[(u64, i64)]) -> Vec<u8> {
    let notes = of.iter().flat_map(|(offset, at)| Note { offset: *offset, at: Time(*at) }.to_bytes());
    HEADER.into_iter().chain(notes).collect()
}

impl Bench {
    async fn append_times(&self, attempt: i64, offset: u64, bytes: &[u8]) -> u64 {
        let piece = LogPiece { log: TIMES, ..piece(attempt, offset, bytes) };
        self.logs.append(&piece).await.unwrap()
    }

    async fn times(&self, from: u64, to: u64) -> Vec<(u64, Option<i64>)> {
        let times = self.logs.times(LOG, from, to).await.unwrap();
        times.into_iter().map(|time| (time.offset, time.at.map(|at| at.0))).collect()
    }
}

#[tokio::test]
async fn times_stand_beside_a_log_as_files_and_as_blobs() {
    let mut bench = Bench::new().await;
    bench.append(1, 0, b"one\ntwo\nthree\n").await.unwrap();
    assert_eq!(bench.times(0, 14).await, [(0, None)], "an agent of version 1 sends none");
    let first = notes(&[(0, 10), (4, 20), (8, 30)]);
    assert_eq!(bench.append_times(1, 0, &first[..40]).await, 40);
    assert_eq!(bench.times(0, 14).await, [(0, None), (0, Some(10))], "half a note says nothing yet");
    assert_eq!(bench.append_times(1, 40, &first[40..]).await, 64);
    let all = [(0, None), (0, Some(10)), (4, Some(20)), (8, Some(30))];
    assert_eq!(bench.times(0, 14).await, all);
    assert_eq!(bench.times(5, 7).await, [(0, None), (4, Some(20))]);
    assert_eq!(bench.read_all().await.bytes, b"one\ntwo\nthree\n", "the bytes are as they were");
    bench.reopen().await;
    assert_eq!(bench.times(0, 14).await, all);

    // The attempt was lost; another one begins.
    bench.memory.begin(2);
    bench.append(2, 0, b"again\n").await.unwrap();
    bench.append_times(2, 0, &notes(&[(0, 70)])).await;
    let mark = bench.read_all().await.size - 6 - 14;
    let both = [&all[..], &[(14, None), (14 + mark, None), (14 + mark, Some(70))]].concat();
    assert_eq!(bench.times(0, u64::MAX).await, both);
    for attempt in [1, 2] {
        let sealed = bench.logs.seal(AttemptId(attempt)).await.unwrap();
        assert_eq!(sealed.iter().map(|(file, _)| *file).collect::<Vec<_>>(), [TEXT, TIMES]);
        bench.memory.times.lock().unwrap().insert(AttemptId(attempt), sealed[1].1.clone());
        bench.finish(attempt).await;
        bench.logs.discard(AttemptId(attempt)).await.unwrap();
    }
    assert_eq!(bench.times(0, u64::MAX).await, both);
}
