//! The current repository as a source: its working tree with uncommitted changes, ignored files left out.

use anyhow::{Context, bail};
use ropewalk_model::plan::{Plan, Scm, Source};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A source that is taken from the working tree.
pub(super) struct Tree {
    /// Its folder name in the plan.
    pub(super) directory: String,
    /// The URL that it is said to come from.
    url: String,
    /// The working tree.
    root: PathBuf,
}

/// The sources whose folder has the name of the repository that we stand in.
pub(super) fn of_sources(plan: &Plan) -> anyhow::Result<Vec<Tree>> {
    let Some(root) = git(Path::new("."), &["rev-parse", "--show-toplevel"]) else { return Ok(vec![]) };
    let root = PathBuf::from(root);
    let name = name(&root);
    let same = |source: &&Source| source.scm == Scm::Git && Some(&source.directory) == name.as_ref();
    let tree = |source: &Source| Tree {
        directory: source.directory.clone(),
        url: source.url.clone(),
        root: root.clone(),
    };
    Ok(plan.sources.iter().filter(same).map(tree).collect())
}

/// The last component of `origin`'s URL, else of the folder.
fn name(root: &Path) -> Option<String> {
    let origin = git(root, &["remote", "get-url", "origin"]);
    let from_origin = origin.and_then(|url| Some(Source::parse(&url).ok()?.directory));
    from_origin.or_else(|| Some(root.file_name()?.to_str()?.to_owned()))
}

/// A line that git answers.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim_end_matches('\n').to_owned())
}

impl Tree {
    /// Writes the tree to a tar archive, its members below the source's folder name.
    pub(super) fn pack(&self, archive: &Path) -> anyhow::Result<()> {
        let scratch = tempfile::tempdir_in(archive.parent().unwrap_or(Path::new(".")))?;
        let clone = self.clone_without_files(scratch.path())?;
        let file = File::create(archive).with_context(|| format!("cannot create {}", archive.display()))?;
        let mut tar = tar::Builder::new(std::io::BufWriter::new(file));
        tar.follow_symlinks(false);
        let inside = Path::new(&self.directory);
        tar.append_dir_all(inside.join(".git"), clone.join(".git")).context("cannot pack .git")?;
        for path in self.files()? {
            let source = self.root.join(&path);
            let Ok(meta) = source.symlink_metadata() else { continue };
            // Folders among them are other repositories.
            if meta.is_file() || meta.is_symlink() {
                tar.append_path_with_name(&source, inside.join(&path))
                    .with_context(|| format!("cannot pack {}", source.display()))?;
            }
        }
        tar.into_inner()?
            .into_inner()
            .map_err(|e| anyhow::anyhow!("cannot write {}: {}", archive.display(), e.error()))?;
        Ok(())
    }

    /// History and index without the repository's own configuration, which may hold credentials.
    fn clone_without_files(&self, scratch: &Path) -> anyhow::Result<PathBuf> {
        let clone = scratch.join("clone");
        self.must(|git| {
            git.args(["clone", "--quiet", "--no-checkout", "--no-hardlinks", "--"])
                .arg(&self.root)
                .arg(&clone)
        })?;
        self.must(|git| git.arg("-C").arg(&clone).args(["remote", "set-url", "origin", &self.url]))?;
        // A repository without a commit has no index to fill.
        let _ = git(&clone, &["read-tree", "HEAD"]);
        Ok(clone)
    }

    /// Tracked and untracked files that are not ignored, below the root.
    fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
        let output = self.must(|git| git.arg("-C").arg(&self.root).args(list))?;
        let paths = output.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        Ok(paths.map(|path| PathBuf::from(OsStr::from_bytes(path))).collect())
    }

    fn must(&self, arguments: impl FnOnce(&mut Command) -> &mut Command) -> anyhow::Result<Vec<u8>> {
        let mut command = Command::new("git");
        arguments(&mut command);
        let output = command.stdin(Stdio::null()).output().context("cannot start git")?;
        if !output.status.success() {
            let said = output.stderr.trim_ascii().escape_ascii();
            bail!("cannot take the working tree {}: {said}; --clone clones it instead", self.root.display());
        }
        Ok(output.stdout)
    }
}
