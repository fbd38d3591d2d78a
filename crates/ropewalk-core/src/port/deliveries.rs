//! Outgoing messages: decided once in the transaction of their reason, sent at least once under a stable id.

use super::StoreError;
use async_trait::async_trait;
use ropewalk_model::ids::{DeliveryId, GroupId, JobId};
use ropewalk_model::time::Time;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When a trigger fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TriggerCondition {
    /// At every end.
    Always,
    /// At success only.
    Success,
    /// At every other end: failed, timeout and cancelled.
    Failure,
}

/// What a trigger does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum TriggerAction {
    /// Sends a mail.
    Email {
        /// Address list.
        to: String,
        /// Address list.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cc: Option<String>,
        /// Message id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        in_reply_to: Option<String>,
    },
    /// Posts JSON.
    Webhook {
        /// Where to.
        url: String,
    },
}

/// Something to be done when a job or group has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// When.
    pub condition: TriggerCondition,
    /// What.
    #[serde(flatten)]
    pub action: TriggerAction,
}

/// A message to be sent, to be stored with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// Unique over all times; a second one with the same key is not made.
    pub key: String,
    /// What it is about.
    pub job: Option<JobId>,
    /// What it is about.
    pub group: Option<GroupId>,
    /// What to do.
    pub action: TriggerAction,
    /// Not before then.
    pub next_at: Time,
}

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Also its stable id outside.
    pub id: DeliveryId,
    /// What it is about.
    pub job: Option<JobId>,
    /// What it is about.
    pub group: Option<GroupId>,
    /// What to do.
    pub action: TriggerAction,
    /// How often it was tried before.
    pub tries: i32,
}

/// Port for deliveries. Rows are made by the transactions of [`super::Queue`] and [`super::Jobs`].
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Takes up to `n` due deliveries and hides them from others for `lease`.
    async fn take_deliveries(&self, n: u32, lease: Duration) -> Result<Vec<Delivery>, StoreError>;
    /// It was sent, or will never be.
    async fn settle_delivery(&self, id: DeliveryId, note: &str) -> Result<(), StoreError>;
    /// It failed; try again then.
    async fn postpone_delivery(&self, id: DeliveryId, next_at: Time, note: &str) -> Result<(), StoreError>;
    /// Deliveries about a job, sent or not, oldest first.
    async fn deliveries_of(&self, job: JobId) -> Result<Vec<Delivery>, StoreError>;
}
