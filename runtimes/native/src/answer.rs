//! The platform's answers: HTTP/1.1 with a length or in chunks.

use std::io;

/// One whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// By its name in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first answer of what has been received and its length in bytes; `None` while it is not whole.
    pub(crate) fn parse(received: &[u8]) -> io::Result<Option<(Answer, usize)>> {
        let Some(end) = find(received, b"\r\n\r\n") else { return Ok(None) };
        let head = std::str::from_utf8(&received[..end]).map_err(|_| broken("a head that is no text"))?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let status = status.ok_or_else(|| broken("no status"))?;
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        let rest = &received[end + 4..];
        let chunked =
            answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        let length = match chunked {
            true => match chunks(rest, &mut answer.body)? {
                Some(length) => length,
                None => return Ok(None),
            },
            false => {
                let length = answer.header("content-length").map_or(Ok(0), str::parse);
                let length = length.map_err(|_| broken("a length that is no number"))?;
                match rest.get(..length) {
                    Some(body) => answer.body.extend_from_slice(body),
                    None => return Ok(None),
                }
                length
            }
        };
        Ok(Some((answer, end + 4 + length)))
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the Runtime API answered with {what}"))
}

/// Collects a body; returns how long it was as it was sent, or `None` while it is not whole.
fn chunks(sent: &[u8], body: &mut Vec<u8>) -> io::Result<Option<usize>> {
    let mut at = 0;
    loop {
        let Some(line) = find(&sent[at..], b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&sent[at..at + line]).ok();
        let size = size.and_then(|text| usize::from_str_radix(text.split(';').next()?.trim(), 16).ok());
        let size = size.ok_or_else(|| broken("a chunk without a size"))?;
        at += line + 2;
        if size == 0 {
            // Trailers, each with a line of its own, and an empty line.
            loop {
                let Some(line) = find(&sent[at..], b"\r\n") else { return Ok(None) };
                at += line + 2;
                if line == 0 {
                    return Ok(Some(at));
                }
            }
        }
        let end = at.checked_add(size).ok_or_else(|| broken("a chunk of no possible size"))?;
        let Some(chunk) = sent.get(at..end) else { return Ok(None) };
        body.extend_from_slice(chunk);
        match sent.get(end..end + 2) {
            None => return Ok(None),
            Some(b"\r\n") => at = end + 2,
            Some(_) => return Err(broken("a chunk that does not end")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_it_is_whole_and_what_follows_stays() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nLambda-Runtime-X: a:b\r\n\r\nabcHTTP/1.1";
        let whole = text.len() - 8;
        for end in 0..whole {
            assert_eq!(Answer::parse(&text[..end]).unwrap(), None, "{end}");
        }
        let (answer, length) = Answer::parse(text).unwrap().unwrap();
        assert_eq!((answer.status, &answer.body[..], length), (200, &b"abc"[..], whole));
        assert_eq!(answer.header("lambda-runtime-x"), Some("a:b"));
    }

    #[test]
    fn an_answer_in_chunks_is_read_when_it_is_whole() {
        let text =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(Answer::parse(&text[..end]).unwrap(), None, "{end}");
        }
        let (answer, length) = Answer::parse(text).unwrap().unwrap();
        assert_eq!((&answer.body[..], length), (&b"abc0123456789"[..], text.len()));
    }

    #[test]
    fn nonsense_is_an_error_and_never_waited_for() {
        for text in [
            "nonsense\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
        ] {
            assert!(Answer::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
