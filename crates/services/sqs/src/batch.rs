//! What all batches have in common: at most ten entries, each with an id of its own; entries fail one by one.

use std::collections::BTreeSet;

use lambent_wire::sqs::types::BatchResultErrorEntry;

use crate::SqsFault;

const MAX_ENTRIES: usize = 10;
const MAX_ID: usize = 80;

/// Checks the ids of a batch whose entries are called `entry`.
pub(crate) fn check<'a>(
    entry: &'static str,
    ids: impl ExactSizeIterator<Item = &'a String>,
) -> Result<(), SqsFault> {
    match ids.len() {
        0 => return Err(SqsFault::EmptyBatch(entry)),
        count if count > MAX_ENTRIES => return Err(SqsFault::TooManyEntries(count)),
        _ => {}
    }
    let mut seen = BTreeSet::new();
    for id in ids {
        let letters = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if id.is_empty() || id.len() > MAX_ID || !letters {
            return Err(SqsFault::EntryId);
        }
        if !seen.insert(id) {
            return Err(SqsFault::EntryIdTwice(id.clone()));
        }
    }
    Ok(())
}

/// An entry that failed.
pub(crate) fn failed(id: String, fault: &SqsFault) -> BatchResultErrorEntry {
    let shown = fault.shown();
    BatchResultErrorEntry {
        id,
        sender_fault: shown.status < 500,
        code: shown.code.to_owned(),
        message: Some(shown.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_one_to_ten_entries_with_ids_of_their_own() {
        let check = |ids: &[&str]| {
            let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
            check("Entry", ids.iter())
        };
        assert_eq!(check(&["a", "b-_9"]), Ok(()));
        assert_eq!(check(&[]), Err(SqsFault::EmptyBatch("Entry")));
        assert_eq!(check(&["a"; 20]), Err(SqsFault::TooManyEntries(20)));
        assert_eq!(check(&["a", "a"]), Err(SqsFault::EntryIdTwice("a".into())));
        assert_eq!(check(&["a b"]), Err(SqsFault::EntryId));
        assert_eq!(check(&[&"x".repeat(81)]), Err(SqsFault::EntryId));
    }
}
