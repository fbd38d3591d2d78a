#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use super::*;
use proptest::prelude::*;
use std::io::Write;
use tar::{Builder, Header};

const INFO: &str = "pkgname = p\npkgver = 2:1.0-1\narch = any\n";

/// One entry: its path, kind, bytes, and where it leads if it is a link.
type Item<'a> = (&'a str, EntryType, &'a [u8], &'a str);

fn tar_of(items: &[Item<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(vec![]);
    for (path, kind, bytes, leads_to) in items {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // Written by hand: the library refuses names that a hostile author would not.
        let name = &mut header.as_old_mut().name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        let link = &mut header.as_old_mut().linkname;
        link[..leads_to.len()].copy_from_slice(leads_to.as_bytes());
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn with(items: &[Item<'_>]) -> Vec<u8> {
    let mut all = vec![(".PKGINFO", EntryType::Regular, INFO.as_bytes(), "")];
    all.extend(items);
    tar_of(&all)
}

fn packed(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    match compression {
        Compression::None => bytes.to_vec(),
        Compression::Zstd => zstd::encode_all(bytes, 3).unwrap(),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Xz => {
            let mut encoder = liblzma::write::XzEncoder::new(vec![], 1);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}

const ALL: [Compression; 4] = [Compression::None, Compression::Zstd, Compression::Gzip, Compression::Xz];

fn taken(bytes: &[u8], limits: &PackageLimits) -> Result<Package, PackageError> {
    read(bytes, limits, &AtomicBool::new(false))
}

fn refusal(bytes: &[u8]) -> String {
    taken(bytes, &PackageLimits::default()).expect_err("it must be refused").to_string()
}

#[test]
fn a_package_is_read_in_every_compression() {
    let plain = with(&[
        (".MTREE", EntryType::Regular, b"x", ""),
        ("usr", EntryType::Directory, b"", ""),
        ("usr/a b", EntryType::Regular, b"bytes", ""),
        ("usr/link", EntryType::Symlink, b"", "/etc/passwd"),
        ("usr/hard", EntryType::Link, b"", "usr/a b"),
    ]);
    for compression in ALL {
        let package = taken(packed(compression, &plain).as_slice(), &PackageLimits::default()).unwrap();
        assert_eq!(package.files, "usr/\nusr/a b\nusr/link\nusr/hard\n");
        assert_eq!(package.file_name(), format!("p-2:1.0-1-any.pkg.tar{}", compression.suffix()));
        assert_eq!((package.entry_name().as_str(), package.compression), ("p-2:1.0-1", compression));
    }
}

#[test]
fn paths_that_lead_out_are_refused() {
    for path in ["../x", "/etc/passwd", "usr/../../x", "usr//x", "./x", "a\nb"] {
        let words = refusal(&with(&[(path, EntryType::Regular, b"", "")]));
        assert!(words.contains("the path"), "{path:?}: {words}");
    }
    let through = with(&[("a", EntryType::Symlink, b"", "/etc"), ("a/b/c", EntryType::Regular, b"", "")]);
    assert!(refusal(&through).contains("behind the link"));
    assert!(refusal(&with(&[("h", EntryType::Link, b"", "../../etc/shadow")])).contains("the path"));
    for kind in [EntryType::Block, EntryType::Char, EntryType::Fifo, EntryType::GNUSparse] {
        let words = refusal(&with(&[("dev", kind, b"", "")]));
        assert!(words.contains("no file") || words.contains("broken"), "{kind:?}: {words}");
    }
}

/// A path that no header has room for stands in an entry of its own before.
fn long(path: &str, kind: EntryType) -> Vec<u8> {
    let name = [path.as_bytes(), b"\0"].concat();
    let named = tar_of(&[("././@LongLink", EntryType::GNULongName, &name, ""), ("x", kind, b"", "")]);
    named[..named.len() - 1024].to_vec()
}

#[test]
fn no_path_is_longer_than_file_systems_take() {
    let deep = "a/".repeat(2000) + "x";
    let end = [0; 1024];
    let good = [&with(&[])[..1024], &long(&deep, EntryType::Regular), &end].concat();
    assert_eq!(taken(&good, &PackageLimits::default()).unwrap().files, deep + "\n");
    for path in ["a/".repeat(50_000) + "x", "x".repeat(256)] {
        let bad = [&with(&[])[..1024], &long(&path, EntryType::Regular), &end].concat();
        let words = refusal(&bad);
        assert!(words.contains("more than 255") && words.len() < 500, "{words}");
    }
}

#[test]
fn of_many_deep_links_each_is_known() {
    let folder = "a/".repeat(1990);
    let mut bytes = with(&[])[..1024].to_vec();
    for number in 0..2000 {
        bytes.extend(long(&format!("{folder}l{number}"), EntryType::Symlink));
        bytes.extend(long(&format!("{folder}f{number}"), EntryType::Regular));
    }
    let behind = [&bytes[..], &long(&format!("{folder}l7/x"), EntryType::Regular), &[0; 1024]].concat();
    assert!(refusal(&behind).contains("behind the link"));
    bytes.extend([0; 1024]);
    assert_eq!(taken(&bytes, &PackageLimits::default()).unwrap().files.lines().count(), 4000);
}

#[test]
fn a_package_that_nobody_waits_for_is_read_no_further() {
    let zeros = vec![0; 1 << 20];
    let plain = with(&[("zeros", EntryType::Regular, &zeros, "")]);
    let given_up = AtomicBool::new(true);
    let refused = read(plain.as_slice(), &PackageLimits::default(), &given_up).unwrap_err();
    assert!(refused.to_string().contains("waits no longer"), "{refused}");
}

#[test]
fn a_pkginfo_must_be_one_file_that_can_be_read() {
    let link = tar_of(&[(".PKGINFO", EntryType::Symlink, b"", "/etc/passwd")]);
    assert!(refusal(&link).contains("no file"));
    assert!(refusal(&tar_of(&[("usr", EntryType::Directory, b"", "")])).contains("none in the archive"));
    assert!(refusal(&with(&[(".PKGINFO", EntryType::Regular, INFO.as_bytes(), "")])).contains("two files"));
    assert!(refusal(&tar_of(&[(".PKGINFO", EntryType::Regular, b"\xff", "")])).contains("UTF-8"));
    let large = vec![b'#'; INFO_MAX as usize + 1];
    assert!(refusal(&tar_of(&[(".PKGINFO", EntryType::Regular, &large, "")])).contains("more than"));
}

#[test]
fn bombs_end_at_their_limit() {
    let zeros = vec![0; 8 << 20];
    let plain = with(&[("zeros", EntryType::Regular, &zeros, "")]);
    let limits = PackageLimits { unpacked: 1 << 20, ..PackageLimits::default() };
    for compression in ALL {
        let refused = taken(packed(compression, &plain).as_slice(), &limits).unwrap_err();
        assert!(matches!(refused, PackageError::TooLarge(_)), "{compression:?}: {refused}");
    }
    // A name that never ends is not read into memory.
    let name = vec![b'n'; 4 << 20];
    let long = with(&[("././@LongLink", EntryType::GNULongName, &name, "")]);
    assert!(matches!(taken(long.as_slice(), &PackageLimits::default()), Err(PackageError::TooLarge(_))));
    let many: Vec<String> = (0..20).map(|n| format!("f{n}")).collect();
    let many: Vec<Item<'_>> = many.iter().map(|n| (n.as_str(), EntryType::Regular, &b""[..], "")).collect();
    let limits = PackageLimits { entries: 10, ..PackageLimits::default() };
    assert!(matches!(taken(with(&many).as_slice(), &limits), Err(PackageError::TooLarge(_))));
}

#[test]
fn sizes_that_are_not_there_are_broken() {
    let mut plain = with(&[("big", EntryType::Regular, b"", "")]);
    let at = plain.windows(4).position(|window| window == b"big\0").unwrap();
    // 2 GiB and 8 EiB, in the two notations.
    for size in [&b"20000000000\0"[..], b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"] {
        plain[at + 124..at + 136].copy_from_slice(size);
        let sum: u32 = (at..at + 512)
            .map(|i| if (148..156).contains(&(i - at)) { 32 } else { u32::from(plain[i]) })
            .sum();
        plain[at + 148..at + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(taken(plain.as_slice(), &PackageLimits::default()).is_err());
    }
}

#[test]
fn what_is_cut_or_something_else_is_refused() {
    let plain = with(&[("noise", EntryType::Regular, &[7; 3000], "")]);
    for compression in ALL {
        let whole = packed(compression, &plain);
        for cut in [1, whole.len() / 2, whole.len() - 1] {
            let cut = &whole[..cut];
            // A plain archive may lose its last zeros.
            if compression != Compression::None || cut.len() < plain.len() - 1024 {
                assert!(
                    taken(cut, &PackageLimits::default()).is_err(),
                    "{compression:?} cut to {}",
                    cut.len()
                );
            }
        }
    }
    for junk in [&b""[..], b"junk", b"BZh91AY&SY", &[0; 4096], b"\x04\x22\x4d\x18"] {
        assert!(matches!(taken(junk, &PackageLimits::default()), Err(PackageError::Unknown)));
    }
}

proptest! {
    #[test]
    fn changed_bytes_never_panic(at in 0_usize..4000, byte in any::<u8>(), kind in 0_usize..4) {
        let mut bytes = packed(ALL[kind], &with(&[("a/b", EntryType::Regular, &[1; 700], "")]));
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(package) = taken(bytes.as_slice(), &PackageLimits::default()) {
            prop_assert!(!package.file_name().contains('/'));
            prop_assert!(package.files.lines().all(|line| !line.starts_with('/') && !line.contains("..")));
        }
    }
}
