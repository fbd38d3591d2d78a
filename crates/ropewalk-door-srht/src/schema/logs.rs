//! Logs as fields; their bytes are at addresses of their own.

use crate::answer::of_field;
use crate::query::Asked;
use async_graphql::{Context, Object, Result};
use ropewalk_core::logs::OpenLog;

/// Bytes of [`Log::last128_kib`].
const TAIL: usize = 128 << 10;

pub(crate) struct Log {
    pub(crate) open: OpenLog,
    pub(crate) url: String,
}

#[Object]
impl Log {
    /// The last 131072 bytes. What is not UTF-8 is replaced.
    #[graphql(name = "last128KiB")]
    async fn last128_kib(&self, ctx: &Context<'_>) -> Result<String> {
        let asked = ctx.data::<Asked>()?;
        asked.sizes.count_bytes(TAIL).map_err(of_field)?;
        let tail = asked.farm.log_tail(self.open, TAIL).await.map_err(of_field)?;
        Ok(text(&tail))
    }

    /// Authenticated GET, text/plain.
    #[graphql(name = "fullURL")]
    async fn full_url(&self) -> &str {
        &self.url
    }
}

/// A tail may begin in the middle of a character: that one is left out. What is no UTF-8 becomes U+FFFD, because JSON
/// holds nothing else.
fn text(tail: &[u8]) -> String {
    let is_inner = |byte: &u8| (0x80..0xC0).contains(byte);
    let cut = tail.iter().take(3).take_while(|byte| is_inner(byte)).count();
    let mut text = String::with_capacity(tail.len());
    for chunk in tail.get(cut..).unwrap_or_default().utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn a_character_that_was_cut_is_left_out() {
        assert_eq!(text("ä".as_bytes().get(1..).unwrap_or_default()), "");
        assert_eq!(text("aä€".as_bytes()), "aä€");
        assert_eq!(text(b"a\xffb"), "a\u{fffd}b");
    }
}
