//! A package's entries in the two databases of its repository.
//!
//! A database is a gzip file of a tar archive. Both formats may be put together from parts: each package's part is made
//! once, when it is published, and a database is their concatenation and an end.

use super::{Info, Package};
use flate2::write::GzEncoder;
use std::io::{self, Write};
use tar::{Builder, Header};

/// A package's parts.
pub(crate) struct Entries {
    /// The text `desc`.
    pub(crate) description: String,
    /// For `REPO.db`.
    pub(crate) in_db: Vec<u8>,
    /// For `REPO.files`.
    pub(crate) in_files: Vec<u8>,
}

/// Makes a package's parts. `size` and `sha256` are those of its file.
pub(crate) fn entries(package: &Package, size: u64, sha256: &str) -> io::Result<Entries> {
    let description = description(package, size, sha256);
    let files = format!("%FILES%\n{}", package.files);
    let (folder, built) = (package.entry_name(), package.info.builddate);
    let desc = (format!("{folder}/desc"), description.as_bytes());
    let in_db = part(&[(&desc.0, desc.1)], built)?;
    let in_files = part(&[(&desc.0, desc.1), (&format!("{folder}/files"), files.as_bytes())], built)?;
    Ok(Entries { description, in_db, in_files })
}

fn description(package: &Package, size: u64, sha256: &str) -> String {
    let Info { name, base, version, desc, url, arch, packager, .. } = &package.info;
    let info = &package.info;
    let mut text = String::new();
    // In Vieter's order.
    block(&mut text, "FILENAME", &[package.file_name()]);
    block(&mut text, "NAME", std::slice::from_ref(name));
    block(&mut text, "BASE", std::slice::from_ref(base));
    block(&mut text, "VERSION", std::slice::from_ref(version));
    block(&mut text, "DESC", std::slice::from_ref(desc));
    block(&mut text, "GROUPS", &info.groups);
    block(&mut text, "CSIZE", &[size.to_string()]);
    block(&mut text, "ISIZE", &[info.size.to_string()]);
    block(&mut text, "SHA256SUM", &[sha256.to_string()]);
    block(&mut text, "URL", std::slice::from_ref(url));
    block(&mut text, "LICENSE", &info.licenses);
    block(&mut text, "ARCH", std::slice::from_ref(arch));
    block(&mut text, "BUILDDATE", &[info.builddate.to_string()]);
    block(&mut text, "PACKAGER", std::slice::from_ref(packager));
    for (key, list) in [
        ("REPLACES", &info.replaces),
        ("CONFLICTS", &info.conflicts),
        ("PROVIDES", &info.provides),
        ("DEPENDS", &info.depends),
        ("OPTDEPENDS", &info.optdepends),
        ("MAKEDEPENDS", &info.makedepends),
        ("CHECKDEPENDS", &info.checkdepends),
    ] {
        block(&mut text, key, list);
    }
    text
}

/// A key, its values, an empty line; nothing where there is no value.
fn block(text: &mut String, key: &str, values: &[String]) {
    let values: Vec<&str> = values.iter().map(String::as_str).filter(|value| !value.is_empty()).collect();
    if !values.is_empty() {
        text.push_str(&format!("%{key}%\n{}\n\n", values.join("\n")));
    }
}

fn part(files: &[(&str, &[u8])], modified: u64) -> io::Result<Vec<u8>> {
    let mut tar = Builder::new(vec![]);
    for (path, bytes) in files {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(modified);
        tar.append_data(&mut header, path, *bytes)?;
    }
    // What is written by now lacks the end of an archive.
    gzip(tar.get_ref())
}

/// What a database ends with: two empty blocks.
pub(crate) fn end_of_database() -> io::Result<Vec<u8>> {
    gzip(&[0; 1024])
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(vec![], flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::arch::package::Compression;
    use std::io::Read;

    #[test]
    fn parts_put_together_are_one_archive() {
        let text = "pkgname = p\npkgver = 1-1\narch = any\ndepend = a\ndepend = b\nsize = 5\nbuilddate = 7\n";
        let info = Info::parse(text).unwrap();
        let one = Package { info, compression: Compression::Zstd, files: "usr/\n".into() };
        let mut two = one.clone();
        two.info.name = "q".repeat(150);
        let mut database = vec![];
        for package in [&one, &two] {
            database.extend(entries(package, 9, "ab").unwrap().in_files);
        }
        database.extend(end_of_database().unwrap());
        let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(database.as_slice()));
        let mut found = vec![];
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            found.push((entry.path().unwrap().display().to_string(), text));
        }
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        let long = "q".repeat(150);
        let expected =
            ["p-1-1/desc", "p-1-1/files", &format!("{long}-1-1/desc"), &format!("{long}-1-1/files")];
        assert_eq!(paths, expected);
        assert_eq!(
            found.first().unwrap().1,
            "%FILENAME%\np-1-1-any.pkg.tar.zst\n\n%NAME%\np\n\n%BASE%\np\n\n%VERSION%\n1-1\n\n%CSIZE%\n9\n\n%ISIZE%\n5\n\n\
             %SHA256SUM%\nab\n\n%ARCH%\nany\n\n%BUILDDATE%\n7\n\n%DEPENDS%\na\nb\n\n"
        );
        assert_eq!(found.get(1).unwrap().1, "%FILES%\nusr/\n");
    }
}
