//! Whose agents build what. An agent puts its key into every build that it runs, where any PKGBUILD can read it, so no
//! account's agent is given what another account wrote.

use super::words;
use crate::access::{self, Caller};
use crate::error::{Error, Kind};
use crate::farm::Farm;
use crate::port::{Pool, Role};
use ropewalk_model::ids::UserId;
use std::sync::atomic::Ordering;

impl Farm {
    /// Whose agents may take builds of this account's targets. Administrators trust each other.
    pub(super) async fn pool_of(&self, owner: UserId) -> Result<Pool, Error> {
        if self.settings.arch.shared_agents {
            return Ok(Pool::Administrators);
        }
        let user = self.store.user(owner).await?;
        let is_admin = user.is_some_and(|user| user.roles.contains(&Role::Admin));
        Ok(if is_admin { Pool::Administrators } else { Pool::Of(owner) })
    }

    /// Whose builds an agent with this key is given.
    pub(super) fn pool_of_agent(&self, by: &Caller) -> Result<Pool, Error> {
        access::build_packages(by)?;
        match by.user() {
            Some(user) if !access::administers_packages(by) => match self.settings.arch.shared_agents {
                true => Err(Error::new(
                    Kind::Forbidden,
                    "agents build everybody's targets here (arch.shared-agents): they need a key of an administrator",
                )),
                false => Ok(Pool::Of(user.id)),
            },
            _ => Ok(Pool::Administrators),
        }
    }

    /// Says once that an agent holds more than it should.
    pub(super) fn look_at_key(&self, by: &Caller) {
        if access::is_whole_account(by) && !self.told_of_key.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "an agent polls with a token that may do all that its account may, and every PKGBUILD that it builds can read it: give it one made with `ropewalk token create --grants AGENT:RW`"
            );
        }
    }

    /// Passes keys of agents for repositories and targets of this account.
    pub(super) async fn check_agent(&self, by: &Caller, owner: UserId) -> Result<(), Error> {
        if self.pool_of_agent(by)? == self.pool_of(owner).await? {
            return Ok(());
        }
        Err(Error::new(Kind::Forbidden, "this belongs to somebody else: only their agents build it"))
    }
}

/// What a build asks of agents: a word that stands for architecture and pool. No architecture's own holds a colon.
pub(super) fn agents_word(arch: &str, pool: Pool) -> String {
    let label = words::label(arch);
    match pool {
        Pool::Administrators => label,
        Pool::Of(user) => format!("{label}:{user}"),
    }
}

/// Name of the runner that stands for all agents of a pool that have an architecture.
pub(super) fn agents_name(arch: &str, pool: Pool) -> String {
    format!("vieter:{}", agents_word(arch, pool))
}
