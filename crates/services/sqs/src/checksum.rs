//! The checksums that clients compare with their own.

use lambent_wire::sqs::types::MessageAttributeValue;
use md5::{Digest, Md5};

/// Of a body.
pub(crate) fn of_text(text: &str) -> String {
    hex::encode(Md5::digest(text.as_bytes()))
}

/// Of attributes, sorted by name: each name, type and value with its length before it, and a byte that says what kind of
/// value it is (AWS documentation). `None` when there are none.
pub(crate) fn of_attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a String, &'a MessageAttributeValue)>,
) -> Option<String> {
    let mut digest = Md5::new();
    let mut count = 0;
    for (name, value) in attributes {
        let mut part = |bytes: &[u8]| {
            digest.update((bytes.len() as u32).to_be_bytes());
            digest.update(bytes);
        };
        part(name.as_bytes());
        part(value.data_type.as_bytes());
        let (kind, bytes) = match (&value.string_value, &value.binary_value) {
            (Some(text), _) => (1u8, text.as_bytes()),
            (None, Some(bytes)) => (2u8, &bytes[..]),
            (None, None) => (1u8, &b""[..]),
        };
        digest.update([kind]);
        digest.update((bytes.len() as u32).to_be_bytes());
        digest.update(bytes);
        count += 1;
    }
    (count > 0).then(|| hex::encode(digest.finalize()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn text(value: &str) -> MessageAttributeValue {
        MessageAttributeValue {
            string_value: Some(value.into()),
            data_type: "String".into(),
            ..Default::default()
        }
    }

    /// Recorded.
    #[test]
    fn checksums_are_those_of_aws() {
        assert_eq!(of_text("msg"), "6e2baaf3b97dbeef01c0043275f9a0e7");
        let attributes = BTreeMap::from([
            ("Hello".to_owned(), text("There")),
            ("General".to_owned(), text("Kenobi")),
            ("Help.Me".to_owned(), text("Me")),
        ]);
        assert_eq!(of_attributes(&attributes).unwrap(), "4c360f3fdafd970e05fae2f149d997f5");
        let one = BTreeMap::from([("Hello".to_owned(), text("There"))]);
        assert_eq!(of_attributes(&one).unwrap(), "a311262e065454b75da111d535b8dacd");
        assert_eq!(of_attributes(&BTreeMap::new()), None);
    }
}
