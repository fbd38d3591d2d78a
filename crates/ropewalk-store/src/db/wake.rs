//! Who waits for what, within this process.

use std::future::Future;
use tokio::sync::watch;

/// Something that can be waited for. Wakes carry no facts: whoever is woken looks into the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Works may have become ready.
    Queue,
    /// Jobs have new events.
    Events,
    /// Deliveries may have become due.
    Deliveries,
}

impl Channel {
    /// All of them.
    pub(super) const ALL: [Channel; 3] = [Channel::Queue, Channel::Events, Channel::Deliveries];

    /// Its name between servers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Channel::Queue => "ropewalk_queue",
            Channel::Events => "ropewalk_events",
            Channel::Deliveries => "ropewalk_deliveries",
        }
    }
}

/// Counts the wakes of each channel.
#[derive(Default)]
pub(super) struct Wakes {
    queue: watch::Sender<u64>,
    events: watch::Sender<u64>,
    deliveries: watch::Sender<u64>,
}

impl Wakes {
    /// Wakes all who wait for a channel.
    pub(super) fn wake(&self, channel: Channel) {
        self.counter(channel).send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Resolves at the next wake after this call.
    pub(super) fn woken(&self, channel: Channel) -> impl Future<Output = ()> + Send + use<> {
        let mut counter = self.counter(channel).subscribe();
        async move {
            if counter.changed().await.is_err() {
                // The database was closed: nothing will ever change.
                std::future::pending::<()>().await;
            }
        }
    }

    fn counter(&self, channel: Channel) -> &watch::Sender<u64> {
        match channel {
            Channel::Queue => &self.queue,
            Channel::Events => &self.events,
            Channel::Deliveries => &self.deliveries,
        }
    }
}
