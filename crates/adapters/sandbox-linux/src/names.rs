//! Names of AWS's services, as sandboxes resolve them: all lead to the listeners inside. Where there is a way out, its
//! resolver says so and passes every other question on; where there is none, the sandbox's first process answers,
//! and knows no other name.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};

use lambent_ports::service_names::is_service_name;

use crate::setup::SERVICES;

/// Where sandboxes without a way out ask: in their own network.
pub(crate) const PORT: u16 = 53;
/// Questions answered before something else is looked at.
const AT_ONCE: usize = 64;
/// Longest question: what a datagram holds without extensions is more than enough for one name.
const MAX_QUESTION_BYTES: usize = 4_096;
/// A question's header; a shorter one is none.
const HEADER_BYTES: usize = 12;
const TYPE_A: u16 = 1;
const TYPE_ANY: u16 = 255;
const CLASS_IN: u16 = 1;
/// The address is the same in every sandbox, for ever.
const TTL_S: u32 = 60;
/// Bits of a header: this is an answer, of whoever has the say, and recursion is there to be had.
const ANSWER_WITH_AUTHORITY: u8 = 0x84;
const OPERATION: u8 = 0x78;
const RECURSION_DESIRED: u8 = 0x01;
const RECURSION_AVAILABLE: u8 = 0x80;
const REFUSED: u8 = 5;

/// One question of a message.
struct Question {
    name: String,
    kind: u16,
    class: u16,
    /// Where in the message it ends.
    end: usize,
}

impl Question {
    /// `None` for what is no ordinary question about one name.
    fn parse(message: &[u8]) -> Option<Self> {
        let header = message.first_chunk::<HEADER_BYTES>()?;
        let one = header[4..6] == [0, 1];
        if header[2] & (0x80 | OPERATION) != 0 || !one {
            return None;
        }
        let (mut name, mut place) = (String::new(), HEADER_BYTES);
        loop {
            let length = usize::from(*message.get(place)?);
            place += 1;
            match length {
                0 => break,
                // A pointer to somewhere else, which a question has no use for.
                64.. => return None,
                _ => {}
            }
            let label = message.get(place..place + length)?;
            if !label.is_ascii() || label.contains(&b'.') {
                return None;
            }
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(std::str::from_utf8(label).ok()?);
            place += length;
        }
        let number = |at: usize| Some(u16::from_be_bytes(*message.get(at..)?.first_chunk()?));
        Some(Question { name, kind: number(place)?, class: number(place + 2)?, end: place + 4 })
    }
}

/// The answer to a question about a service; `None` to any other.
pub(crate) fn answer(message: &[u8]) -> Option<Vec<u8>> {
    let question = Question::parse(message)?;
    if question.class != CLASS_IN || !is_service_name(&question.name) {
        return None;
    }
    // The name exists, whatever is asked of it: there is no address of version 6, and nobody needs to wait for one.
    let has_address = [TYPE_A, TYPE_ANY].contains(&question.kind);
    let mut reply = reply_to(message, question.end, 0);
    if has_address {
        reply[7] = 1;
        // The name is where the question has it.
        reply.extend([0xc0, HEADER_BYTES as u8]);
        reply.extend(TYPE_A.to_be_bytes());
        reply.extend(CLASS_IN.to_be_bytes());
        reply.extend(TTL_S.to_be_bytes());
        reply.extend(4_u16.to_be_bytes());
        reply.extend(SERVICES.ip().octets());
    }
    Some(reply)
}

/// Header and question, with no answer yet.
fn reply_to(message: &[u8], end: usize, code: u8) -> Vec<u8> {
    let mut reply = message[..end].to_vec();
    reply[2] = ANSWER_WITH_AUTHORITY | message[2] & RECURSION_DESIRED;
    reply[3] = RECURSION_AVAILABLE | code;
    reply[6..HEADER_BYTES].fill(0);
    reply
}

/// The answer to any other question where nobody can be asked: nobody knows whether that name exists.
fn refusal(message: &[u8]) -> Option<Vec<u8>> {
    let question = Question::parse(message)?;
    Some(reply_to(message, question.end, REFUSED))
}

/// Answers in a sandbox's own network.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) socket: UdpSocket,
}

impl Names {
    pub(crate) fn open(address: Ipv4Addr) -> io::Result<Self> {
        let socket = UdpSocket::bind((address, PORT))?;
        socket.set_nonblocking(true)?;
        Ok(Names { socket })
    }

    /// Answers what has been asked. A function that asks without end keeps nobody but itself waiting.
    pub(crate) fn answer_all(&self) {
        let mut buffer = [0; MAX_QUESTION_BYTES];
        for _ in 0..AT_ONCE {
            let Ok((length, from)) = self.socket.recv_from(&mut buffer) else { return };
            let message = &buffer[..length];
            if let Some(reply) = answer(message).or_else(|| refusal(message)) {
                let _ = self.socket.send_to(&reply, from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A question as the C library asks it.
    fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0xab, 0xcd, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(label.len() as u8);
            message.extend(label.as_bytes());
        }
        message.push(0);
        message.extend(kind.to_be_bytes());
        message.extend(CLASS_IN.to_be_bytes());
        message
    }

    #[test]
    fn a_services_name_has_the_address_inside_and_none_of_version_6() {
        let asked = question("b.s3.eu-west-1.amazonaws.com", TYPE_A);
        let reply = answer(&asked).unwrap();
        assert_eq!(reply[..2], asked[..2]);
        assert_eq!(reply[2..12], [0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        assert_eq!(reply[12..asked.len()], asked[12..]);
        assert_eq!(reply[asked.len()..], [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 169, 254, 100, 1]);
        let none = answer(&question("b.s3.eu-west-1.amazonaws.com", 28)).unwrap();
        assert_eq!((none[3] & 15, &none[6..8]), (0, &[0, 0][..]));
        // With an extension behind the question, as most ask: it is not answered, and not copied.
        let mut extended = asked.clone();
        extended[11] = 1;
        extended.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        assert_eq!(answer(&extended).unwrap()[10..], reply[10..]);
    }

    #[test]
    fn other_questions_are_refused_and_what_is_none_gets_no_answer() {
        let asked = question("example.com", TYPE_A);
        assert_eq!(answer(&asked), None);
        assert_eq!(refusal(&asked).unwrap()[3] & 15, REFUSED);
        let mut answer_itself = question("s3.amazonaws.com", TYPE_A);
        answer_itself[2] |= 0x80;
        let pointer = [&asked[..12], &[0xc0, 12, 0, 1, 0, 1]].concat();
        for wrong in [&answer_itself[..], &pointer, &asked[..20], &asked[..11], &[]] {
            assert_eq!((answer(wrong), refusal(wrong)), (None, None), "{wrong:?}");
        }
        for length in 0..asked.len() {
            assert_eq!(answer(&question("s3.amazonaws.com", TYPE_A)[..length]), None);
        }
    }
}
