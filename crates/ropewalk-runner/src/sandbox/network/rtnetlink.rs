//! The few routing netlink requests that a sandbox needs (rtnetlink(7)).

use super::super::{Doing, SandboxError};
use super::Cidr;
use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};
use std::net::Ipv4Addr;

/// `VETH_INFO_PEER` of linux/veth.h.
const VETH_INFO_PEER: u16 = 1;
const HEADER: usize = 16;

/// One end of a pair of interfaces.
pub(super) struct End<'a> {
    pub(super) name: &'a str,
    pub(super) mtu: u32,
}

/// Makes a pair of interfaces: `here` in this network namespace, `there` in the one of the
/// descriptor.
pub(super) fn make_pair(here: &End<'_>, there: &End<'_>, namespace: i32) -> Result<(), SandboxError> {
    let mut request = Request::new(libc::RTM_NEWLINK, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
    request.put(&[0; 16]); // struct ifinfomsg
    request.end(here);
    let info = request.open(libc::IFLA_LINKINFO);
    request.attribute(libc::IFLA_INFO_KIND, b"veth");
    let data = request.open(libc::IFLA_INFO_DATA);
    let peer = request.open(VETH_INFO_PEER);
    request.put(&[0; 16]);
    request.end(there);
    request.attribute(libc::IFLA_NET_NS_FD, &namespace.to_ne_bytes());
    request.close(peer);
    request.close(data);
    request.close(info);
    request.send().doing("make a pair of network interfaces")
}

/// Brings an interface up.
pub(super) fn up(index: u32) -> Result<(), SandboxError> {
    let mut request = Request::new(libc::RTM_NEWLINK, 0);
    let up = libc::IFF_UP.unsigned_abs().to_ne_bytes();
    request.put(&[0; 4]);
    request.put(&index.to_ne_bytes());
    request.put(&up);
    request.put(&up);
    request.send().doing("bring up a network interface")
}

/// Gives an interface an address in a network.
pub(super) fn add_address(index: u32, address: Ipv4Addr, network: Cidr) -> Result<(), SandboxError> {
    let mut request = Request::new(libc::RTM_NEWADDR, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
    request.put(&[INET, network.bits(), 0, 0]);
    request.put(&index.to_ne_bytes());
    request.attribute(libc::IFA_LOCAL, &address.octets());
    request.attribute(libc::IFA_ADDRESS, &address.octets());
    request.send().doing("give the network interface its address")
}

/// Adds a route; without a gateway the block is unreachable.
pub(super) fn add_route(block: Cidr, gateway: Option<Ipv4Addr>) -> Result<(), SandboxError> {
    let kind = if gateway.is_some() { libc::RTN_UNICAST } else { libc::RTN_UNREACHABLE };
    let mut request = Request::new(libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_REPLACE);
    let scope = libc::RT_SCOPE_UNIVERSE;
    // struct rtmsg
    request.put(&[INET, block.bits(), 0, 0, libc::RT_TABLE_MAIN, libc::RTPROT_STATIC, scope, kind]);
    request.put(&[0; 4]);
    request.attribute(libc::RTA_DST, &block.first().octets());
    if let Some(gateway) = gateway {
        request.attribute(libc::RTA_GATEWAY, &gateway.octets());
    }
    request.send().doing(format_args!("add a route for {block}"))
}

const INET: u8 = 2; // AF_INET

/// A netlink message under construction: header, body, attributes, all padded to 4 bytes.
struct Request(Vec<u8>);

/// Where an attribute that holds others began.
struct Open(usize);

impl Request {
    fn new(kind: u16, flags: libc::c_int) -> Request {
        let flags = flags | libc::NLM_F_REQUEST | libc::NLM_F_ACK;
        let mut bytes = vec![0; HEADER];
        put_at(&mut bytes, 4, &kind.to_ne_bytes());
        put_at(&mut bytes, 6, &u16::try_from(flags).unwrap_or(0).to_ne_bytes());
        Request(bytes)
    }

    fn put(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let open = self.open(kind);
        self.0.extend(value);
        self.close(open);
    }

    fn end(&mut self, end: &End<'_>) {
        self.attribute(libc::IFLA_IFNAME, end.name.as_bytes());
        self.attribute(libc::IFLA_MTU, &end.mtu.to_ne_bytes());
    }

    fn open(&mut self, kind: u16) -> Open {
        let at = self.0.len();
        self.0.extend([0; 2]);
        self.0.extend(kind.to_ne_bytes());
        Open(at)
    }

    fn close(&mut self, open: Open) {
        let length = u16::try_from(self.0.len() - open.0).unwrap_or(u16::MAX);
        put_at(&mut self.0, open.0, &length.to_ne_bytes());
        self.put(&[]);
    }

    fn send(mut self) -> std::io::Result<()> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        put_at(&mut self.0, 0, &length.to_ne_bytes());
        let socket: OwnedFd =
            socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        send(&socket, &self.0, SendFlags::empty())?;
        let mut answer = [0; 4096];
        let (_, length) = recv(&socket, &mut answer, RecvFlags::empty())?;
        acknowledged(answer.get(..length).unwrap_or_default())
    }
}

/// The kernel's answer: `NLMSG_ERROR` with 0 or a negative error number.
fn acknowledged(answer: &[u8]) -> std::io::Result<()> {
    let kind = answer.get(4..6).and_then(|b| b.try_into().ok()).map(u16::from_ne_bytes);
    let error = answer.get(HEADER..HEADER + 4).and_then(|b| b.try_into().ok()).map(i32::from_ne_bytes);
    match (kind.map(i32::from), error) {
        (Some(libc::NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(libc::NLMSG_ERROR), Some(error)) => {
            Err(std::io::Error::from_raw_os_error(error.saturating_neg()))
        }
        _ => Err(std::io::Error::other("an answer that is no acknowledgement")),
    }
}

fn put_at(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]
    use super::*;

    #[test]
    fn attributes_are_padded_and_nested_lengths_count_what_they_hold() {
        let mut request = Request::new(libc::RTM_NEWLINK, 0);
        let outer = request.open(18);
        request.attribute(1, b"veth");
        request.attribute(2, b"abc");
        request.close(outer);
        let bytes = &request.0[HEADER..];
        assert_eq!(&bytes[..4], [20, 0, 18, 0]);
        assert_eq!(&bytes[4..12], [8, 0, 1, 0, b'v', b'e', b't', b'h']);
        assert_eq!(&bytes[12..], [7, 0, 2, 0, b'a', b'b', b'c', 0]);
    }

    #[test]
    fn refusals_are_errors() {
        let mut answer = vec![0; 20];
        put_at(&mut answer, 4, &2u16.to_ne_bytes());
        assert!(acknowledged(&answer).is_ok());
        put_at(&mut answer, HEADER, &(-1i32).to_ne_bytes());
        assert_eq!(acknowledged(&answer).unwrap_err().raw_os_error(), Some(libc::EPERM));
        assert!(acknowledged(&[]).is_err());
    }
}
