//! Ways out of a sandbox's network: none, or through the host under the host's address. In every mode the host's
//! loopback and link-local addresses, where clouds keep credentials, are closed, and so are other sandboxes.
//!
//! Nothing of the host is changed but for objects of the launcher's own: a pair of interfaces per sandbox, which goes
//! with the sandbox, and one nf_tables table, which goes with the launcher. The kernel sees to both: there is nothing to
//! sweep after a crash.

mod firewall;
mod links;
mod netlink;
mod resolver;

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

pub(crate) use links::set_up_inside;
use netlink::Netlink;
use resolver::Listeners;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::seccomp::Filters;
use crate::shells::FIRST_HOST_ID;
use crate::sys;

/// What functions reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Egress {
    /// [`Egress::Nat`] where the host can, else [`Egress::None`], which is said.
    Auto,
    /// What the host can reach, under its address, except the host itself.
    Nat,
    /// Nothing.
    None,
    /// As [`Egress::Nat`], and the host's own addresses, except loopback and link-local ones.
    Host,
}

impl Egress {
    /// As an argument of the launcher's.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Egress::Auto => "auto",
            Egress::Nat => "nat",
            Egress::None => "none",
            Egress::Host => "host",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        [Egress::Auto, Egress::Nat, Egress::None, Egress::Host]
            .into_iter()
            .find(|egress| egress.name() == name)
    }
}

/// Sandboxes' addresses: the range for measurements between networks (RFC 2544), which no network has in use.
const RANGE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
/// Each launcher has a part of its own, of 4,094 addresses.
const PART_BITS: u8 = 20;
const PARTS: u32 = 32;
const PART_SIZE: u32 = 1 << (32 - PART_BITS);
/// In each part: the network, the host's end.
const FIRST_SANDBOX: u32 = 2;
/// Of the user that the resolver runs as: no sandbox has it, since theirs are counted from the same number up.
const RESOLVER_USER: u32 = FIRST_HOST_ID - 1;
/// Tries to find a number that no sandbox has that is still being taken down.
const ATTEMPTS: u32 = 64;

/// How often the resolver is started again: it is not known to end by itself.
const RESTARTS: u32 = 100;

/// A way out that is there.
pub(crate) struct Gateway {
    part: u32,
    next: u32,
    links: Netlink,
    /// Holds the table.
    _firewall: Netlink,
    listeners: Option<Listeners>,
    resolver: Option<(libc::pid_t, OwnedFd)>,
    restarts: u32,
}

/// The host's address on sandbox's links, where its resolver is too; and the sandbox's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) gateway: Ipv4Addr,
    pub(crate) own: Ipv4Addr,
    /// Whether the resolver is there.
    pub(crate) resolves: bool,
}

impl Link {
    /// Who answers about names.
    pub(crate) fn resolver(&self) -> Option<Ipv4Addr> {
        self.resolves.then_some(self.gateway)
    }
}

fn address(part: u32, number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(RANGE.to_bits() + part * PART_SIZE + number)
}

/// Opens the way out for a mode. What is missing where it may be missing is said in sentences.
pub(crate) fn open(
    mode: Egress,
    is_root: bool,
    filters: &Filters,
) -> Result<(Option<Gateway>, Vec<String>), String> {
    if mode == Egress::None {
        return Ok((None, Vec::new()));
    }
    match Gateway::open(mode == Egress::Host, is_root, filters) {
        Ok((gateway, degraded)) => Ok((Some(gateway), degraded)),
        Err(reason) if mode == Egress::Auto => {
            let sentence = format!("functions reach no network: {reason} (--egress none, if that is wanted)");
            Ok((None, vec![sentence]))
        }
        Err(reason) => Err(format!("--egress {}: {reason}", mode.name())),
    }
}

/// What keeps this host from being a gateway, found without changing anything; then what is in the way of packets.
pub(crate) fn survey(is_root: bool) -> Result<Vec<String>, String> {
    if !is_root {
        return Err("an ordinary user can't translate addresses".into());
    }
    let forwards = std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap_or_default();
    if forwards.trim() != "1" {
        return Err("this host forwards no packets (sysctl net.ipv4.ip_forward=1)".into());
    }
    let refused = |error: io::Error| format!("nf_tables: {error}");
    let blocked = Netlink::netfilter().and_then(|netlink| firewall::dropping(&netlink)).map_err(refused)?;
    let sentence = |chain: &String| {
        format!("the host's firewall drops what it has no rule for, functions' packets too (chain {chain})")
    };
    Ok(blocked.iter().map(sentence).collect())
}

impl Gateway {
    fn open(host_reachable: bool, is_root: bool, filters: &Filters) -> Result<(Self, Vec<String>), String> {
        let mut degraded = survey(is_root)?;
        let links = Netlink::route().map_err(|error| format!("netlink: {error}"))?;
        links::probe(&links)?;
        let (part, firewall) = take_part(host_reachable)?;
        let mut gateway = Gateway {
            part,
            next: 0,
            links,
            _firewall: firewall,
            listeners: None,
            resolver: None,
            restarts: 0,
        };
        match Listeners::open(address(part, 1)) {
            Ok(listeners) => gateway.listeners = Some(listeners),
            Err(error) => degraded.push(format!("functions can't resolve names: port 53: {error}")),
        }
        gateway.start_resolver(filters);
        Ok((gateway, degraded))
    }

    fn start_resolver(&mut self, filters: &Filters) {
        self.resolver = self.listeners.as_ref().and_then(|listeners| {
            let started = listeners.serve(RESOLVER_USER, filters).and_then(|pid| {
                Ok((
                    pid,
                    pidfd_open(Pid::from_raw(pid).ok_or(io::ErrorKind::NotFound)?, PidfdFlags::empty())?,
                ))
            });
            started.inspect_err(|error| complain!("lambent: functions can't resolve names: {error}")).ok()
        });
    }

    /// Becomes readable when the resolver has ended.
    pub(crate) fn resolver(&self) -> Option<&OwnedFd> {
        self.resolver.as_ref().map(|(_, pidfd)| pidfd)
    }

    /// A child has ended: if it was the resolver, there is another.
    pub(crate) fn ended(&mut self, pid: libc::pid_t, filters: &Filters) {
        if self.resolver.as_ref().is_none_or(|(resolver, _)| *resolver != pid) {
            return;
        }
        self.resolver = None;
        self.restarts += 1;
        match self.restarts <= RESTARTS {
            true => self.start_resolver(filters),
            false => complain!("lambent: functions can't resolve names: the resolver ends again and again"),
        }
    }

    /// Connects a new sandbox, whose first process this is.
    pub(crate) fn connect(&mut self, pid: libc::pid_t) -> Result<Link, String> {
        let gateway = address(self.part, 1);
        for _ in 0..ATTEMPTS {
            // The last address is the broadcast one.
            self.next = (self.next + 1) % (PART_SIZE - 1 - FIRST_SANDBOX);
            let number = FIRST_SANDBOX + self.next;
            let own = address(self.part, number);
            let name = format!("{}{number}", prefix(self.part));
            match links::connect(&self.links, &name, pid.cast_unsigned(), gateway, own) {
                Ok(()) => return Ok(Link { gateway, own, resolves: self.listeners.is_some() }),
                // That sandbox lives, or its namespace has not been taken down yet.
                Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {}
                Err(error) => return Err(format!("network: {error}")),
            }
        }
        Err("network: no free address".into())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some((_, pidfd)) = self.resolver.take() {
            sys::kill_by_pidfd(&pidfd);
        }
    }
}

/// What the names of a launcher's interfaces begin with.
fn prefix(part: u32) -> String {
    format!("lambent{part}-")
}

/// A part of the range that no route of the host and no other launcher has.
fn take_part(host_reachable: bool) -> Result<(u32, Netlink), String> {
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    for part in (0..PARTS).filter(|part| !is_routed(&routes, address(*part, 0))) {
        let subject = firewall::Subject {
            table: &format!("lambent{part}"),
            prefix: &prefix(part),
            network: address(part, 0),
            network_bits: PART_BITS,
            gateway: address(part, 1),
            host_reachable,
        };
        // A refused batch leaves nothing. Each table has a socket of its own, which it goes with.
        let netlink = Netlink::netfilter().map_err(|error| format!("nf_tables: {error}"))?;
        match firewall::open(&netlink, &subject) {
            Ok(()) => return Ok((part, netlink)),
            // Another launcher's.
            Err(error) if [Some(libc::EEXIST), Some(libc::EPERM)].contains(&error.raw_os_error()) => {}
            Err(error) => return Err(format!("nf_tables: {error}")),
        }
    }
    Err(format!("every part of {RANGE}/15 is in use"))
}

/// Whether the host has a route, other than the default one, to a part of these addresses.
fn is_routed(routes: &str, network: Ipv4Addr) -> bool {
    let part = u32::MAX << (32 - PART_BITS);
    routes.lines().skip(1).any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        // As the kernel prints them: numbers in memory order.
        let number = |place: usize| {
            words.get(place).and_then(|word| u32::from_str_radix(word, 16).ok()).map(u32::swap_bytes)
        };
        let (Some(destination), Some(mask)) = (number(1), number(7)) else { return false };
        let common = mask & part;
        mask != 0 && destination & common == network.to_bits() & common
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_has_a_route_to_is_left_alone() {
        let routes = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
                      eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0\n\
                      tun0 000112C6 00000000 0001 0 0 0 00FFFFFF 0 0 0\n\
                      tun1 001012C6 00000000 0001 0 0 0 0000F8FF 0 0 0\n";
        // 198.18.1.0/24 is in the first part; 198.18.16.0 masked by /13 is everything.
        assert!(is_routed(routes, address(0, 0)));
        let without_the_last = routes.rsplit_once("tun1").unwrap().0;
        assert!(is_routed(without_the_last, address(0, 0)));
        assert!(!is_routed(without_the_last, address(1, 0)));
        assert!(is_routed(routes, address(31, 0)));
    }

    #[test]
    fn parts_are_inside_the_range_and_names_are_names() {
        assert_eq!(address(PARTS - 1, PART_SIZE - 1), Ipv4Addr::new(198, 19, 255, 255));
        assert!(format!("{}{}", prefix(PARTS - 1), PART_SIZE).len() < libc::IFNAMSIZ);
        assert_eq!(Egress::of_name(Egress::Host.name()), Some(Egress::Host));
    }
}
