//! What the fields of one request share.

use crate::enforce::{Faults, Sizes};
use ropewalk_core::access::Caller;
use ropewalk_core::error::Error;
use ropewalk_core::farm::Farm;
use ropewalk_core::port::User;
use ropewalk_model::ids::UserId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// One request: who asks, of what, and what has become of it so far.
pub(crate) struct Asked {
    pub(crate) farm: Arc<Farm>,
    pub(crate) caller: Caller,
    pub(crate) sizes: Sizes,
    pub(crate) faults: Arc<Faults>,
    /// Accounts that were looked up: lists have few owners.
    users: Mutex<HashMap<UserId, Arc<OnceCell<Arc<User>>>>>,
}

impl Asked {
    pub(super) fn new(farm: Arc<Farm>, caller: Caller) -> Asked {
        let limits = &farm.settings().requests;
        let sizes = Sizes::new(limits.graphql_objects, limits.graphql_bytes);
        Asked { farm, caller, sizes, faults: Arc::default(), users: Mutex::default() }
    }

    /// An account by number; each is looked up once.
    pub(crate) async fn profile(&self, id: UserId) -> Result<Arc<User>, Error> {
        let known = self.users.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default().clone();
        let ask = async || Ok(Arc::new(self.farm.profile(&self.caller, id).await?));
        known.get_or_try_init(ask).await.cloned()
    }
}
