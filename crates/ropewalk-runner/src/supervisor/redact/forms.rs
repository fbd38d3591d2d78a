//! The forms in which a secret is recognised.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::collections::BTreeSet;

/// Shorter texts are not masked: they are in every log.
const MIN: usize = 4;
/// Shorter lines of a longer secret, and shorter ends of wrapped base64, are not masked on their own.
const MIN_LINE: usize = 8;
/// Bytes in one line of base64 as `base64` (76 columns) and `openssl` (64 columns) wrap it.
const WRAPS: [usize; 2] = [57, 48];

/// Every byte string that is masked for this secret: itself, its lines, and both in base64 (at each of
/// the three alignments within a longer text, and wrapped) and percent-encoded.
pub(super) fn forms(secret: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::new();
    let whole = secret.trim_ascii();
    let lines = whole.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let texts = lines.filter(|line| line.len() >= MIN_LINE).chain([whole]);
    for text in texts.filter(|text| text.len() >= MIN) {
        forms.insert(text.to_vec());
        forms.extend(percent(text));
        forms.extend((0..3).flat_map(|before| base64_after(before, text)));
    }
    for bytes in WRAPS {
        forms.extend(
            secret.chunks(bytes).flat_map(|line| base64_after(0, line)).filter(|f| f.len() >= MIN_LINE),
        );
    }
    forms.retain(|form| form.len() >= MIN);
    forms
}

/// The digits of base64 that depend on nothing but `text` when `before` bytes (modulo 3) precede it.
fn base64_after(before: usize, text: &[u8]) -> [Vec<u8>; 2] {
    let padded = [&vec![0; before], text].concat();
    let from = (before * 8).div_ceil(6);
    let to = padded.len() * 8 / 6;
    [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)]
        .map(|digits| digits.as_bytes().get(from..to).unwrap_or_default().to_vec())
}

/// Percent-encoded as in a path (`%20`) or a form (`+`), with capital or small digits.
fn percent(text: &[u8]) -> [Vec<u8>; 4] {
    [(true, false), (false, false), (true, true), (false, true)].map(|(capital, form)| {
        let mut encoded = vec![];
        for byte in text {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => encoded.push(*byte),
                b'~' if !form => encoded.push(*byte),
                b' ' if form => encoded.push(b'+'),
                byte if capital => encoded.extend(format!("%{byte:02X}").bytes()),
                byte => encoded.extend(format!("%{byte:02x}").bytes()),
            }
        }
        encoded
    })
}
