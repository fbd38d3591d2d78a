//! How many connections one client may hold.

use crate::rates::network;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The room for connections over the network.
#[derive(Debug)]
pub struct Connections {
    room: Arc<Semaphore>,
    most: u32,
    trusted: Arc<[IpNet]>,
    held: Mutex<HashMap<IpAddr, u32>>,
}

/// A connection's place; free again when it is dropped.
#[derive(Debug)]
pub struct Place {
    connections: Arc<Connections>,
    /// Whose count it is in; none for a trusted proxy.
    of: Option<IpAddr>,
    _room: OwnedSemaphorePermit,
}

impl Connections {
    /// Room for `all` connections, of which one address holds at most `most`. A limit of 0 is taken as 1. Proxies in
    /// `trusted` carry many clients and are not counted.
    pub fn new(all: u32, most: u32, trusted: &[IpNet]) -> Arc<Connections> {
        let all = usize::try_from(all.max(1)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Arc::new(Connections {
            room: Arc::new(Semaphore::new(all)),
            most: most.max(1),
            trusted: trusted.into(),
            held: Mutex::default(),
        })
    }

    /// Waits until there is room for one more.
    pub async fn room(&self) -> Option<OwnedSemaphorePermit> {
        self.room.clone().acquire_owned().await.ok()
    }

    /// Gives the room to a connection from an address; none if that one holds all that it may.
    pub fn seat(self: &Arc<Self>, from: IpAddr, room: OwnedSemaphorePermit) -> Option<Place> {
        let place = |of| Place { connections: self.clone(), of, _room: room };
        if self.trusted.iter().any(|net| net.contains(&from.to_canonical())) {
            return Some(place(None));
        }
        let from = network(from);
        let mut held = self.held();
        let count = held.entry(from).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(held);
        Some(place(Some(from)))
    }

    fn held(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(of) = self.of else { return };
        let mut held = self.connections.held();
        match held.get_mut(&of) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(held.remove(&of)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn seat(connections: &Arc<Connections>, from: &str) -> Option<Place> {
        let room = connections.room().await.unwrap();
        connections.seat(from.parse().unwrap(), room)
    }

    #[tokio::test]
    async fn one_address_does_not_take_the_room_of_others() {
        let connections = Connections::new(10, 2, &["10.0.0.0/8".parse().unwrap()]);
        let first = seat(&connections, "192.0.2.1").await;
        let _second = seat(&connections, "::ffff:192.0.2.1").await.unwrap();
        assert!(seat(&connections, "192.0.2.1").await.is_none());
        assert!(seat(&connections, "192.0.2.2").await.is_some());
        drop(first);
        let again = seat(&connections, "192.0.2.1").await.unwrap();
        // A /64 is one household; a trusted proxy speaks for many.
        let _v6 = [
            seat(&connections, "2001:db8::1").await.unwrap(),
            seat(&connections, "2001:db8::2").await.unwrap(),
        ];
        assert!(seat(&connections, "2001:db8::3").await.is_none());
        let _proxied: Vec<Place> = [
            seat(&connections, "10.0.0.1").await,
            seat(&connections, "10.0.0.1").await,
            seat(&connections, "10.0.0.1").await,
        ]
        .into_iter()
        .map(Option::unwrap)
        .collect();
        drop((again, _second));
        assert!(!connections.held().contains_key(&"192.0.2.1".parse().unwrap()), "what is free is forgotten");
        assert_eq!(connections.room.available_permits(), 5);
    }
}
