//! Answers in a service's name where that service is not here. Its model is not known: the protocol is told by what the
//! request looks like, so that every SDK can read the answer.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};
use lambent_domain::RequestId;
use lambent_kit::smithy::{ErrorShape, cbor};
use serde_json::{Map, Value};

use crate::error::{aws_json, aws_query, rest_json, with_body};

/// Services whose REST protocol speaks XML.
const REST_XML: [&str; 4] = ["cloudfront", "route53", "s3-control", "s3-outposts"];
/// Not a code of AWS's; the one that operations have here which are not there yet.
const CODE: &str = "NotImplementedException";
const STATUS: u16 = 501;

/// How a request is written, and an error has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Json,
    Cbor,
    Query,
    /// The query protocol with EC2's own errors.
    Ec2,
    RestXml,
    RestJson,
}

impl Protocol {
    fn of(service: &str, head: &Parts) -> Self {
        let is =
            |name: &str, begins: &str| text(&head.headers, name).is_some_and(|text| text.starts_with(begins));
        let in_query = head.uri.query().is_some_and(|query| {
            query.split('&').any(|pair| pair.starts_with("Action=") || pair.starts_with("AWSAccessKeyId="))
        });
        if is("smithy-protocol", "rpc-v2-cbor") {
            Protocol::Cbor
        } else if head.headers.contains_key("x-amz-target") {
            Protocol::Json
        } else if in_query || is("content-type", "application/x-www-form-urlencoded") {
            if service == "ec2" { Protocol::Ec2 } else { Protocol::Query }
        } else if REST_XML.contains(&service) {
            Protocol::RestXml
        } else {
            Protocol::RestJson
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Nobody here is this service.
pub fn not_here(service: &str, head: &Parts, request_id: &RequestId) -> Response<Bytes> {
    let message = format!(
        "Lambent has no service {service}. What is sent to it can be sent on: --service-endpoints {service}=URL"
    );
    error(service, head, (CODE, STATUS), &message, request_id)
}

/// It is elsewhere, and can't be reached.
pub fn not_reached(service: &str, head: &Parts, reason: &str, request_id: &RequestId) -> Response<Bytes> {
    error(service, head, ("ServiceUnavailable", 503), reason, request_id)
}

fn error(
    service: &str,
    head: &Parts,
    (code, status): (&'static str, u16),
    message: &str,
    request_id: &RequestId,
) -> Response<Bytes> {
    let mut response = match Protocol::of(service, head) {
        Protocol::Json => aws_json(code, status, message),
        Protocol::Cbor => {
            let members = [("__type", code), ("message", message)];
            let members: Map<String, Value> =
                members.map(|(name, value)| (name.to_owned(), Value::from(value))).into_iter().collect();
            let mut response = with_body(status, "application/cbor", cbor::encode(&members, &[]));
            response.headers_mut().insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
            response
        }
        Protocol::Query => aws_query(&format!("http://{service}.amazonaws.com/doc/"), code, status, message),
        Protocol::Ec2 => with_body(status, "text/xml", ec2(code, message, request_id)),
        Protocol::RestXml => {
            aws_query(&format!("https://{service}.amazonaws.com/doc/"), code, status, message)
        }
        Protocol::RestJson => {
            let shape = ErrorShape { code, status, message_member: "message", has_type: false };
            return rest_json(&shape, message, &[], request_id);
        }
    };
    if let Ok(id) = HeaderValue::from_str(&request_id.to_string()) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

/// The texts are ours, and hold nothing that XML would have to escape but what a service's name could bring.
fn ec2(code: &str, message: &str, request_id: &RequestId) -> String {
    let message = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_answer_is_in_the_requests_own_protocol() {
        let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        for (service, head, protocol) in [
            ("dynamodb", head("/", &[("x-amz-target", "DynamoDB_20120810.ListTables")]), Protocol::Json),
            ("logs", head("/service/X/operation/Y", &[("smithy-protocol", "rpc-v2-cbor")]), Protocol::Cbor),
            ("rds", head("/", &[form]), Protocol::Query),
            ("rds", head("/?Action=DescribeDBInstances&Version=2014-10-31", &[]), Protocol::Query),
            ("ec2", head("/", &[form]), Protocol::Ec2),
            ("route53", head("/2013-04-01/hostedzone", &[]), Protocol::RestXml),
            ("batch", head("/v1/submitjob", &[("content-type", "application/json")]), Protocol::RestJson),
        ] {
            assert_eq!(Protocol::of(service, &head), protocol, "{service}");
            let answer = not_here(service, &head, &RequestId::from_random([7; 16]));
            assert_eq!(answer.status(), 501);
            let body = String::from_utf8_lossy(answer.body()).into_owned();
            assert!(body.contains(service) && body.contains("--service-endpoints"), "{body}");
            assert!(body.contains(CODE) || answer.headers()["x-amzn-errortype"] == CODE, "{body}");
        }
    }
}
