//! The host's rules for sandboxes' packets: one nf_tables table of a launcher's own, which the kernel removes with the
//! socket that made it, however the launcher ends. Nobody else's table is touched; what another one drops stays dropped.

use std::io;
use std::net::Ipv4Addr;

use super::netlink::{ACK, APPEND, CREATE, DUMP, EXCLUSIVE, Message, Netlink, attributes};

const SUBSYSTEM: u16 = 10 << 8;
const NEW_TABLE: u16 = SUBSYSTEM;
const NEW_CHAIN: u16 = SUBSYSTEM | 3;
const GET_CHAIN: u16 = SUBSYSTEM | 4;
const NEW_RULE: u16 = SUBSYSTEM | 6;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// The table lives as long as its maker's socket. Linux 5.12.
const TABLE_OWNED: u32 = 2;
/// Version 4 and 6 in one table.
const INET: u8 = 1;
const IPV4: u8 = 2;

const HOOK_INPUT: u32 = 1;
const HOOK_FORWARD: u32 = 2;
const HOOK_POSTROUTING: u32 = 4;
const PRIORITY_FILTER: u32 = 0;
const PRIORITY_SOURCE_NAT: u32 = 100;
const DROP: u32 = 0;
const ACCEPT: u32 = 1;

const META_IN_NAME: u32 = 6;
const META_OUT_NAME: u32 = 7;
const META_FAMILY: u32 = 15;
const META_PROTOCOL: u32 = 16;
const EQUAL: u32 = 0;
const UNEQUAL: u32 = 1;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const SOURCE_AT: u32 = 12;
const DESTINATION_AT: u32 = 16;
const DESTINATION_PORT_AT: u32 = 2;
/// Bits of a connection's state.
const ESTABLISHED_OR_RELATED: u32 = 2 | 4;
/// A rule's scratch register.
const REGISTER: u32 = 1;

const DNS_PORT: u16 = 53;
const LINK_LOCAL: [u8; 2] = [169, 254];

/// What the rules are about.
pub(super) struct Subject<'a> {
    pub(super) table: &'a str,
    /// Interfaces whose names begin so are sandboxes'.
    pub(super) prefix: &'a str,
    pub(super) network: Ipv4Addr,
    pub(super) network_bits: u8,
    pub(super) gateway: Ipv4Addr,
    /// The host's own addresses may be reached, except loopback and link-local ones.
    pub(super) host_reachable: bool,
}

/// A rule that is being written: conditions, then what to do.
struct Rule(Vec<Box<dyn FnOnce(Message) -> Message>>);

impl Rule {
    fn new() -> Self {
        Rule(Vec::new())
    }

    fn then(mut self, name: &'static str, data: impl FnOnce(Message) -> Message + 'static) -> Self {
        self.0.push(Box::new(move |list| list.nest(1, |element| element.text(1, name).nest(2, data))));
        self
    }

    fn compare(self, operation: u32, value: Vec<u8>) -> Self {
        self.then("cmp", move |data| {
            data.number(1, REGISTER).number(2, operation).nest(3, |wanted| wanted.attribute(1, &value))
        })
    }

    fn meta(self, key: u32) -> Self {
        self.then("meta", move |data| data.number(1, REGISTER).number(2, key))
    }

    fn payload(self, header: u32, offset: u32, length: u32) -> Self {
        self.then("payload", move |data| {
            data.number(1, REGISTER).number(2, header).number(3, offset).number(4, length)
        })
    }

    /// Leaves the bits of a mask in the register.
    fn mask(self, mask: Vec<u8>) -> Self {
        let zero = vec![0; mask.len()];
        self.then("bitwise", move |data| {
            data.number(1, REGISTER)
                .number(2, REGISTER)
                .number(3, mask.len() as u32)
                .nest(4, |value| value.attribute(1, &mask))
                .nest(5, |value| value.attribute(1, &zero))
        })
    }

    /// A name is compared as far as the prefix goes.
    fn from(self, prefix: &str) -> Self {
        self.meta(META_IN_NAME).compare(EQUAL, prefix.as_bytes().to_vec())
    }

    fn to(self, prefix: &str) -> Self {
        self.meta(META_OUT_NAME).compare(EQUAL, prefix.as_bytes().to_vec())
    }

    fn not_to(self, prefix: &str) -> Self {
        self.meta(META_OUT_NAME).compare(UNEQUAL, prefix.as_bytes().to_vec())
    }

    fn family(self, operation: u32, family: u8) -> Self {
        self.meta(META_FAMILY).compare(operation, vec![family])
    }

    fn link_local_ahead(self) -> Self {
        self.family(EQUAL, IPV4)
            .payload(NETWORK_HEADER, DESTINATION_AT, 2)
            .compare(EQUAL, LINK_LOCAL.to_vec())
    }

    fn established(self) -> Self {
        self.then("ct", |data| data.number(1, REGISTER).number(2, 0))
            .mask(ESTABLISHED_OR_RELATED.to_ne_bytes().to_vec())
            .compare(UNEQUAL, vec![0; 4])
    }

    fn verdict(self, code: u32) -> Self {
        self.then("immediate", move |data| {
            data.number(1, 0).nest(2, |value| value.nest(2, |verdict| verdict.number(1, code)))
        })
    }

    /// The sender is told at once that this is not allowed.
    fn reject(self) -> Self {
        const ANY_FAMILY: u32 = 2;
        const PROHIBITED: u8 = 3;
        self.then("reject", |data| data.number(1, ANY_FAMILY).attribute(2, &[PROHIBITED]))
    }

    fn message(self, table: &str, chain: &str) -> Message {
        Message::new(NEW_RULE, CREATE | APPEND | ACK, &generic(INET))
            .text(1, table)
            .text(2, chain)
            .nest(4, |list| self.0.into_iter().fold(list, |list, expression| expression(list)))
    }
}

/// `struct nfgenmsg`.
fn generic(family: u8) -> [u8; 4] {
    [family, 0, 0, 0]
}

fn chain(table: &str, name: &str, kind: &str, hook: u32, priority: u32) -> Message {
    Message::new(NEW_CHAIN, CREATE | ACK, &generic(INET))
        .text(1, table)
        .text(3, name)
        .nest(4, |place| place.number(1, hook).number(2, priority))
        .number(5, ACCEPT)
        .text(7, kind)
}

/// To the host itself: its resolver, and in one mode its other addresses.
fn input(subject: &Subject) -> Vec<Rule> {
    let prefix = subject.prefix;
    let gateway = subject.gateway.octets().to_vec();
    let resolver = |protocol: libc::c_int| {
        Rule::new()
            .from(prefix)
            .family(EQUAL, IPV4)
            .payload(NETWORK_HEADER, DESTINATION_AT, 4)
            .compare(EQUAL, gateway.clone())
            .meta(META_PROTOCOL)
            .compare(EQUAL, vec![protocol as u8])
            .payload(TRANSPORT_HEADER, DESTINATION_PORT_AT, 2)
            .compare(EQUAL, DNS_PORT.to_be_bytes().to_vec())
            .verdict(ACCEPT)
    };
    let mut rules = vec![resolver(libc::IPPROTO_UDP), resolver(libc::IPPROTO_TCP)];
    if subject.host_reachable {
        // Loopback addresses the kernel itself does not take from outside.
        rules.push(Rule::new().from(prefix).link_local_ahead().reject());
        rules.push(Rule::new().from(prefix).family(UNEQUAL, IPV4).reject());
    } else {
        rules.push(Rule::new().from(prefix).reject());
    }
    rules
}

/// Through the host: out, answers in, nothing between sandboxes and nothing that was not asked for.
fn forward(subject: &Subject) -> Vec<Rule> {
    let prefix = subject.prefix;
    vec![
        Rule::new().to(prefix).established().verdict(ACCEPT),
        Rule::new().to(prefix).reject(),
        Rule::new().from(prefix).link_local_ahead().reject(),
        Rule::new().from(prefix).family(UNEQUAL, IPV4).verdict(DROP),
    ]
}

/// Under the address of the interface that a packet leaves by.
fn source(subject: &Subject) -> Rule {
    let bits = u32::from(subject.network_bits);
    let mask = u32::MAX << (32 - bits);
    Rule::new()
        .family(EQUAL, IPV4)
        .payload(NETWORK_HEADER, SOURCE_AT, 4)
        .mask(mask.to_be_bytes().to_vec())
        .compare(EQUAL, subject.network.octets().to_vec())
        .not_to(subject.prefix)
        .then("masq", |data| data)
}

/// Makes the table. It must not be there yet.
pub(super) fn open(netlink: &Netlink, subject: &Subject) -> io::Result<()> {
    let table = subject.table;
    // Which subsystem the batch is for, in network order.
    let batch = [0, 0, 0, (SUBSYSTEM >> 8) as u8];
    let mut messages = vec![
        Message::new(BATCH_BEGIN, 0, &batch),
        Message::new(NEW_TABLE, CREATE | EXCLUSIVE | ACK, &generic(INET))
            .text(1, table)
            .number(2, TABLE_OWNED),
        chain(table, "input", "filter", HOOK_INPUT, PRIORITY_FILTER),
        chain(table, "forward", "filter", HOOK_FORWARD, PRIORITY_FILTER),
        chain(table, "source", "nat", HOOK_POSTROUTING, PRIORITY_SOURCE_NAT),
    ];
    messages.extend(input(subject).into_iter().map(|rule| rule.message(table, "input")));
    messages.extend(forward(subject).into_iter().map(|rule| rule.message(table, "forward")));
    messages.push(source(subject).message(table, "source"));
    let acknowledged = messages.len() - 1;
    messages.push(Message::new(BATCH_END, 0, &batch));
    netlink.ask(messages, acknowledged)
}

/// Others' chains that drop what is forwarded unless a rule says otherwise, as `table chain`.
pub(super) fn dropping(netlink: &Netlink) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    netlink.list(Message::new(GET_CHAIN, DUMP, &generic(0)), |body| {
        let all = attributes(body.get(4..).unwrap_or_default());
        let text = |kind: u16| {
            let value = all.iter().find(|(found, _)| *found == kind)?.1;
            Some(String::from_utf8_lossy(value).trim_end_matches('\0').to_owned())
        };
        let number = |all: &[(u16, &[u8])], kind: u16| {
            let value = all.iter().find(|(found, _)| *found == kind)?.1;
            Some(u32::from_be_bytes(value.try_into().ok()?))
        };
        let hook = all.iter().find(|(kind, _)| *kind == 4).map(|(_, value)| attributes(value));
        let forwards = hook.is_some_and(|hook| number(&hook, 1) == Some(HOOK_FORWARD));
        // Families other than these see no routed packets of version 4.
        let routed = body.first().is_some_and(|family| [INET, IPV4].contains(family));
        if forwards && routed && number(&all, 5) == Some(DROP) {
            found.push(format!("{} {}", text(1).unwrap_or_default(), text(3).unwrap_or_default()));
        }
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a network of this thread's own.
    #[test]
    fn a_firewall_that_drops_is_found() {
        if crate::sys::unshare(libc::CLONE_NEWNET).is_err() {
            return println!("skipped: for root only");
        }
        let netlink = Netlink::netfilter().unwrap();
        assert_eq!(dropping(&netlink).unwrap(), Vec::<String>::new());
        let subject = Subject {
            table: "lambent0",
            prefix: "lambent0-",
            network: Ipv4Addr::new(198, 18, 0, 0),
            network_bits: 20,
            gateway: Ipv4Addr::new(198, 18, 0, 1),
            host_reachable: false,
        };
        open(&netlink, &subject).unwrap();
        assert_eq!(dropping(&netlink).unwrap(), Vec::<String>::new(), "the own table drops by rules");
        let batch = [0, 0, 0, (SUBSYSTEM >> 8) as u8];
        let strict = Message::new(NEW_CHAIN, CREATE | ACK, &generic(INET))
            .text(1, "lambent0")
            .text(3, "strict")
            .nest(4, |place| place.number(1, HOOK_FORWARD).number(2, 10))
            .number(5, DROP)
            .text(7, "filter");
        let messages = vec![Message::new(BATCH_BEGIN, 0, &batch), strict, Message::new(BATCH_END, 0, &batch)];
        netlink.ask(messages, 1).unwrap();
        assert_eq!(dropping(&netlink).unwrap(), ["lambent0 strict"]);
        let taken = open(&Netlink::netfilter().unwrap(), &subject).unwrap_err();
        assert!([Some(libc::EEXIST), Some(libc::EPERM)].contains(&taken.raw_os_error()), "{taken}");
        drop(netlink);
        open(&Netlink::netfilter().unwrap(), &subject).unwrap();
    }
}
