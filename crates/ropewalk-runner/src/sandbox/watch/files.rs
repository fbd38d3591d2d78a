//! Files without a name that processes still hold: open in any table of any thread, mapped, or running as a program.

use super::tree::{Process, Shared, share};
use std::collections::{HashMap, HashSet};
use std::fs::ReadDir;
use std::os::unix::fs::MetadataExt;

/// Device and inode number.
pub(super) type Id = (u64, u64);

/// Nameless files that some processes hold, with the bytes that each takes.
pub(super) type Nameless = HashMap<Id, u64>;

/// The device that the kernel keeps memory files, shared memory and segments on.
pub(super) fn memory_device() -> std::io::Result<u64> {
    let file = rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC)?;
    Ok(std::fs::File::from(file).metadata()?.dev())
}

/// A search through all processes in portions: builds decide how many descriptors and areas there are, and whoever
/// searches has orders to hear and logs to take.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Where it goes on, the next one last.
    processes: Vec<Process>,
    /// Tables of the process that was begun last: its number and a thread for each.
    tables: Vec<(i32, i32)>,
    reading: Option<ReadDir>,
    found: Nameless,
    /// What the last finished search found.
    last: Nameless,
}

impl Search {
    /// Goes on with those that are open, on devices for which `held` holds, while `more` says so. A search that is
    /// over begins anew with these processes at the next call. What the last one found and this one found until now.
    pub(super) fn open(
        &mut self,
        processes: &[Process],
        held: &dyn Fn(u64) -> bool,
        more: &dyn Fn() -> bool,
    ) -> Nameless {
        self.begin(processes);
        while more() {
            if let Some(entry) = self.reading.as_mut().and_then(Iterator::next) {
                entry.into_iter().for_each(|entry| note(&mut self.found, &entry.path(), held));
            } else if let Some((process, thread)) = self.tables.pop() {
                self.reading = std::fs::read_dir(format!("/proc/{process}/task/{thread}/fd")).ok();
            } else if let Some(process) = self.processes.pop() {
                self.reading = None;
                self.tables = tables(process).into_iter().map(|thread| (process.pid, thread)).collect();
            } else {
                return self.finish();
            }
        }
        self.known()
    }

    /// The same with those that are mapped, or run as a program, one process at a time.
    pub(super) fn mapped(
        &mut self,
        processes: &[Process],
        held: &dyn Fn(u64) -> bool,
        more: &dyn Fn() -> bool,
    ) -> Nameless {
        self.begin(processes);
        while more() {
            let Some(process) = self.processes.pop() else { return self.finish() };
            for (id, bytes) in mapped(process, held) {
                let known = self.found.entry(id).or_default();
                *known = (*known).max(bytes);
            }
        }
        self.known()
    }

    fn begin(&mut self, processes: &[Process]) {
        if self.processes.is_empty() && self.tables.is_empty() && self.reading.is_none() {
            self.processes = processes.to_vec();
        }
    }

    fn finish(&mut self) -> Nameless {
        self.reading = None;
        self.last = std::mem::take(&mut self.found);
        self.last.clone()
    }

    fn known(&self) -> Nameless {
        let mut known = self.last.clone();
        known.extend(&self.found);
        known
    }
}

/// Those that a process has mapped, or runs as a program. Of a mapped one the kernel tells us no more than the length
/// of what is mapped.
fn mapped(process: Process, held: &dyn Fn(u64) -> bool) -> Nameless {
    let mut found = Nameless::new();
    for thread in process.threads() {
        let folder = format!("/proc/{}/task/{thread}", process.pid);
        let Ok(maps) = std::fs::read_to_string(format!("{folder}/maps")) else { continue };
        if maps.is_empty() {
            continue; // an ended thread
        }
        let mut lengths = Nameless::new();
        let mut seen = HashSet::new();
        for area in maps.lines().filter_map(Area::parse) {
            if area.deleted && held(area.id.0) && seen.insert((area.id, area.offset)) {
                let length = lengths.entry(area.id).or_default();
                *length = length.saturating_add(area.length);
            }
        }
        for (id, length) in lengths {
            let known = found.entry(id).or_default();
            *known = (*known).max(length);
        }
        note(&mut found, format!("{folder}/exe").as_ref(), held);
        break; // all threads have the same memory
    }
    found
}

/// One thread for each table of open files that a process has.
fn tables(process: Process) -> Vec<i32> {
    let mut kept: Vec<i32> = vec![];
    for thread in process.threads() {
        // The first one may have ended and share nothing any more; comparing with the latest finds nearly all.
        if !kept.last().is_some_and(|last| share(*last, thread, Shared::Files)) {
            kept.push(thread);
        }
    }
    kept
}

fn note(found: &mut Nameless, path: &std::path::Path, held: &dyn Fn(u64) -> bool) {
    let Ok(meta) = std::fs::metadata(path) else { return };
    if meta.is_file() && meta.nlink() == 0 && held(meta.dev()) {
        found.insert((meta.dev(), meta.ino()), meta.blocks().saturating_mul(512));
    }
}

/// A line of `/proc/PID/maps`, or the first line of a block of `smaps`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Area<'a> {
    pub(super) length: u64,
    offset: u64,
    pub(super) id: Id,
    pub(super) name: &'a str,
    deleted: bool,
}

impl Area<'_> {
    /// `START-END PERMISSIONS OFFSET MAJOR:MINOR INODE   NAME`, all but the inode hexadecimal. `None` for areas
    /// without a file and for any other line.
    pub(super) fn parse(line: &str) -> Option<Area<'_>> {
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let _permissions = fields.next()?;
        let hexadecimal = |text: &str| u64::from_str_radix(text, 16).ok();
        let offset = hexadecimal(fields.next()?)?;
        let (major, minor) = fields.next()?.split_once(':')?;
        let device =
            rustix::fs::makedev(u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
        let inode = fields.next()?.parse().ok().filter(|inode| *inode != 0)?;
        let name = fields.next().unwrap_or_default().trim_start();
        Some(Area {
            length: hexadecimal(end)?.saturating_sub(hexadecimal(start)?),
            offset,
            id: (device, inode),
            name,
            deleted: name.ends_with(" (deleted)"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn me() -> Process {
        super::super::tree::below(rustix::process::getppid().unwrap().as_raw_nonzero().get())
            .into_iter()
            .find(|p| p.pid == std::process::id().cast_signed())
            .unwrap()
    }

    #[test]
    fn memory_files_and_deleted_files_are_found() {
        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        let mut memory = std::fs::File::from(rustix::fs::memfd_create("x", flags).unwrap());
        memory.write_all(&[1; 1 << 20]).unwrap();
        let mut deleted = tempfile::tempfile().unwrap();
        deleted.write_all(&[1; 1 << 20]).unwrap();
        deleted.sync_all().unwrap();
        let device = memory_device().unwrap();
        let id = |file: &std::fs::File| file.metadata().map(|m| (m.dev(), m.ino())).unwrap();
        let in_memory = Search::default().open(&[me()], &|on| on == device, &|| true);
        assert_eq!(in_memory.get(&id(&memory)), Some(&(1 << 20)));
        assert_eq!(in_memory.get(&id(&deleted)), None);
        let on_disk = Search::default().open(&[me()], &|on| on != device, &|| true);
        assert!(on_disk.get(&id(&deleted)).is_some_and(|bytes| *bytes >= 1 << 20));
    }

    #[test]
    fn a_search_that_is_interrupted_goes_on_and_forgets_nothing() {
        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        let mut memory = std::fs::File::from(rustix::fs::memfd_create("x", flags).unwrap());
        memory.write_all(&[1; 1 << 20]).unwrap();
        let device = memory_device().unwrap();
        let id = memory.metadata().map(|m| (m.dev(), m.ino())).unwrap();
        let mut search = Search::default();
        let mut portion = || {
            let once = std::cell::Cell::new(true);
            search.open(&[me()], &|on| on == device, &|| once.replace(false)).contains_key(&id)
        };
        assert!(!portion(), "one step finds no more than the process");
        let portions = (2..100_000).find(|_| portion()).unwrap();
        assert!(portions > 3, "{portions}");
        // Also while the next search has not come so far yet.
        assert!((0..1000).all(|_| portion()));
    }

    #[test]
    fn a_line_of_maps_is_read() {
        let line =
            "7f0000000000-7f0000200000 rw-s 00001000 00:01 2051                       /dev/zero (deleted)";
        let area = Area::parse(line).unwrap();
        assert_eq!((area.length, area.offset, area.deleted), (0x20_0000, 0x1000, true));
        assert_eq!(area.id, (rustix::fs::makedev(0, 1), 2051));
        assert_eq!(area.name, "/dev/zero (deleted)");
        let private = "55d0-55e0 r-xp 00000000 fd:01 77 /usr/bin/a b";
        assert!(Area::parse(private).is_some_and(|a| !a.deleted && a.name == "/usr/bin/a b"));
        assert_eq!(Area::parse("7ffd000-7ffe000 rw-p 00000000 00:00 0          [stack]"), None);
        assert_eq!(Area::parse("Pss:                 231 kB"), None);
        assert_eq!(Area::parse(""), None);
    }
}
