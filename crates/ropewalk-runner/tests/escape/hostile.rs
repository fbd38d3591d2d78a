//! Images as an attacker, or a bad disk, may bring them.

use crate::world::{World, step};
use ropewalk_runner::image::{Catalog, ImageError, Limits, Rootfs};
use ropewalk_runner::sandbox::range;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A catalogue and sources in a folder that goes with it.
pub(crate) struct Shop {
    pub(crate) folder: PathBuf,
    pub(crate) catalog: Catalog,
}

impl Shop {
    pub(crate) fn new(home: &Path) -> Shop {
        let folder = home.join(format!("shop-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let catalog = Catalog::new(&folder, range::find().unwrap());
        Shop { folder, catalog }
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn import(&self, tar: &[u8]) -> Result<Rootfs, ImageError> {
        let source = self.file("source.tar", tar);
        self.catalog.import(&source, "tested").and_then(|_| self.catalog.resolve("tested"))
    }

    /// Unpacked or half unpacked roots.
    pub(crate) fn roots(&self) -> Vec<String> {
        let listed = std::fs::read_dir(self.images().join("roots")).into_iter().flatten().flatten();
        listed.map(|e| e.file_name().into_string().unwrap()).filter(|n| n != ".lock").collect()
    }

    /// The catalogue's own folder.
    pub(crate) fn images(&self) -> PathBuf {
        let range = range::find().unwrap();
        self.folder.join(format!("images/range-{}-{}", range.uid, range.gid))
    }

    /// Removes an image's files, which the account itself may not.
    pub(crate) fn close(self) {
        for entry in self.catalog.list().unwrap() {
            self.catalog.remove(&entry.name).unwrap();
        }
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

pub(crate) struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    pub(crate) fn new() -> Tar {
        Tar(tar::Builder::new(vec![]))
    }

    /// An entry whose name and link are written as they are.
    fn entry(
        mut self,
        kind: tar::EntryType,
        name: &str,
        link: &str,
        mode: u32,
        owner: u64,
        data: &[u8],
    ) -> Tar {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_size(data.len() as u64);
        header.set_device_major(1).unwrap();
        header.set_device_minor(3).unwrap();
        header.set_cksum();
        self.0.append(&header, data).unwrap();
        self
    }

    pub(crate) fn file(self, name: &str, data: &str) -> Tar {
        self.entry(tar::EntryType::Regular, name, "", 0o644, 0, data.as_bytes())
    }

    pub(crate) fn folder(self, name: &str) -> Tar {
        self.entry(tar::EntryType::Directory, name, "", 0o755, 0, b"")
    }

    fn link(self, name: &str, target: &str) -> Tar {
        self.entry(tar::EntryType::Symlink, name, target, 0o777, 0, b"")
    }

    pub(crate) fn done(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

pub(crate) fn a_path_cannot_lead_out_of_the_image(home: &Path) {
    let shop = Shop::new(home);
    let goal = shop.folder.join("pwned");
    let folder = shop.folder.to_str().unwrap();
    for name in ["../pwned", "a/../../../pwned", "../../../../../../../../var/tmp/pwned"] {
        let error = shop.import(&Tar::new().file(name, "x").done()).unwrap_err();
        assert!(error.to_string().contains("leads out of it"), "{error}");
    }
    // Links lead where they lead in the image, not on the host.
    let links = Tar::new().link("out", folder).link("up", "../../../../..").file("fine", "x");
    for tar in [
        links.file("out/pwned", "x").done(),
        Tar::new().link("up", "../../../..").file("up/pwned", "x").done(),
        Tar::new().link("a", "b").link("b", "a").file("a/pwned", "x").done(),
        Tar::new().entry(tar::EntryType::Link, "hard", "/etc/passwd", 0o644, 0, b"").done(),
        Tar::new().entry(tar::EntryType::Link, "hard", "../../../../../../etc/passwd", 0o644, 0, b"").done(),
    ] {
        if let Ok(rootfs) = shop.import(&tar) {
            assert!(!rootfs.folder.join("hard").exists());
        }
        assert!(!goal.exists() && !shop.folder.parent().unwrap().join("pwned").exists());
    }
    let absolute = shop.import(&Tar::new().file("/etc/inside", "x").done()).unwrap();
    assert!(absolute.folder.join("etc/inside").exists() && !Path::new("/etc/inside").exists());
    shop.close();
}

pub(crate) fn devices_are_left_out_and_owners_stay_in_the_range(home: &Path) {
    let shop = Shop::new(home);
    let tar = Tar::new()
        .entry(tar::EntryType::Char, "null", "", 0o666, 0, b"")
        .entry(tar::EntryType::Block, "disk", "", 0o666, 0, b"")
        .entry(tar::EntryType::Fifo, "etc/hosts", "", 0o666, 0, b"")
        .entry(tar::EntryType::Regular, "su", "", 0o4755, 0, b"x")
        .entry(tar::EntryType::Regular, "his", "", 0o600, 1000, b"x");
    let rootfs = shop.import(&tar.done()).unwrap();
    let range = range::find().unwrap();
    let meta = |name: &str| rootfs.folder.join(name).symlink_metadata();
    assert!(meta("null").is_err() && meta("disk").is_err() && meta("etc/hosts").is_err());
    assert_eq!((meta("su").unwrap().uid(), meta("su").unwrap().mode() & 0o7777), (range.uid, 0o4755));
    assert_eq!(meta("his").unwrap().uid(), range.uid + 1000);
    // Another account of the host that ran this setuid file would own every image.
    let images = rootfs.folder.ancestors().nth(2).unwrap();
    assert_eq!(images.metadata().unwrap().mode() & 0o7777, 0o700);
    let foreign = Tar::new().entry(tar::EntryType::Regular, "x", "", 0o644, 70_000, b"x");
    assert!(matches!(shop.import(&foreign.done()), Err(ImageError::Unpack(_))));
    shop.close();
}

/// In chains of a thousand folders, as packages of node and their tests bring them.
pub(crate) fn thousands_of_folders_within_each_other_are_soon_unpacked(home: &Path) {
    let shop = Shop::new(home);
    let mut tar = tar::Builder::new(vec![]);
    let mut folder = |path: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        header.set_uid(0);
        header.set_gid(0);
        tar.append_data(&mut header, path, &b""[..]).unwrap();
    };
    for chain in 0..5 {
        let mut path = chain.to_string();
        for _ in 0..1000 {
            folder(&path);
            path.push_str("/d");
        }
    }
    let tar = tar.into_inner().unwrap();
    let began = std::time::Instant::now();
    let rootfs = shop.import(&tar).unwrap();
    // Following each path from its beginning, several times, took minutes.
    assert!(began.elapsed() < std::time::Duration::from_secs(60), "{:?}", began.elapsed());
    assert!(rootfs.folder.join(format!("4{}", "/d".repeat(999))).is_dir());
    assert!(!rootfs.folder.join(format!("4{}", "/d".repeat(1000))).exists());
    let error = shop.import(&{
        let mut tar = tar::Builder::new(vec![]);
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        tar.append_data(&mut header, "d/".repeat(2100) + "f", &b""[..]).unwrap();
        tar.into_inner().unwrap()
    });
    assert!(error.unwrap_err().to_string().contains("longer than 4095 bytes"));
    shop.close();
}

pub(crate) fn a_way_that_changes_within_a_layer_is_gone_anew(home: &Path) {
    let shop = Shop::new(home);
    let lower = Tar::new().folder("far").folder("far/deep").file("far/deep/old", "1").file("far/old", "1");
    let upper = Tar::new()
        .file("a/b/first", "1")
        .folder("c")
        .folder("c/b")
        .link("a", "c")
        // Where the process was is gone: this is another folder of the same name.
        .file("a/b/second", "2")
        .file("a/b/.wh.first", "")
        .file("far/deep/new", "2")
        .file("far/.wh.deep", "")
        .file("far/deep/new", "3")
        .folder("far/deep")
        .folder("far")
        .file("far/.wh..wh..opq", "")
        .file("far/deep/.wh..wh..opq", "")
        .file("far/deep/newer", "4")
        // Names that are no names remove nothing.
        .file("c/b/.wh...", "")
        .file("c/b/.wh..", "")
        .entry(tar::EntryType::Link, "hard", "a/b/second", 0o644, 0, b"");
    let layers: Vec<_> = [lower.done(), upper.done()].into_iter().map(|tar| (gzip(&tar), tar)).collect();
    shop.catalog.import(&layout(&shop, "layout", &layers), "tested").unwrap();
    let rootfs = shop.catalog.resolve("tested").unwrap();
    let read = |name: &str| std::fs::read_to_string(rootfs.folder.join(name)).ok();
    for (name, contents) in [
        ("c/b/second", Some("2")),
        ("c/b/first", None),
        ("hard", Some("2")),
        ("far/old", None),
        ("far/deep/old", None),
        ("far/deep/new", Some("3")),
        ("far/deep/newer", Some("4")),
    ] {
        assert_eq!(read(name).as_deref(), contents, "{name}");
    }
    assert!(rootfs.folder.join("a").is_symlink());
    shop.close();
}

pub(crate) fn bombs_and_cut_archives_leave_nothing(home: &Path) {
    let mut shop = Shop::new(home);
    let limits = Limits { bytes: 1 << 20, entries: 100 };
    shop.catalog = shop.catalog.clone().with_limits(limits);
    let refused = |tar: &[u8], why: &str| {
        let error = shop.import(tar).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(shop.roots(), [""; 0], "{why}");
        assert!(matches!(shop.catalog.resolve("tested"), Err(ImageError::Missing { .. })));
    };
    refused(
        &Tar::new().entry(tar::EntryType::Regular, "big", "", 0o644, 0, &vec![0; 2 << 20]).done(),
        "more than",
    );
    let mut many = Tar::new();
    for at in 0..200 {
        many = many.file(&format!("f{at}"), "");
    }
    refused(&many.done(), "more than 100 entries");
    // Compressed a thousandfold.
    let mut packed = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
    packed.write_all(&vec![0; 64 << 20]).unwrap();
    refused(&packed.finish().unwrap(), "more than");
    let mut header = tar::Header::new_gnu();
    header.set_path("claims").unwrap();
    header.set_size(1 << 40);
    header.set_cksum();
    refused(header.as_bytes(), "more than");
    let whole = Tar::new().file("a", &"x".repeat(5000)).done();
    refused(&whole[..2000], "");
    refused(b"this is no archive at all, whatever its name says".repeat(20).as_slice(), "");
    shop.close();
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// An OCI layout of these layers (packed form and plain form).
fn layout(shop: &Shop, name: &str, layers: &[(Vec<u8>, Vec<u8>)]) -> PathBuf {
    let blob = |bytes: &[u8]| shop.file(&format!("{name}/blobs/sha256/{}", sha256(bytes)), bytes);
    let list: Vec<String> = layers.iter().map(|(_, plain)| format!("\"sha256:{}\"", sha256(plain))).collect();
    let config = format!(
        r#"{{"architecture":"{}","os":"linux","config":{{"Env":["FROM_IMAGE=yes"]}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" },
        list.join(",")
    );
    let descriptor = |kind: &str, bytes: &[u8]| {
        blob(bytes);
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"sha256:{}","size":{}}}"#,
            sha256(bytes),
            bytes.len()
        )
    };
    let packed: Vec<String> =
        layers.iter().map(|(packed, _)| descriptor("layer.v1.tar+gzip", packed)).collect();
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
        descriptor("config.v1+json", config.as_bytes()),
        packed.join(",")
    );
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
        descriptor("manifest.v1+json", manifest.as_bytes())
    );
    shop.file(&format!("{name}/index.json"), index.as_bytes());
    shop.file(&format!("{name}/oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#);
    shop.folder.join(name)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn layers() -> [Vec<u8>; 2] {
    let lower = Tar::new()
        .folder("usr")
        .folder("usr/lib")
        .link("lib", "usr/lib")
        .file("gone", "1")
        .file("kept", "1")
        .file("changed", "1")
        .folder("emptied")
        .file("emptied/a", "1")
        .file("emptied/b", "1")
        .folder("replaced")
        .file("replaced/a", "1");
    let upper = Tar::new()
        .file(".wh.gone", "")
        .file("changed", "2")
        .file("lib/through-link", "2")
        .file("emptied/c", "2")
        .file("emptied/.wh..wh..opq", "")
        .file("replaced", "a file now")
        // A whiteout is about lower layers: what this layer brings itself stays.
        .file("both", "2")
        .file(".wh.both", "");
    [lower.done(), upper.done()]
}

fn check_layers(rootfs: &Rootfs) {
    let read = |name: &str| std::fs::read_to_string(rootfs.folder.join(name)).ok();
    let expected = [
        ("gone", None),
        ("kept", Some("1")),
        ("changed", Some("2")),
        ("usr/lib/through-link", Some("2")),
        ("emptied/a", None),
        ("emptied/b", None),
        ("emptied/c", Some("2")),
        ("replaced", Some("a file now")),
        ("both", Some("2")),
        (".wh.gone", None),
    ];
    for (name, contents) in expected {
        assert_eq!(read(name).as_deref(), contents, "{name}");
    }
    assert!(rootfs.folder.join("lib").is_symlink());
}

pub(crate) fn layers_are_applied_in_every_form_of_image(home: &Path) {
    let shop = Shop::new(home);
    let [lower, upper] = layers();
    let zstd = zstd::encode_all(upper.as_slice(), 1).unwrap();
    let folder = layout(&shop, "layout", &[(gzip(&lower), lower.clone()), (zstd, upper.clone())]);
    shop.catalog.import(&folder, "from/layout").unwrap();
    let rootfs = shop.catalog.resolve("from/layout").unwrap();
    check_layers(&rootfs);
    assert_eq!(rootfs.env, [("FROM_IMAGE".to_owned(), "yes".to_owned())]);
    // The same as one archive, compressed: the same image.
    let mut archive = tar::Builder::new(vec![]);
    archive.append_dir_all(".", &folder).unwrap();
    let archive = shop.file("layout.tar.gz", &gzip(&archive.into_inner().unwrap()));
    let again = shop.catalog.import(&archive, "again").unwrap();
    assert_eq!(again.digest, rootfs.digest);
    assert_eq!(shop.roots().len(), 1);
    // What `docker save` writes.
    let list = [&lower, &upper].map(|l| format!("\"sha256:{}\"", sha256(l))).join(",");
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[{list}]}}}}"#
    );
    let manifest = r#"[{"Config":"c.json","RepoTags":["x:y"],"Layers":["l/layer.tar","u/layer.tar"]}]"#;
    let saved = Tar::new()
        .file("c.json", &config)
        .file("manifest.json", manifest)
        .entry(tar::EntryType::Regular, "l/layer.tar", "", 0o644, 0, &lower)
        .entry(tar::EntryType::Regular, "u/layer.tar", "", 0o644, 0, &upper);
    check_layers(&shop.import(&saved.done()).unwrap());
    shop.close();
}

pub(crate) fn an_image_whose_bytes_changed_is_refused(home: &Path) {
    let shop = Shop::new(home);
    let [lower, upper] = layers();
    // The layer is whole, but not the one that the configuration names.
    let folder = layout(&shop, "wrong", &[(gzip(&lower), upper)]);
    let error = shop.catalog.import(&folder, "wrong").unwrap_err();
    assert!(error.to_string().contains("instead of"), "{error}");
    // A manifest that does not match its digest.
    let folder = layout(&shop, "torn", &[(gzip(&lower), lower)]);
    for blob in std::fs::read_dir(folder.join("blobs/sha256")).unwrap().flatten() {
        let mut file = std::fs::OpenOptions::new().append(true).open(blob.path()).unwrap();
        file.write_all(b" ").unwrap();
    }
    let error = shop.catalog.import(&folder, "torn").unwrap_err();
    assert!(error.to_string().contains("does not match"), "{error}");
    assert_eq!(shop.roots(), [""; 0]);
    shop.close();
}

pub(crate) fn a_missing_image_names_those_there_are_and_the_command(home: &Path) {
    let shop = Shop::new(home);
    shop.import(&Tar::new().file("a", "1").done()).unwrap();
    let text = shop.catalog.resolve("debian/stable").unwrap_err().to_string();
    for part in ["debian/stable", "host, tested", "ropewalk image import PATH debian/stable"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(matches!(
        shop.catalog.import(&shop.folder.join("source.tar"), "host"),
        Err(ImageError::Reserved)
    ));
    shop.close();
}

pub(crate) fn an_image_in_use_stays(home: &Path) {
    let shop = Shop::new(home);
    let rootfs = shop.import(&Tar::new().file("a", "1").done()).unwrap();
    let pinned = rootfs.pin().unwrap();
    assert!(matches!(shop.catalog.remove("tested"), Err(ImageError::InUse(_))));
    assert!(rootfs.folder.join("a").exists());
    drop(pinned);
    shop.catalog.remove("tested").unwrap();
    assert!(matches!(rootfs.pin(), Err(ImageError::Missing { .. })));
    assert_eq!(shop.roots(), [""; 0]);
    shop.close();
}

pub(crate) fn imports_at_once_and_killed_ones_leave_one_whole_image(home: &Path) {
    let shop = Shop::new(home);
    let mut big = Tar::new();
    for at in 0..2000 {
        big = big.file(&format!("f{at}"), "contents");
    }
    shop.file("source.tar", &big.done());
    let import = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--import", shop.folder.to_str().unwrap()]).spawn().unwrap()
    };
    // Killed at different moments, parent and worker alike by the parent's process group.
    for delay in [1, 20, 120] {
        let mut child = import();
        std::thread::sleep(std::time::Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        if let Ok(rootfs) = shop.catalog.resolve("tested") {
            assert_eq!(std::fs::read_dir(&rootfs.folder).unwrap().count(), 2000);
        }
    }
    let mut all = [import(), import(), import()];
    assert!(all.iter_mut().all(|child| child.wait().unwrap().success()));
    let rootfs = shop.catalog.resolve("tested").unwrap();
    assert_eq!(std::fs::read_dir(&rootfs.folder).unwrap().count(), 2000);
    assert_eq!(shop.roots().len(), 1, "{:?}", shop.roots());
    shop.close();
}

pub(crate) fn the_machines_own_image_waits_for_no_import(home: &Path) {
    let shop = Shop::new(home);
    shop.import(&Tar::new().file("a", "1").done()).unwrap();
    // As somebody who imports for hours.
    let lock = std::fs::File::create(shop.images().join("lock")).unwrap();
    lock.lock().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let catalog = shop.catalog.clone();
    std::thread::spawn(move || tell.send(catalog.pin("host").map(|_pinned| catalog.resolve("host"))));
    let host = told.recv_timeout(std::time::Duration::from_secs(120));
    let host = host.expect("pinned while the lock is held").unwrap().unwrap();
    drop(lock);
    // Only the range may remove it: as the root of a name.
    let names = shop.images().join("names");
    let noted = std::fs::read_to_string(names.join("tested.json")).unwrap();
    let digest = shop.catalog.resolve("tested").unwrap().digest;
    shop.catalog.remove("tested").unwrap();
    std::fs::write(names.join("tested.json"), noted.replace(&digest, &host.digest)).unwrap();
    shop.close();
}

/// What the program does when it is told to import for the test above.
pub(crate) fn import(folder: &Path) {
    let catalog = Catalog::new(folder, range::find().unwrap());
    catalog.import(&folder.join("source.tar"), "tested").unwrap();
}

pub(crate) fn files_that_have_no_end_are_refused(home: &Path) {
    let shop = Shop::new(home);
    let base = || Tar::new().folder("bin").folder("etc");
    let long = "x".repeat((1 << 20) + 1);
    let cases = [
        ("etc/passwd", base().link("etc/passwd", "/dev/zero").done()),
        ("etc/group", base().link("etc/group", "../dev/zero").done()),
        ("etc/shadow", base().link("etc/shadow", "/proc/self/mem").done()),
        ("etc/hosts", base().link("etc/hosts", "/proc/sysrq-trigger").done()),
        ("etc/hosts", base().file("etc/hosts", &long).done()),
        ("etc/passwd", base().file("etc/passwd", &long).done()),
        ("etc/group", base().folder("etc/group").done()),
        (
            "etc/sudoers",
            base()
                .folder("usr/bin")
                .entry(tar::EntryType::Regular, "usr/bin/sudo", "", 0o4755, 0, b"x")
                .file("etc/sudoers", &long)
                .done(),
        ),
    ];
    // All before the first sandbox: afterwards nothing can be imported.
    let mut worlds = vec![];
    for (at, (file, tar)) in cases.iter().enumerate() {
        let source = shop.file("source.tar", tar);
        shop.catalog.import(&source, &format!("case{at}")).unwrap();
        worlds.push((*file, World::of(home, shop.catalog.resolve(&format!("case{at}")).unwrap())));
    }
    let source = shop.file("source.tar", &base().file("etc/hosts", "").done());
    shop.catalog.import(&source, "fifo").unwrap();
    let fifo = World::of(home, shop.catalog.resolve("fifo").unwrap());
    let refused = |file: &str, world: &World| {
        let began = std::time::Instant::now();
        let error = world.try_open().unwrap_err().to_string();
        assert!(error.contains(&format!("/{file} of the image")), "{file}: {error}");
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{file}");
    };
    for (file, world) in &worlds {
        refused(file, world);
    }
    // No archive brings one, but a disk may. The process has entered the range by now and owns the image's files.
    let place = fifo.image.folder.join("etc/hosts");
    std::fs::remove_file(&place).unwrap();
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o644));
    rustix::fs::mknodat(rustix::fs::CWD, &place, kind, mode, 0).unwrap();
    refused("etc/hosts", &fifo);
    std::fs::remove_dir_all(&shop.folder).unwrap();
}

pub(crate) fn a_hostile_root_cannot_lead_mounts_astray(home: &Path) {
    let shop = Shop::new(home);
    let goal = shop.folder.to_str().unwrap().to_owned();
    // Every folder that init mounts on, as a link to the host's.
    let mut tar = Tar::new().folder("bin");
    for name in ["proc", "sys", "dev", "tmp", "run", "etc", "home"] {
        tar = tar.link(name, &goal);
    }
    let rootfs = shop.import(&tar.done()).unwrap();
    let before: Vec<_> = std::fs::read_dir(&shop.folder).unwrap().flatten().map(|e| e.file_name()).collect();
    let world = World::of(home, rootfs);
    // Whether it opens does not matter; the host is as it was.
    if let Ok(sandbox) = world.try_open() {
        let _ = step(&sandbox, "echo x > /tmp/x");
    }
    let after: Vec<_> = std::fs::read_dir(&shop.folder).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(before, after);
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&goal), "{mounts}");
}
