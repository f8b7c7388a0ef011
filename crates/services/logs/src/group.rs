//! Naming a group: by name, by identifier (name or ARN), by ARN.

use lambent_domain::Scope;
use lambent_domain::names::partition;

use crate::LogsFault;

/// The ARN without `:*`.
pub(crate) fn arn(scope: &Scope, name: &str) -> String {
    format!("arn:{}:logs:{}:{}:log-group:{name}", partition(&scope.region), scope.region, scope.account)
}

/// The group of an operation that takes a name or an identifier.
pub(crate) fn named(name: Option<String>, identifier: Option<String>) -> Result<String, LogsFault> {
    match (name, identifier) {
        (Some(_), Some(_)) => {
            Err(LogsFault::Validation("LogGroup name and LogGroup ARN are mutually exclusive parameters.".into()))
        }
        (Some(name), None) => Ok(name),
        (None, Some(identifier)) => Ok(from_arn(&identifier).unwrap_or(identifier)),
        (None, None) => Err(LogsFault::InvalidParameter(
            "1 validation error detected: Value null at 'logGroupName' failed to satisfy constraint: Member must not be null".into(),
        )),
    }
}

/// The group's name in an ARN, with or without `:*`.
pub(crate) fn from_arn(arn: &str) -> Option<String> {
    let (_, name) = arn.split_once(":log-group:")?;
    Some(name.strip_suffix(":*").unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_name_and_by_arn() {
        let arn = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/f";
        for identifier in [arn.to_owned(), format!("{arn}:*"), "/aws/lambda/f".to_owned()] {
            assert_eq!(named(None, Some(identifier)).unwrap(), "/aws/lambda/f");
        }
        assert!(named(Some("a".into()), Some("b".into())).is_err());
        assert!(named(None, None).is_err());
    }
}
