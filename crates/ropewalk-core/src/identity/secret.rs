//! Token secrets: made of random, shown once, stored as a digest.

use crate::error::Error;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ropewalk_model::secret::Secret;
use sha2::{Digest, Sha256};

/// Characters that every token has at least. Clients of builds.sr.ht tell token syntaxes by length.
const LENGTH_MIN: usize = 40;
/// Characters that are looked at; longer texts are no tokens.
const LENGTH_MAX: usize = 256;

/// 256 random bits as 43 characters of `[0-9a-zA-Z+/]`.
pub fn new_secret() -> Result<Secret, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::internal(format_args!("the system gave no random bytes: {error}")))?;
    Ok(Secret::new(STANDARD_NO_PAD.encode(bytes)))
}

/// SHA-256 in hexadecimal. The secret is random, so no slow hash is needed.
pub(super) fn digest(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// Whether it could be a token at all.
pub(super) fn is_well_formed(text: &str) -> bool {
    (LENGTH_MIN..=LENGTH_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_is_a_well_formed_token_of_its_own() {
        let secrets: std::collections::BTreeSet<String> =
            (0..100).map(|_| new_secret().unwrap().reveal().to_string()).collect();
        assert_eq!(secrets.len(), 100);
        assert!(secrets.iter().all(|secret| is_well_formed(secret)));
    }

    #[test]
    fn other_texts_are_no_tokens() {
        for text in ["", "short", &"=".repeat(43), &"a".repeat(300), &"é".repeat(30)] {
            assert!(!is_well_formed(text), "{text}");
        }
    }
}
