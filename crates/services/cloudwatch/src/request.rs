//! Bodies that come compressed: SDKs do that to PutMetricData from 10 KB on.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use lambent_ports::api::ApiRequest;

use crate::CloudWatchFault;

/// Most bytes of a body that was compressed: as many as one may have that was not.
const MAX_UNPACKED_BYTES: u64 = 8 * 1024 * 1024;

/// The request with its body as it was before it was compressed.
pub(crate) fn unpacked(mut request: ApiRequest) -> Result<ApiRequest, CloudWatchFault> {
    let Some(encoding) = request.headers.remove(CONTENT_ENCODING) else { return Ok(request) };
    match encoding.as_bytes() {
        b"identity" => Ok(request),
        b"gzip" => {
            request.body = gunzip(&request.body)?;
            request.headers.remove(CONTENT_LENGTH);
            Ok(request)
        }
        other => {
            let name = String::from_utf8_lossy(other).into_owned();
            Err(CloudWatchFault::Serialization(format!("The content encoding {name} is not supported")))
        }
    }
}

fn gunzip(packed: &[u8]) -> Result<Bytes, CloudWatchFault> {
    let mut body = Vec::new();
    let read = GzDecoder::new(packed).take(MAX_UNPACKED_BYTES + 1).read_to_end(&mut body);
    let refused = |text: &str| CloudWatchFault::Serialization(text.to_owned());
    read.map_err(|_| refused("The body is not what gzip writes"))?;
    if body.len() as u64 > MAX_UNPACKED_BYTES {
        return Err(refused("The body is too large"));
    }
    Ok(Bytes::from(body))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn bodies_are_unpacked_and_bombs_are_not() {
        assert_eq!(gunzip(&gzip(b"{}")), Ok(Bytes::from_static(b"{}")));
        assert!(gunzip(b"{}").is_err());
        assert!(gunzip(&gzip(&vec![b' '; MAX_UNPACKED_BYTES as usize])).is_ok());
        assert!(gunzip(&gzip(&vec![b' '; MAX_UNPACKED_BYTES as usize + 1])).is_err());
    }
}
