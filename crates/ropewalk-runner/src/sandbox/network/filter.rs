//! The packet filter on what leaves the sandbox.

use super::super::bpf::{
    index_header, load, load_byte, load_half, load_half_indexed, mask, op, ret, skip_unless, when,
};
use super::{BLOCKED, Cidr, Inside, Outside};
use libc::{BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, sock_filter};
use std::net::SocketAddrV4;

/// Offsets in an Ethernet frame without tags.
const ETHERTYPE: u32 = 12;
const IP: u32 = 14;
const IP_FRAGMENT: u32 = IP + 6;
const IP_PROTOCOL: u32 = IP + 9;
const IP_DESTINATION: u32 = IP + 16;
/// Destination port, past the IP header.
const PORT: u32 = IP + 2;

const ETH_IPV4: u32 = 0x0800;
const ETH_ARP: u32 = 0x0806;
const TCP: u32 = 6;
const UDP: u32 = 17;
/// Fragment offset: later fragments have no ports to look at, and none are needed.
const LATER_FRAGMENT: u32 = 0x1fff;

const PASS: u32 = u32::MAX;
const DROP: u32 = 0;

/// The program: ARP and IPv4 only; names only at the name server's port; then what is opened, then
/// what is blocked, and the rest passes.
pub(super) fn program(outside: &Outside) -> Vec<sock_filter> {
    let mut program = vec![
        load_half(ETHERTYPE),
        when(BPF_JEQ, ETH_ARP),
        ret(PASS),
        op(BPF_JMP | BPF_JEQ | BPF_K, ETH_IPV4, 1, 0),
        ret(DROP),
        load_half(IP_FRAGMENT),
        when(BPF_JSET, LATER_FRAGMENT),
        ret(DROP),
    ];
    let inside = Inside::beside(outside);
    program.extend(pass_to(SocketAddrV4::new(inside.nameserver, 53), UDP));
    program.extend(pass_to(SocketAddrV4::new(inside.nameserver, 53), TCP));
    for port in outside.loopback_ports() {
        program.extend(pass_to(SocketAddrV4::new(inside.gateway, port), TCP));
    }
    for address in outside.addresses() {
        program.extend(pass_to(address, TCP));
    }
    program.extend(verdict(inside.network, DROP));
    for block in outside.allowed() {
        program.extend(verdict(block, PASS));
    }
    for block in BLOCKED.into_iter().chain(outside.own_addresses().map(Cidr::single)) {
        program.extend(verdict(block, DROP));
    }
    program.push(ret(PASS));
    program
}

/// A filter that passes everything.
pub(super) fn open() -> Vec<sock_filter> {
    vec![ret(PASS)]
}

/// Passes one protocol to one address and port.
fn pass_to(to: SocketAddrV4, protocol: u32) -> [sock_filter; 8] {
    [
        load(IP_DESTINATION),
        skip_unless(to.ip().to_bits(), 6),
        load_byte(IP_PROTOCOL),
        skip_unless(protocol, 4),
        index_header(IP),
        load_half_indexed(PORT),
        when(BPF_JEQ, to.port().into()),
        ret(PASS),
    ]
}

fn verdict(block: Cidr, verdict: u32) -> [sock_filter; 4] {
    let destination = load(IP_DESTINATION);
    [destination, mask(block.mask()), when(BPF_JEQ, block.first().to_bits()), ret(verdict)]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::super::super::bpf::interpreter::{ByteOrder, run};
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn frame(to: Ipv4Addr, protocol: u32, port: u16) -> Vec<u8> {
        let mut frame = vec![0; 60];
        frame[12..14].copy_from_slice(&[8, 0]);
        frame[14] = 0x45;
        frame[23] = protocol.to_le_bytes()[0];
        frame[30..34].copy_from_slice(&to.octets());
        frame[36..38].copy_from_slice(&port.to_be_bytes());
        frame
    }

    fn nameserver() -> Ipv4Addr {
        Inside::beside(&Outside::default()).nameserver
    }

    fn passes(outside: &Outside, frame: &[u8]) -> bool {
        run(&program(outside), frame, ByteOrder::Network) != 0
    }

    fn reaches(outside: &Outside, to: &str, port: u16) -> bool {
        passes(outside, &frame(to.parse().unwrap(), TCP, port))
    }

    #[test]
    fn the_world_is_open_and_private_ranges_are_not() {
        let plain = Outside::default();
        for to in ["1.1.1.1", "151.101.2.132", "203.0.113.7", "172.32.0.1", "9.255.255.255"] {
            assert!(reaches(&plain, to, 443), "{to}");
        }
        for to in [
            "10.0.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.251",
            "239.255.255.250",
            "255.255.255.255",
            "198.18.77.2",
            "198.18.77.100",
            "198.18.0.1",
        ] {
            assert!(!reaches(&plain, to, 443), "{to}");
        }
    }

    #[test]
    fn names_are_asked_at_one_port_only() {
        let plain = Outside::default();
        assert!(passes(&plain, &frame(nameserver(), UDP, 53)));
        assert!(passes(&plain, &frame(nameserver(), TCP, 53)));
        assert!(!passes(&plain, &frame(nameserver(), TCP, 22)));
        assert!(!passes(&plain, &frame(nameserver(), 1, 53)));
    }

    #[test]
    fn what_is_opened_is_open_and_nothing_beside_it() {
        let outside = Outside::default()
            .allow(["10.1.0.0/16".parse().unwrap()])
            .open("10.9.9.9:3128".parse().unwrap())
            .open("127.0.0.1:3142".parse().unwrap());
        assert!(reaches(&outside, "10.1.200.3", 80));
        assert!(!reaches(&outside, "10.2.0.1", 80));
        assert!(reaches(&outside, "10.9.9.9", 3128));
        assert!(!reaches(&outside, "10.9.9.9", 22));
        assert!(!reaches(&outside, "10.9.9.8", 3128));
        assert!(reaches(&outside, "198.18.77.2", 3142));
        assert!(!reaches(&outside, "198.18.77.2", 22));
        assert!(!reaches(&outside, "127.0.0.1", 3142));
    }

    #[test]
    fn the_sandboxs_network_is_none_of_the_hosts() {
        let outside = Outside::default()
            .own(["198.18.77.9".parse().unwrap(), "198.51.100.1".parse().unwrap()])
            .open("192.0.2.80:80".parse().unwrap());
        assert_eq!(Inside::beside(&outside).network, "10.117.203.0/24".parse().unwrap());
        assert!(reaches(&outside, "192.0.2.80", 80));
        assert!(!reaches(&outside, "10.117.203.2", 80));
    }

    #[test]
    fn the_hosts_own_addresses_are_blocked() {
        let outside = Outside::default().own(["203.0.113.7".parse().unwrap()]);
        assert!(!reaches(&outside, "203.0.113.7", 443));
        assert!(reaches(&outside, "203.0.113.8", 443));
    }

    #[test]
    fn other_protocols_and_later_fragments_do_not_pass() {
        let plain = Outside::default();
        for kind in [[0x86, 0xdd], [0x81, 0x00], [0x88, 0xa8], [0x00, 0x2e]] {
            let mut other = frame("1.1.1.1".parse().unwrap(), TCP, 443);
            other[12..14].copy_from_slice(&kind);
            assert!(!passes(&plain, &other), "{kind:x?}");
        }
        let mut later = frame("1.1.1.1".parse().unwrap(), TCP, 443);
        later[21] = 1;
        assert!(!passes(&plain, &later));
        let mut options = frame(nameserver(), UDP, 53);
        options[14] = 0x46; // the port is four bytes further on
        assert!(!passes(&plain, &options));
    }

    proptest! {
        #[test]
        fn a_short_or_random_frame_never_reaches_a_blocked_address(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), block in 0..BLOCKED.len(), low: u32) {
            let block = BLOCKED[block];
            let to = Ipv4Addr::from_bits(block.first().to_bits() | low & !block.mask());
            if to == nameserver() { return Ok(()); }
            if bytes.len() >= 34 {
                bytes[12..14].copy_from_slice(&[8, 0]);
                bytes[30..34].copy_from_slice(&to.octets());
            }
            let arp = bytes.get(12..14) == Some(&[8, 6]);
            prop_assert!(arp || !passes(&Outside::default(), &bytes));
        }
    }
}
