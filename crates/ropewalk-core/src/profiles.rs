//! Who other users are.

use crate::access::{self, Caller};
use crate::error::Error;
use crate::farm::Farm;
use crate::port::User;
use ropewalk_model::grant::{Mode, Scope};
use ropewalk_model::ids::UserId;

impl Farm {
    /// A user by name, for whoever has an account.
    pub async fn profile_named(&self, by: &Caller, name: &str) -> Result<User, Error> {
        may_look(by)?;
        self.user_named(name).await?.ok_or_else(|| Error::missing(format_args!("user {name:?}")))
    }

    /// A user by number, for whoever has an account.
    pub async fn profile(&self, by: &Caller, id: UserId) -> Result<User, Error> {
        may_look(by)?;
        self.store.user(id).await?.ok_or_else(|| Error::missing(format_args!("user number {id}")))
    }
}

fn may_look(by: &Caller) -> Result<(), Error> {
    access::member(by)?;
    access::holds(by, Scope::Profile, Mode::Ro)
}
