//! A sandbox's way out: a pair of virtual interfaces, one end inside, one on the host, each with an address of its own
//! and a route to the other. Both go with the sandbox's network namespace.

use std::io;
use std::net::Ipv4Addr;

use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketType, socket};

use super::netlink::{ACK, CREATE, EXCLUSIVE, Message, Netlink};

/// The end inside, as it is called in a function's sandbox on AWS's hosts and elsewhere.
const INSIDE: &str = "eth0";
/// What no function may reach, whatever the host's firewall does: link-local addresses, where clouds keep credentials.
const LINK_LOCAL: (Ipv4Addr, u8) = (Ipv4Addr::new(169, 254, 0, 0), 16);

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_PID: u16 = 19;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VETH_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTN_UNICAST: u8 = 1;
const RTN_UNREACHABLE: u8 = 7;
const INET: u8 = libc::AF_INET as u8;

/// `struct ifinfomsg`; an interface that is up from the beginning, or left down.
fn link(index: u32, up: bool) -> Vec<u8> {
    let up = if up { libc::IFF_UP as u32 } else { 0 };
    [[0; 4], index.to_ne_bytes(), up.to_ne_bytes(), up.to_ne_bytes()].concat()
}

fn index_of(name: &str) -> io::Result<u32> {
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    Ok(name_to_index(any, name)?)
}

/// Makes the pair: `name` here, the other end in the network namespace of process `pid`.
fn pair(name: &str, pid: u32) -> Message {
    Message::new(RTM_NEWLINK, CREATE | EXCLUSIVE | ACK, &link(0, true)).text(IFLA_IFNAME, name).nest(
        IFLA_LINKINFO,
        |info| {
            info.text(INFO_KIND, "veth").nest(INFO_DATA, |data| {
                data.nest(VETH_PEER, |peer| {
                    peer.raw(&link(0, false))
                        .text(IFLA_IFNAME, INSIDE)
                        .attribute(IFLA_NET_NS_PID, &pid.to_ne_bytes())
                })
            })
        },
    )
}

/// An address, and a route to the one at the other end.
fn address(index: u32, own: Ipv4Addr, other: Ipv4Addr) -> Message {
    // `struct ifaddrmsg`.
    let fixed = [&[INET, 32, 0, 0][..], &index.to_ne_bytes()].concat();
    Message::new(RTM_NEWADDR, CREATE | EXCLUSIVE | ACK, &fixed)
        .attribute(IFA_LOCAL, &own.octets())
        .attribute(IFA_ADDRESS, &other.octets())
}

fn route(prefix: u8, kind: u8) -> Message {
    const MAIN_TABLE: u8 = 254;
    const BOOT: u8 = 3;
    // `struct rtmsg`.
    let fixed = [INET, prefix, 0, 0, MAIN_TABLE, BOOT, 0, kind, 0, 0, 0, 0];
    Message::new(RTM_NEWROUTE, CREATE | EXCLUSIVE | ACK, &fixed)
}

/// Whether the kernel has such interfaces: asks for one in the namespace of a process that can't exist.
pub(super) fn probe(netlink: &Netlink) -> Result<(), String> {
    match netlink.ask(vec![pair("lambent-probe", i32::MAX as u32)], 1) {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            Err("the kernel has no veth interfaces (modprobe veth)".into())
        }
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            Err(format!("network interfaces can't be made: {error}"))
        }
        _ => Ok(()),
    }
}

/// The host's part.
pub(super) fn connect(
    netlink: &Netlink,
    name: &str,
    pid: u32,
    gateway: Ipv4Addr,
    sandbox: Ipv4Addr,
) -> io::Result<()> {
    netlink.ask(vec![pair(name, pid)], 1)?;
    netlink.ask(vec![address(index_of(name)?, gateway, sandbox)], 1)
}

/// The sandbox's part, done by itself while it may.
pub(crate) fn set_up_inside(gateway: Ipv4Addr, own: Ipv4Addr) -> io::Result<()> {
    // Not even a link-local address: the way out is for version 4 only. Where this can't be written, or there is no
    // version 6, the host's rules let nothing of it pass.
    let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{INSIDE}/disable_ipv6"), "1");
    let netlink = Netlink::route()?;
    let index = index_of(INSIDE)?;
    netlink.ask(vec![Message::new(RTM_NEWLINK, ACK, &link(index, true))], 1)?;
    netlink.ask(vec![address(index, own, gateway)], 1)?;
    let out = route(0, RTN_UNICAST)
        .attribute(RTA_GATEWAY, &gateway.octets())
        .attribute(RTA_OIF, &index.to_ne_bytes());
    let closed = route(LINK_LOCAL.1, RTN_UNREACHABLE).attribute(RTA_DST, &LINK_LOCAL.0.octets());
    netlink.ask(vec![out, closed], 2)
}
