//! Calls as requests on the wire.

use lambent_domain::Scope;
use lambent_kit::sigv4::uri_encode;
use lambent_ports::aws_client::{Principal, ServiceRequest};
use serde_json::{Map, Value, json};

use crate::arn::Arn;
use crate::dispatch::{BusEntry, Call, Dispatch, scope};

/// API calls that a schedule can make here: service and operation as in `arn:aws:scheduler:::aws-sdk:sqs:sendMessage`.
pub const UNIVERSAL: &[(&str, &str)] =
    &[("lambda", "invoke"), ("sqs", "sendMessage"), ("sns", "publish"), ("events", "putEvents")];

/// A call of a service's API, of those that can be made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Universal {
    /// Signing name.
    pub service: &'static str,
    /// The operation, with a small letter.
    pub operation: &'static str,
}

/// What `arn:aws:scheduler:::aws-sdk:service:operation` names; `None` for what can't be called here.
pub fn universal(arn: &str) -> Option<Universal> {
    let (_, call) = arn.split_once(":scheduler:::aws-sdk:")?;
    let (service, operation) = call.split_once(':')?;
    let known = UNIVERSAL.iter().find(|known| **known == (service, operation))?;
    Some(Universal { service: known.0, operation: known.1 })
}

/// The requests of a call: the last one is what it is about, those before it may fail.
pub(crate) fn requests(dispatch: &Dispatch) -> Option<Vec<ServiceRequest>> {
    let (principal, trace) = (dispatch.authority.principal(), dispatch.trace.as_deref());
    let one = match &dispatch.call {
        Call::Function { arn, payload } => {
            let scope = Arn::parse(arn)?.scope?;
            let invoke = ServiceRequest::invoke(arn, "Event", scope, principal, payload.clone());
            match trace {
                Some(trace) => invoke.with_header("x-amzn-trace-id", trace),
                None => invoke,
            }
        }
        Call::Queue { arn, body, group } => {
            let mut message = json!({ "MessageBody": body });
            if let Some(group) = group {
                message["MessageGroupId"] = json!(group);
            }
            if let Some(trace) = trace {
                let header = json!({ "DataType": "String", "StringValue": trace });
                message["MessageSystemAttributes"] = json!({ "AWSTraceHeader": header });
            }
            send_message(arn, message, principal)?
        }
        Call::Topic { arn, message } => {
            let scope = Arn::parse(arn)?.scope?;
            let input = json!({ "TopicArn": arn, "Message": message });
            ServiceRequest::form("sns", scope, principal, publish(&input))
        }
        Call::LogGroup { arn, stream, at_ms, message } => {
            return log_line(&Arn::parse(arn)?, stream, *at_ms, message, principal);
        }
        Call::EventBus { arn, entry } => put_event(arn, entry, principal)?,
        Call::Api { account, region, service, operation, input } => {
            let input: Value = serde_json::from_str(input).ok()?;
            api(scope(account, region)?, (service, operation), &input, principal)?
        }
        Call::Broken { .. } => return None,
    };
    Some(vec![one])
}

/// SendMessage to a queue of which the ARN is known.
pub(crate) fn send_message(arn: &str, mut message: Value, principal: Principal) -> Option<ServiceRequest> {
    let arn = Arn::parse(arn)?;
    let scope = arn.scope?;
    let url = format!("https://sqs.{}.amazonaws.com/{}/{}", scope.region, scope.account, arn.resource);
    message["QueueUrl"] = json!(url);
    Some(ServiceRequest::json("sqs", "1.0", "AmazonSQS.SendMessage", scope, principal, message.to_string()))
}

fn put_event(arn: &str, entry: &BusEntry, principal: Principal) -> Option<ServiceRequest> {
    let scope = Arn::parse(arn)?.scope?;
    let mut event = json!({
        "Source": entry.source, "DetailType": entry.detail_type, "Detail": entry.detail,
        "Resources": entry.resources, "EventBusName": arn,
    });
    if let Some(time_s) = entry.time_s {
        event["Time"] = json!(time_s);
    }
    let body = json!({ "Entries": [event] }).to_string();
    let request = ServiceRequest::json("events", "1.1", "AWSEvents.PutEvents", scope, principal, body);
    Some(request.with_header(crate::PASSED_ON, "1"))
}

/// The stream may be there already.
fn log_line(
    arn: &Arn<'_>,
    stream: &str,
    at_ms: u64,
    message: &str,
    principal: Principal,
) -> Option<Vec<ServiceRequest>> {
    let (scope, group) = (arn.scope.clone()?, arn.log_group()?);
    let create = json!({ "logGroupName": group, "logStreamName": stream });
    let mut put = create.clone();
    put["logEvents"] = json!([{ "timestamp": at_ms, "message": message }]);
    let request = |operation, body: Value| {
        ServiceRequest::json("logs", "1.1", operation, scope.clone(), principal.clone(), body.to_string())
    };
    Some(vec![request("Logs_20140328.CreateLogStream", create), request("Logs_20140328.PutLogEvents", put)])
}

fn api(
    scope: Scope,
    (service, operation): (&str, &str),
    input: &Value,
    principal: Principal,
) -> Option<ServiceRequest> {
    Some(match (service, operation) {
        ("lambda", "invoke") => invoke(scope, input, principal)?,
        ("sqs", "sendMessage") => {
            ServiceRequest::json("sqs", "1.0", "AmazonSQS.SendMessage", scope, principal, input.to_string())
        }
        ("events", "putEvents") => {
            ServiceRequest::json("events", "1.1", "AWSEvents.PutEvents", scope, principal, input.to_string())
        }
        ("sns", "publish") => ServiceRequest::form("sns", scope, principal, publish(input)),
        _ => return None,
    })
}

fn invoke(scope: Scope, input: &Value, principal: Principal) -> Option<ServiceRequest> {
    let function = input.get("FunctionName")?.as_str()?;
    let kind = match input.get("InvocationType").and_then(Value::as_str) {
        Some("Event") => "Event",
        Some("DryRun") => "DryRun",
        _ => "RequestResponse",
    };
    let payload = match input.get("Payload") {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let mut request = ServiceRequest::invoke(function, kind, scope, principal, payload);
    if let Some(qualifier) = input.get("Qualifier").and_then(Value::as_str) {
        request.target.push_str(&format!("?Qualifier={}", uri_encode(qualifier.as_bytes(), false)));
    }
    Some(request)
}

/// `Publish` in the query protocol.
fn publish(input: &Value) -> String {
    let mut form = String::from("Action=Publish&Version=2010-03-31");
    let mut add = |name: &str, value: &str| {
        form.push_str(&format!("&{name}={}", uri_encode(value.as_bytes(), false)));
    };
    let none = Map::new();
    let members = input.as_object().unwrap_or(&none);
    for (name, value) in members {
        if let Value::String(text) = value {
            add(name, text);
        }
    }
    let attributes = members.get("MessageAttributes").and_then(Value::as_object).unwrap_or(&none);
    for (number, (name, value)) in (1..).zip(attributes) {
        let entry = format!("MessageAttributes.entry.{number}");
        add(&format!("{entry}.Name"), name);
        for member in ["DataType", "StringValue", "BinaryValue"] {
            if let Some(text) = value.get(member).and_then(Value::as_str) {
                add(&format!("{entry}.Value.{member}"), text);
            }
        }
    }
    form
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Retries;
    use crate::dispatch::Authority;

    fn all(call: &Call) -> Vec<ServiceRequest> {
        let dispatch = Dispatch {
            target: String::new(),
            call: call.clone(),
            authority: Authority::Role("arn:aws:iam::123456789012:role/r".into()),
            retries: Retries::default(),
            accepted_ms: 0,
            dead_letter: None,
            trace: None,
        };
        requests(&dispatch).unwrap()
    }

    fn only(call: &Call) -> ServiceRequest {
        all(call).pop().unwrap()
    }

    #[test]
    fn calls_go_to_where_their_target_is() {
        let function = Call::Function {
            arn: "arn:aws:lambda:eu-west-1:111122223333:function:f".into(),
            payload: "{}".into(),
        };
        assert_eq!(only(&function).scope.region.as_str(), "eu-west-1");
        let queue = Call::Queue {
            arn: "arn:aws:sqs:us-east-1:123456789012:q.fifo".into(),
            body: "b".into(),
            group: Some("g".into()),
        };
        let body: Value = serde_json::from_slice(&only(&queue).body).unwrap();
        assert_eq!(
            (&body["QueueUrl"], &body["MessageGroupId"]),
            (&json!("https://sqs.us-east-1.amazonaws.com/123456789012/q.fifo"), &json!("g"))
        );
        let group = Call::LogGroup {
            arn: "arn:aws:logs:us-east-1:123456789012:log-group:/aws/events/g:*".into(),
            stream: "s".into(),
            at_ms: 5,
            message: "m".into(),
        };
        let both = all(&group);
        assert_eq!(both.len(), 2);
        assert!(String::from_utf8_lossy(&both[1].body).contains("\"/aws/events/g\""));
    }

    #[test]
    fn api_calls_are_those_of_the_services() {
        assert_eq!(universal("arn:aws:scheduler:::aws-sdk:sqs:sendMessage").unwrap().service, "sqs");
        assert_eq!(universal("arn:aws:scheduler:::aws-sdk:sqs:deleteQueue"), None);
        let call = |service: &str, operation: &str, input: Value| Call::Api {
            account: "123456789012".into(),
            region: "us-east-1".into(),
            service: service.into(),
            operation: operation.into(),
            input: input.to_string(),
        };
        let invoke = only(&call(
            "lambda",
            "invoke",
            json!({"FunctionName": "f", "InvocationType": "Event", "Payload": "{\"a\":1}", "Qualifier": "v 1"}),
        ));
        assert_eq!(invoke.target, "/2015-03-31/functions/f/invocations?Qualifier=v%201");
        assert_eq!(&invoke.body[..], b"{\"a\":1}");
        let publish = only(&call(
            "sns",
            "publish",
            json!({"TopicArn": "t", "Message": "a&b", "MessageAttributes": {"k": {"DataType": "String", "StringValue": "v"}}}),
        ));
        let form = String::from_utf8_lossy(&publish.body).into_owned();
        assert!(form.contains("&Message=a%26b") && form.ends_with("&MessageAttributes.entry.1.Name=k&MessageAttributes.entry.1.Value.DataType=String&MessageAttributes.entry.1.Value.StringValue=v"), "{form}");
    }
}
