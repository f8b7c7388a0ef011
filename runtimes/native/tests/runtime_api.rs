//! The client against a Runtime API of the test's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use lambent_function::{Context, Failure, Runtime};

/// What the client has sent.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    line: String,
    error_type: Option<String>,
    body: String,
}

struct Platform {
    reader: BufReader<TcpStream>,
}

impl Platform {
    fn start(
        handler: impl FnMut(&[u8], &Context) -> Result<Vec<u8>, Failure> + Send + 'static,
    ) -> (Platform, JoinHandle<std::io::Error>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let client = std::thread::spawn(move || Runtime::connect_to(&address).unwrap().serve(handler));
        let stream = listener.accept().unwrap().0;
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        (Platform { reader: BufReader::new(stream) }, client)
    }

    fn request(&mut self) -> Request {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let header = |name: &str| {
            head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
        };
        let length = header("Content-Length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).unwrap();
        Request {
            line: head[0].clone(),
            error_type: header("Lambda-Runtime-Function-Error-Type"),
            body: String::from_utf8(body).unwrap(),
        }
    }

    fn say(&mut self, text: &str) {
        self.reader.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn event(&mut self, id: &str, body: &str) {
        self.say(&format!(
            "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: {id}\r\nLambda-Runtime-Deadline-Ms: 4102444800000\r\n\
             Lambda-Runtime-Invoked-Function-Arn: arn:f\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }
}

const NEXT: &str = "GET /2018-06-01/runtime/invocation/next HTTP/1.1";
const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

fn posted(id: &str, what: &str) -> String {
    format!("POST /2018-06-01/runtime/invocation/{id}/{what} HTTP/1.1")
}

#[test]
fn the_next_poll_comes_with_the_response_before_that_has_been_accepted() {
    let (mut platform, client) = Platform::start(|event, context| {
        assert!(context.remaining() > Duration::from_secs(1));
        Ok([event, context.request_id.as_bytes(), context.invoked_function_arn.as_bytes()].concat())
    });
    assert_eq!(platform.request().line, NEXT);
    platform.event("one", "1,");
    for (id, next) in [("one", "two"), ("two", "three")] {
        let response = platform.request();
        assert_eq!(response.line, posted(id, "response"));
        assert!(response.body.ends_with(&format!("{id}arn:f")), "{response:?}");
        // Nothing has been answered yet.
        assert_eq!(platform.request().line, NEXT);
        platform.say(ACCEPTED);
        platform.event(next, "2,");
    }
    drop(platform);
    assert_eq!(client.join().unwrap().kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn an_error_and_a_panic_are_their_invocations_and_no_more() {
    let (mut platform, _client) = Platform::start(|event, _| match event {
        b"error" => Ok(vec![std::str::from_utf8(event)?.parse()?]),
        b"own" => Err(Failure::new("My\u{e4}Kind", "said \"so\"")),
        b"panic" => panic!("at {}", event.len()),
        _ => Ok(b"fine".to_vec()),
    });
    let expected = [
        ("error", Some("ParseIntError"), "\"errorType\":\"ParseIntError\""),
        (
            "own",
            Some("My?Kind"),
            "{\"errorMessage\":\"said \\\"so\\\"\",\"errorType\":\"My\u{e4}Kind\",\"stackTrace\":[]}",
        ),
        ("panic", Some("Runtime.Panic"), "\"errorMessage\":\"at 5\""),
        ("other", None, "fine"),
    ];
    assert_eq!(platform.request().line, NEXT);
    for (place, (event, error_type, body)) in expected.into_iter().enumerate() {
        let id = format!("id-{place}");
        platform.event(&id, event);
        let request = platform.request();
        assert_eq!(request.line, posted(&id, if error_type.is_some() { "error" } else { "response" }));
        assert_eq!(request.error_type.as_deref(), error_type);
        assert!(request.body.contains(body), "{request:?}");
        assert_eq!(platform.request().line, NEXT);
        platform.say(ACCEPTED);
    }
}

#[test]
fn a_refused_response_is_no_reason_to_stop_and_a_refused_poll_is() {
    let (mut platform, client) = Platform::start(|event, _| Ok(event.to_vec()));
    platform.request();
    platform.event("one", "large");
    platform.request();
    platform.request();
    platform.say("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n");
    platform.event("two", "small");
    assert_eq!(platform.request().line, posted("two", "response"));
    platform.say(ACCEPTED);
    platform.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    assert!(client.join().unwrap().to_string().contains("403"));
}

#[test]
fn a_failed_init_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let client = std::thread::spawn(move || {
        Runtime::connect_to(&address).unwrap().fail_init(&Failure::new("NoModel", "it is not there"))
    });
    let mut platform = Platform { reader: BufReader::new(listener.accept().unwrap().0) };
    let request = platform.request();
    assert_eq!(request.line, "POST /2018-06-01/runtime/init/error HTTP/1.1");
    assert_eq!(request.error_type.as_deref(), Some("NoModel"));
    platform.say(ACCEPTED);
    client.join().unwrap().unwrap();
}
