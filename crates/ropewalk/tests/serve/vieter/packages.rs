//! Packages for tests: made here where their bytes matter, by the real `makepkg` where that matters.

use std::io::Write;
use std::path::Path;
use tar::{Builder, Header};

pub(crate) fn plain(name: &str, version: &str, arch: &str, more: &str) -> Vec<u8> {
    let info = format!(
        "pkgname = {name}\npkgbase = {name}\npkgver = {version}\npkgdesc = A test\narch = {arch}\nsize = 5\nbuilddate = 1700000000\npackager = T <t@example.org>\n{more}"
    );
    archive(&[(".MTREE", b"x"), (".PKGINFO", info.as_bytes()), (&format!("usr/share/{name}"), b"bytes")])
}

pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(vec![]);
    for (path, bytes) in files {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        let name = &mut header.as_old_mut().name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A package, compressed with zstd.
pub(crate) fn package(name: &str, version: &str, arch: &str) -> Vec<u8> {
    zstd(&plain(name, version, arch, ""))
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    through("zstd", bytes)
}

/// What a program makes of bytes.
pub(crate) fn through(program: &str, bytes: &[u8]) -> Vec<u8> {
    let mut child = std::process::Command::new(program)
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let (mut stdin, bytes) = (child.stdin.take().unwrap(), bytes.to_vec());
    let writing = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success(), "{program}");
    output.stdout
}

/// Files below a folder, however deep.
pub(crate) fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}
