//! What a host name of AWS's says: the service, and the region. Functions use these names; so may whoever has them lead
//! here.

use lambent_domain::{Region, Scope};
use lambent_ports::service_names::labels_before_suffix;

/// Of a `Host` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AwsHost<'a> {
    /// Signing name, as far as the host's labels are.
    pub(crate) service: &'a str,
    /// Global endpoints have none.
    pub(crate) region: Option<&'a str>,
}

impl<'a> AwsHost<'a> {
    /// `None` for any other name. Behind the service's label comes the region, if any; before it whatever the service
    /// has there: buckets, accounts, `runtime`.
    pub(crate) fn parse(host: &'a str) -> Option<Self> {
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        let labels = labels_before_suffix(host)?;
        let (before, last) = split(labels);
        let (labels, region) = match before {
            Some(before) if is_region(last) => (before, Some(last)),
            _ => (labels, None),
        };
        let (before, label) = match split(labels) {
            (Some(before), "dualstack") => split(before),
            other => other,
        };
        if label == "queue" {
            // Of SQS before it was called that: the region comes first.
            return Some(AwsHost {
                service: "sqs",
                region: region.or(before.filter(|label| is_region(label))),
            });
        }
        if let Some(place) = label.strip_prefix("s3-").filter(|place| is_region(place)) {
            return Some(AwsHost { service: "s3", region: Some(place) });
        }
        let service = match label {
            "s3-accelerate" => "s3",
            label => label.strip_suffix("-fips").unwrap_or(label),
        };
        Some(AwsHost { service, region })
    }

    /// Where a request is for that says nothing else of it.
    pub(crate) fn scope(host: Option<&str>, default: &Scope) -> Scope {
        let region = host.and_then(AwsHost::parse).and_then(|host| host.region.and_then(Region::parse));
        Scope { account: default.account.clone(), region: region.unwrap_or_else(|| default.region.clone()) }
    }
}

/// All labels but the last, and the last.
fn split(labels: &str) -> (Option<&str>, &str) {
    labels.rsplit_once('.').map_or((None, labels), |(before, last)| (Some(before), last))
}

/// `eu-west-1`, `us-gov-east-1`: words and a number.
fn is_region(label: &str) -> bool {
    let mut parts = label.split('-');
    let first = parts
        .next()
        .is_some_and(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_lowercase()));
    let number = label.rsplit('-').next().is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    first && number && label.split('-').count() >= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_and_region_are_in_the_name() {
        for (host, service, region) in [
            ("sqs.eu-west-1.amazonaws.com", "sqs", Some("eu-west-1")),
            ("iam.amazonaws.com", "iam", None),
            ("eu-central-1.queue.amazonaws.com", "sqs", Some("eu-central-1")),
            ("queue.amazonaws.com:443", "sqs", None),
            ("my.bucket.s3.us-gov-east-1.amazonaws.com", "s3", Some("us-gov-east-1")),
            ("bucket.s3.amazonaws.com", "s3", None),
            ("bucket.s3.dualstack.us-west-2.amazonaws.com", "s3", Some("us-west-2")),
            ("bucket.s3-eu-west-1.amazonaws.com", "s3", Some("eu-west-1")),
            ("bucket.s3-accelerate.amazonaws.com", "s3", None),
            ("lambda-fips.us-east-1.amazonaws.com", "lambda", Some("us-east-1")),
            ("streams.dynamodb.us-east-1.amazonaws.com", "dynamodb", Some("us-east-1")),
            ("sqs.us-east-1.api.aws", "sqs", Some("us-east-1")),
            ("sqs.cn-north-1.amazonaws.com.cn", "sqs", Some("cn-north-1")),
        ] {
            assert_eq!(AwsHost::parse(host), Some(AwsHost { service, region }), "{host}");
        }
        for host in ["localhost:4566", "s3.localhost", "sqs.example.com", ""] {
            assert_eq!(AwsHost::parse(host), None, "{host}");
        }
    }
}
