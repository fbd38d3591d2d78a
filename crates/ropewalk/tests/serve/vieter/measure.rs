//! What a publish costs in a large repository, beside a small one and `repo-add`. `make measure-publish` takes 10,000
//! packages; without it there are few, and only what is there is looked at: times are printed beside the bound, never
//! judged, because machines are busy. What a publish reads is counted in the store's own tests, and that is judged.

use super::Farm;
use super::packages::package;
use crate::server::Engine;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SMALL: usize = 10;
/// Publishes of each kind; the middle one counts.
const TIMES: usize = 9;

impl Farm {
    async fn fill(self: &Arc<Self>, repo: &str, count: usize) {
        let uploads: Vec<_> = (0..16)
            .map(|lane| {
                let (farm, repo) = (self.clone(), repo.to_string());
                tokio::spawn(async move {
                    for number in (lane..count).step_by(16) {
                        let bytes = package(&format!("package{number:05}"), "1-1", "x86_64");
                        assert_eq!(farm.publish(&repo, bytes).await.status, 200);
                    }
                })
            })
            .collect();
        for upload in uploads {
            upload.await.unwrap();
        }
    }

    /// Times of a publish and of the first read of the database after it.
    async fn publish_and_read(&self, repo: &str) -> (Duration, Duration) {
        let (mut publishes, mut reads) = (vec![], vec![]);
        for version in 0..TIMES {
            let bytes = package("newest", &format!("{version}-1"), "x86_64");
            let began = Instant::now();
            assert_eq!(self.publish(repo, bytes).await.status, 200);
            publishes.push(began.elapsed());
            let began = Instant::now();
            assert_eq!(self.read(&format!("/{repo}/x86_64/{repo}.db")).await.status, 200);
            reads.push(began.elapsed());
        }
        publishes.sort();
        reads.sort();
        (publishes[TIMES / 2], reads[TIMES / 2])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_into_a_large_repository_beside_repo_add() {
    let large: usize = std::env::var("ROPEWALK_PUBLISH_PACKAGES").map_or(60, |count| count.parse().unwrap());
    let farm = Arc::new(Farm::start(Engine::Sqlite).await);
    farm.fill("small", SMALL).await;
    farm.fill("large", large).await;
    let (small, small_read) = farm.publish_and_read("small").await;
    let (big, big_read) = farm.publish_and_read("large").await;
    // The stock tool goes on from the very same database.
    let folder = tempfile::tempdir().unwrap();
    for file in ["large.db.tar.gz", "large.files.tar.gz"] {
        let bytes = farm.read(&format!("/large/x86_64/{file}")).await.bytes;
        std::fs::write(folder.path().join(file), bytes).unwrap();
    }
    std::fs::write(folder.path().join("newest-99-1-x86_64.pkg.tar.zst"), package("newest", "99-1", "x86_64"))
        .unwrap();
    let began = Instant::now();
    let mut add = Command::new("repo-add");
    add.args(["-q", "large.db.tar.gz", "newest-99-1-x86_64.pkg.tar.zst"]).current_dir(folder.path());
    let added = add.output().unwrap();
    let repo_add = began.elapsed();
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let ratio = big.as_secs_f64() / small.as_secs_f64();
    println!("publish into a repository of {SMALL}: {small:?}, first read of its database {small_read:?}");
    println!(
        "publish into a repository of {large}: {big:?} ({ratio:.2} x), first read of its database {big_read:?}"
    );
    println!("bound of a publish: 3 x: {}", if ratio <= 3.0 { "kept" } else { "BROKEN" });
    println!("repo-add into the same {large}: {repo_add:?}");
    let names = farm.database("/large/x86_64/large.db").await;
    assert_eq!(names.iter().filter(|(path, _)| path.ends_with("/desc")).count(), large + 1);
}
