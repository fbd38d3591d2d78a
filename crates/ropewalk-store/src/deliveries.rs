//! Outgoing messages.

mod rows;

pub(crate) use rows::{make_for_group, make_for_job};

use crate::SqlStore;
use async_trait::async_trait;
use ropewalk_core::port::{Deliveries, Delivery, StoreError};
use ropewalk_model::ids::{DeliveryId, JobId};
use ropewalk_model::time::Time;
use std::time::Duration;

#[async_trait]
impl Deliveries for SqlStore {
    async fn take_deliveries(&self, n: u32, lease: Duration) -> Result<Vec<Delivery>, StoreError> {
        self.db.write(rows::TAKE, (self.now(), n, lease), rows::take).await
    }

    async fn settle_delivery(&self, id: DeliveryId, note: &str) -> Result<(), StoreError> {
        self.db.write(rows::SETTLE, (self.now(), id, note.to_owned()), rows::settle).await
    }

    async fn postpone_delivery(&self, id: DeliveryId, next_at: Time, note: &str) -> Result<(), StoreError> {
        self.db.write(rows::POSTPONE, (id, next_at, note.to_owned()), rows::postpone).await
    }

    async fn deliveries_of(&self, job: JobId) -> Result<Vec<Delivery>, StoreError> {
        rows::of(&self.db, job).await
    }
}
