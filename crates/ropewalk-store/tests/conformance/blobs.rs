//! The port for finished bytes, with the database that knows of them.

use crate::env::Env;
use ropewalk_core::port::{BlobRef, Blobs, Clock, StoreError};
use ropewalk_store::DiskBlobs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// SHA-256 of "abc", from the standard.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

struct Place {
    folder: tempfile::TempDir,
    blobs: DiskBlobs,
}

async fn place(env: &Env) -> Place {
    let folder = tempfile::tempdir().expect("a folder");
    let blobs = DiskBlobs::open(&folder.path().join("blobs"), env.store.clone()).await.expect("blobs");
    Place { folder, blobs }
}

impl Place {
    async fn put(&self, bytes: &[u8]) -> BlobRef {
        let path = self.folder.path().join("source");
        std::fs::write(&path, bytes).expect("a source");
        self.blobs.put_file(&path).await.expect("a blob")
    }

    fn file_of(&self, blob: &BlobRef) -> PathBuf {
        let (first, rest) = blob.sha256.split_at(2);
        self.folder.path().join("blobs").join(first).join(rest)
    }

    async fn read_all(&self, blob: &BlobRef) -> Result<Vec<u8>, StoreError> {
        self.blobs.read(blob, 0, usize::MAX).await
    }
}

async fn known(env: &Env) -> Vec<(String, i64, i64)> {
    let sql = "SELECT sha256, size, created FROM blobs ORDER BY sha256";
    let rows = env.db().query_all("list the blobs", sql, vec![]).await.expect("rows");
    let row = |row: &ropewalk_store::db::Row| Ok((row.get("sha256")?, row.get("size")?, row.get("created")?));
    rows.iter().map(row).collect::<Result<_, StoreError>>().expect("blobs")
}

fn files_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    entries.map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { 1 }).sum()
}

pub async fn a_blob_is_read_as_it_was_put_and_twice_is_once(env: Env) {
    let place = place(&env).await;
    let abc = place.put(b"abc").await;
    assert_eq!(abc, BlobRef { sha256: ABC.into(), size: 3 });
    env.clock.advance(Duration::from_secs(1));
    assert_eq!(place.put(b"abc").await, abc);
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(|at| (at / 3).to_le_bytes()).take(3_000_001).collect();
    let large_blob = place.put(&large).await;
    assert!(place.read_all(&large_blob).await.expect("bytes") == large);
    let part = place.blobs.read(&large_blob, 1_048_570, 20).await.expect("bytes");
    assert_eq!(part, large[1_048_570..1_048_590]);
    assert_eq!(place.blobs.read(&abc, 2, 100).await.expect("bytes"), b"c");
    assert_eq!(place.blobs.read(&abc, 3, 100).await.expect("bytes"), b"");
    assert_eq!(known(&env).await.len(), 2);
    let noted = known(&env).await.into_iter().find(|(sha256, ..)| sha256 == ABC).expect("abc");
    assert_eq!(noted, (ABC.into(), 3, env.clock.now().0), "putting it again makes it younger");
    assert_eq!(files_below(&place.folder.path().join("blobs")), 2, "nothing unfinished stays");
}

const DAY: Duration = Duration::from_secs(86_400);

pub async fn what_nothing_refers_to_is_removed_when_it_is_old(env: Env) {
    let place = place(&env).await;
    let [old, renewed, put_again] =
        [place.put(b"abc").await, place.put(b"renewed").await, place.put(b"again").await];
    assert_eq!(place.blobs.collect(DAY).await.expect("collected"), 0, "they are young");
    env.clock.advance(DAY + Duration::from_secs(1));
    assert!(place.blobs.renew(&renewed).await.expect("renewed"));
    place.put(b"again").await;
    assert_eq!(place.blobs.collect(DAY).await.expect("collected"), 1);
    assert_eq!(place.blobs.collect(DAY).await.expect("again is harmless"), 0);
    let left: Vec<String> = known(&env).await.into_iter().map(|(sha256, ..)| sha256).collect();
    assert!(
        left.len() == 2 && left.contains(&renewed.sha256) && left.contains(&put_again.sha256),
        "{left:?}"
    );
    let error = place.read_all(&old).await.expect_err("gone").to_string();
    assert!(error.contains("its file is missing") && error.contains("restore it from a backup"), "{error}");
    assert!(!place.blobs.renew(&old).await.expect("an answer"), "what is gone cannot be renewed");
    // As after a crash between the removal of the file and that of the row.
    std::fs::remove_file(place.file_of(&renewed)).expect("removed");
    env.clock.advance(DAY + DAY);
    place.blobs.collect(DAY).await.expect("the cursor goes on from the start");
    place.blobs.collect(DAY).await.expect("collected");
    assert_eq!(known(&env).await, []);
    assert_eq!(files_below(&place.folder.path().join("blobs")), 0);
}

pub async fn a_blob_that_is_put_while_it_is_removed_is_whole(env: Env) {
    let place = place(&env).await;
    let abc = place.put(b"abc").await;
    for round in 0..50 {
        env.clock.advance(DAY + DAY);
        let collecting = async {
            // Two parts: one of them begins at the start.
            for _ in 0..2 {
                place.blobs.collect(DAY).await.expect("collected");
            }
        };
        tokio::join!(collecting, place.put(b"abc"));
        assert_eq!(place.read_all(&abc).await.expect("it was put just now"), b"abc", "round {round}");
        assert_eq!(known(&env).await.len(), 1, "round {round}");
    }
}

pub async fn a_damaged_blob_is_refused_by_name(env: Env) {
    let place = place(&env).await;
    let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let blob = place.put(&bytes).await;
    let file = place.file_of(&blob);
    let sound = std::fs::read(&file).expect("its file");

    let mut changed = sound.clone();
    changed[1000] ^= 0x10;
    for (damage, bytes) in [("changed", &changed[..]), ("cut off", &sound[..sound.len() - 1]), ("empty", &[])]
    {
        std::fs::write(&file, bytes).expect("the damage");
        let error = place.read_all(&blob).await.expect_err(damage);
        assert!(matches!(error, StoreError::Corrupt(_)), "{damage}: {error:?}");
        assert!(error.to_string().contains(&blob.sha256[2..]), "{damage}: {error}");
    }
    let other = place.put(b"other bytes").await;
    std::fs::copy(place.file_of(&other), &file).expect("an exchange");
    place.read_all(&blob).await.expect_err("the bytes of another blob");

    // Putting it again heals it.
    place.put(&bytes).await;
    assert!(place.read_all(&blob).await.expect("bytes") == bytes);
}

pub async fn what_a_killed_run_left_unfinished_is_cleared(env: Env) {
    let place = place(&env).await;
    let left = place.folder.path().join("blobs/unfinished/.tmpXYZ");
    std::fs::write(&left, "half a blob").expect("a left-over");
    let blobs = DiskBlobs::open(&place.folder.path().join("blobs"), env.store.clone()).await.expect("blobs");
    assert!(!left.exists());
    let abc = place.put(b"abc").await;
    assert_eq!(blobs.read(&abc, 0, 10).await.expect("bytes"), b"abc");
}

pub async fn no_name_leads_out_of_the_folder(env: Env) {
    let place = place(&env).await;
    for name in
        ["", "a", "../../etc/passwd", &"A".repeat(64), &"é".repeat(32), &format!("../{}", "a".repeat(61))]
    {
        let blob = BlobRef { sha256: name.into(), size: 1 };
        let read = place.blobs.read(&blob, 0, 1).await;
        assert!(matches!(read, Err(StoreError::Missing(_))), "{name}: {read:?}");
        let renewed = place.blobs.renew(&blob).await;
        assert!(matches!(renewed, Err(StoreError::Missing(_))), "{name}: {renewed:?}");
    }
}

pub async fn a_source_that_cannot_be_read_is_named(env: Env) {
    let place = place(&env).await;
    let error = place.blobs.put_file(Path::new("/nowhere/at/all")).await.expect_err("no file").to_string();
    assert!(error.contains("could not read /nowhere/at/all"), "{error}");
    assert_eq!(known(&env).await, []);
}
