//! The data folder.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// `--data`; else `/var/lib/ropewalk` for root and the account's own data folder for others.
pub(crate) fn folder(given: Option<&PathBuf>) -> anyhow::Result<PathBuf> {
    let folder = match given {
        Some(folder) => folder.clone(),
        None if rustix::process::getuid().is_root() => "/var/lib/ropewalk".into(),
        None => below_home()?,
    };
    // Nobody else is to look into it, whatever lies there.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|e| {
        anyhow::anyhow!("cannot create the data folder {}: {e}; name another with --data", folder.display())
    })?;
    Ok(folder.canonicalize()?)
}

fn below_home() -> anyhow::Result<PathBuf> {
    let given = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = given.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share")));
    let base =
        base.ok_or_else(|| anyhow::anyhow!("there is no HOME to keep data in: name a folder with --data"))?;
    Ok(base.join("ropewalk"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_folder_is_for_its_own_account_only() {
        let parent = tempfile::tempdir().unwrap();
        let new = folder(Some(&parent.path().join("a/data"))).unwrap();
        assert_eq!(new.metadata().unwrap().permissions().mode() & 0o7777, 0o700);
    }
}
