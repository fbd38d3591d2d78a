//! The images of one data folder.

use super::entry::Provenance;
use super::error::Doing;
use super::unpack::Limits;
use super::worker::{self, Outcome, Task};
use super::{Entry, ImageError, ImageName, Pinned, Rootfs, host, registry};
use crate::sandbox::range::Range;
use rustix::fs::{FlockOperation, flock};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// One import or removal at a time.
const LOCK: &str = "lock";
/// One at a time generates `host`. An import takes long; a supervisor that opens a build in `host` must not wait for it.
const HOST_LOCK: &str = "lock-host";

/// The images below a data folder that belong to one id range. All calls block.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// `names/NAME.json`, `roots/sha256-HEX/`, `blobs/sha256/HEX`, `turns/`.
    pub(super) folder: PathBuf,
    pub(super) limits: Limits,
}

impl Catalog {
    /// The images below `data`; folders are made when needed. Roots belong to `range`, so a
    /// data folder used with another range has its images apart.
    #[must_use]
    pub fn new(data: &Path, range: Range) -> Catalog {
        let folder = data.join("images").join(format!("range-{}-{}", range.uid, range.gid));
        Catalog { folder, limits: Limits::default() }
    }

    /// Bounds what an import may unpack.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Catalog {
        Catalog { limits, ..self }
    }

    /// The image of this name.
    ///
    /// # Errors
    /// [`ImageError::Missing`] with the names there are.
    pub fn resolve(&self, name: &str) -> Result<Rootfs, ImageError> {
        let parsed = ImageName::parse(name)?;
        if name == host::NAME {
            return self.host();
        }
        let found = self.entry(&parsed).map(|entry| Rootfs {
            name: entry.name,
            folder: worker::folder(&self.roots(), &entry.digest),
            digest: entry.digest,
            env: entry.env,
            usr: None,
        });
        match found.filter(|rootfs| rootfs.folder.exists()) {
            Some(rootfs) => Ok(rootfs),
            None => {
                let mut known: Vec<String> = self.list()?.into_iter().map(|e| e.name).collect();
                known.insert(0, host::NAME.to_owned());
                Err(ImageError::Missing { name: name.to_owned(), known })
            }
        }
    }

    /// The image of this name, kept from being removed; see [`Rootfs::pin`].
    ///
    /// # Errors
    /// As [`Catalog::resolve`].
    pub fn pin(&self, name: &str) -> Result<Pinned, ImageError> {
        hold(|| self.resolve(name), |rootfs| rootfs.pin())
    }

    /// The machine's own; what is generated for it is generated anew when the machine's packages
    /// change.
    fn host(&self) -> Result<Rootfs, ImageError> {
        let usr = host::Usr::here();
        let digest = host::fingerprint(usr);
        let folder = worker::folder(&self.roots(), &digest);
        if !folder.exists() {
            self.make_folders()?;
            let _lock = self.lock(HOST_LOCK)?;
            self.generate_host(&folder)?;
        }
        Ok(Rootfs { name: host::NAME.to_owned(), digest, folder, env: vec![], usr: Some(usr) })
    }

    /// The caller holds the lock; another one may have been faster.
    fn generate_host(&self, folder: &Path) -> Result<(), ImageError> {
        if folder.exists() {
            return Ok(());
        }
        if let Outcome::Failed(why) = (Task::Host { roots: self.roots() }).run()? {
            return Err(ImageError::Unpack(why));
        }
        self.remove_old_hosts(folder);
        Ok(())
    }

    /// Those that builds still use stay for the next time.
    fn remove_old_hosts(&self, current: &Path) {
        for entry in fs::read_dir(self.roots()).into_iter().flatten().flatten() {
            let old = entry.file_name().to_str().is_some_and(|name| name.starts_with("host-"));
            if old && entry.path() != current {
                let _ = Task::Remove { folder: entry.path() }.run();
            }
        }
    }

    /// All imported images, by name; `host` is there besides.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Entry>, ImageError> {
        let names = self.names();
        let listed = match fs::read_dir(&names) {
            Ok(listed) => listed,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
            Err(e) => return Err(e).doing(format_args!("read {}", names.display())),
        };
        let mut entries: Vec<Entry> = listed.flatten().filter_map(|file| self.read(&file.path())).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Takes in an image: an OCI layout folder, an OCI or docker-save archive, or the tar of a
    /// plain root (archives may be compressed with gzip or zstd). An image that this name had
    /// before stays usable by running builds.
    ///
    /// # Errors
    /// When the source is no image, is larger than the limits, or the range cannot be entered;
    /// nothing is changed then.
    pub fn import(&self, source: &Path, name: &str) -> Result<Entry, ImageError> {
        let name = ImageName::parse(name)?;
        let source = source.canonicalize().doing(format_args!("find {}", source.display()))?;
        if name.as_str() == host::NAME {
            return Err(ImageError::Reserved);
        }
        self.make_folders()?;
        let task =
            Task::Import { source: source.clone(), manifest: None, roots: self.roots(), limits: self.limits };
        self.take_in(&name, &task, Provenance::of(source.display().to_string()))
    }

    /// Has an image unpacked and gives it its name.
    pub(super) fn take_in(
        &self,
        name: &ImageName,
        task: &Task,
        provenance: Provenance,
    ) -> Result<Entry, ImageError> {
        let path = || PathBuf::from(&provenance.source);
        let _lock = self.lock(LOCK)?;
        let (digest, bytes, env) = match task.run()? {
            Outcome::Imported { digest, bytes, env } => (digest, bytes, env),
            Outcome::NotAnImage(why) => return Err(ImageError::NotAnImage { path: path(), why }),
            Outcome::Failed(why) => return Err(ImageError::Unpack(why)),
            Outcome::Made | Outcome::Removed | Outcome::InUse => {
                return Err(ImageError::Unpack("an answer to another question".into()));
            }
        };
        self.note(name, digest, bytes, env, provenance)
    }

    /// The name for an image that was made before from the very same things, if it is still there.
    pub(super) fn again(
        &self,
        name: &ImageName,
        key: &str,
        provenance: &Provenance,
    ) -> Result<Option<Entry>, ImageError> {
        let _lock = self.lock(LOCK)?;
        let same = self.list()?.into_iter().find(|entry| entry.key.as_deref() == Some(key));
        let Some(same) = same.filter(|entry| worker::folder(&self.roots(), &entry.digest).exists()) else {
            return Ok(None);
        };
        let provenance = Provenance { key: Some(key.into()), ..Provenance::of(provenance.source.clone()) };
        self.note(name, same.digest, same.bytes, same.env, provenance).map(Some)
    }

    /// Writes an entry. What no name has any more goes, unless a build uses it; then the next change tries again.
    pub(super) fn note(
        &self,
        name: &ImageName,
        digest: String,
        bytes: u64,
        env: Vec<(String, String)>,
        provenance: Provenance,
    ) -> Result<Entry, ImageError> {
        let imported = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let Provenance { source, manifest, blobs, key } = provenance;
        let entry =
            Entry { name: name.to_string(), digest, source, imported, bytes, env, manifest, blobs, key };
        self.write(name, &entry)?;
        self.remove_nameless()?;
        Ok(entry)
    }

    /// The caller holds the lock, so whatever has no name is nobody's work in progress.
    fn remove_nameless(&self) -> Result<(), ImageError> {
        let named: BTreeSet<PathBuf> =
            self.list()?.iter().map(|entry| worker::folder(&self.roots(), &entry.digest)).collect();
        for entry in fs::read_dir(self.roots()).into_iter().flatten().flatten() {
            let root = entry.file_name().to_str().is_some_and(|name| name.starts_with("sha256-"));
            if root && !named.contains(&entry.path()) {
                let _ = Task::Remove { folder: entry.path() }.run();
            }
        }
        Ok(())
    }

    /// Removes blobs that no image names.
    pub(super) fn sweep_blobs(&self) {
        let named = || {
            let entries = self.list().ok()?;
            Some(entries.into_iter().flat_map(|entry| entry.blobs).collect::<BTreeSet<String>>())
        };
        registry::sweep(&self.folder, named);
    }

    /// Removes an image by name; its root too when no other name has it.
    ///
    /// # Errors
    /// [`ImageError::Missing`], or [`ImageError::InUse`] while a build uses it.
    pub fn remove(&self, name: &str) -> Result<(), ImageError> {
        let parsed = ImageName::parse(name)?;
        let file = self.names().join(parsed.file());
        let Some(entry) = self.read(&file) else {
            return self.resolve(name).and(Err(ImageError::Own));
        };
        let _lock = self.lock(LOCK)?;
        self.remove_root(&entry)?;
        fs::remove_file(&file).doing(format_args!("remove {}", file.display()))?;
        self.sweep_blobs();
        Ok(())
    }

    /// What is noted about an image.
    pub(super) fn entry(&self, name: &ImageName) -> Option<Entry> {
        self.read(&self.names().join(name.file()))
    }

    /// Which version of an image's entry there is: file and time. None without an entry.
    pub(super) fn noted_at(&self, name: &ImageName) -> Option<(u64, SystemTime)> {
        let noted = fs::metadata(self.names().join(name.file())).ok()?;
        Some((noted.ino(), noted.modified().ok()?))
    }

    /// Removes the root of an entry unless other names have it.
    fn remove_root(&self, entry: &Entry) -> Result<(), ImageError> {
        let others = self.list()?;
        if others.iter().any(|e| e.digest == entry.digest && e.name != entry.name) {
            return Ok(());
        }
        let folder = worker::folder(&self.roots(), &entry.digest);
        match (Task::Remove { folder }).run()? {
            Outcome::InUse => Err(ImageError::InUse(entry.name.clone())),
            Outcome::Failed(why) => Err(ImageError::Unpack(why)),
            _ => Ok(()),
        }
    }

    /// Nobody else may reach a setuid file of an image: whoever runs one is the range's root, to whom all images belong.
    pub(super) fn make_folders(&self) -> Result<(), ImageError> {
        fs::create_dir_all(&self.folder)
            .and_then(|()| fs::set_permissions(&self.folder, PermissionsExt::from_mode(0o700)))
            .doing(format_args!("create {}", self.folder.display()))?;
        for folder in [self.names(), self.roots(), self.turns()] {
            fs::create_dir_all(&folder).doing(format_args!("create {}", folder.display()))?;
        }
        Ok(())
    }

    /// Released with the file.
    fn lock(&self, name: &str) -> Result<File, ImageError> {
        let path = self.folder.join(name);
        let file = File::create(&path).doing(format_args!("open {}", path.display()))?;
        flock(&file, FlockOperation::LockExclusive).doing(format_args!("lock {}", path.display()))?;
        Ok(file)
    }

    fn read(&self, file: &Path) -> Option<Entry> {
        let name = ImageName::from_file(file.file_name()?.to_str()?)?;
        let entry: Entry = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
        (entry.name == name.as_str()).then_some(entry)
    }

    fn write(&self, name: &ImageName, entry: &Entry) -> Result<(), ImageError> {
        let new = self.names().join(format!(".new-{}", std::process::id()));
        let text = serde_json::to_vec_pretty(entry).map_err(std::io::Error::from);
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&text?)?;
            file.sync_all()?;
            fs::rename(&new, self.names().join(name.file()))?;
            File::open(self.names())?.sync_all()
        };
        write().doing(format_args!("record the image {name}"))
    }

    fn names(&self) -> PathBuf {
        self.folder.join("names")
    }

    pub(super) fn roots(&self) -> PathBuf {
        self.folder.join("roots")
    }

    /// Locks of those who fetch.
    pub(super) fn turns(&self) -> PathBuf {
        self.folder.join("turns")
    }
}

/// Finds an image and holds it. One that gave way to a newer one in between (`host` does when the machine's packages
/// change) is found once more.
fn hold<F, H>(
    find: impl Fn() -> Result<F, ImageError>,
    hold: impl Fn(&F) -> Result<H, ImageError>,
) -> Result<H, ImageError> {
    const AGAIN: usize = 4;
    for _ in 0..AGAIN {
        match hold(&find()?) {
            Err(ImageError::Missing { .. }) => {}
            held => return held,
        }
    }
    hold(&find()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn missing() -> ImageError {
        ImageError::Missing { name: "host".into(), known: vec![] }
    }

    #[test]
    fn an_image_that_gives_way_to_a_newer_one_is_found_again() {
        let found = Cell::new(0);
        let find = || {
            found.set(found.get() + 1);
            Ok(found.get())
        };
        let held = hold(find, |&version| if version < 3 { Err(missing()) } else { Ok(version) });
        assert!(matches!(held, Ok(3)));
    }

    #[test]
    fn an_image_that_never_stays_is_missing() {
        let held: Result<(), _> = hold(|| Ok(()), |()| Err(missing()));
        assert!(matches!(held, Err(ImageError::Missing { .. })));
        let held: Result<(), _> = hold(|| Err::<(), _>(missing()), |()| Ok(()));
        assert!(matches!(held, Err(ImageError::Missing { .. })));
    }
}
