//! Marks: lines of the setup log that say that a step begins.

/// Bytes up to and with the line that announces a step.
pub(super) fn through_mark(bytes: &[u8], step: &str) -> Option<usize> {
    find(bytes, step).map(|(_, end)| end)
}

/// Bytes up to the line that announces a step, without it.
pub(super) fn before_mark(bytes: &[u8], step: &str) -> Option<usize> {
    find(bytes, step).map(|(start, _)| start)
}

fn find(bytes: &[u8], step: &str) -> Option<(usize, usize)> {
    let words = format!(" Running task {step}");
    let mut start = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let end = start + line.len();
        let text = line.trim_ascii_end();
        if line.ends_with(b"\n") && text.starts_with(b"[#") && text.ends_with(words.as_bytes()) {
            return Some((start, end));
        }
        start = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &[u8] = b"[#1] T Sending tasks\nRunning task a\n[#1] T Running task ba\n[#1] T Running task a\nx\n[#1] T Running task b";

    #[test]
    fn finds_the_mark_of_this_very_step() {
        let start = LOG.windows(21).position(|w| w == b"[#1] T Running task a").unwrap();
        assert_eq!(before_mark(LOG, "a"), Some(start));
        assert_eq!(through_mark(LOG, "a"), Some(start + 22));
    }

    #[test]
    fn half_a_line_is_no_mark() {
        assert_eq!(before_mark(LOG, "b"), None);
        assert_eq!(through_mark(LOG, "c"), None);
    }
}
