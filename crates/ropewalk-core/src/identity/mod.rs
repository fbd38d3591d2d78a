//! Users, passwords, tokens and sessions.

mod password;
mod secret;
mod session;

use crate::access::{self, Caller};
use crate::error::{Error, Kind};
use crate::farm::Farm;
use crate::port::{NewToken, NewUser, Role, Token, User};
use ropewalk_model::grant::Grants;
use ropewalk_model::ids::TokenId;
use ropewalk_model::secret::Secret;
use std::collections::BTreeSet;
use std::time::Duration;

pub(crate) use password::Passwords;
pub use password::{PASSWORD_MAX, PASSWORD_MIN};
pub use secret::new_secret;
pub use session::{SESSION_LASTS, form_key};

/// Characters of a user name.
pub const NAME_MAX: usize = 32;
/// Characters of a token's comment.
pub const COMMENT_MAX: usize = 256;
/// Characters of a mail address.
pub const EMAIL_MAX: usize = 254;
/// How long a token from a log-in is valid.
pub const LOGIN_LASTS: Duration = Duration::from_secs(30 * 24 * 3600);

/// A user to be made.
#[derive(Clone, Debug, Default)]
pub struct Newcomer {
    /// `[a-z_][a-z0-9_-]*`, at most [`NAME_MAX`].
    pub name: String,
    /// May be empty.
    pub email: String,
    /// What they may do.
    pub roles: BTreeSet<Role>,
    /// None means that no password opens the account.
    pub password: Option<Secret>,
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct TokenWish {
    /// What it allows.
    pub grants: Grants,
    /// What it is for.
    pub comment: Option<String>,
    /// How long it is valid; none: until it is revoked.
    pub lifetime: Option<Duration>,
}

impl Farm {
    /// Makes a user.
    pub async fn create_user(&self, by: &Caller, new: Newcomer) -> Result<User, Error> {
        access::administer(by)?;
        check_name(&new.name)?;
        check_email(&new.email)?;
        let password_hash = match new.password {
            Some(password) => Some(self.passwords.hash(password).await?),
            None => None,
        };
        let Newcomer { name, email, roles, .. } = new;
        Ok(self.store.create_user(NewUser { name, email, roles, password_hash }).await?)
    }

    /// All users by name, `limit` after the given name.
    pub async fn users(&self, by: &Caller, after: Option<&str>, limit: u32) -> Result<Vec<User>, Error> {
        access::administer(by)?;
        if let Some(after) = after {
            check_name(after).map_err(|error| error.about("after"))?;
        }
        Ok(self.store.users(after, limit).await?)
    }

    /// A user, for those who may manage them.
    pub async fn user(&self, by: &Caller, name: &str) -> Result<User, Error> {
        let user = self.user_named(name).await?;
        match user {
            Some(user) if access::manage_user(by, &user).is_ok() => Ok(user),
            // Administrators may know who exists; to others every refusal looks the same.
            None if access::administer(by).is_ok() => Err(Error::missing(format_args!("user {name}"))),
            _ => Err(access::administer(by).err().unwrap_or_else(|| Error::missing("such user"))),
        }
    }

    /// Replaces a user's password. It ends the user's sessions; tokens stay valid.
    pub async fn set_password(&self, by: &Caller, name: &str, password: Secret) -> Result<(), Error> {
        let user = self.user(by, name).await?;
        access::set_password(by, &user)?;
        let hash = self.passwords.hash(password).await?;
        Ok(self.store.set_password_hash(user.id, hash).await?)
    }

    /// Makes a token and returns its secret, which is stored nowhere.
    pub async fn create_token(
        &self,
        by: &Caller,
        name: &str,
        wish: TokenWish,
    ) -> Result<(Token, Secret), Error> {
        let user = self.user(by, name).await?;
        access::hand_out(by, &wish.grants)?;
        access::hand_out_until(by, wish.lifetime.map(|lifetime| self.clock.now().plus(lifetime)))?;
        if wish.comment.as_ref().is_some_and(|comment| comment.chars().count() > COMMENT_MAX) {
            return Err(
                Error::malformed(format!("a comment has at most {COMMENT_MAX} characters")).about("comment")
            );
        }
        if wish.comment.as_ref().is_some_and(|comment| comment.chars().any(char::is_control)) {
            return Err(Error::malformed("the comment holds a control character").about("comment"));
        }
        self.mint(&user, wish).await
    }

    /// A user's valid tokens.
    pub async fn tokens(&self, by: &Caller, name: &str) -> Result<Vec<Token>, Error> {
        let user = self.user(by, name).await?;
        Ok(self.store.tokens(user.id).await?)
    }

    /// Ends a token at once.
    pub async fn revoke_token(&self, by: &Caller, name: &str, token: TokenId) -> Result<(), Error> {
        let user = self.user(by, name).await?;
        Ok(self.store.revoke_token(user.id, token).await?)
    }

    /// Who a token's secret belongs to. All tokens that are not valid get the same refusal.
    pub async fn authenticate(&self, presented: &str) -> Result<Caller, Error> {
        let refused =
            || Error::new(Kind::InvalidToken, "this token is not valid: it is unknown, revoked or expired");
        if !secret::is_well_formed(presented) {
            return Err(Error::new(Kind::UnreadableToken, "this is no token: it has another form"));
        }
        self.by_digest(secret::digest(presented)).await?.ok_or_else(refused)
    }

    /// The same caller as they are now; none if their token or session is not valid any more.
    pub(crate) async fn again(&self, by: &Caller) -> Result<Option<Caller>, Error> {
        match by {
            Caller::User { token: Some(digest), .. } => match self.by_digest(digest.clone()).await? {
                None => self.session_by_digest(digest.clone()).await,
                now => Ok(now),
            },
            other => Ok(Some(other.clone())),
        }
    }

    async fn by_digest(&self, digest: String) -> Result<Option<Caller>, Error> {
        let found = self.store.token_by_hash(&digest).await?;
        Ok(found.map(|(token, user)| Caller::User {
            user: Box::new(user),
            grants: token.grants,
            expires: token.expires,
            token: Some(digest),
        }))
    }

    /// Turns name and password into a token that lasts [`LOGIN_LASTS`]. Unknown names, accounts without a password
    /// and wrong passwords get one answer, after the same work.
    pub async fn log_in(&self, name: &str, password: Secret) -> Result<(User, Token, Secret), Error> {
        let user = self.check_password(name, password).await?;
        let comment = Some("log-in with password".into());
        let wish = TokenWish { grants: Grants::All, comment, lifetime: Some(LOGIN_LASTS) };
        let (token, secret) = self.mint(&user, wish).await?;
        Ok((user, token, secret))
    }

    async fn check_password(&self, name: &str, password: Secret) -> Result<User, Error> {
        let user = self.user_named(name).await?;
        let hash = match &user {
            Some(user) => self.store.password_hash(user.id).await?,
            None => None,
        };
        let matches = self.passwords.verify(password, hash).await?;
        user.filter(|_| matches).ok_or_else(|| Error::new(Kind::Unauthenticated, "name or password is wrong"))
    }

    /// Texts that cannot be a name name nobody; a database need not be asked, nor understand them.
    pub(crate) async fn user_named(&self, name: &str) -> Result<Option<User>, Error> {
        if check_name(name).is_err() {
            return Ok(None);
        }
        Ok(self.store.user_named(name).await?)
    }

    pub(crate) async fn mint(&self, user: &User, wish: TokenWish) -> Result<(Token, Secret), Error> {
        let secret = new_secret()?;
        let TokenWish { grants, comment, lifetime } = wish;
        let expires = lifetime.map(|lifetime| self.clock.now().plus(lifetime));
        let hash = secret::digest(secret.reveal());
        let token =
            self.store.create_token(NewToken { user: user.id, hash, grants, comment, expires }).await?;
        Ok((token, secret))
    }
}

/// Names are lower case so that they are safe in paths, addresses and shells.
pub fn check_name(name: &str) -> Result<(), Error> {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let rest = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
    if first && rest && name.len() <= NAME_MAX {
        return Ok(());
    }
    let shown: String = name.chars().take(NAME_MAX).collect();
    Err(Error::malformed(format!(
        "{shown:?} is no user name: write 1 to {NAME_MAX} characters of a-z, 0-9, _ and -, the first of a-z or _"
    ))
    .about("name"))
}

fn check_email(email: &str) -> Result<(), Error> {
    let shape = email.is_empty()
        || email
            .split_once('@')
            .is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'));
    if shape
        && email.len() <= EMAIL_MAX
        && !email.chars().any(|c| c.is_control() || c.is_whitespace() || c == ',')
    {
        return Ok(());
    }
    Err(Error::malformed(format!("this is no mail address: write name@host, at most {EMAIL_MAX} bytes"))
        .about("email"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_paths_and_shells() {
        for good in ["a", "_", "admin", "o-neil_2", &"x".repeat(NAME_MAX)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let long = "x".repeat(NAME_MAX + 1);
        for bad in ["", "-a", "2a", "A", "é", "a b", "a/b", "..", "~a", "a\n", "a\0", long.as_str()] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn mail_addresses_hold_no_second_header() {
        for good in ["", "a@b", "a.b+c@example.org"] {
            assert!(check_email(good).is_ok(), "{good}");
        }
        for bad in ["a", "@b", "a@", "a@b\r\nBcc: c@d", "a@b,c@d", "a b@c", "a@b@c"] {
            assert!(check_email(bad).is_err(), "{bad:?}");
        }
    }
}
