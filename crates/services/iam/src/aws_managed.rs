//! Policies that AWS manages: those that people attach to functions' roles and to themselves, with AWS's documents, which are
//! facts kept as data. One that is not here can't be attached.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use lambent_iam_policy::Policy;
use serde_json::Value;

/// A policy of AWS's, in the version in force.
#[derive(Clone, Debug)]
pub(crate) struct AwsPolicy {
    pub arn: String,
    pub name: String,
    pub path: String,
    /// The same for the same ARN, on every server.
    pub id: String,
    pub version: String,
    /// Where it is known.
    pub created_s: Option<f64>,
    /// Where it is known.
    pub updated_s: Option<f64>,
    pub document: Arc<Policy>,
}

/// By path and name.
static POLICIES: LazyLock<BTreeMap<String, AwsPolicy>> = LazyLock::new(|| {
    let all: Vec<Value> = serde_json::from_str(include_str!("aws-managed.json")).expect("it is a list");
    all.iter().map(read).map(|policy| (format!("{}{}", policy.path, policy.name), policy)).collect()
});

fn read(policy: &Value) -> AwsPolicy {
    let text = |name: &str| policy[name].as_str().unwrap_or_default().to_owned();
    let arn = format!("arn:aws:iam::aws:policy{}{}", text("path"), text("name"));
    let document = policy["document"].to_string();
    AwsPolicy {
        id: id(&arn),
        arn,
        name: text("name"),
        path: text("path"),
        version: text("version"),
        created_s: seconds(&text("created")),
        updated_s: seconds(&text("updated")),
        document: Arc::new(Policy::parse(&document).expect("AWS's policies can be read")),
    }
}

fn seconds(text: &str) -> Option<f64> {
    text.parse::<jiff::Timestamp>().ok().map(|time| time.as_second() as f64)
}

/// `ANPA` and 17 letters, made of the ARN.
fn id(arn: &str) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    let mut letters = String::from("ANPA");
    for round in 0..17_u8 {
        for byte in arn.bytes().chain([round]) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        letters.push(LETTERS[(state >> 59) as usize] as char);
    }
    letters
}

/// The policy of `/path/name`.
pub(crate) fn find(path_and_name: &str) -> Option<&'static AwsPolicy> {
    POLICIES.get(path_and_name)
}

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static AwsPolicy> {
    POLICIES.values()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use lambent_iam_policy::Kind;

    use super::*;

    #[test]
    fn each_of_them_is_a_managed_policy() {
        for policy in all() {
            assert_eq!(policy.document.check(Kind::Identity { managed: true }), Ok(()), "{}", policy.name);
            assert_eq!(policy.id.len(), 21);
        }
        let ids: BTreeSet<&str> = all().map(|policy| policy.id.as_str()).collect();
        assert_eq!(ids.len(), POLICIES.len());
        assert!(
            find("/service-role/AWSLambdaBasicExecutionRole").is_some()
                && find("/AWSLambdaExecute").is_some()
        );
    }
}
