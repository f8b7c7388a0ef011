//! What a form's policy allows (texts recorded from AWS). Whether its signature is right is not looked at here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use crate::fault::Fault;
use crate::form::Form;

/// Fields that no condition has to name.
const FREE: [&str; 4] = ["policy", "x-amz-signature", "signature", "awsaccesskeyid"];
/// Those of each kind of signature, in the order in which AWS misses them.
const VERSION_4: [&str; 4] = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature"];
const VERSION_2: [&str; 2] = ["AWSAccessKeyId", "Signature"];

/// How large the file may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl Sizes {
    pub(crate) fn check(self, size: u64) -> Result<(), Fault> {
        if size > self.max {
            let message = "Your proposed upload exceeds the maximum allowed size";
            return Err(Fault::new(400, "EntityTooLarge", message)
                .with("ProposedSize", size.to_string())
                .with("MaxSizeAllowed", self.max.to_string()));
        }
        if size < self.min {
            let message = "Your proposed upload is smaller than the minimum allowed size";
            return Err(Fault::new(400, "EntityTooSmall", message)
                .with("ProposedSize", size.to_string())
                .with("MinSizeAllowed", self.min.to_string()));
        }
        Ok(())
    }
}

/// Refuses a form that its policy does not allow.
pub(crate) fn check(form: &Form, bucket: &str, now_ms: u64) -> Result<Sizes, Fault> {
    let has = |name: &str| form.field(&name.to_ascii_lowercase()).is_some();
    let wanted: &[&str] =
        match (VERSION_4.iter().any(|name| has(name)), VERSION_2.iter().any(|name| has(name))) {
            (true, _) => &VERSION_4,
            (false, true) => &VERSION_2,
            // Nobody in particular may write to no bucket.
            (false, false) => return Err(Fault::new(403, "AccessDenied", "Access Denied")),
        };
    for name in wanted.iter().chain(&["policy"]) {
        if !has(name) {
            let message = format!(
                "Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
            );
            return Err(Fault::invalid_argument(message, name, ""));
        }
    }
    let unreadable = |why: &str| Fault::new(400, "InvalidPolicyDocument", format!("Invalid Policy: {why}"));
    let text: String = form.field("policy").unwrap_or_default().split_whitespace().collect();
    let bytes = STANDARD.decode(text).map_err(|_| unreadable("Invalid encoding."))?;
    let policy: Value = serde_json::from_slice(&bytes).map_err(|_| unreadable("Invalid JSON."))?;
    let expiration = policy["expiration"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let expiration = expiration.ok_or_else(|| unreadable("Invalid 'expiration' value."))?;
    if expiration.as_millisecond() <= i64::try_from(now_ms).unwrap_or(i64::MAX) {
        return Err(against("Policy expired."));
    }
    let conditions = policy["conditions"].as_array().ok_or_else(|| unreadable("Missing 'conditions'."))?;
    let mut sizes = Sizes { min: 0, max: crate::intake::MAX_BODY_BYTES };
    let mut named: Vec<String> = Vec::new();
    for condition in conditions {
        for (kind, subject, value) in parts(condition).ok_or_else(|| unreadable("Invalid condition."))? {
            let failed = || against(&format!("Policy Condition failed: {}", shown(&kind, &subject, &value)));
            if kind == "content-length-range" {
                let number = |text: &str| text.parse::<u64>().map_err(|_| failed());
                sizes = Sizes { min: number(&subject)?, max: number(&value)? };
                continue;
            }
            let name = subject.strip_prefix('$').unwrap_or(&subject).to_ascii_lowercase();
            let found = if name == "bucket" { Some(bucket) } else { form.field(&name) }.unwrap_or_default();
            let holds = match kind.as_str() {
                "eq" => found == value,
                "starts-with" => found.starts_with(&value),
                _ => return Err(unreadable("Invalid condition.")),
            };
            if !holds {
                return Err(failed());
            }
            named.push(name);
        }
    }
    let is_free = |name: &str| {
        FREE.contains(&name) || name.starts_with("x-ignore-") || named.iter().any(|one| one == name)
    };
    let extra: Vec<&str> =
        form.fields.iter().map(|(name, _)| name.as_str()).filter(|name| !is_free(name)).collect();
    if extra.is_empty() {
        Ok(sizes)
    } else {
        Err(against(&format!("Extra input fields: {}", extra.join(","))))
    }
}

fn against(why: &str) -> Fault {
    Fault::new(403, "AccessDenied", format!("Invalid according to Policy: {why}"))
}

fn shown(kind: &str, subject: &str, value: &str) -> String {
    let parts = [kind, subject, value].map(|part| Value::from(part).to_string());
    format!("[{}]", parts.join(", "))
}

type Condition = (String, String, String);

/// `["eq", "$key", "x"]`, or `{"key": "x"}`, which means the same.
fn parts(condition: &Value) -> Option<Vec<Condition>> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match condition {
        Value::Array(parts) => {
            let [kind, subject, value] = parts.as_slice() else { return None };
            Some(vec![(text(kind)?.to_ascii_lowercase(), text(subject)?, text(value)?)])
        }
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| Some(("eq".to_owned(), format!("${name}"), text(value)?)))
            .collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_790_000_000_000;

    fn checked(policy: &str, more: &[(&str, &str)]) -> Result<Sizes, (String, String)> {
        let mut fields = vec![("policy".to_owned(), STANDARD.encode(policy))];
        let signed = VERSION_4.map(|name| (name.to_ascii_lowercase(), "x".to_owned()));
        fields.extend(signed);
        fields.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let form = Form { fields, filename: None, file: lambent_ports::api::whole(bytes::Bytes::new()) };
        check(&form, "bucket", NOW_MS).map_err(|fault| (fault.code, fault.message))
    }

    fn policy(conditions: &str) -> String {
        let signed = r#"["starts-with","$x-amz-algorithm",""],["starts-with","$x-amz-credential",""],["starts-with","$x-amz-date",""]"#;
        format!(r#"{{"expiration": "2099-01-01T00:00:00Z", "conditions": [{signed},{conditions}]}}"#)
    }

    #[test]
    fn conditions_hold_or_are_named() {
        let conditions = policy(
            r#"{"bucket":"bucket"},["starts-with","$key","in/"],{"Acl":"private"},["content-length-range",1,"10"]"#,
        );
        let fields = [("key", "in/a"), ("acl", "private"), ("x-ignore-me", "1")];
        assert_eq!(checked(&conditions, &fields), Ok(Sizes { min: 1, max: 10 }));
        let (code, message) = checked(&conditions, &[("key", "out/a"), ("acl", "private")]).unwrap_err();
        assert_eq!(
            (&*code, &*message),
            (
                "AccessDenied",
                r#"Invalid according to Policy: Policy Condition failed: ["starts-with", "$key", "in/"]"#
            )
        );
        let (_, message) =
            checked(&conditions, &[("key", "in/a"), ("acl", "private"), ("tagging", "x")]).unwrap_err();
        assert_eq!(message, "Invalid according to Policy: Extra input fields: tagging");
        let (_, message) = checked(&policy(r#"["content-length-range","test",10]"#), &[]).unwrap_err();
        assert_eq!(
            message,
            r#"Invalid according to Policy: Policy Condition failed: ["content-length-range", "test", "10"]"#
        );
        let (_, message) = checked(&policy(r#"{"bucket":"another"}"#), &[]).unwrap_err();
        assert!(message.contains(r#"["eq", "$bucket", "another"]"#), "{message}");
    }

    #[test]
    fn what_is_over_or_no_policy_is_refused() {
        let over = r#"{"expiration": "2020-01-01T00:00:00Z", "conditions": []}"#;
        assert_eq!(checked(over, &[]).unwrap_err().1, "Invalid according to Policy: Policy expired.");
        for broken in [
            "{",
            "[]",
            r#"{"expiration": "soon", "conditions": []}"#,
            r#"{"expiration": "2099-01-01T00:00:00Z"}"#,
        ] {
            assert_eq!(checked(broken, &[]).unwrap_err().0, "InvalidPolicyDocument", "{broken}");
        }
        let unsigned =
            Form { fields: Vec::new(), filename: None, file: lambent_ports::api::whole(bytes::Bytes::new()) };
        assert_eq!(check(&unsigned, "b", NOW_MS).unwrap_err().code, "AccessDenied");
        let sizes = Sizes { min: 5, max: 10 };
        assert_eq!(sizes.check(12).unwrap_err().code, "EntityTooLarge");
        assert_eq!(sizes.check(1).unwrap_err().code, "EntityTooSmall");
        assert!(sizes.check(5).is_ok() && sizes.check(10).is_ok());
    }
}
