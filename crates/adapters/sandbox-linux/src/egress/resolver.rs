//! Names for functions: a process of its own that passes questions on to the resolvers of the host, whatever those are: a
//! stub on the host's loopback, a cloud's link-local address, a company's server. It answers about AWS's services by itself,
//! and understands no more of any other question than its length. It has no rights beyond asking.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketAddrV4, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use crate::seccomp::Filters;
use crate::{names, sys};

const PORT: u16 = 53;
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Questions on their way; the oldest gives way.
const MAX_QUESTIONS: usize = 1_024;
/// Connections at the same time: answers that don't fit into a datagram are rare.
const MAX_CONNECTIONS: usize = 64;
/// How long one resolver may take before the next is asked.
const NEXT_AFTER: Duration = Duration::from_secs(2);
/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(10);
/// A question's header; a shorter one is none.
const HEADER_BYTES: usize = 12;
/// Bits of a header: this is an answer; the server has failed.
const ANSWER: u8 = 0x80;
const FAILED: u8 = 2;

/// Where sandboxes ask.
pub(super) struct Listeners {
    datagrams: UdpSocket,
    connections: TcpListener,
}

impl Listeners {
    /// The address need not exist yet: it comes with the first sandbox.
    pub(super) fn open(address: Ipv4Addr) -> io::Result<Self> {
        let open = |kind| -> io::Result<OwnedFd> {
            let socket = socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC, None)?;
            sockopt::set_ip_freebind(&socket, true)?;
            sockopt::set_socket_reuseaddr(&socket, true)?;
            bind(&socket, &SocketAddrV4::new(address, PORT))?;
            Ok(socket)
        };
        let connections = open(SocketType::STREAM)?;
        listen(&connections, MAX_CONNECTIONS as i32)?;
        let datagrams = UdpSocket::from(open(SocketType::DGRAM)?);
        datagrams.set_nonblocking(true)?;
        Ok(Listeners { datagrams, connections: connections.into() })
    }

    /// Starts the process; its process id. It ends with the launcher.
    pub(super) fn serve(&self, user: u32, filters: &Filters) -> io::Result<libc::pid_t> {
        use std::os::fd::AsRawFd;
        if let Some(pid) = sys::fork()? {
            return Ok(pid);
        }
        sys::close_all_but(&[self.datagrams.as_raw_fd(), self.connections.as_raw_fd()]);
        let status = match self.confined(user, filters) {
            Ok(()) => 0,
            Err(error) => {
                complain!("lambent: the resolver for functions can't run: {error}");
                1
            }
        };
        sys::exit_now(status)
    }

    fn confined(&self, user: u32, filters: &Filters) -> io::Result<()> {
        sys::set_ids(user, user)?;
        sys::drop_capabilities()?;
        sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
        sys::prctl(libc::PR_SET_DUMPABLE, 0)?;
        sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong)?;
        filters.apply()?;
        let connections = self.connections.try_clone()?;
        std::thread::Builder::new()
            .name("connections".into())
            .spawn(move || pass_connections(&connections))?;
        Questions { datagrams: &self.datagrams, open: Vec::new() }.run()
    }
}

/// The host's resolvers, as they are now: a laptop's change with every network.
fn resolvers() -> Vec<SocketAddr> {
    parse(&std::fs::read_to_string(RESOLV_CONF).unwrap_or_default())
}

fn parse(text: &str) -> Vec<SocketAddr> {
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix("nameserver"));
    lines.filter_map(|rest| Some(SocketAddr::new(rest.trim().parse::<IpAddr>().ok()?, PORT))).collect()
}

struct Question {
    bytes: Vec<u8>,
    from: SocketAddr,
    /// Connected to the resolver that is being asked.
    socket: UdpSocket,
    asked: Instant,
    others: Vec<SocketAddr>,
}

/// Sends a question to the first of these that it can be sent to.
fn put(bytes: &[u8], resolvers: &mut Vec<SocketAddr>) -> Option<UdpSocket> {
    while !resolvers.is_empty() {
        let resolver = resolvers.remove(0);
        let any: SocketAddr = match resolver {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let sent = || -> io::Result<UdpSocket> {
            // The kernel's choice of a port for each question is what makes answers hard to forge.
            let socket = UdpSocket::bind(any)?;
            socket.set_nonblocking(true)?;
            socket.connect(resolver)?;
            socket.send(bytes)?;
            Ok(socket)
        };
        if let Ok(socket) = sent() {
            return Some(socket);
        }
    }
    None
}

struct Questions<'a> {
    datagrams: &'a UdpSocket,
    open: Vec<Question>,
}

impl Questions<'_> {
    fn run(mut self) -> io::Result<()> {
        let mut buffer = vec![0; 65_536];
        loop {
            let mut fds = vec![PollFd::new(self.datagrams, PollFlags::IN)];
            fds.extend(self.open.iter().map(|question| PollFd::new(&question.socket, PollFlags::IN)));
            let soonest = self.open.iter().map(|question| question.asked).min();
            let left = soonest.map(|asked| NEXT_AFTER.saturating_sub(asked.elapsed()));
            let left = left.map(|left| Timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: i64::from(left.subsec_nanos()),
            });
            match poll(&mut fds, left.as_ref()) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other?,
            };
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            drop(fds);
            self.answers(&ready[1..], &mut buffer);
            if ready[0] {
                self.take(&mut buffer);
            }
        }
    }

    fn take(&mut self, buffer: &mut [u8]) {
        while let Ok((length, from)) = self.datagrams.recv_from(buffer) {
            if length < HEADER_BYTES {
                continue;
            }
            if let Some(answer) = names::answer(&buffer[..length]) {
                let _ = self.datagrams.send_to(&answer, from);
                continue;
            }
            if self.open.len() == MAX_QUESTIONS {
                self.open.remove(0);
            }
            self.ask(buffer[..length].to_vec(), from, resolvers());
        }
    }

    fn ask(&mut self, bytes: Vec<u8>, from: SocketAddr, mut others: Vec<SocketAddr>) {
        match put(&bytes, &mut others) {
            Some(socket) => {
                self.open.push(Question { bytes, from, socket, asked: Instant::now(), others });
            }
            None => self.fail(bytes, from),
        }
    }

    /// Whoever asks need not wait for what will not come.
    fn fail(&self, mut bytes: Vec<u8>, from: SocketAddr) {
        bytes[2] |= ANSWER;
        bytes[3] = bytes[3] & 0xf0 | FAILED;
        let _ = self.datagrams.send_to(&bytes, from);
    }

    fn answers(&mut self, ready: &[bool], buffer: &mut [u8]) {
        let open = std::mem::take(&mut self.open);
        for (place, question) in open.into_iter().enumerate() {
            let heard = if ready[place] { Some(question.socket.recv(buffer)) } else { None };
            match heard {
                Some(Ok(length)) => {
                    let _ = self.datagrams.send_to(&buffer[..length], question.from);
                }
                Some(Err(_)) => self.ask(question.bytes, question.from, question.others),
                None if question.asked.elapsed() >= NEXT_AFTER => {
                    self.ask(question.bytes, question.from, question.others);
                }
                None => self.open.push(question),
            }
        }
    }
}

fn pass_connections(listener: &TcpListener) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming().flatten() {
        if open.fetch_add(1, Ordering::SeqCst) >= MAX_CONNECTIONS {
            open.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let counted = Arc::clone(&open);
        let work = move || {
            let _ = pass_connection(stream);
            counted.fetch_sub(1, Ordering::SeqCst);
        };
        if std::thread::Builder::new().name("connection".into()).spawn(work).is_err() {
            open.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Both ways, until one end closes or nothing has come for a while. Questions about services are answered as long as none
/// about anything else has come.
fn pass_connection(mut asker: TcpStream) -> io::Result<()> {
    asker.set_read_timeout(Some(SILENCE))?;
    let first = loop {
        let question = framed(&mut asker)?;
        match names::answer(&question) {
            Some(answer) => asker.write_all(&frame(&answer))?,
            None => break frame(&question),
        }
    };
    let reached = resolvers().iter().find_map(|to| TcpStream::connect_timeout(to, NEXT_AFTER).ok());
    let mut resolver = reached.ok_or(io::ErrorKind::NotConnected)?;
    resolver.write_all(&first)?;
    let patience = Timespec { tv_sec: SILENCE.as_secs() as i64, tv_nsec: 0 };
    for stream in [&asker, &resolver] {
        stream.set_write_timeout(Some(SILENCE))?;
    }
    let mut buffer = vec![0; 16_384];
    loop {
        let mut fds = [asker.as_fd(), resolver.as_fd()].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        if poll(&mut fds, Some(&patience))? == 0 {
            return Ok(());
        }
        let ready = fds.map(|fd| !fd.revents().is_empty());
        if ready[0] && copy(&mut asker, &mut resolver, &mut buffer)? == 0 {
            return Ok(());
        }
        if ready[1] && copy(&mut resolver, &mut asker, &mut buffer)? == 0 {
            return Ok(());
        }
    }
}

/// A message as connections carry it: behind its length.
fn framed(from: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    from.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    from.read_exact(&mut message)?;
    Ok(message)
}

fn frame(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

fn copy(from: &mut dyn Read, to: &mut dyn Write, buffer: &mut [u8]) -> io::Result<usize> {
    let length = from.read(buffer)?;
    to.write_all(&buffer[..length])?;
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read_as_the_c_library_does() {
        let text = "# local\nnameserver 127.0.0.53\nsearch example.com\n  nameserver\tfd00::1\nnameserver fe80::1%eth0\n";
        let expected: [SocketAddr; 2] = [([127, 0, 0, 53], 53).into(), "[fd00::1]:53".parse().unwrap()];
        assert_eq!(parse(text), expected);
    }
}
