//! The statement that AddPermission makes of its parameters.

use lambent_domain::policy::Statement;
use lambent_domain::{AccountId, Fault};
use serde_json::{Map, Value, json};

/// What AddPermission was asked for.
pub(crate) struct Permission<'a> {
    /// Names the statement.
    pub(crate) sid: &'a str,
    /// `lambda:…` or `*`.
    pub(crate) action: &'a str,
    /// Who may: a service, an account, an identity's ARN, or `*`.
    pub(crate) principal: &'a str,
    /// The ARN of the function, version or alias.
    pub(crate) resource: &'a str,
    /// For accounts: the partition of their ARN.
    pub(crate) partition: &'a str,
    /// What narrows it.
    pub(crate) conditions: Conditions<'a>,
}

/// The optional parameters: each is a condition.
#[derive(Default)]
pub(crate) struct Conditions<'a> {
    pub(crate) source_account: Option<&'a str>,
    pub(crate) event_source_token: Option<&'a str>,
    pub(crate) principal_org_id: Option<&'a str>,
    pub(crate) function_url_auth_type: Option<&'a str>,
    pub(crate) source_arn: Option<&'a str>,
    pub(crate) invoked_via_function_url: Option<bool>,
}

impl Permission<'_> {
    /// The statement, its members in AWS's order.
    pub(crate) fn statement(&self) -> Result<Statement, Fault> {
        let url_action = self.action == "lambda:InvokeFunctionUrl";
        if self.conditions.function_url_auth_type.is_some() && !url_action {
            let text = "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action";
            return Err(Fault::InvalidParameter(text.into()));
        }
        let mut statement = json!({
            "Sid": self.sid,
            "Effect": "Allow",
            "Principal": principal(self.principal, self.partition)?,
            "Action": self.action,
            "Resource": self.resource,
        });
        if let Some(condition) = self.conditions.to_json() {
            statement["Condition"] = condition;
        }
        Ok(Statement { sid: Some(self.sid.to_owned()), json: statement.to_string() })
    }
}

impl Conditions<'_> {
    fn to_json(&self) -> Option<Value> {
        let equals = [
            ("AWS:SourceAccount", self.source_account),
            ("lambda:EventSourceToken", self.event_source_token),
            ("aws:PrincipalOrgID", self.principal_org_id),
            ("lambda:FunctionUrlAuthType", self.function_url_auth_type),
        ];
        let equals: Map<String, Value> =
            equals.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value?)))).collect();
        let mut conditions = Map::new();
        if !equals.is_empty() {
            conditions.insert("StringEquals".into(), equals.into());
        }
        if let Some(arn) = self.source_arn {
            conditions.insert("ArnLike".into(), json!({ "AWS:SourceArn": arn }));
        }
        if let Some(via_url) = self.invoked_via_function_url {
            // The value of a condition is always text.
            conditions.insert("Bool".into(), json!({ "lambda:InvokedViaFunctionUrl": via_url.to_string() }));
        }
        (!conditions.is_empty()).then(|| conditions.into())
    }
}

/// A principal as a statement names it.
fn principal(text: &str, partition: &str) -> Result<Value, Fault> {
    if text == "*" {
        return Ok(json!("*"));
    }
    if AccountId::parse(text).is_some() {
        return Ok(json!({ "AWS": format!("arn:{partition}:iam::{text}:root") }));
    }
    if is_identity_arn(text) {
        return Ok(json!({ "AWS": text }));
    }
    if is_service(text) {
        return Ok(json!({ "Service": text }));
    }
    let text = "The provided principal was invalid. Please check the principal and try again.";
    Err(Fault::InvalidParameter(text.into()))
}

/// A root, user, role or session. AWS also looks whether it is there; here, identities aren't kept.
pub(super) fn is_identity_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, service, "", account, resource] = parts[..] else {
        return false;
    };
    let kinds: &[&str] = match service {
        "iam" if resource == "root" => &["root"],
        "iam" => &["user/", "role/"],
        "sts" => &["assumed-role/", "federated-user/"],
        _ => &[],
    };
    partition.starts_with("aws")
        && AccountId::parse(account).is_some()
        && kinds.iter().any(|kind| resource.strip_prefix(kind).is_some_and(|name| !name.ends_with('/')))
        && !resource.contains(['*', '?'])
        && (resource == "root" || resource.split('/').all(|part| !part.is_empty()))
}

/// A service's name. AWS has a list of them; here, whatever has the form of one (judgement): the list grows by the month.
pub(super) fn is_service(text: &str) -> bool {
    const DOMAINS: [&str; 3] = [".amazonaws.com", ".amazonaws.com.cn", ".amazon.com"];
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    let mut names = DOMAINS.iter().filter_map(|domain| text.strip_suffix(domain));
    names.next().is_some_and(|name| name.split('.').all(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission<'a>(principal: &'a str, conditions: Conditions<'a>) -> Permission<'a> {
        Permission {
            sid: "s1",
            action: "lambda:InvokeFunction",
            principal,
            resource: "arn:f",
            partition: "aws",
            conditions,
        }
    }

    fn json(permission: &Permission<'_>) -> String {
        permission.statement().unwrap().json
    }

    #[test]
    fn a_statement_has_awss_members_in_awss_order() {
        let conditions = Conditions {
            source_account: Some("111111111111"),
            source_arn: Some("arn:aws:s3:::b"),
            ..Conditions::default()
        };
        assert_eq!(
            json(&permission("s3.amazonaws.com", conditions)),
            r#"{"Sid":"s1","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:f","Condition":{"StringEquals":{"AWS:SourceAccount":"111111111111"},"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"}}}"#
        );
        assert!(!json(&permission("s3.amazonaws.com", Conditions::default())).contains("Condition"));
    }

    #[test]
    fn each_parameter_is_its_condition() {
        let all = Conditions {
            source_account: Some("a"),
            event_source_token: Some("t"),
            principal_org_id: Some("o-1"),
            function_url_auth_type: Some("NONE"),
            source_arn: Some("arn:s"),
            invoked_via_function_url: Some(true),
        };
        let url = Permission { action: "lambda:InvokeFunctionUrl", ..permission("*", all) };
        assert!(json(&url).ends_with(
            r#""Condition":{"StringEquals":{"AWS:SourceAccount":"a","lambda:EventSourceToken":"t","aws:PrincipalOrgID":"o-1","lambda:FunctionUrlAuthType":"NONE"},"ArnLike":{"AWS:SourceArn":"arn:s"},"Bool":{"lambda:InvokedViaFunctionUrl":"true"}}}"#
        ));
        let auth = Conditions { function_url_auth_type: Some("NONE"), ..Conditions::default() };
        let text = "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action";
        assert_eq!(permission("*", auth).statement(), Err(Fault::InvalidParameter(text.into())));
    }

    #[test]
    fn principals_are_told_apart_by_their_form() {
        let shown = |text: &str| principal(text, "aws-cn").unwrap().to_string();
        assert_eq!(shown("*"), r#""*""#);
        assert_eq!(shown("123456789012"), r#"{"AWS":"arn:aws-cn:iam::123456789012:root"}"#);
        assert_eq!(shown("delivery.logs.amazonaws.com"), r#"{"Service":"delivery.logs.amazonaws.com"}"#);
        assert_eq!(shown("alexa-appkit.amazon.com"), r#"{"Service":"alexa-appkit.amazon.com"}"#);
        for arn in [
            "arn:aws:iam::123456789012:root",
            "arn:aws:iam::123456789012:user/division/me",
            "arn:aws:iam::123456789012:role/r",
            "arn:aws:sts::123456789012:assumed-role/r/session",
        ] {
            assert_eq!(shown(arn), format!(r#"{{"AWS":"{arn}"}}"#));
        }
        for wrong in [
            "invalid.nonaws.com",
            ".amazonaws.com",
            "S3.amazonaws.com",
            "12345678901",
            "arn:aws:iam::123456789012:user/",
            "arn:aws:iam::123456789012:user/*",
            "arn:aws:iam::123456789012:group/g",
            "arn:aws:iam::me:root",
            "arn:aws:s3:::bucket",
        ] {
            let text = "The provided principal was invalid. Please check the principal and try again.";
            assert_eq!(principal(wrong, "aws"), Err(Fault::InvalidParameter(text.into())), "{wrong}");
        }
    }
}
