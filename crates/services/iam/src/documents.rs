//! Policy documents: read, measured, shown.

use std::sync::Arc;

use lambent_iam_policy::{Kind, Policy};
use lambent_ports::iam_store::IamAccount;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::IamFault;
use crate::here::{Here, IamArn};

/// What stands for itself in answers.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Reads a document that can be of a kind.
pub(crate) fn read(text: &str, kind: Kind) -> Result<Arc<Policy>, IamFault> {
    let policy = Policy::parse(text)?;
    policy.check(kind)?;
    Ok(Arc::new(policy))
}

/// Reads a trust policy, whose principals must be there as far as they are of this account.
pub(crate) fn read_trust(here: &Here, account: &IamAccount, text: &str) -> Result<Arc<Policy>, IamFault> {
    let policy = read(text, Kind::Trust)?;
    for (kind, principal) in policy.principals() {
        let Ok(arn) = IamArn::parse(principal) else { continue };
        if arn.account != here.account.as_str() {
            continue;
        }
        let name = arn.name.to_lowercase();
        let found = match arn.kind {
            "user" => account.users.get(&name).map(|user| &user.head),
            "role" => account.roles.get(&name).map(|role| &role.head),
            _ => continue,
        };
        if !found.is_some_and(|head| arn.is_of(head)) {
            let text = format!("Invalid principal in policy: \"{}\":\"{principal}\"", kind.to_uppercase());
            return Err(IamFault::MalformedPolicyDocument(text));
        }
    }
    Ok(policy)
}

/// Letters without white space: what quotas count.
pub(crate) fn size(policy: &Policy) -> usize {
    policy.text().chars().filter(|letter| !letter.is_whitespace()).count()
}

/// As answers carry it.
pub(crate) fn encoded(policy: &Policy) -> String {
    utf8_percent_encode(policy.text(), ENCODED).to_string()
}
