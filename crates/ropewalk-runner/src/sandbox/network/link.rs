//! The sandbox's end of its network, set up by init.

use super::super::weaken::{Guard, is_off};
use super::super::{Doing, SandboxError};
use super::rtnetlink::{End, add_address, add_route, make_pair, up};
use super::{BLOCKED, Cidr, Inside, MTU, Outside, filter};
use rustix::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use std::ffi::CString;
use std::io;
use std::net::Ipv4Addr;

/// Name of the interface that steps see.
const INSIDE: &str = "net0";
/// Name of its other end.
const OUTSIDE: &str = "router0";
/// `ETHTOOL_STXCSUM` of linux/ethtool.h.
const ETHTOOL_STXCSUM: u32 = 0x17;
/// `SO_LOCK_FILTER`, `PACKET_IGNORE_OUTGOING`.
const SO_LOCK_FILTER: libc::c_int = 44;
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;

/// Connects this network namespace, and gives the packet socket at the other end of its interface.
/// The filter on it can be changed by nobody, not even by the holder of the socket.
pub(in super::super) fn connect(outside: &Outside) -> Result<OwnedFd, SandboxError> {
    let own = open("/proc/self/ns/net", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .doing("open the network namespace")?;
    // The other end is in a namespace that only the socket keeps alive.
    // SAFETY: this process has one thread, and network namespaces share no memory.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.doing("make a second network namespace")?;
    let here = End { name: OUTSIDE, mtu: MTU };
    make_pair(&here, &End { name: INSIDE, mtu: MTU }, own.as_raw_fd())?;
    quiet(OUTSIDE);
    let socket = packet_socket(outside).doing("open the filtered packet socket")?;
    up(index(OUTSIDE)?)?;
    move_into_link_name_space(own.as_fd(), Some(LinkNameSpaceType::Network))
        .doing("return to the sandbox's network namespace")?;
    quiet(INSIDE);
    without_checksum_offload(INSIDE).doing("have checksums computed")?;
    up(index(INSIDE)?)?;
    let inside = Inside::beside(outside);
    add_address(index(INSIDE)?, inside.address, inside.network)?;
    if is_off(Guard::Network) {
        add_route(Cidr::literal([0, 0, 0, 0], 0), Some(inside.gateway))?;
    } else {
        routes(outside, inside.gateway)?;
    }
    Ok(socket)
}

/// So that what the filter would drop is refused at once. The filter does not depend on them.
fn routes(outside: &Outside, gateway: Ipv4Addr) -> Result<(), SandboxError> {
    add_route(Cidr::literal([0, 0, 0, 0], 0), Some(gateway))?;
    let allowed: Vec<Cidr> = outside.allowed().collect();
    let own = outside.own_addresses().map(Cidr::single);
    for block in BLOCKED.into_iter().chain(own) {
        // The sandbox has a loopback of its own.
        if !block.first().is_loopback() && !allowed.iter().any(|open| open.covers(block)) {
            add_route(block, None)?;
        }
    }
    let open = outside.addresses().map(|address| Cidr::single(*address.ip()));
    for block in allowed.into_iter().chain(open).filter(|block| block.bits() > 0) {
        add_route(block, Some(gateway))?;
    }
    Ok(())
}

/// No IPv6 addresses of its own accord: the router speaks IPv4. Not every kernel has IPv6.
fn quiet(interface: &str) {
    let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6"), "1");
}

pub(super) fn index(interface: &str) -> Result<u32, SandboxError> {
    let name = CString::new(interface).map_err(io::Error::from).doing("name an interface")?;
    // SAFETY: the name outlives the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()).doing(format_args!("find the interface {interface}")),
        index => Ok(index),
    }
}

fn packet_socket(outside: &Outside) -> io::Result<OwnedFd> {
    let program = if is_off(Guard::Network) { filter::open() } else { filter::program(outside) };
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let filter = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    let all = u16::try_from(libc::ETH_P_ALL).unwrap_or(3).to_be();
    let one: libc::c_int = 1;
    // SAFETY: the descriptor is new and ours; every structure outlives its call, with its own size.
    unsafe {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // Protocol 0: nothing arrives before the filter is in place.
        let socket = libc::socket(libc::AF_PACKET, kind, 0);
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        let socket = OwnedFd::from_raw_fd(socket);
        option(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &filter)?;
        option(&socket, libc::SOL_SOCKET, SO_LOCK_FILTER, &one)?;
        option(&socket, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, &one)?;
        let mut address: libc::sockaddr_ll = std::mem::zeroed();
        address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or(17);
        address.sll_protocol = all;
        let name = CString::new(OUTSIDE).map_err(io::Error::from)?;
        address.sll_ifindex = libc::if_nametoindex(name.as_ptr()).cast_signed();
        let length = libc::socklen_t::try_from(size_of_val(&address)).unwrap_or(0);
        match libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) {
            0 => Ok(socket),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Sets a socket option.
///
/// # Safety
/// `T` must be what the option wants.
unsafe fn option<T>(socket: &OwnedFd, level: i32, name: i32, value: &T) -> io::Result<()> {
    let size = libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0);
    let value: *const T = value;
    // SAFETY: the value outlives the call and has this size.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.cast(), size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A frame that stays inside the kernel has no checksums yet; the router needs them.
fn without_checksum_offload(interface: &str) -> io::Result<()> {
    let mut value = [ETHTOOL_STXCSUM, 0];
    // SAFETY: an interface request is plain data and zero is valid for all of it; both structures
    // outlive the call; the socket is closed again.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
            *to = from.cast_signed();
        }
        request.ifr_ifru.ifru_data = (&raw mut value).cast();
        let result = libc::ioctl(socket, libc::SIOCETHTOOL as _, &raw const request);
        let error = io::Error::last_os_error();
        libc::close(socket);
        if result == 0 { Ok(()) } else { Err(error) }
    }
}

/// Makes names resolve inside.
pub(in super::super) fn write_resolv_conf(outside: &Outside) -> Result<(), SandboxError> {
    let path = "/etc/resolv.conf";
    // In many images a link to nowhere.
    let _ = std::fs::remove_file(path);
    std::fs::write(path, resolv_conf(outside)).doing(format_args!("write {path}"))
}

/// The content of `/etc/resolv.conf` inside.
pub(crate) fn resolv_conf(outside: &Outside) -> String {
    format!("nameserver {}\n", Inside::beside(outside).nameserver)
}
