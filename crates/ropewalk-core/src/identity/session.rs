//! Sessions: a browser that has logged in. Kept on the server, so that they can be ended.

use super::secret::digest;
use crate::access::Caller;
use crate::error::Error;
use crate::farm::Farm;
use crate::port::{NewSession, User};
use ropewalk_model::grant::Grants;
use ropewalk_model::secret::Secret;
use std::time::Duration;

/// How long a log-in of a browser is valid.
pub const SESSION_LASTS: Duration = Duration::from_secs(30 * 24 * 3600);
/// Random bytes of a session: 160 bits, 40 hexadecimal digits, as Hydra's clients expect.
const BYTES: usize = 20;

impl Farm {
    /// Turns name and password into a session that lasts [`SESSION_LASTS`]. Refusals are those of [`Farm::log_in`].
    pub async fn open_session(&self, name: &str, password: Secret) -> Result<(User, Secret), Error> {
        let user = self.check_password(name, password).await?;
        let secret = new_session()?;
        let expires = self.clock.now().plus(SESSION_LASTS);
        let hash = digest(secret.reveal());
        self.store.create_session(NewSession { user: user.id, hash, expires }).await?;
        Ok((user, secret))
    }

    /// Who a session belongs to, with all that they may do; none if it was ended, has expired or never was.
    pub async fn session(&self, presented: &str) -> Result<Option<Caller>, Error> {
        if !is_well_formed(presented) {
            return Ok(None);
        }
        self.session_by_digest(digest(presented)).await
    }

    pub(super) async fn session_by_digest(&self, digest: String) -> Result<Option<Caller>, Error> {
        let user = self.store.session_by_hash(&digest).await?;
        Ok(user.map(|user| Caller::User {
            user: Box::new(user),
            grants: Grants::All,
            expires: None,
            token: Some(digest),
        }))
    }

    /// Ends a session; nothing happens if there is none.
    pub async fn close_session(&self, presented: &str) -> Result<(), Error> {
        if !is_well_formed(presented) {
            return Ok(());
        }
        Ok(self.store.end_session(&digest(presented)).await?)
    }
}

/// What every form of a session carries, so that no other site can send one: 64 hexadecimal digits that nobody can
/// make without the session, and from which nobody gets the session.
pub fn form_key(session: &str) -> String {
    digest(&format!("form key of {session}"))
}

fn new_session() -> Result<Secret, Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::internal(format_args!("the system gave no random bytes: {error}")))?;
    Ok(Secret::new(hex::encode(bytes)))
}

fn is_well_formed(text: &str) -> bool {
    text.len() == 2 * BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_forty_hexadecimal_digits_and_new_each_time() {
        let (one, other) = (new_session().unwrap(), new_session().unwrap());
        assert!(is_well_formed(one.reveal()) && one.reveal() != other.reveal());
        for text in ["", "a", &"g".repeat(40), &"a".repeat(41)] {
            assert!(!is_well_formed(text), "{text}");
        }
    }

    #[test]
    fn a_form_key_is_neither_the_session_nor_what_is_stored() {
        let key = form_key("s");
        assert_eq!(key.len(), 64);
        assert!(key != digest("s") && key != form_key("t"));
    }
}
