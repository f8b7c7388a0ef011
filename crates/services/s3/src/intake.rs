//! Bodies of objects on their way in: read in batches, hashed and written while the next batch comes. A thread that waits
//! for the disk is never held while a client is waited for.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use lambent_ports::object_store::{KeptFile, ObjectStore, Staged};
use s3s::dto::StreamingBlob;
use tokio::task::spawn_blocking;

use crate::asked::{Asked, Promised, content_md5, payload_sha256, promised_checksum};
use crate::chunked::WRONG_SIGNATURE;
use crate::digest::{Algorithm, Digested, Digests};
use crate::fault::Fault;

/// Objects up to this size are stored with their records.
pub(crate) const MAX_INLINE_BYTES: usize = 16 * 1024;
/// What is hashed and written at once.
const BATCH_BYTES: usize = 1024 * 1024;
/// Smaller pieces are copied. A connection's buffer holds some 400 KiB.
const COPIED_BYTES: usize = 128 * 1024;
/// How long a client may pause.
const PAUSE: Duration = Duration::from_secs(30);
/// The largest object, or part, in one request.
pub(crate) const MAX_BODY_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// Where a body has gone.
pub(crate) enum Taken {
    Inline(Bytes),
    File(KeptFile),
}

/// A body that has come whole and is what was promised.
pub(crate) struct Intake {
    pub(crate) taken: Taken,
    pub(crate) digested: Digested,
}

/// What a body must be.
pub(crate) struct Expected {
    promised: Promised,
    md5: Option<[u8; 16]>,
    sha256: Option<String>,
    /// Computed when nothing is promised.
    default: Option<Algorithm>,
}

impl Expected {
    /// From the request's headers; `default` is computed when they name no checksum.
    pub(crate) fn of(asked: &Asked, default: Option<Algorithm>) -> Result<Self, Fault> {
        Ok(Expected {
            promised: promised_checksum(&asked.headers)?,
            md5: content_md5(&asked.headers)?,
            sha256: payload_sha256(&asked.headers).map(str::to_owned),
            default,
        })
    }

    pub(crate) fn algorithm(&self) -> Option<Algorithm> {
        match &self.promised {
            Promised::Nothing => self.default,
            Promised::Value(algorithm, _) | Promised::Trailer(algorithm) => Some(*algorithm),
        }
    }

    pub(crate) fn digests(&self) -> Digests {
        Digests::new(self.algorithm(), self.sha256.is_some())
    }

    /// Whether it came as promised.
    pub(crate) fn check(&self, digested: &Digested, asked: &Asked) -> Result<(), Fault> {
        if let Some(wanted) = &self.sha256
            && digested.sha256.as_ref() != Some(wanted)
        {
            let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            return Err(Fault::new(400, "XAmzContentSHA256Mismatch", message)
                .with("ClientComputedContentSHA256", wanted)
                .with("S3ComputedContentSHA256", digested.sha256.clone().unwrap_or_default()));
        }
        if let Some(wanted) = self.md5
            && wanted != digested.md5
        {
            let message = "The Content-MD5 you specified did not match what we received.";
            return Err(Fault::new(400, "BadDigest", message)
                .with("ExpectedDigest", STANDARD.encode(wanted))
                .with("CalculatedDigest", STANDARD.encode(digested.md5)));
        }
        let Some((algorithm, computed)) = &digested.checksum else { return Ok(()) };
        let wanted = match &self.promised {
            Promised::Nothing => return Ok(()),
            Promised::Value(_, value) => value.clone(),
            Promised::Trailer(_) => asked.trailers.get(algorithm.header()).ok_or_else(|| {
                Fault::new(400, "MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
            })?,
        };
        if wanted != *computed {
            let message =
                format!("The {} you specified did not match the calculated checksum.", algorithm.name());
            return Err(Fault::new(400, "BadDigest", message));
        }
        Ok(())
    }
}

/// Reads a body to its end. `always_file`: also a small one becomes a file.
pub(crate) async fn take(
    store: &Arc<dyn ObjectStore>,
    body: Option<StreamingBlob>,
    asked: &Asked,
    expected: &Expected,
    always_file: bool,
) -> Result<Intake, Fault> {
    if let Some(sizes) = asked.posted {
        // How long it is shows at its end.
        let (file, digested) = to_file(store, &mut Source { body }, expected.digests()).await?;
        sizes.check(digested.size)?;
        expected.check(&digested, asked)?;
        return Ok(Intake { taken: Taken::File(file), digested });
    }
    let Some(length) = asked.length else {
        let message = "You must provide the Content-Length HTTP header.";
        return Err(Fault::new(411, "MissingContentLength", message));
    };
    if length > MAX_BODY_BYTES {
        return Err(Fault::new(
            400,
            "EntityTooLarge",
            "Your proposed upload exceeds the maximum allowed size",
        )
        .with("ProposedSize", length.to_string())
        .with("MaxSizeAllowed", MAX_BODY_BYTES.to_string()));
    }
    let mut source = Source { body };
    let (taken, digested) = if length <= MAX_INLINE_BYTES as u64 && !always_file {
        let mut bytes = BytesMut::with_capacity(length as usize);
        while let Some(more) = source.next().await? {
            bytes.extend_from_slice(&more);
            whole(bytes.len() as u64 <= length)?;
        }
        let mut digests = expected.digests();
        digests.update(&bytes);
        (Taken::Inline(bytes.freeze()), digests.finish())
    } else {
        let (file, digested) = to_file(store, &mut source, expected.digests()).await?;
        (Taken::File(file), digested)
    };
    whole(digested.size == length)?;
    expected.check(&digested, asked)?;
    Ok(Intake { taken, digested })
}

fn wrong_signature() -> Fault {
    let message = "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
    Fault::new(403, "SignatureDoesNotMatch", message)
}

fn whole(is: bool) -> Result<(), Fault> {
    let message = "You did not provide the number of bytes specified by the Content-Length HTTP header";
    if is { Ok(()) } else { Err(Fault::new(400, "IncompleteBody", message)) }
}

/// A body that may not pause for ever.
struct Source {
    body: Option<StreamingBlob>,
}

impl Source {
    async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        let Some(body) = &mut self.body else { return Ok(None) };
        match tokio::time::timeout(PAUSE, body.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(bytes))) => Ok(Some(bytes)),
            Ok(Some(Err(error))) if error.to_string().contains(WRONG_SIGNATURE) => Err(wrong_signature()),
            Ok(Some(Err(_))) => whole(false).map(|()| None),
            Err(_) => {
                let message = "Your socket connection to the server was not read from or written to within the timeout period.";
                Err(Fault::new(400, "RequestTimeout", message))
            }
        }
    }

    /// The next bytes, as many as are hashed and written at once; none at the end.
    async fn batch(&mut self) -> Result<Vec<Bytes>, Fault> {
        let (mut batch, mut size) = (Vec::new(), 0);
        while size < BATCH_BYTES
            && let Some(bytes) = self.next().await?
        {
            size += bytes.len();
            // A piece keeps the whole buffer that the connection was read into, however little came of a slow client.
            batch.push(if bytes.len() < COPIED_BYTES { Bytes::copy_from_slice(&bytes) } else { bytes });
        }
        Ok(batch)
    }
}

type Writing = Box<dyn Staged>;

async fn to_file(
    store: &Arc<dyn ObjectStore>,
    source: &mut Source,
    mut digests: Digests,
) -> Result<(KeptFile, Digested), Fault> {
    let opening = Arc::clone(store);
    let mut staged: Writing = blocking(move || opening.stage()).await?;
    let mut batch = source.batch().await?;
    while !batch.is_empty() {
        // Two threads hash and write, and the next batch comes meanwhile.
        let written = Arc::new(batch);
        let hashed = Arc::clone(&written);
        let hashing = spawn_blocking(move || {
            hashed.iter().for_each(|bytes| digests.update(bytes));
            digests
        });
        let writing = blocking(move || {
            for bytes in written.iter() {
                staged.write(bytes)?;
            }
            Ok(staged)
        });
        let (hashed, written, next) = tokio::join!(hashing, writing, source.batch());
        digests = hashed.map_err(Fault::internal)?;
        staged = written?;
        batch = next?;
    }
    let file = blocking(move || staged.keep()).await?;
    Ok((file, digests.finish()))
}

/// Runs what waits for the disk.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Fault> {
    spawn_blocking(work).await.map_err(Fault::internal)?.map_err(Fault::internal)
}
