//! Bytes of a log as JSON: text where they are UTF-8, else base64. Nothing is lost or replaced.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ropewalk_core::logs::OpenLog;
use ropewalk_model::link::LogName;
use serde::Serialize;

/// A piece of a log.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct Piece {
    /// `setup` or the position of a step.
    pub(super) log: String,
    /// Where the first byte stands in the log.
    pub(super) offset: u64,
    /// The bytes.
    #[serde(flatten)]
    pub(super) bytes: Bytes,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Bytes {
    Text(String),
    Base64(String),
}

/// A log as this API names it.
pub(super) fn log_name(open: OpenLog) -> String {
    match open.name() {
        LogName::Setup => "setup".into(),
        LogName::Step(position) => position.to_string(),
    }
}

/// How many of these bytes make a good piece: a character that is only half there waits for its other half, unless
/// it is all that there is.
pub(super) fn whole(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        _ => bytes.len(),
    }
}

pub(super) fn encode(bytes: &[u8]) -> Bytes {
    match std::str::from_utf8(bytes) {
        Ok(text) => Bytes::Text(text.into()),
        Err(_) => Bytes::Base64(STANDARD.encode(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_character_waits_for_its_rest() {
        assert_eq!(whole("aé".as_bytes()), 3);
        assert_eq!(whole(b"a\xc3"), 1);
        assert_eq!(whole(b"\xc3"), 1);
        assert_eq!(whole(b"a\xff\xc3"), 3);
    }

    #[test]
    fn bytes_that_are_no_text_stay_what_they_are() {
        assert_eq!(encode(b"a\x1b[0m\r\n\0"), Bytes::Text("a\u{1b}[0m\r\n\0".into()));
        assert_eq!(encode(b"\xff\x00"), Bytes::Base64("/wA=".into()));
        let piece = Piece { log: "0".into(), offset: 7, bytes: encode(b"x\r\n") };
        assert_eq!(serde_json::to_string(&piece).unwrap(), r#"{"log":"0","offset":7,"text":"x\r\n"}"#);
    }
}
