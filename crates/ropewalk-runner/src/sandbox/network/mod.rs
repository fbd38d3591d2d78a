//! A network of the sandbox's own behind a user-mode router (slirp4netns), with a packet filter
//! that steps cannot change: no way to the host's loopback, link-local or private ranges.
//!
//! The sandbox has one interface. Its other end is in a network namespace that only init has ever
//! been in; a packet socket there carries the filter and is read by a helper process that hands
//! frames to the router and back. So neither `/dev/net/tun` nor any privilege on the host is
//! needed, and the filter sees every frame whatever routes or sockets a step makes.

mod apart;
mod cidr;
mod filter;
mod host;
mod link;
mod pump;
mod router;
mod rtnetlink;
mod servant;

pub use cidr::{Cidr, CidrError};
pub use host::Outside;

pub(crate) use apart::{Keeper, isolate};
pub(crate) use host::proxies_of_host;
pub(crate) use link::resolv_conf;

pub(super) use link::{connect, write_resolv_conf};
pub(super) use pump::Pump;
pub(super) use router::Router;

use servant::{Gone, Servant};
use std::net::Ipv4Addr;

/// The processes outside of a sandbox that make its network. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Connection {
    pump: Pump,
    router: Router,
}

impl Connection {
    pub(super) fn new(pump: Pump, router: Router) -> Connection {
        Connection { pump, router }
    }

    /// What happened to the network, if it is gone for ever.
    pub(super) fn lost(&self) -> Option<String> {
        let named = |gone: Option<Gone>, name| gone.map(|gone| (gone, name));
        let router = named(self.router.gone(), router::PROGRAM);
        let pump = named(self.pump.gone(), "the process that carries its frames");
        // Each ends by itself when the other is gone: a signal tells which was first.
        let by_signal = |found: &(Gone, _)| matches!(found, (Gone::Signal(_), _));
        let first = router.filter(by_signal).or(pump.filter(by_signal)).or(router).or(pump);
        first.map(|(gone, name)| format!("the network of the build is lost: {name} {gone}"))
    }
}

/// Where the sandbox's network may be: blocks for benchmarks and documentation, then private ones.
/// The first is taken that the host has nothing to do with.
const PLACES: [Cidr; 5] = [
    Cidr::literal([198, 18, 77, 0], 24),
    Cidr::literal([192, 0, 2, 0], 24),
    Cidr::literal([198, 51, 100, 0], 24),
    Cidr::literal([10, 117, 203, 0], 24),
    Cidr::literal([172, 27, 113, 0], 24),
];

/// Addresses inside. The router takes the second and third of the network for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Inside {
    network: Cidr,
    gateway: Ipv4Addr,
    nameserver: Ipv4Addr,
    address: Ipv4Addr,
}

impl Inside {
    /// Addresses that the host does not use and that nothing opens.
    fn beside(outside: &Outside) -> Inside {
        let free = |place: &Cidr| !outside.touches(*place);
        let network = PLACES.into_iter().find(free).unwrap_or(PLACES[0]);
        let nth = |n| Ipv4Addr::from_bits(network.first().to_bits() | n);
        Inside { network, gateway: nth(2), nameserver: nth(3), address: nth(100) }
    }
}

/// Large frames spare the router most of its work.
const MTU: u32 = 65_520;
/// Longest frame: Ethernet header and MTU.
const MAX_FRAME: usize = MTU as usize + 14;

/// What builds must not reach unless it is opened: this host, link-local, private and shared
/// ranges, multicast and reserved addresses (RFC 6890).
const BLOCKED: [Cidr; 11] = [
    Cidr::literal([0, 0, 0, 0], 8),
    Cidr::literal([10, 0, 0, 0], 8),
    Cidr::literal([100, 64, 0, 0], 10),
    Cidr::literal([127, 0, 0, 0], 8),
    Cidr::literal([169, 254, 0, 0], 16),
    Cidr::literal([172, 16, 0, 0], 12),
    Cidr::literal([192, 0, 0, 0], 24),
    Cidr::literal([192, 168, 0, 0], 16),
    Cidr::literal([198, 18, 0, 0], 15),
    Cidr::literal([224, 0, 0, 0], 4),
    Cidr::literal([240, 0, 0, 0], 4),
];

/// Whether an address is somewhere in the open world: neither this host nor anybody's private range.
pub(crate) fn is_public(address: Ipv4Addr) -> bool {
    !BLOCKED.into_iter().any(|block| block.covers(Cidr::single(address)))
}
