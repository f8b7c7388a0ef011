//! Naming a queue: by name, by URL, by ARN.

use lambent_domain::names::partition;
use lambent_domain::{AccountId, Region, Scope};
use lambent_ports::message_store::QueueRecord;

use crate::SqsFault;

/// Longest name, `.fifo` included (AWS documentation).
const MAX_NAME: usize = 80;

/// A name that a queue can have.
pub(crate) fn parse(name: &str, fifo: bool) -> Result<(), SqsFault> {
    let stem = if fifo { name.strip_suffix(".fifo") } else { Some(name) };
    let fits = |stem: &str| {
        !stem.is_empty()
            && name.len() <= MAX_NAME
            && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if stem.is_some_and(fits) {
        return Ok(());
    }
    // AWS's texts, from its documentation.
    Err(SqsFault::Parameter(match fifo {
        true => "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.".into(),
        false => "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length".into(),
    }))
}

/// The URL as this client reaches the server.
pub(crate) fn url(base_url: &str, queue: &QueueRecord) -> String {
    format!("{base_url}/{}/{}", queue.scope.account, queue.name)
}

/// Account and name are a URL's last two parts, whatever host the client knows us by; the region is the caller's. Some
/// clients send the bare name.
pub(crate) fn from_url(scope: &Scope, url: &str) -> Option<(Scope, String)> {
    let mut parts = url.trim_end_matches('/').rsplit('/');
    let name = parts.next().filter(|name| !name.is_empty())?.to_owned();
    let account = parts.next().and_then(AccountId::parse).unwrap_or_else(|| scope.account.clone());
    Some((Scope { account, region: scope.region.clone() }, name))
}

/// The ARN.
pub(crate) fn arn(queue: &QueueRecord) -> String {
    let Scope { account, region } = &queue.scope;
    format!("arn:{}:sqs:{region}:{account}:{}", partition(region), queue.name)
}

/// The inverse of [`arn`].
pub(crate) fn from_arn(arn: &str) -> Option<(Scope, String)> {
    let mut parts = arn.split(':');
    if parts.next() != Some("arn") || !parts.next()?.starts_with("aws") || parts.next() != Some("sqs") {
        return None;
    }
    let region = Region::parse(parts.next()?)?;
    let account = AccountId::parse(parts.next()?)?;
    let name = parts.next()?.to_owned();
    parts.next().is_none().then_some((Scope { account, region }, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope {
            account: AccountId::parse("123456789012").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        }
    }

    #[test]
    fn a_queue_is_found_whatever_host_its_url_has() {
        for url in
            ["http://127.0.0.1:1/123456789012/q", "https://sqs.us-east-1.amazonaws.com/123456789012/q/", "q"]
        {
            assert_eq!(from_url(&scope(), url), Some((scope(), "q".into())), "{url}");
        }
        assert_eq!(from_url(&scope(), "http://x/210987654321/q").unwrap().0.account.as_str(), "210987654321");
        assert_eq!(from_url(&scope(), ""), None);
    }

    #[test]
    fn only_names_that_aws_takes_are_names() {
        for (name, fifo) in [("a-B_9", false), ("a.fifo", true), (&"x".repeat(80), false)] {
            assert!(parse(name, fifo).is_ok(), "{name}");
        }
        for (name, fifo) in [
            ("", false),
            ("a.fifo", false),
            ("a", true),
            (".fifo", true),
            (&"x".repeat(81), false),
            ("a b", false),
        ] {
            assert!(parse(name, fifo).is_err(), "{name}");
        }
    }
}
