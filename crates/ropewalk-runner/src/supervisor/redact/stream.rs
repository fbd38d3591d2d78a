//! Masking in a stream that arrives in pieces of any size.

use super::MASK;
use super::forms::forms;
use aho_corasick::{AhoCorasick, BuildError, Input, MatchKind};

/// What is masked. Shared by all logs of a build.
#[derive(Debug)]
pub struct Patterns {
    search: AhoCorasick,
    /// By first byte, because only the beginnings are looked for one by one.
    by_first: Vec<Vec<Vec<u8>>>,
    longest: usize,
}

impl Patterns {
    /// Masks these secrets.
    ///
    /// # Errors
    /// When they are too many or too long to be searched for.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Result<Patterns, BuildError> {
        let mut by_first = vec![vec![]; 256];
        let mut all: Vec<Vec<u8>> = secrets.into_iter().flat_map(forms).collect();
        all.sort();
        all.dedup();
        let search = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&all)?;
        let longest = all.iter().map(Vec::len).max().unwrap_or(0);
        for form in all {
            if let Some(list) = form.first().and_then(|first| by_first.get_mut(usize::from(*first))) {
                list.push(form);
            }
        }
        Ok(Patterns { search, by_first, longest })
    }

    /// The first position at or after `from` whose bytes to the end may be the beginning of a secret.
    fn maybe_begun(&self, bytes: &[u8], from: usize) -> usize {
        let earliest = bytes.len().saturating_sub(self.longest.saturating_sub(1)).max(from);
        let begins = |at: &usize| {
            let rest = bytes.get(*at..).unwrap_or_default();
            let list = rest.first().and_then(|first| self.by_first.get(usize::from(*first)));
            list.is_some_and(|list| list.iter().any(|form| form.len() > rest.len() && form.starts_with(rest)))
        };
        (earliest..bytes.len()).find(begins).unwrap_or(bytes.len())
    }
}

/// One stream. What may become a secret is held back until it is one or not.
#[derive(Debug, Default)]
pub struct Redactor {
    held: Vec<u8>,
}

impl Redactor {
    /// Takes the next bytes and appends to `out` what is safe to show.
    pub fn feed(&mut self, patterns: &Patterns, bytes: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(bytes);
        let end = self.pass(patterns, out, false);
        self.held.drain(..end);
    }

    /// Appends what was held back: the stream is over.
    pub fn finish(&mut self, patterns: &Patterns, out: &mut Vec<u8>) {
        self.pass(patterns, out, true);
        self.held.clear();
    }

    /// Masks from the left and answers how far it came.
    fn pass(&self, patterns: &Patterns, out: &mut Vec<u8>, over: bool) -> usize {
        let bytes = self.held.as_slice();
        let mut from = 0;
        loop {
            let hold = if over { bytes.len() } else { patterns.maybe_begun(bytes, from) };
            let found = patterns.search.find(Input::new(bytes).range(from..));
            match found.filter(|found| found.start() < hold) {
                Some(found) => {
                    out.extend_from_slice(bytes.get(from..found.start()).unwrap_or_default());
                    out.extend_from_slice(MASK);
                    from = found.end();
                }
                None => {
                    out.extend_from_slice(bytes.get(from..hold).unwrap_or_default());
                    return hold;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    fn masked(patterns: &Patterns, pieces: &[&[u8]]) -> Vec<u8> {
        let (mut redactor, mut out) = (Redactor::default(), vec![]);
        pieces.iter().for_each(|piece| redactor.feed(patterns, piece, &mut out));
        redactor.finish(patterns, &mut out);
        out
    }

    fn text(patterns: &Patterns, text: &str) -> String {
        String::from_utf8(masked(patterns, &[text.as_bytes()])).unwrap()
    }

    #[test]
    fn masks_every_form() {
        let secret = "s3cr3t/pa+ss w0rd~é";
        let patterns = Patterns::new([secret.as_bytes()]).unwrap();
        assert_eq!(text(&patterns, &format!("+ login {secret} now")), "+ login *** now");
        assert_eq!(text(&patterns, "a=s3cr3t%2Fpa%2Bss%20w0rd~%C3%A9&b"), "a=***&b");
        assert_eq!(text(&patterns, "a=s3cr3t%2fpa%2bss+w0rd%7e%c3%a9&b"), "a=***&b");
        for before in ["", "u", "us", "user:"] {
            for after in ["", "\n", "--"] {
                for encoded in [
                    STANDARD.encode(format!("{before}{secret}{after}")),
                    URL_SAFE.encode(format!("{before}{secret}{after}")),
                ] {
                    let shown = text(&patterns, &encoded);
                    assert!(shown.contains("***") && shown.len() < 20, "{encoded} became {shown}");
                }
            }
        }
    }

    #[test]
    fn masks_lines_of_a_key_and_its_wrapped_base64() {
        let key = "-----BEGIN KEY-----\nAAAAB3NzaC1yc2EAAAADAQABAAABgQDS0meLongLine00\nshort\nsecondLongLineOfTheKey\n-----END KEY-----\n";
        let patterns = Patterns::new([key.as_bytes()]).unwrap();
        let shown = text(&patterns, &key.replace('\n', "\r\n"));
        assert!(!shown.contains("LongLine"), "{shown}");
        let encoded = STANDARD.encode(key);
        for width in [76, 64] {
            let lines: Vec<_> =
                encoded.as_bytes().chunks(width).map(|l| str::from_utf8(l).unwrap()).collect();
            let shown = text(&patterns, &lines.join("\n"));
            assert!(lines.iter().filter(|l| l.len() > 12).all(|l| !shown.contains(l)), "{shown}");
        }
    }

    #[test]
    fn shows_at_once_what_can_be_no_secret() {
        let patterns = Patterns::new([b"hunter22".as_slice()]).unwrap();
        let (mut redactor, mut out) = (Redactor::default(), vec![]);
        redactor.feed(&patterns, b"Password: ", &mut out);
        assert_eq!(out, b"Password: ");
        redactor.feed(&patterns, b"hunt", &mut out);
        assert_eq!(out, b"Password: ");
        redactor.feed(&patterns, b"ing", &mut out);
        assert_eq!(out, b"Password: hunting");
    }

    #[test]
    fn nothing_to_mask_changes_nothing() {
        let patterns = Patterns::new([b"".as_slice(), b" \n", b"abc"]).unwrap();
        assert_eq!(text(&patterns, "abc \n\n***"), "abc \n\n***");
    }

    proptest! {
        #[test]
        fn the_cut_makes_no_difference(
            secrets in proptest::collection::vec("[ab]{4,9}", 1..4),
            stream in "[abc]{0,60}",
            cuts in proptest::collection::vec(0usize..60, 0..8),
        ) {
            let patterns = Patterns::new(secrets.iter().map(String::as_bytes)).unwrap();
            let whole = masked(&patterns, &[stream.as_bytes()]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &stream.as_bytes()[w[0]..w[1]]).collect();
            prop_assert_eq!(&masked(&patterns, &pieces), &whole);
            for secret in &secrets {
                let shown = str::from_utf8(&whole).unwrap();
                prop_assert!(!shown.contains(secret.as_str()), "{} in {}", secret, shown);
            }
        }

        #[test]
        fn a_secret_in_any_bytes_is_never_shown(
            secret in proptest::collection::vec(any::<u8>(), 4..40),
            before in proptest::collection::vec(any::<u8>(), 0..20),
            after in proptest::collection::vec(any::<u8>(), 0..20),
            size in 1usize..30,
        ) {
            let core = secret.trim_ascii();
            prop_assume!(core.len() >= 4);
            let patterns = Patterns::new([secret.as_slice()]).unwrap();
            let stream = [&before, core, &after].concat();
            let pieces: Vec<&[u8]> = stream.chunks(size).collect();
            let shown = masked(&patterns, &pieces);
            prop_assert!(!shown.windows(core.len()).any(|window| window == core));
        }
    }
}
