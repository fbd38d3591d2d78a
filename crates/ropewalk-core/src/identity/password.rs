//! Passwords, hashed with argon2id off the asynchronous threads.

use crate::error::{Error, Kind};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use ropewalk_model::secret::Secret;
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// Characters that a new password must have.
pub const PASSWORD_MIN: usize = 8;
/// Bytes that a password may have.
pub const PASSWORD_MAX: usize = 1024;
/// Hashes computed at the same time; each takes 19 MiB and a core.
const AT_ONCE: usize = 2;

/// Hashes and compares passwords, a few at a time.
#[derive(Debug)]
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Passwords { turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Passwords {
    /// The argon2id text of a new password.
    pub(crate) async fn hash(&self, password: Secret) -> Result<String, Error> {
        if password.reveal().chars().count() < PASSWORD_MIN || password.reveal().len() > PASSWORD_MAX {
            return Err(Error::malformed(format!(
                "a password has at least {PASSWORD_MIN} characters and at most {PASSWORD_MAX} bytes"
            ))
            .about("password"));
        }
        self.compute(move || hash(&password)).await?
    }

    /// Whether the password is the one of the hash. Without a hash the work is the same and the answer no.
    pub(crate) async fn verify(&self, password: Secret, hash: Option<String>) -> Result<bool, Error> {
        if password.reveal().len() > PASSWORD_MAX {
            return Ok(false);
        }
        self.compute(move || {
            let known = hash.is_some();
            let hash = hash.map_or_else(nobodys, Ok)?;
            let hash = PasswordHash::new(&hash).map_err(|error| {
                Error::internal(format_args!("a stored password hash cannot be read: {error}"))
            })?;
            Ok(Argon2::default().verify_password(password.reveal().as_bytes(), &hash).is_ok() && known)
        })
        .await?
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let stopping = |_| Error::new(Kind::Unavailable, "the server is stopping");
        let turn = self.turns.clone().acquire_owned().await.map_err(stopping)?;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.map_err(|error| Error::internal(format_args!("computing a password hash failed: {error}")))
    }
}

fn hash(password: &Secret) -> Result<String, Error> {
    let hash = Argon2::default()
        .hash_password(password.reveal().as_bytes())
        .map_err(|error| Error::internal(format_args!("a password could not be hashed: {error}")))?;
    Ok(hash.to_string())
}

/// A hash that belongs to no account, so that unknown names cost as much as known ones.
fn nobodys() -> Result<String, Error> {
    static HASH: OnceLock<String> = OnceLock::new();
    if let Some(hash) = HASH.get() {
        return Ok(hash.clone());
    }
    let made = hash(&super::new_secret()?)?;
    Ok(HASH.get_or_init(|| made).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_opens_its_own_hash_only() {
        let passwords = Passwords::default();
        let hash = passwords.hash(Secret::new("correct horse")).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.verify(Secret::new("correct horse"), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(Secret::new("correct hors"), Some(hash)).await.unwrap());
        assert!(!passwords.verify(Secret::new("correct horse"), None).await.unwrap());
    }

    #[tokio::test]
    async fn refuses_short_and_endless_passwords() {
        let passwords = Passwords::default();
        for bad in ["", "seven77", &"x".repeat(PASSWORD_MAX + 1)] {
            assert_eq!(passwords.hash(Secret::new(bad)).await.unwrap_err().kind, Kind::Malformed);
        }
    }
}
