//! Webhooks, as the schema has them. Nothing makes one yet.

use super::jobs::Job;
use super::scalars::{Cursor, Time};
use crate::access::private;
use crate::unbuilt::Never;
use async_graphql::{Enum, InputObject, Interface, Object};

/// What webhooks are called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(crate) enum WebhookEvent {
    JobCreated,
    JobUpdated,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct UserWebhookInput {
    pub(crate) url: String,
    pub(crate) events: Vec<WebhookEvent>,
    pub(crate) query: String,
}

#[derive(Interface)]
#[graphql(
    field(name = "uuid", ty = "String"),
    field(name = "event", ty = "WebhookEvent"),
    field(name = "date", ty = "Time")
)]
pub(crate) enum WebhookPayload {
    JobEvent(JobEvent),
}

pub(crate) struct JobEvent(Never);

#[Object]
impl JobEvent {
    async fn uuid(&self) -> String {
        self.0.value()
    }

    async fn event(&self) -> WebhookEvent {
        self.0.value()
    }

    async fn date(&self) -> Time {
        self.0.value()
    }

    async fn job(&self) -> Job {
        self.0.value()
    }
}

#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "i64"),
    field(name = "events", ty = "Vec<WebhookEvent>"),
    field(name = "query", ty = "String"),
    field(name = "url", ty = "String"),
    field(name = "client", ty = "Option<OAuthClient>", directive = private::apply()),
    field(name = "deliveries", ty = "WebhookDeliveryCursor", arg(name = "cursor", ty = "Option<Cursor>")),
    field(name = "sample", ty = "String", arg(name = "event", ty = "WebhookEvent"))
)]
pub(crate) enum WebhookSubscription {
    UserWebhookSubscription(UserWebhookSubscription),
}

pub(crate) struct UserWebhookSubscription(Never);

#[Object]
impl UserWebhookSubscription {
    async fn id(&self) -> i64 {
        self.0.value()
    }

    async fn events(&self) -> Vec<WebhookEvent> {
        self.0.value()
    }

    async fn query(&self) -> String {
        self.0.value()
    }

    async fn url(&self) -> String {
        self.0.value()
    }

    #[graphql(directive = private::apply())]
    async fn client(&self) -> Option<OAuthClient> {
        self.0.value()
    }

    async fn deliveries(&self, _cursor: Option<Cursor>) -> WebhookDeliveryCursor {
        self.0.value()
    }

    async fn sample(&self, _event: WebhookEvent) -> String {
        self.0.value()
    }
}

pub(crate) struct OAuthClient(Never);

#[Object(name = "OAuthClient")]
impl OAuthClient {
    async fn uuid(&self) -> String {
        self.0.value()
    }
}

/// One call of a webhook.
pub(crate) struct WebhookDelivery(Never);

#[Object]
impl WebhookDelivery {
    async fn uuid(&self) -> String {
        self.0.value()
    }

    async fn date(&self) -> Time {
        self.0.value()
    }

    async fn event(&self) -> WebhookEvent {
        self.0.value()
    }

    async fn subscription(&self) -> WebhookSubscription {
        self.0.value()
    }

    async fn request_body(&self) -> String {
        self.0.value()
    }

    /// Null until answered, or if not text/* or not UTF-8; cut at 64 KiB.
    async fn response_body(&self) -> Option<String> {
        self.0.value()
    }

    async fn response_headers(&self) -> Option<String> {
        self.0.value()
    }

    async fn response_status(&self) -> Option<i32> {
        self.0.value()
    }
}

pub(crate) struct WebhookDeliveryCursor(Never);

#[Object]
impl WebhookDeliveryCursor {
    async fn results(&self) -> Vec<WebhookDelivery> {
        self.0.value()
    }

    async fn cursor(&self) -> Option<Cursor> {
        self.0.value()
    }
}

pub(crate) struct WebhookSubscriptionCursor(Never);

#[Object]
impl WebhookSubscriptionCursor {
    async fn results(&self) -> Vec<WebhookSubscription> {
        self.0.value()
    }

    async fn cursor(&self) -> Option<Cursor> {
        self.0.value()
    }
}
