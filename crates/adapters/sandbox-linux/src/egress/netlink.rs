//! Netlink messages: as much as links, addresses, routes and packet filters take.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send};

pub(super) const REQUEST: u16 = 1;
pub(super) const ACK: u16 = 4;
pub(super) const DUMP: u16 = 0x300;
pub(super) const EXCLUSIVE: u16 = 0x200;
pub(super) const CREATE: u16 = 0x400;
pub(super) const APPEND: u16 = 0x800;
const NESTED: u16 = 0x8000;
const HEADER_BYTES: usize = 16;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// More than the kernel puts into one packet.
const PACKET_BYTES: usize = 64 * 1024;

/// A request that is being written.
pub(super) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// `fixed` is what stands between the header and the attributes.
    pub(super) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((flags | REQUEST).to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(fixed);
        let mut message = Message { bytes };
        message.align();
        message
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    pub(super) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.bytes.extend(((value.len() + 4) as u16).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.align();
        self
    }

    pub(super) fn text(self, kind: u16, text: &str) -> Self {
        self.attribute(kind, format!("{text}\0").as_bytes())
    }

    /// A number as packet filters have it: most significant byte first.
    pub(super) fn number(self, kind: u16, number: u32) -> Self {
        self.attribute(kind, &number.to_be_bytes())
    }

    /// An attribute that holds what `inside` adds.
    pub(super) fn nest(mut self, kind: u16, inside: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        self.bytes.extend([0, 0]);
        self.bytes.extend((kind | NESTED).to_ne_bytes());
        let mut whole = inside(self);
        let length = (whole.bytes.len() - start) as u16;
        whole.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        whole
    }

    /// Bytes that belong to no attribute, within a nested one.
    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self.align();
        self
    }

    fn finish(mut self) -> Vec<u8> {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes
    }
}

/// What the kernel says: its kind, and what follows the header.
struct Said<'a> {
    kind: u16,
    body: &'a [u8],
}

/// Splits a packet into messages.
fn said(packet: &[u8]) -> Vec<Said<'_>> {
    let (mut rest, mut found) = (packet, Vec::new());
    while let Some((length, kind)) = rest.get(..4).zip(rest.get(4..6)) {
        let length = u32::from_ne_bytes(length.try_into().unwrap_or_default()) as usize;
        let Some(body) = rest.get(HEADER_BYTES..length) else { break };
        found.push(Said { kind: u16::from_ne_bytes(kind.try_into().unwrap_or_default()), body });
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// The attributes in these bytes.
pub(super) fn attributes(mut rest: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while let Some((length, kind)) = rest.get(..2).zip(rest.get(2..4)) {
        let length = usize::from(u16::from_ne_bytes(length.try_into().unwrap_or_default()));
        let Some(value) = rest.get(4..length) else { break };
        found.push((u16::from_ne_bytes(kind.try_into().unwrap_or_default()) & !NESTED, value));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

pub(super) struct Netlink {
    socket: OwnedFd,
}

impl Netlink {
    /// Links, addresses, routes.
    pub(super) fn route() -> io::Result<Self> {
        Self::open(None)
    }

    pub(super) fn netfilter() -> io::Result<Self> {
        Self::open(Some(netlink::NETFILTER))
    }

    fn open(protocol: Option<rustix::net::Protocol>) -> io::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )?;
        Ok(Netlink { socket })
    }

    /// Sends messages that ask for an acknowledgement each, and waits for `acknowledgements` of them. The first refusal
    /// is the answer; the kernel may have done what came before.
    pub(super) fn ask(&self, messages: Vec<Message>, acknowledgements: usize) -> io::Result<()> {
        let bytes: Vec<u8> = messages.into_iter().flat_map(Message::finish).collect();
        send(&self.socket, &bytes, SendFlags::empty())?;
        let (mut outcome, mut left) = (Ok(()), acknowledgements);
        let mut packet = vec![0; PACKET_BYTES];
        while left > 0 {
            let (_, length) = recv(&self.socket, packet.as_mut_slice(), RecvFlags::empty())?;
            for message in said(&packet[..length]).iter().filter(|message| message.kind == ERROR) {
                let errno = message.body.get(..4).and_then(|errno| errno.try_into().ok());
                let errno = i32::from_ne_bytes(errno.unwrap_or_default());
                if errno != 0 && outcome.is_ok() {
                    outcome = Err(io::Error::from_raw_os_error(-errno));
                }
                left = left.saturating_sub(1);
            }
            if outcome.is_err() {
                break;
            }
        }
        // What else has been said about a batch that was refused must not be taken for the next one's answer.
        while outcome.is_err() && recv(&self.socket, packet.as_mut_slice(), RecvFlags::DONTWAIT).is_ok() {}
        outcome
    }

    /// Asks for a list; `each` gets what follows the header of every entry.
    pub(super) fn list(&self, request: Message, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        send(&self.socket, &request.finish(), SendFlags::empty())?;
        let mut packet = vec![0; PACKET_BYTES];
        loop {
            let (_, length) = recv(&self.socket, packet.as_mut_slice(), RecvFlags::empty())?;
            for message in said(&packet[..length]) {
                match message.kind {
                    DONE => return Ok(()),
                    ERROR => {
                        let errno = message.body.get(..4).and_then(|errno| errno.try_into().ok());
                        return Err(io::Error::from_raw_os_error(-i32::from_ne_bytes(
                            errno.unwrap_or_default(),
                        )));
                    }
                    _ => each(message.body),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found_again() {
        let message = Message::new(7, ACK, &[1, 2, 3])
            .text(3, "eth0")
            .nest(4, |inside| inside.number(1, 0x0102_0304).attribute(2, &[9]));
        let bytes = message.finish();
        let found = said(&bytes);
        assert_eq!((found.len(), found[0].kind, bytes.len() % 4), (1, 7, 0));
        let all = attributes(&found[0].body[4..]);
        assert_eq!(all[0], (3, &b"eth0\0"[..]));
        assert_eq!(attributes(all[1].1), [(1, &[1, 2, 3, 4][..]), (2, &[9][..])]);
    }

    #[test]
    fn half_a_packet_is_no_message() {
        assert!(said(&[40, 0, 0, 0, 1, 0]).is_empty());
        assert!(attributes(&[20, 0, 1, 0, 7]).is_empty());
    }
}
