//! A load generator of the standard library only: `load <address> <connections> <requests> <file> [first]`.
//!
//! Sends the request in the file over keep-alive connections, one after the other on each, and prints the rate and the
//! latencies. `NNNNNNNN` in the request is a number that counts up from `first`. `load echo <connections> <requests>` does the same
//! against a bare server of its own: the floor.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).map_or(0, |text| text.parse().expect("a number"));
    let (address, request, first) = match arguments[0].as_str() {
        "echo" => (echo_server(), b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(), 0),
        address => (address.to_owned(), std::fs::read(&arguments[3]).expect("the request"), number(4)),
    };
    let (connections, requests) = (number(1), number(2));
    let next = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let threads: Vec<_> = (0..connections)
        .map(|_| {
            let (address, request, next) = (address.clone(), request.clone(), Arc::clone(&next));
            std::thread::spawn(move || run(&address, request, &next, requests, first))
        })
        .collect();
    let mut times: Vec<f64> = threads.into_iter().flat_map(|thread| thread.join().expect("a thread")).collect();
    let seconds = began.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("{:.0} {:.3} {:.3}", times.len() as f64 / seconds, at(0.5), at(0.99));
}

/// Latencies in milliseconds.
fn run(address: &str, mut request: Vec<u8>, next: &AtomicU64, requests: u64, first: u64) -> Vec<f64> {
    let placeholders: Vec<usize> = (0..request.len().saturating_sub(7)).filter(|at| &request[*at..at + 8] == b"NNNNNNNN").collect();
    let mut connection = TcpStream::connect(address).expect("a connection");
    connection.set_nodelay(true).expect("no delay");
    let (mut times, mut buffer) = (Vec::new(), Vec::new());
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= requests {
            return times;
        }
        for at in &placeholders {
            request[*at..at + 8].copy_from_slice(format!("{:08}", number + first).as_bytes());
        }
        let began = Instant::now();
        connection.write_all(&request).expect("sent");
        let status = answer(&mut connection, &mut buffer);
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
        assert!(status.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(status));
    }
}

/// Reads one answer whole and returns its head.
fn answer<'a>(connection: &mut TcpStream, buffer: &'a mut Vec<u8>) -> &'a [u8] {
    buffer.clear();
    let mut part = [0; 65_536];
    let mut whole = None;
    loop {
        if whole.is_none()
            && let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            whole = Some(end + 4 + length.unwrap_or(0));
        }
        if whole.is_some_and(|whole| buffer.len() >= whole) {
            return buffer;
        }
        let read = connection.read(&mut part).expect("an answer");
        assert!(read > 0, "the server closed the connection");
        buffer.extend_from_slice(&part[..read]);
    }
}

/// Answers every request with a body of the size that a function's description has.
fn echo_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.expect("a connection");
            connection.set_nodelay(true).expect("no delay");
            std::thread::spawn(move || {
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1200\r\n\r\n{}", "x".repeat(1_200));
                let mut part = [0; 4_096];
                while connection.read(&mut part).is_ok_and(|read| read > 0) {
                    connection.write_all(answer.as_bytes()).expect("sent");
                }
            });
        }
    });
    address
}
