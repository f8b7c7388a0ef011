//! Tags: keys differ in more than case.

use lambent_ports::iam_store::Tags;
use lambent_wire::iam::types::Tag;

use crate::{IamFault, quotas};

/// Tags that something is made with.
pub(crate) fn read(given: Option<Vec<Tag>>) -> Result<Tags, IamFault> {
    let mut tags = Tags::new();
    add(&mut tags, &given.unwrap_or_default())?;
    Ok(tags)
}

/// Adds tags, in place of those of the same keys.
pub(crate) fn add(tags: &mut Tags, given: &[Tag]) -> Result<(), IamFault> {
    let mut seen = std::collections::BTreeSet::new();
    for Tag { key, value } in given {
        if !seen.insert(key.to_lowercase()) {
            let text = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
            return Err(IamFault::InvalidInput(text.into()));
        }
        remove(tags, std::slice::from_ref(key));
        tags.insert(key.clone(), value.clone());
    }
    match tags.len() > quotas::TAGS {
        true => Err(IamFault::LimitExceeded("The number of tags has reached the maximum limit.".into())),
        false => Ok(()),
    }
}

/// Takes tags away; those that are not there are no error.
pub(crate) fn remove(tags: &mut Tags, keys: &[String]) {
    tags.retain(|known, _| !keys.iter().any(|key| key.eq_ignore_ascii_case(known)));
}

/// As answers carry them; nothing when there are none.
pub(crate) fn shown(tags: &Tags) -> Option<Vec<Tag>> {
    (!tags.is_empty()).then(|| list(tags))
}

/// As lists of them carry them.
pub(crate) fn list(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
}
