//! NUL in JSON, which no database keeps in a text.

/// NUL in a string of a JSON text, where it can stand in no other form.
const NUL: &[u8] = br"\u0000";

/// Replaces each NUL that strings of a JSON text hold by U+FFFD. A backslash before `u0000` that is itself escaped is
/// none.
pub fn without_nul(json: Vec<u8>) -> Vec<u8> {
    if !json.windows(NUL.len()).any(|window| window == NUL) {
        return json;
    }
    let mut clean = Vec::with_capacity(json.len());
    let mut rest = json.as_slice();
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let (before, escape) = rest.split_at(at);
        clean.extend_from_slice(before);
        let (kept, taken) = match escape.starts_with(NUL) {
            true => ("\u{fffd}".as_bytes(), NUL.len()),
            false => (escape.get(..2).unwrap_or(escape), 2),
        };
        clean.extend_from_slice(kept);
        rest = escape.get(taken..).unwrap_or_default();
    }
    clean.extend_from_slice(rest);
    clean
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strings_keep_all_but_nul(text in r#"[\x00\\"u0a\n]{0,24}"#) {
            let json = serde_json::to_vec(&text).unwrap();
            let read: String = serde_json::from_slice(&without_nul(json)).unwrap();
            prop_assert_eq!(read, text.replace('\0', "\u{fffd}"));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(prop::sample::select(br"\u0x".to_vec()), 0..16)) {
            drop(without_nul(bytes));
        }
    }
}
