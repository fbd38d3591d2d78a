//! Packages that nobody means well with: refused with a reason, and nothing of them stays. Publishes that meet.

use super::packages::{archive, files, package, plain, through, zstd};
use super::{Farm, answer, on_both_engines};
use crate::server::Engine;
use std::sync::Arc;
use std::time::Duration;
use tar::{Builder, EntryType, Header};

on_both_engines! {
    hostile_packages_are_refused_with_a_reason_and_leave_nothing
    two_publishes_of_one_package_leave_one_whole
    a_slow_upload_takes_the_time_that_its_bytes_need
}

const INFO: &[u8] = b"pkgname = p\npkgver = 1-1\narch = x86_64\n";

/// An archive of `.PKGINFO` and entries of odd types: type, path, target, size.
fn odd(entries: &[(EntryType, &str, &str, u64)]) -> Vec<u8> {
    let mut builder = Builder::new(archive(&[(".PKGINFO", INFO)])[..1024].to_vec());
    for (kind, path, link, size) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(*size);
        let old = header.as_old_mut();
        old.name[..path.len()].copy_from_slice(path.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        builder.append(&header, std::io::empty()).unwrap();
    }
    zstd(&builder.into_inner().unwrap())
}

fn info(text: &str) -> Vec<u8> {
    zstd(&archive(&[(".PKGINFO", text.as_bytes())]))
}

async fn hostile_packages_are_refused_with_a_reason_and_leave_nothing(engine: Engine) {
    let farm = Farm::start_with(engine, &[("ROPEWALK_ARCH__UNPACKED", "4194304")]).await;
    let blobs = files(&farm.server.data().join("blobs"));
    let good = package("p", "1-1", "x86_64");
    let bomb = |program| through(program, &archive(&[(".PKGINFO", INFO), ("zeros", &vec![0; 64 << 20])]));
    for (what, bytes) in [
        (
            "a way out through a link",
            odd(&[(EntryType::Symlink, "a", "/etc", 0), (EntryType::Regular, "a/x", "", 0)]),
        ),
        ("a hard link out", odd(&[(EntryType::Link, "a", "../../etc/passwd", 0)])),
        ("a device", odd(&[(EntryType::Char, "dev/x", "", 0)])),
        ("a pipe", odd(&[(EntryType::Fifo, "x", "", 0)])),
        ("a .PKGINFO that is a link", zstd(&odd_only(EntryType::Symlink, ".PKGINFO", "/etc/passwd"))),
        ("two of them", zstd(&archive(&[(".PKGINFO", INFO), (".PKGINFO", INFO)]))),
        ("a file of 2 GiB that is not there", odd(&[(EntryType::Regular, "x", "", 2 << 30)])),
        ("more than can be", odd(&[(EntryType::Regular, "x", "", 0o77_777_777_777)])),
        ("`..` in the middle", zstd(&archive(&[(".PKGINFO", INFO), ("usr/../../x", b"x")]))),
        ("a line break in a path", zstd(&archive(&[(".PKGINFO", INFO), ("usr/a\n%NAME%", b"x")]))),
        ("a bomb of zstd", bomb("zstd")),
        ("a bomb of xz", bomb("xz")),
        ("a bomb of gzip", bomb("gzip")),
        ("cut", good[..good.len() - 3].to_vec()),
        ("bytes behind it", [&good[..], b"junk"].concat()),
        ("no name", info("pkgver = 1-1\narch = x86_64\n")),
        ("no version", info("pkgname = p\narch = x86_64\n")),
        ("no line", info("pkgname\n")),
        ("a name that is an option", info("pkgname = -p\npkgver = 1-1\narch = x86_64\n")),
        ("a version with a slash", info("pkgname = p\npkgver = 1/../2-1\narch = x86_64\n")),
        ("an architecture that leads out", info("pkgname = p\npkgver = 1-1\narch = ../x\n")),
        (
            "a size that is no number",
            info("pkgname = p\npkgver = 1-1\narch = x86_64\nsize = 99999999999999999999\n"),
        ),
        ("no text", zstd(&archive(&[(".PKGINFO", b"pkgname = \xff\xfe\n")]))),
        ("a second name", info("pkgname = p\npkgname = q\npkgver = 1-1\narch = x86_64\n")),
    ] {
        let answer = farm.publish("r", bytes).await;
        assert!(matches!(answer.status, 400 | 413), "{what}: {} {}", answer.status, answer.text());
        assert!(answer.envelope()["message"].as_str().unwrap().len() > 10, "{what}: {}", answer.text());
    }
    // Sizes of 2 GiB and more are only numbers.
    let large = plain("large", "1-1", "x86_64", "size = 3000000000\n");
    assert_eq!(farm.publish("other", zstd(&large)).await.status, 200);
    assert!(farm.read("/other/x86_64/large-1-1").await.text().contains("%ISIZE%\n3000000000\n"));
    assert_eq!(farm.read("/r/x86_64/r.db").await.status, 404);
    assert_eq!(farm.server.number("SELECT COUNT(*) AS n FROM arch_packages").await, 1);
    assert_eq!(files(&farm.server.data().join("blobs")), blobs + 1, "bytes of refused packages stayed");
    assert_eq!(files(&farm.server.data().join("incoming")), 0);
    assert!(!farm.server.words().contains("panicked"));
}

/// An archive of one entry without bytes.
fn odd_only(kind: EntryType, path: &str, link: &str) -> Vec<u8> {
    let mut builder = Builder::new(vec![]);
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(0);
    let old = header.as_old_mut();
    old.name[..path.len()].copy_from_slice(path.as_bytes());
    old.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    builder.append(&header, std::io::empty()).unwrap();
    builder.into_inner().unwrap()
}

async fn two_publishes_of_one_package_leave_one_whole(engine: Engine) {
    let farm = Arc::new(Farm::start(engine).await);
    let uploads: Vec<_> = (0..8)
        .map(|number| {
            let farm = farm.clone();
            let bytes = zstd(&plain("p", "1-1", "any", &format!("url = http://{number}\n")));
            tokio::spawn(async move { farm.publish("r", bytes).await.status })
        })
        .collect();
    for upload in uploads {
        assert_eq!(upload.await.unwrap(), 200);
    }
    let entries = farm.database("/r/x86_64/r.db").await;
    assert_eq!(entries.iter().filter(|(path, _)| path.ends_with("/desc")).count(), 1, "{entries:?}");
    let text = farm.read("/r/x86_64/p-1-1").await.text();
    let sum = text.lines().skip_while(|line| *line != "%SHA256SUM%").nth(1).unwrap();
    let bytes = farm.read("/r/x86_64/p-1-1-any.pkg.tar.zst").await.bytes;
    use sha2::Digest;
    assert_eq!(hex::encode(sha2::Sha256::digest(&bytes)), sum);
}

async fn a_slow_upload_takes_the_time_that_its_bytes_need(engine: Engine) {
    let farm = Farm::start_with(engine, &[("ROPEWALK_LIMITS__HEAD_WITHIN", "2")]).await;
    let noise = super::logs::noise(1 << 20);
    let info: &[u8] = b"pkgname = slow\npkgver = 1-1\narch = x86_64\n";
    let bytes = zstd(&archive(&[(".PKGINFO", info), ("usr/noise", &noise)]));
    let length = bytes.len();
    let pieces: Vec<Vec<u8>> = bytes.chunks(length / 20).map(<[u8]>::to_vec).collect();
    let slowly = futures_util::stream::unfold(pieces.into_iter(), |mut pieces| async move {
        // Slower than `limits.head-within` for the whole, faster than the slowest that is waited for.
        tokio::time::sleep(Duration::from_millis(200)).await;
        pieces.next().map(|piece| (Ok::<_, std::io::Error>(piece), pieces))
    });
    let body = reqwest::Body::wrap_stream(slowly);
    let request = farm.request("POST", "/r/publish").header("X-Api-Key", &farm.key);
    let answer = answer(request.header("Content-Length", length).body(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}
