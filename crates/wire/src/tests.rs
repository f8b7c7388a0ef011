use bytes::Bytes;
use http::HeaderMap;
use lambent_kit::smithy::http_binding::Request;
use lambent_kit::smithy::{Operation, Refused, router};

use crate::lambda::operations::{CreateFunction, ListFunctions, UntagResource};
use crate::{lambda, logs, sts};

fn decode<O: Operation>(
    labels: &[(&'static str, String)],
    query: &str,
    body: &str,
) -> Result<O::Input, Refused> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    O::decode(&Request { labels, query, headers: &HeaderMap::new(), body: &body })
}

fn refused(body: &str) -> String {
    match decode::<CreateFunction>(&[], "", body) {
        Err(Refused::Validation(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_pattern_of_the_models_compiles() {
    for pattern in [lambda::shapes::PATTERNS, logs::shapes::PATTERNS, sts::shapes::PATTERNS].concat() {
        assert!(pattern.compiles(), "{pattern:?}");
    }
}

#[test]
fn missing_members_are_named_as_aws_names_them() {
    assert_eq!(
        refused(r#"{"FunctionName": "f", "Code": {}}"#),
        "1 validation error detected: Value null at 'role' failed to satisfy constraint: Member must not be null"
    );
}

const ROLE: &str = r#""Role": "arn:aws:iam::123456789012:role/r", "Code": {}"#;

#[test]
fn constraints_print_as_aws_prints_them() {
    let text = refused(&format!(r#"{{"FunctionName": "f", {ROLE}, "Architectures": ["x86_64", "arm64"]}}"#));
    assert_eq!(
        text,
        "1 validation error detected: Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1"
    );
    let text =
        refused(&format!(r#"{{"FunctionName": "f", {ROLE}, "Architectures": ["z80"], "Timeout": 901}}"#));
    assert!(text.starts_with("2 validation errors detected: "), "{text}");
    assert!(text.contains("Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900"), "{text}");
    assert!(text.contains("Value '[z80]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"), "{text}");
    let text = refused(&format!(r#"{{"FunctionName": "f", {ROLE}, "SnapStart": {{"ApplyOn": "x"}}}}"#));
    assert!(text.contains("at 'snapStart.applyOn'"), "{text}");
    let text = refused(r#"{"FunctionName": "f", "Role": "nobody", "Code": {}}"#);
    assert!(text.contains(r"Value 'nobody' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"), "{text}");
}

#[test]
fn a_wrong_json_type_is_no_validation_error() {
    let result = decode::<CreateFunction>(&[], "", &format!(r#"{{"FunctionName": ["f"], {ROLE}}}"#));
    assert!(matches!(result, Err(Refused::Serialization(_))), "{result:?}");
    assert!(matches!(decode::<CreateFunction>(&[], "", "{"), Err(Refused::Serialization(_))));
}

#[test]
fn unknown_members_are_ignored_and_null_is_absent() {
    let body = format!(r#"{{"FunctionName": "f", {ROLE}, "Nonsense": 1, "Timeout": null}}"#);
    let input = decode::<CreateFunction>(&[], "", &body).unwrap();
    assert_eq!((input.function_name.as_str(), input.timeout), ("f", None));
}

#[test]
fn members_come_from_path_and_query() {
    let input = decode::<ListFunctions>(&[], "MaxItems=7&Marker=a%2Bb", "").unwrap();
    assert_eq!((input.max_items, input.marker.as_deref()), (Some(7), Some("a+b")));
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:f";
    let input = decode::<UntagResource>(&[("Resource", arn.into())], "tagKeys=a&tagKeys=b", "").unwrap();
    assert_eq!(input.tag_keys, ["a", "b"]);
    let missing = decode::<UntagResource>(&[("Resource", arn.into())], "", "");
    let expected = "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null";
    assert_eq!(missing.unwrap_err(), Refused::Validation(expected.into()));
}

#[test]
fn each_route_leads_to_its_operation_with_and_without_a_slash() {
    for route in lambda::ROUTES {
        let path: String =
            route.segments.iter().map(|segment| format!("/{}", segment.replace(['{', '}'], "x"))).collect();
        let query = route.query.map(|(key, value)| format!("{key}={value}")).unwrap_or_default();
        for path in [path.clone(), format!("{path}/")] {
            let found =
                router::route(lambda::ROUTES, route.method, &path, &query).map(|found| found.operation);
            assert_eq!(found, Some(route.operation), "{path}");
        }
    }
    assert_eq!(lambda::OPERATIONS.len(), lambda::ROUTES.len());
}

#[test]
fn error_members_are_spelled_as_the_service_spells_them() {
    let spelled = |code: &str| {
        let error = lambda::errors::ALL.iter().find(|error| error.code == code).unwrap();
        (error.status, error.message_member)
    };
    assert_eq!(spelled("ResourceNotFoundException"), (404, "Message"));
    assert_eq!(spelled("ResourceConflictException"), (409, "message"));
    assert_eq!(spelled("RequestEntityTooLargeException"), (413, "Message"));
}
