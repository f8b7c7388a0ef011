use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lambent_domain::RequestId;
use lambent_ports::runtime_api::{Refused, RuntimeEvent, RuntimeEvents, RuntimeFront};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::HttpRuntimeFront;
use crate::parse::{self, Body, BodyKind};

#[derive(Default)]
struct Recorded {
    said: RefCell<Vec<String>>,
    told: tokio::sync::Notify,
}

impl Recorded {
    fn say(&self, text: String) -> Result<(), Refused> {
        self.said.borrow_mut().push(text);
        self.told.notify_one();
        Ok(())
    }
}

impl RuntimeEvents for Recorded {
    fn next_requested(&self, had_handler: Option<Duration>) -> Result<(), Refused> {
        self.say(had_handler.map_or("next".into(), |ago| format!("next, {} s", ago.as_secs())))
    }

    fn response(&self, request_id: RequestId, body: Option<Bytes>) -> Result<(), Refused> {
        if request_id != id() {
            return Err(Refused::UnknownRequestId);
        }
        self.say(match body {
            Some(body) if body.len() < 100 => format!("response {}", String::from_utf8_lossy(&body)),
            Some(body) => format!("response of {}", body.len()),
            None => "response too large".into(),
        })
    }

    fn error(&self, _: RequestId, kind: Option<&str>, body: Bytes) -> Result<(), Refused> {
        self.say(format!("error {} {}", kind.unwrap_or("-"), String::from_utf8_lossy(&body)))
    }

    fn init_error(&self, kind: Option<&str>, body: Bytes) -> Result<(), Refused> {
        self.say(format!("init error {} {}", kind.unwrap_or("-"), String::from_utf8_lossy(&body)))
    }
}

fn id() -> RequestId {
    RequestId::from_random([7; 16])
}

fn event(payload: &'static [u8]) -> RuntimeEvent {
    RuntimeEvent {
        request_id: id(),
        deadline_ms: 1_234_567_890_123,
        function_arn: Rc::from("arn:aws:lambda:us-east-1:123456789012:function:f"),
        trace_id: "Root=1-2-3".into(),
        client_context: None,
        payload: Bytes::from_static(payload),
    }
}

/// Runs `scenario` with a served endpoint, its recorder, and a client connection.
fn scenario<F: Future<Output = ()>>(
    run: impl FnOnce(Rc<dyn lambent_ports::runtime_api::RuntimeChannel>, Rc<Recorded>, TcpStream) -> F,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let recorded = Rc::new(Recorded::default());
        let channel = HttpRuntimeFront.serve(listener.into(), Rc::clone(&recorded) as _).unwrap();
        run(channel, recorded, TcpStream::connect(address).await.unwrap()).await;
    });
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).ends_with(end) {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        assert_ne!(count, 0, "closed after {}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(text).unwrap()
}

const NEXT: &str = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n";

fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn who_tells_when_it_had_its_handler_is_believed_where_it_can_be() {
    scenario(|channel, recorded, mut client| async move {
        let _open = channel;
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_sec;
        for (header, expected) in [
            (format!("{}000000000", now - 100), "next, 100 s"),
            (format!("{}000000000", now + 1_000_000), "next, 0 s"),
            ("yesterday".into(), "next"),
            ("9".repeat(30), "next"),
        ] {
            let poll = NEXT.replace("Host", &format!("Lambent-Handler-At: {header}\r\nHost"));
            client.write_all(poll.as_bytes()).await.unwrap();
            recorded.told.notified().await;
            let said = recorded.said.borrow_mut().pop().unwrap();
            // A second may have passed.
            assert_eq!(said.replace("101", "100"), expected);
        }
    });
}

#[test]
fn a_pipelined_response_and_poll_are_answered_together_with_the_next_event() {
    scenario(|channel, recorded, mut client| async move {
        client.write_all(NEXT.as_bytes()).await.unwrap();
        recorded.told.notified().await;
        assert!(channel.deliver(&event(b"{\"a\":1}")));
        let head = read_until(&mut client, "{\"a\":1}").await;
        assert!(head.contains("\r\nLambda-Runtime-Deadline-Ms: 1234567890123\r\n"), "{head}");
        assert!(head.contains(&format!("Lambda-Runtime-Aws-Request-Id: {}\r\n", id())), "{head}");

        let both = post(&format!("invocation/{}/response", id()), "", "42") + NEXT;
        client.write_all(both.as_bytes()).await.unwrap();
        while recorded.said.borrow().len() < 3 {
            recorded.told.notified().await;
        }
        assert_eq!(*recorded.said.borrow(), ["next", "response 42", "next"]);
        assert!(channel.deliver(&event(b"{}")));
        let answers = read_until(&mut client, "\r\n\r\n{}").await;
        assert!(answers.starts_with("HTTP/1.1 202 Accepted"), "{answers}");
        assert!(answers.contains("HTTP/1.1 200 OK"), "{answers}");
    });
}

#[test]
fn a_client_that_does_not_pipeline_gets_its_202_at_once() {
    scenario(|channel, recorded, mut client| async move {
        let _served = channel;
        client.write_all(post(&format!("invocation/{}/response", id()), "", "1").as_bytes()).await.unwrap();
        let answer = read_until(&mut client, "{\"status\":\"OK\"}\n").await;
        assert!(answer.starts_with("HTTP/1.1 202 Accepted"), "{answer}");
        assert_eq!(*recorded.said.borrow(), ["response 1"]);
    });
}

#[test]
fn chunked_bodies_and_error_trailers_are_understood() {
    scenario(|channel, recorded, mut client| async move {
        let _served = channel;
        let head = format!(
            "POST /2018-06-01/runtime/invocation/{}/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n\r\n",
            id()
        );
        client.write_all(format!("{head}3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n").as_bytes()).await.unwrap();
        read_until(&mut client, "{\"status\":\"OK\"}\n").await;
        let trailers = "Lambda-Runtime-Function-Error-Type: Oops\r\nLambda-Runtime-Function-Error-Body: eyJhIjoxfQ==\r\n";
        client.write_all(format!("{head}1\r\na\r\n0\r\n{trailers}\r\n").as_bytes()).await.unwrap();
        read_until(&mut client, "{\"status\":\"OK\"}\n").await;
        assert_eq!(*recorded.said.borrow(), ["response abcde", "error Oops {\"a\":1}"]);
    });
}

#[test]
fn responses_and_errors_over_the_limit_are_drained_and_refused() {
    scenario(|channel, recorded, mut client| async move {
        let _served = channel;
        let body = "x".repeat(lambent_domain::limits::MAX_SYNC_RESPONSE_BYTES + 1);
        client.write_all(post(&format!("invocation/{}/response", id()), "", &body).as_bytes()).await.unwrap();
        let answer = read_until(&mut client, "\"errorType\":\"RequestEntityTooLarge\"}").await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        let body = "x".repeat(lambent_domain::limits::MAX_SYNC_RESPONSE_BYTES);
        client.write_all(post(&format!("invocation/{}/response", id()), "", &body).as_bytes()).await.unwrap();
        read_until(&mut client, "{\"status\":\"OK\"}\n").await;
        let body = "x".repeat(lambent_domain::limits::MAX_SYNC_RESPONSE_BYTES + 1);
        for path in [format!("invocation/{}/error", id()), "init/error".to_owned()] {
            client.write_all(post(&path, "", &body).as_bytes()).await.unwrap();
            let answer = read_until(&mut client, "\"errorType\":\"RequestEntityTooLarge\"}").await;
            assert!(answer.starts_with("HTTP/1.1 413"), "{path}: {answer}");
        }
        assert_eq!(
            *recorded.said.borrow(),
            ["response too large", "response of 6291556", "response too large"]
        );
    });
}

#[test]
fn refusals_are_awss() {
    scenario(|channel, _recorded, mut client| async move {
        let _served = channel;
        client.write_all(post("invocation/none/response", "", "1").as_bytes()).await.unwrap();
        let answer = read_until(&mut client, "\"errorType\":\"InvalidRequestID\"}").await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        client.write_all(b"GET /2018-06-01/ping HTTP/1.1\r\n\r\n").await.unwrap();
        read_until(&mut client, "pong").await;
        client.write_all(b"GET /nothing HTTP/1.1\r\n\r\n").await.unwrap();
        assert!(read_until(&mut client, "}").await.starts_with("HTTP/1.1 404"));
        client.write_all(b"nonsense\r\n\r\n").await.unwrap();
        assert!(read_until(&mut client, "}").await.starts_with("HTTP/1.1 400"));
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        let mut input = BytesMut::from(&bytes[..]);
        let _ = parse::head(&mut input, &mut parse::Search::default());
        let _ = Body::new(BodyKind::Chunked).advance(&mut BytesMut::from(&bytes[..]));
    }

    #[test]
    fn a_chunked_body_comes_out_whole_however_it_is_cut(
        parts in proptest::collection::vec("[a-z]{1,20}", 1..6), cut in 0usize..200,
    ) {
        let wire: String = parts.iter().map(|part| format!("{:x}\r\n{part}\r\n", part.len())).collect::<String>() + "0\r\n\r\n";
        let cut = cut.min(wire.len());
        let mut body = Body::new(BodyKind::Chunked);
        let mut input = BytesMut::from(&wire.as_bytes()[..cut]);
        let done = body.advance(&mut input).unwrap();
        if !done {
            input.extend_from_slice(&wire.as_bytes()[cut..]);
            proptest::prop_assert!(body.advance(&mut input).unwrap());
        }
        proptest::prop_assert_eq!(body.into_bytes().unwrap(), parts.concat().into_bytes());
    }
}
