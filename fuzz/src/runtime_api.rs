//! The Runtime API's HTTP. Input: the size of the pieces that the bytes come in (one byte; 0 means all at once), then
//! what a runtime sends.

use bytes::{Bytes, BytesMut};
use lambent_domain::limits::MAX_SYNC_RESPONSE_BYTES;
use lambent_runtime_front::parse::{self, Body, Head, Malformed, Search};

/// A whole request: its head, its body or that it was too large, and what its trailers say.
type Request = (Head, Option<Bytes>, Option<String>, Option<Bytes>);

/// How the bytes come in pieces makes no difference to what is read.
pub fn run(data: &[u8]) {
    let Some((piece, sent)) = data.split_first() else {
        return;
    };
    let whole = requests(sent, sent.len().max(1));
    if *piece > 0 {
        assert_eq!(requests(sent, usize::from(*piece)), whole, "in pieces of {piece}");
    }
    for (_, body, ..) in &whole.0 {
        assert!(body.as_ref().is_none_or(|body| body.len() <= MAX_SYNC_RESPONSE_BYTES));
    }
}

/// Every request, and whether the bytes end in something that is none.
fn requests(sent: &[u8], piece: usize) -> (Vec<Request>, bool) {
    let mut found = Vec::new();
    let mut input = BytesMut::new();
    let mut search = Search::default();
    let mut current = None;
    for piece in sent.chunks(piece) {
        input.extend_from_slice(piece);
        if turn(&mut input, &mut search, &mut current, &mut found).is_err() {
            return (found, true);
        }
        assert!(input.len() <= parse::MAX_HEAD_BYTES + piece.len() + 4, "what has been read is taken");
    }
    (found, false)
}

/// Takes every whole request off `input`, as a connection does after each read.
fn turn(
    input: &mut BytesMut,
    search: &mut Search,
    current: &mut Option<(Head, Body)>,
    found: &mut Vec<Request>,
) -> Result<(), Malformed> {
    loop {
        let (head, mut body) = match current.take() {
            Some(current) => current,
            None => match parse::head(input, search)? {
                Some(head) => {
                    let body = Body::new(head.body);
                    (head, body)
                }
                None => return Ok(()),
            },
        };
        if !body.advance(input)? {
            *current = Some((head, body));
            return Ok(());
        }
        let (kind, error) = (body.trailer_error_type.clone(), body.trailer_error_body.clone());
        found.push((head, body.into_bytes(), kind, error));
    }
}
