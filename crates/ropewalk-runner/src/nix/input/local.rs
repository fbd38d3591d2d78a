//! Files and folders of this machine that inputs name, and which of them everybody's jobsets may read.

use super::failed;
use crate::nix::cell::{Beneath, Spec};
use crate::supervisor::Stop;
use rustix::io::Errno;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// A file or folder of this machine that may be read.
#[derive(Debug)]
pub(super) struct Local {
    /// Where it lies, without links.
    pub(super) path: PathBuf,
    /// How it is looked up again where it is read; none if it may lie anywhere.
    beneath: Option<Beneath>,
}

impl Local {
    /// `free`: an administrator has named it. Else it must lie below one of the folders that are `opened` to everybody,
    /// and no link on the way may lead out of that: whoever may write there decides where links lead.
    pub(super) fn find(path: &Path, free: bool, opened: &[PathBuf]) -> Result<Local, Stop> {
        let shown = path.display();
        if free {
            let real = path.canonicalize();
            let path = real.map_err(|error| failed(format_args!("cannot read {shown}: {error}")))?;
            return Ok(Local { path, beneath: None });
        }
        let found = opened.iter().find_map(|folder| Some((folder, path.strip_prefix(folder).ok()?)));
        let Some((folder, rest)) = found else {
            return Err(failed(format_args!(
                "{shown} lies below no folder of this runner's nix.local-inputs: an administrator can open one there, \
                 or save the jobset"
            )));
        };
        let named = Beneath { folder: folder.clone(), rest: rest.into(), shown: path.into() };
        let file = named.open().map_err(|error| match error {
            Errno::XDEV | Errno::LOOP => {
                failed(format_args!("{shown}: a link leads out of {}", folder.display()))
            }
            error => failed(format_args!("cannot read {shown}: {error}")),
        })?;
        let cannot = |error: std::io::Error| failed(format_args!("cannot read {shown}: {error}"));
        let real = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(cannot)?;
        let folder = folder.canonicalize().map_err(cannot)?;
        let rest = real
            .strip_prefix(&folder)
            .map_err(|_| failed(format_args!("{shown} does not lie below {} any more", folder.display())))?;
        let beneath = Beneath { folder: folder.clone(), rest: rest.into(), shown: real.clone() };
        Ok(Local { path: real, beneath: Some(beneath) })
    }

    /// Lets a cell read it, at this path: as root whosever it is.
    pub(super) fn show(&self, at: &Path, cell: &mut Spec) {
        match &self.beneath {
            Some(beneath) => cell.beneath.push(Beneath { shown: at.into(), ..beneath.clone() }),
            None => cell.readable.push(at.into()),
        }
        cell.reads_all = true;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn no_link_leads_out_of_what_is_open_to_everybody() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let opened = home.join("opened");
        std::fs::create_dir_all(opened.join("bob/real")).unwrap();
        std::fs::create_dir_all(home.join("secret")).unwrap();
        symlink(home.join("secret"), opened.join("bob/away")).unwrap();
        symlink("../../secret", opened.join("bob/up")).unwrap();
        symlink("real", opened.join("bob/near")).unwrap();
        let folders = [opened.clone()];
        let find = |name: &str, free| Local::find(&opened.join(name), free, &folders);
        for away in ["bob/away", "bob/up", "bob/away/key", "../secret", "bob/../../secret"] {
            let refused = find(away, false).unwrap_err();
            assert!(refused.message.contains("leads out of"), "{away}: {}", refused.message);
        }
        assert_eq!(find("bob/near", false).unwrap().path, opened.join("bob/real"));
        assert_eq!(find("", false).unwrap().path, opened);
        assert_eq!(find("bob/away", true).unwrap().path, home.join("secret"));
        let closed = Local::find(&home.join("secret"), false, &folders).unwrap_err();
        assert!(closed.message.contains("nix.local-inputs"), "{}", closed.message);
        assert!(Local::find(&opened, false, &[]).is_err(), "what was opened once may be closed");
        // A link that an administrator made is the folder.
        symlink(&opened, home.join("linked")).unwrap();
        let linked = Local::find(&home.join("linked/bob/near"), false, &[home.join("linked")]).unwrap();
        assert_eq!(linked.path, opened.join("bob/real"));
    }
}
