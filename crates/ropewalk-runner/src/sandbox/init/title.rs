//! What others see of init's own start: it is a fork of the supervisor, whose arguments and environment name folders of
//! the host.

use std::ptr::with_exposed_provenance_mut;

/// Shown instead of the arguments.
const TITLE: &[u8] = b"ropewalk-init";
/// Fields of `/proc/PID/stat` (from 1) where arguments and environment begin and end.
const PLACES: [usize; 4] = [48, 49, 50, 51];

/// Overwrites both, for good: this process must not ask for them afterwards. Reads the host's `/proc`.
pub(super) fn hide_start() {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let Some([arguments, arguments_end, environment, environment_end]) = places(&stat) else { return };
    for (start, end) in [(arguments, arguments_end), (environment, environment_end)] {
        // SAFETY: the kernel put these strings there for this process to read and write, nothing reads them at the
        // same time (one thread), and every string still ends where its block ends.
        unsafe { with_exposed_provenance_mut::<u8>(start).write_bytes(0, end.saturating_sub(start)) };
    }
    let room = arguments_end.saturating_sub(arguments).saturating_sub(1);
    // SAFETY: within the arguments, and the last byte stays zero.
    unsafe {
        with_exposed_provenance_mut::<u8>(arguments).copy_from(TITLE.as_ptr(), TITLE.len().min(room));
    }
}

/// The addresses; `None` where the kernel does not say.
fn places(stat: &str) -> Option<[usize; 4]> {
    // The name, field 2, may hold blanks and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let mut found = [0; 4];
    for (place, field) in found.iter_mut().zip(PLACES) {
        *place = fields.get(field.checked_sub(3)?)?.parse().ok().filter(|at| *at != 0)?;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_are_those_of_the_arguments_and_the_environment() {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let [start, end, environment, environment_end] = places(&stat).unwrap();
        let bytes: usize = std::env::args_os().map(|argument| argument.len() + 1).sum();
        assert_eq!(end - start, bytes);
        assert!(environment >= end && environment_end > environment);
    }

    #[test]
    fn a_kernel_that_tells_nothing_changes_nothing() {
        assert_eq!(places("7 (a) b) S 1 2 3"), None);
        assert_eq!(places(&format!("7 (x) S{}", " 0".repeat(60))), None);
        assert_eq!(places(""), None);
    }
}
