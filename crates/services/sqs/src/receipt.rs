//! Receipt handles: a queue, a message and one receive of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lambent_ports::message_store::{QueueId, Receipt};

use crate::SqsFault;

/// Tells handles from other base64.
const MARK: [u8; 3] = *b"\x01\x01\xe4";

/// A handle.
pub(crate) fn handle(queue: QueueId, receipt: Receipt) -> String {
    let mut bytes = MARK.to_vec();
    for number in [queue.0, receipt.message, receipt.epoch] {
        bytes.extend(number.to_be_bytes());
    }
    STANDARD.encode(bytes)
}

/// The inverse of [`handle`]; one of another queue is none.
pub(crate) fn read(queue: QueueId, handle: &str) -> Result<Receipt, SqsFault> {
    let read = || {
        let bytes = STANDARD.decode(handle).ok()?;
        let numbers = bytes.strip_prefix(&MARK)?;
        let number = |at: usize| Some(u64::from_be_bytes(numbers.get(at * 8..at * 8 + 8)?.try_into().ok()?));
        let receipt = Receipt { message: number(1)?, epoch: number(2)? };
        let signed = i64::try_from(receipt.message).is_ok() && i64::try_from(receipt.epoch).is_ok();
        (number(0)? == queue.0 && numbers.len() == 24 && signed).then_some(receipt)
    };
    read().ok_or_else(|| SqsFault::ReceiptHandle(handle.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_come_back_and_garbage_does_not() {
        let receipt = Receipt { message: 7, epoch: 2 };
        let handle = handle(QueueId(3), receipt);
        assert_eq!(read(QueueId(3), &handle), Ok(receipt));
        assert!(read(QueueId(4), &handle).is_err());
        for garbage in ["", "x", "AQEBAAAA", &handle[4..], &format!("{handle}AAAA")] {
            assert!(read(QueueId(3), garbage).is_err(), "{garbage}");
        }
    }
}
