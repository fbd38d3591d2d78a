//! What figures were measured on.

use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
pub(crate) struct Machine {
    processor: String,
    processors: usize,
    memory_mib: u64,
    kernel: String,
    /// Type of the file system that data folders lie on.
    file_system: String,
    /// Seconds since 1970.
    measured: u64,
}

impl Machine {
    /// This one, with a folder on the disk that is measured.
    pub(crate) fn here(folder: &Path) -> Machine {
        let measured = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        Machine {
            processor: line_of("/proc/cpuinfo", "model name")
                .unwrap_or_else(|| std::env::consts::ARCH.into()),
            processors: crate::stages::slots(),
            memory_mib: line_of("/proc/meminfo", "MemTotal")
                .and_then(|line| line.strip_suffix(" kB")?.parse::<u64>().ok())
                .map_or(0, |kib| kib >> 10),
            kernel: rustix::system::uname().release().to_str().unwrap_or_default().into(),
            file_system: file_system(folder).unwrap_or_default(),
            measured,
        }
    }

    /// In a line.
    pub(crate) fn words(&self) -> String {
        let Machine { processor, processors, memory_mib, kernel, file_system, .. } = self;
        format!("{processors} × {processor}, {memory_mib} MiB, Linux {kernel}, {file_system}")
    }
}

fn line_of(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut lines = text.lines();
    lines.find_map(|line| Some(line.strip_prefix(name)?.split_once(':')?.1.trim().to_string()))
}

/// The mount with the longest path above the folder says it.
fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let above = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (path, kind) = (fields.next()?, fields.next()?);
        folder.starts_with(path).then(|| (path.len(), kind.to_string()))
    });
    above.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}
