//! Names of AWS's services in the DNS. Inside sandboxes they lead to this server.

/// What they end with.
pub const SUFFIXES: [&str; 3] = ["amazonaws.com", "amazonaws.com.cn", "api.aws"];

/// Below these labels AWS names its customers' machines, which are databases, caches, load balancers: no service of AWS's
/// answers there, and what a function wants of them nobody here can give.
const MACHINES: [&str; 9] =
    ["rds", "elb", "compute", "compute-1", "cache", "redshift", "docdb", "neptune", "memorydb"];

/// Whether a name is one that a service of AWS's answers under, in any spelling of upper and lower case.
pub fn is_service_name(name: &str) -> bool {
    labels_before_suffix(name).is_some_and(|labels| !labels.split('.').skip(1).any(is_machines))
}

fn is_machines(label: &str) -> bool {
    MACHINES.iter().any(|machines| label.eq_ignore_ascii_case(machines))
}

/// `sqs.eu-west-1` of `sqs.eu-west-1.amazonaws.com`.
pub fn labels_before_suffix(name: &str) -> Option<&str> {
    SUFFIXES.iter().find_map(|suffix| {
        let place = name.len().checked_sub(suffix.len() + 1)?;
        let (labels, rest) = name.split_at_checked(place)?;
        let ours = rest.as_bytes()[0] == b'.' && rest[1..].eq_ignore_ascii_case(suffix);
        (ours && labels.split('.').all(|label| !label.is_empty())).then_some(labels)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_told_from_machines_and_from_everybody_else() {
        for name in [
            "s3.amazonaws.com",
            "my.bucket.s3.eu-west-1.amazonaws.com",
            "SQS.us-east-1.AmazonAWS.com",
            "rds.us-east-1.amazonaws.com",
            "sqs.cn-north-1.amazonaws.com.cn",
            "s3.us-east-1.api.aws",
            "queue.amazonaws.com",
        ] {
            assert!(is_service_name(name), "{name}");
        }
        for name in [
            "amazonaws.com",
            ".amazonaws.com",
            "s3..amazonaws.com",
            "s3.amazonaws.com.example.org",
            "evilamazonaws.com",
            "db.cluster-x.us-east-1.rds.amazonaws.com",
            "ec2-192-0-2-1.compute-1.amazonaws.com",
            "lb-1.eu-west-1.elb.amazonaws.com",
            "é.com",
            "",
        ] {
            assert!(!is_service_name(name), "{name}");
        }
    }
}
