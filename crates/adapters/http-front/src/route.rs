//! Which service a request is for, and who asks: from its credential scope, its target header, its host or its path.

use http::request::Parts;
use lambent_domain::{AccountId, Region, Scope};
use lambent_ports::api::Caller;
use lambent_ports::aws_client::Principal;
use lambent_ports::service_door::Resident;

use crate::aws_host::AwsHost;

/// Path prefix of everything that is Lambent's own. No AWS path begins like this: a bucket's name can't start with an
/// underscore.
const OWN_PREFIX: &str = "/_lambent/";

/// What CloudWatch is called in targets and paths.
const CLOUDWATCH: &str = "GraniteServiceVersion20100801";

/// Who asks, and for which account and region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Where keys live.
    pub scope: Scope,
    /// Who asks.
    pub caller: Caller,
    /// Signing name in the credential scope, when the request is signed.
    pub service: Option<String>,
}

impl Identity {
    /// A function asks: whatever the request says of its sender, it is in the function's account and on its role's
    /// authority.
    pub(crate) fn is_of(&mut self, resident: &Resident) {
        self.scope.account = resident.account.clone();
        self.caller.account = resident.account.clone();
        self.caller.principal = Some(Principal::Role(resident.role.clone()));
    }
}

/// Reads the credential scope of a header or presigned signature. Verifying it is another matter.
pub fn identify(head: &Parts, default: &Scope) -> Identity {
    let credential = head
        .headers
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split_once("Credential=").map(|(_, rest)| rest))
        .map(|rest| rest.split([',', ' ']).next().unwrap_or(rest).to_owned())
        .or_else(|| query_value(head, "X-Amz-Credential"))
        .or_else(|| older_access_key(head).map(|key| format!("{key}///s3")));
    let Some(credential) = credential else {
        let caller = Caller {
            account: default.account.clone(),
            access_key_id: None,
            principal: None,
            authority: None,
        };
        return Identity { scope: default.clone(), caller, service: None };
    };
    // `AKID/date/region/service/aws4_request`; an access key id could itself hold slashes in theory, never in practice.
    let mut parts = credential.split('/');
    let access_key_id = parts.next().unwrap_or_default().to_owned();
    let _date = parts.next();
    let region = parts.next().and_then(Region::parse).unwrap_or_else(|| default.region.clone());
    let service = parts.next().map(str::to_owned);
    let account = AccountId::parse(&access_key_id).unwrap_or_else(|| default.account.clone());
    Identity {
        scope: Scope { account: account.clone(), region },
        caller: Caller { account, access_key_id: Some(access_key_id), principal: None, authority: None },
        service,
    }
}

/// The access key id of a signature of version 2, which only S3 still knows: presigned URLs of boto3 are among them.
fn older_access_key(head: &Parts) -> Option<String> {
    let header = head.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let in_header = header.and_then(|text| text.strip_prefix("AWS ")?.split(':').next());
    in_header.map(str::to_owned).or_else(|| query_value(head, "AWSAccessKeyId"))
}

/// Whether a request is for what is Lambent's own, which has proofs of its own.
pub(crate) fn is_own(head: &Parts) -> bool {
    head.uri.path().starts_with(OWN_PREFIX)
}

/// Whether it is for who runs the server: it tells of everybody's functions, so that no function may ask.
pub(crate) fn is_for_operators(head: &Parts) -> bool {
    head.uri.path() == "/_lambent/metrics"
}

/// The bucket that is part of the host.
pub(crate) fn bucket_in_host(head: &Parts) -> Option<&str> {
    let host = host(head).filter(|host| is_bucket_host(host))?;
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let at = host.rmatch_indices(".s3").map(|(at, _)| at);
    let mut places = at.filter(|at| matches!(host.as_bytes().get(at + 3), None | Some(b'.' | b'-')));
    places.next().map(|at| &host[..at]).or_else(|| host.strip_suffix(".localhost"))
}

/// `POST /2015-03-31/functions/{name}/invocations` or the older InvokeAsync, with or without a slash at the end.
pub fn is_invoke(head: &Parts, identity: &Identity) -> bool {
    head.method == http::Method::POST
        && function_label(head.uri.path()).is_some()
        && identity.service.as_deref().is_none_or(|service| service == "lambda")
}

/// `POST /2014-11-13/functions/{name}/invoke-async`.
pub(crate) fn is_invoke_async(path: &str) -> bool {
    label(path, "/2014-11-13/functions/", "/invoke-async").is_some()
}

/// The still encoded function label of an invoke's path. A label with a raw slash is none.
pub fn function_label(path: &str) -> Option<&str> {
    label(path, "/2015-03-31/functions/", "/invocations")
        .or_else(|| label(path, "/2014-11-13/functions/", "/invoke-async"))
}

fn label<'a>(path: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(before)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let label = rest.strip_suffix(after)?;
    (!label.is_empty() && !label.contains('/')).then_some(label)
}

/// Signing name of the service that a request is for.
pub fn service_name<'a>(head: &'a Parts, identity: &'a Identity) -> Option<&'a str> {
    if head.uri.path().starts_with(OWN_PREFIX) {
        return Some("_lambent");
    }
    if let Some(service) = &identity.service {
        return Some(service);
    }
    if let Some(found) = host(head).and_then(AwsHost::parse) {
        return Some(found.service);
    }
    if let Some(target) = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok()) {
        return match target.split('.').next() {
            Some("Logs_20140328") => Some("logs"),
            Some("AmazonSQS") => Some("sqs"),
            Some(CLOUDWATCH) => Some("monitoring"),
            Some("AWSEvents") => Some("events"),
            _ => None,
        };
    }
    // The protocol that is called RPC v2: `/service/<name>/operation/<operation>`.
    if let Some(rest) = head.uri.path().strip_prefix("/service/") {
        return (rest.split('/').next() == Some(CLOUDWATCH)).then_some("monitoring");
    }
    if host(head).is_some_and(is_bucket_host) {
        return Some("s3");
    }
    if looks_dated(head.uri.path()) {
        return Some("lambda");
    }
    if is_queue_path(head.uri.path()) {
        return Some("sqs");
    }
    if is_notification_link(head) {
        return Some("sns");
    }
    if let Some(name) = host(head).and_then(|host| host.split('.').next())
        && matches!(
            name,
            "events" | "iam" | "lambda" | "logs" | "monitoring" | "s3" | "scheduler" | "sns" | "sqs" | "sts"
        )
    {
        return Some(name);
    }
    let form = head.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if form.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
        return Some("sts");
    }
    // Buckets and keys can look like anything.
    Some("s3")
}

/// `<bucket>.s3.<…>`, `<bucket>.s3-<region>.<…>` or `<bucket>.localhost`.
fn is_bucket_host(host: &str) -> bool {
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let in_labels = |label: &str| label == "s3" || label.starts_with("s3-");
    host.split('.').skip(1).any(in_labels)
        || host.strip_suffix(".localhost").is_some_and(|rest| !rest.contains('.') && !is_service(rest))
}

/// Whether a host's first label is a service's.
fn is_service(label: &str) -> bool {
    matches!(
        label,
        "lambda" | "logs" | "s3" | "sqs" | "sts" | "sns" | "events" | "scheduler" | "iam" | "monitoring"
    )
}

/// `/<account>/<queue>`: what a queue's URL has behind the host.
fn is_queue_path(path: &str) -> bool {
    let mut parts = path.trim_matches('/').split('/');
    let account = parts.next().is_some_and(|account| AccountId::parse(account).is_some());
    account && parts.next().is_some_and(|name| !name.is_empty()) && parts.next().is_none()
}

/// Links in notifications of SNS, which nobody signs: its certificate, and answers to a subscription.
fn is_notification_link(head: &Parts) -> bool {
    let path = head.uri.path();
    let certificate = path.starts_with("/SimpleNotificationService-") && path.ends_with(".pem");
    let action = query_value(head, "Action");
    certificate || path == "/" && matches!(action.as_deref(), Some("ConfirmSubscription" | "Unsubscribe"))
}

/// The service of an unsigned form at `/`: each has a version of its own.
pub(crate) fn form_service(form: &[u8], query: &str) -> Option<&'static str> {
    let has = |version: &str| {
        let pair = format!("Version={version}");
        let mut pairs = form.split(|byte| *byte == b'&').chain(query.as_bytes().split(|byte| *byte == b'&'));
        pairs.any(|found| found == pair.as_bytes())
    };
    let versions = [
        ("2010-08-01", "monitoring"),
        ("2010-05-08", "iam"),
        ("2012-11-05", "sqs"),
        ("2011-06-15", "sts"),
        ("2010-03-31", "sns"),
    ];
    versions.into_iter().find(|(version, _)| has(version)).map(|(_, name)| name)
}

/// Lambda's paths begin with the date of an API version.
fn looks_dated(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.len() > 11
        && bytes[0] == b'/'
        && bytes[5] == b'-'
        && bytes[8] == b'-'
        && bytes[11] == b'/'
        && bytes[1..11].iter().all(|byte| byte.is_ascii_digit() || *byte == b'-')
}

/// The `Host` that the client used.
pub fn host(head: &Parts) -> Option<&str> {
    head.headers.get(http::header::HOST).and_then(|host| host.to_str().ok())
}

/// Whether a request is for a function's URL: `<id>.lambda-url.<region>.…`. Its path and headers are the function's, so
/// this comes before anything else that a request could be taken for.
pub(crate) fn is_function_url(head: &Parts) -> bool {
    let mut labels = host(head).unwrap_or_default().splitn(4, '.');
    let (id, service) = (labels.next(), labels.next());
    labels.next().is_some() && id.is_some_and(|id| !id.is_empty()) && service == Some("lambda-url")
}

/// A query parameter, decoded.
pub fn query_value(head: &Parts, name: &str) -> Option<String> {
    head.uri.query()?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then(|| decode(&value.replace('+', " ")))
    })
}

/// Percent-decodes once; bytes that are no UTF-8 become replacement characters, which no name contains.
pub fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
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

    fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn service(method: &str, uri: &str, headers: &[(&str, &str)]) -> Option<String> {
        let head = head(method, uri, headers);
        service_name(&head, &identify(&head, &scope())).map(str::to_owned)
    }

    #[test]
    fn account_and_region_come_from_the_credential_scope() {
        let authorization = "AWS4-HMAC-SHA256 Credential=210987654321/20260101/eu-west-1/logs/aws4_request, SignedHeaders=host, Signature=0";
        let head = head("POST", "/", &[("authorization", authorization)]);
        let identity = identify(&head, &scope());
        assert_eq!(identity.scope.account.as_str(), "210987654321");
        assert_eq!(identity.scope.region.as_str(), "eu-west-1");
        assert_eq!(service_name(&head, &identity), Some("logs"));
        let presigned =
            self::head("GET", "/?X-Amz-Credential=AKID%2F20260101%2Fus-west-2%2Fsts%2Faws4_request", &[]);
        let identity = identify(&presigned, &scope());
        assert_eq!(identity.scope.region.as_str(), "us-west-2");
        assert_eq!(identity.scope.account.as_str(), "123456789012");
        assert_eq!(identity.service.as_deref(), Some("sts"));
    }

    #[test]
    fn a_functions_request_is_its_own_whatever_it_says() {
        let authorization = "AWS4-HMAC-SHA256 Credential=210987654321/20260101/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0";
        let mut identity = identify(&head("POST", "/", &[("authorization", authorization)]), &scope());
        let role = "arn:aws:iam::123456789012:role/r".to_owned();
        identity.is_of(&Resident { account: scope().account, role: role.clone() });
        assert_eq!(identity.scope.account.as_str(), "123456789012");
        assert_eq!(identity.scope.region.as_str(), "eu-west-1");
        assert_eq!(identity.caller.principal, Some(Principal::Role(role)));
    }

    #[test]
    fn unsigned_requests_are_told_apart_by_what_they_look_like() {
        assert_eq!(service("GET", "/2015-03-31/functions/", &[]).as_deref(), Some("lambda"));
        assert_eq!(
            service("POST", "/", &[("x-amz-target", "Logs_20140328.PutLogEvents")]).as_deref(),
            Some("logs")
        );
        let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        assert_eq!(service("POST", "/", &[form]).as_deref(), Some("sts"));
        assert_eq!(
            service("POST", "/", &[("x-amz-target", "AmazonSQS.SendMessage")]).as_deref(),
            Some("sqs")
        );
        assert_eq!(service("POST", "/123456789012/queue", &[form]).as_deref(), Some("sqs"));
        assert_eq!(form_service(b"Action=ListQueues&Version=2012-11-05", ""), Some("sqs"));
        assert_eq!(form_service(b"", "Action=GetCallerIdentity&Version=2011-06-15"), Some("sts"));
        assert_eq!(form_service(b"Action=ListRoles&Version=2010-05-08", ""), Some("iam"));
        assert_eq!(form_service(b"Action=ListQueues&Version=2012", ""), None);
        assert_eq!(form_service(b"Action=ListTopics&Version=2010-03-31", ""), Some("sns"));
        let link = "/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-east-1:123456789012:t&Token=2336";
        assert_eq!(service("GET", link, &[]).as_deref(), Some("sns"));
        assert_eq!(service("GET", "/SimpleNotificationService-0a.pem", &[]).as_deref(), Some("sns"));
        assert_eq!(service("GET", "/_lambent/health", &[]).as_deref(), Some("_lambent"));
    }

    #[test]
    fn what_is_for_nobody_else_is_for_s3() {
        assert_eq!(service("GET", "/bucket/key", &[]).as_deref(), Some("s3"));
        let host = |name| service("GET", "/2015-03-31/functions/", &[("host", name)]);
        assert_eq!(host("photos.s3.us-east-1.amazonaws.com").as_deref(), Some("s3"));
        assert_eq!(host("photos.localhost:4566").as_deref(), Some("s3"));
        assert_eq!(host("eu-west-1.queue.amazonaws.com").as_deref(), Some("sqs"));
        assert_eq!(host("dynamodb.us-east-1.amazonaws.com").as_deref(), Some("dynamodb"));
        assert_eq!(host("a.b.s3-eu-west-1.amazonaws.com").as_deref(), Some("s3"));
        assert_eq!(host("lambda.localhost").as_deref(), Some("lambda"));
        assert_eq!(host("127.0.0.1:4566").as_deref(), Some("lambda"));
        let presigned = "/123456789012/key?AWSAccessKeyId=210987654321&Signature=x&Expires=1";
        assert_eq!(service("GET", presigned, &[]).as_deref(), Some("s3"));
        let older = [("authorization", "AWS 210987654321:c2ln")];
        let identity = identify(&head("GET", "/b", &older), &scope());
        assert_eq!(identity.caller.access_key_id.as_deref(), Some("210987654321"));
        assert_eq!(identity.scope.region.as_str(), "us-east-1");
    }

    #[test]
    fn a_function_url_is_known_by_its_host_alone() {
        let is_url = |host: &str| {
            is_function_url(&head("POST", "/2015-03-31/functions/f/invocations", &[("host", host)]))
        };
        assert!(is_url("abc.lambda-url.us-east-1.on.aws"));
        assert!(is_url("abc.lambda-url.us-east-1.localhost:9001"));
        assert!(!is_url("lambda.us-east-1.amazonaws.com"));
        assert!(!is_url("lambda-url.us-east-1.on.aws"));
        assert!(!is_url("abc.lambda-url"));
        assert!(!is_url("127.0.0.1:9001"));
        assert!(!is_function_url(&head("GET", "/", &[])));
    }

    #[test]
    fn an_invoke_is_known_by_its_path() {
        let invoke = |method: &str, uri: &str| {
            let head = head(method, uri, &[]);
            is_invoke(&head, &identify(&head, &scope()))
        };
        assert!(invoke("POST", "/2015-03-31/functions/f/invocations"));
        assert!(invoke("POST", "/2015-03-31/functions/f/invocations/?Qualifier=1"));
        assert!(invoke("POST", "/2014-11-13/functions/f/invoke-async/"));
        assert!(is_invoke_async("/2014-11-13/functions/f/invoke-async"));
        assert!(!is_invoke_async("/2015-03-31/functions/f/invocations"));
        assert!(!invoke("POST", "/2015-03-31/functions/f/invoke-async"));
        assert!(!invoke("GET", "/2015-03-31/functions/f/invocations"));
        assert!(!invoke("POST", "/2015-03-31/functions//invocations"));
        assert!(!invoke("POST", "/2015-03-31/functions/f/versions"));
    }
}
