//! What is done at an end.

use async_graphql::{Enum, InputObject, Interface, Object};
use ropewalk_core::port;

/// Fires when every job of a group has finished.
#[derive(Interface)]
#[graphql(field(name = "condition", ty = "TriggerCondition"))]
pub(crate) enum Trigger {
    EmailTrigger(EmailTrigger),
    WebhookTrigger(WebhookTrigger),
}

impl From<port::Trigger> for Trigger {
    fn from(trigger: port::Trigger) -> Trigger {
        let condition = trigger.condition.into();
        match trigger.action {
            port::TriggerAction::Email { to, cc, in_reply_to } => {
                Trigger::EmailTrigger(EmailTrigger { condition, to, cc, in_reply_to })
            }
            port::TriggerAction::Webhook { url } => {
                Trigger::WebhookTrigger(WebhookTrigger { condition, url })
            }
        }
    }
}

/// When a trigger fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "port::TriggerCondition")]
pub(crate) enum TriggerCondition {
    Success,
    Failure,
    Always,
}

/// What a trigger does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(crate) enum TriggerType {
    Email,
    Webhook,
}

pub(crate) struct EmailTrigger {
    condition: TriggerCondition,
    to: String,
    cc: Option<String>,
    in_reply_to: Option<String>,
}

#[Object]
impl EmailTrigger {
    async fn condition(&self) -> TriggerCondition {
        self.condition
    }

    async fn to(&self) -> &str {
        &self.to
    }

    async fn cc(&self) -> Option<&str> {
        self.cc.as_deref()
    }

    async fn in_reply_to(&self) -> Option<&str> {
        self.in_reply_to.as_deref()
    }
}

pub(crate) struct WebhookTrigger {
    condition: TriggerCondition,
    url: String,
}

#[Object]
impl WebhookTrigger {
    async fn condition(&self) -> TriggerCondition {
        self.condition
    }

    async fn url(&self) -> &str {
        &self.url
    }
}

/// A trigger to be made. What `type` says must be there.
#[derive(Clone, Debug, InputObject)]
pub(crate) struct TriggerInput {
    #[graphql(name = "type")]
    pub(crate) kind: TriggerType,
    pub(crate) condition: TriggerCondition,
    pub(crate) email: Option<EmailTriggerInput>,
    pub(crate) webhook: Option<WebhookTriggerInput>,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct EmailTriggerInput {
    pub(crate) to: String,
    pub(crate) cc: Option<String>,
    pub(crate) in_reply_to: Option<String>,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct WebhookTriggerInput {
    pub(crate) url: String,
}
