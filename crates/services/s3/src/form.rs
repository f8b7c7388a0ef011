//! Uploads by forms: what a browser sends, taken apart while it comes. The file is the last field; it streams.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use lambent_ports::api::Body;

use crate::fault::Fault;

/// AWS's limit of everything before the file.
const MAX_FIELDS_BYTES: usize = 20 * 1024;
/// As long as a boundary may be.
const MAX_BOUNDARY_BYTES: usize = 70;

/// A form, as far as the file's first byte.
pub(crate) struct Form {
    /// By lower-case name, in order.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) filename: Option<String>,
    pub(crate) file: Body,
}

impl Form {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// The boundary that a content type names.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let parameters = content_type.split(';').skip(1).map(str::trim);
    let mut values = parameters.filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then(|| value.trim_matches('"'))
    });
    values.next().filter(|boundary| (1..=MAX_BOUNDARY_BYTES).contains(&boundary.len()))
}

fn malformed() -> Fault {
    Fault::new(
        400,
        "MalformedPOSTRequest",
        "The body of your POST request is not well-formed multipart/form-data.",
    )
}

fn no_file() -> Fault {
    Fault::invalid_argument("POST requires exactly one file upload per request.", "file", "0")
}

/// What has come and not been understood yet.
struct Reader {
    body: Body,
    read: BytesMut,
    /// What of the fields may still come.
    left: usize,
}

impl Reader {
    /// What is before `end`, which is taken, too.
    async fn until(&mut self, end: &[u8]) -> Result<BytesMut, Fault> {
        let mut from = 0;
        loop {
            if let Some(at) = find(&self.read[from..], end) {
                let taken = from + at + end.len();
                self.left = self.left.checked_sub(taken).ok_or_else(too_large)?;
                let mut part = self.read.split_to(taken);
                part.truncate(part.len() - end.len());
                return Ok(part);
            }
            if self.read.len() > self.left {
                return Err(too_large());
            }
            from = self.read.len().saturating_sub(end.len() - 1);
            let frame = self.body.frame().await.ok_or_else(malformed)?;
            let data = frame.map_err(|_| malformed())?.into_data().unwrap_or_default();
            self.read.extend_from_slice(&data);
        }
    }
}

fn too_large() -> Fault {
    let message = "Your POST request fields preceding the upload file were too large.";
    Fault::new(400, "MaxPostPreDataLengthExceeded", message)
        .with("MaxPostPreDataLengthBytes", MAX_FIELDS_BYTES.to_string())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == first) {
        let at = from + at;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// Reads the fields.
pub(crate) async fn read(body: Body, boundary: &str) -> Result<Form, Fault> {
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let mut reader = Reader { body, read: BytesMut::new(), left: MAX_FIELDS_BYTES };
    // The first stands at the beginning.
    reader.until(&delimiter[2..]).await?;
    let mut fields: Vec<(String, String)> = Vec::new();
    loop {
        match &*reader.until(b"\r\n").await? {
            b"" => {}
            b"--" => return Err(no_file()),
            _ => return Err(malformed()),
        }
        let head = reader.until(b"\r\n\r\n").await?;
        let (name, filename) = disposition(&head).ok_or_else(malformed)?;
        let name = name.to_ascii_lowercase();
        if name == "file" {
            let file = File { body: reader.body, read: reader.read, delimiter, over: false };
            return Ok(Form { fields, filename, file: file.boxed_unsync() });
        }
        let value = reader.until(&delimiter).await?;
        let value = String::from_utf8(value.to_vec()).map_err(|_| malformed())?;
        fields.push((name, value));
    }
}

/// A field's name, and its file's.
fn disposition(head: &[u8]) -> Option<(String, Option<String>)> {
    let text = std::str::from_utf8(head).ok()?;
    let line = text.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let name = quoted(line, "name")?;
    // Browsers of old send a whole path.
    let filename =
        quoted(line, "filename").map(|path| path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned());
    Some((name, filename))
}

/// The value of a parameter, with or without quotes.
fn quoted(line: &str, wanted: &str) -> Option<String> {
    let mut rest = line;
    while let Some(at) = rest.find(';') {
        rest = rest[at + 1..].trim_start();
        let (name, value) = rest.split_once('=')?;
        let (value, behind) = match value.strip_prefix('"') {
            Some(value) => value.split_once('"')?,
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value.to_owned());
        }
        rest = behind;
    }
    None
}

/// The file's bytes, up to the delimiter. What comes behind is nobody's.
struct File {
    body: Body,
    read: BytesMut,
    delimiter: Vec<u8>,
    over: bool,
}

impl File {
    /// Bytes that are certainly the file's.
    fn step(&mut self) -> Option<Bytes> {
        if self.over {
            self.read.clear();
            return None;
        }
        let certain = match find(&self.read, &self.delimiter) {
            Some(at) => {
                self.over = true;
                at
            }
            None => self.read.len().saturating_sub(self.delimiter.len() - 1),
        };
        (certain > 0).then(|| self.read.split_to(certain).freeze())
    }
}

impl http_body::Body for File {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<http_body::Frame<Bytes>>>> {
        loop {
            if let Some(bytes) = self.step() {
                return Poll::Ready(Some(Ok(http_body::Frame::data(bytes))));
            }
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.read.extend_from_slice(&data);
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) if self.over => return Poll::Ready(None),
                Poll::Ready(None) => {
                    let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the form has no end");
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::StreamBody;

    use super::*;

    fn sent(bytes: &'static [u8], pieces: usize) -> Body {
        let frames = bytes.chunks(pieces).map(|piece| Ok(http_body::Frame::data(Bytes::from_static(piece))));
        StreamBody::new(stream::iter(frames)).boxed_unsync()
    }

    const FORM: &[u8] = b"--xyz\r\nContent-Disposition: form-data; name=\"Key\"\r\n\r\na/${filename}\r\n--xyz\r\nContent-Disposition: form-data; name=\"x-amz-meta-a\"\r\nContent-Type: text/plain\r\n\r\n\r\n--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"C:\\b.txt\"\r\nContent-Type: text/x\r\n\r\n\r\n--xy\r\nthe file\r\n--xyz\r\nContent-Disposition: form-data; name=\"submit\"\r\n\r\nsend\r\n--xyz--\r\n";

    #[tokio::test]
    async fn a_form_comes_apart_however_it_is_cut() {
        for pieces in 1..FORM.len() {
            let form = read(sent(FORM, pieces), "xyz").await.unwrap();
            assert_eq!((form.field("key"), form.field("x-amz-meta-a")), (Some("a/${filename}"), Some("")));
            assert_eq!((form.fields.len(), form.filename.as_deref()), (2, Some("b.txt")));
            let file = form.file.collect().await.unwrap().to_bytes();
            assert_eq!(&file[..], b"\r\n--xy\r\nthe file", "{pieces}");
        }
    }

    #[tokio::test]
    async fn what_is_no_form_is_refused_and_what_has_no_end_is_an_error() {
        let code = async |bytes| read(sent(bytes, 7), "xyz").await.err().map(|fault| fault.code);
        assert_eq!(code(b"").await.as_deref(), Some("MalformedPOSTRequest"));
        assert_eq!(code(b"--xyz--\r\n").await.as_deref(), Some("InvalidArgument"));
        assert_eq!(
            code(b"--xyz\r\nContent-Type: x\r\n\r\n\r\n--xyz--\r\n").await.as_deref(),
            Some("MalformedPOSTRequest")
        );
        let large =
            [&b"--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n"[..], &[b'x'; 30_000]].concat();
        assert_eq!(code(large.leak()).await.as_deref(), Some("MaxPostPreDataLengthExceeded"));
        let file = find(FORM, b"the file").unwrap();
        for end in [file, file + 3, file + 8, file + 12] {
            let form = read(sent(&FORM[..end], 9), "xyz").await.unwrap();
            assert!(form.file.collect().await.is_err(), "{end}");
        }
    }

    #[test]
    fn boundaries_are_read_from_content_types() {
        assert_eq!(boundary("multipart/form-data; boundary=abc"), Some("abc"));
        assert_eq!(boundary("multipart/form-data; charset=x; Boundary=\"a b\""), Some("a b"));
        assert_eq!(boundary("multipart/form-data"), None);
    }
}
